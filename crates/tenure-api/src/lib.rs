//! The HTTP surface: the tracking API, the JSON API with its OpenAPI document, hosted pages, and
//! what operators ask. Wire types never leave this crate.

mod caller;
mod console;
mod docs;
mod hosted;
pub mod ingest;
mod long_work;
mod oauth;
mod page;
pub mod problem;
mod receipts;
mod rest;
mod telemetry;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tenure_app::access::secret::Seeded;
use tenure_app::node::Node;
use tenure_app::writer::WriterHandle;
use tenure_core::id::Salt;
use tenure_core::time::Timestamp;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use ingest::{Gate, Ingest, IngestLimits};
pub use oauth::SetUp;
use problem::{Code, Problem};
pub use rest::FlowLimits;

/// The most bytes of a JSON body (definitions are the largest).
const BODY_BYTES: usize = 20 * 1024 * 1024;
/// For how long a request may take before its answer begins.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// Longest time an upload may take.
const UPLOAD_TIMEOUT: Duration = Duration::from_hours(1);

/// How many streams of topics may be open at once.
const MAX_STREAMS: usize = 256;

/// Gives the text of `/metrics`.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the routes share.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) node: Arc<Node>,
    pub(crate) ingest: Ingest,
    /// Who asks how much.
    pub(crate) flow: Arc<rest::Flow>,
    /// Seats for streams of topics.
    pub(crate) followers: Arc<Semaphore>,
    /// Where secrets come from.
    pub(crate) random: Arc<Seeded>,
    /// What opens the set-up of a server that nobody can sign in to yet.
    pub(crate) setup: Option<Arc<SetUp>>,
    public_url: Option<Arc<str>>,
    metrics: RenderMetrics,
    /// Where a backup is made before it is sent: on the disk of the data.
    pub(crate) scratch: Arc<Path>,
    /// Where jobs keep their files; without one, none can be uploaded or exported.
    pub(crate) job_files: Option<Arc<Path>>,
}

impl ApiState {
    /// The surface of a node. `public_url` is what browsers reach this server by (`None`: what
    /// each request says); `nonce`
    /// is random and foreseen by nobody: secrets are made from it.
    pub fn new(
        node: Arc<Node>,
        limits: IngestLimits,
        public_url: Option<&str>,
        nonce: [u8; 16],
        metrics: RenderMetrics,
    ) -> Self {
        let gate: Arc<dyn Gate> = Arc::new(NodeGate(Arc::clone(&node)));
        Self {
            node,
            ingest: Ingest::new(gate, limits, public_url, nonce),
            flow: Arc::new(rest::Flow::new(FlowLimits::default())),
            followers: Arc::new(Semaphore::new(MAX_STREAMS)),
            metrics,
            setup: None,
            random: Arc::new(Seeded::new(&nonce)),
            public_url: public_url.map(|url| url.trim_end_matches('/').into()),
            scratch: std::env::temp_dir().into(),
            job_files: None,
        }
    }

    /// Makes backups in `folder` before they are sent, and keeps files of jobs below it; it should be on the disk of the data.
    #[must_use]
    pub fn with_scratch(mut self, folder: &Path) -> Self {
        self.scratch = folder.into();
        self.job_files = Some(folder.join("jobs").into());
        self
    }

    /// Lets whoever has a code make the first user.
    #[must_use]
    pub fn with_setup(mut self, setup: SetUp) -> Self {
        self.setup = Some(Arc::new(setup));
        self
    }

    /// The address of this server: the configured one, or what the request says.
    pub(crate) fn issuer(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.public_url {
            return url.to_string();
        }
        let host = caller::text(headers, header::HOST.as_str()).unwrap_or("localhost");
        format!("http://{host}")
    }
}

impl ApiState {
    /// With limits on requests to the JSON API.
    #[must_use]
    pub fn with_flow(mut self, limits: FlowLimits) -> Self {
        self.flow = Arc::new(rest::Flow::new(limits));
        self
    }
}

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

/// Every route, with what applies to all of them.
pub fn router(state: ApiState) -> Router {
    let panicked = |panic: Box<dyn std::any::Any + Send>| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        telemetry::panicked(
            message
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message"),
        );
        Problem::new(Code::Internal, "the request failed").into_response()
    };
    let https = state
        .public_url
        .as_ref()
        .is_some_and(|url| url.starts_with("https://"));
    Router::new()
        .merge(operations(&state))
        .merge(ingest::routes(state.ingest.clone()))
        .merge(oauth::routes(state.clone()))
        .merge(rest::routes(&state))
        .merge(docs::routes())
        .merge(receipts::routes(state.clone()))
        .merge(console::routes(state.clone()))
        .merge(hosted::routes(state))
        .fallback(console::serve)
        .method_not_allowed_fallback(|| async {
            Problem::new(
                Code::MethodNotAllowed,
                "this path does not take this method",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn(limit_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(https, watch))
}

/// The OpenAPI document of the JSON API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    rest::openapi()
}

/// Liveness, readiness, figures.
fn operations(state: &ApiState) -> Router {
    let node = Arc::clone(&state.node);
    let ready = move || async move {
        if node.ready() {
            (StatusCode::OK, "ready\n").into_response()
        } else {
            Problem::new(Code::Unavailable, "the log is still being replayed").into_response()
        }
    };
    let render = Arc::clone(&state.metrics);
    let metrics = move || async move {
        (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
            render(),
        )
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

async fn limit_time(request: Request, next: Next) -> Response {
    let at_most = match request.uri().path() {
        "/api/v1/imports" => UPLOAD_TIMEOUT,
        _ => REQUEST_TIMEOUT,
    };
    let answered = tokio::time::timeout(at_most, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        Problem::new(Code::Unavailable, "the request took too long").into_response()
    })
}

/// What keeps browsers from doing with an answer what it is not for. An answer that says more
/// about itself keeps that.
fn secure(headers: &mut HeaderMap, https: bool) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    let defaults = [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in defaults {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if https {
        // A year: this host is reached by TLS only.
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert(HeaderValue::from_static("max-age=31536000"));
    }
}

/// Tells what was answered, and adds what every answer carries.
async fn watch(State(https): State<bool>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    secure(headers, https);
    let route = route.as_deref().unwrap_or("none");
    telemetry::answered(
        method.as_str(),
        route,
        response.status().as_u16(),
        started.elapsed(),
    );
    response
}
