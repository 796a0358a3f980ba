//! What people and programs ask of endpoints.

use std::sync::Arc;

use serde_json::json;
use tenure_connectors::Outcome;
use tenure_connectors::webhook::{PreparedWebhook, WebhookSecret};
use tenure_core::time::{HOUR_MS, Timestamp};
use tenure_store::{Batch, StoreError};

use super::endpoint::{
    Cursor, Endpoint, EndpointSecret, EndpointSpec, EndpointState, MAX_ENDPOINTS,
};
use super::log::{LETTERS, WebhookLetter};
use super::{CURSORS, ENDPOINTS, Slot, Webhooks};
use crate::error::AppError;
use crate::records::{record, value};
use crate::topics::{Source, Topic, TopicRecord};

/// The longest time for which two secrets sign, in hours.
const MAX_OVERLAP_HOURS: u32 = 7 * 24;

/// Where a new endpoint begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With what comes from now on.
    #[default]
    Latest,
    /// With the first record there is.
    Earliest,
}

/// What a receiver answered to a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestAnswer {
    /// Whether it took it.
    pub is_delivered: bool,
    /// The status, if an answer came.
    pub status: Option<u16>,
    /// Why not, for people.
    pub reason: Option<String>,
}

impl Webhooks {
    /// Every endpoint, with how far it is.
    pub fn endpoints(&self) -> Vec<(Arc<Endpoint>, Cursor)> {
        let slots = self.slots.lock();
        slots
            .values()
            .map(|slot| (Arc::clone(&slot.endpoint), slot.cursor.clone()))
            .collect()
    }

    /// One endpoint, with how far it is.
    pub fn endpoint(&self, id: &str) -> Result<(Arc<Endpoint>, Cursor), AppError> {
        let slots = self.slots.lock();
        let slot = slots.get(id).ok_or_else(|| missing(id))?;
        Ok((Arc::clone(&slot.endpoint), slot.cursor.clone()))
    }

    /// Makes an endpoint; its secret is told here, and by nothing else.
    pub fn create(&self, spec: EndpointSpec, start: Start) -> Result<Arc<Endpoint>, AppError> {
        spec.check(self.reach)?;
        let _changing = self.changing.lock();
        let now = self.clock.now();
        let count = self.slots.lock().len();
        if count >= MAX_ENDPOINTS {
            return Err(AppError::Conflict(format!(
                "there are {MAX_ENDPOINTS} endpoints already; delete one that is not needed"
            )));
        }
        let bits = self.salt.hash(
            "webhook",
            &[
                spec.url.as_bytes(),
                &now.0.to_be_bytes(),
                &count.to_be_bytes(),
            ],
        );
        let endpoint = Endpoint {
            id: format!("whk_{bits:032x}"),
            spec,
            state: EndpointState::Enabled,
            secrets: vec![EndpointSecret {
                text: fresh_secret()?,
                until: None,
            }],
            created_at: now,
        };
        let mut cursor = Cursor::default();
        if start == Start::Latest {
            cursor.log = self.topics.end(Source::Log)?;
            cursor.decisions = self.topics.end(Source::Decisions)?;
        }
        self.writer
            .commit(kept(&endpoint, &cursor, now), Vec::new())?;
        let slot = Slot::new(endpoint, cursor);
        let made = Arc::clone(&slot.endpoint);
        self.slots.lock().insert(made.id.clone(), slot);
        self.rest.1.notify_all();
        Ok(made)
    }

    /// Changes what an endpoint is; it goes on where it is.
    pub fn update(&self, id: &str, spec: EndpointSpec) -> Result<Arc<Endpoint>, AppError> {
        spec.check(self.reach)?;
        self.change(id, |endpoint, _| {
            endpoint.spec = spec;
            Ok(())
        })
    }

    /// Takes an endpoint out.
    pub fn remove(&self, id: &str) -> Result<(), AppError> {
        let _changing = self.changing.lock();
        self.endpoint(id)?;
        let batch = Batch {
            records_removed: vec![(ENDPOINTS.into(), id.into()), (CURSORS.into(), id.into())],
            ..Batch::default()
        };
        self.slots.lock().remove(id);
        self.writer.commit(batch, Vec::new())
    }

    /// Lets an endpoint be pushed to (again); what failed is tried anew at once.
    pub fn enable(&self, id: &str) -> Result<Arc<Endpoint>, AppError> {
        self.change(id, |endpoint, cursor| {
            endpoint.state = EndpointState::Enabled;
            cursor.head = None;
            cursor.given_up_in_a_row = 0;
            Ok(())
        })
    }

    /// Stops pushing to an endpoint; it keeps its place.
    pub fn disable(&self, id: &str, reason: &str) -> Result<Arc<Endpoint>, AppError> {
        let at = self.clock.now();
        self.change(id, |endpoint, _| {
            endpoint.state = EndpointState::Disabled {
                reason: reason.to_owned(),
                at,
            };
            Ok(())
        })
    }

    /// Gives an endpoint a new secret; the one before signs too for so many hours.
    pub fn rotate_secret(&self, id: &str, overlap_hours: u32) -> Result<Arc<Endpoint>, AppError> {
        if overlap_hours > MAX_OVERLAP_HOURS {
            return Err(AppError::Invalid {
                field: "overlap_hours".into(),
                message: format!("must be at most {MAX_OVERLAP_HOURS}"),
            });
        }
        let until = self.clock.now().plus_ms(i64::from(overlap_hours) * HOUR_MS);
        let text = fresh_secret()?;
        self.change(id, |endpoint, _| {
            endpoint.rotate(text, until);
            Ok(())
        })
    }

    /// Goes on after a position, backwards (all since is pushed again) or forwards (what is
    /// between is left out).
    pub fn seek(&self, id: &str, source: Source, after: u64) -> Result<Arc<Endpoint>, AppError> {
        let end = self.topics.end(source)?;
        if after > end {
            return Err(AppError::Invalid {
                field: "after".into(),
                message: format!("is beyond the end, {end}"),
            });
        }
        self.change(id, |_, cursor| {
            cursor.pass(source, after);
            Ok(())
        })
    }

    /// Leaves out the record that an endpoint does not take.
    pub fn skip(&self, id: &str) -> Result<Arc<Endpoint>, AppError> {
        self.change(id, |_, cursor| {
            let head = cursor.head.clone().ok_or_else(|| {
                AppError::Conflict("nothing is held back: no attempt has failed".into())
            })?;
            cursor.pass(head.source, head.position);
            Ok(())
        })
    }

    /// Posts an event of the type `tenure.test` now.
    pub fn test(&self, id: &str) -> Result<TestAnswer, AppError> {
        let (endpoint, _) = self.endpoint(id)?;
        let now = self.clock.now();
        let event = json!({
            "specversion": "1.0",
            "id": format!("test-{}", now.0),
            "source": "/tests",
            "type": "tenure.test",
            "time": now.to_string(),
            "datacontenttype": "application/json",
            "data": { "endpoint": id },
        });
        self.post(&endpoint, &format!("test-{}", now.0), &event, now)
    }

    /// Pushes one record of a topic once more, now, apart from the order.
    pub fn redeliver(&self, id: &str, topic: Topic, position: u64) -> Result<TestAnswer, AppError> {
        let (endpoint, _) = self.endpoint(id)?;
        let told = self.told(topic, position)?;
        self.post(&endpoint, &told.id, &told.event, self.clock.now())
    }

    /// One record of a topic.
    fn told(&self, topic: Topic, position: u64) -> Result<TopicRecord, AppError> {
        let before = position.saturating_sub(1);
        let portion = self.topics.read(topic.source(), &[topic], before, 1)?;
        let found = portion.records.into_iter().next();
        found
            .filter(|record| record.position == position)
            .ok_or_else(|| AppError::NotFound {
                what: "record of the topic at position",
                name: position.to_string(),
            })
    }

    fn post(
        &self,
        endpoint: &Endpoint,
        event_id: &str,
        event: &serde_json::Value,
        now: Timestamp,
    ) -> Result<TestAnswer, AppError> {
        let webhook = PreparedWebhook::new(
            event_id.to_owned(),
            endpoint.spec.url.clone(),
            event.to_string(),
            self.reach,
        )
        .map_err(AppError::Conflict)?;
        let attempt = self.sender.send_signed(
            &webhook,
            "application/cloudevents+json",
            &endpoint.signers(now),
            now.0.max(0) as u64,
        );
        let reason = match &attempt.outcome {
            Outcome::Accepted { .. } => None,
            Outcome::Rejected { code, reason, .. } => Some(format!("{code} {reason}")),
            Outcome::NotSent { reason } | Outcome::Unknown { reason } => Some(reason.clone()),
        };
        Ok(TestAnswer {
            is_delivered: reason.is_none(),
            status: attempt.status(),
            reason,
        })
    }

    /// What was given up, by its id.
    pub fn letter(&self, id: &str) -> Result<(WebhookLetter, Option<TopicRecord>), AppError> {
        let row = self.store.record(LETTERS, id)?;
        let letter: WebhookLetter = value(&row.ok_or_else(|| AppError::NotFound {
            what: "dead letter",
            name: id.into(),
        })?)?;
        let told = self.told(letter.topic, letter.position).ok();
        Ok((letter, told))
    }

    /// Pushes what was given up once more; if it is taken, the letter is gone.
    pub fn replay_letter(&self, id: &str) -> Result<TestAnswer, AppError> {
        let (letter, _) = self.letter(id)?;
        let answer = self.redeliver(&letter.endpoint, letter.topic, letter.position)?;
        if answer.is_delivered {
            self.discard_letter(id)?;
        }
        Ok(answer)
    }

    /// Takes a letter out.
    pub fn discard_letter(&self, id: &str) -> Result<(), AppError> {
        self.letter(id)?;
        let batch = Batch {
            records_removed: vec![(LETTERS.into(), id.into())],
            ..Batch::default()
        };
        self.writer.commit(batch, Vec::new())
    }

    fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Endpoint, &mut Cursor) -> Result<(), AppError>,
    ) -> Result<Arc<Endpoint>, AppError> {
        let _changing = self.changing.lock();
        let mut slots = self.slots.lock();
        let slot = slots.get_mut(id).ok_or_else(|| missing(id))?;
        let mut endpoint = slot.endpoint.as_ref().clone();
        let mut cursor = slot.cursor.clone();
        change(&mut endpoint, &mut cursor)?;
        let endpoint = Arc::new(endpoint);
        slot.endpoint = Arc::clone(&endpoint);
        slot.restart(cursor.clone());
        let written = self.hand_over(kept(&endpoint, &cursor, self.clock.now()))?;
        drop(slots);
        written.recv().map_err(|_| AppError::Stopping)??;
        self.rest.1.notify_all();
        Ok(endpoint)
    }
}

fn kept(endpoint: &Endpoint, cursor: &Cursor, now: Timestamp) -> Batch {
    let id = endpoint.id.as_str();
    Batch {
        records: vec![
            record(ENDPOINTS, id, now, endpoint),
            record(CURSORS, id, now, cursor),
        ],
        ..Batch::default()
    }
}

fn missing(id: &str) -> AppError {
    AppError::NotFound {
        what: "webhook endpoint",
        name: id.into(),
    }
}

fn fresh_secret() -> Result<String, AppError> {
    WebhookSecret::generate().ok_or_else(|| {
        StoreError::Other("the system gives no random bytes for a secret".into()).into()
    })
}
