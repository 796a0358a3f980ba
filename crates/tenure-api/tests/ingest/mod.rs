//! A node's ingest in a test: in-memory store, log writer on a thread, a clock that stands still.

mod answers;
mod calls;
mod transport;

use std::io::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use base64::Engine;
use serde_json::Value;
use tenure_api::ingest::{Gate, Ingest, IngestLimits, routes};
use tenure_app::clock::Clock;
use tenure_app::journal::Journal;
use tenure_app::refusals::Refusals;
use tenure_app::writer::{Writer, WriterHandle};
use tenure_core::id::Salt;
use tenure_core::log::{Body as Entry, Event, Profile, decode};
use tenure_core::time::Timestamp;
use tenure_store::Store;
use tenure_store::memory::MemoryStore;
use tower::ServiceExt;

/// 2026-03-01T12:00:00Z, when every request of these tests is received.
const NOW: &str = "2026-03-01T12:00:00Z";
const WRITE_KEY: &str = "wk_test";

struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

struct TestGate {
    salt: Salt,
    writer: WriterHandle,
}

impl Gate for TestGate {
    fn salt(&self) -> &Salt {
        &self.salt
    }
    fn now(&self) -> Timestamp {
        now()
    }
    fn writer(&self) -> &WriterHandle {
        &self.writer
    }
    fn check_write_key(&self, key: &str) -> bool {
        key == WRITE_KEY
    }
}

fn now() -> Timestamp {
    at(NOW)
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

struct Server {
    store: MemoryStore,
    router: Router,
}

impl Server {
    fn new() -> Self {
        Self::with_limits(IngestLimits::default())
    }

    fn with_limits(limits: IngestLimits) -> Self {
        let store = MemoryStore::new();
        let (writer, handle) = Writer::new(
            Arc::new(store.clone()),
            Arc::new(Journal::new(0, Timestamp(0))),
            Arc::new(Still(now())),
            Arc::new(Refusals::new(Salt([7; 32]))),
        );
        std::thread::spawn(move || writer.run());
        Self::over(store, handle, limits)
    }

    fn over(store: MemoryStore, writer: WriterHandle, limits: IngestLimits) -> Self {
        let gate = TestGate {
            salt: Salt([7; 32]),
            writer,
        };
        let ingest = Ingest::new(Arc::new(gate), limits, None, [1; 16]);
        Self {
            store,
            router: routes(ingest),
        }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Posts JSON with the write key; answers status and body.
    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.post_text(path, body.to_string()).await
    }

    async fn post_text(&self, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        answer(self.send(post(path, body)).await).await
    }

    /// Entries of the log, in order.
    fn log(&self) -> Vec<Entry<'static>> {
        let chunks = self.store.read_log(1, usize::MAX, None).unwrap();
        let entries = chunks
            .iter()
            .flat_map(|chunk| decode(chunk.first, &chunk.bytes));
        entries.map(|entry| owned(entry.unwrap().body)).collect()
    }

    fn events(&self) -> Vec<Event<'static>> {
        let events = self.log().into_iter().filter_map(|entry| match entry {
            Entry::Event(event) => Some(event),
            _ => None,
        });
        events.collect()
    }

    fn profiles(&self) -> Vec<Profile> {
        let profiles = self.log().into_iter().filter_map(|entry| match entry {
            Entry::Profile(profile) => Some(profile),
            _ => None,
        });
        profiles.collect()
    }
}

fn owned(body: Entry<'_>) -> Entry<'static> {
    match body {
        Entry::Event(event) => Entry::Event(Event {
            name: event.name.into_owned().into(),
            properties: event.properties.into_owned().into(),
            ..event
        }),
        Entry::Profile(profile) => Entry::Profile(profile),
        Entry::Merge(merge) => Entry::Merge(merge),
        Entry::Move(moved) => Entry::Move(moved),
        Entry::Published(published) => Entry::Published(published),
        Entry::Sweep(sweep) => Entry::Sweep(sweep),
        Entry::Command(command) => Entry::Command(command),
    }
}

fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header("Authorization", basic(WRITE_KEY))
        .body(body.into())
        .unwrap()
}

fn basic(key: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
    format!("Basic {pair}")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn answer(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}
