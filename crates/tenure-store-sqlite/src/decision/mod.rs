//! Decisions: blocks in the order of their commits, and an index that is written in bulk.
//!
//! Almost every event leaves a decision, so a commit only appends blocks. Where a decision is, by
//! subject, by program and among all, waits in memory ([`waiting`]) until many have gathered; then
//! it is written in the order of its keys ([`chunk`]), so that neighbours share a page. What waits
//! is read back from the blocks when the store opens.

pub(crate) mod block;
pub(crate) mod check;
mod chunk;
pub(crate) mod convert;
mod redact;
mod waiting;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use rusqlite::Connection;
use tenure_core::decision::Decision;
use tenure_core::id::{DecisionId, SubjectId};
use tenure_core::time::Timestamp;
use tenure_store::batch::Erased;
use tenure_store::query::{DecisionFilter, Page};

use crate::key::Subject;

use redact::Erasures;
pub(crate) use waiting::{Change, Decisions, Waiting};

/// A place in the order of lists: instant, then id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    at: i64,
    id: [u8; 16],
}

impl Place {
    pub(crate) fn new(at: Timestamp, id: DecisionId) -> Self {
        let id = id.0.to_be_bytes();
        Self { at: at.0, id }
    }

    fn of(decision: &Decision) -> Self {
        Self::new(decision.at, decision.id)
    }
}

/// Where a decision is: its place in lists, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    place: Place,
    number: u64,
}

/// By what decisions are found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Subject(SubjectId),
    Program(Box<str>),
    All,
}

impl Key {
    /// The key that leads to what a filter wants with the fewest others.
    pub(crate) fn of(filter: &DecisionFilter) -> Self {
        match (filter.subject, &filter.program) {
            (Some(subject), _) => Self::Subject(subject),
            (None, Some(program)) => Self::Program(program.as_str().into()),
            (None, None) => Self::All,
        }
    }

    fn all_of(decision: &Decision) -> [Self; 3] {
        [
            Self::Subject(decision.subject),
            Self::Program(decision.program.clone()),
            Self::All,
        ]
    }

    /// As in the column `key`; sorts as keys do.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Subject(subject) => Subject(*subject).bytes(),
            Self::Program(name) => [&[2], name.as_bytes()].concat(),
            Self::All => vec![3],
        }
    }
}

/// Writes decisions that are not there yet, redacts what is erased, and writes what of the index
/// is due; gives what has to be done to `waiting` once the transaction is committed.
pub(crate) fn put(
    connection: &Connection,
    waiting: &Waiting,
    decisions: &[Decision],
    erased: &[Erased],
) -> rusqlite::Result<Change> {
    let erasures = Erasures::new(erased);
    if !erasures.is_empty() {
        redact::redact(connection, waiting, &erasures)?;
    }
    let fresh = unknown(connection, waiting, decisions)?;
    let fresh: Vec<Cow<'_, Decision>> = fresh
        .into_iter()
        .map(|decision| erasures.left(decision))
        .collect();
    let mut change = Change::new(erasures);
    if fresh.is_empty() {
        return Ok(change);
    }
    let first = block::end(connection)? + 1;
    block::append(connection, first, fresh.iter().map(AsRef::as_ref))?;
    let mut added: BTreeMap<Key, Vec<Entry>> = BTreeMap::new();
    for (number, decision) in (first..).zip(&fresh) {
        let place = Place::of(decision);
        for key in Key::all_of(decision) {
            added.entry(key).or_default().push(Entry { place, number });
        }
        change.newest_at = change.newest_at.max(place.at);
    }
    change.first = first;
    change.count = fresh.len();
    waiting.write_long(connection, &mut added, &mut change)?;
    waiting.write_old(connection, &mut change)?;
    change.added = added;
    Ok(change)
}

/// Those that are neither stored nor twice in the batch.
fn unknown<'a>(
    connection: &Connection,
    waiting: &Waiting,
    decisions: &'a [Decision],
) -> rusqlite::Result<Vec<&'a Decision>> {
    // Time goes on, so most are later than everything stored and need no look.
    let mut doubtful: Vec<Place> = decisions
        .iter()
        .map(Place::of)
        .filter(|place| place.at <= waiting.newest_at())
        .collect();
    doubtful.sort_unstable();
    let mut known: HashSet<Place> = HashSet::new();
    if !doubtful.is_empty() {
        let young = waiting.entries(&Key::All, &Erasures::default());
        known.extend(young.iter().map(|entry| entry.place));
        known.extend(chunk::present(connection, &Key::All, &doubtful)?);
    }
    Ok(decisions
        .iter()
        .filter(|decision| known.insert(Place::of(decision)))
        .collect())
}

/// Decisions by filter, newest first. `young` are entries of the filter's key that may not be in
/// the index, in order.
pub(crate) fn list(
    connection: &Connection,
    mut young: Vec<Entry>,
    filter: &DecisionFilter,
    after: Option<Place>,
    page: &Page,
) -> rusqlite::Result<Vec<Decision>> {
    let mut found = Vec::new();
    young.retain(|entry| after.is_none_or(|after| entry.place < after));
    let mut walk = chunk::Walk::new(&Key::of(filter), after);
    let mut blocks = block::Cache::new(connection);
    let mut last = None;
    while found.len() < page.row_count() {
        let written = walk.peek(connection)?;
        let entry = match (young.last().copied(), written) {
            (None, None) => break,
            (Some(entry), written) if written.is_none_or(|other| entry.place > other.place) => {
                young.pop()
            }
            _ => walk.pop(),
        };
        let Some(entry) = entry else { break };
        // Written between the look at what waits and the start of this read: met twice.
        if last.replace(entry.place) == Some(entry.place) {
            continue;
        }
        // One whose block is not seen was committed after this read began.
        if let Some(decision) = blocks.decision(entry.number)?
            && filter.admits(&decision)
        {
            found.push(decision);
        }
    }
    Ok(found)
}
