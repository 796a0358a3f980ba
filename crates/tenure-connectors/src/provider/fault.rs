//! What went wrong between us and a provider.

use thiserror::Error;

use crate::outcome::{Outcome, Stage};
use crate::webhook::Attempt;

/// A request that led to nothing, and what may be done next. Holds no address, secret or body: words of providers are
/// scrubbed before they come here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// There is no room within the provider's rate, by our count or by its answer. Nothing happened.
    #[error("{reason}; the next attempt may begin in {retry_after_ms} ms")]
    Busy {
        /// For how long to leave it alone, in milliseconds.
        retry_after_ms: i64,
        /// The provider's status; `None` when our own count held the request back.
        code: Option<u16>,
        /// Why.
        reason: String,
    },
    /// The provider does not accept our credentials, or they do not allow this.
    #[error(
        "the provider refused the credentials ({code}): {reason}; check the connector's secrets and their permissions"
    )]
    Unauthorized {
        /// Its status.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// The provider said no, and would say so again.
    #[error("the provider refused the request ({code}): {reason}")]
    Refused {
        /// Its status.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// The provider failed; it may have done a part.
    #[error("the provider failed ({code}): {reason}; it is tried again later")]
    Broken {
        /// Its status.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// The request certainly did not arrive.
    #[error("{reason}; nothing was sent")]
    NotSent {
        /// What happened.
        reason: String,
    },
    /// The request went out and no answer came.
    #[error("{reason}; the request may have arrived")]
    Unknown {
        /// What happened.
        reason: String,
    },
    /// The provider answered success, with a body that is not what its description promises.
    #[error("the provider's answer is not as it describes it: {reason}")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// The connector cannot do this, or not as it is set up.
    #[error("{reason}")]
    Unsupported {
        /// What, and what to do instead.
        reason: String,
    },
}

impl Fault {
    /// An answer that lacks what its description promises.
    pub(super) fn lacks(what: &str) -> Self {
        Self::Unreadable {
            reason: format!("`{what}` is missing or of another type"),
        }
    }

    /// For how long the provider is to be left alone, in milliseconds, where that is known.
    pub fn retry_after_ms(&self) -> Option<i64> {
        match self {
            Self::Busy { retry_after_ms, .. } => Some(*retry_after_ms),
            _ => None,
        }
    }

    /// The outcome of each item whose request ended in this.
    pub fn attempt(&self) -> Attempt {
        let rejected = |permanent, code, stage, reason: &String| Outcome::Rejected {
            permanent,
            code,
            enhanced: None,
            stage,
            reason: reason.clone(),
        };
        let outcome = match self {
            Self::Busy {
                code: Some(code),
                reason,
                ..
            }
            | Self::Broken { code, reason } => rejected(false, *code, Stage::Response, reason),
            Self::Unauthorized { code, reason } => rejected(true, *code, Stage::Auth, reason),
            Self::Refused { code, reason } => rejected(true, *code, Stage::Response, reason),
            Self::Unsupported { reason } => rejected(true, 0, Stage::Response, reason),
            Self::Busy { reason, .. } | Self::NotSent { reason } => Outcome::NotSent {
                reason: reason.clone(),
            },
            Self::Unknown { .. } | Self::Unreadable { .. } => Outcome::Unknown {
                reason: self.to_string(),
            },
        };
        Attempt {
            outcome,
            retry_after_ms: self.retry_after_ms(),
        }
    }

    /// The outcome of each item for which only something was looked up: certainly nothing was written.
    pub(super) fn attempt_unwritten(&self) -> Attempt {
        match self {
            Self::Broken { .. } | Self::Unknown { .. } | Self::Unreadable { .. } => Attempt {
                outcome: Outcome::NotSent {
                    reason: format!("looking up what is there failed: {self}"),
                },
                retry_after_ms: None,
            },
            _ => self.attempt(),
        }
    }

    /// The outcome of an item that the provider would carry out a second time: where a broken request may have done its
    /// work, that is not known. 503 says that it did not.
    pub(super) fn attempt_once(&self) -> Attempt {
        match self {
            Self::Broken { code, .. } if *code != 503 => Attempt {
                outcome: Outcome::Unknown {
                    reason: self.to_string(),
                },
                retry_after_ms: None,
            },
            _ => self.attempt(),
        }
    }
}

/// The provider took the item.
pub(super) fn accepted(id: Option<&str>) -> Attempt {
    Attempt {
        outcome: Outcome::Accepted {
            response: "accepted".into(),
            queue_id: id.map(str::to_owned),
        },
        retry_after_ms: None,
    }
}

/// The provider refused the item for good.
pub(super) fn refused(code: u16, reason: impl Into<String>) -> Attempt {
    Fault::Refused {
        code,
        reason: reason.into(),
    }
    .attempt()
}
