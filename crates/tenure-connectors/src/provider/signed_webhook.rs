//! A webhook of the operator's own: every item is one signed POST (Standard Webhooks 1.0, standardwebhooks.com).
//!
//! - Success is any 2xx; redirects are not followed.
//! - `webhook-id` and `Idempotency-Key` are the item's id, so a receiver recognises a repeat.

use serde_json::{Map, Value, json};

use super::fault::{Fault, refused};
use super::item::{Action, Item, Planned, Write};
use super::limit::{Limit, Limiter};
use super::registry::Checked;
use super::secret::Secret;
use super::settings::{Need, Setting, SetupError};
use super::{Connector, Description};
use crate::outcome::Outcome;
use crate::webhook::{
    Attempt, PreparedWebhook, Reach, WebhookSecret, WebhookSender, WebhookSettings, check_url,
};
use std::sync::{Mutex, PoisonError};

/// What it is.
pub(super) static DESCRIPTION: Description = Description {
    kind: "webhook",
    title: "Webhook",
    settings: &[
        Setting::secret(
            "url",
            Need::Required,
            "where items are posted; it may hold a key",
        ),
        Setting::secret(
            "signing_secret",
            Need::Required,
            "`whsec_` and 24 to 64 random bytes in base64; the receiver checks signatures with it",
        ),
    ],
    streams: &[],
    pushes: &["person", "account", "event", "task", "member", "message"],
    channel: None,
    limits: &[Limit {
        request_count: 50,
        window_ms: 1_000,
    }],
    mapping: "",
};

struct SignedWebhook {
    url: Secret,
    reach: Reach,
    sender: WebhookSender,
    limiter: Mutex<Limiter>,
}

/// Opens a connector.
pub(super) fn open(checked: &Checked) -> Result<Box<dyn Connector>, SetupError> {
    let url = checked.settings.need_secret("url")?;
    check_url(url.reveal(), checked.network.reach)
        .map_err(|reason| SetupError::setting("url", reason))?;
    let secret = checked.settings.need_secret("signing_secret")?;
    let secret = WebhookSecret::parse(secret.reveal())
        .map_err(|error| SetupError::setting("signing_secret", error.to_string()))?;
    Ok(Box::new(SignedWebhook {
        url,
        reach: checked.network.reach,
        sender: WebhookSender::new(&WebhookSettings {
            reach: checked.network.reach,
            secret: Some(secret),
            timeout: checked.network.timeout,
        }),
        limiter: Mutex::new(Limiter::new(DESCRIPTION.limits)),
    }))
}

impl Connector for SignedWebhook {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn test(&self, now_ms: i64) -> Result<String, Fault> {
        let body = json!({ "type": "test", "data": {} });
        let attempt = self.send(&format!("test_{now_ms}"), &body, now_ms);
        match (attempt.outcome, attempt.retry_after_ms) {
            (Outcome::Accepted { response, .. }, _) => {
                Ok(format!("the receiver took a test event ({response})"))
            }
            (Outcome::NotSent { reason }, Some(retry_after_ms)) => Err(Fault::Busy {
                retry_after_ms,
                code: None,
                reason,
            }),
            (Outcome::Rejected { code, reason, .. }, _) => Err(Fault::Refused { code, reason }),
            (Outcome::NotSent { reason }, _) => Err(Fault::NotSent { reason }),
            (Outcome::Unknown { reason }, _) => Err(Fault::Unknown { reason }),
        }
    }

    fn plan(&self, items: &[Item], _now_ms: i64) -> Vec<Planned> {
        items
            .iter()
            .enumerate()
            .map(|(index, item)| plan_one(index, item))
            .collect()
    }

    fn write(&self, writes: &[Write], now_ms: i64) -> Vec<Attempt> {
        writes
            .iter()
            .map(|write| {
                let body = json!({ "type": write.object, "data": write.fields });
                self.send(&write.item_id, &body, now_ms)
            })
            .collect()
    }
}

fn plan_one(index: usize, item: &Item) -> Planned {
    let mut fields = match json!(item.change) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.remove("kind");
    Planned::Write(Write {
        index,
        item_id: item.id.clone(),
        object: item.change.noun().into(),
        action: Action::Create,
        key_field: "webhook-id".into(),
        key: item.id.clone(),
        fields,
    })
}

impl SignedWebhook {
    fn send(&self, id: &str, body: &Value, now_ms: i64) -> Attempt {
        let room = lock(&self.limiter).admit(now_ms);
        if let Err(retry_after_ms) = room {
            return Fault::Busy {
                retry_after_ms,
                code: None,
                reason: "the receiver's rate is used up".into(),
            }
            .attempt();
        }
        let url = self.url.reveal().to_owned();
        let prepared = PreparedWebhook::new(id.to_owned(), url, body.to_string(), self.reach);
        let attempt = match prepared {
            Ok(webhook) => self
                .sender
                .send(&webhook, u64::try_from(now_ms).unwrap_or_default()),
            Err(reason) => return refused(0, reason),
        };
        if let Some(retry_after_ms) = attempt.retry_after_ms {
            lock(&self.limiter).pause(now_ms, retry_after_ms);
        }
        attempt
    }
}

fn lock(limiter: &Mutex<Limiter>) -> std::sync::MutexGuard<'_, Limiter> {
    limiter.lock().unwrap_or_else(PoisonError::into_inner)
}
