//! Segment: people, accounts and events out.
//!
//! Source: the HTTP API, <https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/>.
//! - Success is 200 with `"success": true`; a whole batch is taken or refused.
//! - `messageId` is the item's id, by which Segment recognises a repeat.
//! - 429 means later. A batch holds at most 500 KB, a call 32 KB.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::ask::{Access, Ask};
use super::fault::{Fault, accepted, refused};
use super::item::{Action, Change, Item, Planned, Told, Who, Write};
use super::limit::Limit;
use super::link::{Link, Manners, Verdict};
use super::plan::{batches, nameless, unsupported};
use super::registry::Checked;
use super::secret::Secret;
use super::settings::{Need, Setting, SetupError};
use super::time::format_ms;
use super::{Connector, Description};
use crate::webhook::Attempt;

/// Largest call, in bytes.
const CALL_MAX_BYTES: usize = 32 * 1024;
/// Most calls of one batch: even of the largest, so many stay below 500 KB.
const BATCH_CALLS: usize = 15;

/// What it is.
pub(super) static DESCRIPTION: Description = Description {
    kind: "segment",
    title: "Segment",
    settings: &[
        Setting::secret(
            "write_key",
            Need::Required,
            "the write key of an HTTP API source",
        ),
        Setting::plain(
            "base_url",
            Need::Default("https://api.segment.io"),
            "where the API is; `https://events.eu1.segmentapis.com` in Europe",
        ),
    ],
    streams: &[],
    pushes: &["person", "account", "event"],
    channel: None,
    limits: &[Limit {
        request_count: 100,
        window_ms: 1_000,
    }],
    mapping: "",
};

struct Segment {
    link: Link,
}

/// Opens a connector.
pub(super) fn open(checked: &Checked) -> Result<Box<dyn Connector>, SetupError> {
    let settings = &checked.settings;
    let key = settings.need_secret("write_key")?;
    let basic = STANDARD.encode(format!("{}:", key.reveal()));
    let link = Link::new(
        checked.network,
        settings.need("base_url")?,
        Access::Header("authorization", Secret::new(format!("Basic {basic}"))),
        Manners {
            limits: DESCRIPTION.limits,
            words: |body| {
                let words = body["message"].as_str().or(body["error"].as_str());
                words.map(str::to_owned)
            },
            verdict: |status, body| match body["success"].as_bool() {
                Some(false) if status == 200 => Verdict::Refused(status),
                _ => Verdict::ByStatus,
            },
        },
        settings.secrets(),
    )?;
    Ok(Box::new(Segment { link }))
}

impl Connector for Segment {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    /// A batch of nothing leaves nothing behind.
    fn test(&self, now_ms: i64) -> Result<String, Fault> {
        self.send(&[], now_ms)?;
        Ok("Segment takes calls with this write key".into())
    }

    fn plan(&self, items: &[Item], _now_ms: i64) -> Vec<Planned> {
        items
            .iter()
            .enumerate()
            .map(|(index, item)| plan_one(index, item))
            .collect()
    }

    fn write(&self, writes: &[Write], now_ms: i64) -> Vec<Attempt> {
        batches(writes, BATCH_CALLS, |_, _| true)
            .into_iter()
            .flat_map(|run| {
                let calls: Vec<Value> = run
                    .iter()
                    .map(|write| Value::Object(write.fields.clone()))
                    .collect();
                let attempt = match self.send(&calls, now_ms) {
                    Ok(()) => accepted(None),
                    Err(fault) => fault.attempt(),
                };
                vec![attempt; run.len()]
            })
            .collect()
    }
}

impl Segment {
    fn send(&self, calls: &[Value], now_ms: i64) -> Result<(), Fault> {
        let ask = Ask::post(
            "/v1/batch",
            json!({ "batch": calls, "sentAt": format_ms(now_ms) }),
        );
        let body = self.link.call(&ask, now_ms)?;
        match body["success"].as_bool() {
            Some(true) => Ok(()),
            _ => Err(Fault::lacks("success")),
        }
    }
}

fn plan_one(index: usize, item: &Item) -> Planned {
    let Some((kind, who, mut fields)) = call(item) else {
        return unsupported("Segment", item);
    };
    let Some(user) = who
        .user_id
        .as_ref()
        .or(who.email.as_ref())
        .or(who.account_id.as_ref())
    else {
        return nameless("id or address");
    };
    let name = if who.user_id.is_some() {
        "userId"
    } else {
        "anonymousId"
    };
    fields.insert("type".into(), Value::from(kind));
    fields.insert("messageId".into(), Value::from(item.id.as_str()));
    fields.insert(name.into(), Value::from(user.as_str()));
    if json!(fields).to_string().len() > CALL_MAX_BYTES {
        return Planned::Settled(refused(
            0,
            format!("the call is larger than {CALL_MAX_BYTES} bytes"),
        ));
    }
    Planned::Write(Write {
        index,
        item_id: item.id.clone(),
        object: kind.into(),
        action: Action::Create,
        key_field: "messageId".into(),
        key: item.id.clone(),
        fields,
    })
}

/// An item as a call: its type, whom it is about, and the rest.
fn call(item: &Item) -> Option<(&'static str, Who, Map<String, Value>)> {
    let mut fields = Map::new();
    Some(match &item.change {
        Change::Person { who, traits } => {
            let mut traits = values(traits);
            if let Some(email) = &who.email {
                traits.insert("email".into(), Value::from(email.as_str()));
            }
            fields.insert("traits".into(), Value::Object(traits));
            ("identify", who.clone(), fields)
        }
        Change::Account { account_id, traits } => {
            fields.insert("groupId".into(), Value::from(account_id.as_str()));
            fields.insert("traits".into(), Value::Object(values(traits)));
            let who = Who {
                account_id: Some(account_id.clone()),
                ..Who::default()
            };
            ("group", who, fields)
        }
        Change::Event {
            who,
            name,
            occurred_at_ms,
            properties,
        } => {
            fields.insert("event".into(), Value::from(name.as_str()));
            fields.insert("properties".into(), Value::Object(properties.clone()));
            fields.insert("timestamp".into(), Value::from(format_ms(*occurred_at_ms)));
            if let Some(account) = &who.account_id {
                fields.insert("context".into(), json!({ "groupId": account }));
            }
            ("track", who.clone(), fields)
        }
        Change::Task { .. } | Change::Member { .. } | Change::Message { .. } => return None,
    })
}

fn values(traits: &BTreeMap<String, Told>) -> Map<String, Value> {
    traits
        .iter()
        .map(|(name, told)| (name.clone(), told.value.clone()))
        .collect()
}
