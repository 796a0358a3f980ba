//! All routes of the server.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use rand::TryRngCore;
use rand::rngs::OsRng;
use tenure_api::ingest::{Gate, Ingest, IngestLimits};
use tenure_app::node::Node;
use tenure_app::writer::WriterHandle;
use tenure_core::id::Salt;
use tenure_core::time::Timestamp;

/// What the tracking API asks of the node.
struct NodeGate(Arc<Node>);

impl Gate for NodeGate {
    fn salt(&self) -> &Salt {
        self.0.salt()
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn writer(&self) -> &WriterHandle {
        self.0.writer()
    }

    fn check_write_key(&self, key: &str) -> bool {
        self.0.check_write_key(key)
    }
}

/// The tracking API and what operators ask.
pub(crate) fn router(
    node: &Arc<Node>,
    limits: IngestLimits,
    public_url: Option<&str>,
    metrics: PrometheusHandle,
) -> Result<Router> {
    let mut nonce = [0; 16];
    OsRng
        .try_fill_bytes(&mut nonce)
        .context("the operating system gives no random bytes")?;
    let ingest = Ingest::new(
        Arc::new(NodeGate(Arc::clone(node))),
        limits,
        public_url,
        nonce,
    );
    Ok(tenure_api::ingest::routes(ingest).merge(operators(node, metrics)))
}

fn operators(node: &Arc<Node>, metrics: PrometheusHandle) -> Router {
    let node = Arc::clone(node);
    let readiness = move || async move {
        if node.ready() {
            (StatusCode::OK, "ready\n")
        } else {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "starting: the log is being replayed\n",
            )
        }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .route("/metrics", get(move || async move { metrics.render() }))
}
