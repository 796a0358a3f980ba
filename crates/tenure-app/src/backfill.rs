//! Backfill: what a new plan needs of the past is read from the log in the background, while the
//! worker goes on; the worker takes it over slice by slice at entries of the log.

use std::collections::HashMap;

use tenure_core::aggregate::Series;
use tenure_core::id::{PersonId, SubjectId};
use tenure_core::log::{PlanVersion, Position, decode};
use tenure_core::plan::{Backfill, Plan, SeriesSpec};
use tenure_core::subject::SeriesKey;
use tenure_store::{Store, StoreError};

/// How much of the log is read at once, in bytes.
const READ_BYTES: usize = 8 * 1024 * 1024;

/// The past of every subject, for the series a plan was missing.
#[derive(Debug)]
pub struct Overlay {
    /// For this plan.
    pub plan: PlanVersion,
    parts: HashMap<SubjectId, Past>,
}

/// The backfilled series of one subject, as the engine takes them.
type Past = Vec<(SubjectId, SeriesKey, Series)>;

impl Overlay {
    /// For a plan that misses nothing.
    pub fn empty(plan: PlanVersion) -> Self {
        Self {
            plan,
            parts: HashMap::new(),
        }
    }

    /// Reads the log up to `until` (inclusive). `progress` is told the last position read and
    /// may stop the scan by answering false, which gives `None`.
    pub fn scan(
        store: &dyn Store,
        plan: &Plan,
        missing: &[SeriesSpec],
        until: Position,
        progress: &mut dyn FnMut(Position) -> bool,
    ) -> Result<Option<Self>, StoreError> {
        if missing.is_empty() {
            return Ok(Some(Self::empty(plan.version)));
        }
        let mut backfill = Backfill::new(plan, missing, until);
        let mut from = 1;
        while from <= until {
            let chunks = store.read_log(from, READ_BYTES, None)?;
            if chunks.is_empty() {
                break;
            }
            for chunk in &chunks {
                for entry in decode(chunk.first, &chunk.bytes) {
                    let entry = entry.map_err(|error| StoreError::Damaged(error.to_string()))?;
                    if entry.position >= from && entry.position <= until {
                        backfill.fold(&entry);
                    }
                }
            }
            let last = &chunks[chunks.len() - 1];
            from = last.first + u64::from(last.count);
            if !progress(from - 1) {
                return Ok(None);
            }
        }
        let subjects: Vec<SubjectId> = backfill.subjects().collect();
        let parts = subjects
            .into_iter()
            .map(|subject| (subject, backfill.take(subject)))
            .collect();
        Ok(Some(Self {
            plan: plan.version,
            parts,
        }))
    }

    /// Takes out the past of one subject.
    pub fn take(&mut self, subject: SubjectId) -> Past {
        self.parts.remove(&subject).unwrap_or_default()
    }

    /// Two persons turned out to be one after the scan: the past of one becomes the other's.
    pub fn merge(&mut self, from: PersonId, into: PersonId) {
        for (subject, past) in &mut self.parts {
            if subject.account().is_some() {
                for (_, _, series) in past.iter_mut() {
                    series.rename_person(from, into);
                }
            }
        }
        let into = SubjectId::Person(into);
        let Some(past) = self.parts.remove(&SubjectId::Person(from)) else {
            return;
        };
        let target = self.parts.entry(into).or_default();
        for (_, key, series) in past {
            match target.iter_mut().find(|(_, known, _)| *known == key) {
                Some((_, _, known)) => known.merge(series),
                None => target.push((into, key, series)),
            }
        }
    }
}
