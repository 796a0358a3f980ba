//! Health: one number from 0 to 100 for each account (or person), made of weighted components.
//!
//! A component is a number of the condition language, a [`Curve`] that turns it into 0 to 100, and
//! a weight. One without data drops out and the weights of the others are renormalised; how much of
//! the weight had data is the *coverage*. What each component gives to the score is its
//! *contribution*, and the score is the sum of the contributions.
//!
//! What is evaluated lives in [`crate::plan`], what is kept of a subject in [`HealthState`].

mod curve;
mod explain;
mod state;
mod zone;

use crate::define::{Audience, Condition, Place};
use crate::expr::Expr;
use crate::plan::ConditionIndex;
use crate::subject::ConditionKey;

pub use curve::{Curve, CurveFault, MAX_CURVE_POINTS};
pub(crate) use explain::zone_changed;
pub use explain::{ComponentReading, HealthReading, explain, score_at};
pub use state::{HEALTH_HISTORY_DAYS, HealthState, day_of, midnight_of};
pub use zone::{Zone, Zones};

/// The most components of one definition.
pub const MAX_HEALTH_COMPONENTS: usize = 50;
/// The event that a change of zone puts into the log.
pub const ZONE_CHANGED: &str = "health_zone_changed";

/// A definition of health.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthDef {
    /// Unique name.
    pub name: String,
    /// What it is, in words.
    pub about: String,
    /// Accounts or people.
    pub audience: Audience,
    /// To whom it applies; `None` is everybody no other definition applies to.
    pub when: Option<Condition>,
    /// Of the definitions that could apply the one with the highest priority does; among equals
    /// the first by name.
    pub priority: i32,
    /// Where the zones begin.
    pub zones: Zones,
    /// What it is made of.
    pub components: Vec<ComponentDef>,
    /// Where.
    pub place: Place,
}

/// One component of a definition of health.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentDef {
    /// Unique within the definition.
    pub name: String,
    /// What it says, in words.
    pub about: String,
    /// How much it counts beside the others; positive.
    pub weight: f64,
    /// The number.
    pub value: Condition,
    /// Turns the number into 0 to 100.
    pub curve: Curve,
    /// Whether the number is a duration in milliseconds.
    pub durations: bool,
}

/// The compiled health of an audience: its definitions in the order in which they are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Whose.
    pub audience: Audience,
    /// Its place among the conditions of the plan: it is evaluated as one of them.
    pub condition: ConditionIndex,
    /// Key of that condition in subject states.
    pub key: ConditionKey,
    /// The first that applies counts; one without `when` comes last.
    pub definitions: Vec<HealthDef>,
}

/// What can be asked of a subject's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthField {
    /// The score, 0 to 100.
    Score,
    /// The zone, as text.
    Zone,
    /// The share of the weight that has data, 0 to 1.
    Coverage,
    /// The score less that of the midnight (UTC) that began the day so many days before today.
    Trend(u8),
}

impl HealthField {
    /// Every field with its written name; the score is the bare `health`.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("score", Self::Score),
        ("zone", Self::Zone),
        ("coverage", Self::Coverage),
        ("trend_7d", Self::Trend(7)),
        ("trend_30d", Self::Trend(30)),
    ];

    /// As written: `health`, `health.zone`, ….
    pub fn text(self) -> &'static str {
        match self {
            Self::Score => "health",
            Self::Zone => "health.zone",
            Self::Coverage => "health.coverage",
            Self::Trend(7) => "health.trend_7d",
            Self::Trend(_) => "health.trend_30d",
        }
    }
}

/// The definitions of an audience in the order in which they are asked: by falling priority, then
/// by name; one for everybody last.
pub(crate) fn in_order(definitions: &[HealthDef], audience: Audience) -> Vec<HealthDef> {
    let of = definitions.iter().filter(|def| def.audience == audience);
    let mut out: Vec<HealthDef> = of.cloned().collect();
    out.sort_by(|a, b| {
        let key = |def: &HealthDef| (def.when.is_none(), std::cmp::Reverse(def.priority));
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    out
}

/// Every expression a definition evaluates.
pub(crate) fn expressions(def: &HealthDef) -> impl Iterator<Item = &Expr> {
    let when = def.when.iter().map(|when| &when.expr);
    when.chain(def.components.iter().map(|part| &part.value.expr))
}
