//! Reading topics from a position on.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenure_core::id::{AccountId, Salt, SubjectId};
use tenure_core::log::{Body, IdentifierKind, decode};
use tenure_store::row::Chunk;
use tenure_store::{Store, StoreError};

use super::event::{self, About};
use super::{MAX_RECORDS, Source, Topic, TopicRecord};
use crate::journal::Journal;
use crate::query::Query;
use crate::roots;
use crate::workspace::Workspace;

/// How much of the log one read looks through at most, in bytes: what is asked for may be rare.
const SCAN_BYTES: usize = 32 * 1024 * 1024;
/// How much is read from the store at once, in bytes.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Reads topics.
#[derive(Clone)]
pub struct Topics {
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
    salt: Salt,
    /// The `source` of every record.
    origin: Arc<str>,
}

/// A part of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Portion {
    /// Records, in order.
    pub records: Vec<TopicRecord>,
    /// All up to this position was looked through; the next part begins after it.
    pub next: u64,
    /// Where the source ends.
    pub end: u64,
}

impl Topics {
    /// A reader of a workspace's topics.
    pub fn new((store, journal): (Arc<dyn Store>, Arc<Journal>), workspace: &Workspace) -> Self {
        Self {
            store,
            journal,
            salt: workspace.salt(),
            origin: format!("/workspaces/{}", workspace.id).into(),
        }
    }

    /// Where a source ends now.
    pub fn end(&self, source: Source) -> Result<u64, StoreError> {
        match source {
            Source::Log => Ok(self.journal.log_end()),
            Source::Decisions => self.store.decision_end(),
        }
    }

    /// Records of the wanted topics after the position `after` of their source, at most `limit`
    /// (and [`MAX_RECORDS`]). Looks through a bounded part, so there may be none though more
    /// follow; `next` says how far it came.
    pub fn read(
        &self,
        source: Source,
        wanted: &[Topic],
        after: u64,
        limit: usize,
    ) -> Result<Portion, StoreError> {
        let limit = limit.clamp(1, MAX_RECORDS);
        let mut names = Names {
            topics: self,
            known: BTreeMap::new(),
        };
        match source {
            Source::Log => self.read_log(wanted, after, limit, &mut names),
            Source::Decisions => self.read_decisions(after, limit, &mut names),
        }
    }

    fn read_decisions(
        &self,
        after: u64,
        limit: usize,
        names: &mut Names<'_>,
    ) -> Result<Portion, StoreError> {
        let end = self.store.decision_end()?;
        let found = self.store.decisions_from(after, limit)?;
        let next = found.last().map_or(after, |(number, _)| *number);
        let mut records = Vec::with_capacity(found.len());
        for (number, decision) in found {
            let account = match decision.subject {
                SubjectId::Account(account) => Some(account),
                SubjectId::Person(person) => {
                    let row = self.store.persons(&[person])?.pop().flatten();
                    row.and_then(|row| row.account)
                }
            };
            let about = names.about(Some(decision.subject), account)?;
            records.push(event::of_decision(number, &decision, about, &self.origin));
        }
        Ok(Portion {
            records,
            next,
            end: end.max(next),
        })
    }

    fn read_log(
        &self,
        wanted: &[Topic],
        after: u64,
        limit: usize,
        names: &mut Names<'_>,
    ) -> Result<Portion, StoreError> {
        let end = self.journal.log_end();
        let mut portion = Portion {
            records: Vec::new(),
            next: after,
            end: end.max(after),
        };
        let mut scanned_bytes = 0;
        while portion.next < end && scanned_bytes < SCAN_BYTES {
            let chunks = self.chunks(portion.next + 1)?;
            if chunks.is_empty() {
                break;
            }
            for chunk in &chunks {
                scanned_bytes += chunk.bytes.len();
                if self.scan(chunk, wanted, limit, names, &mut portion)? {
                    return Ok(portion);
                }
            }
        }
        Ok(portion)
    }

    /// Chunks from a position on: young ones from memory, others from the store.
    fn chunks(&self, from: u64) -> Result<Vec<Arc<Chunk>>, StoreError> {
        if let Some(chunk) = self.journal.chunk(from) {
            return Ok(vec![chunk]);
        }
        let chunks = self.store.read_log(from, READ_BYTES, None)?;
        Ok(chunks.into_iter().map(Arc::new).collect())
    }

    /// Looks through a chunk; true when there are enough records.
    fn scan(
        &self,
        chunk: &Chunk,
        wanted: &[Topic],
        limit: usize,
        names: &mut Names<'_>,
        portion: &mut Portion,
    ) -> Result<bool, StoreError> {
        for entry in decode(chunk.first, &chunk.bytes) {
            let entry = entry.map_err(|error| StoreError::Damaged(error.to_string()))?;
            if entry.position <= portion.next {
                continue;
            }
            portion.next = entry.position;
            let Body::Event(event) = &entry.body else {
                continue;
            };
            let Some(place) = event::place(event) else {
                continue;
            };
            if !wanted.contains(&place.0) {
                continue;
            }
            let about = names.about(event.subject(), event.account)?;
            portion.records.push(event::of_event(
                place,
                entry.position,
                event,
                about,
                &self.origin,
            ));
            if portion.records.len() >= limit {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// External ids of accounts, looked up once a read.
struct Names<'a> {
    topics: &'a Topics,
    known: BTreeMap<AccountId, Option<String>>,
}

impl Names<'_> {
    fn about(
        &mut self,
        subject: Option<SubjectId>,
        account: Option<AccountId>,
    ) -> Result<About, StoreError> {
        let customer_id = match account {
            Some(account) => self.name_of(account)?,
            None => None,
        };
        Ok(About {
            subject,
            account,
            customer_id,
        })
    }

    fn name_of(&mut self, account: AccountId) -> Result<Option<String>, StoreError> {
        if let Some(name) = self.known.get(&account) {
            return Ok(name.clone());
        }
        let subject = SubjectId::Account(account);
        let stored = self.topics.store.state(subject)?;
        let state = match stored {
            Some(row) => Some(roots::decode(&row.bytes)?.1),
            // It is younger than the last checkpoint.
            None => Query::new(self.topics.store.as_ref(), &self.topics.salt).subject(subject)?,
        };
        let name = state.and_then(|state| {
            let mut names = state.identifiers.iter();
            let name = names.find(|name| name.kind == IdentifierKind::AccountId)?;
            Some(name.value.to_string())
        });
        self.known.insert(account, name.clone());
        Ok(name)
    }
}
