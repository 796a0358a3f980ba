//! From a call as sent to a call as the shell takes it, or to the field that is wrong.

use std::borrow::Cow;

use serde_json::value::RawValue;
use tenure_app::call::{
    Call, CallKind, MAX_EVENT_NAME_BYTES, MAX_IDENTIFIER_BYTES, Name, event_id,
};
use tenure_core::id::{EventId, Salt};
use tenure_core::log::IdentifierKind;
use tenure_core::time::{MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp};
use tenure_core::value::{MAX_TEXT_BYTES, MAX_TRAITS, Value, flatten};

use super::limits::{MAX_LIST_ITEMS, MAX_MESSAGE_ID_BYTES, MAX_TRAIT_NAME_BYTES};
use super::screen::screen;
use super::wire::{RawCall, Scalar};

/// The longest e-mail address there can be, in bytes (RFC 5321).
const MAX_EMAIL_BYTES: usize = 254;

/// Trait changes by dotted name; `None` removes.
type TraitChanges = Vec<(Box<str>, Option<Value>)>;

/// Kinds of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something happened.
    Track,
    /// Traits of a person.
    Identify,
    /// A person belongs to an account; traits of the account.
    Group,
    /// A page was seen.
    Page,
    /// A screen was seen.
    Screen,
    /// Two ids are one person.
    Alias,
}

/// What is wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field, with dots into objects; empty when it is the call as a whole.
    pub field: Cow<'static, str>,
    /// What is wrong and what to do.
    pub reason: String,
}

/// The circumstances in which calls were received.
#[derive(Clone, Copy)]
pub struct Circumstances<'a> {
    /// The workspace's secret.
    pub salt: &'a Salt,
    /// When the request came.
    pub received_at: Timestamp,
    /// When the sender says it sent the batch.
    pub sent_at: Option<Timestamp>,
    /// Imported history.
    pub historical: bool,
    /// Gives an id nobody else has, for calls without a message id.
    pub unique: &'a (dyn Fn() -> EventId + Sync),
}

impl Fault {
    pub(super) fn new(field: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

impl Kind {
    /// From a call's `type`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "track" => Self::Track,
            "identify" => Self::Identify,
            "group" => Self::Group,
            "page" => Self::Page,
            "screen" => Self::Screen,
            "alias" => Self::Alias,
            _ => return None,
        })
    }

    pub(super) fn of(raw: &RawCall<'_>) -> Result<Self, Fault> {
        let kind = match &raw.kind {
            Scalar::Text(text) => Self::parse(text),
            _ => None,
        };
        kind.ok_or_else(|| {
            Fault::new(
                "type",
                "must be one of track, identify, group, page, screen, alias",
            )
        })
    }
}

/// Who a call is about.
struct Who {
    user: Option<Name>,
    anonymous: Option<Name>,
    email: Option<Name>,
    account: Option<Name>,
}

/// Turns a call into what the shell takes.
pub(super) fn call_of(
    raw: &RawCall<'_>,
    kind: Kind,
    cx: &Circumstances<'_>,
) -> Result<Call, Fault> {
    if raw.context.malformed {
        return Err(Fault::new("context", "must be an object"));
    }
    let event_id = match message_id(&raw.message_id)? {
        Some(text) => event_id(cx.salt, &text),
        None => (cx.unique)(),
    };
    let occurred_at = occurred_at(raw, cx)?;
    let mut who = who(raw, cx)?;
    let kind = match kind {
        Kind::Track => CallKind::Track {
            name: event_name(&raw.event)?,
            properties: properties(raw)?,
        },
        Kind::Page => CallKind::Track {
            name: "page".into(),
            properties: view_properties(raw)?,
        },
        Kind::Screen => CallKind::Track {
            name: "screen".into(),
            properties: view_properties(raw)?,
        },
        Kind::Identify => identify(raw, cx, &mut who)?,
        Kind::Group => {
            if who.account.is_none() {
                return Err(Fault::new("groupId", "is required; give the account's id"));
            }
            CallKind::Group {
                traits: traits("traits", raw.traits)?,
            }
        }
        Kind::Alias => alias(raw, cx, &who)?,
    };
    if !matches!(kind, CallKind::Identify { .. }) {
        require_subject(raw, cx, &mut who)?;
    }
    Ok(Call {
        event_id,
        kind,
        user: who.user,
        anonymous: who.anonymous,
        email: who.email,
        account: who.account,
        occurred_at,
        historical: cx.historical,
    })
}

fn who(raw: &RawCall<'_>, cx: &Circumstances<'_>) -> Result<Who, Fault> {
    let name = |field, kind, scalar| -> Result<Option<Name>, Fault> {
        Ok(identifier(field, scalar)?.map(|text| Name::new(cx.salt, kind, &text)))
    };
    let account = match name("groupId", IdentifierKind::AccountId, &raw.group_id)? {
        None => name(
            "context.groupId",
            IdentifierKind::AccountId,
            &raw.context.group_id,
        )?,
        told => told,
    };
    Ok(Who {
        user: name("userId", IdentifierKind::UserId, &raw.user_id)?,
        anonymous: name(
            "anonymousId",
            IdentifierKind::AnonymousId,
            &raw.anonymous_id,
        )?,
        email: None,
        account,
    })
}

/// A call must be about somebody: a person, or at least an account.
fn require_subject(raw: &RawCall<'_>, cx: &Circumstances<'_>, who: &mut Who) -> Result<(), Fault> {
    if who.user.is_some() || who.anonymous.is_some() {
        return Ok(());
    }
    if let Some(json) = raw.context.traits {
        who.email = email_of(&traits("context.traits", Some(json))?, cx);
    }
    if who.email.is_some() || who.account.is_some() {
        return Ok(());
    }
    Err(nobody())
}

fn nobody() -> Fault {
    Fault::new("userId", "or `anonymousId` is required")
}

fn identify(raw: &RawCall<'_>, cx: &Circumstances<'_>, who: &mut Who) -> Result<CallKind, Fault> {
    let mut changes = traits("traits", raw.traits)?;
    if changes.is_empty() {
        changes = traits("context.traits", raw.context.traits)?;
    }
    who.email = email_of(&changes, cx);
    if who.user.is_none() && who.anonymous.is_none() && who.email.is_none() {
        return Err(nobody());
    }
    for (name, told) in [
        ("timezone", &raw.context.timezone),
        ("locale", &raw.context.locale),
    ] {
        let known = changes.iter().any(|(known, _)| &**known == name);
        if let (false, Scalar::Text(text)) = (known, told)
            && !text.is_empty()
            && text.len() <= MAX_TRAIT_NAME_BYTES
            && !text.contains('\0')
        {
            changes.push((name.into(), Some(Value::text(&**text))));
        }
    }
    Ok(CallKind::Identify { traits: changes })
}

fn alias(raw: &RawCall<'_>, cx: &Circumstances<'_>, who: &Who) -> Result<CallKind, Fault> {
    if who.user.is_none() {
        return Err(Fault::new(
            "userId",
            "is required; give the id the person has now",
        ));
    }
    let previous = identifier("previousId", &raw.previous_id)?.ok_or_else(|| {
        Fault::new(
            "previousId",
            "is required; give the id the person had before",
        )
    })?;
    Ok(CallKind::Alias {
        previous_user: Name::new(cx.salt, IdentifierKind::UserId, &previous),
        previous_anonymous: Name::new(cx.salt, IdentifierKind::AnonymousId, &previous),
    })
}

fn message_id<'a>(scalar: &'a Scalar<'_>) -> Result<Option<Cow<'a, str>>, Fault> {
    text_of("messageId", scalar, MAX_MESSAGE_ID_BYTES)
}

fn identifier<'a>(
    field: &'static str,
    scalar: &'a Scalar<'_>,
) -> Result<Option<Cow<'a, str>>, Fault> {
    text_of(field, scalar, MAX_IDENTIFIER_BYTES)
}

/// Text or a number as text; nothing when missing or empty.
fn text_of<'a>(
    field: &'static str,
    scalar: &'a Scalar<'_>,
    max_bytes: usize,
) -> Result<Option<Cow<'a, str>>, Fault> {
    let text = match scalar {
        Scalar::Missing => return Ok(None),
        Scalar::Text(text) if text.is_empty() => return Ok(None),
        Scalar::Text(text) => Cow::Borrowed(&**text),
        Scalar::Number(number) => Cow::Owned(number.to_string()),
        Scalar::Other(what) => {
            return Err(Fault::new(
                field,
                format!("must be text or a number, not {what}"),
            ));
        }
    };
    if text.len() > max_bytes {
        return Err(Fault::new(
            field,
            format!("is longer than {max_bytes} bytes; shorten it"),
        ));
    }
    if text.contains('\0') {
        return Err(Fault::new(field, "holds a NUL character; remove it"));
    }
    Ok(Some(text))
}

fn event_name(scalar: &Scalar<'_>) -> Result<Box<str>, Fault> {
    let fault = |reason: &str| Err(Fault::new("event", reason));
    match scalar {
        Scalar::Text(name) if name.len() > MAX_EVENT_NAME_BYTES => Err(Fault::new(
            "event",
            format!(
                "is longer than {MAX_EVENT_NAME_BYTES} bytes; shorten it, and put details into properties"
            ),
        )),
        Scalar::Text(name) if name.chars().any(char::is_control) => {
            fault("holds a NUL or another control character; remove it")
        }
        Scalar::Text(name) if !name.trim().is_empty() => Ok((**name).into()),
        Scalar::Text(_) | Scalar::Missing => fault("is required; give the event's name"),
        Scalar::Number(_) => fault("must be text, not a number"),
        Scalar::Other(what) => Err(Fault::new("event", format!("must be text, not {what}"))),
    }
}

/// The time a call tells, corrected by the sender's clock skew: what it says it sent the request
/// at, against when the request came. Imported history is taken at its word.
fn occurred_at(raw: &RawCall<'_>, cx: &Circumstances<'_>) -> Result<Option<Timestamp>, Fault> {
    let told = match instant("originalTimestamp", &raw.original_timestamp)? {
        None => instant("timestamp", &raw.timestamp)?,
        told => told,
    };
    let sent_at = instant("sentAt", &raw.sent_at)?.or(cx.sent_at);
    let corrected = match (told, sent_at) {
        (Some(told), Some(sent_at)) if !cx.historical => {
            told.plus_ms(cx.received_at.since_ms(sent_at))
        }
        (Some(told), _) => told,
        (None, _) => return Ok(None),
    };
    Ok(Some(corrected.clamp(MIN_TIMESTAMP, MAX_TIMESTAMP)))
}

/// A time as RFC 3339 or epoch seconds or milliseconds.
pub(super) fn instant(
    field: &'static str,
    scalar: &Scalar<'_>,
) -> Result<Option<Timestamp>, Fault> {
    let at = match scalar {
        Scalar::Missing => return Ok(None),
        Scalar::Text(text) => Timestamp::parse(text),
        Scalar::Number(number) => number
            .as_f64()
            .and_then(|number| Value::Number(number).as_instant())
            .filter(|at| (MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(at)),
        Scalar::Other(_) => None,
    };
    let fault = || {
        Fault::new(
            field,
            "is not a time; write it like 2026-03-01T10:00:00.000Z",
        )
    };
    at.map(Some).ok_or_else(fault)
}

fn object<'a>(
    field: &'static str,
    json: Option<&'a RawValue>,
) -> Result<Option<Cow<'a, str>>, Fault> {
    let Some(json) = json.map(RawValue::get) else {
        return Ok(None);
    };
    if !json.starts_with('{') {
        return Err(Fault::new(field, "must be an object"));
    }
    screen(json)
        .map(Some)
        .map_err(|reason| Fault::new(field, reason))
}

fn properties(raw: &RawCall<'_>) -> Result<Box<str>, Fault> {
    let json = object("properties", raw.properties)?;
    Ok(json.map_or_else(|| "{}".into(), Into::into))
}

/// Properties of a page or screen, with its name and category among them.
fn view_properties(raw: &RawCall<'_>) -> Result<Box<str>, Fault> {
    let told = properties(raw)?;
    let name = text_of("name", &raw.name, MAX_TEXT_BYTES)?;
    let category = text_of("category", &raw.category, MAX_TEXT_BYTES)?;
    if name.is_none() && category.is_none() {
        return Ok(told);
    }
    let mut map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&told)
        .map_err(|_| Fault::new("properties", "holds a number out of range"))?;
    for (key, text) in [("name", name), ("category", category)] {
        if let Some(text) = text {
            map.insert(key.into(), text.into_owned().into());
        }
    }
    Ok(serde_json::Value::Object(map).to_string().into())
}

/// Traits as changes by dotted name, within their limits.
fn traits(field: &'static str, json: Option<&RawValue>) -> Result<TraitChanges, Fault> {
    let Some(json) = object(field, json)? else {
        return Ok(Vec::new());
    };
    let map = serde_json::from_str(&json)
        .map_err(|_| Fault::new(field, "holds a number out of range"))?;
    let changes = flatten(&map);
    if changes.len() > MAX_TRAITS {
        return Err(Fault::new(
            field,
            format!("has more than {MAX_TRAITS} traits; send fewer"),
        ));
    }
    for (name, value) in &changes {
        check_trait(name, value.as_ref()).map_err(|reason| {
            let shown: String = name.chars().take(80).collect();
            Fault::new(format!("{field}.{shown}"), reason)
        })?;
    }
    Ok(changes)
}

fn check_trait(name: &str, value: Option<&Value>) -> Result<(), String> {
    if name.is_empty() {
        return Err("has no name".into());
    }
    if name.len() > MAX_TRAIT_NAME_BYTES {
        return Err(format!(
            "has a name of more than {MAX_TRAIT_NAME_BYTES} bytes"
        ));
    }
    match value {
        Some(Value::Text(text)) if text.len() > MAX_TEXT_BYTES => {
            Err(format!("is longer than {MAX_TEXT_BYTES} bytes"))
        }
        Some(Value::List(items)) if items.len() > MAX_LIST_ITEMS => {
            Err(format!("has more than {MAX_LIST_ITEMS} items"))
        }
        _ => Ok(()),
    }
}

fn email_of(changes: &[(Box<str>, Option<Value>)], cx: &Circumstances<'_>) -> Option<Name> {
    let (_, value) = changes.iter().rev().find(|(name, _)| &**name == "email")?;
    let address = value.as_ref()?.as_text()?.trim();
    let (local, domain) = address.rsplit_once('@')?;
    let plausible = !local.is_empty()
        && !domain.is_empty()
        && address.len() <= MAX_EMAIL_BYTES
        && !address.chars().any(|c| c.is_whitespace() || c.is_control());
    plausible.then(|| Name::new(cx.salt, IdentifierKind::Email, address))
}
