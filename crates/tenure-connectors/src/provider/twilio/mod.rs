//! Twilio: text messages out; receipts and answers (STOP, START, HELP) in.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/message-resource>, <https://www.twilio.com/docs/api/errors>.
//! - Success is 201 with a `sid`. Errors carry a `code` of their own.
//! - No key makes a repeat harmless, so a message whose outcome is unknown is not sent again; its receipt settles it.
//! - 429 (code 20429) means later. Twilio itself queues messages beyond a number's rate.
//! - A recipient who answered STOP is refused with code 21610.

mod receipt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::ask::{Access, Ask, Method, encode};
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

pub use receipt::{Choice, Receipt, ReceiptError, Status, read_receipt, sign};

/// Longest text that Twilio takes, in characters.
const TEXT_MAX_CHARS: usize = 1_600;
/// Twilio's code for a recipient who answered STOP.
pub const CODE_STOPPED: u16 = 21_610;

/// What it is.
pub(super) static DESCRIPTION: Description = Description {
    kind: "twilio",
    title: "Twilio",
    settings: &[
        Setting::plain("account_sid", Need::Required, "the account's id (`AC…`)"),
        Setting::secret(
            "auth_token",
            Need::Required,
            "the account's token; receipts are checked with it, too",
        ),
        Setting::plain(
            "from",
            Need::Required,
            "the number that sends (`+…`), or a messaging service (`MG…`)",
        ),
        Setting::plain(
            "receipt_url",
            Need::Optional,
            "where Twilio reports what became of messages: this server's public address and /v1/receipts/twilio/<connector>",
        ),
        Setting::plain(
            "base_url",
            Need::Default("https://api.twilio.com"),
            "where the API is",
        ),
    ],
    streams: &[],
    pushes: &["message"],
    channel: Some("sms"),
    limits: &[Limit {
        request_count: 50,
        window_ms: 1_000,
    }],
    mapping: "",
};

struct Twilio {
    link: Link,
    path: String,
    from: String,
    receipt_url: Option<String>,
}

/// Opens a connector.
pub(super) fn open(checked: &Checked) -> Result<Box<dyn Connector>, SetupError> {
    let settings = &checked.settings;
    let sid = settings.need("account_sid")?;
    let is_sid = sid.starts_with("AC") && sid.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_sid {
        return Err(SetupError::setting("account_sid", "it begins with `AC`"));
    }
    let token = settings.need_secret("auth_token")?;
    let basic = STANDARD.encode(format!("{sid}:{}", token.reveal()));
    let access = Access::Header("authorization", Secret::new(format!("Basic {basic}")));
    let manners = Manners {
        limits: DESCRIPTION.limits,
        words: |body| {
            let code = body["code"].as_u64()?;
            let message = body["message"].as_str().unwrap_or("no reason given");
            Some(format!("{code}: {message}"))
        },
        verdict: |status, body| match body["code"]
            .as_u64()
            .and_then(|code| u16::try_from(code).ok())
        {
            Some(20_429) => Verdict::ByStatus,
            Some(code) if (400..500).contains(&status) && code >= 21_000 => Verdict::Refused(code),
            _ => Verdict::ByStatus,
        },
    };
    let link = Link::new(
        checked.network,
        settings.need("base_url")?,
        access,
        manners,
        settings.secrets(),
    )?;
    Ok(Box::new(Twilio {
        link,
        path: format!("/2010-04-01/Accounts/{sid}"),
        from: settings.need("from")?.to_owned(),
        receipt_url: settings.text("receipt_url").map(str::to_owned),
    }))
}

impl Connector for Twilio {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn test(&self, now_ms: i64) -> Result<String, Fault> {
        let body = self
            .link
            .call(&Ask::get(format!("{}.json", self.path)), now_ms)?;
        match body["status"].as_str() {
            Some("active") => Ok("Twilio answers, and the account is active".into()),
            Some(status) => Err(Fault::Unsupported {
                reason: format!(
                    "the Twilio account is {status}; it sends nothing until it is active"
                ),
            }),
            None => Err(Fault::lacks("status")),
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
                self.send(write, now_ms)
                    .unwrap_or_else(|fault| fault.attempt_once())
            })
            .collect()
    }
}

fn plan_one(index: usize, item: &Item) -> Planned {
    let Change::Message { to, text } = &item.change else {
        return unsupported("Twilio", item);
    };
    let digits = to.strip_prefix('+').unwrap_or_default();
    let is_number = (7..=15).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit());
    let wrong = if !is_number {
        Some("the telephone number is not in international form (`+` and 7 to 15 digits)".into())
    } else if text.trim().is_empty() {
        Some("the message has no text".to_owned())
    } else if text.chars().count() > TEXT_MAX_CHARS {
        Some(format!(
            "the text is longer than {TEXT_MAX_CHARS} characters; shorten it"
        ))
    } else {
        None
    };
    if let Some(reason) = wrong {
        return Planned::Settled(refused(0, reason));
    }
    let mut fields = Map::new();
    fields.insert("Body".into(), Value::from(text.as_str()));
    Planned::Write(Write {
        index,
        item_id: item.id.clone(),
        object: "message".into(),
        action: Action::Create,
        key_field: "To".into(),
        key: to.clone(),
        fields,
    })
}

impl Twilio {
    fn send(&self, write: &Write, now_ms: i64) -> Result<Attempt, Fault> {
        let sender = if self.from.starts_with("MG") {
            "MessagingServiceSid"
        } else {
            "From"
        };
        let body = write.fields["Body"].as_str().unwrap_or_default();
        let mut pairs = vec![
            ("To", write.key.as_str()),
            (sender, &self.from),
            ("Body", body),
        ];
        // The item's id comes back in the receipt's address.
        let receipts = self.receipt_url.as_ref().map(|url| {
            let mark = if url.contains('?') { '&' } else { '?' };
            format!("{url}{mark}message={}", encode(&write.item_id))
        });
        if let Some(url) = &receipts {
            pairs.push(("StatusCallback", url));
        }
        let ask = Ask::new(Method::Post, format!("{}/Messages.json", self.path)).form(&pairs);
        let body = self.link.call(&ask, now_ms)?;
        let sid = body["sid"].as_str().ok_or_else(|| Fault::lacks("sid"))?;
        match body["status"].as_str() {
            Some("failed" | "undelivered" | "canceled") => {
                let code = body["error_code"].as_u64().unwrap_or_default();
                Ok(refused(
                    u16::try_from(code).unwrap_or_default(),
                    "Twilio failed the message at once",
                ))
            }
            _ => Ok(accepted(Some(sid))),
        }
    }
}
