//! All routes of the server.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tenure_api::ingest::IngestLimits;
use tenure_api::{ApiState, FlowLimits, SetUp};
use tenure_app::node::Node;

/// The tracking API, the JSON API, hosted pages, and what operators ask.
pub(crate) fn router(
    node: &Arc<Node>,
    (limits, flow): (IngestLimits, FlowLimits),
    public_url: Option<&str>,
    metrics: PrometheusHandle,
    (data, setup): (&Path, Option<SetUp>),
) -> Router {
    let state = ApiState::new(
        Arc::clone(node),
        limits,
        public_url,
        // Of a generator that the operating system seeds: nobody can foresee it.
        rand::random(),
        Arc::new(move || metrics.render()),
    );
    let state = state.with_scratch(data).with_flow(flow);
    tenure_api::router(match setup {
        Some(setup) => state.with_setup(setup),
        None => state,
    })
}
