//! Health, computed from facts alone: the score of a moment from all that is known at it, the zone
//! by going through all moments before it.

use crate::define::Audience;
use crate::health::{HealthDef, Zone, day_of, in_order, midnight_of};
use crate::id::SubjectId;
use crate::time::Timestamp;
use crate::value::Value;

use super::eval::Asked;
use super::{Moment, Oracle};

/// A subject's health at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// The definition that applies.
    pub definition: String,
    /// The score; `None` if no component has data.
    pub score: Option<f64>,
    /// The share of the weight that has data.
    pub coverage: f64,
}

impl Oracle<'_> {
    /// The health of a subject at a moment; `None` if no definition applies.
    pub fn health(&self, subject: SubjectId, moment: Moment) -> Option<Health> {
        self.health_by(subject, moment).map(|(health, _)| health)
    }

    fn health_by(&self, subject: SubjectId, moment: Moment) -> Option<(Health, HealthDef)> {
        let asked = self.asked(subject, moment);
        let audience = match subject {
            SubjectId::Account(_) => Audience::Account,
            SubjectId::Person(_) => Audience::Person,
        };
        let applies = |def: &HealthDef| {
            let when = def.when.as_ref();
            when.is_none_or(|when| asked.logic(&when.expr) == Some(true))
        };
        let mut definitions = in_order(&self.definitions.health, audience).into_iter();
        let def = definitions.find(applies)?;
        let known: Vec<(f64, f64)> = def
            .components
            .iter()
            .filter_map(|component| match asked.value(&component.value.expr)? {
                Value::Number(number) => Some((component.weight, component.curve.score(number))),
                _ => None,
            })
            .collect();
        let weight: f64 = known.iter().map(|(weight, _)| weight).sum();
        let all: f64 = def.components.iter().map(|one| one.weight).sum();
        let score = known
            .iter()
            .map(|(part, score)| part * score / weight)
            .sum();
        let health = Health {
            definition: def.name.clone(),
            score: Some(score).filter(|_| !known.is_empty()),
            coverage: weight / all,
        };
        Some((health, def))
    }

    /// The zone of a subject at a moment.
    pub fn zone(&self, subject: SubjectId, moment: Moment) -> Option<Zone> {
        let place = self.moments.partition_point(|known| *known <= moment);
        let place = place.checked_sub(1)?;
        if let Some(zones) = self.zones.borrow().get(&subject) {
            return zones[place];
        }
        let mut before = None;
        let zones: Vec<Option<Zone>> = self
            .moments
            .iter()
            .map(|moment| {
                before = self.zone_after(subject, *moment, before);
                before
            })
            .collect();
        let found = zones[place];
        self.zones.borrow_mut().insert(subject, zones);
        found
    }

    fn zone_after(&self, subject: SubjectId, moment: Moment, before: Option<Zone>) -> Option<Zone> {
        if !self.exists(subject, moment.known) {
            return None;
        }
        let (health, def) = self.health_by(subject, moment)?;
        Some(def.zones.zone(health.score?, before))
    }

    /// The score less that of the midnight that began the day so many days before.
    pub(super) fn trend(&self, subject: SubjectId, days: u8, moment: Moment) -> Option<f64> {
        let score = self.health(subject, moment)?.score?;
        let then = midnight_of(day_of(moment.at) - i64::from(days));
        let before = self.score_before(subject, then)?;
        Some(score - f64::from(before as f32))
    }

    /// The score at an instant, before anything received then.
    fn score_before(&self, subject: SubjectId, at: Timestamp) -> Option<f64> {
        let known = self.facts.known_before(at);
        if !self.exists(subject, known) {
            return None;
        }
        self.health(subject, Moment { at, known })?.score
    }
}

impl Asked<'_> {
    pub(super) fn health_number(&self, field: crate::health::HealthField) -> Option<f64> {
        use crate::health::HealthField::{Coverage, Score, Trend, Zone};
        match field {
            Score => self.oracle.health(self.subject, self.moment)?.score,
            Coverage => {
                let health = self.oracle.health(self.subject, self.moment)?;
                Some(health.coverage)
            }
            Trend(days) => self.oracle.trend(self.subject, days, self.moment),
            Zone => None,
        }
    }
}
