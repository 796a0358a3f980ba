//! What comes in from a provider: calls like those of the ingest API, with ids that stay the same.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::item::Who;

/// What a call tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// Traits of a person.
    Identify,
    /// Traits of an account, and that the person belongs to it.
    Group,
    /// An event.
    Track,
}

/// One call, made from one record of the provider.
#[derive(Clone, PartialEq, Serialize)]
pub struct PulledCall {
    /// Derived from the connector's name, the record and its version: a repeat has the same and is accepted once.
    pub message_id: String,
    /// What it tells.
    pub kind: CallKind,
    /// About whom.
    pub who: Who,
    /// The event's name; empty for other kinds.
    pub event: String,
    /// When it was so, in milliseconds since 1970; `None` is when it is received, which overrules what was told before.
    pub occurred_at_ms: Option<i64>,
    /// Traits or properties.
    pub fields: Map<String, Value>,
    /// Take only those traits for which nothing is known yet.
    pub only_if_missing: bool,
}

impl fmt::Debug for PulledCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PulledCall")
            .field("message_id", &self.message_id)
            .field("kind", &self.kind)
            .field("event", &self.event)
            .field("field_count", &self.fields.len())
            .finish_non_exhaustive()
    }
}

/// The id of a call made from `record` of `stream` as of `version`. `part` tells calls of one record apart.
pub fn message_id(
    connector: &str,
    stream: &str,
    record: &str,
    version: &str,
    part: &str,
) -> String {
    let mut hasher = blake3::Hasher::new();
    for piece in [connector, stream, record, version, part] {
        hasher.update(&(piece.len() as u64).to_le_bytes());
        hasher.update(piece.as_bytes());
    }
    format!("pull_{}", &hasher.finalize().to_hex()[..32])
}

/// A page of what a provider holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// In the order in which they are to be told.
    pub calls: Vec<PulledCall>,
    /// Where to go on, to be kept; given back as it is.
    pub cursor: String,
    /// Whether there is more right now.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_every_piece_and_on_where_it_ends() {
        let id = message_id("crm", "contacts", "12", "3", "a");
        assert_eq!(id, message_id("crm", "contacts", "12", "3", "a"));
        assert_ne!(id, message_id("crm", "contacts", "1", "23", "a"));
        assert_ne!(id, message_id("crm", "contacts", "12", "4", "a"));
    }
}
