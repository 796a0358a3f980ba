//! What the API logs and counts: one small function per happening, without personal data.

use std::time::Duration;

use tenure_store::StoreError;

/// The store failed under a request.
pub(crate) fn store_failed(error: &StoreError) {
    tracing::error!(%error, "the store failed under a request");
}

/// A request was answered. `route` is the pattern, never the path itself: paths hold ids and keys.
pub(crate) fn answered(method: &str, route: &str, status: u16, took: Duration) {
    let duration_ms = took.as_secs_f64() * 1_000.0;
    if status >= 500 {
        tracing::warn!(method, route, status, duration_ms, "request failed");
    } else {
        tracing::debug!(method, route, status, duration_ms, "request answered");
    }
}

/// A handler panicked.
pub(crate) fn panicked(message: &str) {
    tracing::error!(message, "a request handler panicked");
}

/// The OAuth server could not do its work.
pub(crate) fn oauth_failed(error: &tenure_app::error::AppError) {
    tracing::error!(%error, "a token could not be given");
}
