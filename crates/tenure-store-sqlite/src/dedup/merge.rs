//! Reading several runs as one sorted sequence.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rusqlite::Connection;

use super::run::{Run, read_block};

/// Ids of several runs in ascending order, each once.
pub(super) struct Merge {
    sources: Vec<Source>,
    /// The next id of each source that has one, least first.
    heads: BinaryHeap<Reverse<(u128, usize)>>,
    last: Option<u128>,
}

struct Source {
    run: Arc<Run>,
    next_block: usize,
    ids: std::vec::IntoIter<u128>,
}

impl Source {
    fn next(&mut self, connection: &Connection) -> rusqlite::Result<Option<u128>> {
        if let Some(id) = self.ids.next() {
            return Ok(Some(id));
        }
        if self.next_block == self.run.block_count() {
            return Ok(None);
        }
        self.ids = read_block(connection, self.run.id, self.next_block)?.into_iter();
        self.next_block += 1;
        Ok(self.ids.next())
    }
}

impl Merge {
    pub(super) fn new(connection: &Connection, runs: &[Arc<Run>]) -> rusqlite::Result<Self> {
        let mut sources: Vec<Source> = runs
            .iter()
            .map(|run| Source {
                run: Arc::clone(run),
                next_block: 0,
                ids: Vec::new().into_iter(),
            })
            .collect();
        let mut heads = BinaryHeap::new();
        for (index, source) in sources.iter_mut().enumerate() {
            heads.extend(source.next(connection)?.map(|id| Reverse((id, index))));
        }
        Ok(Self {
            sources,
            heads,
            last: None,
        })
    }

    /// At most `limit` further ids; empty at the end.
    pub(super) fn take(
        &mut self,
        connection: &Connection,
        limit: usize,
    ) -> rusqlite::Result<Vec<u128>> {
        let mut taken = Vec::with_capacity(limit);
        while taken.len() < limit {
            let Some(Reverse((id, index))) = self.heads.pop() else {
                break;
            };
            let next = self.sources[index].next(connection)?;
            self.heads.extend(next.map(|id| Reverse((id, index))));
            if self.last != Some(id) {
                taken.push(id);
                self.last = Some(id);
            }
        }
        Ok(taken)
    }
}
