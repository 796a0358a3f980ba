//! Zones, with hysteresis so that they do not flap.

use serde::{Deserialize, Serialize};

/// Where a score lies; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Zone {
    /// Below `watch`.
    AtRisk,
    /// From `watch` on.
    Watch,
    /// From `healthy` on.
    Healthy,
}

impl Zone {
    /// As conditions and events write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtRisk => "at_risk",
            Self::Watch => "watch",
            Self::Healthy => "healthy",
        }
    }

    /// The zone of a written name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::AtRisk, Self::Watch, Self::Healthy]
            .into_iter()
            .find(|zone| zone.as_str() == text)
    }
}

/// Where zones begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zones {
    /// Healthy from this score on.
    pub healthy: f64,
    /// To be watched from this score on; below it is at risk.
    pub watch: f64,
    /// A better zone is reached only so far above its beginning; a worse one at once.
    pub hysteresis: f64,
}

impl Zones {
    /// The zone of a score for a subject that was in `before`.
    ///
    /// A fall counts at once, a rise only when the score is `hysteresis` above the beginning of the
    /// better zone: the alarm is not late, and the all-clear is earned.
    pub fn zone(&self, score: f64, before: Option<Zone>) -> Zone {
        let plain = self.beyond(score, 0.0);
        match before {
            Some(before) if plain > before => self.beyond(score, self.hysteresis).max(before),
            _ => plain,
        }
    }

    fn beyond(&self, score: f64, margin: f64) -> Zone {
        if score >= self.healthy + margin {
            Zone::Healthy
        } else if score >= self.watch + margin {
            Zone::Watch
        } else {
            Zone::AtRisk
        }
    }

    /// The scores at which a subject in `zone` leaves it: below the first, or at the second.
    pub(crate) fn bounds(&self, zone: Zone) -> (Option<f64>, Option<f64>) {
        match zone {
            Zone::AtRisk => (None, Some(self.watch + self.hysteresis)),
            Zone::Watch => (Some(self.watch), Some(self.healthy + self.hysteresis)),
            Zone::Healthy => (Some(self.healthy), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_counts_at_once_and_a_rise_only_beyond_the_hysteresis() {
        let zones = Zones {
            healthy: 70.0,
            watch: 50.0,
            hysteresis: 5.0,
        };
        let mut zone = None;
        let walk = [
            72.0, 69.9, 71.0, 74.9, 75.0, 49.0, 54.0, 55.0, 74.0, 40.0, 90.0,
        ];
        let seen: Vec<&str> = walk
            .iter()
            .map(|score| zone.insert(zones.zone(*score, zone)).as_str())
            .collect();
        assert_eq!(
            seen,
            [
                "healthy", "watch", "watch", "watch", "healthy", "at_risk", "at_risk", "watch",
                "watch", "at_risk", "healthy"
            ]
        );
    }
}
