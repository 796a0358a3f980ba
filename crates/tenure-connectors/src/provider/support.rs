//! Tickets and conversations of support systems, as the same events whoever they come from.

use serde_json::{Map, Value};

use super::call::{CallKind, PulledCall, message_id};
use super::item::Who;

/// A ticket or conversation.
pub(super) struct Ticket<'a> {
    /// The connector's name in the workspace.
    pub(super) connector: &'a str,
    /// Which stream it is from.
    pub(super) stream: &'a str,
    /// What its events begin with: `ticket` or `conversation`.
    pub(super) noun: &'a str,
    /// Its id.
    pub(super) id: &'a str,
    /// Who wrote it.
    pub(super) who: Who,
    /// When it was opened, in milliseconds since 1970.
    pub(super) opened_at_ms: i64,
    /// When it was changed last.
    pub(super) changed_at_ms: i64,
    /// Whether it is done.
    pub(super) is_solved: bool,
    /// What is known of it.
    pub(super) properties: Map<String, Value>,
}

impl Ticket<'_> {
    /// `…_opened` once, and for each later change `…_updated` or `…_solved`. None when nobody is known who wrote it.
    pub(super) fn calls(&self) -> Vec<PulledCall> {
        if self.who.user_id.is_none() && self.who.email.is_none() {
            return Vec::new();
        }
        let mut calls = vec![self.call("opened", "", self.opened_at_ms)];
        let version = self.changed_at_ms.to_string();
        if self.is_solved {
            calls.push(self.call("solved", &version, self.changed_at_ms));
        } else if self.changed_at_ms > self.opened_at_ms {
            calls.push(self.call("updated", &version, self.changed_at_ms));
        }
        calls
    }

    fn call(&self, what: &str, version: &str, at_ms: i64) -> PulledCall {
        let mut fields = self.properties.clone();
        fields.insert(format!("{}_id", self.noun), Value::from(self.id));
        PulledCall {
            message_id: message_id(self.connector, self.stream, self.id, version, what),
            kind: CallKind::Track,
            who: self.who.clone(),
            event: format!("{}_{what}", self.noun),
            occurred_at_ms: Some(at_ms),
            fields,
            only_if_missing: false,
        }
    }
}

/// Those of these that are there, as properties.
pub(super) fn properties(pairs: &[(&str, &Value)]) -> Map<String, Value> {
    pairs
        .iter()
        .filter(|(_, value)| !value.is_null() && value.as_str() != Some(""))
        .map(|(name, value)| ((*name).to_owned(), (*value).clone()))
        .collect()
}
