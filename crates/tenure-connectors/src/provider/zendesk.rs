//! Zendesk: tickets in.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/>.
//! - Tickets come in the order in which they changed, with a cursor of Zendesk's own that stays valid; the last minute
//!   is left out.
//! - 429 with `Retry-After` means later; ten requests a minute are allowed.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

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

/// The stream.
const TICKETS: &str = "tickets";
/// Tickets a page.
const PAGE_TICKETS: &str = "100";

/// What it is.
pub(super) static DESCRIPTION: Description = Description {
    kind: "zendesk",
    title: "Zendesk",
    settings: &[
        Setting::plain(
            "base_url",
            Need::Required,
            "the account's address (`https://….zendesk.com`)",
        ),
        Setting::plain("email", Need::Required, "the address of an administrator"),
        Setting::secret("api_token", Need::Required, "an API token"),
    ],
    streams: &[TICKETS],
    pushes: &[],
    channel: None,
    limits: &[Limit {
        request_count: 10,
        window_ms: 60_000,
    }],
    mapping: "",
};

struct Zendesk {
    name: String,
    link: Link,
}

/// Opens a connector.
pub(super) fn open(checked: &Checked) -> Result<Box<dyn Connector>, SetupError> {
    let settings = &checked.settings;
    let token = settings.need_secret("api_token")?;
    let pair = format!("{}/token:{}", settings.need("email")?, token.reveal());
    let basic = Secret::new(format!("Basic {}", STANDARD.encode(pair)));
    let link = Link::new(
        checked.network,
        settings.need("base_url")?,
        Access::Header("authorization", basic),
        Manners {
            limits: DESCRIPTION.limits,
            words: |body| {
                let error = body["error"].as_str().or(body["error"]["title"].as_str())?;
                let words = body["description"]
                    .as_str()
                    .or(body["error"]["message"].as_str());
                Some(format!("{error}: {}", words.unwrap_or("no reason given")))
            },
            verdict: |_, _| Verdict::ByStatus,
        },
        settings.secrets(),
    )?;
    Ok(Box::new(Zendesk {
        name: checked.name.clone(),
        link,
    }))
}

impl Connector for Zendesk {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    /// Without credentials Zendesk answers for a visitor without an id.
    fn test(&self, now_ms: i64) -> Result<String, Fault> {
        let body = self.link.call(&Ask::get("/api/v2/users/me.json"), now_ms)?;
        if body["user"]["id"].is_null() {
            return Err(Fault::Unauthorized {
                code: 200,
                reason: "Zendesk answers, but takes us for a visitor".into(),
            });
        }
        let role = body["user"]["role"].as_str().unwrap_or_default();
        if role != "admin" {
            return Err(Fault::Unsupported {
                reason: format!("the Zendesk user is {role}; exports are for administrators only"),
            });
        }
        Ok("Zendesk answers for an administrator".into())
    }

    fn pull(&self, stream: &str, cursor: Option<&str>, now_ms: i64) -> Result<Page, Fault> {
        let ask = Ask::get("/api/v2/incremental/tickets/cursor.json").query(&[
            match cursor {
                Some(cursor) => ("cursor", cursor),
                None => ("start_time", "1"),
            },
            ("per_page", PAGE_TICKETS),
            ("include", "users,organizations"),
        ]);
        let body = self.link.call(&ask, now_ms)?;
        let people = by_id(&body["users"]);
        let accounts = by_id(&body["organizations"]);
        let tickets = body[TICKETS]
            .as_array()
            .ok_or_else(|| Fault::lacks(TICKETS))?;
        let mut calls = Vec::new();
        for ticket in tickets
            .iter()
            .filter(|ticket| ticket["status"] != "deleted")
        {
            let who = who(ticket, &people, &accounts);
            calls.extend(read(&self.name, stream, ticket, who)?.calls());
        }
        // An export without anything in it may come without a cursor.
        let next = body["after_cursor"].as_str().or(cursor);
        let end = body["end_of_stream"].as_bool();
        match (next, end) {
            (Some(next), Some(end)) => Ok(Page {
                calls,
                cursor: next.to_owned(),
                more: !end,
            }),
            _ => Err(Fault::lacks("after_cursor")),
        }
    }

    fn plan(&self, items: &[Item], _now_ms: i64) -> Vec<Planned> {
        items
            .iter()
            .map(|item| unsupported("Zendesk", item))
            .collect()
    }

    fn write(&self, writes: &[Write], _now_ms: i64) -> Vec<Attempt> {
        let fault = Fault::Unsupported {
            reason: "nothing is written to Zendesk".into(),
        };
        vec![fault.attempt(); writes.len()]
    }
}

fn by_id(list: &Value) -> BTreeMap<String, &Value> {
    let entries = list.as_array().into_iter().flatten();
    entries
        .filter_map(|entry| Some((text_of(&entry["id"])?, entry)))
        .collect()
}

fn who(
    ticket: &Value,
    people: &BTreeMap<String, &Value>,
    accounts: &BTreeMap<String, &Value>,
) -> Who {
    let person = text_of(&ticket["requester_id"]).and_then(|id| people.get(&id));
    let account = text_of(&ticket["organization_id"]).and_then(|id| accounts.get(&id));
    let text = |found: Option<&&Value>, name: &str| found.and_then(|found| text_of(&found[name]));
    Who {
        user_id: text(person, "external_id"),
        email: text(person, "email"),
        phone: None,
        account_id: text(account, "external_id"),
    }
}

fn read<'a>(
    connector: &'a str,
    stream: &'a str,
    ticket: &'a Value,
    who: Who,
) -> Result<OwnedTicket<'a>, Fault> {
    let id = text_of(&ticket["id"]).ok_or_else(|| Fault::lacks("id"))?;
    let at = |name: &'static str| value_ms(&ticket[name]).ok_or_else(|| Fault::lacks(name));
    Ok(OwnedTicket {
        id,
        opened_at_ms: at("created_at")?,
        changed_at_ms: at("updated_at")?,
        connector,
        stream,
        who,
        ticket,
    })
}

/// A ticket whose id is a number there and a text here.
struct OwnedTicket<'a> {
    id: String,
    opened_at_ms: i64,
    changed_at_ms: i64,
    connector: &'a str,
    stream: &'a str,
    who: Who,
    ticket: &'a Value,
}

impl OwnedTicket<'_> {
    fn calls(self) -> Vec<super::call::PulledCall> {
        let ticket = self.ticket;
        Ticket {
            connector: self.connector,
            stream: self.stream,
            noun: "ticket",
            id: &self.id,
            who: self.who,
            opened_at_ms: self.opened_at_ms,
            changed_at_ms: self.changed_at_ms,
            is_solved: matches!(ticket["status"].as_str(), Some("solved" | "closed")),
            properties: properties(&[
                ("status", &ticket["status"]),
                ("priority", &ticket["priority"]),
                ("subject", &ticket["subject"]),
                ("type", &ticket["type"]),
                ("tags", &ticket["tags"]),
                ("channel", &ticket["via"]["channel"]),
                ("satisfaction", &ticket["satisfaction_rating"]["score"]),
            ]),
        }
        .calls()
    }
}
