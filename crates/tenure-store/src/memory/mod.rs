//! A complete store in memory, for tests and the simulator.
//!
//! Clones share their data, so a node that "crashed" is reopened by cloning the store it had.
//! Everything is kept in ordered maps: the same batches give the same answers in the same order.

mod commit;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tenure_core::decision::Decision;
use tenure_core::effect::{EnrollmentChange, HealthRecord, HealthRecordKind};
use tenure_core::id::{DecisionId, EnrollmentId, MessageId, PersonId, RootId, SubjectId, TaskId};
use tenure_core::log::{PlanVersion, Position};
use tenure_core::time::Timestamp;

use crate::audit::AuditRow;
use crate::{StoreError, row};

/// The store. Cheap to clone; clones share the data.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    data: Arc<Mutex<Data>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Data {
    settings: BTreeMap<Box<str>, Vec<u8>>,
    chunks: BTreeMap<Position, row::Chunk>,
    seen: BTreeMap<u128, Timestamp>,
    identities: BTreeMap<u128, PersonId>,
    persons: BTreeMap<PersonId, row::Person>,
    progress: row::Progress,
    states: BTreeMap<(RootId, SubjectId), row::State>,
    roots: BTreeMap<SubjectId, RootId>,
    waking: BTreeSet<(Timestamp, RootId, SubjectId)>,
    timelines: BTreeMap<SubjectId, BTreeSet<Position>>,
    messages: BTreeMap<MessageId, row::Message>,
    pending: BTreeSet<(Timestamp, MessageId)>,
    tasks: BTreeMap<TaskId, row::Task>,
    decisions: BTreeMap<(Timestamp, DecisionId), Decision>,
    members: BTreeMap<Box<str>, BTreeMap<SubjectId, Timestamp>>,
    enrollments: BTreeMap<EnrollmentId, EnrollmentChange>,
    health: BTreeMap<(SubjectId, Timestamp, HealthRecordKind), HealthRecord>,
    dead_letters: BTreeMap<u64, row::DeadLetter>,
    dead_letter_last: u64,
    suppressions: BTreeMap<u128, row::Refusal>,
    plans: BTreeMap<PlanVersion, row::PlanRow>,
    audit: BTreeMap<u64, AuditRow>,
    decision_order: Vec<(Timestamp, DecisionId)>,
    records: BTreeMap<(Box<str>, Box<str>), row::Record>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what [`crate::Store::backup`] of this store wrote.
    pub fn load(path: &Path) -> Result<Self, StoreError> {
        let bytes = std::fs::read(path).map_err(|error| StoreError::Other(error.to_string()))?;
        let data =
            postcard::from_bytes(&bytes).map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(Self {
            data: Arc::new(Mutex::new(data)),
        })
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        // A commit validates before it changes anything, so a panic leaves whole data behind.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Data {
    fn log_end(&self) -> Position {
        self.chunks
            .last_key_value()
            .map_or(0, |(first, chunk)| first + u64::from(chunk.count) - 1)
    }
}
