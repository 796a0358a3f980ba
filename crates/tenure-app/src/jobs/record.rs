//! A job as it is kept.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tenure_core::time::Timestamp;
use tenure_store::StoreError;
use tenure_store::row::Record;

use super::COLLECTION;
use crate::access::Actor;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for a free slot.
    Queued,
    /// Is under way.
    Running,
    /// Is done.
    Succeeded,
    /// Could not be done.
    Failed,
    /// Somebody said not to.
    Cancelled,
}

impl JobState {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing comes any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// `job_` and a number that grows.
    pub id: String,
    /// What is done: the name of its kind.
    pub kind: String,
    /// Where it stands.
    pub state: JobState,
    /// How much is done, in the kind's own unit.
    pub done_count: u64,
    /// How much there is to do; `None` while that is not known.
    pub total_count: Option<u64>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it began (anew, after an interruption).
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it failed, and what to do.
    pub error: Option<String>,
    /// What came of it; while it runs, what the kind shows of it.
    pub result: Json,
    /// Who asked for it: an id.
    pub asked_by: String,
    /// Their name.
    pub asked_by_name: String,
    /// What to do: the kind's own.
    pub input: Json,
    /// Where to go on after an interruption: the kind's own.
    pub mark: Json,
}

impl Job {
    /// One that nobody has begun.
    pub(super) fn queued(id: String, kind: &str, input: Json, by: &Actor, now: Timestamp) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
            state: JobState::Queued,
            done_count: 0,
            total_count: None,
            created_at: now,
            started_at: None,
            finished_at: None,
            error: None,
            result: Json::Null,
            asked_by: by.id.clone(),
            asked_by_name: by.name.clone(),
            input,
            mark: Json::Null,
        }
    }

    pub(super) fn of(row: &Record) -> Result<Self, StoreError> {
        serde_json::from_slice(&row.bytes)
            .map_err(|error| StoreError::Damaged(format!("job {}: {error}", row.key)))
    }

    pub(super) fn row(&self, now: Timestamp) -> Record {
        Record {
            collection: COLLECTION.into(),
            key: self.id.as_str().into(),
            at: now,
            bytes: serde_json::to_vec(self).unwrap_or_default(),
        }
    }

    /// What the audit trail says of it.
    pub(super) fn summary(&self) -> Json {
        json!({"job": self.id, "kind": self.kind, "state": self.state})
    }

    /// It ended.
    pub(super) fn finish(&mut self, state: JobState, error: Option<String>, now: Timestamp) {
        self.state = state;
        self.error = error;
        self.finished_at = Some(now);
        self.mark = Json::Null;
    }
}
