//! A clock that shows what it is told to.

use std::sync::atomic::{AtomicI64, Ordering};

use tenure_app::clock::Clock;
use tenure_core::time::Timestamp;

/// A virtual clock.
#[derive(Debug)]
pub struct VirtualClock {
    now_ms: AtomicI64,
}

impl VirtualClock {
    /// A clock that shows `at`.
    pub fn at(at: Timestamp) -> Self {
        Self {
            now_ms: AtomicI64::new(at.0),
        }
    }

    /// Moves the clock by `ms` milliseconds; negative moves it back, as clocks are corrected.
    pub fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now_ms.load(Ordering::SeqCst))
    }
}
