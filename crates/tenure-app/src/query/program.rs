//! Programs: how many stand where, and who would enter now.

use std::collections::BTreeMap;

use tenure_core::effect::EnrollmentStatus;
use tenure_core::id::SubjectId;
use tenure_core::log::PlanVersion;
use tenure_core::plan::Plan;
use tenure_core::program::{Program, ProgramEntry};
use tenure_store::{Page, StoreError};

use super::Query;
use crate::roots::decode;

/// How many subjects a preview looks at.
const PREVIEW_SUBJECTS: usize = 50_000;
/// How many subjects a preview names.
const PREVIEW_SAMPLE: usize = 20;

/// Enrollments of a program by where they stand, over all versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramCounts {
    /// By status.
    pub statuses: BTreeMap<EnrollmentStatus, u64>,
    /// Active ones by version and step.
    pub steps: BTreeMap<(PlanVersion, Box<str>), u64>,
}

/// Who would enter a program now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prospects {
    /// Subjects that were looked at.
    pub checked_count: u64,
    /// Whether those were all there are.
    pub complete: bool,
    /// Those for which the entry holds now, in the sense of `note`; `None` when entry hangs on
    /// something that happens.
    pub matching_count: Option<u64>,
    /// Of these, those that are inside already.
    pub inside_count: u64,
    /// Some of those that match and are not inside.
    pub sample: Vec<SubjectId>,
    /// What is counted, or why nothing can be.
    pub note: &'static str,
}

fn note(entry: &ProgramEntry) -> &'static str {
    match entry {
        ProgramEntry::When { .. } => {
            "those for which the condition holds now; later ones enter when it becomes true"
        }
        ProgramEntry::Segment { .. } | ProgramEntry::Broadcast(_) => "present members",
        ProgramEntry::Signal(_) => {
            "those for which the signal's condition holds now; they enter when it fires anew"
        }
        ProgramEntry::Date { .. } => "those that have the date; each enters at its own time",
        ProgramEntry::Schedule { .. } => "everybody; they enter at the scheduled time",
        ProgramEntry::Event { .. } => {
            "subjects enter when the event happens; nobody can be counted before"
        }
        ProgramEntry::Api => "subjects enter by API or by hand; nobody can be counted before",
        ProgramEntry::Closed => "an older version; nobody enters",
    }
}

impl Query<'_> {
    /// Enrollments of every program that has any.
    pub fn program_counts(&self) -> Result<BTreeMap<Box<str>, ProgramCounts>, StoreError> {
        let mut all: BTreeMap<Box<str>, ProgramCounts> = BTreeMap::new();
        for row in self.store.enrollment_counts()? {
            let counts = all.entry(row.program).or_default();
            *counts.statuses.entry(row.status).or_default() += row.count;
            if let Some(step) = row.step {
                *counts.steps.entry((row.version, step)).or_default() += row.count;
            }
        }
        Ok(all)
    }

    /// Who would enter a program now, as of the last checkpoint.
    pub fn prospects(&self, plan: &Plan, program: &Program) -> Result<Prospects, StoreError> {
        let segment = match &program.entry {
            ProgramEntry::Segment { segment, .. } | ProgramEntry::Broadcast(segment) => {
                Some(segment.clone())
            }
            _ => None,
        };
        let condition = match &program.entry {
            ProgramEntry::When { index, .. } => Some(plan.conditions[index.0 as usize].key),
            ProgramEntry::Signal(name) => plan
                .signals
                .iter()
                .find(|signal| signal.name == *name)
                .map(|signal| plan.conditions[signal.condition.0 as usize].key),
            _ => None,
        };
        let date = match &program.entry {
            ProgramEntry::Date { property, .. } => Some(property),
            _ => None,
        };
        let every = matches!(program.entry, ProgramEntry::Schedule { .. });
        let mut prospects = Prospects {
            note: note(&program.entry),
            ..Prospects::default()
        };
        if segment.is_none() && condition.is_none() && date.is_none() && !every {
            return Ok(prospects);
        }
        let (mut matching, mut after) = (0, None);
        loop {
            let page = Page {
                after,
                limit: 1_000,
            };
            let rows = self.store.subjects(program.audience, &page)?;
            for row in &rows {
                let (_, state) = decode(&row.bytes)?;
                prospects.checked_count += 1;
                let held = condition.and_then(|key| state.conditions.get(key));
                let matches = held.is_some_and(|held| held.value == Some(true))
                    || segment
                        .as_ref()
                        .is_some_and(|segment| state.in_segment(segment))
                    || date.is_some_and(|name| state.traits.get(name).is_some())
                    || every;
                if !matches {
                    continue;
                }
                matching += 1;
                let inside = state.enrollments.iter().any(|enrollment| {
                    enrollment.program == program.name
                        && enrollment.status == EnrollmentStatus::Active
                });
                prospects.inside_count += u64::from(inside);
                if !inside && prospects.sample.len() < PREVIEW_SAMPLE {
                    prospects.sample.push(state.id);
                }
            }
            prospects.complete = rows.len() < 1_000;
            if prospects.complete || prospects.checked_count >= PREVIEW_SUBJECTS as u64 {
                break;
            }
            after = rows.last().map(|row| row.subject.to_string());
        }
        prospects.matching_count = Some(matching);
        Ok(prospects)
    }
}
