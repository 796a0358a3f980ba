//! All accounts merged into one order of time.

use std::sync::Arc;
use std::vec::IntoIter;

use tenure_core::time::HOUR_MS;

use super::activity::Workday;
use super::call::DemoCall;
use super::company::Book;
use super::render::render;
use super::rhythm::{day_of, midnight_ms};

/// No local day begins earlier than this before its midnight in UTC.
const EARLIEST_BEFORE_UTC_MS: i64 = 14 * HOUR_MS;
/// How many local days before the day of an instant can still reach into it: one for zones west
/// of Greenwich, one for sessions that go on after midnight.
const DAYS_BACK: i32 = 2;

/// The calls of an interval in order of time. It makes one day at a time and so holds two or
/// three days in memory.
#[derive(Debug)]
pub struct Calls {
    book: Arc<Book>,
    from_ms: i64,
    to_ms: i64,
    /// The day to be made next.
    next_day: i32,
    /// The last day to be made.
    last_day: i32,
    /// Calls nothing earlier can come before any more, in order of time.
    ready: IntoIter<DemoCall>,
    /// Calls a later day may still come between.
    pending: Vec<DemoCall>,
}

impl Calls {
    pub(crate) fn new(book: Arc<Book>, from_ms: i64, to_ms: i64) -> Self {
        let from_ms = from_ms.max(book.config.start_ms);
        let to_ms = to_ms.min(book.config.horizon_ms());
        Self {
            next_day: day_of(from_ms) - DAYS_BACK,
            // The day after may begin earlier in the far east.
            last_day: day_of(to_ms) + 1,
            book,
            from_ms,
            to_ms,
            ready: Vec::new().into_iter(),
            pending: Vec::new(),
        }
    }

    /// Takes the calls with `timestamp < until_ms` (milliseconds since 1970); later ones stay.
    /// Call it again and again with a growing instant to play the company live.
    pub fn take_until(&mut self, until_ms: i64) -> Vec<DemoCall> {
        let mut taken = Vec::new();
        while self.peek().is_some_and(|call| call.timestamp_ms < until_ms) {
            taken.extend(self.ready.next());
        }
        taken
    }

    /// The next call, which stays.
    pub fn peek(&mut self) -> Option<&DemoCall> {
        while self.ready.as_slice().is_empty() && self.next_day <= self.last_day {
            self.make_day();
        }
        self.ready.as_slice().first()
    }

    fn make_day(&mut self) {
        let day = self.next_day;
        self.next_day += 1;
        let book = Arc::clone(&self.book);
        let interval = self.from_ms..self.to_ms;
        let acting = Workday::new(&book, day);
        let known_count = self.pending.len();
        for account in &book.accounts {
            let facts = &account.facts;
            let first = facts.partition_point(|fact| fact.at_ms < midnight_ms(day));
            let after = facts.partition_point(|fact| fact.at_ms < midnight_ms(day + 1));
            for index in first..after {
                render(&book, account, index, &mut self.pending);
            }
            acting.act(account, &mut self.pending);
        }
        let mut made = self.pending.split_off(known_count);
        made.retain(|call| interval.contains(&call.timestamp_ms));
        self.pending.append(&mut made);
        // Stable: calls of one instant keep the order in which they were made.
        self.pending.sort_by_key(|call| call.timestamp_ms);
        let settled_ms = if self.next_day > self.last_day {
            i64::MAX
        } else {
            midnight_ms(self.next_day) - EARLIEST_BEFORE_UTC_MS
        };
        let settled = self
            .pending
            .partition_point(|call| call.timestamp_ms < settled_ms);
        let later = self.pending.split_off(settled);
        self.ready = std::mem::replace(&mut self.pending, later).into_iter();
    }
}

impl Iterator for Calls {
    type Item = DemoCall;

    fn next(&mut self) -> Option<DemoCall> {
        self.peek()?;
        self.ready.next()
    }
}
