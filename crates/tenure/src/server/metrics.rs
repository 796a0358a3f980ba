//! The Prometheus recorder and what its numbers mean.

use anyhow::{Context, Result};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Buckets of durations, in seconds.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Installs the recorder of this process.
pub(crate) fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot start the metrics")?;
    describe_counter!("tenure_ingest_accepted_total", "Calls taken and durable");
    describe_counter!(
        "tenure_ingest_duplicates_total",
        "Calls whose message id was known already"
    );
    describe_counter!("tenure_ingest_rejected_total", "Calls refused");
    describe_counter!("tenure_log_entries_total", "Entries written to the log");
    describe_histogram!("tenure_commit_seconds", "Duration of a commit");
    describe_counter!("tenure_commit_failures_total", "Commits that failed");
    describe_gauge!(
        "tenure_lag_entries",
        "Log entries not yet applied by the engine"
    );
    describe_gauge!(
        "tenure_cached_subjects",
        "Subjects whose state is in memory"
    );
    describe_gauge!("tenure_queue_jobs", "Jobs waiting for the log writer");
    describe_histogram!(
        "tenure_apply_seconds",
        "Duration of one batch in the engine"
    );
    describe_counter!(
        "tenure_wakes_total",
        "Subjects woken because time alone changed something"
    );
    describe_counter!(
        "tenure_worker_failures_total",
        "Times the engine started again from its checkpoint"
    );
    describe_counter!(
        "tenure_messages_total",
        "Attempts at messages by channel and outcome"
    );
    describe_histogram!(
        "tenure_dispatch_seconds",
        "Duration of an attempt at a message"
    );
    describe_counter!("tenure_dead_letters_total", "Log entries set aside");
    describe_gauge!(
        "tenure_backfill_ratio",
        "Part of the log that the current backfill has read, 0 to 1"
    );
    Ok(handle)
}
