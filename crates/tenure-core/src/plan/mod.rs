//! The plan: all live definitions compiled into one immutable thing.
//!
//! Series are deduplicated, conditions are deduplicated and ordered so that what a condition
//! depends on comes before it, and indexes lead from an event name or a trait to exactly the
//! series and conditions it touches.

mod backfill;
mod compile;
mod conditions;
mod health;
mod index;
mod properties;
mod series;

use std::collections::{BTreeMap, BTreeSet};

pub use backfill::Backfill;
pub use conditions::{ConditionIndex, ConditionSet, Reads, TrackedCondition};
pub(crate) use conditions::{audience_of, parts};
pub(crate) use index::is_own_event;
pub use index::{EventIndex, Users};
pub use properties::PropertyMap;
pub(crate) use series::reach_ms;
pub use series::{Retention, SeriesKind, SeriesSpec};

use crate::define::{Audience, Definitions, ProgramDef};
use crate::diagnostic::Diagnostic;
use crate::expr::{Aggregate, Expr};
use crate::health::Health;
use crate::id::Salt;
use crate::log::PlanVersion;
use crate::policy::Policy;
use crate::program::{Program, ProgramIndex};

/// What a plan is compiled from.
#[derive(Debug, Clone)]
pub struct PlanSources {
    /// Number of the plan.
    pub version: PlanVersion,
    /// The workspace's secret.
    pub salt: Salt,
    /// The current definitions.
    pub current: Definitions,
    /// Version of each current program: the plan in which its definition last changed.
    pub program_versions: BTreeMap<String, PlanVersion>,
    /// Older versions that may still have enrollments.
    pub retired: Vec<(PlanVersion, ProgramDef)>,
    /// Programs that are paused.
    pub paused: BTreeSet<String>,
}

/// A segment of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Unique name.
    pub name: Box<str>,
    /// People or accounts.
    pub audience: Audience,
    /// The condition that decides membership.
    pub condition: ConditionIndex,
}

/// A signal of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Unique name; its event is `signal:NAME`.
    pub name: Box<str>,
    /// People or accounts.
    pub audience: Audience,
    /// The condition that fires it.
    pub condition: ConditionIndex,
    /// Milliseconds during which it does not fire again.
    pub cooldown_ms: i64,
    /// What is told with the event: a JSON object.
    pub evidence: Box<str>,
}

/// All live definitions, compiled. Immutable; shared by all workers.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Number of the plan.
    pub version: PlanVersion,
    /// The workspace's secret.
    pub salt: Salt,
    /// The current definitions.
    pub definitions: Definitions,
    /// Every series that is kept.
    pub series: Vec<SeriesSpec>,
    /// Every tracked condition; what one depends on comes before it.
    pub conditions: Vec<TrackedCondition>,
    /// Segments, in the order of their definition.
    pub segments: Vec<Segment>,
    /// Signals, in the order of their definition.
    pub signals: Vec<Signal>,
    /// Health, at most one for each audience.
    pub healths: Vec<Health>,
    /// Programs, current and retired.
    pub programs: Vec<Program>,
    /// Name and version of each program, same order as `programs`.
    pub program_names: Vec<(Box<str>, PlanVersion)>,
    /// The contact policy.
    pub policy: Policy,
    /// Programs that are paused.
    pub paused: BTreeSet<String>,
    /// Conditions that others ask how long they have held.
    pub(crate) held: Vec<ConditionIndex>,
    pub(crate) index: index::Index,
    pub(crate) program_index: ProgramIndex,
}

impl Plan {
    /// Compiles a whole set of definitions, or reports every problem at once.
    pub fn compile(sources: PlanSources) -> Result<Self, Vec<Diagnostic>> {
        compile::compile(sources)
    }

    /// Whether anything in the plan reads properties of events of this name.
    pub fn wants_properties(&self, event: &str) -> bool {
        self.index.event(event).properties
    }

    /// The properties of an event, parsed only if the plan reads them.
    pub fn properties(&self, event: &crate::log::Event<'_>) -> PropertyMap {
        if self.wants_properties(&event.name) {
            PropertyMap::parse(&event.properties)
        } else {
            PropertyMap::default()
        }
    }

    /// The series an aggregate over subjects of `audience` reads; `None` if the plan has none.
    pub fn series_of(&self, audience: Audience, aggregate: &Aggregate) -> Option<&SeriesSpec> {
        let event = self.index.event(&aggregate.event);
        let candidates = event.of(audience);
        candidates
            .iter()
            .map(|&at| &self.series[at as usize])
            .find(|spec| spec.serves(audience, aggregate))
    }

    /// The health of an audience, if anything defines it.
    pub fn health(&self, audience: Audience) -> Option<&Health> {
        self.healths.iter().find(|one| one.audience == audience)
    }

    /// The health that is evaluated as this condition.
    pub(crate) fn health_at(&self, index: ConditionIndex) -> Option<&Health> {
        self.healths.iter().find(|one| one.condition == index)
    }

    /// A segment by name.
    pub fn segment(&self, name: &str) -> Option<&Segment> {
        self.index
            .segments
            .get(name)
            .map(|&at| &self.segments[at as usize])
    }

    /// The tracked condition with this very expression, among those others ask how long they have
    /// held.
    pub(crate) fn condition_of(&self, audience: Audience, expr: &Expr) -> Option<ConditionIndex> {
        let held = self.held.iter().copied();
        held.into_iter().find(|at| {
            let known = &self.conditions[at.0 as usize];
            known.audience == audience && known.expr == *expr
        })
    }

    /// The series of this plan whose history `old` does not keep (long enough): what a backfill
    /// must read from the log.
    pub fn missing_series(&self, old: &Self) -> Vec<SeriesSpec> {
        self.series
            .iter()
            .filter(|spec| {
                !old.series
                    .iter()
                    .any(|known| known.key == spec.key && known.horizon_ms >= spec.horizon_ms)
            })
            .cloned()
            .collect()
    }
}
