use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value as Json, json};
use tenure_connectors::{EmailTransport, Outcome, PreparedEmail};
use tenure_core::time::Timestamp;
use tenure_store::audit::AuditFilter;
use tenure_store::memory::MemoryStore;
use tenure_store::{Page, Store};

use super::{Job, JobFilter, JobKind, JobRun, JobState, KEPT_MS};
use crate::access::Actor;
use crate::clock::Clock;
use crate::dispatch::DispatchSettings;
use crate::error::AppError;
use crate::node::{Node, Parts};
use crate::workspace::{ENTROPY_BYTES, Workspace};

/// Counts to `to`; stops the node on the way at `stop_at`, cancels itself at `cancel_at`.
pub(super) struct Count;

impl JobKind for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn run(&self, node: &Node, job: &JobRun<'_>) -> Result<Json, AppError> {
        let to = job.input()["to"].as_u64().unwrap();
        let first = job.mark().as_u64().unwrap_or(0);
        for n in first..to {
            let is = |name: &str| job.input()[name].as_u64() == Some(n);
            if is("stop_at") && first == 0 {
                node.jobs().stop();
            }
            if is("cancel_at") {
                node.jobs().cancel(job.id(), &Actor::command())?;
            }
            assert!(!is("panic_at"), "as asked");
            job.progress(n, Some(to))?;
            job.set_mark(json!(n + 1))?;
        }
        if to == 13 {
            return Err(AppError::Conflict(
                "13 is not counted to; ask for 12".into(),
            ));
        }
        Ok(json!({"counted": to, "from": first}))
    }
}

/// May not begin twice.
pub(super) struct Once;

impl JobKind for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn run(&self, node: &Node, job: &JobRun<'_>) -> Result<Json, AppError> {
        node.jobs().stop();
        job.check()?;
        Ok(Json::Null)
    }

    fn is_resumable(&self) -> bool {
        false
    }
}

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

struct NoMail;

impl EmailTransport for NoMail {
    fn send(&self, _: &PreparedEmail) -> Outcome {
        panic!("nothing is sent here")
    }
}

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<Hands>,
    node: Arc<Node>,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        Workspace::create(store.as_ref(), "test", &[7; ENTROPY_BYTES]).unwrap();
        Self::open(store, Arc::new(Hands(AtomicI64::new(1_000_000))))
    }

    fn open(store: Arc<MemoryStore>, clock: Arc<Hands>) -> Self {
        let parts = Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            email: Arc::new(NoMail),
            dispatch: DispatchSettings::default(),
            cached_subjects: 0,
        };
        let node = Node::open_inline(parts).unwrap();
        Self { store, clock, node }
    }

    fn restart(&self) -> Self {
        Self::open(Arc::clone(&self.store), Arc::clone(&self.clock))
    }

    fn start(&self, kind: &dyn JobKind, input: Json) -> Job {
        let jobs = self.node.jobs();
        jobs.start(kind, input, &Actor::command()).unwrap()
    }

    fn run(&self) {
        while self.node.step_jobs().unwrap() {}
    }

    fn job(&self, id: &str) -> Job {
        self.node.jobs().job(id).unwrap()
    }
}

#[test]
fn a_job_is_queued_run_and_kept_with_what_came_of_it() {
    let world = World::new();
    let job = world.start(&Count, json!({"to": 3}));
    assert_eq!(world.job(&job.id).state, JobState::Queued);
    world.run();
    for world in [&world, &world.restart()] {
        let job = world.job(&job.id);
        assert_eq!(job.state, JobState::Succeeded);
        assert_eq!(job.result, json!({"counted": 3, "from": 0}));
        assert!(job.started_at.is_some() && job.finished_at.is_some());
        assert_eq!(job.asked_by, "command");
    }
    let trail = world
        .store
        .audit(&AuditFilter::default(), &Page::default())
        .unwrap();
    assert_eq!((&*trail[0].action, trail.len()), ("job.start", 1));
}

#[test]
fn a_job_that_fails_or_panics_says_so_and_the_next_one_runs() {
    let world = World::new();
    let failing = world.start(&Count, json!({"to": 13}));
    let panicking = world.start(&Count, json!({"to": 3, "panic_at": 1}));
    let fine = world.start(&Count, json!({"to": 3}));
    world.run();
    let failed = world.job(&failing.id);
    assert_eq!(failed.state, JobState::Failed);
    assert_eq!(
        failed.error.as_deref(),
        Some("13 is not counted to; ask for 12")
    );
    assert_eq!(world.job(&panicking.id).state, JobState::Failed);
    assert_eq!(world.job(&fine.id).state, JobState::Succeeded);
}

#[test]
fn a_cancelled_job_never_runs_or_ends_on_the_way() {
    let world = World::new();
    let by = Actor::command();
    let queued = world.start(&Count, json!({"to": 3}));
    let running = world.start(&Count, json!({"to": 9, "cancel_at": 4}));
    world.node.jobs().cancel(&queued.id, &by).unwrap();
    world.run();
    let queued = world.job(&queued.id);
    assert_eq!(
        (queued.state, queued.started_at),
        (JobState::Cancelled, None)
    );
    let running = world.job(&running.id);
    assert_eq!(
        (running.state, running.done_count),
        (JobState::Cancelled, 4)
    );
    let again = world.node.jobs().cancel(&running.id, &by);
    assert!(matches!(again, Err(AppError::Conflict(_))));
}

#[test]
fn a_job_that_a_stop_cut_off_goes_on_from_its_mark() {
    let world = World::new();
    let job = world.start(&Count, json!({"to": 9, "stop_at": 5}));
    world.run();
    let world = world.restart();
    assert_eq!(world.job(&job.id).state, JobState::Queued);
    world.run();
    assert_eq!(world.job(&job.id).result, json!({"counted": 9, "from": 5}));
}

#[test]
fn a_job_that_must_not_begin_twice_fails_as_interrupted() {
    let world = World::new();
    let job = world.start(&Once, Json::Null);
    world.run();
    let world = world.restart();
    world.run();
    let job = world.job(&job.id);
    assert_eq!(job.state, JobState::Failed);
    assert!(job.error.unwrap().starts_with("interrupted"));
}

#[test]
fn jobs_are_listed_latest_first_by_kind_and_state_and_forgotten_in_time() {
    let world = World::new();
    let ids: Vec<String> = (1..5)
        .map(|n| world.start(&Count, json!({"to": n})).id)
        .collect();
    assert!(ids.is_sorted());
    world.node.step_jobs().unwrap();
    let jobs = world.node.jobs();
    let listed = |filter, after: Option<&str>| {
        let rows = jobs.jobs(filter, after, 2).unwrap();
        rows.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let all = JobFilter::default();
    assert_eq!(listed(all, None), [ids[3].clone(), ids[2].clone()]);
    assert_eq!(listed(all, Some(&ids[2])), [ids[1].clone(), ids[0].clone()]);
    let done = JobFilter {
        state: Some(JobState::Succeeded),
        ..all
    };
    assert_eq!(listed(done, None), [ids[0].clone()]);
    let other = JobFilter {
        kind: Some("once"),
        ..all
    };
    assert!(listed(other, None).is_empty());
    world.run();
    world.clock.0.fetch_add(KEPT_MS + 1, Ordering::SeqCst);
    jobs.expire(world.clock.now()).unwrap();
    assert!(listed(all, None).is_empty());
}
