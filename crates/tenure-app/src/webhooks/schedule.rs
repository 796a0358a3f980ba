//! When a delivery that failed is tried again: ten attempts over 24 hours, as Standard Webhooks
//! recommends, each a little early by a stable hash so that many do not come back at once.

use tenure_core::id::Salt;
use tenure_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};

/// When attempts are made, in milliseconds after the first.
const ATTEMPTS_AT_MS: [i64; 10] = [
    0,
    5 * SECOND_MS,
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    2 * HOUR_MS,
    5 * HOUR_MS,
    10 * HOUR_MS,
    14 * HOUR_MS,
    20 * HOUR_MS,
    24 * HOUR_MS,
];
/// By how much of its pause an attempt is early at most.
const JITTER: f64 = 0.1;
/// The longest that a receiver's `Retry-After` is heeded, in milliseconds.
const LONGEST_ASKED_MS: i64 = HOUR_MS;

/// When to try again after `attempt_count` attempts, the first at `first_at`; `None` gives up.
pub(super) fn next_attempt(
    salt: &Salt,
    id: &str,
    attempt_count: u32,
    first_at: Timestamp,
    now: Timestamp,
    asked_ms: Option<i64>,
) -> Option<Timestamp> {
    let index = attempt_count as usize;
    let offset_ms = *ATTEMPTS_AT_MS.get(index)?;
    let before_ms = ATTEMPTS_AT_MS[index.saturating_sub(1)];
    let spread = salt.fraction(
        "webhook-retry",
        &[id.as_bytes(), &attempt_count.to_be_bytes()],
    );
    let early_ms = ((offset_ms - before_ms) as f64 * JITTER * spread) as i64;
    let asked_ms = asked_ms.unwrap_or(0).clamp(0, LONGEST_ASKED_MS);
    Some(
        first_at
            .plus_ms(offset_ms - early_ms)
            .max(now.plus_ms(asked_ms.max(1))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_attempts_over_a_day_and_no_two_endpoints_come_back_at_once() {
        let salt = Salt([3; 32]);
        let first = Timestamp(1_000_000);
        let mut now = first;
        let mut count = 1;
        while let Some(next) = next_attempt(&salt, "evt", count, first, now, None) {
            assert!(next > now);
            now = next;
            count += 1;
        }
        assert_eq!(count, 10);
        let took_ms = now.since_ms(first);
        assert!(
            (23 * HOUR_MS..=24 * HOUR_MS).contains(&took_ms),
            "{took_ms}"
        );
        let again = |id| next_attempt(&salt, id, 3, first, first, None);
        assert_ne!(again("a"), again("b"));
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_up_to_an_hour() {
        let salt = Salt([3; 32]);
        let at = Timestamp(0);
        let asked = |ms| next_attempt(&salt, "evt", 1, at, at, Some(ms)).unwrap();
        assert_eq!(asked(60_000), Timestamp(60_000));
        assert_eq!(asked(i64::MAX), Timestamp(HOUR_MS));
        assert!(asked(0) <= Timestamp(5_000));
    }
}
