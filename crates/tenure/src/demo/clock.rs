//! The demo's time: it stands while the history is told, then runs faster than the clock on the wall, so that waits of
//! days are over within minutes.

use std::sync::OnceLock;
use std::time::Instant;

use tenure_app::clock::Clock;
use tenure_core::time::Timestamp;

/// A clock that runs faster.
pub(crate) struct FastClock {
    begin: Timestamp,
    speed: f64,
    started: OnceLock<Instant>,
}

impl FastClock {
    /// A clock that stands at `begin` until it is started.
    pub(crate) fn new(begin: Timestamp, speed: f64) -> Self {
        Self {
            begin,
            speed,
            started: OnceLock::new(),
        }
    }

    /// Lets it run.
    pub(crate) fn start(&self) {
        self.started.get_or_init(Instant::now);
    }

    fn at(&self, elapsed_s: f64) -> Timestamp {
        self.begin
            .plus_ms((elapsed_s * 1_000.0 * self.speed) as i64)
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        self.started.get().map_or(self.begin, |started| {
            self.at(started.elapsed().as_secs_f64())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_until_started_and_then_a_minute_is_a_day() {
        let clock = FastClock::new(Timestamp(1_000), 1_440.0);
        assert_eq!(clock.now(), Timestamp(1_000));
        assert_eq!(clock.at(60.0), Timestamp(86_401_000));
    }
}
