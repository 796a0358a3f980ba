//! Keeping a subject's health up to date: zone, samples of midnights, and what is told of them.

use crate::effect::{EmittedEvent, HealthRecord, HealthRecordKind};
use crate::health::{Health, ZONE_CHANGED, Zone, day_of, midnight_of, zone_changed};
use crate::id::{EventId, SubjectId};
use crate::subject::ConditionState;
use crate::time::{DAY_MS, Timestamp};

use super::Cx;
use super::cx::audience;
use super::eval::{Scene, earliest};
use super::score::{Score, zone_of};

impl Cx<'_> {
    /// Evaluates the health of a subject, which is kept as one of its conditions.
    pub(super) fn evaluate_health(&mut self, subject: SubjectId, health: &Health) {
        let now = self.now;
        let Some(state) = self.root.subject(subject) else {
            return;
        };
        let Some(known) = state.conditions.get(&health.key).copied() else {
            return;
        };
        let before = state.health.zone;
        let scene = Scene::of(self.plan, self.root, subject, now);
        let (score, next) = scene.score(health);
        let zone = zone_of(health, score, before);
        let zone_at = scene.next_zone_change(health, score, next, zone);
        let value = Some(score.is_some_and(|found| found.score.is_some()));
        let sampled = self.keep_health(subject, score, next, zone);
        let Some(state) = self.root.subject_mut(subject) else {
            return;
        };
        let fresh = ConditionState {
            value,
            since: if value == known.value {
                known.since
            } else {
                now
            },
            next_change_at: earliest(zone_at, state.health.sample_at),
        };
        if let Some(kept) = state.conditions.get_mut(&health.key) {
            *kept = fresh;
        }
        self.touch(subject);
        if sampled {
            self.record_health(subject, health, score, zone, HealthRecordKind::Daily);
        }
        if zone != before {
            self.record_health(subject, health, score, zone, HealthRecordKind::Zone);
            self.tell_zone(subject, health, (before, zone));
        }
        let plan = self.plan;
        self.mark(
            subject,
            &plan.index.condition_users[health.condition.0 as usize],
        );
    }

    /// Keeps the zone, notes the score if this is the midnight to do so, and finds the next; true
    /// if a score was noted.
    fn keep_health(
        &mut self,
        subject: SubjectId,
        score: Option<Score>,
        next: Option<Timestamp>,
        zone: Option<Zone>,
    ) -> bool {
        let now = self.now;
        let Some(state) = self.root.subject_mut(subject) else {
            return false;
        };
        let kept = &mut state.health;
        kept.zone = zone;
        // What a day compares with is rounded: five digits are more than anybody reads.
        let rounded = score
            .and_then(|found| found.score)
            .map(|score| score as f32);
        let sampled = kept.sample_at == Some(now) && kept.note(day_of(now), rounded);
        let moves = score.is_some_and(|found| found.slope != 0.0);
        kept.sample_at = if moves || kept.last_sample() != rounded {
            Some(midnight_of(day_of(now) + 1))
        } else {
            // The midnight at which, or before which, it changes.
            next.map(|at| midnight_of(day_of(at.plus_ms(DAY_MS - 1))))
        };
        sampled
    }

    fn record_health(
        &mut self,
        subject: SubjectId,
        health: &Health,
        score: Option<Score>,
        zone: Option<Zone>,
        kind: HealthRecordKind,
    ) {
        let definition = score.map(|found| &health.definitions[found.definition]);
        self.out.health.push(HealthRecord {
            subject,
            at: self.now,
            kind,
            definition: definition.map(|def| def.name.as_str().into()),
            score: score.and_then(|found| found.score),
            zone,
            coverage: score.map_or(0.0, |found| found.coverage),
        });
    }

    /// Puts a change of zone into the log. A first zone is no change, and what a new definition or
    /// an import brings about did not happen to the customer.
    fn tell_zone(
        &mut self,
        subject: SubjectId,
        health: &Health,
        (from, to): (Option<Zone>, Option<Zone>),
    ) {
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        if self.initial || !self.live {
            return;
        }
        let now = self.now;
        let scene = Scene::of(self.plan, self.root, subject, now);
        let Some((def, parts)) = scene.parts(health) else {
            return;
        };
        let properties = zone_changed(def, &parts, from, to).into();
        let account = self.root.subject(subject).and_then(|state| state.account);
        let id = self.plan.salt.hash(
            "health",
            &[
                &subject.bits().to_be_bytes(),
                &now.0.to_be_bytes(),
                to.as_str().as_bytes(),
            ],
        );
        debug_assert_eq!(audience(subject), health.audience);
        self.out.events.push(EmittedEvent {
            id: EventId(id),
            subject,
            account: account.or(subject.account()),
            name: ZONE_CHANGED.into(),
            occurred_at: now,
            properties,
        });
    }
}
