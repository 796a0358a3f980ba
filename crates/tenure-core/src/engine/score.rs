//! The score of a subject's health, with the earliest instant at which time alone could change it.

use crate::define::Audience;
use crate::expr::{Comparison, Scope};
use crate::health::{ComponentDef, Health, HealthDef, HealthField, Zone, day_of, midnight_of};
use crate::time::Timestamp;

use super::eval::{Scene, Timed, Val, crossing_ms, earliest};

/// How many changes that leave the zone as it is are looked past, so that few wake-ups are wasted.
const LOOK_AHEAD: usize = 8;

/// A subject's health at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(
    clippy::struct_field_names,
    reason = "the score is the number that the whole is called by"
)]
pub(crate) struct Score {
    /// Which of the definitions applies.
    pub(crate) definition: usize,
    /// The score, 0 to 100; `None` if no component has data.
    pub(crate) score: Option<f64>,
    /// By how much the score moves in a millisecond.
    pub(crate) slope: f64,
    /// The share of the weight that has data.
    pub(crate) coverage: f64,
}

/// The number of a component and what the curve makes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Part {
    pub(crate) value: f64,
    pub(crate) score: f64,
    /// By how much the component's score moves in a millisecond.
    slope: f64,
}

/// The score of components, of which those without data are `None`: the weighted mean of the
/// others, and how fast it moves. Also what each of them contributes.
pub(crate) fn weigh(def: &HealthDef, parts: &[Option<Part>]) -> (Option<f64>, f64, f64, Vec<f64>) {
    let weights = def.components.iter().map(|component| component.weight);
    let known = weights.clone().zip(parts);
    let known: f64 = known
        .filter_map(|(weight, part)| part.map(|_| weight))
        .sum();
    let all: f64 = weights.clone().sum();
    let share = |(weight, part): (f64, &Option<Part>)| {
        part.map_or((0.0, 0.0), |part| {
            (weight * part.score / known, weight * part.slope / known)
        })
    };
    let shares: Vec<(f64, f64)> = weights.zip(parts).map(share).collect();
    let contributions: Vec<f64> = shares.iter().map(|(score, _)| *score).collect();
    let score = (known > 0.0).then(|| contributions.iter().sum());
    let slope = shares.iter().map(|(_, slope)| slope).sum();
    (score, slope, known / all, contributions)
}

impl<'a> Scene<'a> {
    /// The scene as the health of its own subject sees it.
    fn of_health(&self, health: &'a Health) -> Self {
        let condition = &self.plan.conditions[health.condition.0 as usize];
        Self {
            reads: Some(&condition.reads),
            event: None,
            ..*self
        }
    }

    /// The health of the scene's subject; `None` if no definition applies to it.
    pub(crate) fn score(&self, health: &'a Health) -> Timed<Option<Score>> {
        let scene = self.of_health(health);
        let (found, mut next) = scene.definition(health);
        let Some(definition) = found else {
            return (None, next);
        };
        let def = &health.definitions[definition];
        let mut parts = Vec::with_capacity(def.components.len());
        for component in &def.components {
            let (part, part_next) = scene.part(component);
            parts.push(part);
            next = earliest(next, part_next);
        }
        let (score, slope, coverage, _) = weigh(def, &parts);
        let found = Score {
            definition,
            score,
            slope,
            coverage,
        };
        (Some(found), next)
    }

    /// The components of the definition that applies, in its order.
    pub(crate) fn parts(&self, health: &'a Health) -> Option<(&'a HealthDef, Vec<Option<Part>>)> {
        let scene = self.of_health(health);
        let def = &health.definitions[scene.definition(health).0?];
        let parts = def.components.iter().map(|one| scene.part(one).0);
        Some((def, parts.collect()))
    }

    fn definition(&self, health: &'a Health) -> Timed<Option<usize>> {
        let mut next = None;
        for (at, def) in health.definitions.iter().enumerate() {
            let Some(when) = &def.when else {
                return (Some(at), next);
            };
            let (holds, changes_at) = self.logic(&when.expr);
            next = earliest(next, changes_at);
            if holds == Some(true) {
                return (Some(at), next);
            }
        }
        (None, next)
    }

    fn part(&self, component: &'a ComponentDef) -> Timed<Option<Part>> {
        let (value, next) = self.eval(&component.value.expr);
        let Val::Number { value, slope } = value else {
            return (None, next);
        };
        let curve = &component.curve;
        let score = curve.score(value);
        if slope == 0.0 {
            let part = Part {
                value,
                score,
                slope,
            };
            return (Some(part), next);
        }
        let (incline, knee) = curve.tangent(value, slope > 0.0);
        let part = Part {
            value,
            score,
            slope: incline * slope,
        };
        let bend = knee.map(|knee| {
            self.now
                .plus_ms((((knee - value) / slope).ceil() as i64).max(1))
        });
        (Some(part), earliest(next, bend))
    }

    /// When the zone could next change, if it is `zone` under what `score` says now.
    pub(crate) fn next_zone_change(
        &self,
        health: &'a Health,
        score: Option<Score>,
        next: Option<Timestamp>,
        zone: Option<Zone>,
    ) -> Option<Timestamp> {
        let mut at = self.next_bound(health, score, next, zone);
        for _ in 0..LOOK_AHEAD {
            let due = at?;
            let later = Self { now: due, ..*self };
            let (score, next) = later.score(health);
            if zone_of(health, score, zone) != zone {
                return Some(due);
            }
            at = later.next_bound(health, score, next, zone);
        }
        at
    }

    fn next_bound(
        &self,
        health: &'a Health,
        score: Option<Score>,
        next: Option<Timestamp>,
        zone: Option<Zone>,
    ) -> Option<Timestamp> {
        let crossing = || {
            let found = score?;
            let (below, above) = health.definitions[found.definition].zones.bounds(zone?);
            let when = |op, bound: Option<f64>| {
                let difference = found.score? - bound?;
                let ms = crossing_ms(op, difference, found.slope)?;
                Some(self.now.plus_ms(ms))
            };
            earliest(
                when(Comparison::Less, below),
                when(Comparison::GreaterOrEqual, above),
            )
        };
        earliest(next, crossing())
    }

    /// What an expression asks of health.
    pub(super) fn health(&self, scope: Scope, field: HealthField) -> Timed<Val<'a>> {
        let whose = match (scope, self.audience) {
            (Scope::Account, Audience::Person) => Self {
                audience: Audience::Account,
                own: self.account,
                ..*self
            },
            _ => *self,
        };
        let (Some(health), Some(state)) = (self.plan.health(whose.audience), whose.own) else {
            return (Val::Unknown, None);
        };
        if !state.conditions.contains_key(&health.key) {
            return (Val::Unknown, None);
        }
        if field == HealthField::Zone {
            let zone = state.health.zone;
            return (
                zone.map_or(Val::Unknown, |zone| Val::Text(zone.as_str())),
                None,
            );
        }
        let (found, next) = whose.score(health);
        let Some(found) = found else {
            return (Val::Unknown, next);
        };
        match (field, found.score) {
            (HealthField::Coverage, _) => {
                let (value, slope) = (found.coverage, 0.0);
                (Val::Number { value, slope }, next)
            }
            (HealthField::Trend(days), score) => whose.trend(score, found.slope, next, days),
            (_, Some(value)) => {
                let slope = found.slope;
                (Val::Number { value, slope }, next)
            }
            (_, None) => (Val::Unknown, next),
        }
    }

    fn trend(
        &self,
        score: Option<f64>,
        slope: f64,
        next: Option<Timestamp>,
        days: u8,
    ) -> Timed<Val<'a>> {
        let Some(state) = self.own else {
            return (Val::Unknown, next);
        };
        let then = day_of(self.now) - i64::from(days);
        let other = state.health.next_other(then);
        let other = other.map(|day| midnight_of(day + i64::from(days)));
        let next = earliest(next, other);
        match (score, state.health.score_on(then)) {
            (Some(score), Some(before)) => {
                let value = score - f64::from(before);
                (Val::Number { value, slope }, next)
            }
            _ => (Val::Unknown, next),
        }
    }
}

/// The zone of a score for a subject that was in `before`.
pub(crate) fn zone_of(health: &Health, score: Option<Score>, before: Option<Zone>) -> Option<Zone> {
    let found = score?;
    let zones = &health.definitions[found.definition].zones;
    Some(zones.zone(found.score?, before))
}
