//! The storage port: what Tenure needs of a database, in bulk, as plain data.
//!
//! Invariants an adapter keeps (and the conformance suite checks):
//! - [`Store::commit`] is atomic and durable: after it returns, all of the batch survives a power
//!   cut; if it fails or the process dies, none of it is there.
//! - Inserts of things with derived ids are idempotent: what is there already is left as it is.
//! - Readers never block the writer, and see whole commits.
//! - No decision is taken here: no clock, no default, no policy. `now` is always an argument.

pub mod audit;
pub mod batch;
#[cfg(feature = "conformance")]
#[allow(missing_docs, reason = "the name of each property is its sentence")]
pub mod conformance;
#[cfg(feature = "memory")]
pub mod memory;
pub mod query;
pub mod row;

use tenure_core::id::{
    AccountId, EventId, MessageId, PersonId, RootId, SubjectId, SuppressionId, TaskId,
};
use tenure_core::log::Position;
use tenure_core::time::Timestamp;

pub use batch::Batch;
pub use query::Page;

/// Something went wrong below.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full or not writable; accepted data is safe, nothing new is taken.
    #[error("the store cannot write: {0}; free disk space or fix permissions, then try again")]
    Unwritable(String),
    /// Stored bytes cannot be read back.
    #[error("the store is damaged: {0}; restore the last backup")]
    Damaged(String),
    /// Written by a newer version of Tenure.
    #[error(
        "the store was written by a newer version of Tenure (schema {found}, this binary knows {known})"
    )]
    TooNew {
        /// Schema number in the store.
        found: u32,
        /// Highest number this binary knows.
        known: u32,
    },
    /// Another process has it open.
    #[error("the store is in use by another process; stop it first, or talk to it with --url")]
    InUse,
    /// The caller's page cursor is not one of this list's.
    #[error("`{0}` is not a page cursor of this list; take `cursor` from the page before")]
    BadCursor(String),
    /// Anything else; trying again may help.
    #[error("store error: {0}")]
    Other(String),
}

/// A workspace's store. One process writes; any number of threads read.
pub trait Store: Send + Sync {
    /// Applies a batch, atomically and durably (see the crate's invariants).
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Numbers and names kept about the workspace itself.
    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    // --- log -----------------------------------------------------------------------------

    /// Position of the last entry; 0 when the log is empty.
    fn log_end(&self) -> Result<Position, StoreError>;
    /// Chunks from the one that holds `from` on, in order, until `max_bytes` are exceeded (at
    /// least one chunk if there is one). With `occurred_after`, chunks whose youngest event
    /// occurred before that instant may be left out.
    fn read_log(
        &self,
        from: Position,
        max_bytes: usize,
        occurred_after: Option<Timestamp>,
    ) -> Result<Vec<row::Chunk>, StoreError>;

    // --- ingest --------------------------------------------------------------------------

    /// For each event id, whether it was committed in [`Batch::seen`] no longer ago than the
    /// adapter's retention (at least [`DEDUP_RETENTION_MS`]).
    fn seen(&self, ids: &[EventId]) -> Result<Vec<bool>, StoreError>;
    /// For each identity key, the person it was bound to last.
    fn identities(&self, keys: &[u128]) -> Result<Vec<Option<PersonId>>, StoreError>;
    /// For each person, its account and what it was merged into, if it was ever written.
    fn persons(&self, ids: &[PersonId]) -> Result<Vec<Option<row::Person>>, StoreError>;

    // --- engine --------------------------------------------------------------------------

    /// Where the worker stands: what is committed, and what the stored states contain.
    fn progress(&self) -> Result<row::Progress, StoreError>;
    /// States of all subjects of the given roots.
    fn states(&self, roots: &[RootId]) -> Result<Vec<row::State>, StoreError>;
    /// The state of one subject.
    fn state(&self, subject: SubjectId) -> Result<Option<row::State>, StoreError>;
    /// Roots with a subject that wakes at or before `until`, with that instant (the root's
    /// earliest), ordered by instant; at most `limit`.
    fn waking(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RootId)>, StoreError>;
    /// Roots whose id's bits are `from_bits` or more, in order of those bits (accounts and people
    /// mixed), at most `limit`; for sweeps over everything.
    fn roots(&self, from_bits: u128, limit: usize) -> Result<Vec<RootId>, StoreError>;

    // --- dispatch ------------------------------------------------------------------------

    /// Messages of a channel in state [`row::MessageState::Pending`] due at or before `now`, oldest
    /// due first then by id, at most `limit`, leaving out those in `except`.
    fn due_messages(
        &self,
        channel: &str,
        now: Timestamp,
        except: &[MessageId],
        limit: usize,
    ) -> Result<Vec<row::Message>, StoreError>;
    /// When the next pending message of a channel after `now` is due.
    fn next_message_due(
        &self,
        channel: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError>;
    /// One message.
    fn message(&self, id: MessageId) -> Result<Option<row::Message>, StoreError>;
    /// For each address key, whether it is suppressed and why.
    fn suppressions(&self, keys: &[u128]) -> Result<Vec<Option<Box<str>>>, StoreError>;

    /// Refusals by filter, newest first.
    fn refusals(
        &self,
        filter: &query::RefusalFilter,
        page: &Page,
    ) -> Result<Vec<(SuppressionId, row::Refusal)>, StoreError>;
    /// One refusal.
    fn refusal(&self, id: SuppressionId) -> Result<Option<row::Refusal>, StoreError>;

    // --- definitions ---------------------------------------------------------------------

    /// All published plans, oldest first.
    fn plans(&self) -> Result<Vec<row::PlanRow>, StoreError>;

    // --- lists for people and the API ----------------------------------------------------

    /// Messages by filter, newest first.
    fn messages(
        &self,
        filter: &query::MessageFilter,
        page: &Page,
    ) -> Result<Vec<row::Message>, StoreError>;
    /// How many messages are in each state.
    fn message_counts(&self) -> Result<Vec<(row::MessageState, u64)>, StoreError>;
    /// Decisions by filter, newest first.
    fn decisions(
        &self,
        filter: &query::DecisionFilter,
        page: &Page,
    ) -> Result<Vec<tenure_core::decision::Decision>, StoreError>;
    /// Enrollments by filter, newest first.
    fn enrollments(
        &self,
        filter: &query::EnrollmentFilter,
        page: &Page,
    ) -> Result<Vec<tenure_core::effect::EnrollmentChange>, StoreError>;
    /// `(program, version, status, step, count)` over all enrollments.
    fn enrollment_counts(&self) -> Result<Vec<row::EnrollmentCount>, StoreError>;
    /// Tasks by filter, newest first.
    fn tasks(&self, filter: &query::TaskFilter, page: &Page) -> Result<Vec<row::Task>, StoreError>;
    /// One task.
    fn task(&self, id: TaskId) -> Result<Option<row::Task>, StoreError>;
    /// Members of a segment in id order, with since when.
    fn members(&self, segment: &str, page: &Page) -> Result<Vec<row::Member>, StoreError>;
    /// Number of members of each segment that has any.
    fn member_counts(&self) -> Result<Vec<(Box<str>, u64)>, StoreError>;
    /// Subjects of one kind in id order (page cursor: the id's printed form).
    fn subjects(
        &self,
        audience: tenure_core::define::Audience,
        page: &Page,
    ) -> Result<Vec<row::State>, StoreError>;
    /// How many accounts and people have a state.
    fn subject_counts(&self) -> Result<(u64, u64), StoreError>;
    /// Positions of the log entries about a subject, newest first, before `before`.
    fn timeline(
        &self,
        subject: SubjectId,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Position>, StoreError>;
    /// People of an account in id order.
    fn people_of(&self, account: AccountId, page: &Page) -> Result<Vec<PersonId>, StoreError>;
    /// The history of a subject's health, newest first (page cursor: instant and
    /// [`query::health_kind_number`]).
    fn health_history(
        &self,
        subject: SubjectId,
        page: &Page,
    ) -> Result<Vec<tenure_core::effect::HealthRecord>, StoreError>;
    /// Dead letters, newest first.
    fn dead_letters(&self, page: &Page) -> Result<Vec<row::DeadLetter>, StoreError>;

    /// Decisions in the order in which they were committed, from the one numbered `after + 1` on,
    /// each with its number; at most `limit`. The first ever committed is number 1, and there are
    /// no gaps.
    fn decisions_from(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, tenure_core::decision::Decision)>, StoreError>;
    /// The number of the decision committed last; 0 when there is none.
    fn decision_end(&self) -> Result<u64, StoreError>;

    // --- records of the shell ------------------------------------------------------------

    /// One record.
    fn record(&self, collection: &str, key: &str) -> Result<Option<row::Record>, StoreError>;
    /// Records in the order of their keys (page cursor: the key).
    fn records(
        &self,
        filter: &query::RecordFilter,
        page: &Page,
    ) -> Result<Vec<row::Record>, StoreError>;
    /// How many records a collection has.
    fn record_count(&self, collection: &str) -> Result<u64, StoreError>;

    // --- audit ---------------------------------------------------------------------------

    /// Entries of the audit trail by filter, newest first (page cursor: the number).
    fn audit(
        &self,
        filter: &audit::AuditFilter,
        page: &Page,
    ) -> Result<Vec<audit::AuditRow>, StoreError>;
    /// Entries of the audit trail from number `seq` on, in order, at most `limit`.
    fn audit_from(&self, seq: u64, limit: usize) -> Result<Vec<audit::AuditRow>, StoreError>;
    /// The last entry of the audit trail.
    fn audit_last(&self) -> Result<Option<audit::AuditRow>, StoreError>;

    // --- operations ----------------------------------------------------------------------

    /// Writes a consistent copy to `target` (which must not exist) while work goes on, calling
    /// `progress(done, total)` in pages.
    fn backup(
        &self,
        target: &std::path::Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), StoreError>;
    /// Checks the store's own consistency; a list of findings, empty when sound.
    fn check(&self) -> Result<Vec<String>, StoreError>;
    /// Writes everything anew, so that no byte of what was deleted or replaced is left in the
    /// store's files. Nothing can be committed meanwhile; wants as much free space as the store has.
    fn compact(&self) -> Result<(), StoreError>;
    /// A short pause is fine now: do background housekeeping (WAL checkpoint, expiry of the
    /// de-duplication index before `now - DEDUP_RETENTION_MS`).
    fn maintain(&self, now: Timestamp) -> Result<(), StoreError>;
}

/// For how long a repeated event id is recognised, at least: 7 days, in milliseconds.
pub const DEDUP_RETENTION_MS: i64 = 7 * tenure_core::time::DAY_MS;
