//! The same work without HTTP and in this process: what the engine side alone does, and what a profiler should look at.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tenure_app::call::{Call, CallKind, Name, event_id};
use tenure_app::clock::Clock;
use tenure_app::dispatch::DispatchSettings;
use tenure_app::error::AppError;
use tenure_app::node::{Node, Parts};
use tenure_app::publish::PublishRequest;
use tenure_app::workspace::{ENTROPY_BYTES, Workspace};
use tenure_connectors::{EmailTransport, Outcome, PreparedEmail};
use tenure_core::define::SourceFile;
use tenure_core::log::IdentifierKind;
use tenure_core::time::Timestamp;
use tenure_core::value::Value;
use tenure_store_sqlite::{Options, SqliteStore};

use crate::definitions::{EVENT_NAMES, File, living_plan, new_condition};
use crate::mix::Mix;

/// How many calls go into one job of the log writer, as with the batches of the HTTP load.
const CALLS_PER_JOB: u64 = 100;
/// How many jobs may be unanswered, as with the connections of the HTTP load.
const JOBS_UNDER_WAY: usize = 16;
/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
}

/// Takes every mail at once.
struct Void;

impl EmailTransport for Void {
    fn send(&self, _: &PreparedEmail) -> Outcome {
        Outcome::Accepted {
            response: "250 taken".into(),
            queue_id: None,
        }
    }
}

/// What was measured in process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EngineFigures {
    /// Durable events a second while nothing is defined.
    pub(crate) ingest_eps: f64,
    /// Events a second until lag is zero, with the living plan.
    pub(crate) processed_eps: f64,
    /// Seconds to backfill one new condition over all events of this run.
    pub(crate) backfill_seconds: f64,
    /// How many events that were.
    pub(crate) event_count: u64,
}

/// Measures ingest, processing and backfill on a fresh store in `folder`.
pub(crate) fn measure(folder: &Path, people_count: u64, event_count: u64) -> Result<EngineFigures> {
    let store = SqliteStore::create(folder, Options::default())?;
    Workspace::create(&store, "bench", &[7; ENTROPY_BYTES])?;
    let node = Node::start(Parts {
        store: Arc::new(store),
        clock: Arc::new(SystemClock),
        email: Arc::new(Void),
        dispatch: DispatchSettings::default(),
        cached_subjects: 0,
    })?;
    let mut calls = Calls {
        node: &node,
        mix: Mix::new(1),
        next_id: 0,
    };
    calls.identify_all(people_count)?;
    wait_until_applied(&node);
    let started = Instant::now();
    calls.send(event_count, people_count)?;
    let ingest_eps = event_count as f64 / started.elapsed().as_secs_f64();
    wait_until_applied(&node);
    publish(&node, living_plan())?;
    wait_until_applied(&node);
    let started = Instant::now();
    calls.send(event_count, people_count)?;
    let sent = started.elapsed();
    wait_until_applied(&node);
    eprintln!("sent in {sent:?}, applied after {:?}", started.elapsed());
    let processed_eps = event_count as f64 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    publish(&node, new_condition())?;
    let backfill_seconds = started.elapsed().as_secs_f64();
    node.stop();
    Ok(EngineFigures {
        ingest_eps,
        processed_eps,
        backfill_seconds,
        event_count: node.log_end(),
    })
}

fn publish(node: &Arc<Node>, files: Vec<File>) -> Result<()> {
    let files = files
        .into_iter()
        .map(|file| SourceFile {
            path: file.path,
            text: file.text,
        })
        .collect();
    let request = PublishRequest {
        files,
        author: "bench".into(),
        ..PublishRequest::default()
    };
    match node.publish(&request) {
        Ok(_) => {}
        Err(AppError::Definitions(findings)) => {
            let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
            anyhow::bail!(
                "the definitions of the measurement do not compile:\n{}",
                findings.join("\n")
            );
        }
        Err(error) => return Err(error.into()),
    }
    while !node.live().wait_for_backfill(Duration::from_mins(1)) {}
    Ok(())
}

fn wait_until_applied(node: &Node) {
    while node.lag() > 0 {
        std::thread::sleep(LOOK_EVERY);
    }
}

struct Calls<'a> {
    node: &'a Node,
    mix: Mix,
    next_id: u64,
}

impl Calls<'_> {
    fn call(&mut self, user: u64, kind: CallKind) -> Call {
        self.next_id += 1;
        let salt = self.node.salt();
        Call {
            event_id: event_id(salt, &format!("bench-{:012}", self.next_id)),
            kind,
            user: Some(Name::new(
                salt,
                IdentifierKind::UserId,
                &format!("user-{user:07}"),
            )),
            anonymous: None,
            email: None,
            account: None,
            occurred_at: None,
            historical: false,
        }
    }

    fn identify_all(&mut self, people_count: u64) -> Result<()> {
        self.in_jobs(people_count, |calls, user| {
            let traits: Vec<(Box<str>, Option<Value>)> = vec![
                ("plan".into(), Some("pro".into())),
                ("first_name".into(), Some("Ada".into())),
            ];
            calls.call(user, CallKind::Identify { traits })
        })
    }

    fn send(&mut self, event_count: u64, people_count: u64) -> Result<()> {
        self.in_jobs(event_count, |calls, _| {
            let user = calls.mix.below(people_count);
            let number = calls.mix.next();
            let name = EVENT_NAMES[(number % EVENT_NAMES.len() as u64) as usize];
            let properties = format!(
                r#"{{"feature":"feature-{:02}","total":{},"path":"/reports/weekly","title":"Weekly report of the team","source":"web"}}"#,
                (number >> 8) & 15,
                (number >> 16) & 127
            );
            calls.call(user, CallKind::Track { name: name.into(), properties: properties.into() })
        })
    }

    fn in_jobs(&mut self, count: u64, mut make: impl FnMut(&mut Self, u64) -> Call) -> Result<()> {
        let (done, answers) = sync_channel(JOBS_UNDER_WAY);
        let mut under_way = 0;
        let mut at = 0;
        while at < count || under_way > 0 {
            if at < count && under_way < JOBS_UNDER_WAY {
                let until = (at + CALLS_PER_JOB).min(count);
                let calls: Vec<Call> = (at..until).map(|number| make(self, number)).collect();
                at = until;
                let done = done.clone();
                self.node.writer().ingest(
                    calls,
                    Box::new(move |result| drop(done.send(result.map(drop)))),
                )?;
                under_way += 1;
                continue;
            }
            answers.recv().context("the log writer stopped")??;
            under_way -= 1;
        }
        Ok(())
    }
}
