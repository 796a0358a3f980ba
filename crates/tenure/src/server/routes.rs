//! All routes of the server.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tenure_api::ingest::IngestLimits;
use tenure_app::node::Node;

/// The tracking API, the JSON API, and what operators ask.
pub(crate) fn router(node: &Arc<Node>, limits: IngestLimits, public_url: &str, metrics: PrometheusHandle) -> Result<Router> {
    let ready = Arc::clone(node);
    let operators = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move {
            if ready.ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "starting: the log is being replayed\n") }
        }))
        .route("/metrics", get(move || async move { metrics.render() }));
    let _ = (limits, public_url);
    Ok(operators)
}
