//! Pulling pages of a stream into the log.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tenure_connectors::provider::{CallKind as PulledKind, PulledCall, Who};
use tenure_core::log::IdentifierKind;
use tenure_core::time::{MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp};
use tenure_core::value::{MAX_TEXT_BYTES, Value, flatten};
use tenure_store::Batch;

use super::Connectors;
use crate::call::{Call, CallKind, MAX_EVENT_NAME_BYTES, MAX_IDENTIFIER_BYTES, Name, event_id};
use crate::error::AppError;
use crate::telemetry;

/// Collection of how far streams are.
pub(super) const PROGRESS: &str = "connector_stream";
/// First pause after a failure, in milliseconds; it doubles with each further one.
const PAUSE_MS: i64 = 5_000;
/// Longest pause, in milliseconds.
const PAUSE_MAX_MS: i64 = 600_000;
/// Most doublings.
const DOUBLINGS_MAX: u32 = 10;

/// How far a stream is, and how it fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamProgress {
    /// The provider's place; none before the first page.
    pub cursor: Option<String>,
    /// When the last page came.
    pub pulled_at: Option<Timestamp>,
    /// Calls that were new.
    pub accepted_count: u64,
    /// Calls that had come before.
    pub duplicate_count: u64,
    /// Calls that could not be taken.
    pub refused_count: u64,
    /// Failures since the last page.
    pub failure_count: u32,
    /// The last of them.
    pub failure: Option<String>,
    /// When the next pull is due.
    pub due_at: Option<Timestamp>,
    /// Whether the provider has more right now.
    pub more: bool,
}

/// What one pull brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// Pages.
    pub page_count: u64,
    /// Calls that were new.
    pub accepted_count: u64,
    /// Calls that had come before.
    pub duplicate_count: u64,
    /// Calls that could not be taken.
    pub refused_count: u64,
    /// Whether the provider has more.
    pub more: bool,
    /// Why it ended early.
    pub failure: Option<String>,
}

impl Connectors {
    /// Pulls at most `pages` pages of a stream from where it stands, or from its beginning.
    pub fn pull(
        &self,
        name: &str,
        stream: &str,
        pages: usize,
        start: PullFrom,
    ) -> Result<Pulled, AppError> {
        let config = self.config(name)?;
        if !config.streams().contains(&stream) {
            return Err(AppError::Invalid {
                field: "stream".into(),
                message: format!("is one of {}", config.streams().join(", ")),
            });
        }
        let _hand = self.take_hand(&format!("{name}/{stream}"))?;
        let mut progress = self.progress(name, stream)?;
        if start == PullFrom::Beginning {
            progress.cursor = None;
        }
        let mut pulled = Pulled::default();
        while pulled.page_count < pages as u64 && !self.is_stopping() {
            let ended = self.pull_page(name, stream, &mut progress, &mut pulled)?;
            let every_s = config.pull_every_s.map_or(0, i64::from);
            if progress.failure.is_none() {
                let wait_ms = if progress.more { 0 } else { every_s * 1_000 };
                progress.due_at = Some(self.clock.now().plus_ms(wait_ms));
            }
            let record = self.record(PROGRESS, &format!("{name}/{stream}"), &progress);
            self.commit(Batch {
                records: vec![record],
                ..Batch::default()
            })?;
            if ended {
                break;
            }
        }
        Ok(pulled)
    }

    /// Pulls one page and makes it durable; says whether that was all for now.
    fn pull_page(
        &self,
        name: &str,
        stream: &str,
        progress: &mut StreamProgress,
        pulled: &mut Pulled,
    ) -> Result<bool, AppError> {
        let now = self.clock.now();
        let asked = match self.connector(name) {
            Ok(connector) => match self.enter(name) {
                Ok(()) => {
                    let asked = connector.pull(stream, progress.cursor.as_deref(), now.0);
                    self.note_asked(name, &asked);
                    asked.map_err(|fault| (fault.to_string(), fault.retry_after_ms()))
                }
                Err((shut, pause_ms)) => Err((shut, Some(pause_ms))),
            },
            Err(error) => Err((error.to_string(), None)),
        };
        let page = match asked {
            Ok(page) => page,
            Err((failure, retry_after_ms)) => {
                progress.failed(&failure, retry_after_ms, now);
                telemetry::connector_failed(name, stream, &failure);
                pulled.failure = Some(failure);
                return Ok(true);
            }
        };
        let (mut calls, mut refused_count) = (Vec::new(), 0);
        for call in page.calls {
            match self.call(call)? {
                Some(call) => calls.push(call),
                None => refused_count += 1,
            }
        }
        let ingested = if calls.is_empty() {
            crate::writer::Ingested::default()
        } else {
            self.writer.ingest_and_wait(calls)?
        };
        let counts = (
            ingested.accepted_count as u64,
            ingested.duplicate_count as u64,
        );
        telemetry::connector_pulled(name, stream, counts.0, refused_count);
        pulled.page_count += 1;
        pulled.accepted_count += counts.0;
        pulled.duplicate_count += counts.1;
        pulled.refused_count += refused_count;
        pulled.more = page.more;
        progress.accepted_count += counts.0;
        progress.duplicate_count += counts.1;
        progress.refused_count += refused_count;
        progress.cursor = Some(page.cursor);
        progress.pulled_at = Some(now);
        progress.failure = None;
        progress.failure_count = 0;
        progress.more = page.more;
        Ok(!page.more)
    }

    pub(super) fn progress(&self, name: &str, stream: &str) -> Result<StreamProgress, AppError> {
        let kept = self.kept_one(PROGRESS, &format!("{name}/{stream}"))?;
        Ok(kept.unwrap_or_default())
    }

    /// A call as the writer takes it; `None` if it is nothing that could be taken.
    fn call(&self, mut pulled: PulledCall) -> Result<Option<Call>, AppError> {
        if pulled.only_if_missing {
            self.leave_known(&mut pulled)?;
            if pulled.fields.is_empty() {
                return Ok(None);
            }
        }
        Ok(call_of(&self.salt, pulled))
    }

    /// Takes out the traits for which something is known.
    fn leave_known(&self, pulled: &mut PulledCall) -> Result<(), AppError> {
        let query = self.query();
        let who = &pulled.who;
        let subject = match (pulled.kind, &who.account_id, &who.user_id, &who.email) {
            (PulledKind::Group, Some(account), ..) => Some(tenure_core::id::SubjectId::Account(
                query.account_named(account),
            )),
            (_, _, Some(user), _) => query
                .person_named(IdentifierKind::UserId, user)?
                .map(tenure_core::id::SubjectId::Person),
            (_, _, None, Some(email)) => query
                .person_named(IdentifierKind::Email, email)?
                .map(tenure_core::id::SubjectId::Person),
            _ => None,
        };
        let Some(state) = subject.map(|id| query.subject(id)).transpose()?.flatten() else {
            return Ok(());
        };
        pulled
            .fields
            .retain(|name, _| state.traits.get(name).is_none());
        Ok(())
    }
}

/// From where a stream is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullFrom {
    /// Where it stands.
    Cursor,
    /// Its beginning; what came before is recognised.
    Beginning,
}

impl StreamProgress {
    fn failed(&mut self, failure: &str, retry_after_ms: Option<i64>, now: Timestamp) {
        let doublings = self.failure_count.min(DOUBLINGS_MAX);
        let pause_ms = (PAUSE_MS << doublings).min(PAUSE_MAX_MS);
        self.failure_count = self.failure_count.saturating_add(1);
        self.failure = Some(failure.to_owned());
        self.due_at = Some(now.plus_ms(retry_after_ms.unwrap_or(pause_ms)));
    }
}

/// A pulled call as the writer takes it. What a sender would be refused for is refused here, too.
fn call_of(salt: &tenure_core::id::Salt, pulled: PulledCall) -> Option<Call> {
    let Who {
        user_id,
        email,
        account_id,
        ..
    } = pulled.who;
    let fits = |text: &Option<String>| {
        text.as_ref()
            .is_none_or(|text| !text.is_empty() && text.len() <= MAX_IDENTIFIER_BYTES)
    };
    let is_address = email.as_ref().is_none_or(|email| email.contains('@'));
    if ![&user_id, &email, &account_id].into_iter().all(fits) || !is_address {
        return None;
    }
    let (user, email) = match pulled.kind {
        PulledKind::Group => (None, None),
        _ => (user_id, email),
    };
    let kind = match pulled.kind {
        PulledKind::Track => {
            let is_name = !pulled.event.is_empty() && pulled.event.len() <= MAX_EVENT_NAME_BYTES;
            if !is_name {
                return None;
            }
            CallKind::Track {
                name: pulled.event.into(),
                properties: Json::Object(pulled.fields).to_string().into(),
            }
        }
        kind => {
            let mut traits = flatten(&pulled.fields);
            traits.retain(|(_, value)| !is_too_long(value.as_ref()));
            match kind {
                PulledKind::Group => CallKind::Group { traits },
                _ => CallKind::Identify { traits },
            }
        }
    };
    let named = |kind, text: Option<String>| text.map(|text| Name::new(salt, kind, &text));
    let occurred_at = pulled.occurred_at_ms.map(Timestamp);
    Some(Call {
        event_id: event_id(salt, &pulled.message_id),
        kind,
        user: named(IdentifierKind::UserId, user),
        anonymous: None,
        email: named(IdentifierKind::Email, email),
        account: named(IdentifierKind::AccountId, account_id),
        occurred_at: occurred_at.filter(|at| (MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(at)),
        historical: false,
    })
}

fn is_too_long(value: Option<&Value>) -> bool {
    value
        .and_then(Value::as_text)
        .is_some_and(|text| text.len() > MAX_TEXT_BYTES)
}
