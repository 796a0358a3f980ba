//! Time as an argument: the shell asks a clock, the binary brings a real one, the simulator a
//! virtual one.

use tenure_core::time::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now. It may jump; whoever needs order takes the maximum with what was seen before.
    fn now(&self) -> Timestamp;
}
