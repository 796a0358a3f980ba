//! Learning from history, and measuring what a program changed.
//!
//! Everything here is a function of its arguments: tables of numbers come in, fitted objects and figures go out. A seed
//! is an argument wherever chance is used, so that one history gives one answer. No clock, no IO, no other crate of the
//! workspace.
//!
//! | module | answers |
//! |---|---|
//! | [`risk`] | how likely is it that this one churns, why, and is that answer worth anything? |
//! | [`purchase`] | how many purchases will a customer without a contract still make, and is it still a customer? |
//! | [`uplift`] | whom does a program help? |
//! | [`lift`] | what did a program change, with an interval that may be looked at every day? |
//! | [`sentiment`] | is this text content or angry? |
//! | [`measure`] | how good is a score? |

// Equal scores are ties and categories are exact numbers: both are compared exactly on purpose.
#![allow(clippy::float_cmp)]

pub mod boost;
pub mod calibration;
pub mod design;
pub mod lift;
pub mod logistic;
pub mod measure;
pub mod purchase;
pub mod risk;
pub mod sentiment;
pub mod table;
pub mod uplift;

/// Why nothing could be learned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LearnError {
    /// Two parts of the input do not have the same number of rows.
    #[error("{what} has {found} rows where {expected} were expected")]
    Length {
        /// What is too short or too long.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length of the table.
        expected: usize,
    },
    /// There is too little history to learn from.
    #[error("{what}: {found} found, at least {needed} are needed; gather more history first")]
    TooLittle {
        /// What there is too little of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much it takes.
        needed: usize,
    },
    /// The numbers went where no answer is.
    #[error("{0} did not converge; look for columns that are constant or astronomically large")]
    Diverged(&'static str),
}

/// Refuses parts of different length.
pub(crate) fn same_length(
    what: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), LearnError> {
    if found == expected {
        Ok(())
    } else {
        Err(LearnError::Length {
            what,
            found,
            expected,
        })
    }
}
