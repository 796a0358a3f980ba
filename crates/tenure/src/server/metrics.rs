//! The Prometheus recorder and what its numbers mean.

use std::path::Path;

use anyhow::{Context, Result};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Buckets of durations, in seconds.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Numbers that only grow and have labels, so that there is none before the first.
const LABELLED: [(&str, &str); 6] = [
    (
        "tenure_messages_total",
        "Attempts at messages by channel and outcome",
    ),
    (
        "tenure_webhooks_total",
        "Attempts at webhooks of topics by outcome",
    ),
    ("tenure_jobs_total", "Jobs that ended, by kind and state"),
    (
        "tenure_connector_calls_total",
        "Calls taken from a connector",
    ),
    (
        "tenure_connector_refused_total",
        "Calls of a connector that were refused",
    ),
    (
        "tenure_connector_failures_total",
        "Times a connector failed",
    ),
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
        "tenure_webhook_endpoints_disabled_total",
        "Endpoints of webhooks that were switched off because they refused everything",
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
const GAUGES: [(&str, &str); 7] = [
    (
        "tenure_breaker_open",
        "Whether the circuit breaker of a destination is open: 1 or 0",
    ),
    ("tenure_alert", "Whether an alert is raised: 1 or 0"),
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
const HISTOGRAMS: [(&str, &str); 4] = [
    (
        "tenure_webhook_seconds",
        "Duration of an attempt at a webhook of a topic",
    ),
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
        counter!(name).increment(0);
    }
    for (name, about) in LABELLED {
        describe_counter!(name, about);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Words that begin with `tenure_`, without the endings of a histogram's series.
    fn metrics_in(text: &str) -> BTreeSet<&str> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("tenure_"))
            .map(|word| word.trim_end_matches("_bucket"))
            .collect()
    }

    #[test]
    fn the_dashboard_shows_every_metric_and_no_other() {
        let dashboard = include_str!("../../../../docs/reference/grafana-dashboard.json");
        let parsed: serde_json::Value = serde_json::from_str(dashboard).unwrap();
        let shown: Vec<String> = parsed["panels"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|panel| panel["targets"].as_array().unwrap())
            .map(|target| target["expr"].as_str().unwrap().to_owned())
            .collect();
        let shown = shown.join(" ");
        let exported = [&COUNTERS[..], &LABELLED, &GAUGES, &HISTOGRAMS].concat();
        let exported: BTreeSet<&str> = exported.into_iter().map(|(name, _)| name).collect();
        assert_eq!(metrics_in(&shown), exported);
    }
}
