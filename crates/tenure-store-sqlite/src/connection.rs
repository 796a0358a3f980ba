//! Opening the folder: lock, connections and their settings.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tenure_store::StoreError;

use crate::error::{io_error, store_error};

/// Name of the database in the data folder.
pub const DATABASE_FILE: &str = "tenure.db";
/// Name of the file whose lock says that a process has the folder open.
const LOCK_FILE: &str = "tenure.lock";

/// Bytes of a page. Random changes of small index entries and 1 KB states write whole pages, so
/// small ones write least: 4.9 KB a state against 6.9 KB with pages of 8 KB.
const PAGE_SIZE_BYTES: u32 = 4_096;
/// SQLite truncates the WAL to this when it starts over.
const WAL_KEPT_BYTES: i64 = 64 << 20;
/// How long a connection waits for a lock of SQLite's own, which is held for moments only.
const BUSY_TIMEOUT_MS: u32 = 10_000;
/// Prepared statements a connection keeps.
const STATEMENT_CACHE_COUNT: usize = 96;

/// What can be tuned. The defaults suit two cores and 1 GB.
#[derive(Debug, Clone)]
pub struct Options {
    /// Page cache of the writer, in KiB; what does not fit is written early.
    pub writer_cache_kib: u32,
    /// Page cache of each reader, in KiB.
    pub reader_cache_kib: u32,
    /// Readers kept open when idle; more are opened while needed.
    pub idle_reader_count: usize,
    /// Refuse to grow beyond so many pages of 4 KiB (a quota); `None` for no limit.
    pub max_page_count: Option<u32>,
    /// Event ids gathered in memory before they are sealed into a sorted run.
    pub run_id_count: usize,
    /// Decisions that wait in memory before their index is written.
    pub run_decision_count: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            writer_cache_kib: 64 << 10,
            reader_cache_kib: 2 << 10,
            idle_reader_count: 4,
            max_page_count: None,
            run_id_count: 1 << 18,
            run_decision_count: 1 << 17,
        }
    }
}

/// Takes the folder for this process; the lock lasts as long as the file is open.
pub(crate) fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| io_error(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(io_error(&error)),
    }
}

/// Opens the writing connection, making the database if there is none.
pub(crate) fn open_writer(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    // Both only take effect on an empty database.
    connection.pragma_update(None, "page_size", PAGE_SIZE_BYTES)?;
    connection.pragma_update(None, "auto_vacuum", "NONE")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The store's thread does it, so that no commit has to.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_KEPT_BYTES, |_| Ok(()))?;
    connection.pragma_update(None, "foreign_keys", false)?;
    if let Some(pages) = options.max_page_count {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    tune(&connection, options.writer_cache_kib)?;
    Ok(connection)
}

fn open_reader(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "query_only", true)?;
    tune(&connection, options.reader_cache_kib)?;
    Ok(connection)
}

fn tune(connection: &Connection, cache_kib: u32) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update_and_check(None, "busy_timeout", BUSY_TIMEOUT_MS, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE_COUNT);
    Ok(())
}

/// Reading connections, opened as needed.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    options: Options,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, options: Options) -> Self {
        Self {
            path,
            options,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Calls `read` with a connection inside one read transaction, so that all it reads is of
    /// one commit.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path, &self.options).map_err(store_error)?,
        };
        let answer = in_transaction(&connection, read).map_err(store_error);
        let mut idle = self.idle.lock();
        if idle.len() < self.options.idle_reader_count {
            idle.push(connection);
        }
        answer
    }
}

fn in_transaction<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    // Dropped, it rolls back, which for a reader means that it ends.
    let transaction = connection.unchecked_transaction()?;
    read(&transaction)
}
