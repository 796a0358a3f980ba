//! One delivery, from the choice of an endpoint to the settled attempt.

use std::sync::Arc;
use std::time::Instant;

use tenure_connectors::Outcome;
use tenure_connectors::webhook::{Attempt, PreparedWebhook};
use tenure_core::time::{SECOND_MS, Timestamp};
use tenure_store::Batch;

use super::endpoint::{Cursor, Endpoint, EndpointState, Head};
use super::log::{DELIVERIES, Delivery, DeliveryOutcome, LETTERS, WebhookLetter};
use super::schedule::next_attempt;
use super::{CURSORS, ENDPOINTS, Slot, Webhooks};
use crate::breakers::{Sign, breaker_of};
use crate::error::AppError;
use crate::records::record;
use crate::telemetry;
use crate::topics::{Source, TopicRecord};

/// How many records are read ahead for an endpoint.
const READ_AHEAD: usize = 50;
/// After so many records given up in a row an endpoint is disabled.
const GIVEN_UP_MAX: u32 = 5;
/// How CloudEvents are labelled.
const CONTENT_TYPE: &str = "application/cloudevents+json";
/// The longest reason kept, in characters.
const MAX_REASON_CHARS: usize = 300;

/// A record on its way to an endpoint.
struct Errand {
    endpoint: Arc<Endpoint>,
    cursor: Cursor,
    generation: u64,
    source: Source,
    record: TopicRecord,
}

/// What an attempt changes.
struct Settled {
    cursor: Cursor,
    outcome: DeliveryOutcome,
    not_before: Timestamp,
    disabled: Option<String>,
}

impl Webhooks {
    /// One delivery, if one is due; false if none is. For the threads, the simulator and tests.
    pub fn step(&self) -> Result<bool, AppError> {
        let now = self.clock.now();
        let Some(id) = self.pick(now)? else {
            return Ok(false);
        };
        let done = self.serve(&id, now);
        if let Some(slot) = self.slots.lock().get_mut(&id) {
            slot.in_hand = false;
        }
        done
    }

    /// The endpoint that has waited longest of those that are due, now in hand.
    fn pick(&self, now: Timestamp) -> Result<Option<String>, AppError> {
        let log = self.topics.end(Source::Log)?;
        let decisions = self.topics.end(Source::Decisions)?;
        let mut slots = self.slots.lock();
        let due = slots.values_mut().filter(|slot| {
            let sources = slot.endpoint.spec.sources();
            let has_more = !slot.ready.is_empty()
                || (sources.contains(&Source::Log) && slot.read.log < log)
                || (sources.contains(&Source::Decisions) && slot.read.decisions < decisions);
            !slot.in_hand && slot.endpoint.is_enabled() && slot.not_before <= now && has_more
        });
        let Some(slot) = due.min_by_key(|slot| slot.not_before) else {
            return Ok(None);
        };
        slot.in_hand = true;
        Ok(Some(slot.endpoint.id.clone()))
    }

    /// Reads on for an endpoint if need be, and delivers its next record. False if it has none.
    fn serve(&self, id: &str, now: Timestamp) -> Result<bool, AppError> {
        let Some(errand) = self.next(id)? else {
            return Ok(false);
        };
        if let Some(head) = &errand.cursor.head
            && head.due_at > now
        {
            self.rest_until(id, head.due_at);
            return Ok(true);
        }
        let prepared = PreparedWebhook::new(
            errand.record.id.clone(),
            errand.endpoint.spec.url.clone(),
            errand.record.event.to_string(),
            self.reach,
        );
        let breaker = prepared.as_ref().map(breaker_of).unwrap_or_default();
        if let Err(until) = self.breakers.enter(&breaker, now) {
            self.rest_until(id, until);
            return Ok(true);
        }
        let begun = Instant::now();
        let attempt = match &prepared {
            Ok(webhook) => self.sender.send_signed(
                webhook,
                CONTENT_TYPE,
                &errand.endpoint.signers(now),
                now.0.max(0) as u64,
            ),
            Err(reason) => Attempt {
                outcome: Outcome::NotSent {
                    reason: reason.clone(),
                },
                retry_after_ms: None,
            },
        };
        let took_ms = begun.elapsed().as_millis() as u64;
        self.breakers
            .note(&breaker, Sign::of(&attempt), self.clock.now());
        self.settle(&errand, &attempt, now, took_ms)?;
        Ok(true)
    }

    fn rest_until(&self, id: &str, at: Timestamp) {
        if let Some(slot) = self.slots.lock().get_mut(id) {
            slot.not_before = at;
        }
    }

    /// The next record of an endpoint.
    fn next(&self, id: &str) -> Result<Option<Errand>, AppError> {
        let (endpoint, mut read, generation) = {
            let slots = self.slots.lock();
            let Some(slot) = slots.get(id) else {
                return Ok(None);
            };
            if let Some(errand) = slot.errand() {
                return Ok(Some(errand));
            }
            (
                Arc::clone(&slot.endpoint),
                slot.read.clone(),
                slot.generation,
            )
        };
        let mut found = Vec::new();
        for source in endpoint.spec.sources() {
            let after = read.place(source);
            let portion = self
                .topics
                .read(source, &endpoint.spec.topics, after, READ_AHEAD)?;
            read.set_place(source, portion.next);
            let wanted = portion.records.into_iter();
            found.extend(
                wanted
                    .filter(|record| endpoint.spec.filter.admits(record))
                    .map(|record| (source, record)),
            );
        }
        let mut slots = self.slots.lock();
        let Some(slot) = slots.get_mut(id) else {
            return Ok(None);
        };
        if slot.generation != generation {
            return Ok(None);
        }
        slot.read = read;
        slot.ready.extend(found);
        if slot.ready.is_empty() {
            // All that was read is unwanted, so the place moves with it; the next delivery
            // commits it.
            slot.cursor.log = slot.read.log;
            slot.cursor.decisions = slot.read.decisions;
        }
        Ok(slot.errand())
    }

    fn settle(
        &self,
        errand: &Errand,
        attempt: &Attempt,
        now: Timestamp,
        took_ms: u64,
    ) -> Result<(), AppError> {
        let settled = self.judge(errand, attempt, now);
        let (endpoint, told) = (&errand.endpoint, &errand.record);
        let attempt_count = errand.attempt_count();
        let reason = reason_of(&attempt.outcome);
        let delivery = Delivery {
            id: format!(
                "{:014}-{}-{}-{attempt_count}",
                now.0, told.topic, told.position
            ),
            endpoint: endpoint.id.clone(),
            event: told.id.clone(),
            kind: told.kind.clone(),
            topic: told.topic,
            position: told.position,
            attempt: attempt_count,
            at: now,
            duration_ms: took_ms,
            status: attempt.status(),
            outcome: settled.outcome,
            reason: reason.clone(),
        };
        telemetry::webhook_attempted(settled.outcome == DeliveryOutcome::Delivered, took_ms);
        let key = format!("{}/{}", endpoint.id, delivery.id);
        let mut batch = Batch {
            records: vec![
                record(CURSORS, endpoint.id.as_str(), now, &settled.cursor),
                record(DELIVERIES, &key, now, &delivery),
            ],
            ..Batch::default()
        };
        if settled.outcome == DeliveryOutcome::GivenUp && settled.cursor.head.is_none() {
            let reason = reason.unwrap_or_default();
            batch.records.push(letter(errand, now, reason));
        }
        let mut slots = self.slots.lock();
        let Some(slot) = slots
            .get_mut(&endpoint.id)
            .filter(|slot| slot.generation == errand.generation)
        else {
            return Ok(());
        };
        if let Some(reason) = settled.disabled {
            let mut changed = endpoint.as_ref().clone();
            telemetry::endpoint_disabled(&endpoint.id, &reason);
            changed.state = EndpointState::Disabled { reason, at: now };
            batch
                .records
                .push(record(ENDPOINTS, endpoint.id.as_str(), now, &changed));
            slot.endpoint = Arc::new(changed);
        }
        if settled.cursor.head.is_none() {
            slot.ready.pop_front();
        }
        slot.cursor = settled.cursor;
        slot.not_before = settled.not_before;
        let written = self.hand_over(batch)?;
        drop(slots);
        written.recv().map_err(|_| AppError::Stopping)?
    }

    /// What an attempt leads to.
    fn judge(&self, errand: &Errand, attempt: &Attempt, now: Timestamp) -> Settled {
        let rate_ms = SECOND_MS / i64::from(errand.endpoint.spec.rate_per_second.max(1));
        let mut cursor = errand.cursor.clone();
        if matches!(attempt.outcome, Outcome::Accepted { .. }) {
            cursor.pass(errand.source, errand.record.position);
            cursor.given_up_in_a_row = 0;
            return Settled {
                cursor,
                outcome: DeliveryOutcome::Delivered,
                not_before: now.plus_ms(rate_ms),
                disabled: None,
            };
        }
        let first_at = cursor.head.as_ref().map_or(now, |head| head.first_at);
        let attempt_count = errand.attempt_count();
        let (id, asked_ms) = (&errand.record.id, attempt.retry_after_ms);
        let is_gone = attempt.status() == Some(410);
        let next = next_attempt(&self.salt, id, attempt_count, first_at, now, asked_ms)
            .filter(|_| !is_gone);
        if let Some(due_at) = next {
            cursor.head = Some(Head {
                source: errand.source,
                position: errand.record.position,
                attempt_count,
                first_at,
                due_at,
            });
            return Settled {
                cursor,
                outcome: DeliveryOutcome::Failed,
                not_before: due_at,
                disabled: None,
            };
        }
        let reason = reason_of(&attempt.outcome).unwrap_or_default();
        // It answers, but does not take this record: others may fare better.
        let is_refusal = attempt
            .status()
            .is_some_and(|status| (400..500).contains(&status) && status != 429);
        let mut disabled = None;
        if is_refusal && !is_gone {
            cursor.pass(errand.source, errand.record.position);
            cursor.given_up_in_a_row += 1;
            if cursor.given_up_in_a_row >= GIVEN_UP_MAX {
                disabled = Some(format!(
                    "{GIVEN_UP_MAX} events in a row were refused {attempt_count} times each; last: {reason}"
                ));
            }
        } else if is_gone {
            disabled = Some("the receiver says that it is gone for good (410)".to_owned());
        } else {
            disabled = Some(format!(
                "{attempt_count} attempts over a day failed; last: {reason}"
            ));
        }
        if !is_refusal || is_gone {
            // It stays first in line, with all its attempts before it.
            cursor.head = Some(Head {
                source: errand.source,
                position: errand.record.position,
                attempt_count: 0,
                first_at: now,
                due_at: now,
            });
        }
        Settled {
            cursor,
            outcome: DeliveryOutcome::GivenUp,
            not_before: now.plus_ms(rate_ms),
            disabled,
        }
    }
}

impl Slot {
    fn errand(&self) -> Option<Errand> {
        let (source, record) = self.ready.front()?;
        Some(Errand {
            endpoint: Arc::clone(&self.endpoint),
            cursor: self.cursor.clone(),
            generation: self.generation,
            source: *source,
            record: record.clone(),
        })
    }
}

impl Errand {
    /// The number of the attempt that is made now.
    fn attempt_count(&self) -> u32 {
        let head = self
            .cursor
            .head
            .as_ref()
            .filter(|head| head.source == self.source && head.position == self.record.position);
        head.map_or(0, |head| head.attempt_count) + 1
    }
}

impl Cursor {
    /// A record is done with, in whatever way.
    pub(super) fn pass(&mut self, source: Source, position: u64) {
        self.set_place(source, position);
        self.head = None;
    }
}

/// A record that is given up, as it is kept.
fn letter(errand: &Errand, now: Timestamp, reason: String) -> tenure_store::row::Record {
    let told = &errand.record;
    let letter = WebhookLetter {
        id: format!(
            "{:014}-{}-{}-{}",
            now.0, errand.endpoint.id, told.topic, told.position
        ),
        endpoint: errand.endpoint.id.clone(),
        event: told.id.clone(),
        topic: told.topic,
        position: told.position,
        attempt_count: errand.attempt_count(),
        at: now,
        reason,
    };
    record(LETTERS, letter.id.as_str(), now, &letter)
}

/// Why an attempt failed, for people.
fn reason_of(outcome: &Outcome) -> Option<String> {
    let reason = match outcome {
        Outcome::Accepted { .. } => return None,
        Outcome::Rejected { code, reason, .. } => format!("{code} {reason}"),
        Outcome::NotSent { reason } | Outcome::Unknown { reason } => reason.clone(),
    };
    let shown = reason.chars().filter(|char| !char.is_control());
    Some(shown.take(MAX_REASON_CHARS).collect())
}
