//! The Prometheus recorder and what its numbers mean.

use std::path::Path;

use anyhow::{Context, Result};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Buckets of durations, in seconds.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Numbers that only grow.
const COUNTERS: [(&str, &str); 11] = [
    ("tenure_ingest_accepted_total", "Calls taken and durable"),
    (
        "tenure_ingest_duplicates_total",
        "Calls whose message id was known already",
    ),
    ("tenure_ingest_rejected_total", "Calls refused"),
    ("tenure_log_entries_total", "Entries written to the log"),
    ("tenure_commit_failures_total", "Commits that failed"),
    (
        "tenure_wakes_total",
        "Roots woken because time alone changed something",
    ),
    (
        "tenure_worker_failures_total",
        "Times the engine started again from its checkpoint",
    ),
    (
        "tenure_messages_total",
        "Attempts at messages by channel and outcome",
    ),
    ("tenure_dead_letters_total", "Log entries set aside"),
    (
        "tenure_reports_recorded_total",
        "Delivery reports that were about a message of ours",
    ),
    (
        "tenure_reports_ignored_total",
        "Delivery reports that were not",
    ),
];

/// Numbers that rise and fall.
const GAUGES: [(&str, &str); 5] = [
    (
        "tenure_lag_entries",
        "Log entries not yet applied by the engine",
    ),
    (
        "tenure_cached_subjects",
        "Subjects whose state is in memory",
    ),
    ("tenure_queue_jobs", "Jobs waiting for the log writer"),
    (
        "tenure_backfill_ratio",
        "Part of the log that the current backfill has read, 0 to 1; 1 when there is none",
    ),
    (
        "tenure_disk_free_bytes",
        "Bytes that may still be written on the disk of the data folder",
    ),
];

/// Durations.
const HISTOGRAMS: [(&str, &str); 3] = [
    ("tenure_commit_seconds", "Duration of a commit"),
    (
        "tenure_apply_seconds",
        "Duration of one batch in the engine",
    ),
    (
        "tenure_dispatch_seconds",
        "Duration of an attempt at a message",
    ),
];

/// Installs the recorder of this process.
pub(crate) fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot start the metrics")?;
    // Counters begin at 0, so that a rule on their growth sees the first step.
    for (name, about) in COUNTERS {
        describe_counter!(name, about);
        if name != "tenure_messages_total" {
            counter!(name).increment(0);
        }
    }
    for (name, about) in GAUGES {
        describe_gauge!(name, about);
    }
    for (name, about) in HISTOGRAMS {
        describe_histogram!(name, about);
    }
    gauge!("tenure_backfill_ratio").set(1.0);
    Ok(handle)
}

/// Notes how much room is left for the data.
pub(crate) fn disk(data: &Path) {
    if let Ok(free) = super::free_bytes(data) {
        gauge!("tenure_disk_free_bytes").set(free as f64);
    }
}
