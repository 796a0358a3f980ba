//! The definition language: conditions as text, definitions as YAML.
//!
//! Text goes through [`token`] and [`parse`] into a tree with places, through [`check`] (types,
//! names, limits) into an [`Expr`](crate::expr::Expr) free of sugar, and back into text with
//! [`canonical()`] (for machines) and [`sentence()`] (for people). Nothing here panics on any input:
//! sizes and depths are bounded by the constants below.

mod call;
mod canonical;
mod check;
mod finding;
mod nearest;
mod parse;
mod sentence;
mod token;
mod tree;
mod yaml;

pub use canonical::canonical;
pub use check::{parse_condition, parse_filter, parse_number};
pub use finding::Finding;
pub use sentence::{duration_words, sentence};
pub use yaml::{MAX_FILE_BYTES, MAX_STEP_NESTING, MAX_STEPS, parse_definitions};

use crate::time::DAY_MS;

/// The longest condition, in bytes.
pub const MAX_CONDITION_BYTES: usize = 16 * 1024;
/// The deepest nesting of a condition, in parentheses and calls.
pub const MAX_CONDITION_DEPTH: usize = 64;
/// The longest window of an aggregate and the longest `for`, in milliseconds: three years.
pub const MAX_WINDOW_MS: i64 = 1096 * DAY_MS;
/// The longest duration literal, in milliseconds: a hundred years.
pub const MAX_DURATION_MS: i64 = 36_525 * DAY_MS;
/// The most findings reported about one text.
pub const MAX_FINDINGS: usize = 20;
