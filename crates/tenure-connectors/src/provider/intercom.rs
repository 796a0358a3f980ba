//! Intercom: conversations and tickets in.
//!
//! Source: the REST API 2.14, <https://developers.intercom.com/docs/references/rest-api/api.intercom.io/conversations/searchconversations>.
//! - A search gives no promise about its order, so each round reads everything that changed within a closed stretch of
//!   time: what changes meanwhile falls into the next one.
//! - 429 means later; `X-RateLimit-Remaining` and `X-RateLimit-Reset` say how much is left until when.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ask::{Access, Ask};
use super::call::Page;
use super::fault::Fault;
use super::item::{Item, Planned, Who, Write};
use super::limit::Limit;
use super::link::{Link, Manners, Verdict};
use super::mapping::text_of;
use super::plan::unsupported;
use super::registry::Checked;
use super::secret::Secret;
use super::settings::{Need, Setting, SetupError};
use super::support::{Ticket, properties};
use super::time::value_ms;
use super::{Connector, Description};
use crate::webhook::Attempt;

/// Version of the API that is spoken.
const VERSION: &str = "2.14";
/// Records a page, at most 150.
const PAGE_RECORDS: usize = 100;
/// How long Intercom's index may lag behind, in seconds.
const SETTLE_S: i64 = 60;
/// Streams.
const CONVERSATIONS: &str = "conversations";
const TICKETS: &str = "tickets";

/// What it is.
pub(super) static DESCRIPTION: Description = Description {
    kind: "intercom",
    title: "Intercom",
    settings: &[
        Setting::secret(
            "token",
            Need::Required,
            "an access token that may read conversations and tickets",
        ),
        Setting::plain(
            "base_url",
            Need::Default("https://api.intercom.io"),
            "where the API is; `https://api.eu.intercom.io` in Europe",
        ),
    ],
    streams: &[CONVERSATIONS, TICKETS],
    pushes: &[],
    channel: None,
    limits: &[Limit {
        request_count: 166,
        window_ms: 10_000,
    }],
    mapping: "",
};

struct Intercom {
    name: String,
    link: Link,
}

/// The stretch of time that is being read, in seconds since 1970, and Intercom's place in it.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stretch {
    after_s: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_s: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
}

/// Opens a connector.
pub(super) fn open(checked: &Checked) -> Result<Box<dyn Connector>, SetupError> {
    let settings = &checked.settings;
    let token = settings.need_secret("token")?;
    let bearer = Secret::new(format!("Bearer {}", token.reveal()));
    let link = Link::new(
        checked.network,
        settings.need("base_url")?,
        Access::Header("authorization", bearer),
        Manners {
            limits: DESCRIPTION.limits,
            words: |body| {
                let error = &body["errors"][0];
                let code = error["code"].as_str()?;
                let words = error["message"].as_str().unwrap_or("no reason given");
                Some(format!("{code}: {words}"))
            },
            verdict: |_, _| Verdict::ByStatus,
        },
        settings.secrets(),
    )?;
    Ok(Box::new(Intercom {
        name: checked.name.clone(),
        link: link.with_header("intercom-version", VERSION),
    }))
}

impl Connector for Intercom {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn test(&self, now_ms: i64) -> Result<String, Fault> {
        let body = self.link.call(&Ask::get("/me"), now_ms)?;
        let app = body["app"]["name"].as_str();
        let app = app.ok_or_else(|| Fault::lacks("app"))?;
        Ok(format!("Intercom answers for the workspace {app}"))
    }

    fn pull(&self, stream: &str, cursor: Option<&str>, now_ms: i64) -> Result<Page, Fault> {
        let mut stretch = read_cursor(cursor)?;
        let until_s = *stretch.until_s.get_or_insert(now_ms / 1_000);
        let mut pagination = json!({ "per_page": PAGE_RECORDS });
        if let Some(place) = &stretch.place {
            pagination["starting_after"] = json!(place);
        }
        let ask = Ask::post(
            format!("/{stream}/search"),
            json!({
                "query": { "operator": "AND", "value": [
                    { "field": "updated_at", "operator": ">", "value": stretch.after_s },
                    { "field": "updated_at", "operator": "<", "value": until_s },
                ] },
                "pagination": pagination,
            }),
        );
        let body = self.link.call(&ask, now_ms)?;
        let found = body[stream].as_array();
        let found = found.ok_or_else(|| Fault::lacks("the list of records"))?;
        let mut calls = Vec::new();
        for record in found {
            calls.extend(read(&self.name, stream, record)?.calls());
        }
        stretch.place = text_of(&body["pages"]["next"]["starting_after"]);
        let more = stretch.place.is_some();
        if !more {
            stretch = Stretch {
                after_s: (until_s - SETTLE_S).max(stretch.after_s),
                ..Stretch::default()
            };
        }
        Ok(Page {
            calls,
            cursor: json!(stretch).to_string(),
            more,
        })
    }

    fn plan(&self, items: &[Item], _now_ms: i64) -> Vec<Planned> {
        items
            .iter()
            .map(|item| unsupported("Intercom", item))
            .collect()
    }

    fn write(&self, writes: &[Write], _now_ms: i64) -> Vec<Attempt> {
        let fault = Fault::Unsupported {
            reason: "nothing is written to Intercom".into(),
        };
        vec![fault.attempt(); writes.len()]
    }
}

fn read_cursor(cursor: Option<&str>) -> Result<Stretch, Fault> {
    let Some(text) = cursor else {
        return Ok(Stretch::default());
    };
    serde_json::from_str(text).map_err(|_| Fault::Unsupported {
        reason: "the kept cursor is not one of this stream's; pull it from the start".into(),
    })
}

fn read<'a>(connector: &'a str, stream: &'a str, record: &'a Value) -> Result<Ticket<'a>, Fault> {
    let at = |name: &'static str| value_ms(&record[name]).ok_or_else(|| Fault::lacks(name));
    let attributes = &record["ticket_attributes"];
    let is_ticket = stream == TICKETS;
    let status = if is_ticket {
        &record["ticket_state"]["category"]
    } else {
        &record["state"]
    };
    Ok(Ticket {
        connector,
        stream,
        noun: if is_ticket { "ticket" } else { "conversation" },
        id: record["id"].as_str().ok_or_else(|| Fault::lacks("id"))?,
        who: who(record),
        opened_at_ms: at("created_at")?,
        changed_at_ms: at("updated_at")?,
        is_solved: matches!(status.as_str(), Some("closed" | "resolved")),
        properties: properties(&[
            ("status", status),
            ("priority", &record["priority"]),
            (
                "subject",
                if is_ticket {
                    &attributes["_default_title_"]
                } else {
                    &record["title"]
                },
            ),
            ("channel", &record["source"]["type"]),
            ("category", &record["category"]),
            ("rating", &record["conversation_rating"]["rating"]),
        ]),
    })
}

/// The first contact; where it has no id of ours, the address of who began, unless that was one of the team.
fn who(record: &Value) -> Who {
    let author = &record["source"]["author"];
    let is_customer = matches!(author["type"].as_str(), Some("user" | "lead" | "contact"));
    Who {
        user_id: text_of(&record["contacts"]["contacts"][0]["external_id"]),
        email: if is_customer {
            text_of(&author["email"])
        } else {
            None
        },
        ..Who::default()
    }
}
