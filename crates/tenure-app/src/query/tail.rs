//! The end of the log that stored states and timelines do not contain yet.

use std::collections::BTreeSet;

use tenure_core::id::{PersonId, SubjectId};
use tenure_core::log::{Body, Entry, Merge, Position, decode};
use tenure_store::row::Chunk;
use tenure_store::{Store, StoreError};

/// How much of the log's end is read at most, in bytes; what is beyond follows with the next
/// checkpoint.
const TAIL_BYTES: usize = 16 * 1024 * 1024;

/// Entries since the last checkpoint.
pub(super) struct Tail {
    chunks: Vec<Chunk>,
    from: Position,
}

impl Tail {
    /// Reads the end of the log.
    pub(super) fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let from = store.progress()?.checkpoint.position + 1;
        let chunks = if store.log_end()? < from {
            Vec::new()
        } else {
            store.read_log(from, TAIL_BYTES, None)?
        };
        Ok(Self { chunks, from })
    }

    /// The entries, oldest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.chunks
            .iter()
            .flat_map(|chunk| decode(chunk.first, &chunk.bytes).flatten())
            .filter(|entry| entry.position >= self.from)
    }

    /// A subject and the persons that were merged into it since.
    pub(super) fn names_of(&self, subject: SubjectId) -> BTreeSet<SubjectId> {
        let mut names = BTreeSet::from([subject]);
        let merges: Vec<Merge> = self
            .entries()
            .filter_map(|entry| match entry.body {
                Body::Merge(merge) => Some(merge),
                _ => None,
            })
            .collect();
        for merge in merges.iter().rev() {
            if names.contains(&SubjectId::Person(merge.into)) {
                names.insert(SubjectId::Person(merge.from));
            }
        }
        names
    }

    /// Entries about any of the subjects, oldest first.
    pub(super) fn about<'t>(
        &'t self,
        names: &'t BTreeSet<SubjectId>,
    ) -> impl Iterator<Item = Entry<'t>> {
        self.entries()
            .filter(|entry| concerns(&entry.body, |subject| names.contains(&subject)))
    }
}

/// Whether an entry belongs on the timeline of a wanted subject.
fn concerns(body: &Body<'_>, wanted: impl Fn(SubjectId) -> bool) -> bool {
    let person = |id: PersonId| wanted(SubjectId::Person(id));
    match body {
        Body::Event(event) => {
            event.person.is_some_and(person)
                || event
                    .account
                    .is_some_and(|id| wanted(SubjectId::Account(id)))
        }
        Body::Profile(profile) => wanted(profile.subject),
        Body::Merge(merge) => person(merge.into) || person(merge.from),
        Body::Move(moved) => person(moved.person),
        Body::Published(_) | Body::Sweep(_) | Body::Command(_) => false,
    }
}
