//! Slack: messages to channels, by a bot's token or by an incoming webhook.
//!
//! Source: <https://docs.slack.dev/reference/methods/chat.postMessage>,
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>, <https://docs.slack.dev/apis/web-api/rate-limits>.
//! - Success is 200 with `"ok": true`, or the text `ok` from an incoming webhook. An error is a 200 with `"ok": false`.
//! - No key makes a repeat harmless, so a message whose outcome is unknown is not sent again.
//! - 429 with `Retry-After`, or the error `ratelimited`, means later; about one message a second is allowed.

use serde_json::{Map, Value, json};

use super::ask::{Access, Ask};
use super::fault::{Fault, accepted, refused};
use super::item::{Action, Change, Item, Planned, Write};
use super::limit::Limit;
use super::link::{Link, Manners, Verdict};
use super::plan::unsupported;
use super::registry::Checked;
use super::secret::Secret;
use super::settings::{Need, Setting, SetupError};
use super::{Connector, Description};
use crate::webhook::Attempt;

/// Longest text that Slack takes, in characters.
const TEXT_MAX_CHARS: usize = 40_000;
/// Pause after `ratelimited` without `Retry-After`, in milliseconds.
const PAUSE_MS: i64 = 30_000;

/// What it is.
pub(super) static DESCRIPTION: Description = Description {
    kind: "slack",
    title: "Slack",
    settings: &[
        Setting::secret(
            "token",
            Need::Optional,
            "a bot token (`xoxb-…`) with the scope chat:write",
        ),
        Setting::secret(
            "webhook_url",
            Need::Optional,
            "an incoming webhook, instead of a token; it posts to its own channel",
        ),
        Setting::plain(
            "base_url",
            Need::Default("https://slack.com"),
            "where the API is",
        ),
    ],
    streams: &[],
    pushes: &["message"],
    channel: Some("slack"),
    limits: &[Limit {
        request_count: 1,
        window_ms: 1_000,
    }],
    mapping: "",
};

enum Way {
    Bot,
    IncomingWebhook,
}

struct Slack {
    link: Link,
    way: Way,
}

/// Opens a connector.
pub(super) fn open(checked: &Checked) -> Result<Box<dyn Connector>, SetupError> {
    let settings = &checked.settings;
    let (way, base_url, access) = match (settings.secret("token"), settings.secret("webhook_url")) {
        (Some(token), None) => {
            let bearer = Secret::new(format!("Bearer {}", token.reveal()));
            let access = Access::Header("authorization", bearer);
            (Way::Bot, settings.need("base_url")?, access)
        }
        (None, Some(url)) => (Way::IncomingWebhook, url.reveal(), Access::None),
        _ => {
            let reason = "give exactly one of `token` and `webhook_url`";
            return Err(SetupError::setting("token", reason));
        }
    };
    let manners = Manners {
        limits: DESCRIPTION.limits,
        words: |body| body["error"].as_str().or(body.as_str()).map(str::to_owned),
        verdict,
    };
    let link = Link::new(
        checked.network,
        base_url,
        access,
        manners,
        settings.secrets(),
    )?;
    Ok(Box::new(Slack { link, way }))
}

/// Errors that come with status 200.
fn verdict(status: u16, body: &Value) -> Verdict {
    if status != 200 || body["ok"] != false {
        return Verdict::ByStatus;
    }
    match body["error"].as_str().unwrap_or_default() {
        "ratelimited" | "rate_limited" => Verdict::Busy(PAUSE_MS),
        "invalid_auth" | "not_authed" | "token_expired" | "token_revoked" | "account_inactive"
        | "missing_scope" | "no_permission" => Verdict::Unauthorized(status),
        "internal_error" | "fatal_error" | "request_timeout" => Verdict::Broken(500),
        "service_unavailable" | "team_added_to_org" => Verdict::Broken(503),
        _ => Verdict::Refused(status),
    }
}

impl Connector for Slack {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    /// An incoming webhook cannot be asked anything without posting, so an empty message is posted: the answer that it
    /// lacks a text comes only from a webhook that works.
    fn test(&self, now_ms: i64) -> Result<String, Fault> {
        match self.way {
            Way::Bot => {
                let body = self
                    .link
                    .call(&Ask::post("/api/auth.test", json!({})), now_ms)?;
                if body["ok"] != true {
                    return Err(Fault::lacks("ok"));
                }
                let team = body["team"].as_str().ok_or_else(|| Fault::lacks("team"))?;
                Ok(format!("Slack answers for the workspace {team}"))
            }
            Way::IncomingWebhook => match self.link.call(&Ask::post("", json!({})), now_ms) {
                Err(Fault::Refused { code: 400, reason })
                    if matches!(
                        reason.as_str(),
                        "no_text" | "missing_text_or_fallback_or_attachments"
                    ) =>
                {
                    Ok("the incoming webhook answers".into())
                }
                Err(fault) => Err(fault),
                Ok(_) => Err(Fault::lacks("the refusal of an empty message")),
            },
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
                self.post(write, now_ms)
                    .unwrap_or_else(|fault| fault.attempt_once())
            })
            .collect()
    }
}

fn plan_one(index: usize, item: &Item) -> Planned {
    let Change::Message { to, text } = &item.change else {
        return unsupported("Slack", item);
    };
    if text.trim().is_empty() {
        return Planned::Settled(refused(0, "the message has no text"));
    }
    if text.chars().count() > TEXT_MAX_CHARS {
        let reason = format!("the text is longer than {TEXT_MAX_CHARS} characters; shorten it");
        return Planned::Settled(refused(0, reason));
    }
    let mut fields = Map::new();
    fields.insert("text".into(), Value::from(escape(text)));
    Planned::Write(Write {
        index,
        item_id: item.id.clone(),
        object: "message".into(),
        action: Action::Create,
        key_field: "channel".into(),
        key: to.clone(),
        fields,
    })
}

/// Names of customers must not become mentions or links.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

impl Slack {
    fn post(&self, write: &Write, now_ms: i64) -> Result<Attempt, Fault> {
        let text = &write.fields["text"];
        match self.way {
            Way::Bot => {
                let ask = Ask::post(
                    "/api/chat.postMessage",
                    json!({ "channel": write.key, "text": text }),
                );
                let body = self.link.call(&ask, now_ms)?;
                if body["ok"] != true {
                    return Err(Fault::lacks("ok"));
                }
                Ok(accepted(body["ts"].as_str()))
            }
            Way::IncomingWebhook => {
                let body = self
                    .link
                    .call(&Ask::post("", json!({ "text": text })), now_ms)?;
                if body != "ok" {
                    return Err(Fault::lacks("ok"));
                }
                Ok(accepted(None))
            }
        }
    }
}
