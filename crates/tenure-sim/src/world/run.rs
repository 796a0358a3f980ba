//! Running one seed: ticks of deeds, time and work, with crashes; then peace, and the last checks.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use rand::Rng;
use tenure_app::clock::Clock;
use tenure_app::dispatch::DispatchSettings;
use tenure_app::error::AppError;
use tenure_app::node::{Node, Parts};
use tenure_app::publish::PublishRequest;
use tenure_app::worker::Step;
use tenure_app::workspace::{ENTROPY_BYTES, Workspace};
use tenure_core::id::{PersonId, SubjectId};
use tenure_core::time::{DAY_MS, HOUR_MS, Timestamp};
use tenure_store::Store;
use tenure_store::row::MessageState;

use super::clock::VirtualClock;
use super::definitions::{PROGRAMS, version};
use super::mail::FaultyMail;
use super::model::Model;
use super::recompute::{differences, messages};
use super::rules;
use super::store::{Cut, FaultyStore};
use super::work::{Deed, Work};

/// What every simulated workspace's secrets are made of.
pub const ENTROPY: [u8; ENTROPY_BYTES] = [7; ENTROPY_BYTES];
/// Commits between two crashes, at most.
const CRASH_WITHIN_COMMITS: u64 = 60;
/// How often one deed is tried again after crashes.
const TRIES: usize = 40;
/// How many steps a node may take before it has to come to rest.
const STEPS_TO_REST: usize = 20_000;
/// Days of peace at the end.
const PEACE_DAYS: usize = 12;
/// How much of the trace a failure shows, in lines.
const TRACE_LINES: usize = 40;
/// Instants from which seeds start: shortly before clocks change in New York (8 March and
/// 1 November 2026) and in Berlin (29 March and 25 October).
const STARTS: [&str; 4] = [
    "2026-03-05T09:00:00Z",
    "2026-03-26T18:00:00Z",
    "2026-10-22T07:00:00Z",
    "2026-10-29T20:00:00Z",
];

/// A seed under which everything held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Of all that was stored and sent; the same seed gives the same.
    pub trace_hash: String,
    /// How often the node died.
    pub crash_count: usize,
    /// Entries of the log.
    pub entry_count: u64,
    /// Messages decided.
    pub message_count: usize,
    /// Attempts at them.
    pub attempt_count: usize,
    /// Commits asked for.
    pub commit_count: u64,
}

/// A seed under which something did not hold.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The tick.
    pub tick: usize,
    /// What did not hold.
    pub broken: Vec<String>,
    /// What happened last.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, tick) = (self.seed, self.tick);
        writeln!(f, "seed {seed}, tick {tick}:")?;
        for line in &self.broken {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "what happened before:")?;
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        write!(
            f,
            "again: cargo run -p tenure-sim --example simulate -- --seed {seed}"
        )
    }
}

impl std::error::Error for Failure {}

type Trace = Arc<Mutex<(usize, Vec<String>)>>;

/// Runs one seed for so many ticks.
pub fn simulate(seed: u64, ticks: usize) -> Result<Report, Failure> {
    let trace = Trace::default();
    let run = || World::new(seed, &trace)?.run(ticks);
    let result = catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(vec![format!("panic: {}", words(panic.as_ref()))]));
    result.map_err(|broken| {
        let trace = trace.lock();
        let skipped = trace.1.len().saturating_sub(TRACE_LINES);
        Failure {
            seed,
            tick: trace.0,
            broken,
            trace: trace.1[skipped..].to_vec(),
        }
    })
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without words")
}

type Broken = Vec<String>;

fn error(error: &AppError) -> Broken {
    match error {
        AppError::Definitions(findings) => findings.iter().map(ToString::to_string).collect(),
        other => vec![other.to_string()],
    }
}

struct World {
    store: Arc<FaultyStore>,
    clock: Arc<VirtualClock>,
    mail: Arc<FaultyMail>,
    node: Option<Arc<Node>>,
    work: Work,
    model: Model,
    cached_subjects: usize,
    crashes: bool,
    crash_count: usize,
    attempts_seen: usize,
    latest: Timestamp,
    trace: Trace,
}

impl World {
    fn new(seed: u64, trace: &Trace) -> Result<Self, Broken> {
        let store = Arc::new(FaultyStore::new());
        Workspace::create(store.as_ref(), "simulated", &ENTROPY).map_err(|e| error(&e))?;
        let salt = Workspace::open(store.as_ref())
            .map_err(|e| error(&e))?
            .salt();
        let start = STARTS[(seed % STARTS.len() as u64) as usize];
        let start = Timestamp::parse(start).unwrap_or_default();
        let clock = Arc::new(VirtualClock::at(start));
        let mail = FaultyMail::new(Arc::clone(&store), Arc::clone(&clock), seed);
        let mut world = Self {
            store,
            clock,
            mail: Arc::new(mail),
            node: None,
            work: Work::new(seed, salt),
            model: Model::default(),
            // Small enough in some seeds that people are forgotten and fetched all the time.
            cached_subjects: if seed.is_multiple_of(3) { 3 } else { 0 },
            crashes: seed % 5 != 4,
            crash_count: 0,
            attempts_seen: 0,
            latest: start,
            trace: Arc::clone(trace),
        };
        world.open()?;
        Ok(world)
    }

    fn run(mut self, ticks: usize) -> Result<Report, Broken> {
        let introductions = self.work.introductions();
        if self.work.rng().random_bool(0.5) {
            self.act(&Deed::Publish(0, std::collections::BTreeMap::new()))?;
        }
        self.act(&Deed::Calls(introductions))?;
        self.act(&Deed::Publish(0, std::collections::BTreeMap::new()))?;
        for tick in 1..=ticks {
            self.trace.lock().0 = tick;
            self.tick()?;
        }
        self.make_peace()?;
        self.last_checks()?;
        Ok(self.report())
    }

    fn tick(&mut self) -> Result<(), Broken> {
        let pass_ms = self.work.pass_ms();
        self.pass(pass_ms);
        for _ in 0..self.work.rng().random_range(0..3) {
            let deed = self.work.deed(self.clock.now());
            self.act(&deed)?;
        }
        // At times the worker or the outbox lags behind.
        let steps = match self.work.rng().random_range(0..6) {
            0 => 0,
            1 => self.work.rng().random_range(1..8),
            _ => STEPS_TO_REST,
        };
        self.work_off(steps)?;
        let witness = self.store.witness().lock();
        let broken = rules::arrivals(&self.model, &witness, &self.mail.attempts_since(0));
        hold(broken)
    }

    fn pass(&mut self, ms: i64) {
        self.clock.pass(ms);
        self.latest = self.latest.max(self.clock.now());
        self.note(format!("clock {ms:+} ms to {}", self.clock.now()));
    }

    fn note(&self, line: String) {
        self.store.witness().lock().hasher.update(line.as_bytes());
        self.trace.lock().1.push(line);
    }

    /// Opens the node, as often as it takes.
    fn open(&mut self) -> Result<(), Broken> {
        for _ in 0..TRIES {
            self.node = None;
            self.store.restore_power();
            if self.crashes {
                let after = self.work.rng().random_range(0..CRASH_WITHIN_COMMITS);
                let before = self.work.rng().random_bool(0.5);
                let cut = if before { Cut::Before } else { Cut::After };
                self.store.cut_after(after, cut);
            }
            let parts = Parts {
                store: Arc::clone(&self.store) as _,
                clock: Arc::clone(&self.clock) as _,
                email: Arc::clone(&self.mail) as _,
                dispatch: DispatchSettings {
                    webhook_transport: Some(Arc::clone(&self.mail) as _),
                    ..DispatchSettings::default()
                },
                cached_subjects: self.cached_subjects,
            };
            match Node::open_inline(parts) {
                Ok(node) if !self.store.is_down() => {
                    self.node = Some(node);
                    return Ok(());
                }
                Ok(_) | Err(_) if self.store.is_down() => self.crash_count += 1,
                Ok(_) => {}
                Err(e) => return Err(error(&e)),
            }
        }
        Err(vec!["the node does not come up".into()])
    }

    fn crashed(&mut self, during: &str) -> Result<(), Broken> {
        self.crash_count += 1;
        self.note(format!("power cut during {during}"));
        self.judge_attempts()?;
        self.open()
    }

    fn node(&self) -> Result<Arc<Node>, Broken> {
        self.node
            .clone()
            .ok_or_else(|| vec!["there is no node".into()])
    }

    /// Does a deed; whoever does it tries again after a crash, as senders and operators do.
    fn act(&mut self, deed: &Deed) -> Result<(), Broken> {
        self.note(format!("{deed:?}"));
        if matches!(deed, Deed::Publish(..)) {
            // A publication waits for the backfill of the one before, which this thread does.
            self.work_off(STEPS_TO_REST)?;
        }
        for _ in 0..TRIES {
            let node = self.node()?;
            let result = self.perform(&node, deed);
            drop(node);
            if self.store.is_down() {
                self.crashed("a deed")?;
                if matches!(deed, Deed::PowerCut | Deed::Restart) {
                    return Ok(());
                }
                continue;
            }
            return match result {
                Ok(()) => {
                    self.believe(deed);
                    Ok(())
                }
                Err(AppError::NotFound { .. } | AppError::Conflict(_)) => Ok(()),
                Err(e) => Err(error(&e)),
            };
        }
        Err(vec![format!("no end of crashes during {deed:?}")])
    }

    fn perform(&mut self, node: &Node, deed: &Deed) -> Result<(), AppError> {
        match deed {
            Deed::Calls(calls) => node.writer().ingest_and_wait(calls.clone()).map(drop),
            Deed::Publish(number, choices) => {
                let request = PublishRequest {
                    files: version(*number),
                    prune: true,
                    on_publish: choices.clone(),
                    author: "simulated".into(),
                    ..PublishRequest::default()
                };
                node.publish(&request).map(drop)
            }
            Deed::Pause(program, paused) => node.pause(program, *paused),
            Deed::Enroll(person) => {
                let subject = SubjectId::Person(self.present(*person));
                node.enroll("follow-up", subject, None, &serde_json::Map::new())
            }
            Deed::Remove(program, person) => {
                node.remove(program, SubjectId::Person(self.present(*person)))
            }
            Deed::Broadcast => node.broadcast("announce").map(drop),
            Deed::Consent(person, topic, on) => node.consent(self.present(*person), *topic, *on),
            Deed::Suppress(person, on) => node.suppress(self.present(*person), *on, "by hand"),
            Deed::Resend => self.resend(node),
            Deed::Restart => {
                node.flush()?;
                self.node = None;
                self.store.cut_now();
                Ok(())
            }
            Deed::PowerCut => {
                self.store.cut_now();
                Ok(())
            }
            Deed::Flush => node.flush(),
            Deed::Maintain => Ok(node.store().maintain(self.clock.now())?),
        }
    }

    fn present(&self, person: PersonId) -> PersonId {
        super::model::present_person(self.store.data(), person)
    }

    fn resend(&mut self, node: &Node) -> Result<(), AppError> {
        for message in messages(self.store.data())? {
            if message.state == MessageState::Unknown {
                *self.model.resends.entry(message.intent.id).or_default() += 1;
                node.resend(message.intent.id)?;
            }
        }
        Ok(())
    }

    /// What was acknowledged is what the node is judged by.
    fn believe(&mut self, deed: &Deed) {
        let data = self.store.data();
        match deed {
            Deed::Calls(calls) => {
                let tracked = calls
                    .iter()
                    .filter(|call| matches!(call.kind, tenure_app::call::CallKind::Track { .. }));
                let ids = tracked.map(|call| call.event_id);
                self.model.acknowledged.extend(ids);
            }
            Deed::Consent(person, topic, on) => self.model.choose(data, *person, *topic, *on),
            Deed::Suppress(person, on) => {
                self.model.suppress(data, self.work.salt(), *person, *on);
            }
            _ => {}
        }
    }

    /// Lets worker and outbox work until they rest, or for so many steps.
    fn work_off(&mut self, steps: usize) -> Result<(), Broken> {
        for _ in 0..steps {
            let node = self.node()?;
            let worked = node.step_worker();
            let sent = match &worked {
                Ok(_) if !self.store.is_down() => node.dispatcher().step(20),
                _ => Ok(0),
            };
            drop(node);
            if self.store.is_down() {
                self.crashed("work")?;
                continue;
            }
            self.judge_attempts()?;
            let worked = worked.map_err(|e| error(&e))? == Step::Worked;
            let sent = sent.map_err(|e| error(&e))?;
            if !worked && sent == 0 {
                return Ok(());
            }
        }
        if steps < STEPS_TO_REST {
            return Ok(());
        }
        Err(vec!["the node does not come to rest".into()])
    }

    fn judge_attempts(&mut self) -> Result<(), Broken> {
        let new = self.mail.attempts_since(self.attempts_seen);
        self.attempts_seen += new.len();
        for attempt in &new {
            self.note(format!("{attempt:?}"));
        }
        let witness = self.store.witness().lock();
        let data = self.store.data();
        hold(rules::attempts(&mut self.model, data, &witness, &new))
    }

    /// Faults stop, everything that rests goes on, time passes.
    fn make_peace(&mut self) -> Result<(), Broken> {
        self.crashes = false;
        self.store.behave();
        self.mail.behave();
        let back_ms = self.latest.since_ms(self.clock.now());
        self.pass(back_ms + HOUR_MS);
        for program in PROGRAMS {
            self.act(&Deed::Pause(program, false))?;
        }
        for _ in 0..PEACE_DAYS {
            self.pass(DAY_MS);
            self.work_off(STEPS_TO_REST)?;
        }
        Ok(())
    }

    fn last_checks(&mut self) -> Result<(), Broken> {
        let node = self.node()?;
        if node.lag() > 0 {
            return Err(vec![format!("{} entries are not applied", node.lag())]);
        }
        if node
            .live()
            .backfill()
            .is_some_and(|progress| !progress.done)
        {
            return Err(vec!["the backfill does not end".into()]);
        }
        node.flush().map_err(|e| error(&e))?;
        let data = self.store.data();
        let witness = self.store.witness().lock();
        let attempts = self.mail.attempts_since(0);
        let mut broken = rules::arrivals(&self.model, &witness, &attempts);
        broken.extend(rules::policy(&witness));
        let checks = || -> Result<Broken, AppError> {
            let mut broken = rules::log(&self.model, data)?;
            broken.extend(rules::reached(data, &witness)?);
            broken.extend(rules::doubts(data, &witness, &attempts)?);
            broken.extend(rules::stuck(data, self.clock.now())?);
            broken.extend(differences(data, data.progress()?.checkpoint.at)?);
            Ok(broken)
        };
        broken.extend(checks().map_err(|e| error(&e))?);
        hold(broken)
    }

    fn report(&self) -> Report {
        let witness = self.store.witness().lock();
        Report {
            trace_hash: witness.hasher.finalize().to_hex().to_string(),
            crash_count: self.crash_count,
            entry_count: self.store.log_end().unwrap_or(0),
            message_count: witness.intents.len(),
            attempt_count: self.attempts_seen,
            commit_count: self.store.commit_count(),
        }
    }
}

fn hold(broken: Broken) -> Result<(), Broken> {
    if broken.is_empty() {
        Ok(())
    } else {
        Err(broken)
    }
}
