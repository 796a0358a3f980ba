//! The kinds of job.

use std::sync::Arc;

use serde_json::Value as Json;

use super::JobRun;
use crate::error::AppError;
use crate::node::Node;

/// A kind of job. Stateless: what a job is about is in its input.
pub trait JobKind: Send + Sync {
    /// Its name, as jobs carry it: snake case, a noun.
    fn name(&self) -> &'static str;

    /// Does it, on a thread of its own. Call [`JobRun::progress`] or [`JobRun::check`] at least
    /// every few hundred milliseconds: they end the job when it was cancelled or the process stops.
    ///
    /// Answers what came of it: shown to whoever may read definitions, so never personal data.
    fn run(&self, node: &Node, job: &JobRun<'_>) -> Result<Json, AppError>;

    /// Whether a job that was cut off may begin again (from its mark, if it set one) without doing
    /// anything twice. If not, it fails as interrupted.
    fn is_resumable(&self) -> bool {
        true
    }
}

/// Every kind there is.
static KINDS: &[&dyn JobKind] = &[
    &crate::backtest::BacktestJob,
    &crate::risk::TrainRisk,
    &crate::risk::RescoreRisk,
    &crate::erasure::ErasureKind,
    #[cfg(test)]
    &super::tests::Count,
    #[cfg(test)]
    &super::tests::Once,
];

/// Every kind of the shell itself; surfaces add theirs.
pub(super) fn all() -> Vec<Arc<dyn JobKind>> {
    KINDS
        .iter()
        .map(|kind| Arc::new(*kind) as Arc<dyn JobKind>)
        .collect()
}

impl<T: JobKind + ?Sized> JobKind for &T {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn run(&self, node: &Node, job: &JobRun<'_>) -> Result<Json, AppError> {
        (**self).run(node, job)
    }

    fn is_resumable(&self) -> bool {
        (**self).is_resumable()
    }
}
