//! One circuit breaker a destination: a receiver that is away pauses what goes to it, and nothing
//! else.

use std::collections::BTreeMap;
use std::ops::Range;

use parking_lot::Mutex;
use tenure_connectors::Outcome;
use tenure_connectors::webhook::{Attempt, PreparedWebhook};
use tenure_core::time::{SECOND_MS, Timestamp};

use crate::dispatch::{Breaker, Passage};
use crate::telemetry;

/// How many destinations that fail are remembered.
const MAX_DESTINATIONS: usize = 2_000;
/// How long others wait while one attempt finds out, in milliseconds.
const PROBE_MS: i64 = 15 * SECOND_MS;

/// Statuses that say that a server cannot do its work. Codes above are a provider's own words for a refusal.
const SERVER_FAULTS: Range<u16> = 500..1_000;

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Attempts are made.
    Closed,
    /// None is made.
    Open,
    /// One is made, to find out.
    HalfOpen,
}

/// A breaker, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerView {
    /// What it guards: a kind, and where that has several, the destination (`webhook:host`).
    pub name: String,
    /// How it stands.
    pub state: BreakerState,
    /// Failures in a row.
    pub failure_count: u32,
    /// No attempt before this instant.
    pub until: Option<Timestamp>,
}

/// The name of the breaker of a webhook's receiver.
pub fn breaker_of(webhook: &PreparedWebhook) -> String {
    format!("webhook:{}", webhook.destination())
}

/// What an attempt says about its destination. An answer closes the breaker, were it a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is there.
    Answered,
    /// It is not, or cannot do its work.
    Away,
}

impl Sign {
    /// What an attempt says; `None` if nothing was asked.
    pub fn of(attempt: &Attempt) -> Option<Self> {
        match &attempt.outcome {
            // Our own count of its rate held it back.
            Outcome::NotSent { .. } if attempt.retry_after_ms.is_some() => None,
            Outcome::NotSent { .. } | Outcome::Unknown { .. } => Some(Self::Away),
            // The connector cannot do this.
            Outcome::Rejected { code: 0, .. } => None,
            Outcome::Rejected { code, .. } if SERVER_FAULTS.contains(code) => Some(Self::Away),
            Outcome::Rejected { .. } | Outcome::Accepted { .. } => Some(Self::Answered),
        }
    }
}

/// The breakers of many destinations. Those that answer are not remembered.
#[derive(Debug, Default)]
pub struct Breakers(Mutex<BTreeMap<String, Guarded>>);

#[derive(Debug, Default)]
struct Guarded {
    breaker: Breaker,
    probing_until: Option<Timestamp>,
}

impl Breakers {
    /// Whether an attempt may be made now; `Err` says when to ask again. After a pause one attempt
    /// is let through to find out, and others wait for it.
    pub fn enter(&self, name: &str, now: Timestamp) -> Result<(), Timestamp> {
        let mut all = self.0.lock();
        let Some(guarded) = all.get_mut(name) else {
            return Ok(());
        };
        match guarded.breaker.passage(now) {
            Passage::Open => Ok(()),
            Passage::Shut(until) => Err(until),
            Passage::Probe => {
                if let Some(until) = guarded.probing_until.filter(|until| *until > now) {
                    return Err(until);
                }
                guarded.probing_until = Some(now.plus_ms(PROBE_MS));
                Ok(())
            }
        }
    }

    /// Notes what an attempt says about its destination.
    pub fn note(&self, name: &str, sign: Option<Sign>, now: Timestamp) {
        match sign {
            Some(Sign::Answered) if self.answered(name) => telemetry::breaker_closed(name),
            Some(Sign::Away) => {
                if let Some(pause_ms) = self.failed(name, now) {
                    telemetry::breaker_opened(name, pause_ms);
                }
            }
            _ => {}
        }
    }

    /// The destination answered: its breaker closes.
    pub fn answered(&self, name: &str) -> bool {
        let gone = self.0.lock().remove(name);
        gone.is_some_and(|guarded| guarded.breaker.until().is_some())
    }

    /// The destination did not answer, or could not do its work; the pause in milliseconds if its
    /// breaker is open now.
    pub fn failed(&self, name: &str, now: Timestamp) -> Option<i64> {
        let mut all = self.0.lock();
        if all.len() >= MAX_DESTINATIONS && !all.contains_key(name) {
            return None;
        }
        let guarded = all.entry(name.to_owned()).or_default();
        guarded.probing_until = None;
        guarded.breaker.failed(now)
    }

    /// Closes a breaker by hand; false if there is none of this name that has seen a failure.
    pub fn reset(&self, name: &str) -> bool {
        self.0.lock().remove(name).is_some()
    }

    /// Every destination that fails, in order of the names.
    pub fn list(&self, now: Timestamp) -> Vec<BreakerView> {
        let all = self.0.lock();
        all.iter()
            .map(|(name, guarded)| guarded.breaker.view(name, now))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_destination_pauses_alone_and_one_probe_finds_it_back() {
        let breakers = Breakers::default();
        let now = Timestamp(1_000);
        for _ in 0..5 {
            assert_eq!(breakers.enter("webhook:a", now), Ok(()));
            breakers.failed("webhook:a", now);
        }
        let until = breakers.enter("webhook:a", now).unwrap_err();
        assert_eq!(breakers.enter("webhook:b", now), Ok(()));
        assert_eq!(breakers.list(now)[0].state, BreakerState::Open);
        assert_eq!(breakers.enter("webhook:a", until), Ok(()));
        assert_eq!(breakers.list(until)[0].state, BreakerState::HalfOpen);
        assert!(breakers.enter("webhook:a", until).is_err(), "one probe");
        assert!(breakers.answered("webhook:a"));
        assert_eq!(breakers.enter("webhook:a", now), Ok(()));
        assert_eq!(breakers.list(now), []);
    }

    #[test]
    fn a_breaker_is_closed_by_hand() {
        let breakers = Breakers::default();
        for _ in 0..5 {
            breakers.failed("webhook:a", Timestamp(0));
        }
        assert!(breakers.enter("webhook:a", Timestamp(1)).is_err());
        assert!(breakers.reset("webhook:a"));
        assert_eq!(breakers.enter("webhook:a", Timestamp(1)), Ok(()));
        assert!(!breakers.reset("webhook:a"));
    }
}
