//! What mail servers and mailbox providers write back: delivery reports (RFC 3464), bounces in free form, and complaints
//! (RFC 5965).
//!
//! The input comes from strangers. It is cut to a fixed size, nothing in it makes parsing fail hard, and no address
//! from it is given on. It is not authenticated either: only its Message-ID connects it to a message that was sent, so
//! an id that is not known must be ignored.

mod verdict;

pub use verdict::Bounce;

use mail_parser::{HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use serde::{Deserialize, Serialize};

use crate::redact::redact_addresses;

/// Most bytes that are looked at; what matters stands at the front, a returned attachment behind.
pub const REPORT_MAX_BYTES: usize = 1024 * 1024;
/// Most Content-Type headers that are looked at. The parser keeps a nested message in a nested value, whose depth only
/// this bounds: thousands of levels would exhaust the stack.
const CONTENT_TYPES_MAX_COUNT: usize = 100;
/// Most bytes of one part's text that are searched.
const TEXT_MAX_BYTES: usize = 64 * 1024;
/// Longest Message-ID that is given on.
const MESSAGE_ID_MAX_BYTES: usize = 250;

/// A fact about a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "report")]
pub enum Report {
    /// From a mail server, about delivery.
    Delivery(DeliveryReport),
    /// From a mailbox provider: the recipient called the message spam.
    Complaint(ComplaintReport),
}

/// What a mail server says of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// Message-ID of the message reported on, without angle brackets.
    pub message_id: Option<String>,
    /// What became of it.
    pub action: Action,
    /// Hard or soft, if the message was not delivered.
    pub bounce: Option<Bounce>,
    /// Enhanced status code (RFC 3463), such as `5.1.1`.
    pub status: Option<String>,
    /// The server's words, addresses redacted.
    pub diagnostic: Option<String>,
    /// Whether the report is in the standard form; a free-form one is understood by guesswork.
    pub is_standard: bool,
}

/// What a mailbox provider says of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComplaintReport {
    /// Message-ID of the message reported on, without angle brackets.
    pub message_id: Option<String>,
    /// Feedback type, such as `abuse` or `not-spam`.
    pub feedback_type: String,
}

/// What became of a message (RFC 3464, section 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Given up.
    Failed,
    /// Still being tried.
    Delayed,
    /// In the mailbox.
    Delivered,
    /// Passed on to a system that sends no reports.
    Relayed,
    /// Delivered to several addresses behind one.
    Expanded,
}

/// Reads one message from the bounce mailbox or endpoint. `None` if it is neither report nor bounce, such as an
/// out-of-office answer or a letter.
pub fn parse(raw: &[u8]) -> Option<Report> {
    let raw = shallow(&raw[..raw.len().min(REPORT_MAX_BYTES)]);
    let message = MessageParser::default().parse(raw)?;
    if let Some(fields) = part_text(&message, "message", "feedback-report") {
        return Some(Report::Complaint(complaint(&message, &fields)));
    }
    if let Some(fields) = part_text(&message, "message", "delivery-status") {
        return Some(Report::Delivery(delivery(&message, &fields)));
    }
    free_form(&message).map(Report::Delivery)
}

/// The front of `raw` with no more levels than the parser can take. Each level needs a Content-Type header.
fn shallow(raw: &[u8]) -> &[u8] {
    const NAME: &[u8] = b"content-type";
    let mut starts = raw
        .windows(NAME.len())
        .enumerate()
        .filter(|(_, window)| window.eq_ignore_ascii_case(NAME))
        .map(|(at, _)| at);
    let end = starts.nth(CONTENT_TYPES_MAX_COUNT);
    &raw[..end.unwrap_or(raw.len())]
}

/// Tenure's id of the message that travels under `rfc_message_id` (without angle brackets), if it is one of ours.
pub fn tenure_message_id(rfc_message_id: &str) -> Option<&str> {
    let (id, _) = rfc_message_id.split_once('@')?;
    let is_ours = id.len() > 4
        && id.starts_with("msg_")
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    is_ours.then_some(id)
}

fn complaint(message: &Message<'_>, fields: &str) -> ComplaintReport {
    let feedback_type = field(fields, "feedback-type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let word = feedback_type
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(40)
        .collect();
    ComplaintReport {
        message_id: original_message_id(message),
        feedback_type: word,
    }
}

fn delivery(message: &Message<'_>, fields: &str) -> DeliveryReport {
    let fields = fields.replace("\r\n", "\n");
    let groups: Vec<&str> = fields
        .split("\n\n")
        .filter(|group| field(group, "action").is_some())
        .collect();
    let failed = groups
        .iter()
        .find(|group| action(group) == Some(Action::Failed));
    let group = failed.or(groups.first()).copied().unwrap_or(&fields);
    let diagnostic = field(group, "diagnostic-code");
    let stated = field(group, "status").and_then(|status| verdict::find_status(&status));
    let action = action(group).unwrap_or(Action::Failed);
    let status = verdict::most_telling(stated, diagnostic.as_deref());
    let bounce = (action == Action::Failed)
        .then(|| verdict::judge(status.as_deref(), diagnostic.as_deref().unwrap_or_default()));
    DeliveryReport {
        message_id: original_message_id(message),
        action,
        bounce,
        status,
        diagnostic: diagnostic.map(|text| redact_addresses(&text)),
        is_standard: true,
    }
}

fn action(group: &str) -> Option<Action> {
    Some(
        match field(group, "action")?.to_ascii_lowercase().as_str() {
            "failed" => Action::Failed,
            "delayed" => Action::Delayed,
            "delivered" => Action::Delivered,
            "relayed" => Action::Relayed,
            "expanded" => Action::Expanded,
            _ => return None,
        },
    )
}

/// Bounces of servers that do not write reports. Only a message that presents itself as one is searched, since people
/// quote such words too.
fn free_form(message: &Message<'_>) -> Option<DeliveryReport> {
    if !verdict::presents_as_bounce(message) {
        return None;
    }
    let text = message.body_text(0)?;
    let text = head(&text, TEXT_MAX_BYTES);
    // What the server says ends where it quotes the message.
    let said = verdict::before_quote(text);
    let line = verdict::telling_line(said);
    let status = line.and_then(verdict::find_status);
    let is_delay = verdict::is_delay_notice(message.subject().unwrap_or_default());
    let bounce = (!is_delay).then(|| verdict::judge(status.as_deref(), line.unwrap_or(said)));
    Some(DeliveryReport {
        message_id: original_message_id(message),
        action: if is_delay {
            Action::Delayed
        } else {
            Action::Failed
        },
        bounce,
        status,
        diagnostic: line.map(redact_addresses),
        is_standard: false,
    })
}

/// Message-ID of the message that is reported on: from the returned message or headers, else from any text that quotes
/// them, else from what the report answers.
fn original_message_id(message: &Message<'_>) -> Option<String> {
    let returned = message
        .parts
        .iter()
        .skip(1)
        .find_map(|part| match &part.body {
            PartType::Message(inner) => inner.message_id().map(str::to_owned),
            _ if part.is_content_type("text", "rfc822-headers") => {
                field(&text_of(message, part), "message-id")
            }
            _ => None,
        });
    let quoted = || {
        let texts = message
            .parts
            .iter()
            .filter(|part| !matches!(part.body, PartType::Multipart(_)));
        texts
            .skip(usize::from(message.parts.len() > 1))
            .find_map(|part| field(&text_of(message, part), "message-id"))
    };
    let in_single_part = || field(&message.body_text(0)?, "message-id");
    let answered = || match message.in_reply_to() {
        HeaderValue::Text(id) => Some(id.to_string()),
        HeaderValue::TextList(ids) => ids.first().map(ToString::to_string),
        _ => None,
    };
    let id = returned
        .or_else(quoted)
        .or_else(in_single_part)
        .or_else(answered)?;
    let id = id.trim().trim_start_matches('<').split('>').next()?.trim();
    let fits = !id.is_empty()
        && id.len() <= MESSAGE_ID_MAX_BYTES
        && id.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| id.to_owned())
}

fn part_text(message: &Message<'_>, kind: &str, subtype: &str) -> Option<String> {
    let part = message
        .parts
        .iter()
        .find(|part| part.is_content_type(kind, subtype))?;
    Some(text_of(message, part))
}

/// The content of a part, however the parser took it.
fn text_of(message: &Message<'_>, part: &MessagePart<'_>) -> String {
    let text = match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.to_string(),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        PartType::Message(_) => {
            let range = part.offset_body as usize..part.offset_end as usize;
            String::from_utf8_lossy(message.raw_message.get(range).unwrap_or_default()).into_owned()
        }
        PartType::Multipart(_) => String::new(),
    };
    head(&text, TEXT_MAX_BYTES).to_owned()
}

fn head(text: &str, bytes: usize) -> &str {
    let cut = (0..=bytes.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    &text[..cut.unwrap_or(0)]
}

/// The value of a header-like field, unfolded. `name` in lower case.
fn field(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines();
    let first = lines.by_ref().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then_some(value.trim())
    })?;
    let mut value = first.to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(line.trim());
    }
    Some(value)
}

#[cfg(test)]
mod tests;
