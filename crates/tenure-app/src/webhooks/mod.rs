//! Pushing topics to endpoints, as Standard Webhooks: at least once, signed, in order.
//!
//! An endpoint has a place in each source it follows; nothing is queued for it. Its next record
//! is read from the topic, pushed, and only then the place moves (one commit with the line of the
//! delivery log). So a backlog costs nothing, nothing is lost while an endpoint is away, and after
//! a crash at most the last record is pushed again, under the same `webhook-id`.
//!
//! What does not arrive holds back what comes after it: ten attempts over 24 hours. If the
//! receiver answers all the same (it refuses this record), the record becomes a dead letter and
//! the next is tried; if it does not, the endpoint is disabled with the reason and keeps its place.
//! Nothing of this touches the threads or the breaker of e-mail.

mod deliver;
mod endpoint;
mod log;
mod operate;
mod schedule;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tenure_connectors::webhook::{Reach, WebhookSender, WebhookSettings};
use tenure_core::id::Salt;
use tenure_core::time::Timestamp;
use tenure_store::{Batch, Store, StoreError};

use crate::breakers::Breakers;
use crate::clock::Clock;
use crate::error::AppError;
use crate::records::{all, value};
use crate::telemetry;
use crate::topics::{Source, TopicRecord, Topics};
use crate::workspace::Workspace;
use crate::writer::{Job, WriterHandle, answer_slot};

pub use endpoint::{Cursor, Endpoint, EndpointSecret, EndpointSpec, EndpointState, Filter, Head};
pub use log::{Delivery, DeliveryOutcome, WebhookLetter};
pub use operate::{Start, TestAnswer};

/// How many deliveries run at once.
const THREADS: usize = 4;
/// How long a thread rests when there is nothing to do.
const REST: Duration = Duration::from_millis(200);
/// How long it rests after a failure of the store.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Collection of the endpoints.
const ENDPOINTS: &str = "webhook";
/// Collection of how far each is.
const CURSORS: &str = "webhook_cursor";

/// Pushes topics to endpoints.
pub struct Webhooks {
    store: Arc<dyn Store>,
    writer: WriterHandle,
    topics: Topics,
    clock: Arc<dyn Clock>,
    sender: WebhookSender,
    reach: Reach,
    salt: Salt,
    breakers: Arc<Breakers>,
    slots: Mutex<BTreeMap<String, Slot>>,
    /// One change of an endpoint at a time.
    changing: Mutex<()>,
    stopping: AtomicBool,
    rest: (Mutex<()>, Condvar),
}

/// An endpoint in memory.
struct Slot {
    endpoint: Arc<Endpoint>,
    cursor: Cursor,
    /// How far each source was read; what was found waits in `ready`.
    read: Cursor,
    ready: VecDeque<(Source, TopicRecord)>,
    not_before: Timestamp,
    in_hand: bool,
    /// Counts up when somebody changes it, so that a delivery under way does not undo that.
    generation: u64,
}

impl Slot {
    fn new(endpoint: Endpoint, cursor: Cursor) -> Self {
        Self {
            endpoint: Arc::new(endpoint),
            read: cursor.clone(),
            cursor,
            ready: VecDeque::new(),
            not_before: Timestamp(0),
            in_hand: false,
            generation: 0,
        }
    }

    /// Goes on from `cursor`, forgetting what was read.
    fn restart(&mut self, cursor: Cursor) {
        self.read = cursor.clone();
        self.cursor = cursor;
        self.ready.clear();
        self.not_before = Timestamp(0);
        self.generation += 1;
    }
}

impl Webhooks {
    /// Opens the endpoints of a workspace; nothing is pushed yet.
    pub fn open(
        (store, writer, clock): (Arc<dyn Store>, WriterHandle, Arc<dyn Clock>),
        topics: Topics,
        (settings, breakers): (&WebhookSettings, Arc<Breakers>),
        workspace: &Workspace,
    ) -> Result<Self, AppError> {
        let mut slots = BTreeMap::new();
        for endpoint in all::<Endpoint>(store.as_ref(), ENDPOINTS, "")? {
            let cursor = store.record(CURSORS, &endpoint.id)?;
            let cursor = cursor.map(|row| value(&row)).transpose()?;
            let slot = Slot::new(endpoint, cursor.unwrap_or_default());
            slots.insert(slot.endpoint.id.clone(), slot);
        }
        Ok(Self {
            store,
            writer,
            topics,
            clock,
            sender: WebhookSender::new(settings),
            reach: settings.reach,
            salt: workspace.salt(),
            breakers,
            slots: Mutex::new(slots),
            changing: Mutex::new(()),
            stopping: AtomicBool::new(false),
            rest: (Mutex::new(()), Condvar::new()),
        })
    }

    /// The breakers of the destinations.
    pub fn breakers(&self) -> &Breakers {
        &self.breakers
    }

    /// Closes a breaker by hand and tries what waited for it at once.
    pub fn reset_breaker(&self, name: &str) -> bool {
        let was_known = self.breakers.reset(name);
        for slot in self.slots.lock().values_mut() {
            if slot.cursor.head.is_none() {
                slot.not_before = Timestamp(0);
            }
        }
        self.rest.1.notify_all();
        was_known
    }

    /// Starts the threads.
    pub fn start(self: &Arc<Self>) -> Result<Vec<JoinHandle<()>>, AppError> {
        (0..THREADS)
            .map(|number| {
                let webhooks = Arc::clone(self);
                std::thread::Builder::new()
                    .name(format!("webhook-{number}"))
                    .spawn(move || webhooks.run())
                    .map_err(|error| {
                        AppError::Conflict(format!("no thread to push webhooks with: {error}"))
                    })
            })
            .collect()
    }

    /// Asks the threads to end after the deliveries under way.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.rest.1.notify_all();
    }

    fn run(&self) {
        while !self.stopping.load(Ordering::Acquire) {
            let pause = match self.step() {
                Ok(true) => continue,
                Ok(false) => REST,
                Err(error) => {
                    telemetry::webhooks_failed(&error);
                    AFTER_FAILURE
                }
            };
            let mut guard = self.rest.0.lock();
            if !self.stopping.load(Ordering::Acquire) {
                self.rest.1.wait_for(&mut guard, pause);
            }
        }
    }

    /// Puts a batch into the writer's queue. Called under the lock of the slots, so that what is
    /// durable changes in the order of what is in memory; waited for without it.
    fn hand_over(&self, batch: Batch) -> Result<Receiver<Result<(), AppError>>, AppError> {
        let (reply, written) = answer_slot();
        self.writer.submit(Job::Commit {
            batch: Box::new(batch),
            events: Vec::new(),
            reply,
        })?;
        Ok(written)
    }

    /// Endpoints that lag, with by how many positions of their sources.
    pub fn lags(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let (log, decisions) = (
            self.topics.end(Source::Log)?,
            self.topics.end(Source::Decisions)?,
        );
        let slots = self.slots.lock();
        Ok(slots
            .values()
            .filter(|slot| !slot.ready.is_empty() || slot.cursor.head.is_some())
            .map(|slot| {
                let sources = slot.endpoint.spec.sources();
                let lag = sources.iter().map(|source| match source {
                    Source::Log => log.saturating_sub(slot.cursor.log),
                    Source::Decisions => decisions.saturating_sub(slot.cursor.decisions),
                });
                (slot.endpoint.id.clone(), lag.max().unwrap_or(0))
            })
            .collect())
    }
}
