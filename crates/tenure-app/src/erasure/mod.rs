//! Erasing a person: nothing that was told about them is left, besides that mail to their
//! addresses is suppressed (under keyed hashes), that decisions were taken, and that somebody
//! erased them.
//!
//! A job, in steps that may each be repeated:
//! 1. The log is read for who was merged into the person, and by which names they were known.
//! 2. Mail to their addresses is suppressed, and messages under way are waited for.
//! 3. One commit appends [`Command::Erase`] and deletes what is kept beside the log.
//! 4. Once the engine's stored states contain that, no replay begins before it. Only then are the
//!    log's entries about the person redacted in place: positions stay, and so does what events
//!    meant for the account.
//! 5. The store is compacted: deleted bytes are still in its files before.
//!
//! Interrupted before the third step is noted, it begins anew; after, it goes on with the fourth.

mod scan;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tenure_core::id::{PersonId, SubjectId};
use tenure_core::log::{Body, Command, Position, decode, encode};
use tenure_core::time::Timestamp;
use tenure_store::batch::Erased;
use tenure_store::query::{MAX_PAGE_ROWS, MessageFilter};
use tenure_store::row::{Chunk, MessageState};
use tenure_store::{Batch, Page, StoreError};

use crate::access::{Actor, Change};
use crate::error::AppError;
use crate::identity::present_person;
use crate::jobs::{Job, JobKind, JobRun};
use crate::node::Node;
use crate::records;
use crate::refusals::{address_key, refused_address};
use scan::{Traces, scan};

/// Name of the kind of job.
pub const ERASURE: &str = "erasure";
/// How much of the log is redacted in one commit, in bytes.
const REDACT_BYTES: usize = 4 * 1024 * 1024;
/// How long is waited between two looks at what others still do.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long messages under way are waited for; an attempt takes less.
const IN_FLIGHT_AT_MOST: Duration = Duration::from_mins(5);
/// Collections of records that quote what happened, and can go.
const QUOTING: [&str; 3] = ["idempotency", "webhook_delivery", "webhook_letter"];
/// Collections of records that name a person by id.
const NAMING: [&str; 1] = ["connector_list_change"];
/// Shorter names stand in too much by chance to be looked for.
const NEEDLE_BYTES: usize = 4;

/// Whom to erase.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    person: PersonId,
    /// Whether the store is compacted at the end.
    compacts: bool,
}

/// What the third step did.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mark {
    /// The person and all that were merged into them.
    persons: BTreeSet<PersonId>,
    /// Where the erasure stands in the log.
    position: Position,
    /// When it was received.
    at: Timestamp,
}

/// Erases persons.
pub(crate) struct ErasureKind;

impl Node {
    /// Begins to erase a person. Without `compacts`, deleted bytes stay in the store's files until
    /// a later erasure compacts it.
    pub fn erase(&self, person: PersonId, compacts: bool, by: &Actor) -> Result<Job, AppError> {
        let person = present_person(self.store().as_ref(), person)?;
        let input = json!(Order { person, compacts });
        let change = Change::new("person.erase", person.to_string());
        self.jobs()
            .start_with(ERASURE, input, by, change, |_| Batch::default())
    }
}

impl JobKind for ErasureKind {
    fn name(&self) -> &'static str {
        ERASURE
    }

    fn run(&self, node: &Node, job: &JobRun<'_>) -> Result<Json, AppError> {
        let order: Order = serde_json::from_value(job.input().clone())
            .map_err(|error| AppError::Conflict(format!("the job's input: {error}")))?;
        let mark = if let Ok(mark) = serde_json::from_value::<Mark>(job.mark().clone()) {
            mark
        } else {
            let mark = forget(node, job, order.person)?;
            job.set_mark(json!(mark))?;
            mark
        };
        settle(node, job, mark.position)?;
        let redacted_count = redact(node, job, &mark)?;
        node.jobs().discard_files();
        node.journal().forget_chunks();
        if order.compacts {
            job.check()?;
            node.store().compact()?;
        }
        Ok(json!({
            "person": order.person,
            "merged_count": mark.persons.len().saturating_sub(1),
            "redacted_count": redacted_count,
            "is_compacted": order.compacts,
        }))
    }
}

/// Steps one to three.
fn forget(node: &Node, job: &JobRun<'_>, person: PersonId) -> Result<Mark, AppError> {
    let end = node.log_end();
    let traces = scan(node.store().as_ref(), person, end, &mut |position| {
        job.progress(position, Some(2 * end))
    })?;
    suppress(node, &traces)?;
    wait_for_messages(node, job, &traces)?;
    let records_removed = records_about(node, &traces)?;
    let entry = Command::Erase {
        person,
        account: node.account_of(SubjectId::Person(person))?,
    };
    let batch = Batch {
        records_removed,
        erased: erased(&traces.persons, Timestamp(i64::MAX), Position::MAX),
        ..Batch::default()
    };
    let position = node.writer().append(vec![Body::Command(entry)], batch)?;
    let chunks = node.store().read_log(position, 1, None)?;
    let at = chunks.first().map_or(node.now(), |chunk| chunk.received_at);
    Ok(Mark {
        persons: traces.persons,
        position,
        at,
    })
}

fn erased(persons: &BTreeSet<PersonId>, until: Timestamp, position: Position) -> Vec<Erased> {
    let each = persons.iter().map(|person| Erased {
        person: *person,
        until,
        until_position: position,
    });
    each.collect()
}

/// So that nobody who comes back by an import is written to again.
fn suppress(node: &Node, traces: &Traces) -> Result<(), AppError> {
    let refusal = refused_address(None, node.now(), "erased");
    let keys = traces
        .addresses
        .iter()
        .map(|address| (address_key(node.salt(), address), Some(refusal.clone())));
    let batch = Batch {
        suppressions: keys.collect(),
        ..Batch::default()
    };
    node.writer().commit(batch, Vec::new())
}

/// An attempt under way ends with an event about the person, which must not come after the
/// erasure. No new one begins: the addresses are suppressed.
fn wait_for_messages(node: &Node, job: &JobRun<'_>, traces: &Traces) -> Result<(), AppError> {
    let mut waited = Duration::ZERO;
    for person in &traces.persons {
        let filter = MessageFilter {
            state: Some(MessageState::Sending),
            person: Some(*person),
            ..MessageFilter::default()
        };
        while !node.store().messages(&filter, &Page::default())?.is_empty()
            && waited < IN_FLIGHT_AT_MOST
        {
            job.check()?;
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
    }
    Ok(())
}

/// Collection and key.
type RecordKey = (Box<str>, Box<str>);

/// Keys of records that quote what was told of the person, or name them.
fn records_about(node: &Node, traces: &Traces) -> Result<Vec<RecordKey>, AppError> {
    let ids: Vec<String> = traces.persons.iter().map(ToString::to_string).collect();
    let mut needles = ids.clone();
    needles.extend(
        traces
            .names
            .iter()
            .filter(|name| name.len() >= NEEDLE_BYTES)
            .cloned(),
    );
    let mut found = Vec::new();
    let wanted = QUOTING.map(|name| (name, &needles)).into_iter();
    for (collection, needles) in wanted.chain(NAMING.map(|name| (name, &ids))) {
        records::each(node.store().as_ref(), collection, "", |row| {
            let text = String::from_utf8_lossy(&row.bytes);
            let says = |needle: &String| text.contains(needle) || row.key.contains(needle.as_str());
            if needles.iter().any(says) {
                found.push((row.collection.clone(), row.key.clone()));
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// Waits until the engine's stored states contain the erasure, so that no replay needs what comes
/// before it in the log.
fn settle(node: &Node, job: &JobRun<'_>, position: Position) -> Result<(), AppError> {
    loop {
        job.check()?;
        if node.inline() {
            node.wait_applied(position, LOOK_EVERY)?;
            node.flush()?;
        }
        if node.store().progress()?.checkpoint.position >= position {
            return Ok(());
        }
        if node.inline() {
            let why = "the engine does not come to the erasure; try again";
            return Err(AppError::Conflict(why.into()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Step four; answers how many entries were redacted.
fn redact(node: &Node, job: &JobRun<'_>, mark: &Mark) -> Result<u64, AppError> {
    let is_erased = |person: PersonId| mark.persons.contains(&person);
    let (mut from, mut count) = (1, 0);
    while from <= mark.position {
        let chunks = node.store().read_log(from, REDACT_BYTES, None)?;
        let Some(last) = chunks.last() else { break };
        from = last.last() + 1;
        let mut batch = Batch::default();
        let mut positions = BTreeSet::new();
        for chunk in &chunks {
            if let Some(left) = redacted(chunk, mark.position, &is_erased, &mut positions)? {
                batch.chunks_redacted.push(left);
            }
        }
        count += positions.len() as u64;
        if !batch.chunks_redacted.is_empty() {
            let letters = node.store().dead_letters(&Page {
                after: None,
                limit: MAX_PAGE_ROWS,
            })?;
            let theirs = letters
                .iter()
                .filter(|letter| positions.contains(&letter.position));
            batch.dead_letters_removed = theirs.map(|letter| letter.id).collect();
            node.writer().commit(batch, Vec::new())?;
        }
        job.progress(mark.position + from, Some(2 * mark.position))?;
    }
    let batch = Batch {
        erased: erased(&mark.persons, mark.at, mark.position),
        ..Batch::default()
    };
    node.writer().commit(batch, Vec::new())?;
    Ok(count)
}

/// A chunk without its entries about erased persons; `None` if it has none.
fn redacted(
    chunk: &Chunk,
    until: Position,
    is_erased: &dyn Fn(PersonId) -> bool,
    positions: &mut BTreeSet<Position>,
) -> Result<Option<Chunk>, AppError> {
    let mut bytes = Vec::with_capacity(chunk.bytes.len());
    let mut is_changed = false;
    for entry in decode(chunk.first, &chunk.bytes) {
        let entry = entry.map_err(|error| StoreError::Damaged(error.to_string()))?;
        let left = if entry.position <= until {
            entry.body.redacted(entry.received_at, is_erased)
        } else {
            None
        };
        if let Some(left) = &left {
            is_changed = true;
            positions.insert(entry.position);
            encode(entry.received_at, left, &mut bytes);
        } else {
            encode(entry.received_at, &entry.body, &mut bytes);
        }
    }
    Ok(is_changed.then(|| Chunk {
        bytes,
        ..chunk.clone()
    }))
}
