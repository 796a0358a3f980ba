//! What people and programs ask: read-only views over the store, as plain data.
//!
//! Stored states stand at the last checkpoint, some seconds back. What was told since is read from
//! the end of the log, so that somebody who just sent an event finds it.

mod health;
mod program;
mod subject;
mod tail;
mod timeline;
mod why;

use tenure_core::id::Salt;
use tenure_store::Store;
use tenure_store::query::MAX_PAGE_ROWS;

pub use program::{ProgramCounts, Prospects};
pub use timeline::{Item, ItemKind};
pub use why::Why;

/// Asks a store.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    store: &'a dyn Store,
    salt: &'a Salt,
}

/// A part of a list, and where the next part begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The cursor of the next part; `None` when this is the last.
    pub next: Option<String>,
}

impl<'a> Query<'a> {
    /// Asks `store`; `salt` is the workspace's secret.
    pub fn new(store: &'a dyn Store, salt: &'a Salt) -> Self {
        Self { store, salt }
    }
}

impl<T> Listed<T> {
    /// A part of at most `limit` rows, of which one more was asked for to know whether there is a
    /// next part. The store gives no more than [`MAX_PAGE_ROWS`], so a full page of that size is
    /// taken to have a next one, which may be empty.
    pub fn cut(mut rows: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > limit || (limit >= MAX_PAGE_ROWS && rows.len() == limit);
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Self { rows, next }
    }

    /// The same part with every row turned into something else.
    pub fn map<U>(self, row: impl FnMut(T) -> U) -> Listed<U> {
        Listed {
            rows: self.rows.into_iter().map(row).collect(),
            next: self.next,
        }
    }
}
