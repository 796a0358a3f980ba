//! One small function per event worth telling an operator. Never an address, a body or a secret.

use metrics::{counter, gauge, histogram};
use tenure_core::log::{PlanVersion, Position};

use crate::error::AppError;

/// Calls became durable.
pub fn ingested(accepted_count: usize, duplicate_count: usize) {
    counter!("tenure_ingest_accepted_total").increment(accepted_count as u64);
    counter!("tenure_ingest_duplicates_total").increment(duplicate_count as u64);
}

/// The log writer committed.
pub fn committed(entry_count: u32, duration_s: f64) {
    counter!("tenure_log_entries_total").increment(u64::from(entry_count));
    histogram!("tenure_commit_seconds").record(duration_s);
}

/// So many jobs wait for the log writer.
pub fn queued(job_count: usize) {
    gauge!("tenure_queue_jobs").set(job_count as f64);
}

/// The engine worked through one micro-batch.
pub fn applied(duration_s: f64) {
    histogram!("tenure_apply_seconds").record(duration_s);
}

/// Roots were woken because time alone changes something.
pub fn woken(root_count: usize) {
    counter!("tenure_wakes_total").increment(root_count as u64);
}

/// A log entry was set aside.
pub fn set_aside(position: Position) {
    counter!("tenure_dead_letters_total").increment(1);
    tracing::error!(position, "a log entry was set aside as a dead letter");
}

/// So much of the log a backfill has read.
pub fn backfill_read(read_count: u64, total_count: u64) {
    gauge!("tenure_backfill_ratio").set(read_count as f64 / total_count.max(1) as f64);
}

/// A commit failed; everybody waiting for it was told.
pub fn commit_failed(error: &str) {
    counter!("tenure_commit_failures_total").increment(1);
    tracing::error!(error, "commit failed");
}

/// The worker made a step.
pub fn worked(log_end: Position, applied: Position, cached_subject_count: usize) {
    gauge!("tenure_lag_entries").set(log_end.saturating_sub(applied) as f64);
    gauge!("tenure_cached_subjects").set(cached_subject_count as f64);
}

/// The worker failed and starts again from its checkpoint.
pub fn worker_failed(error: &str) {
    counter!("tenure_worker_failures_total").increment(1);
    tracing::error!(error, "the worker starts again from its checkpoint");
}

/// A message was attempted.
pub fn attempted(channel: &str, outcome: &'static str, duration_s: f64) {
    counter!("tenure_messages_total", "channel" => channel.to_owned(), "outcome" => outcome)
        .increment(1);
    histogram!("tenure_dispatch_seconds").record(duration_s);
}

/// Dispatch could not read or write the store.
pub fn dispatch_failed(error: &AppError) {
    tracing::error!(%error, "dispatch failed; it tries again");
}

/// The circuit breaker of a channel opened.
pub fn breaker_opened(channel: &str, pause_ms: i64) {
    gauge!("tenure_breaker_open", "breaker" => channel.to_owned()).set(1.0);
    tracing::warn!(
        channel,
        pause_ms,
        "the provider does not answer; sending pauses"
    );
}

/// The circuit breaker of a destination closed: it answers again.
pub fn breaker_closed(name: &str) {
    gauge!("tenure_breaker_open", "breaker" => name.to_owned()).set(0.0);
    tracing::info!(name, "the provider answers again");
}

/// A webhook of a topic was attempted.
pub fn webhook_attempted(delivered: bool, duration_ms: u64) {
    let outcome = if delivered { "delivered" } else { "failed" };
    counter!("tenure_webhooks_total", "outcome" => outcome).increment(1);
    histogram!("tenure_webhook_seconds").record(duration_ms as f64 / 1_000.0);
}

/// A job ended, in this state.
pub fn job_ended(kind: &str, state: &'static str) {
    counter!("tenure_jobs_total", "kind" => kind.to_owned(), "state" => state).increment(1);
}

/// Jobs could not be read from or written to the store.
pub fn jobs_failed(error: &AppError) {
    tracing::error!(%error, "jobs wait; they are tried again");
}

/// What is looked after from time to time (what expires, jobs by schedule) could not be.
pub fn upkeep_failed(error: &AppError) {
    tracing::error!(%error, "upkeep waits; it is tried again");
}

/// Pushing of topics could not read or write the store.
pub fn webhooks_failed(error: &AppError) {
    tracing::error!(%error, "webhooks wait; they are tried again");
}

/// An endpoint is not pushed to any more.
pub fn endpoint_disabled(endpoint: &str, reason: &str) {
    counter!("tenure_webhook_endpoints_disabled_total").increment(1);
    tracing::warn!(endpoint, reason, "a webhook endpoint is disabled");
}

/// Something operators should know began, or is over.
pub fn alerted(name: &'static str, is_raised: bool, text: &str) {
    gauge!("tenure_alert", "alert" => name).set(f64::from(u8::from(is_raised)));
    tracing::warn!(name, is_raised, text, "alert");
}

/// An alert could not be told; it is tried again.
pub fn alert_failed(name: &str, reason: &str) {
    tracing::warn!(name, reason, "an alert could not be told");
}

/// Messages whose attempt was cut off by the last stop.
pub fn attempts_cut_off(unknown_count: usize, again_count: usize) {
    if unknown_count + again_count > 0 {
        tracing::warn!(
            unknown_count,
            again_count,
            "attempts were cut off by the last stop"
        );
    }
}

/// A backfill failed; it starts again with the next start.
pub fn backfill_failed(plan: PlanVersion, error: &AppError) {
    tracing::error!(plan, %error, "the backfill failed");
}

/// Delivery reports were read from the folder.
pub fn reports_read(recorded_count: usize, ignored_count: usize) {
    counter!("tenure_reports_recorded_total").increment(recorded_count as u64);
    counter!("tenure_reports_ignored_total").increment(ignored_count as u64);
}

/// The folder of delivery reports cannot be read; it is tried again.
pub fn reports_failed(error: &AppError) {
    tracing::error!(%error, "delivery reports wait");
}

/// A page of a connector's stream is durable.
pub fn connector_pulled(connector: &str, stream: &str, accepted_count: u64, refused_count: u64) {
    let labels = [
        ("connector", connector.to_owned()),
        ("stream", stream.to_owned()),
    ];
    counter!("tenure_connector_calls_total", &labels).increment(accepted_count);
    counter!("tenure_connector_refused_total", &labels).increment(refused_count);
}

/// A connector failed; it pauses and tries again.
pub fn connector_failed(connector: &str, part: &str, reason: &str) {
    counter!("tenure_connector_failures_total", "connector" => connector.to_owned()).increment(1);
    tracing::warn!(
        connector,
        part,
        reason,
        "a connector failed; it tries again"
    );
}
