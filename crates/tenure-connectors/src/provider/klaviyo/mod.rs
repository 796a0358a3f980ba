//! Klaviyo: profiles and events in and out, members of lists out.
//!
//! Source: the API revision 2026-07-15, <https://developers.klaviyo.com/en/reference/api_overview>.
//! - Success is 200 or 201 with a profile, 202 for events, 204 for lists.
//! - Profiles are found by address, number or external id, events by `unique_id`: repeats change nothing.
//! - 429 with `Retry-After` means later. Rates differ by endpoint; those of profiles and of lists are kept apart.

mod pull;
mod push;

use serde_json::{Map, Value};

use super::ask::{Access, Ask};
use super::call::Page;
use super::fault::Fault;
use super::item::{Item, Planned, Write};
use super::limit::Limit;
use super::link::{Link, Manners, Verdict};
use super::mapping::Mapping;
use super::registry::Checked;
use super::secret::Secret;
use super::settings::{Need, Setting, SetupError};
use super::{Connector, Description};
use crate::webhook::Attempt;

/// Revision of the API that is spoken.
const REVISION: &str = "2026-07-15";
/// Its media type.
const MEDIA_TYPE: &str = "application/vnd.api+json";
/// People.
const PROFILES: &str = "profiles";
/// What happened to them.
const EVENTS: &str = "events";
/// Longest list of keys in one filter.
const FILTER_KEYS: usize = 50;

/// What it is.
pub(super) static DESCRIPTION: Description = Description {
    kind: "klaviyo",
    title: "Klaviyo",
    settings: &[
        Setting::secret(
            "api_key",
            Need::Required,
            "a private key with access to profiles, events and lists",
        ),
        Setting::plain(
            "base_url",
            Need::Default("https://a.klaviyo.com"),
            "where the API is",
        ),
    ],
    streams: &[PROFILES, EVENTS],
    pushes: &["person", "event", "member"],
    channel: None,
    limits: &[
        Limit {
            request_count: 75,
            window_ms: 1_000,
        },
        Limit {
            request_count: 750,
            window_ms: 60_000,
        },
    ],
    mapping: include_str!("mapping.toml"),
};

/// The rate of changes to lists.
const LIST_LIMITS: &[Limit] = &[
    Limit {
        request_count: 10,
        window_ms: 1_000,
    },
    Limit {
        request_count: 150,
        window_ms: 60_000,
    },
];

struct Klaviyo {
    name: String,
    link: Link,
    lists: Link,
    mapping: Mapping,
}

/// Opens a connector.
pub(super) fn open(checked: &Checked) -> Result<Box<dyn Connector>, SetupError> {
    let link = |limits| {
        let key = checked.settings.need_secret("api_key")?;
        let access = Secret::new(format!("Klaviyo-API-Key {}", key.reveal()));
        Link::new(
            checked.network,
            checked.settings.need("base_url")?,
            Access::Header("authorization", access),
            Manners {
                limits,
                words,
                verdict: |_, _| Verdict::ByStatus,
            },
            checked.settings.secrets(),
        )
        .map(|link| {
            link.with_header("revision", REVISION)
                .with_header("accept", MEDIA_TYPE)
                .with_header("content-type", MEDIA_TYPE)
        })
    };
    Ok(Box::new(Klaviyo {
        link: link(DESCRIPTION.limits)?,
        lists: link(LIST_LIMITS)?,
        name: checked.name.clone(),
        mapping: checked.mapping.clone(),
    }))
}

fn words(body: &Value) -> Option<String> {
    let error = &body["errors"][0];
    let code = error["code"].as_str()?;
    let detail = error["detail"].as_str().or(error["title"].as_str());
    Some(format!("{code}: {}", detail.unwrap_or("no reason given")))
}

impl Connector for Klaviyo {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn test(&self, now_ms: i64) -> Result<String, Fault> {
        let ask = Ask::get("/api/profiles").query(&[("page[size]", "1")]);
        data(&self.link.call(&ask, now_ms)?)?;
        Ok("Klaviyo answers".into())
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

/// The list in an answer.
fn data(body: &Value) -> Result<&Vec<Value>, Fault> {
    body["data"].as_array().ok_or_else(|| Fault::lacks("data"))
}

/// A profile's attributes as one layer: what is in `properties` is named `properties.…`.
fn flat(attributes: &Value) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in attributes.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(inner) => fields.extend(
                inner
                    .iter()
                    .map(|(inner, value)| (format!("{name}.{inner}"), value.clone())),
            ),
            None => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    fields
}

/// A text within a filter's quotes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        if !c.is_control() {
            out.push(c);
        }
    }
    out.push('"');
    out
}
