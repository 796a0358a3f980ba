//! The tracking API: compatible with Segment's, so that its libraries work unchanged.
//!
//! A request is answered 200 only after its events are durable. Parsing borrows from the body and
//! happens on the request's own task; what the log writer gets is ready to append.

mod body;
mod call;
mod key;
mod limits;
mod parse;
mod report;
mod screen;
mod settings;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use tenure_app::call::Call;
use tenure_app::error::AppError;
use tenure_app::writer::{Ingested, WriterHandle};
use tenure_core::id::{EventId, Salt};
use tenure_core::time::Timestamp;
use tokio::sync::oneshot;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

pub(crate) use body::{read as read_body, text as body_text};
pub use call::{Circumstances, Fault, Kind};
pub use limits::{
    IngestLimits, MAX_DEPTH, MAX_LIST_ITEMS, MAX_MESSAGE_ID_BYTES, MAX_TRAIT_NAME_BYTES,
};
pub use parse::{BodyFault, Parsed, Rejected, parse_batch, parse_call, says_historical};
pub(crate) use report::Report;

use crate::problem::{Code, Problem};

/// For how long a browser may keep the answer to a preflight, in seconds: a day.
const PREFLIGHT_SECONDS: u64 = 24 * 60 * 60;

/// What ingest needs of the node.
pub trait Gate: Send + Sync {
    /// The workspace's secret.
    fn salt(&self) -> &Salt;
    /// Now.
    fn now(&self) -> Timestamp;
    /// The queue of the log writer.
    fn writer(&self) -> &WriterHandle;
    /// Whether a key may send events; takes the same time whatever the key.
    fn check_write_key(&self, key: &str) -> bool;
}

/// What the ingest routes share.
#[derive(Clone)]
pub struct Ingest {
    gate: Arc<dyn Gate>,
    limits: IngestLimits,
    public_url: Option<Arc<str>>,
    unique: Arc<Unique>,
}

/// Ids for calls that came without a message id: unique, and never drawn at random. `nonce` tells
/// one run of the process from another.
struct Unique {
    nonce: [u8; 16],
    next: AtomicU64,
}

impl Ingest {
    /// Ingest into a node. `nonce` must differ from that of every other run; `public_url` is what
    /// browsers reach this server by (`None`: what the request says).
    pub fn new(
        gate: Arc<dyn Gate>,
        limits: IngestLimits,
        public_url: Option<&str>,
        nonce: [u8; 16],
    ) -> Self {
        Self {
            gate,
            limits,
            public_url: public_url.map(|url| url.trim_end_matches('/').into()),
            unique: Arc::new(Unique {
                nonce,
                next: AtomicU64::new(0),
            }),
        }
    }

    /// What one request may hold.
    pub(crate) fn limits(&self) -> IngestLimits {
        self.limits
    }

    pub(crate) fn unique_id(&self) -> EventId {
        let number = self.unique.next.fetch_add(1, Ordering::Relaxed);
        let parts: [&[u8]; 3] = [b"\0unnamed", &self.unique.nonce, &number.to_le_bytes()];
        self.gate.salt().derive(&parts)
    }

    /// Parses a batch as of now.
    pub(crate) fn batch(
        &self,
        text: &str,
        limits: &IngestLimits,
        historical: bool,
    ) -> Result<Parsed, Problem> {
        let unique = || self.unique_id();
        let cx = self.circumstances(historical, &unique);
        parse_batch(text, limits, &cx).map_err(problem)
    }

    fn circumstances<'a>(
        &'a self,
        historical: bool,
        unique: &'a (dyn Fn() -> EventId + Sync),
    ) -> Circumstances<'a> {
        Circumstances {
            salt: self.gate.salt(),
            received_at: self.gate.now(),
            sent_at: None,
            historical,
            unique,
        }
    }

    /// Hands calls to the writer and waits until they are durable.
    pub(crate) async fn take(&self, calls: Vec<Call>) -> Result<Ingested, Problem> {
        if calls.is_empty() {
            return Ok(Ingested::default());
        }
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |result| drop(sender.send(result)));
        self.gate.writer().ingest(calls, reply)?;
        // The writer drops a reply only when it ends.
        receiver
            .await
            .unwrap_or(Err(AppError::Stopping))
            .map_err(Problem::from)
    }

    fn authorise(&self, headers: &HeaderMap, in_body: Option<&str>) -> Result<(), Problem> {
        let given = key::from_headers(headers)?;
        match given.as_deref().or(in_body) {
            Some(key) if self.gate.check_write_key(key) => Ok(()),
            Some(_) => Err(key::refused("the write key is not this workspace's")),
            None => Err(key::refused("there is no write key")),
        }
    }
}

/// The routes of the tracking API.
pub fn routes(ingest: Ingest) -> Router {
    let mut router = Router::new()
        .route("/v1/batch", post(batch).options(preflight))
        .route("/v1/b", post(batch).options(preflight))
        .route("/v1/import", post(import))
        .route("/v1/projects/{write_key}/settings", get(settings::settings));
    for (kind, paths) in [
        (Kind::Track, ["/v1/track", "/v1/t"]),
        (Kind::Identify, ["/v1/identify", "/v1/i"]),
        (Kind::Group, ["/v1/group", "/v1/g"]),
        (Kind::Page, ["/v1/page", "/v1/p"]),
        (Kind::Screen, ["/v1/screen", "/v1/s"]),
        (Kind::Alias, ["/v1/alias", "/v1/a"]),
    ] {
        for path in paths {
            router = router.route(
                path,
                post(move |state, request| single(state, request, kind)).options(preflight),
            );
        }
    }
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(std::time::Duration::from_secs(PREFLIGHT_SECONDS));
    router.layer(cors).with_state(ingest)
}

/// Makes the paths take OPTIONS, so that the CORS layer sees a browser's question.
async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn single(
    State(ingest): State<Ingest>,
    request: Request,
    kind: Kind,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    ingest.authorise_early(&parts.headers)?;
    let bytes = body::read(&parts.headers, body, ingest.limits.event_bytes).await?;
    let parsed = {
        let unique = || ingest.unique_id();
        let cx = ingest.circumstances(false, &unique);
        parse_call(body::text(&bytes)?, kind, &ingest.limits, &cx).map_err(|fault| {
            crate::telemetry::rejected(1);
            problem(fault)
        })?
    };
    ingest.finish(&parts.headers, parsed).await
}

async fn batch(State(ingest): State<Ingest>, request: Request) -> Result<Response, Problem> {
    many(&ingest, request, false).await
}

async fn import(State(ingest): State<Ingest>, request: Request) -> Result<Response, Problem> {
    many(&ingest, request, true).await
}

async fn many(ingest: &Ingest, request: Request, historical: bool) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    ingest.authorise_early(&parts.headers)?;
    let bytes = body::read(&parts.headers, body, ingest.limits.batch_bytes).await?;
    let parsed = ingest.batch(body::text(&bytes)?, &ingest.limits, historical)?;
    ingest.finish(&parts.headers, parsed).await
}

impl Ingest {
    /// Turns a wrong key away before the body is read; a missing one may yet be in the body.
    fn authorise_early(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match key::from_headers(headers)? {
            Some(_) => self.authorise(headers, None),
            None => Ok(()),
        }
    }

    async fn finish(&self, headers: &HeaderMap, parsed: Parsed) -> Result<Response, Problem> {
        if key::from_headers(headers)?.is_none() {
            self.authorise(headers, parsed.write_key.as_deref())?;
        }
        let ingested = self.take(parsed.calls).await?;
        Ok(Report::new(ingested, parsed.rejected).into_answer())
    }
}

pub(crate) fn problem(fault: BodyFault) -> Problem {
    match fault {
        BodyFault::TooLarge(fault) => sized(fault),
        BodyFault::Malformed(fault) if fault.field.is_empty() => {
            Problem::new(Code::MalformedBody, fault.reason)
        }
        BodyFault::Malformed(fault) => Problem::invalid(fault.field, fault.reason),
    }
}

fn sized(fault: Fault) -> Problem {
    let what = if fault.field.is_empty() {
        "the call"
    } else {
        "`batch`"
    };
    Problem::new(Code::TooLarge, format!("{what} {}", fault.reason)).field(fault.field)
}
