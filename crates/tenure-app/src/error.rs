//! The one error of the shell; the API and the CLI map it.

use std::sync::Arc;

use tenure_core::diagnostic::Diagnostic;
use tenure_store::StoreError;

/// Why something could not be done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppError {
    /// Too much waits already.
    #[error("too much work is waiting; try again in a moment")]
    Busy,
    /// The process is stopping.
    #[error("the server is stopping; try again when it is back")]
    Stopping,
    /// Definitions are not right.
    #[error("the definitions have {} problem(s)", .0.len())]
    Definitions(Vec<Diagnostic>),
    /// There is no such thing.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// As asked for.
        name: String,
    },
    /// Somebody else published meanwhile.
    #[error("plan {in_force} is in force, which is not the one the change was made for")]
    Stale {
        /// The plan in force.
        in_force: u32,
    },
    /// It cannot be done in the present state.
    #[error("{0}")]
    Conflict(String),
    /// The request is not right.
    #[error("{field}: {message}")]
    Invalid {
        /// Where.
        field: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// The store failed.
    #[error("{0}")]
    Store(Arc<StoreError>),
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
