//! What is kept of a subject's health: its zone, and the scores of the last midnights.

use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, Timestamp};

use super::Zone;

/// How many days of scores are kept with a subject: the longest trend, and a day to spare.
pub const HEALTH_HISTORY_DAYS: i64 = 31;

/// A day, counted from 1970 in UTC.
pub fn day_of(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY_MS)
}

/// The midnight that begins a day.
pub fn midnight_of(day: i64) -> Timestamp {
    Timestamp(day.saturating_mul(DAY_MS))
}

/// What is kept of a subject's health.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthState {
    /// The zone it was in when last evaluated.
    pub zone: Option<Zone>,
    /// The midnight at which its score is to be noted: the next one by which it may have changed.
    pub sample_at: Option<Timestamp>,
    /// Scores at midnights (day, score), oldest first. A midnight that is not listed had the score
    /// of the one before it that is.
    samples: Vec<(i64, Option<f32>)>,
}

impl HealthState {
    /// The score at the midnight that began a day; `None` if there was none, or if that is longer
    /// ago than is kept.
    pub fn score_on(&self, day: i64) -> Option<f32> {
        let after = self.samples.partition_point(|(known, _)| *known <= day);
        self.samples[after.checked_sub(1)?].1
    }

    /// The score noted last.
    pub fn last_sample(&self) -> Option<f32> {
        self.samples.last().and_then(|(_, score)| *score)
    }

    /// Notes the score at a midnight; true if it is another than at the midnight before.
    pub(crate) fn note(&mut self, day: i64, score: Option<f32>) -> bool {
        if self.last_sample() == score {
            return false;
        }
        self.samples.push((day, score));
        // The last one at or before the oldest day that is asked for still tells that day's score.
        let oldest = day - HEALTH_HISTORY_DAYS;
        let passed = self.samples.partition_point(|(known, _)| *known <= oldest);
        self.samples.drain(..passed.saturating_sub(1));
        true
    }

    /// The first midnight after that of `day` that had another score.
    pub(crate) fn next_other(&self, day: i64) -> Option<i64> {
        let after = self.samples.partition_point(|(known, _)| *known <= day);
        self.samples.get(after).map(|(day, _)| *day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_midnight_without_a_sample_had_the_score_of_the_one_before() {
        let mut state = HealthState::default();
        assert!(!state.note(1, None));
        assert!(state.note(2, Some(50.0)));
        assert!(!state.note(3, Some(50.0)));
        assert!(state.note(5, Some(60.0)));
        let scores: Vec<Option<f32>> = (1..=6).map(|day| state.score_on(day)).collect();
        let (low, high) = (Some(50.0), Some(60.0));
        assert_eq!(scores, [None, low, low, low, high, high]);
        assert_eq!(state.next_other(2), Some(5));
        assert_eq!(state.next_other(5), None);
    }

    #[test]
    fn a_month_of_daily_changes_is_all_that_is_kept() {
        let mut state = HealthState::default();
        for day in 0..200_i16 {
            state.note(i64::from(day), Some(f32::from(day)));
        }
        assert_eq!(state.samples.len(), 32);
        assert_eq!(state.score_on(199 - 30), Some(169.0));
    }
}
