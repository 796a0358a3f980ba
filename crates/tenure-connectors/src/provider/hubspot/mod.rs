//! HubSpot: contacts and companies in and out, members of lists out.
//!
//! Source: the CRM API v3, <https://developers.hubspot.com/docs/reference/api/crm/objects/contacts>, and the lists API,
//! <https://developers.hubspot.com/docs/reference/api/crm/lists>.
//! - Success is 200, 201 or, for batches with failures, 207 with `errors`.
//! - Upserts go by a unique property (`email` for contacts), so a repeat changes nothing. There is no other key.
//! - 429 means later; the search endpoints allow five requests a second, everything else 100 in ten.
//! - Adding a member that is in a list, or removing one that is not, is no error.

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
use super::secret::Secret;
use super::settings::{Need, Setting, SetupError};
use super::{Connector, Description};
use crate::webhook::Attempt;

/// What it is.
pub(super) static DESCRIPTION: Description = Description {
    kind: "hubspot",
    title: "HubSpot",
    settings: &[
        Setting::secret(
            "token",
            Need::Required,
            "the access token of a private app with the scopes crm.objects.contacts, crm.objects.companies, crm.lists (read and write) and crm.schemas (read)",
        ),
        Setting::plain(
            "base_url",
            Need::Default("https://api.hubapi.com"),
            "where the API is",
        ),
    ],
    streams: &[CONTACTS, COMPANIES],
    pushes: &["person", "account", "member"],
    channel: None,
    limits: &[
        Limit {
            request_count: 5,
            window_ms: 1_000,
        },
        Limit {
            request_count: 100,
            window_ms: 10_000,
        },
    ],
    mapping: include_str!("mapping.toml"),
};

/// People.
const CONTACTS: &str = "contacts";
/// Accounts.
const COMPANIES: &str = "companies";

struct HubSpot {
    name: String,
    link: Link,
    mapping: Mapping,
}

/// Opens a connector.
pub(super) fn open(checked: &Checked) -> Result<Box<dyn Connector>, SetupError> {
    let token = checked.settings.need_secret("token")?;
    let bearer = Secret::new(format!("Bearer {}", token.reveal()));
    let link = Link::new(
        checked.network,
        checked.settings.need("base_url")?,
        Access::Header("authorization", bearer),
        Manners {
            limits: DESCRIPTION.limits,
            words: |body| {
                let message = body["message"].as_str()?;
                let category = body["category"].as_str().unwrap_or("error");
                Some(format!("{category}: {message}"))
            },
            verdict: |_, _| Verdict::ByStatus,
        },
        checked.settings.secrets(),
    )?;
    Ok(Box::new(HubSpot {
        name: checked.name.clone(),
        link,
        mapping: checked.mapping.clone(),
    }))
}

impl Connector for HubSpot {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn test(&self, now_ms: i64) -> Result<String, Fault> {
        let mut field_count = 0;
        for (stream, mapping) in self.mapping.streams() {
            let ask = Ask::get(format!("/crm/v3/properties/{stream}"));
            let body = self.link.call(&ask, now_ms)?;
            let known = body["results"]
                .as_array()
                .ok_or_else(|| Fault::lacks("results"))?;
            let is_known = |field: &str| known.iter().any(|property| property["name"] == field);
            for field in mapping.wanted() {
                if !is_known(field) {
                    return Err(Fault::Unsupported {
                        reason: format!(
                            "HubSpot has no property `{field}` of {stream}; create it there or take it out of the mapping"
                        ),
                    });
                }
                field_count += 1;
            }
        }
        Ok(format!(
            "HubSpot answers, and has all {field_count} mapped properties"
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

/// The property that says when a record was changed last.
fn changed_field(object: &str) -> &'static str {
    if object == COMPANIES {
        "hs_lastmodifieddate"
    } else {
        "lastmodifieddate"
    }
}

/// A list of records out of an answer.
fn results(body: &Value) -> Result<&Vec<Value>, Fault> {
    body["results"]
        .as_array()
        .ok_or_else(|| Fault::lacks("results"))
}
