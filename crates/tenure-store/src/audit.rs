//! The audit trail, as the store keeps it: numbered entries that are only ever appended to.

use serde::{Deserialize, Serialize};
use tenure_core::time::Timestamp;

use crate::StoreError;

/// An entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Id of who did it.
    pub actor: Box<str>,
    /// What was done.
    pub action: Box<str>,
    /// To what.
    pub target: Box<str>,
    /// The rest: JSON of the shell.
    pub body: Vec<u8>,
    /// Over all of the entry and the hash of the one before.
    pub hash: [u8; 32],
}

/// Which entries of the audit trail.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// By this actor.
    pub actor: Option<String>,
    /// With this action.
    pub action: Option<String>,
    /// On this target.
    pub target: Option<String>,
    /// At this instant or later.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether an entry is wanted.
    pub fn admits(&self, row: &AuditRow) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        is(&self.actor, &row.actor)
            && is(&self.action, &row.action)
            && is(&self.target, &row.target)
            && self.since.is_none_or(|since| row.at >= since)
            && self.until.is_none_or(|until| row.at < until)
    }
}

/// Refuses entries that do not follow the trail's last, number `last`.
pub fn follows(rows: &[AuditRow], last: u64) -> Result<(), StoreError> {
    let out_of_order = rows
        .iter()
        .zip(last + 1..)
        .any(|(row, wanted)| row.seq != wanted);
    if out_of_order {
        return Err(StoreError::Other(format!(
            "audit entries do not follow entry {last}; read the trail's end and number them anew"
        )));
    }
    Ok(())
}
