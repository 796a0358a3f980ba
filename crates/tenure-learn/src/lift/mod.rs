//! What a program changed: those who were eligible and met it, against those who were eligible and were left alone.
//!
//! Subjects count from the moment of eligibility, whatever happens to them later (intent to treat). The arm of a subject
//! comes from a stable hash, so its probability is known, and [`Effect`] is unbiased by construction.

mod effect;
mod sample_ratio;

pub use effect::{Effect, Interval, MIN_OF_EACH_ARM, Observation};
pub use sample_ratio::SampleRatio;
