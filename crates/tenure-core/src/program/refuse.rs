//! Why a subject may not enter a program, and whether that is news.
//!
//! An event may come a thousand times to somebody it does not let in. "Nothing unexplained" needs
//! one decision for that, not a thousand: per subject and program the last answer is remembered,
//! and the same answer is recorded again only after [`TOLD_AGAIN_AFTER_MS`] or once the subject
//! has been inside. Who is asked for by API or by hand is answered every time.

use std::fmt;

use super::compile::Program;
use crate::decision::Outcome;
use crate::policy::local::spoken_ms;
use crate::subject::SubjectState;
use crate::time::{DAY_MS, Timestamp};

/// An unchanged refusal is recorded once in each span of this length, counted from the epoch.
pub(super) const TOLD_AGAIN_AFTER_MS: i64 = 30 * DAY_MS;

/// Why a subject may not enter now.
pub(super) enum Refusal<'a> {
    /// What would let it in is history.
    History,
    /// The program is paused.
    Paused,
    /// The program's `if` does not hold, or is unknown.
    Unmet { text: &'a str, unknown: bool },
    /// The goal or exit condition holds already.
    Already { what: &'static str, text: &'a str },
    /// It is inside, since then.
    Inside(Timestamp),
    /// It entered then, which is enough.
    Once(Timestamp),
    /// It entered then, too short a time ago.
    TooSoon { last: Timestamp, after_ms: i64 },
    /// It entered too many programs at this instant.
    TooMany,
    /// It is inside so many programs or keys.
    Full(usize),
}

impl Refusal<'_> {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::History => Outcome::Historical,
            Self::Paused => Outcome::Paused,
            Self::Unmet { .. } | Self::Already { .. } => Outcome::NotEligible,
            Self::Inside(_)
            | Self::Once(_)
            | Self::TooSoon { .. }
            | Self::TooMany
            | Self::Full(_) => Outcome::NotAgain,
        }
    }

    /// What tells it from other refusals of the same version of a program.
    fn mark(&self) -> (u8, i64) {
        match self {
            Self::History => (0, 0),
            Self::Paused => (1, 0),
            Self::Unmet { unknown, .. } => (2, i64::from(*unknown)),
            Self::Already { what, .. } => (3, what.len() as i64),
            Self::Inside(since) => (4, since.0),
            Self::Once(last) => (5, last.0),
            Self::TooSoon { last, .. } => (6, last.0),
            Self::TooMany => (7, 0),
            Self::Full(_) => (8, 0),
        }
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::History => {
                f.write_str("it is history (imported, or received more than a day late)")
            }
            Self::Paused => f.write_str("the program is paused"),
            Self::Unmet {
                text,
                unknown: false,
            } => write!(f, "`{text}` does not hold"),
            Self::Unmet {
                text,
                unknown: true,
            } => write!(f, "`{text}` is unknown"),
            Self::Already { what, text } => write!(f, "the {what} `{text}` holds already"),
            Self::Inside(since) => write!(f, "it is inside since {since}"),
            Self::Once(last) => write!(f, "it entered once, at {last}"),
            Self::TooSoon { last, after_ms } => {
                let after = spoken_ms(*after_ms);
                write!(f, "it last entered at {last}, less than {after} ago")
            }
            Self::TooMany => f.write_str(
                "it entered too many programs at this instant: do they enroll each other?",
            ),
            Self::Full(count) => write!(f, "it is inside {count} programs or keys"),
        }
    }
}

/// Whether this answer differs from the last one; it is the last one from now on.
pub(super) fn is_news(
    state: &mut SubjectState,
    program: &Program,
    refusal: &Refusal<'_>,
    key: Option<&str>,
    now: Timestamp,
) -> bool {
    let (kind, detail) = refusal.mark();
    let span = now.0.div_euclid(TOLD_AGAIN_AFTER_MS);
    let answer = short_hash(&[
        &[kind],
        &detail.to_le_bytes(),
        &span.to_le_bytes(),
        &program.version.to_le_bytes(),
        key.unwrap_or_default().as_bytes(),
    ]);
    let program = short_hash(&[program.name.as_bytes()]);
    let mut known = state.refusals.iter_mut();
    if let Some((_, last)) = known.find(|(known, _)| *known == program) {
        return std::mem::replace(last, answer) != answer;
    }
    state.refusals.push((program, answer));
    true
}

/// Forgets the last answer: the subject entered.
pub(super) fn forget(state: &mut SubjectState, program: &Program) {
    let program = short_hash(&[program.name.as_bytes()]);
    state.refusals.retain(|(known, _)| *known != program);
}

/// FNV-1a. Stored with the subject, so it must not change; if two answers meet in it, one repeat
/// too few is recorded.
fn short_hash(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().copied().flatten();
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
