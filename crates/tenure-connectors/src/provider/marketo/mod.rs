//! Marketo: leads in and out, activities in, members of lists out.
//!
//! Source: <https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/rest-api>, its pages on leads,
//! activities, static lists and error codes.
//! - Status 200 says nothing: `success` does, then the `status` of each record, with `reasons` for one that is skipped.
//! - Leads are written by a field of ours or by address; a repeat changes nothing.
//! - 601 and 602 mean that the access token has expired; 606, 607 and 615 mean later.
//! - 100 requests in 20 seconds are allowed.

mod pull;
mod push;

use serde_json::Value;

use super::ask::{Access, Ask};
use super::call::Page;
use super::fault::Fault;
use super::item::{Item, Planned, Write};
use super::limit::Limit;
use super::link::{Link, Manners, Verdict};
use super::mapping::Mapping;
use super::registry::Checked;
use super::settings::{Need, Setting, Settings, SetupError};
use super::{Connector, Description};
use crate::webhook::Attempt;

/// People.
const LEADS: &str = "leads";
/// What they did.
const ACTIVITIES: &str = "activities";
/// Pause when the rate of 20 seconds is used up, in milliseconds.
const PAUSE_MS: i64 = 20_000;
/// Pause when the day's requests are used up, in milliseconds: an hour.
const DAY_PAUSE_MS: i64 = 3_600_000;
/// Most records of one request.
const BATCH_RECORDS: usize = 300;

/// What it is.
pub(super) static DESCRIPTION: Description = Description {
    kind: "marketo",
    title: "Marketo",
    settings: &[
        Setting::plain(
            "base_url",
            Need::Required,
            "the instance's own address (`https://….mktorest.com`)",
        ),
        Setting::plain("client_id", Need::Required, "the id of a custom service"),
        Setting::secret("client_secret", Need::Required, "its secret"),
        Setting::plain(
            "activity_types",
            Need::Default("1,2,10,11,13,46"),
            "ids of the kinds of activities to pull, at most ten, with commas",
        ),
    ],
    streams: &[LEADS, ACTIVITIES],
    pushes: &["person", "member"],
    channel: None,
    limits: &[Limit {
        request_count: 100,
        window_ms: 20_000,
    }],
    mapping: include_str!("mapping.toml"),
};

struct Marketo {
    name: String,
    link: Link,
    mapping: Mapping,
    activity_types: String,
}

/// Opens a connector.
pub(super) fn open(checked: &Checked) -> Result<Box<dyn Connector>, SetupError> {
    let settings = &checked.settings;
    let types = settings.need("activity_types")?;
    let is_list = types.split(',').count() <= 10
        && types.split(',').all(|id| id.trim().parse::<u32>().is_ok());
    if !is_list {
        return Err(SetupError::setting(
            "activity_types",
            "it is at most ten numbers with commas",
        ));
    }
    let link = Link::new(
        checked.network,
        settings.need("base_url")?,
        Access::Fetched(grant(settings)?),
        Manners {
            limits: DESCRIPTION.limits,
            words,
            verdict,
        },
        settings.secrets(),
    )?;
    Ok(Box::new(Marketo {
        name: checked.name.clone(),
        link,
        mapping: checked.mapping.clone(),
        activity_types: types.replace(' ', ""),
    }))
}

type Grant = Box<dyn Fn() -> Ask + Send + Sync>;

fn grant(settings: &Settings) -> Result<Grant, SetupError> {
    let id = settings.need("client_id")?.to_owned();
    let secret = settings.need_secret("client_secret")?;
    Ok(Box::new(move || {
        Ask::get("/identity/oauth/token").query(&[
            ("grant_type", "client_credentials"),
            ("client_id", &id),
            ("client_secret", secret.reveal()),
        ])
    }))
}

fn words(body: &Value) -> Option<String> {
    let error = &body["errors"][0];
    if let Some(code) = error["code"].as_str() {
        let words = error["message"].as_str().unwrap_or("no reason given");
        return Some(format!("{code}: {words}"));
    }
    let code = body["error"].as_str()?;
    let words = body["error_description"]
        .as_str()
        .unwrap_or("no reason given");
    Some(format!("{code}: {words}"))
}

/// Errors that come with status 200.
fn verdict(status: u16, body: &Value) -> Verdict {
    if status != 200 || body["success"] != false {
        return Verdict::ByStatus;
    }
    let code = body["errors"][0]["code"].as_str().unwrap_or_default();
    let code: u16 = code.parse().unwrap_or_default();
    match code {
        601 | 602 => Verdict::Expired,
        603 => Verdict::Unauthorized(code),
        606 | 615 => Verdict::Busy(PAUSE_MS),
        607 => Verdict::Busy(DAY_PAUSE_MS),
        604 | 608 | 611 | 614 | 713 => Verdict::Broken(code),
        _ => Verdict::Refused(code),
    }
}

impl Connector for Marketo {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn test(&self, now_ms: i64) -> Result<String, Fault> {
        let body = self
            .link
            .call(&Ask::get("/rest/v1/leads/describe2.json"), now_ms)?;
        let fields = body["result"][0]["fields"].as_array();
        let fields = fields.ok_or_else(|| Fault::lacks("fields"))?;
        let wanted = self.mapping.stream(LEADS).map(|mapping| mapping.wanted());
        for field in wanted.iter().flatten() {
            if !fields.iter().any(|known| known["name"] == *field) {
                return Err(Fault::Unsupported {
                    reason: format!(
                        "Marketo has no field `{field}` of leads; create it there or take it out of the mapping"
                    ),
                });
            }
        }
        Ok("Marketo answers, and has all mapped fields".into())
    }

    fn pull(&self, stream: &str, cursor: Option<&str>, now_ms: i64) -> Result<Page, Fault> {
        pull::pull(self, stream, cursor, now_ms)
    }

    fn plan(&self, items: &[Item], now_ms: i64) -> Vec<Planned> {
        push::plan(self, items, now_ms)
    }

    fn write(&self, writes: &[Write], now_ms: i64) -> Vec<Attempt> {
        push::write(self, writes, now_ms)
    }
}

/// The list in a successful answer; where there is nothing, it is left out.
fn result(body: &Value) -> Result<&[Value], Fault> {
    if body["success"] != true {
        return Err(Fault::lacks("success"));
    }
    match &body["result"] {
        Value::Array(list) => Ok(list),
        Value::Null => Ok(&[]),
        _ => Err(Fault::lacks("result")),
    }
}
