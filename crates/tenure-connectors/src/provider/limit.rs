//! Keeping within a provider's documented rate, and away from it while it asks for that.

use std::collections::VecDeque;

/// So many requests in any stretch of so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Most requests.
    pub request_count: usize,
    /// In any stretch of this length, in milliseconds.
    pub window_ms: i64,
}

/// Longest pause that a provider's answer can impose, in milliseconds: a day.
const PAUSE_MAX_MS: i64 = 24 * 3_600_000;

/// Counts requests. It waits for nobody: who is not admitted is told for how long to come back later.
///
/// It keeps the instants of the last requests, so that no stretch of a window's length ever holds more than its limit;
/// a bucket that refills steadily would let twice as many through at its beginning.
#[derive(Debug)]
pub struct Limiter {
    windows: Vec<(Limit, VecDeque<i64>)>,
    paused_until_ms: i64,
}

impl Limiter {
    /// A limiter that keeps to all of `limits`.
    pub fn new(limits: &[Limit]) -> Self {
        Self {
            windows: limits
                .iter()
                .map(|limit| (*limit, VecDeque::new()))
                .collect(),
            paused_until_ms: i64::MIN,
        }
    }

    /// Counts a request at `now_ms`, or says in how many milliseconds there is room for one.
    pub fn admit(&mut self, now_ms: i64) -> Result<(), i64> {
        let mut wait_ms = self.paused_until_ms.saturating_sub(now_ms);
        if wait_ms > PAUSE_MAX_MS {
            // The clock was set back.
            (self.paused_until_ms, wait_ms) = (i64::MIN, 0);
        }
        for (limit, past) in &mut self.windows {
            while past.back().is_some_and(|at| *at > now_ms) {
                past.pop_back();
            }
            while past
                .front()
                .is_some_and(|at| at.saturating_add(limit.window_ms) <= now_ms)
            {
                past.pop_front();
            }
            if past.len() >= limit.request_count
                && let Some(first) = past.front()
            {
                wait_ms = wait_ms.max(first.saturating_add(limit.window_ms) - now_ms);
            }
        }
        if wait_ms > 0 {
            return Err(wait_ms);
        }
        for (_, past) in &mut self.windows {
            past.push_back(now_ms);
        }
        Ok(())
    }

    /// Admits nothing until `for_ms` after `now_ms`: the provider said so.
    pub fn pause(&mut self, now_ms: i64, for_ms: i64) {
        let until = now_ms.saturating_add(for_ms.clamp(0, PAUSE_MAX_MS));
        self.paused_until_ms = self.paused_until_ms.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pause_holds_until_its_end_and_a_shorter_one_does_not_end_it() {
        let mut limiter = Limiter::new(&[]);
        limiter.pause(1_000, 500);
        limiter.pause(1_000, 100);
        assert_eq!(limiter.admit(1_499), Err(1));
        assert_eq!(limiter.admit(1_500), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_closes_nothing_for_good() {
        let limit = Limit {
            request_count: 1,
            window_ms: 10,
        };
        let mut limiter = Limiter::new(&[limit]);
        limiter.admit(1_000_000_000).unwrap();
        limiter.pause(1_000_000_000, 5);
        assert_eq!(limiter.admit(0), Ok(()));
    }

    proptest! {
        #[test]
        fn no_stretch_of_a_window_holds_more_than_its_limit(
            steps in prop::collection::vec(0_i64..40, 1..200),
            request_count in 1_usize..6,
            window_ms in 1_i64..100,
        ) {
            let mut limiter = Limiter::new(&[Limit { request_count, window_ms }]);
            let (mut now_ms, mut admitted) = (0, Vec::new());
            for step in steps {
                now_ms += step;
                match limiter.admit(now_ms) {
                    Ok(()) => admitted.push(now_ms),
                    Err(wait_ms) => {
                        prop_assert!(wait_ms > 0);
                        now_ms += wait_ms;
                        prop_assert!(limiter.admit(now_ms).is_ok());
                        admitted.push(now_ms);
                    }
                }
            }
            for (index, at) in admitted.iter().enumerate() {
                let inside = admitted[index..].iter().take_while(|other| **other < at + window_ms);
                prop_assert!(inside.count() <= request_count);
            }
        }
    }
}
