//! Settling an attempt: what becomes of the message, and which fact goes into the log.

use tenure_connectors::provider::twilio::CODE_STOPPED;
use tenure_connectors::webhook::Attempt;
use tenure_connectors::{Outcome, Stage};
use tenure_core::decision::{Decision, Outcome as Decided};
use tenure_core::define::Delivery;
use tenure_core::effect::EmittedEvent;
use tenure_core::id::{Salt, SubjectId};
use tenure_core::time::Timestamp;
use tenure_store::Batch;
use tenure_store::batch::MessageUpdate;
use tenure_store::row::{Message, MessageState, Refusal as Refused};

use super::{
    DispatchSettings, Dispatcher, EMAIL, LONGEST_RETRY_MS, Refusal, SMS, WEBHOOK, retry_at,
};
use crate::error::AppError;
use crate::refusals::{STOPPED, address_key, refused_address};
use crate::writer::Job;

/// The longest reason kept, in characters.
const MAX_REASON_CHARS: usize = 300;

/// The outcome in a word, for metrics.
pub(super) fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted { .. } => "accepted",
        Outcome::Rejected {
            permanent: true, ..
        } => "rejected",
        Outcome::Rejected { .. } => "deferred",
        Outcome::NotSent { .. } => "not_sent",
        Outcome::Unknown { .. } => "unknown",
    }
}

/// What becomes of a message after an attempt.
pub(super) fn update_for(
    message: &Message,
    attempt: &Attempt,
    now: Timestamp,
    settings: &DispatchSettings,
    salt: &Salt,
) -> MessageUpdate {
    let outcome = &attempt.outcome;
    let attempt_count = message.attempt_count + u32::from(message.state != MessageState::Sending);
    let again = match outcome {
        // A webhook's key makes repeats harmless for receivers that honour it.
        Outcome::Unknown { .. } => {
            message.intent.delivery == Delivery::AtLeastOnce
                || message.intent.channel.as_ref() == WEBHOOK
        }
        other => other.may_retry(),
    };
    let asked_ms = attempt.retry_after_ms.unwrap_or(0).min(LONGEST_RETRY_MS);
    let due_at = again
        .then(|| retry_at(salt, message, attempt_count, now, settings))
        .flatten()
        .map(|due_at| due_at.max(now.plus_ms(asked_ms)));
    let (state, reason) = match outcome {
        Outcome::Accepted { response, .. } => (MessageState::Sent, response.clone()),
        Outcome::Unknown { reason } if due_at.is_none() => (MessageState::Unknown, reason.clone()),
        Outcome::Unknown { reason } | Outcome::NotSent { reason } => {
            (waiting(due_at), reason.clone())
        }
        Outcome::Rejected {
            code,
            stage,
            reason,
            ..
        } => (waiting(due_at), format!("{code} at {stage}: {reason}")),
    };
    let reason = match state {
        MessageState::Dead if again => {
            format!("given up after {attempt_count} attempts; last: {reason}")
        }
        _ => reason,
    };
    MessageUpdate {
        id: message.intent.id,
        state,
        at: now,
        reason: Some(shorten(&reason)),
        due_at,
        attempt_count,
        forget: state == MessageState::Sent,
        sent_to: None,
    }
}

fn waiting(due_at: Option<Timestamp>) -> MessageState {
    if due_at.is_some() {
        MessageState::Pending
    } else {
        MessageState::Dead
    }
}

fn shorten(reason: &str) -> Box<str> {
    reason
        .chars()
        .filter(|char| !char.is_control())
        .take(MAX_REASON_CHARS)
        .collect::<String>()
        .into()
}

/// Whether a rejection says that the address does not exist or takes no mail (RFC 3463 class
/// 5.1.x, or a plain 550 to RCPT TO).
fn is_hard_bounce(outcome: &Outcome) -> bool {
    let Outcome::Rejected {
        permanent: true,
        stage,
        code,
        enhanced,
        ..
    } = outcome
    else {
        return false;
    };
    match enhanced.as_deref() {
        Some(status) => status.starts_with("5.1."),
        None => *stage == Stage::RcptTo && *code == 550,
    }
}

/// Whether the recipient told the provider that no text messages are wanted.
fn is_stopped(channel: &str, outcome: &Outcome) -> bool {
    channel == SMS
        && matches!(outcome, Outcome::Rejected { code, permanent: true, .. } if *code == CODE_STOPPED)
}

/// A fact about a message, as an event of its person.
pub(crate) fn fact(
    salt: &Salt,
    message: &Message,
    name: &str,
    distinct: &[u8],
    at: Timestamp,
    extra: serde_json::Map<String, serde_json::Value>,
) -> EmittedEvent {
    let intent = &message.intent;
    let mut properties = serde_json::Map::new();
    properties.insert("message".into(), intent.id.to_string().into());
    properties.insert("channel".into(), intent.channel.as_ref().into());
    properties.insert("program".into(), intent.program.as_ref().into());
    properties.insert("step".into(), intent.step.as_ref().into());
    properties.insert("template".into(), intent.template.as_ref().into());
    if let Some(topic) = &intent.topic {
        properties.insert("topic".into(), topic.as_ref().into());
    }
    properties.extend(extra);
    EmittedEvent {
        id: salt.derive(&[name.as_bytes(), &intent.id.0.to_be_bytes(), distinct]),
        subject: intent.person.map_or(intent.subject, SubjectId::Person),
        account: intent.account,
        name: name.into(),
        occurred_at: at,
        properties: serde_json::Value::Object(properties).to_string().into(),
    }
}

impl Dispatcher {
    /// Settles an attempt. It is not waited for: jobs are written in order, so the next attempt's
    /// beginning implies it.
    pub(super) fn settle(&self, message: &Message, attempt: &Attempt) -> Result<(), AppError> {
        let now = self.clock.now();
        let update = update_for(message, attempt, now, &self.settings, &self.salt);
        let outcome = &attempt.outcome;
        let attempt_count = update.attempt_count.to_be_bytes();
        let mut batch = Batch::default();
        let mut events = Vec::new();
        match update.state {
            MessageState::Sent => {
                events.push(fact(
                    &self.salt,
                    message,
                    "message_sent",
                    &[],
                    now,
                    serde_json::Map::new(),
                ));
            }
            // Not a bounce, which would count against the person's e-mail address.
            MessageState::Dead if message.intent.channel.as_ref() != EMAIL => {
                if is_stopped(&message.intent.channel, outcome) {
                    batch.suppressions.push(self.refused(message, STOPPED));
                }
                events.push(fact(
                    &self.salt,
                    message,
                    "message_failed",
                    &attempt_count,
                    now,
                    serde_json::Map::new(),
                ));
            }
            MessageState::Dead => {
                let hard = is_hard_bounce(outcome);
                let mut extra = serde_json::Map::new();
                extra.insert("kind".into(), if hard { "hard" } else { "soft" }.into());
                events.push(fact(
                    &self.salt,
                    message,
                    "message_bounced",
                    &attempt_count,
                    now,
                    extra,
                ));
                if hard {
                    batch
                        .suppressions
                        .push(self.refused(message, "hard bounce"));
                }
            }
            _ => {}
        }
        batch.dispatched.push(update);
        let live = std::sync::Arc::clone(&self.live);
        let reply = Box::new(move |result: Result<(), AppError>| {
            if let Err(error) = result {
                crate::telemetry::dispatch_failed(&error);
            }
            // Only now can the outbox tell when the next attempt is due.
            live.outbox_grew();
        });
        self.writer.submit(Job::Commit {
            batch: Box::new(batch),
            events,
            reply,
        })
    }

    /// That nothing may go to a message's address any more.
    fn refused(&self, message: &Message, reason: &str) -> (u128, Option<Refused>) {
        let key = address_key(&self.salt, &message.intent.to);
        let refusal = refused_address(message.intent.person, self.clock.now(), reason);
        (key, Some(refusal))
    }

    /// Records that a message is not sent after all, with a decision that says why.
    pub(super) fn refuse(&self, message: &Message, refusal: Refusal) -> Result<(), AppError> {
        let now = self.clock.now();
        let (state, outcome, reason) = match refusal {
            Refusal::Cancelled(outcome, reason) => (MessageState::Cancelled, outcome, reason),
            Refusal::Unrenderable(reason) => (MessageState::Dead, Decided::RenderFailed, reason),
        };
        let intent = &message.intent;
        let reason = shorten(&reason);
        let decision = Decision {
            id: self
                .salt
                .derive(&[&intent.id.0.to_be_bytes(), outcome.as_str().as_bytes()]),
            at: now,
            subject: intent.subject,
            program: intent.program.clone(),
            version: intent.version,
            enrollment: Some(intent.enrollment),
            step: Some(intent.step.clone()),
            outcome,
            reason: reason.clone(),
            message: Some(intent.id),
        };
        let update = MessageUpdate {
            id: intent.id,
            state,
            at: now,
            reason: Some(reason),
            due_at: None,
            attempt_count: message.attempt_count,
            forget: state == MessageState::Cancelled,
            sent_to: None,
        };
        let batch = Batch {
            dispatched: vec![update],
            decisions: vec![decision],
            ..Batch::default()
        };
        self.writer.commit(batch, Vec::new())
    }
}
