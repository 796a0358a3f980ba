//! Knowing what became of a message: signed links, an open pixel, and telling people from machines.

mod machine;
mod rewrite;
mod token;

pub use machine::{
    Evidence, HIDDEN_WINDOW_MS, Hit, HitKind, INSTANT_MS, MessageTraffic, Observation,
    SWEEP_LINKS_MIN, SWEEP_MS, Verdict, classify,
};
pub use rewrite::{Tracked, Tracking, track};
pub use token::{LinkSigner, Purpose, TokenError, TrackedLink};

#[cfg(test)]
mod tests;
