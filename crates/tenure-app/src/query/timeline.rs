//! The timeline of a subject, read back from the log.

use std::collections::BTreeSet;

use tenure_core::id::{EventId, PersonId, SubjectId};
use tenure_core::log::{Body, Entry, Identifier, Merge, Move, Position, decode};
use tenure_core::time::Timestamp;
use tenure_core::value::Value;
use tenure_store::StoreError;

use super::tail::Tail;
use super::{Listed, Query};

/// Something that happened to a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Place in the log.
    pub position: Position,
    /// When it happened.
    pub at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// What.
    pub kind: ItemKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    /// An event.
    Event {
        /// Its id.
        id: EventId,
        /// Its name.
        name: String,
        /// A JSON object as text.
        properties: String,
        /// Whose, if a person's.
        person: Option<PersonId>,
        /// Imported.
        historical: bool,
    },
    /// Traits or names were told.
    Profile {
        /// Changes; `None` removed it.
        traits: Vec<(Box<str>, Option<Value>)>,
        /// Names newly known.
        identifiers: Vec<Identifier>,
    },
    /// Another person turned out to be this one.
    Merge(Merge),
    /// The person changed accounts.
    Move(Move),
}

impl Query<'_> {
    /// What happened to a subject, the latest first; before the position `before`, if given.
    pub fn timeline(
        &self,
        subject: SubjectId,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Listed<Item>, StoreError> {
        let tail = Tail::read(self.store)?;
        let names = tail.names_of(subject);
        let mut positions: BTreeSet<Position> = tail
            .about(&names)
            .map(|entry| entry.position)
            .filter(|position| before.is_none_or(|before| *position < before))
            .collect();
        for name in &names {
            positions.extend(self.store.timeline(*name, before, limit + 1)?);
        }
        let positions: Vec<Position> = positions.into_iter().rev().take(limit + 1).collect();
        let listed = Listed::cut(positions, limit, ToString::to_string);
        Ok(Listed {
            rows: self.items(&listed.rows)?,
            next: listed.next,
        })
    }

    /// The entries at positions that are in descending order.
    fn items(&self, positions: &[Position]) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::with_capacity(positions.len());
        let mut rest = positions;
        while let Some(&highest) = rest.first() {
            let Some(chunk) = self.store.read_log(highest, 1, None)?.into_iter().next() else {
                break;
            };
            let count = rest
                .iter()
                .take_while(|position| **position >= chunk.first)
                .count();
            let (here, later) = rest.split_at(count.max(1));
            let mut found: Vec<Item> = decode(chunk.first, &chunk.bytes)
                .flatten()
                .filter(|entry| here.contains(&entry.position))
                .filter_map(item)
                .collect();
            found.reverse();
            items.append(&mut found);
            rest = later;
        }
        Ok(items)
    }
}

impl Item {
    /// A log entry as an item; what concerns no subject is none.
    pub fn from_entry(entry: Entry<'_>) -> Option<Self> {
        item(entry)
    }
}

fn item(entry: Entry<'_>) -> Option<Item> {
    let (at, kind) = match entry.body {
        Body::Event(event) if event.is_nothing() => return None,
        Body::Event(event) => (
            event.occurred_at,
            ItemKind::Event {
                id: event.id,
                name: event.name.into_owned(),
                properties: event.properties.into_owned(),
                person: event.person,
                historical: event.historical,
            },
        ),
        Body::Profile(profile) => (
            profile.occurred_at,
            ItemKind::Profile {
                traits: profile.traits,
                identifiers: profile.identifiers,
            },
        ),
        Body::Merge(merge) => (entry.received_at, ItemKind::Merge(merge)),
        Body::Move(moved) => (entry.received_at, ItemKind::Move(moved)),
        Body::Published(_) | Body::Sweep(_) | Body::Command(_) => return None,
    };
    Some(Item {
        position: entry.position,
        at,
        received_at: entry.received_at,
        kind,
    })
}
