//! A circuit breaker: when a provider does not answer several times in a row, sending pauses and
//! one attempt at a time finds out whether it is back.

use tenure_core::time::{SECOND_MS, Timestamp};

use crate::breakers::{BreakerState, BreakerView};

/// How many failures in a row open it.
const OPENS_AFTER: u32 = 5;
/// The first pause, in milliseconds; each further failure doubles it.
const FIRST_PAUSE_MS: i64 = 2 * SECOND_MS;
/// The longest pause, in milliseconds.
const LONGEST_PAUSE_MS: i64 = 60 * SECOND_MS;

/// The breaker of one channel.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    closed_until: Option<Timestamp>,
}

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// As many as wanted.
    Open,
    /// One, to find out.
    Probe,
    /// None before this instant.
    Shut(Timestamp),
}

impl Breaker {
    /// Whether an attempt may be made now.
    pub fn passage(&self, now: Timestamp) -> Passage {
        match self.closed_until {
            None => Passage::Open,
            Some(until) if now >= until => Passage::Probe,
            Some(until) => Passage::Shut(until),
        }
    }

    /// No attempt before this instant, if it is open.
    pub fn until(&self) -> Option<Timestamp> {
        self.closed_until
    }

    /// How it stands, for people.
    pub fn view(&self, name: &str, now: Timestamp) -> BreakerView {
        let state = match self.passage(now) {
            Passage::Open => BreakerState::Closed,
            Passage::Probe => BreakerState::HalfOpen,
            Passage::Shut(_) => BreakerState::Open,
        };
        BreakerView {
            name: name.to_owned(),
            state,
            failure_count: self.failures,
            until: self.closed_until,
        }
    }

    /// The provider answered, whatever it said.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// The provider did not answer; the pause in milliseconds if sending pauses now.
    pub fn failed(&mut self, now: Timestamp) -> Option<i64> {
        self.failures += 1;
        let over = self.failures.checked_sub(OPENS_AFTER)?;
        let pause_ms = FIRST_PAUSE_MS
            .saturating_mul(1 << over.min(10))
            .min(LONGEST_PAUSE_MS);
        self.closed_until = Some(now.plus_ms(pause_ms));
        Some(pause_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_probes_before_it_closes() {
        let mut breaker = Breaker::default();
        let at = Timestamp(1_000);
        for _ in 1..OPENS_AFTER {
            assert_eq!(breaker.failed(at), None);
            assert_eq!(breaker.passage(at), Passage::Open);
        }
        assert_eq!(breaker.failed(at), Some(FIRST_PAUSE_MS));
        assert_eq!(
            breaker.passage(at),
            Passage::Shut(at.plus_ms(FIRST_PAUSE_MS))
        );
        let later = at.plus_ms(FIRST_PAUSE_MS);
        assert_eq!(breaker.passage(later), Passage::Probe);
        assert_eq!(breaker.failed(later), Some(2 * FIRST_PAUSE_MS));
        breaker.answered();
        assert_eq!(breaker.passage(later), Passage::Open);
    }
}
