//! The oracle: a naive evaluator that the engine is tested against.
//!
//! It keeps nothing. Every answer is computed from the whole list of entries known at that
//! moment, with merges and moves followed one by one. How long a condition has held is found by
//! asking at every instant at which anything could have flipped.

mod eval;
mod facts;
mod health;
mod instants;

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::define::Definitions;
use crate::expr::Expr;
use crate::health::{Zone, expressions};
use crate::id::SubjectId;
use crate::lang::canonical;
use crate::log::Entry;
use crate::time::Timestamp;
use crate::value::Value;

use eval::Asked;
use facts::Facts;
pub use health::Health;

/// One moment: an instant, and how many entries are known at it. At one instant there is a moment
/// before each entry received then, and one after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The engine's time.
    pub at: Timestamp,
    /// How many entries of the log are known.
    pub known: usize,
}

/// What is so at a moment, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The answer; `None` is unknown.
    pub value: Option<bool>,
    /// Since when it has been this.
    pub since: Timestamp,
}

/// The answer to a condition at each moment; `None` before the subject exists.
type History = Vec<Option<Held>>;

/// A naive evaluator over a list of entries.
#[derive(Debug)]
pub struct Oracle<'a> {
    definitions: &'a Definitions,
    facts: Facts<'a>,
    moments: Vec<Moment>,
    histories: RefCell<BTreeMap<(SubjectId, String), History>>,
    zones: RefCell<BTreeMap<SubjectId, Vec<Option<Zone>>>>,
}

impl<'a> Oracle<'a> {
    /// An oracle over these entries, until `end`. `asked` are the expressions it will be asked
    /// about: they, the segments and health decide at which instants anything could flip.
    pub fn new(
        definitions: &'a Definitions,
        entries: &'a [Entry<'a>],
        asked: &[&Expr],
        end: Timestamp,
    ) -> Self {
        let segments = definitions.segments.iter().map(|def| &def.when.expr);
        let health = definitions.health.iter().flat_map(expressions);
        let all: Vec<&Expr> = segments
            .chain(health)
            .chain(asked.iter().copied())
            .collect();
        let days = !definitions.health.is_empty();
        Self {
            definitions,
            facts: Facts::new(entries),
            moments: instants::moments(entries, &definitions.policy.timezone, &all, end, days),
            histories: RefCell::default(),
            zones: RefCell::default(),
        }
    }

    /// Every moment at which an answer could differ from the one before, in order.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// Whether anything is known of a subject under its own name: one that was merged into
    /// another is gone.
    pub fn exists(&self, subject: SubjectId, known: usize) -> bool {
        self.facts.exists(subject, known)
    }

    /// The value of an expression at a moment; `None` is unknown.
    pub fn value(&self, subject: SubjectId, expr: &Expr, moment: Moment) -> Option<Value> {
        self.asked(subject, moment).value(expr)
    }

    /// Whether a condition holds at a moment; `None` is unknown.
    pub fn holds(&self, subject: SubjectId, expr: &Expr, moment: Moment) -> Option<bool> {
        self.asked(subject, moment).logic(expr)
    }

    /// The answer to a condition at a moment and since when it has been so; `None` before the
    /// subject exists.
    pub fn held(&self, subject: SubjectId, expr: &Expr, moment: Moment) -> Option<Held> {
        let place = self.moments.partition_point(|known| *known <= moment);
        let place = place.checked_sub(1)?;
        let key = (subject, canonical(expr));
        if let Some(history) = self.histories.borrow().get(&key) {
            return history[place];
        }
        let history = self.history(subject, expr);
        let found = history[place];
        self.histories.borrow_mut().insert(key, history);
        found
    }

    fn history(&self, subject: SubjectId, expr: &Expr) -> History {
        let mut out = Vec::with_capacity(self.moments.len());
        let mut last: Option<Held> = None;
        for &moment in &self.moments {
            if self.exists(subject, moment.known) {
                let value = self.holds(subject, expr, moment);
                let unbroken = last.filter(|last| last.value == value);
                last = Some(unbroken.unwrap_or(Held {
                    value,
                    since: moment.at,
                }));
            } else {
                last = None;
            }
            out.push(last);
        }
        out
    }

    fn asked(&self, subject: SubjectId, moment: Moment) -> Asked<'_> {
        Asked {
            oracle: self,
            subject,
            moment,
        }
    }
}
