//! The storage port on SQLite: the embedded default.
//!
//! One folder holds one workspace: `tenure.db` and SQLite's two companions. One connection
//! writes, a small pool reads beside it (WAL), and a thread of the store copies the WAL back and
//! merges the de-duplication index, so that commits do not wait for either.
//!
//! To restore a backup, put the file as `tenure.db` into an empty folder.

mod audit;
mod check;
mod commit;
mod connection;
mod decision;
mod dedup;
mod erase;
mod error;
mod health;
mod housekeeping;
mod key;
mod list;
mod log;
mod message;
mod migrate;
mod output;
mod record;
mod refusal;
mod state;
mod store;
mod tally;
mod timeline;

pub use connection::{DATABASE_FILE, Options};
pub use store::SqliteStore;
