//! A node: one process's worth of Tenure, put together from ports.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tenure_connectors::EmailTransport;
use tenure_connectors::provider::Network;
use tenure_core::id::{Salt, WorkspaceId};
use tenure_core::log::{Body, PlanVersion, Position, decode};
use tenure_core::time::{HOUR_MS, Timestamp};
use tenure_store::{Batch, Store};

use crate::access::seal::{self, SealingKey};
use crate::access::secret::Random;
use crate::access::{Access, Actor, Change, Principal, PrincipalKind, Registrar, Scopes};
use crate::breakers::BreakerView;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::connectors::{BREAKER_PREFIX, Connectors};
use crate::dispatch::{DispatchSettings, Dispatcher};
use crate::error::AppError;
use crate::idempotency::KeysInHand;
use crate::jobs::{Jobs, SLOTS};
use crate::journal::Journal;
use crate::live::Live;
use crate::receipts::Traffic;
use crate::refusals::Refusals;
use crate::roots::DEFAULT_CACHED_SUBJECTS;
use crate::telemetry;
use crate::topics::Topics;
use crate::webhooks::Webhooks;
use crate::worker::{Step, Worker};
use crate::workspace::Workspace;
use crate::writer::{Writer, WriterHandle};

/// How long the worker rests at most when nothing is due.
const REST_MS: i64 = 60_000;
/// How long it waits after a failure before it starts again.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// Longest time one request to a provider may take.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the store's housekeeping runs.
const MAINTAIN_EVERY: Duration = Duration::from_secs(5);

/// What a node is made of.
pub struct Parts {
    /// The workspace's store.
    pub store: Arc<dyn Store>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Carries e-mail.
    pub email: Arc<dyn EmailTransport>,
    /// How messages are sent.
    pub dispatch: DispatchSettings,
    /// How many subjects are kept in memory; 0 is the default.
    pub cached_subjects: usize,
}

/// One process's worth of Tenure.
pub struct Node {
    me: Weak<Node>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    workspace: Workspace,
    access: Access,
    /// Opens the secrets of connectors.
    sealing: OnceLock<SealingKey>,
    salt: Salt,
    journal: Arc<Journal>,
    writer: WriterHandle,
    live: Arc<Live>,
    topics: Topics,
    webhooks: Arc<Webhooks>,
    dispatcher: Arc<Dispatcher>,
    connectors: Arc<Connectors>,
    jobs: Jobs,
    refusals: Arc<Refusals>,
    /// One publication at a time.
    pub(crate) publishing: Mutex<()>,
    /// One change of a task at a time: it reads before it writes.
    pub(crate) tasks: Mutex<()>,
    /// Idempotency keys whose request is under way.
    pub(crate) keys_in_hand: KeysInHand,
    /// Recent requests for links in messages.
    pub(crate) traffic: Traffic,
    /// The worker, when it runs on the caller's thread.
    worker: Option<Mutex<Worker>>,
    stopping: AtomicBool,
    ready: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Node {
    /// Opens a node and starts its threads.
    pub fn start(parts: Parts) -> Result<Arc<Self>, AppError> {
        let opened = Self::open(parts, false)?;
        let (node, writer, mut worker) = (opened.node, opened.writer, opened.worker);
        let mut threads = Vec::new();
        if let Some(writer) = writer {
            threads.push(spawn("log-writer", move || writer.run())?);
        }
        let Some(worker) = worker.take() else {
            return Err(AppError::Stopping);
        };
        let runner = Arc::clone(&node);
        threads.push(spawn("engine", move || runner.run_worker(worker))?);
        threads.extend(node.dispatcher.start()?);
        threads.extend(node.webhooks.start()?);
        threads.push(node.connectors.start()?);
        let keeper = Arc::clone(&node);
        node.jobs.recover()?;
        for slot in 0..SLOTS {
            let runner = Arc::clone(&node);
            let name = format!("job-{slot}");
            threads.push(spawn(&name, move || runner.jobs.run(&runner))?);
        }
        threads.push(spawn("housekeeping", move || keeper.run_housekeeping())?);
        *node.threads.lock() = threads;
        Ok(node)
    }

    /// Opens a node that works only when it is stepped, on the caller's thread: for the simulator
    /// and for tests.
    pub fn open_inline(parts: Parts) -> Result<Arc<Self>, AppError> {
        let node = Self::open(parts, true)?.node;
        node.jobs.recover()?;
        Ok(node)
    }

    fn open(parts: Parts, inline: bool) -> Result<Opened, AppError> {
        let workspace = Workspace::open(parts.store.as_ref())?;
        let journal = Arc::new(open_journal(parts.store.as_ref())?);
        let (store, clock) = (parts.store, parts.clock);
        let refusals = Arc::new(Refusals::new(workspace.salt()));
        let (writer, handle) = open_writer((&store, &journal, &clock, &refusals), inline);
        let live = Arc::new(Live::default());
        let worker = Worker::open(
            Arc::clone(&store),
            Arc::clone(&journal),
            handle.clone(),
            Arc::clone(&live),
            workspace.salt(),
            cached_subjects(parts.cached_subjects),
        )?;
        let webhook_settings = parts.dispatch.webhooks.clone();
        let ports = (&store, &handle, &clock, &live);
        let connectors = open_connectors(ports, &workspace, &parts.dispatch)?;
        let dispatcher = Arc::new(Dispatcher::new(
            Arc::clone(&store),
            handle.clone(),
            Arc::clone(&live),
            Arc::clone(&clock),
            (parts.email, Arc::clone(&connectors)),
            &workspace,
            parts.dispatch,
        ));
        dispatcher.set_templates(&Catalog::in_force(store.as_ref())?);
        refusals.learn(dispatcher.composer().policy());
        if inline {
            dispatcher.settle_cut_off()?;
        }
        let topics = Topics::new((Arc::clone(&store), Arc::clone(&journal)), &workspace);
        let ports = (Arc::clone(&store), handle.clone(), Arc::clone(&clock));
        let sending = (&webhook_settings, Arc::clone(dispatcher.receivers()));
        let webhooks = Webhooks::open(ports, topics.clone(), sending, &workspace)?;
        let mut worker = Some(worker);
        let inline_worker = worker.take_if(|_| inline).map(Mutex::new);
        let access = Access::open(store.as_ref())?;
        let jobs = Jobs::new(Arc::clone(&store), handle.clone(), Arc::clone(&clock));
        let node = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            store,
            clock,
            salt: workspace.salt(),
            workspace,
            access,
            sealing: OnceLock::new(),
            journal,
            writer: handle,
            live,
            topics,
            webhooks: Arc::new(webhooks),
            dispatcher,
            connectors,
            jobs,
            refusals,
            publishing: Mutex::new(()),
            tasks: Mutex::new(()),
            keys_in_hand: KeysInHand::default(),
            traffic: Traffic::default(),
            worker: inline_worker,
            stopping: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            threads: Mutex::new(Vec::new()),
        });
        Ok(Opened {
            node,
            writer,
            worker,
        })
    }

    /// Stops gracefully: what was accepted is applied as far as it is, states are stored, attempts
    /// under way are finished.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.dispatcher.stop();
        self.webhooks.stop();
        self.connectors.stop();
        self.jobs.stop();
        self.journal.nudge();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // The writer ends when its last handle is gone, with this node.
            if thread.thread().name() != Some("log-writer") {
                drop(thread.join());
            }
        }
        // Jobs are written in order: once this empty one is through, all before it are.
        drop(self.writer.append(Vec::new(), Batch::default()));
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The queue of the log writer.
    pub fn writer(&self) -> &WriterHandle {
        &self.writer
    }

    /// What the threads tell each other.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// What other systems follow.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// What pushes topics to endpoints.
    pub fn webhooks(&self) -> &Arc<Webhooks> {
        &self.webhooks
    }

    /// The breaker of e-mail, and those of all destinations that fail.
    pub fn breakers(&self) -> Vec<BreakerView> {
        let mut all = vec![self.dispatcher.breaker()];
        all.extend(self.webhooks.breakers().list(self.clock.now()));
        all
    }

    /// Closes a breaker by hand; false if there is none of this name that has seen a failure.
    pub fn reset_breaker(&self, name: &str) -> Result<bool, AppError> {
        if self.dispatcher.breaker().name == name {
            self.dispatcher.reset_breaker();
            return Ok(true);
        }
        let is_known = self.webhooks.reset_breaker(name);
        if let Some(connector) = name.strip_prefix(BREAKER_PREFIX) {
            self.connectors.hurry(connector)?;
        }
        Ok(is_known)
    }

    /// Dispatch.
    pub fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.dispatcher
    }

    /// Connectors to CRM, marketing, support and chat systems.
    pub fn connectors(&self) -> &Arc<Connectors> {
        &self.connectors
    }

    /// Work that takes longer than a request.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Runs the next job that is queued, on the caller's thread; false if there is none. For
    /// inline nodes.
    pub fn step_jobs(&self) -> Result<bool, AppError> {
        self.jobs.run_next(self)
    }

    /// The workspace's secret for derived ids.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The workspace.
    pub fn workspace_id(&self) -> WorkspaceId {
        self.workspace.id
    }

    /// The workspace's name.
    pub fn workspace_name(&self) -> &str {
        &self.workspace.name
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether a key may send events.
    pub fn check_write_key(&self, key: &str) -> bool {
        self.workspace.opens_ingest(key)
    }

    /// Whose bearer token this is; `None` if it opens nothing here.
    pub fn authenticate(&self, token: &str) -> Option<Principal> {
        if self.workspace.opens_api(token) {
            return Some(Principal {
                kind: PrincipalKind::Token,
                id: "workspace".to_owned(),
                name: "the workspace's token".to_owned(),
                scopes: Scopes::all(),
                own_accounts_of: None,
            });
        }
        self.access.resolve(token, &self.audience(), self.now())
    }

    /// Writes into the audit trail that something was done; durable when it returns.
    pub fn record_audit(&self, change: Change, by: &Actor) -> Result<(), AppError> {
        let batch = Batch {
            audit: vec![change.by(by)],
            ..Batch::default()
        };
        self.writer.commit(batch, Vec::new())
    }

    /// Who may do what here.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Changes who may do what here, with secrets made from `random`.
    pub fn registrar<'a>(&'a self, random: &'a dyn Random) -> Registrar<'a> {
        Registrar::online(
            (self.store.as_ref(), &self.access),
            &self.writer,
            random,
            self.now(),
            self.audience(),
        )
    }

    /// Gives the key with which secrets of connectors are sealed; the first one counts.
    pub fn unlock(&self, key: SealingKey) {
        // A second key would be another operator's mistake, not a way to change it.
        drop(self.sealing.set(key));
    }

    /// The secret that is kept under a name.
    pub fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, AppError> {
        seal::read(self.store.as_ref(), self.sealing_key()?, name)
    }

    /// Keeps a secret, sealed, under a name.
    pub fn keep_secret(
        &self,
        name: &str,
        secret: &[u8],
        random: &dyn Random,
        by: &Actor,
    ) -> Result<(), AppError> {
        let key = self.sealing_key()?;
        self.registrar(random).keep_secret(key, name, secret, by)
    }

    fn sealing_key(&self) -> Result<&SealingKey, AppError> {
        self.sealing.get().ok_or_else(|| {
            AppError::Conflict(
                "secrets cannot be kept without a key; start the server with TENURE_SECRET_KEY or TENURE_SECRET_KEY_FILE".into(),
            )
        })
    }

    /// Whom access tokens are for: this workspace, and no other.
    fn audience(&self) -> String {
        format!("urn:tenure:workspace:{}", self.workspace.id)
    }

    /// Whether the replay after the start is over.
    pub fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// How many log entries are not yet applied.
    pub fn lag(&self) -> u64 {
        self.journal.log_end().saturating_sub(self.live.applied())
    }

    /// Position of the last log entry.
    pub fn log_end(&self) -> Position {
        self.journal.log_end()
    }

    /// One step of the worker of an inline node.
    pub fn step_worker(&self) -> Result<Step, AppError> {
        let Some(worker) = &self.worker else {
            return Ok(Step::Idle(None));
        };
        let mut worker = worker.lock();
        let step = worker.step(self.clock.now())?;
        self.resume_backfill(&worker)?;
        Ok(step)
    }

    /// Waits until the engine has applied an entry and its output is durable, at most so long;
    /// false if it has not yet. An inline node is stepped.
    pub fn wait_applied(&self, position: Position, at_most: Duration) -> Result<bool, AppError> {
        if self.inline() {
            while self.step_worker()? == Step::Worked {}
            return Ok(true);
        }
        Ok(self.live.wait_for_durable(position, at_most))
    }

    /// Stores all states of an inline node.
    pub fn flush(&self) -> Result<(), AppError> {
        match &self.worker {
            Some(worker) => worker.lock().flush(self.clock.now()),
            None => Ok(()),
        }
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn inline(&self) -> bool {
        self.worker.is_some()
    }

    /// Whether it was asked to stop.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A handle to itself, for its threads.
    pub(crate) fn handle(&self) -> Result<Arc<Self>, AppError> {
        self.me.upgrade().ok_or(AppError::Stopping)
    }

    pub(crate) fn set_templates(&self, catalog: &Catalog) {
        self.dispatcher.set_templates(catalog);
        self.refusals.learn(self.dispatcher.composer().policy());
    }

    fn run_worker(self: Arc<Self>, mut worker: Worker) {
        loop {
            if self.stopping() {
                if let Err(error) = worker.flush(self.clock.now()) {
                    telemetry::worker_failed(&error.to_string());
                }
                return;
            }
            let begun = Instant::now();
            let stepped = catch_unwind(AssertUnwindSafe(|| worker.step(self.clock.now())));
            if matches!(stepped, Ok(Ok(Step::Worked))) {
                telemetry::applied(begun.elapsed().as_secs_f64());
            }
            let result = match stepped {
                Ok(Ok(Step::Worked)) => Ok(()),
                Ok(Ok(Step::Blocked)) => worker.wait_for_commit(),
                Ok(Ok(Step::Idle(next))) => self.rest(&worker, next),
                Ok(Err(error)) => Err(error),
                Err(panic) => {
                    let message = panic_message(panic.as_ref());
                    telemetry::worker_failed(&message);
                    worker.after_panic(self.clock.now(), &message)
                }
            };
            telemetry::worked(
                self.journal.log_end(),
                self.live.applied(),
                worker.cached_subject_count(),
            );
            match result {
                Ok(()) => {}
                Err(AppError::Stopping) => return,
                Err(error) => {
                    telemetry::worker_failed(&error.to_string());
                    self.journal.wait(Position::MAX, AFTER_FAILURE);
                    if let Err(error) = worker.recover() {
                        telemetry::worker_failed(&error.to_string());
                    }
                }
            }
        }
    }

    fn rest(&self, worker: &Worker, next: Option<Timestamp>) -> Result<(), AppError> {
        self.ready.store(true, Ordering::Release);
        self.resume_backfill(worker)?;
        let now = self.clock.now();
        let rest_ms = next.map_or(REST_MS, |at| at.since_ms(now).clamp(1, REST_MS));
        self.journal.wait(
            worker.place().position,
            Duration::from_millis(rest_ms as u64),
        );
        Ok(())
    }

    /// A backfill that a stop cut off begins again.
    fn resume_backfill(&self, worker: &Worker) -> Result<(), AppError> {
        if !worker.awaits_backfill() || self.live.backfill().is_some() {
            return Ok(());
        }
        let plan = worker.plan();
        let Some(position) = find_published(self.store.as_ref(), plan.version)? else {
            return Ok(());
        };
        self.live.begin_backfill(plan.version, position);
        self.spawn_backfill(plan.as_ref().clone(), position)
    }

    fn run_housekeeping(self: Arc<Self>) {
        let mut expire_at = Timestamp(0);
        while !self.stopping() {
            let now = self.clock.now();
            if let Err(error) = self.store.maintain(now) {
                telemetry::commit_failed(&error.to_string());
            }
            if now >= expire_at {
                expire_at = now.plus_ms(HOUR_MS);
                let expired = self
                    .webhooks
                    .expire(now)
                    .and_then(|()| self.expire_keys(now))
                    .and_then(|()| self.jobs.expire(now));
                if let Err(error) = expired.and_then(|()| self.start_risk_jobs()) {
                    telemetry::upkeep_failed(&error);
                }
            }
            self.dispatcher.rest(MAINTAIN_EVERY);
        }
    }
}

/// How many subjects are kept in memory when `asked` are asked for.
fn cached_subjects(asked: usize) -> usize {
    match asked {
        0 => DEFAULT_CACHED_SUBJECTS,
        asked => asked,
    }
}

/// The connectors of a workspace; they reach what webhooks reach.
fn open_connectors(
    (store, writer, clock, live): (&Arc<dyn Store>, &WriterHandle, &Arc<dyn Clock>, &Arc<Live>),
    workspace: &Workspace,
    settings: &DispatchSettings,
) -> Result<Arc<Connectors>, AppError> {
    let network = Network {
        reach: settings.webhooks.reach,
        timeout: PROVIDER_TIMEOUT,
    };
    Connectors::open(
        (Arc::clone(store), writer.clone(), Arc::clone(clock)),
        Arc::clone(live),
        workspace.salt(),
        network,
    )
    .map(Arc::new)
}

struct Opened {
    node: Arc<Node>,
    writer: Option<Writer>,
    worker: Option<Worker>,
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, AppError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| AppError::Conflict(format!("no thread for {name}: {error}")))
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the engine failed: {}", text.unwrap_or("no message"))
}

type WriterPorts<'a> = (
    &'a Arc<dyn Store>,
    &'a Arc<Journal>,
    &'a Arc<dyn Clock>,
    &'a Arc<Refusals>,
);

/// The writer, unless it runs on the caller's thread, and the handle to it.
fn open_writer(
    (store, journal, clock, refusals): WriterPorts<'_>,
    inline: bool,
) -> (Option<Writer>, WriterHandle) {
    let (writer, handle) = Writer::new(
        Arc::clone(store),
        Arc::clone(journal),
        Arc::clone(clock),
        Arc::clone(refusals),
    );
    if inline {
        (None, handle.run_inline(writer))
    } else {
        (Some(writer), handle)
    }
}

/// A journal from which no entry is stamped before what was applied.
fn open_journal(store: &dyn Store) -> Result<Journal, AppError> {
    let end = store.log_end()?;
    let floor = last_received(store, end)?.max(store.progress()?.applied.at);
    Ok(Journal::new(end, floor))
}

/// When the last entry was received.
fn last_received(store: &dyn Store, end: Position) -> Result<Timestamp, AppError> {
    let chunks = if end == 0 {
        Vec::new()
    } else {
        store.read_log(end, 1, None)?
    };
    Ok(chunks
        .first()
        .map_or(Timestamp(0), |chunk| chunk.received_at))
}

/// Where a plan was published.
pub(crate) fn find_published(
    store: &dyn Store,
    version: PlanVersion,
) -> Result<Option<Position>, AppError> {
    let mut from = 1;
    loop {
        let chunks = store.read_log(from, 4 * 1024 * 1024, None)?;
        let Some(last) = chunks.last() else {
            return Ok(None);
        };
        let next = last.first + u64::from(last.count);
        for chunk in &chunks {
            for entry in decode(chunk.first, &chunk.bytes).flatten() {
                if matches!(&entry.body, Body::Published(published) if published.plan == version) {
                    return Ok(Some(entry.position));
                }
            }
        }
        from = next;
    }
}
