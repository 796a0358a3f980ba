//! The log writer: the only place that writes to the store. It takes what waits in its queue,
//! makes one batch of it, commits once (one fsync for many requests), and answers everybody.
//!
//! Nothing twice: an event id that was committed before is counted and left out. Nothing lost: an
//! answer is given only after the commit.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use parking_lot::Mutex;
use tenure_core::effect::EmittedEvent;
use tenure_core::id::{EventId, SubjectId};
use tenure_core::log::{Body, Event, Position, encode};
use tenure_core::time::{MIN_TIMESTAMP, Timestamp};
use tenure_store::row::Chunk;
use tenure_store::{Batch, Store, StoreError};

use crate::access::audit::Chain;
use crate::call::Call;
use crate::clock::Clock;
use crate::error::AppError;
use crate::identity::{Resolved, Resolver};
use crate::journal::Journal;
use crate::refusals::Refusals;
use crate::telemetry;

/// How many jobs may wait.
const QUEUE_JOBS: usize = 4_096;
/// How many bytes of calls may wait before senders are told to come back.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// How much goes into one commit, in entries.
const COMMIT_ENTRIES: usize = 20_000;

/// Answers a job, once.
pub type Reply<T> = Box<dyn FnOnce(Result<T, AppError>) + Send>;

/// What the writer is asked to do.
pub enum Job {
    /// Take calls: resolve, append.
    Ingest {
        /// What was told.
        calls: Vec<Call>,
        /// Told how many were new.
        reply: Reply<Ingested>,
    },
    /// Append entries as they are.
    Append {
        /// In order.
        entries: Vec<Body<'static>>,
        /// What is written in the same commit; a plan's time is set to the entries' time.
        batch: Box<Batch>,
        /// Told the position of the last.
        reply: Reply<Position>,
    },
    /// Commit what the engine or dispatch produced.
    Commit {
        /// What to write; its `chunk` must be empty.
        batch: Box<Batch>,
        /// Events to append, unless their ids are known.
        events: Vec<EmittedEvent>,
        /// Told when durable.
        reply: Reply<()>,
    },
}

impl Job {
    fn weight(&self) -> usize {
        match self {
            Self::Ingest { calls, .. } => calls.len(),
            Self::Append { entries, .. } => entries.len(),
            Self::Commit { batch, events, .. } => {
                1 + events.len()
                    + batch
                        .checkpoint
                        .as_ref()
                        .map_or(0, |part| part.states.len())
            }
        }
    }
}

/// What became of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ingested {
    /// New ones, now durable.
    pub accepted_count: usize,
    /// Repeats of a message id: counted once, ignored now.
    pub duplicate_count: usize,
}

/// Puts jobs into the writer's queue. Cheap to clone.
#[derive(Clone)]
pub struct WriterHandle {
    jobs: SyncSender<Job>,
    queued_bytes: Arc<AtomicUsize>,
    queued_jobs: Arc<AtomicUsize>,
    /// The writer, when it runs on the caller's thread (in the simulator).
    inline: Option<Arc<Mutex<Writer>>>,
}

impl WriterHandle {
    /// Hands over calls, or says to come back when too much waits already.
    pub fn ingest(&self, calls: Vec<Call>, reply: Reply<Ingested>) -> Result<(), AppError> {
        let bytes: usize = calls.iter().map(Call::weight_bytes).sum();
        if self.queued_bytes.fetch_add(bytes, Ordering::Relaxed) > QUEUE_BYTES {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(AppError::Busy);
        }
        let queued = Arc::clone(&self.queued_bytes);
        let reply: Reply<Ingested> = Box::new(move |result| {
            queued.fetch_sub(bytes, Ordering::Relaxed);
            reply(result);
        });
        self.queued_jobs.fetch_add(1, Ordering::Relaxed);
        self.jobs
            .try_send(Job::Ingest { calls, reply })
            .inspect_err(|_| {
                self.queued_jobs.fetch_sub(1, Ordering::Relaxed);
            })
            .map_err(|error| match error {
                TrySendError::Full(job) => {
                    if let Job::Ingest { reply, .. } = job {
                        reply(Err(AppError::Busy));
                    }
                    AppError::Busy
                }
                TrySendError::Disconnected(_) => AppError::Stopping,
            })?;
        if let Some(writer) = &self.inline {
            writer.lock().step();
        }
        Ok(())
    }

    /// Hands over any job, waiting for room in the queue.
    pub fn submit(&self, job: Job) -> Result<(), AppError> {
        self.queued_jobs.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(job).map_err(|_| AppError::Stopping)?;
        if let Some(writer) = &self.inline {
            writer.lock().step();
        }
        Ok(())
    }

    /// A handle whose jobs are written at once, on the caller's thread.
    #[must_use]
    pub fn run_inline(self, writer: Writer) -> Self {
        Self {
            inline: Some(Arc::new(Mutex::new(writer))),
            ..self
        }
    }

    /// Appends entries and waits until they are durable.
    pub fn append(&self, entries: Vec<Body<'static>>, batch: Batch) -> Result<Position, AppError> {
        let (reply, answer) = answer_slot();
        self.submit(Job::Append {
            entries,
            batch: Box::new(batch),
            reply,
        })?;
        answer.recv().map_err(|_| AppError::Stopping)?
    }

    /// Takes calls and waits until they are durable.
    pub fn ingest_and_wait(&self, calls: Vec<Call>) -> Result<Ingested, AppError> {
        let (reply, answer) = answer_slot();
        self.submit(Job::Ingest { calls, reply })?;
        answer.recv().map_err(|_| AppError::Stopping)?
    }

    /// Commits a batch and waits until it is durable.
    pub fn commit(&self, batch: Batch, events: Vec<EmittedEvent>) -> Result<(), AppError> {
        let (reply, answer) = answer_slot();
        self.submit(Job::Commit {
            batch: Box::new(batch),
            events,
            reply,
        })?;
        answer.recv().map_err(|_| AppError::Stopping)?
    }
}

/// A reply that can be waited for.
pub fn answer_slot<T: Send + 'static>() -> (Reply<T>, Receiver<Result<T, AppError>>) {
    let (sender, receiver) = sync_channel(1);
    (Box::new(move |result| drop(sender.send(result))), receiver)
}

/// The writer itself.
pub struct Writer {
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    resolver: Resolver,
    refusals: Arc<Refusals>,
    audit: Chain,
    jobs: Receiver<Job>,
    queued_jobs: Arc<AtomicUsize>,
}

enum Answer {
    Ingested(Reply<Ingested>, Ingested),
    Appended(Reply<Position>, usize),
    Committed(Reply<()>),
}

#[derive(Default)]
struct Draft {
    bytes: Vec<u8>,
    count: u32,
    occurred_until: Option<Timestamp>,
    batch: Batch,
    answers: Vec<Answer>,
}

impl Writer {
    /// A writer over a store, and the handle to its queue.
    pub fn new(
        store: Arc<dyn Store>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        refusals: Arc<Refusals>,
    ) -> (Self, WriterHandle) {
        let (sender, jobs) = sync_channel(QUEUE_JOBS);
        let queued_jobs = Arc::new(AtomicUsize::new(0));
        let handle = WriterHandle {
            jobs: sender,
            queued_bytes: Arc::new(AtomicUsize::new(0)),
            queued_jobs: Arc::clone(&queued_jobs),
            inline: None,
        };
        (
            Self {
                store,
                journal,
                clock,
                resolver: Resolver::default(),
                refusals,
                audit: Chain::default(),
                jobs,
                queued_jobs,
            },
            handle,
        )
    }

    /// Works until all handles are gone.
    pub fn run(mut self) {
        while let Ok(first) = self.jobs.recv() {
            let mut jobs = vec![first];
            self.take_waiting(&mut jobs);
            self.write(jobs);
        }
    }

    /// Writes what waits now, without waiting for more; false if nothing did. For callers that
    /// drive the writer themselves.
    pub fn step(&mut self) -> bool {
        let mut jobs = Vec::new();
        self.take_waiting(&mut jobs);
        let any = !jobs.is_empty();
        if any {
            self.write(jobs);
        }
        any
    }

    fn take_waiting(&mut self, jobs: &mut Vec<Job>) {
        let mut weight: usize = jobs.iter().map(Job::weight).sum();
        while weight < COMMIT_ENTRIES {
            let Ok(job) = self.jobs.try_recv() else { break };
            weight += job.weight();
            jobs.push(job);
        }
    }

    fn write(&mut self, jobs: Vec<Job>) {
        let before = self.queued_jobs.fetch_sub(jobs.len(), Ordering::Relaxed);
        telemetry::queued(before.saturating_sub(jobs.len()));
        let begun = Instant::now();
        let (before, stamp) = self.journal.begin(self.clock.now());
        let mut draft = Draft::default();
        let result = self.draft(jobs, stamp, &mut draft).and_then(|()| {
            let chunk = (draft.count > 0).then(|| Chunk {
                first: before + 1,
                count: draft.count,
                received_at: stamp,
                occurred_until: draft.occurred_until.unwrap_or(MIN_TIMESTAMP),
                bytes: std::mem::take(&mut draft.bytes),
            });
            if chunk.is_none() {
                // Calls that change nothing leave no entry; repeats of them change nothing either.
                draft.batch.seen.clear();
            }
            draft.batch.chunk = chunk;
            self.audit
                .link(self.store.as_ref(), &mut draft.batch.audit, stamp)?;
            self.store.commit(&draft.batch)
        });
        match result {
            Ok(()) => {
                telemetry::committed(draft.count, begun.elapsed().as_secs_f64());
                self.journal.end(draft.batch.chunk.take());
                if !draft.batch.erased.is_empty() {
                    // Names that were bound a moment ago are unknown now.
                    self.resolver.forget();
                }
                for answer in draft.answers {
                    answer.settle(before);
                }
            }
            Err(error) => {
                telemetry::commit_failed(&error.to_string());
                self.journal.end(None);
                self.resolver.forget();
                self.audit.forget();
                let error = Arc::new(error);
                for answer in draft.answers {
                    answer.fail(&error);
                }
            }
        }
    }

    fn draft(
        &mut self,
        jobs: Vec<Job>,
        stamp: Timestamp,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        let known = self.known_ids(&jobs);
        let mut known = match known {
            Ok(known) => known,
            Err(error) => {
                draft
                    .answers
                    .extend(jobs.into_iter().map(Answer::unsettled));
                return Err(error);
            }
        };
        let mut failure = None;
        for job in jobs {
            if failure.is_some() {
                draft.answers.push(Answer::unsettled(job));
                continue;
            }
            if let Err(error) = self.draft_job(job, stamp, draft, &mut known) {
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Which event ids of the jobs are in the log already; also warms the identity caches.
    fn known_ids(&mut self, jobs: &[Job]) -> Result<HashSet<EventId>, StoreError> {
        let mut ids = Vec::new();
        for job in jobs {
            match job {
                Job::Ingest { calls, .. } => ids.extend(calls.iter().map(|call| call.event_id)),
                Job::Commit { events, .. } => ids.extend(events.iter().map(|event| event.id)),
                Job::Append { .. } => {}
            }
        }
        let seen = self.store.seen(&ids)?;
        let known = ids
            .iter()
            .zip(seen)
            .filter_map(|(id, seen)| seen.then_some(*id))
            .collect();
        let calls = jobs.iter().flat_map(|job| match job {
            Job::Ingest { calls, .. } => calls.as_slice(),
            _ => &[],
        });
        self.resolver.prepare(self.store.as_ref(), calls)?;
        Ok(known)
    }

    fn draft_calls(
        &mut self,
        calls: Vec<Call>,
        reply: Reply<Ingested>,
        stamp: Timestamp,
        draft: &mut Draft,
        known: &mut HashSet<EventId>,
    ) -> Result<(), StoreError> {
        let mut resolved = Resolved::default();
        let mut ingested = Ingested::default();
        let mut result = Ok(());
        for call in calls {
            if !known.insert(call.event_id) {
                ingested.duplicate_count += 1;
                continue;
            }
            ingested.accepted_count += 1;
            draft.batch.seen.push(call.event_id);
            result = self
                .resolver
                .resolve(self.store.as_ref(), call, stamp, &mut resolved);
            if result.is_err() {
                break;
            }
        }
        draft.batch.identities.append(&mut resolved.identities);
        draft.batch.persons.append(&mut resolved.persons);
        for entry in &resolved.entries {
            if let (Body::Merge(both), Ok(())) = (entry, &result) {
                let changes = &mut draft.batch.suppressions;
                result = self.refusals.merge(self.store.as_ref(), both, changes);
            }
            draft.append(stamp, entry);
        }
        telemetry::ingested(ingested.accepted_count, ingested.duplicate_count);
        draft.answers.push(Answer::Ingested(reply, ingested));
        result
    }

    fn draft_entries(
        &mut self,
        entries: &mut [Body<'static>],
        stamp: Timestamp,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        let store = self.store.as_ref();
        for entry in entries {
            self.resolver.readdress(store, entry)?;
            if let Body::Command(command) = entry {
                let changes = &mut draft.batch.suppressions;
                self.refusals.command(store, command, stamp, changes)?;
            }
            draft.append(stamp, entry);
        }
        Ok(())
    }

    fn draft_job(
        &mut self,
        job: Job,
        stamp: Timestamp,
        draft: &mut Draft,
        known: &mut HashSet<EventId>,
    ) -> Result<(), StoreError> {
        match job {
            Job::Ingest { calls, reply } => self.draft_calls(calls, reply, stamp, draft, known),
            Job::Append {
                mut entries,
                mut batch,
                reply,
            } => {
                let found = self.draft_entries(&mut entries, stamp, draft);
                if let Some(plan) = &mut batch.plan {
                    plan.published_at = stamp;
                }
                draft.batch.absorb(*batch);
                draft
                    .answers
                    .push(Answer::Appended(reply, draft.count as usize));
                found
            }
            Job::Commit {
                batch,
                events,
                reply,
            } => {
                let mut result = Ok(());
                for mut event in events.into_iter().filter(|event| known.insert(event.id)) {
                    if let SubjectId::Person(person) = event.subject {
                        match self.resolver.whereabouts(self.store.as_ref(), person) {
                            Ok((person, home)) => {
                                (event.subject, event.account) = (SubjectId::Person(person), home);
                            }
                            Err(error) => result = Err(error),
                        }
                    }
                    draft.batch.seen.push(event.id);
                    draft.append(stamp, &Body::Event(emitted(event, stamp)));
                }
                draft.batch.absorb(*batch);
                draft.answers.push(Answer::Committed(reply));
                result
            }
        }
    }
}

fn emitted(event: EmittedEvent, stamp: Timestamp) -> Event<'static> {
    Event {
        id: event.id,
        person: event.subject.person(),
        account: match event.subject {
            SubjectId::Account(account) => Some(account),
            SubjectId::Person(_) => event.account,
        },
        occurred_at: event.occurred_at.min(stamp),
        historical: false,
        name: String::from(event.name).into(),
        properties: String::from(event.properties).into(),
    }
}

impl Draft {
    fn append(&mut self, stamp: Timestamp, body: &Body<'_>) {
        if let Body::Event(event) = body {
            self.occurred_until = self.occurred_until.max(Some(event.occurred_at));
        }
        encode(stamp, body, &mut self.bytes);
        self.count += 1;
    }
}

impl Answer {
    fn unsettled(job: Job) -> Self {
        match job {
            Job::Ingest { reply, .. } => Self::Ingested(reply, Ingested::default()),
            Job::Append { reply, .. } => Self::Appended(reply, 0),
            Job::Commit { reply, .. } => Self::Committed(reply),
        }
    }

    fn settle(self, before: Position) {
        match self {
            Self::Ingested(reply, ingested) => reply(Ok(ingested)),
            Self::Appended(reply, count) => reply(Ok(before + count as u64)),
            Self::Committed(reply) => reply(Ok(())),
        }
    }

    fn fail(self, error: &Arc<StoreError>) {
        let error = AppError::Store(Arc::clone(error));
        match self {
            Self::Ingested(reply, _) => reply(Err(error)),
            Self::Appended(reply, _) => reply(Err(error)),
            Self::Committed(reply) => reply(Err(error)),
        }
    }
}
