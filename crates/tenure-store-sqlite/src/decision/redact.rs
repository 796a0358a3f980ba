//! Taking out what decisions say of erased persons.
//!
//! Decisions are numbered without gaps, and figures count them: so they stay, without anything
//! about the person.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rusqlite::Connection;
use tenure_core::decision::Decision;
use tenure_core::id::SubjectId;
use tenure_store::batch::Erased;

use super::block::{self, Block};
use super::{Entry, Key, Waiting, chunk};

/// Up to which instant (milliseconds) the decisions about subjects are erased.
#[derive(Debug, Default)]
pub(crate) struct Erasures(BTreeMap<SubjectId, i64>);

impl Erasures {
    pub(crate) fn new(erased: &[Erased]) -> Self {
        let mut erasures = BTreeMap::new();
        for one in erased {
            let until = erasures
                .entry(SubjectId::Person(one.person))
                .or_insert(i64::MIN);
            *until = one.until.0.max(*until);
        }
        Self(erasures)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn covers(&self, subject: SubjectId, at: i64) -> bool {
        self.0.get(&subject).is_some_and(|until| at <= *until)
    }

    /// Whether an entry of a key is no longer found there.
    pub(super) fn takes(&self, key: &Key, entry: &Entry) -> bool {
        matches!(key, Key::Subject(subject) if self.covers(*subject, entry.place.at))
    }

    /// What is left of a decision.
    pub(super) fn left<'a>(&self, decision: &'a Decision) -> Cow<'a, Decision> {
        if self.covers(decision.subject, decision.at.0) {
            Cow::Owned(decision.clone().redacted())
        } else {
            Cow::Borrowed(decision)
        }
    }
}

/// Redacts what is stored.
pub(super) fn redact(
    connection: &Connection,
    waiting: &Waiting,
    erasures: &Erasures,
) -> rusqlite::Result<()> {
    let mut entries = Vec::new();
    for subject in erasures.0.keys() {
        let key = Key::Subject(*subject);
        let mut found = entries_of(connection, waiting, &key)?;
        found.retain(|entry| erasures.takes(&key, entry));
        for entry in &found {
            chunk::remove(connection, &key, entry.place)?;
        }
        entries.extend(found);
    }
    // In the order of the blocks, so that each is written once.
    entries.sort_unstable_by_key(|entry| entry.number);
    entries.dedup_by_key(|entry| entry.number);
    let mut held: Option<Block> = None;
    let mut left: BTreeMap<SubjectId, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        if !held.as_ref().is_some_and(|block| block.holds(entry.number)) {
            let next = block::holder(connection, entry.number)?;
            if let Some(block) = std::mem::replace(&mut held, next) {
                block.write(connection)?;
            }
        }
        let Some(block) = &mut held else { continue };
        if let Some(decision) = block.decision(entry.number)? {
            let redacted = decision.redacted();
            block.replace(entry.number, &redacted)?;
            left.entry(redacted.subject).or_default().push(entry);
        }
    }
    if let Some(block) = held {
        block.write(connection)?;
    }
    // At once: what waits is read back by number, and these may have passed.
    for (subject, mut entries) in left {
        entries.sort_unstable();
        chunk::put(connection, &Key::Subject(subject), &entries)?;
    }
    Ok(())
}

fn entries_of(
    connection: &Connection,
    waiting: &Waiting,
    key: &Key,
) -> rusqlite::Result<Vec<Entry>> {
    let mut entries = waiting.entries(key, &Erasures::default());
    let mut walk = chunk::Walk::new(key, None);
    while walk.peek(connection)?.is_some() {
        entries.extend(walk.pop());
    }
    Ok(entries)
}
