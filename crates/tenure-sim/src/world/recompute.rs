//! Folding a log anew, by a worker that never crashed, and comparing what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use tenure_app::error::AppError;
use tenure_app::journal::Journal;
use tenure_app::live::Live;
use tenure_app::refusals::Refusals;
use tenure_app::roots::decode as decode_state;
use tenure_app::worker::{Step, Worker};
use tenure_app::workspace::Workspace;
use tenure_app::writer::Writer;
use tenure_core::decision::{Decision, Outcome};
use tenure_core::define::Audience;
use tenure_core::effect::EnrollmentChange;
use tenure_core::id::{DecisionId, SubjectId};
use tenure_core::log::{Body, decode};
use tenure_core::subject::SubjectState;
use tenure_core::time::Timestamp;
use tenure_store::memory::MemoryStore;
use tenure_store::query::{
    DecisionFilter, EnrollmentFilter, MessageFilter, TaskFilter, instant_cursor,
};
use tenure_store::row::{Member, Message, Task};
use tenure_store::{Batch, Page, Store, StoreError};

use super::clock::VirtualClock;
use super::run::ENTROPY;

/// Enough for everybody to stay in memory.
const CACHED_SUBJECTS: usize = 10_000;
/// How much of two things that differ is shown, in characters …
const SHOWN_CHARS: usize = 600;
/// … and how much of it is before they differ.
const SHOWN_BEFORE_CHARS: usize = 200;
/// The most differences that are told.
const TOLD: usize = 3;

/// Reads all pages of a list.
pub fn all<R>(
    fetch: impl Fn(&Page) -> Result<Vec<R>, StoreError>,
    cursor: impl Fn(&R) -> String,
) -> Result<Vec<R>, StoreError> {
    let mut rows = Vec::new();
    loop {
        let page = Page {
            after: rows.last().map(&cursor),
            limit: tenure_store::query::MAX_PAGE_ROWS,
        };
        let mut more = fetch(&page)?;
        if more.is_empty() {
            return Ok(rows);
        }
        rows.append(&mut more);
    }
}

/// All messages.
pub fn messages(store: &MemoryStore) -> Result<Vec<Message>, StoreError> {
    all(
        |page| store.messages(&MessageFilter::default(), page),
        |row| instant_cursor(row.intent.decided_at, row.intent.id),
    )
}

/// All decisions.
pub fn decisions(store: &MemoryStore) -> Result<Vec<Decision>, StoreError> {
    all(
        |page| store.decisions(&DecisionFilter::default(), page),
        |row| instant_cursor(row.at, row.id),
    )
}

fn tasks(store: &MemoryStore) -> Result<Vec<Task>, StoreError> {
    all(
        |page| store.tasks(&TaskFilter::default(), page),
        |row| instant_cursor(row.intent.created_at, row.intent.id),
    )
}

fn enrollments(store: &MemoryStore) -> Result<Vec<EnrollmentChange>, StoreError> {
    all(
        |page| store.enrollments(&EnrollmentFilter::default(), page),
        |row| instant_cursor(row.entered_at, row.id),
    )
}

fn members(store: &MemoryStore) -> Result<Vec<(Box<str>, Member)>, StoreError> {
    let mut found = Vec::new();
    for (segment, _) in store.member_counts()? {
        let rows = all(
            |page| store.members(&segment, page),
            |row| row.subject.to_string(),
        )?;
        found.extend(rows.into_iter().map(|row| (segment.clone(), row)));
    }
    Ok(found)
}

fn states(store: &MemoryStore) -> Result<BTreeMap<SubjectId, SubjectState>, StoreError> {
    let mut found = BTreeMap::new();
    for audience in [Audience::Account, Audience::Person] {
        let rows = all(
            |page| store.subjects(audience, page),
            |row| row.subject.to_string(),
        )?;
        for row in rows {
            found.insert(row.subject, decode_state(&row.bytes)?.1);
        }
    }
    Ok(found)
}

/// A store with the same log and plans, folded anew up to `now`.
fn fold(data: &MemoryStore, now: Timestamp) -> Result<MemoryStore, AppError> {
    let copy = copy_log(data)?;
    let store: Arc<dyn Store> = Arc::new(copy.clone());
    let journal = Arc::new(Journal::new(store.log_end()?, Timestamp(0)));
    let clock = Arc::new(VirtualClock::at(now));
    let salt = Workspace::open(store.as_ref())?.salt();
    let refusals = Arc::new(Refusals::new(salt));
    let (writer, handle) = Writer::new(Arc::clone(&store), Arc::clone(&journal), clock, refusals);
    let handle = handle.run_inline(writer);
    let live = Arc::new(Live::default());
    let mut worker = Worker::open(store, journal, handle, live, salt, CACHED_SUBJECTS)?;
    while worker.step(now)? == Step::Worked {}
    worker.flush(now)?;
    Ok(copy)
}

fn copy_log(data: &MemoryStore) -> Result<MemoryStore, AppError> {
    let copy = MemoryStore::new();
    Workspace::create(&copy, "simulated", &ENTROPY)?;
    for plan in data.plans()? {
        let batch = Batch {
            plan: Some(plan),
            ..Batch::default()
        };
        copy.commit(&batch)?;
    }
    for chunk in data.read_log(1, usize::MAX, None)? {
        let entries = decode(chunk.first, &chunk.bytes).filter_map(Result::ok);
        let seen = entries.filter_map(|entry| match entry.body {
            Body::Event(event) => Some(event.id),
            _ => None,
        });
        let batch = Batch {
            seen: seen.collect(),
            chunk: Some(chunk),
            ..Batch::default()
        };
        copy.commit(&batch)?;
    }
    Ok(copy)
}

/// Whether the shell took this decision, at the last look before sending.
fn at_dispatch(decision: &Decision) -> bool {
    let refusal = matches!(
        decision.outcome,
        Outcome::Suppressed | Outcome::NoConsent | Outcome::RenderFailed
    );
    refusal && decision.message.is_some()
}

/// What differs between a store and its own log folded anew. Its states must be stored.
pub fn differences(data: &MemoryStore, now: Timestamp) -> Result<Vec<String>, AppError> {
    let fresh = fold(data, now)?;
    let mut told = Vec::new();
    let (before, after) = (data.log_end()?, fresh.log_end()?);
    if before != after {
        told.push(format!(
            "folding the log of {before} entries anew emits {} more",
            after - before
        ));
    }
    let by_id = |store: &MemoryStore| -> Result<BTreeMap<DecisionId, Decision>, StoreError> {
        let engine = decisions(store)?.into_iter();
        Ok(engine
            .filter(|decision| !at_dispatch(decision))
            .map(|decision| (decision.id, decision))
            .collect())
    };
    compare_maps("decision", &by_id(data)?, &by_id(&fresh)?, &mut told);
    compare_maps("state", &states(data)?, &states(&fresh)?, &mut told);
    let keyed = |store: &MemoryStore| -> Result<BTreeMap<_, _>, StoreError> {
        let rows = enrollments(store)?.into_iter();
        Ok(rows.map(|row| (row.id, row)).collect())
    };
    compare_maps("enrollment", &keyed(data)?, &keyed(&fresh)?, &mut told);
    compare_sets("member", &members(data)?, &members(&fresh)?, &mut told);
    let ids = |store: &MemoryStore| -> Result<Vec<_>, StoreError> {
        let rows = messages(store)?.into_iter();
        Ok(rows
            .map(|row| (row.intent.id, row.intent.decided_at))
            .collect())
    };
    compare_sets("message", &ids(data)?, &ids(&fresh)?, &mut told);
    compare_sets("task", &tasks(data)?, &tasks(&fresh)?, &mut told);
    Ok(told)
}

fn compare_maps<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    lived: &BTreeMap<K, V>,
    folded: &BTreeMap<K, V>,
    told: &mut Vec<String>,
) {
    let keys: BTreeSet<&K> = lived.keys().chain(folded.keys()).collect();
    let differing = keys
        .into_iter()
        .filter(|key| lived.get(*key) != folded.get(*key));
    told.extend(differing.take(TOLD).map(|key| {
        let (lived, folded) = (lived.get(key), folded.get(key));
        let (lived, folded) = apart(&format!("{lived:?}"), &format!("{folded:?}"));
        format!("{what} {key:?}\n    lived  {lived}\n    folded {folded}")
    }));
}

/// The part of two long texts from shortly before they differ.
fn apart(one: &str, other: &str) -> (String, String) {
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    let from = same.count().saturating_sub(SHOWN_BEFORE_CHARS);
    let part = |text: &str| text.chars().skip(from).take(SHOWN_CHARS).collect();
    (part(one), part(other))
}

fn compare_sets<R: PartialEq + Debug>(
    what: &str,
    lived: &[R],
    folded: &[R],
    told: &mut Vec<String>,
) {
    let only = |mine: &[R], theirs: &[R], whose: &str| -> Vec<String> {
        mine.iter()
            .filter(|row| !theirs.contains(row))
            .take(TOLD)
            .map(|row| format!("{what} only {whose}: {row:?}"))
            .collect()
    };
    told.extend(only(lived, folded, "lived"));
    told.extend(only(folded, lived, "folded"));
}
