//! The live end of the log: how far it reaches, which time is safe to act on, and its youngest
//! chunks in memory so that the worker need not read back what was just written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tenure_core::log::Position;
use tenure_core::time::Timestamp;
use tenure_store::row::Chunk;

/// How many bytes of young chunks are kept in memory.
const TAIL_BYTES: usize = 32 * 1024 * 1024;

/// The end of the log, shared by the log writer and the worker.
#[derive(Debug)]
pub struct Journal {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    end: Position,
    /// No later entry will have an earlier `received_at`.
    floor: Timestamp,
    /// A commit that stamps entries with `floor` is under way.
    in_flight: bool,
    tail: VecDeque<Arc<Chunk>>,
    tail_bytes: usize,
    /// Counts up on everything the worker may want to wake for.
    generation: u64,
}

/// How far the log reaches, and up to when time alone may be acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// Position of the last entry.
    pub end: Position,
    /// Every entry received at or before this instant is at or before `end`.
    pub safe_at: Timestamp,
}

impl Journal {
    /// A journal over a log that ends at `end`, whose last entry was received at `floor`.
    pub fn new(end: Position, floor: Timestamp) -> Self {
        Self {
            inner: Mutex::new(Inner {
                end,
                floor,
                in_flight: false,
                tail: VecDeque::new(),
                tail_bytes: 0,
                generation: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Begins a commit; answers the position before it and the time its entries are stamped with.
    pub fn begin(&self, now: Timestamp) -> (Position, Timestamp) {
        let mut inner = self.inner.lock();
        inner.floor = inner.floor.max(now);
        inner.in_flight = true;
        (inner.end, inner.floor)
    }

    /// Ends a commit; the chunk is durable now (`None`: nothing was appended, or it failed).
    pub fn end(&self, chunk: Option<Chunk>) {
        let mut inner = self.inner.lock();
        inner.in_flight = false;
        if let Some(chunk) = chunk {
            inner.end = chunk.first + u64::from(chunk.count) - 1;
            inner.tail_bytes += chunk.bytes.len();
            inner.tail.push_back(Arc::new(chunk));
            while inner.tail_bytes > TAIL_BYTES && inner.tail.len() > 1 {
                let gone = inner.tail.pop_front().map_or(0, |chunk| chunk.bytes.len());
                inner.tail_bytes -= gone;
            }
            inner.generation += 1;
            self.changed.notify_all();
        }
    }

    /// The log's end and the safe time, given what the clock says.
    pub fn horizon(&self, now: Timestamp) -> Horizon {
        let mut inner = self.inner.lock();
        if inner.in_flight {
            return Horizon {
                end: inner.end,
                safe_at: inner.floor.plus_ms(-1),
            };
        }
        inner.floor = inner.floor.max(now);
        Horizon {
            end: inner.end,
            safe_at: inner.floor,
        }
    }

    /// Position of the last entry.
    pub fn log_end(&self) -> Position {
        self.inner.lock().end
    }

    /// The young chunk that holds a position, if it is still in memory.
    pub fn chunk(&self, position: Position) -> Option<Arc<Chunk>> {
        let inner = self.inner.lock();
        let index = inner
            .tail
            .partition_point(|chunk| chunk.first <= position)
            .checked_sub(1)?;
        let chunk = &inner.tail[index];
        (position < chunk.first + u64::from(chunk.count)).then(|| Arc::clone(chunk))
    }

    /// Lets go of the young chunks; whoever wants one reads it from the store.
    pub fn forget_chunks(&self) {
        let mut inner = self.inner.lock();
        inner.tail.clear();
        inner.tail_bytes = 0;
    }

    /// Wakes whoever waits.
    pub fn nudge(&self) {
        self.inner.lock().generation += 1;
        self.changed.notify_all();
    }

    /// Waits until the log grows beyond `seen`, somebody nudges, or the time is over.
    pub fn wait(&self, seen: Position, at_most: Duration) {
        let mut inner = self.inner.lock();
        let generation = inner.generation;
        if inner.end > seen {
            return;
        }
        self.changed
            .wait_while_for(&mut inner, |inner| inner.generation == generation, at_most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(first: Position, count: u32) -> Chunk {
        Chunk {
            first,
            count,
            received_at: Timestamp(1),
            occurred_until: Timestamp(1),
            bytes: vec![0; 8],
        }
    }

    #[test]
    fn time_is_not_safe_while_a_commit_with_that_time_is_under_way() {
        let journal = Journal::new(0, Timestamp(0));
        assert_eq!(
            journal.horizon(Timestamp(50)),
            Horizon {
                end: 0,
                safe_at: Timestamp(50)
            }
        );
        let (before, stamp) = journal.begin(Timestamp(100));
        assert_eq!((before, stamp), (0, Timestamp(100)));
        assert_eq!(
            journal.horizon(Timestamp(200)),
            Horizon {
                end: 0,
                safe_at: Timestamp(99)
            }
        );
        journal.end(Some(chunk(1, 3)));
        assert_eq!(
            journal.horizon(Timestamp(200)),
            Horizon {
                end: 3,
                safe_at: Timestamp(200)
            }
        );
    }

    #[test]
    fn stamps_never_go_back_when_the_clock_does() {
        let journal = Journal::new(0, Timestamp(0));
        journal.horizon(Timestamp(500));
        assert_eq!(journal.begin(Timestamp(100)).1, Timestamp(500));
    }

    #[test]
    fn a_young_chunk_is_found_by_any_of_its_positions() {
        let journal = Journal::new(0, Timestamp(0));
        journal.begin(Timestamp(1));
        journal.end(Some(chunk(1, 3)));
        journal.begin(Timestamp(1));
        journal.end(Some(chunk(4, 2)));
        assert_eq!(journal.chunk(3).unwrap().first, 1);
        assert_eq!(journal.chunk(5).unwrap().first, 4);
        assert!(journal.chunk(6).is_none());
    }
}
