//! One row of an export.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tenure_app::roots::decode;
use tenure_core::decision::Decision;
use tenure_core::id::{PersonId, SubjectId};
use tenure_core::log::{Event, Identifier, IdentifierKind, Position, Profile};
use tenure_core::time::Timestamp;
use tenure_store::query::instant_cursor;
use tenure_store::row;

/// The user id of each person, as far as the log has told it.
#[derive(Debug, Default)]
pub(super) struct UserIds(HashMap<PersonId, Box<str>>);

impl UserIds {
    /// Notes what a profile tells.
    pub(super) fn learn(&mut self, profile: &Profile) {
        let SubjectId::Person(person) = profile.subject else {
            return;
        };
        let told = profile
            .identifiers
            .iter()
            .find(|identifier| identifier.kind == IdentifierKind::UserId);
        if let Some(told) = told {
            self.0.insert(person, told.value.clone());
        }
    }
}

/// An event.
pub(super) fn event(
    position: Position,
    received_at: Timestamp,
    event: &Event<'_>,
    user_ids: &UserIds,
) -> Value {
    let properties: Value = serde_json::from_str::<Box<RawValue>>(&event.properties)
        .ok()
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_else(|| json!({}));
    json!({
        "position": position,
        "id": event.id,
        "name": event.name,
        "person": event.person,
        "user_id": event.person.and_then(|person| user_ids.0.get(&person)),
        "account": event.account,
        "occurred_at": event.occurred_at.to_string(),
        "received_at": received_at.to_string(),
        "historical": event.historical,
        "properties": properties,
    })
}

/// A person or an account.
pub(super) fn subject(row: &row::State) -> Result<Value> {
    let (_, state) = decode(&row.bytes)
        .with_context(|| format!("the state of {} cannot be read", row.subject))?;
    let of_kind = |kind: IdentifierKind| -> Vec<&Identifier> {
        state
            .identifiers
            .iter()
            .filter(|known| known.kind == kind)
            .collect()
    };
    let values = |kind| {
        of_kind(kind)
            .into_iter()
            .map(|known| Value::from(&*known.value))
            .collect::<Vec<_>>()
    };
    let traits: Map<String, Value> = state
        .traits
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_json()))
        .collect();
    let mut fields = Map::new();
    fields.insert("id".into(), state.id.to_string().into());
    match state.id {
        SubjectId::Person(_) => {
            let user_ids = values(IdentifierKind::UserId);
            fields.insert("user_id".into(), json!(user_ids.first()));
            fields.insert("user_ids".into(), user_ids.into());
            fields.insert("emails".into(), values(IdentifierKind::Email).into());
            fields.insert("account".into(), json!(state.account));
        }
        SubjectId::Account(_) => {
            let ids = values(IdentifierKind::AccountId);
            fields.insert("external_id".into(), json!(ids.first()));
        }
    }
    fields.insert("created_at".into(), state.created_at.to_string().into());
    fields.insert("seen_at".into(), state.seen_at.to_string().into());
    fields.insert("segments".into(), json!(state.segments));
    fields.insert("traits".into(), traits.into());
    Ok(fields.into())
}

/// A message, with the cursor behind it.
pub(super) fn message(message: &row::Message) -> (String, Value) {
    let intent = &message.intent;
    let row = json!({
        "id": intent.id,
        "state": message.state,
        "state_at": message.state_at.to_string(),
        "program": intent.program,
        "template": intent.template,
        "person": intent.person,
        "subject": intent.subject.to_string(),
        "decided_at": intent.decided_at.to_string(),
        "attempt_count": message.attempt_count,
        "reason": message.reason,
    });
    (instant_cursor(intent.decided_at, intent.id), row)
}

/// A decision, with the cursor behind it.
pub(super) fn decision(decision: &Decision) -> (String, Value) {
    let row = json!({
        "id": decision.id,
        "at": decision.at.to_string(),
        "program": decision.program,
        "subject": decision.subject.to_string(),
        "version": decision.version,
        "enrollment": decision.enrollment,
        "step": decision.step,
        "outcome": decision.outcome.as_str(),
        "reason": decision.reason,
        "message": decision.message,
    });
    (instant_cursor(decision.at, decision.id), row)
}

/// A member of a segment, with the cursor behind it.
pub(super) fn member(member: &row::Member) -> (String, Value) {
    let row = json!({
        "subject": member.subject.to_string(),
        "since": member.since.to_string(),
    });
    (member.subject.to_string(), row)
}
