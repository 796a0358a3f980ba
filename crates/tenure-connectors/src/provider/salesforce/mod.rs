//! Salesforce: accounts and contacts in and out, tasks out.
//!
//! Source: the REST API, <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections_upsert.htm>,
//! and <https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_refresh_token_flow.htm>.
//! - Records are written by an external id, up to 200 at once, each with an outcome of its own; a repeat changes nothing.
//! - 401 with `INVALID_SESSION_ID` means that the access token has expired; it is fetched anew with the refresh token,
//!   or with the client's own credentials.
//! - 403 with `REQUEST_LIMIT_EXCEEDED` means later.

mod pull;
mod push;

use serde_json::Value;

use super::ask::{Access, Ask, Method};
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

/// Version of the API that is spoken.
const VERSION: &str = "v61.0";
/// Pause once the day's requests are used up, in milliseconds: an hour.
const PAUSE_MS: i64 = 3_600_000;
/// Accounts.
const ACCOUNTS: &str = "Account";
/// People.
const CONTACTS: &str = "Contact";
/// Work.
const TASKS: &str = "Task";

/// What it is.
pub(super) static DESCRIPTION: Description = Description {
    kind: "salesforce",
    title: "Salesforce",
    settings: &[
        Setting::plain(
            "base_url",
            Need::Required,
            "the organisation's own address (`https://….my.salesforce.com`)",
        ),
        Setting::plain(
            "client_id",
            Need::Required,
            "the connected app's consumer key",
        ),
        Setting::secret(
            "client_secret",
            Need::Required,
            "the connected app's consumer secret",
        ),
        Setting::secret(
            "refresh_token",
            Need::Optional,
            "a refresh token; without it the client credentials flow is used",
        ),
        Setting::plain(
            "task_key",
            Need::Default("Tenure_Id__c"),
            "the external id field of Task that holds the task's id",
        ),
    ],
    streams: &[ACCOUNTS, CONTACTS],
    pushes: &["person", "account", "task"],
    channel: None,
    limits: &[Limit {
        request_count: 25,
        window_ms: 20_000,
    }],
    mapping: include_str!("mapping.toml"),
};

struct Salesforce {
    name: String,
    link: Link,
    mapping: Mapping,
    task_key: String,
}

/// Opens a connector.
pub(super) fn open(checked: &Checked) -> Result<Box<dyn Connector>, SetupError> {
    let settings = &checked.settings;
    let task_key = settings.need("task_key")?.to_owned();
    if !task_key
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        return Err(SetupError::setting(
            "task_key",
            "it is letters, digits and `_`",
        ));
    }
    let manners = Manners {
        limits: DESCRIPTION.limits,
        words: |body| {
            let error = if body.is_array() { &body[0] } else { body };
            let code = error["errorCode"].as_str().or(error["error"].as_str())?;
            let words = error["message"]
                .as_str()
                .or(error["error_description"].as_str());
            Some(format!("{code}: {}", words.unwrap_or("no reason given")))
        },
        verdict: |_, body| match body[0]["errorCode"].as_str() {
            Some("REQUEST_LIMIT_EXCEEDED") => Verdict::Busy(PAUSE_MS),
            Some("INVALID_SESSION_ID") => Verdict::Expired,
            _ => Verdict::ByStatus,
        },
    };
    let link = Link::new(
        checked.network,
        settings.need("base_url")?,
        Access::Fetched(grant(settings)?),
        manners,
        settings.secrets(),
    )?;
    Ok(Box::new(Salesforce {
        name: checked.name.clone(),
        link,
        mapping: checked.mapping.clone(),
        task_key,
    }))
}

type Grant = Box<dyn Fn() -> Ask + Send + Sync>;

fn grant(settings: &Settings) -> Result<Grant, SetupError> {
    let id = settings.need("client_id")?.to_owned();
    let secret = settings.need_secret("client_secret")?;
    let refresh = settings.secret("refresh_token").cloned();
    Ok(Box::new(move || {
        let mut pairs = vec![
            ("client_id", id.as_str()),
            ("client_secret", secret.reveal()),
        ];
        match &refresh {
            Some(token) => {
                pairs.push(("grant_type", "refresh_token"));
                pairs.push(("refresh_token", token.reveal()));
            }
            None => pairs.push(("grant_type", "client_credentials")),
        }
        Ask::new(Method::Post, "/services/oauth2/token").form(&pairs)
    }))
}

impl Connector for Salesforce {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn test(&self, now_ms: i64) -> Result<String, Fault> {
        let mut field_count = 0;
        for (object, mapping) in self.mapping.streams() {
            let body = self.link.call(
                &Ask::get(path(&format!("sobjects/{object}/describe"))),
                now_ms,
            )?;
            let known = body["fields"]
                .as_array()
                .ok_or_else(|| Fault::lacks("fields"))?;
            for field in mapping.wanted() {
                if !known.iter().any(|one| one["name"] == field) {
                    return Err(Fault::Unsupported {
                        reason: format!(
                            "Salesforce has no field `{field}` of {object}, or hides it from this user; create it or take it out of the mapping"
                        ),
                    });
                }
                field_count += 1;
            }
        }
        Ok(format!(
            "Salesforce answers, and has all {field_count} mapped fields"
        ))
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

fn path(rest: &str) -> String {
    format!("/services/data/{VERSION}/{rest}")
}

/// A text within a query's quotes.
fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        if matches!(c, '\'' | '\\' | '"') {
            out.push('\\');
        }
        if !c.is_control() {
            out.push(c);
        }
    }
    out.push('\'');
    out
}

/// The records of a query's answer.
fn records(body: &Value) -> Result<&Vec<Value>, Fault> {
    body["records"]
        .as_array()
        .ok_or_else(|| Fault::lacks("records"))
}
