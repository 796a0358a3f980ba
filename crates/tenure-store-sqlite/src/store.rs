//! The port's methods.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use tenure_core::decision::Decision;
use tenure_core::define::Audience;
use tenure_core::effect::{EnrollmentChange, HealthRecord};
use tenure_core::id::{
    AccountId, DecisionId, EnrollmentId, EventId, MessageId, PersonId, RootId, SubjectId,
    SuppressionId, TaskId,
};
use tenure_core::log::Position;
use tenure_core::time::Timestamp;
use tenure_store::audit::{AuditFilter, AuditRow, follows};
use tenure_store::query::{
    DecisionFilter, EnrollmentFilter, MessageFilter, RecordFilter, RefusalFilter, TaskFilter,
};
use tenure_store::{Batch, DEDUP_RETENTION_MS, Page, Store, StoreError, row};

use crate::connection::{self, DATABASE_FILE, Options, Readers};
use crate::decision::{Decisions, Key, Place};
use crate::dedup::{Dedup, Tools};
use crate::error::{io_error, store_error};
use crate::housekeeping::{self, Bell};
use crate::key::Bits;
use crate::list::Cursor;
use crate::tally::{self, Counted};
use crate::{
    audit, commit, decision, erase, health, log, message, migrate, output, record, refusal, state,
    timeline,
};

/// Pages a backup copies between two reports: 4 MiB.
const BACKUP_STEP_PAGES: i32 = 1_024;

/// A workspace's store in a folder. Dropping it closes the folder.
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    housekeeper: Option<JoinHandle<()>>,
}

/// What the store and its thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) dedup: Dedup,
    pub(crate) decisions: Decisions,
    pub(crate) bell: Bell,
    pub(crate) stop: AtomicBool,
    /// Declared last: the folder is given up after all connections are closed.
    _lock: File,
}

/// The one connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Mutex<Connection>,
}

impl Writer {
    /// Calls `write` in a transaction and makes what it wrote durable.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.write_then(
            |connection| write(connection).map_err(store_error),
            |done| done,
        )
    }

    /// The same, and calls `then` before anybody else may write.
    fn write_then<T, U>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, StoreError>,
        then: impl FnOnce(T) -> U,
    ) -> Result<U, StoreError> {
        let mut connection = self.connection.lock();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(store_error)?;
        let written = write(&transaction)?;
        transaction.commit().map_err(store_error)?;
        Ok(then(written))
    }

    /// Calls `act` while nobody writes.
    pub(crate) fn hold<T>(&self, act: impl FnOnce() -> T) -> T {
        let _connection = self.connection.lock();
        act()
    }
}

impl Shared {
    pub(crate) fn tools(&self) -> Tools<'_> {
        Tools {
            writer: &self.writer,
            readers: &self.readers,
            stop: &self.stop,
        }
    }
}

impl SqliteStore {
    /// Opens the store in `folder`, bringing its schema up to date.
    pub fn open(folder: &Path, options: Options) -> Result<Self, StoreError> {
        let path = folder.join(DATABASE_FILE);
        if !path.is_file() {
            return Err(StoreError::Other(format!(
                "there is no store in {}; create one with `tenure init`",
                folder.display()
            )));
        }
        Self::start(folder, path, options)
    }

    /// Opens the store in `folder`, making folder and store if they are not there.
    pub fn create(folder: &Path, options: Options) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(|error| io_error(&error))?;
        Self::start(folder, folder.join(DATABASE_FILE), options)
    }

    fn start(folder: &Path, path: PathBuf, options: Options) -> Result<Self, StoreError> {
        let lock = connection::lock(folder)?;
        let mut writer = connection::open_writer(&path, &options).map_err(store_error)?;
        migrate::migrate(&mut writer)?;
        let dedup = Dedup::open(&writer, options.run_id_count).map_err(store_error)?;
        let decisions = Decisions::load(&mut writer, options.run_decision_count)?;
        let checkpointer = connection::open_writer(&path, &options).map_err(store_error)?;
        let shared = Arc::new(Shared {
            writer: Writer {
                connection: Mutex::new(writer),
            },
            readers: Readers::new(path, options),
            dedup,
            decisions,
            bell: Bell::default(),
            stop: AtomicBool::new(false),
            _lock: lock,
        });
        let housekeeper = housekeeping::start(Arc::clone(&shared), checkpointer)
            .map_err(|error| StoreError::Other(error.to_string()))?;
        Ok(Self {
            shared,
            housekeeper: Some(housekeeper),
        })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.shared.readers.read(read)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.bell.ring();
        if let Some(housekeeper) = self.housekeeper.take() {
            // A panic of the thread was reported when it happened; nothing is left to do.
            let _ = housekeeper.join();
        }
    }
}

impl Store for SqliteStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        if batch.chunk.is_none() && !batch.seen.is_empty() {
            return Err(StoreError::Other(
                "event ids without a chunk have no instant; commit them with their chunk".into(),
            ));
        }
        let write = |connection: &Connection| {
            if let Some(chunk) = &batch.chunk {
                chunk.follows(log::end(connection).map_err(store_error)?)?;
            }
            if !batch.audit.is_empty() {
                let last = audit::last(connection).map_err(store_error)?;
                follows(&batch.audit, last.map_or(0, |row| row.seq))?;
            }
            let decisions = &self.shared.decisions;
            decisions
                .read(|waiting| commit::apply(connection, waiting, batch))
                .map_err(store_error)
        };
        // Before another commit begins: it builds on what waits.
        let seen_row = self.shared.writer.write_then(write, |applied| {
            self.shared.decisions.apply(applied.decisions);
            applied.seen_row
        })?;
        if let (Some(row), Some(chunk)) = (seen_row, &batch.chunk) {
            self.shared.dedup.add(row, chunk.received_at, &batch.seen);
        }
        self.shared.bell.ring();
        Ok(())
    }

    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT value FROM setting WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()
        })
    }

    fn log_end(&self) -> Result<Position, StoreError> {
        self.read(log::end)
    }

    fn read_log(
        &self,
        from: Position,
        max_bytes: usize,
        occurred_after: Option<Timestamp>,
    ) -> Result<Vec<row::Chunk>, StoreError> {
        self.read(|connection| log::read(connection, from, max_bytes, occurred_after))
    }

    fn seen(&self, ids: &[EventId]) -> Result<Vec<bool>, StoreError> {
        self.shared.dedup.seen(&self.shared.readers, ids)
    }

    fn identities(&self, keys: &[u128]) -> Result<Vec<Option<PersonId>>, StoreError> {
        self.read(|connection| {
            let mut select =
                connection.prepare_cached("SELECT person FROM identity WHERE key = ?1")?;
            keys.iter()
                .map(|key| {
                    select
                        .query_row([Bits(*key)], |row| row.get::<_, Bits>(0).map(Bits::id))
                        .optional()
                })
                .collect()
        })
    }

    fn persons(&self, ids: &[PersonId]) -> Result<Vec<Option<row::Person>>, StoreError> {
        self.read(|connection| {
            let mut select = connection
                .prepare_cached("SELECT account, merged_into FROM person WHERE id = ?1")?;
            ids.iter()
                .map(|id| {
                    select
                        .query_row([Bits::of(*id)], |row| {
                            Ok(row::Person {
                                account: row.get::<_, Option<Bits>>(0)?.map(Bits::id),
                                merged_into: row.get::<_, Option<Bits>>(1)?.map(Bits::id),
                            })
                        })
                        .optional()
                })
                .collect()
        })
    }

    fn progress(&self) -> Result<row::Progress, StoreError> {
        self.read(log::progress)
    }

    fn states(&self, roots: &[RootId]) -> Result<Vec<row::State>, StoreError> {
        self.read(|connection| state::of_roots(connection, roots))
    }

    fn state(&self, subject: SubjectId) -> Result<Option<row::State>, StoreError> {
        self.read(|connection| state::of_subject(connection, subject))
    }

    fn waking(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RootId)>, StoreError> {
        self.read(|connection| state::waking(connection, until, limit))
    }

    fn roots(&self, from_bits: u128, limit: usize) -> Result<Vec<RootId>, StoreError> {
        self.read(|connection| state::roots(connection, from_bits, limit))
    }

    fn due_messages(
        &self,
        channel: &str,
        now: Timestamp,
        except: &[MessageId],
        limit: usize,
    ) -> Result<Vec<row::Message>, StoreError> {
        self.read(|connection| message::due(connection, channel, now, except, limit))
    }

    fn next_message_due(
        &self,
        channel: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.read(|connection| message::next_due(connection, channel, now))
    }

    fn message(&self, id: MessageId) -> Result<Option<row::Message>, StoreError> {
        self.read(|connection| message::get(connection, id))
    }

    fn suppressions(&self, keys: &[u128]) -> Result<Vec<Option<Box<str>>>, StoreError> {
        self.read(|connection| {
            let mut select =
                connection.prepare_cached("SELECT reason FROM suppression WHERE key = ?1")?;
            keys.iter()
                .map(|key| {
                    select
                        .query_row([Bits(*key)], |row| row.get::<_, String>(0).map(Into::into))
                        .optional()
                })
                .collect()
        })
    }

    fn refusals(
        &self,
        filter: &RefusalFilter,
        page: &Page,
    ) -> Result<Vec<(SuppressionId, row::Refusal)>, StoreError> {
        let after = page.after_instant()?;
        self.read(|connection| refusal::list(connection, filter, after, page))
    }

    fn refusal(&self, id: SuppressionId) -> Result<Option<row::Refusal>, StoreError> {
        self.read(|connection| refusal::get(connection, id))
    }

    fn plans(&self) -> Result<Vec<row::PlanRow>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT version, published_at, author, sources FROM plan ORDER BY version",
                )?
                .query_map([], |row| {
                    Ok(row::PlanRow {
                        version: row.get(0)?,
                        published_at: Timestamp(row.get(1)?),
                        author: row.get::<_, String>(2)?.into(),
                        sources: row.get(3)?,
                    })
                })?
                .collect()
        })
    }

    fn messages(
        &self,
        filter: &MessageFilter,
        page: &Page,
    ) -> Result<Vec<row::Message>, StoreError> {
        let after = Cursor::new(page.after_instant::<MessageId>()?);
        self.read(|connection| message::list(connection, filter, after, page))
    }

    fn message_counts(&self) -> Result<Vec<(row::MessageState, u64)>, StoreError> {
        let counts = self.read(|connection| tally::counts(connection, tally::MESSAGES))?;
        Ok(counts
            .into_iter()
            .filter_map(|(counted, count)| match counted {
                Counted::Messages(state) => Some((state, count)),
                _ => None,
            })
            .collect())
    }

    fn decisions(&self, filter: &DecisionFilter, page: &Page) -> Result<Vec<Decision>, StoreError> {
        let after = page.after_instant::<DecisionId>()?;
        let after = after.map(|(at, id)| Place::new(at, id));
        let waiting = self.shared.decisions.entries(&Key::of(filter));
        self.read(|connection| decision::list(connection, waiting, filter, after, page))
    }

    fn enrollments(
        &self,
        filter: &EnrollmentFilter,
        page: &Page,
    ) -> Result<Vec<EnrollmentChange>, StoreError> {
        let after = Cursor::new(page.after_instant::<EnrollmentId>()?);
        self.read(|connection| output::enrollments(connection, filter, after, page))
    }

    fn enrollment_counts(&self) -> Result<Vec<row::EnrollmentCount>, StoreError> {
        let counts = self.read(|connection| tally::counts(connection, tally::ENROLLMENTS))?;
        Ok(counts
            .into_iter()
            .filter_map(|(counted, count)| match counted {
                Counted::Enrollments(program, version, status, step) => {
                    Some(row::EnrollmentCount {
                        program,
                        version,
                        status,
                        step,
                        count,
                    })
                }
                _ => None,
            })
            .collect())
    }

    fn tasks(&self, filter: &TaskFilter, page: &Page) -> Result<Vec<row::Task>, StoreError> {
        let after = Cursor::new(page.after_instant::<TaskId>()?);
        self.read(|connection| output::tasks(connection, filter, after, page))
    }

    fn task(&self, id: TaskId) -> Result<Option<row::Task>, StoreError> {
        self.read(|connection| output::task(connection, id))
    }

    fn health_history(
        &self,
        subject: SubjectId,
        page: &Page,
    ) -> Result<Vec<HealthRecord>, StoreError> {
        let after = page.after_instant::<u8>()?;
        self.read(|connection| health::history(connection, subject, after, page))
    }

    fn members(&self, segment: &str, page: &Page) -> Result<Vec<row::Member>, StoreError> {
        let after = page.after_id()?;
        self.read(|connection| output::members(connection, segment, after, page))
    }

    fn member_counts(&self) -> Result<Vec<(Box<str>, u64)>, StoreError> {
        let counts = self.read(|connection| tally::counts(connection, tally::MEMBERS))?;
        Ok(counts
            .into_iter()
            .filter_map(|(counted, count)| match counted {
                Counted::Members(segment) => Some((segment, count)),
                _ => None,
            })
            .collect())
    }

    fn subjects(&self, audience: Audience, page: &Page) -> Result<Vec<row::State>, StoreError> {
        let after: Option<SubjectId> = page.after_id()?;
        let range = match audience {
            Audience::Account => (after, SubjectId::Account(AccountId(u128::MAX))),
            // All people come after the last account.
            Audience::Person => (
                after.max(Some(SubjectId::Account(AccountId(u128::MAX)))),
                SubjectId::Person(PersonId(u128::MAX)),
            ),
        };
        self.read(|connection| state::range(connection, range, page.row_count()))
    }

    fn subject_counts(&self) -> Result<(u64, u64), StoreError> {
        let counts = self.read(|connection| tally::counts(connection, tally::SUBJECTS))?;
        let count_of = |audience| {
            let mut all = counts.iter();
            let found = all.find(|(counted, _)| *counted == Counted::Subjects(audience));
            found.map_or(0, |(_, count)| *count)
        };
        Ok((count_of(Audience::Account), count_of(Audience::Person)))
    }

    fn timeline(
        &self,
        subject: SubjectId,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Position>, StoreError> {
        self.read(|connection| timeline::newest(connection, subject, before, limit))
    }

    fn people_of(&self, account: AccountId, page: &Page) -> Result<Vec<PersonId>, StoreError> {
        let after = page.after_id()?;
        self.read(|connection| output::people_of(connection, account, after, page))
    }

    fn dead_letters(&self, page: &Page) -> Result<Vec<row::DeadLetter>, StoreError> {
        let after = page.after_instant()?;
        self.read(|connection| output::dead_letters(connection, after, page))
    }

    fn decisions_from(&self, after: u64, limit: usize) -> Result<Vec<(u64, Decision)>, StoreError> {
        self.read(|connection| decision::block::from(connection, after, limit))
    }

    fn decision_end(&self) -> Result<u64, StoreError> {
        self.read(decision::block::end)
    }

    fn record(&self, collection: &str, key: &str) -> Result<Option<row::Record>, StoreError> {
        self.read(|connection| record::one(connection, collection, key))
    }

    fn records(&self, filter: &RecordFilter, page: &Page) -> Result<Vec<row::Record>, StoreError> {
        self.read(|connection| record::list(connection, filter, page))
    }

    fn record_count(&self, collection: &str) -> Result<u64, StoreError> {
        self.read(|connection| record::count(connection, collection))
    }

    fn audit(&self, filter: &AuditFilter, page: &Page) -> Result<Vec<AuditRow>, StoreError> {
        let before = page.after_id()?;
        self.read(|connection| audit::list(connection, filter, before, page))
    }

    fn audit_from(&self, seq: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        self.read(|connection| audit::from(connection, seq, limit))
    }

    fn audit_last(&self) -> Result<Option<AuditRow>, StoreError> {
        self.read(audit::last)
    }

    fn backup(&self, target: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
        // Made here, so that an existing file is refused and never overwritten.
        drop(File::create_new(target).map_err(|error| io_error(&error))?);
        let mut copy = Connection::open(target).map_err(store_error)?;
        self.read(|connection| {
            // Reading once fixes the commit that is copied, whatever is written meanwhile.
            log::end(connection)?;
            let backup = Backup::new(connection, &mut copy)?;
            loop {
                let step = backup.step(BACKUP_STEP_PAGES)?;
                let at = backup.progress();
                progress((at.pagecount - at.remaining) as u64, at.pagecount as u64);
                if step == StepResult::Done {
                    return Ok(());
                }
            }
        })
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        self.read(crate::check::findings)
    }

    fn compact(&self) -> Result<(), StoreError> {
        let connection = self.shared.writer.connection.lock();
        erase::compact(&connection)
    }

    fn maintain(&self, now: Timestamp) -> Result<(), StoreError> {
        let shared = &self.shared;
        let oldest = now.plus_ms(-DEDUP_RETENTION_MS);
        shared.dedup.tidy(&shared.tools())?;
        shared.dedup.expire(&shared.tools(), oldest)?;
        shared.bell.ring();
        Ok(())
    }
}
