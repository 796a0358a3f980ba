//! Hysteresis: something is raised after it has held for a while, and cleared after it has been
//! over for a while, so that what flaps is told once.

use tenure_core::time::Timestamp;

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Worth an alert.
    High,
    /// Neither: what was said stands.
    Between,
    /// Fine.
    Low,
}

impl Level {
    /// The level of something that holds or does not.
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::High } else { Self::Low }
    }
}

/// A change worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It began.
    Raised,
    /// It is over.
    Cleared,
}

/// Watches one thing.
#[derive(Debug)]
pub(super) struct Watch {
    raised_after_ms: i64,
    cleared_after_ms: i64,
    is_raised: bool,
    /// Since when it has been otherwise than was told.
    since: Option<Timestamp>,
}

impl Watch {
    pub(super) fn new(raised_after_ms: i64, cleared_after_ms: i64) -> Self {
        Self {
            raised_after_ms,
            cleared_after_ms,
            is_raised: false,
            since: None,
        }
    }

    /// Looks at `level` now.
    pub(super) fn step(&mut self, level: Level, now: Timestamp) -> Option<Turn> {
        let (turning, after_ms) = if self.is_raised {
            (level == Level::Low, self.cleared_after_ms)
        } else {
            (level == Level::High, self.raised_after_ms)
        };
        if !turning {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(now);
        if now.since_ms(since) < after_ms {
            return None;
        }
        self.since = None;
        self.is_raised = !self.is_raised;
        Some(if self.is_raised {
            Turn::Raised
        } else {
            Turn::Cleared
        })
    }
}
