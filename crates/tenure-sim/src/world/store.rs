//! A store that dies at a chosen commit: before it is durable, or just after. Either way the node
//! sees an error, and nothing more is written until the power is back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use parking_lot::Mutex;
use tenure_core::decision::Decision;
use tenure_core::define::Audience;
use tenure_core::effect::{EnrollmentChange, HealthRecord, MessageIntent};
use tenure_core::id::{
    AccountId, EventId, MessageId, PersonId, RootId, SubjectId, SuppressionId, TaskId,
};
use tenure_core::log::Position;
use tenure_core::time::Timestamp;
use tenure_store::audit::{AuditFilter, AuditRow};
use tenure_store::memory::MemoryStore;
use tenure_store::query::{
    DecisionFilter, EnrollmentFilter, MessageFilter, Page, RecordFilter, RefusalFilter, TaskFilter,
};
use tenure_store::{Batch, Store, StoreError, row};

/// On which side of a commit the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing of the commit is there afterwards.
    Before,
    /// All of it is there, though nobody was told.
    After,
}

/// What durable commits said, as an independent witness.
#[derive(Debug, Default)]
pub struct Witness {
    /// Every message, as it was decided.
    pub intents: BTreeMap<MessageId, MessageIntent>,
    /// Every report of where an enrollment stands, in order.
    pub enrollments: Vec<EnrollmentChange>,
    /// Messages of which a commit about an attempt was cut.
    pub cut_attempts: BTreeSet<MessageId>,
    /// Running hash over all commits.
    pub hasher: blake3::Hasher,
}

#[derive(Debug, Default)]
struct Power {
    commit_count: u64,
    cut_at: Option<(u64, Cut)>,
    down: bool,
}

/// A store in memory that can be made to die.
#[derive(Debug, Default)]
pub struct FaultyStore {
    inner: MemoryStore,
    power: Mutex<Power>,
    witness: Mutex<Witness>,
    interruption: Mutex<Option<Batch>>,
}

impl FaultyStore {
    /// An empty store that works.
    pub fn new() -> Self {
        Self::default()
    }

    /// The data, past all faults.
    pub fn data(&self) -> &MemoryStore {
        &self.inner
    }

    /// What durable commits said.
    pub fn witness(&self) -> &Mutex<Witness> {
        &self.witness
    }

    /// Has somebody else write this right after the next attempt at a message is begun.
    pub fn interrupt(&self, batch: Batch) {
        *self.interruption.lock() = Some(batch);
    }

    /// Has the power cut at the commit after so many more.
    pub fn cut_after(&self, commit_count: u64, cut: Cut) {
        let mut power = self.power.lock();
        power.cut_at = Some((power.commit_count + commit_count, cut));
    }

    /// Cuts the power now.
    pub fn cut_now(&self) {
        self.power.lock().down = true;
    }

    /// Nothing is cut any more.
    pub fn behave(&self) {
        self.power.lock().cut_at = None;
    }

    /// Brings the power back.
    pub fn restore_power(&self) {
        self.power.lock().down = false;
    }

    /// Whether the power is gone, and with it the node.
    pub fn is_down(&self) -> bool {
        self.power.lock().down
    }

    /// How many commits were asked for.
    pub fn commit_count(&self) -> u64 {
        self.power.lock().commit_count
    }

    fn fate(&self) -> Result<Option<Cut>, StoreError> {
        let mut power = self.power.lock();
        if power.down {
            return Err(gone());
        }
        let number = power.commit_count;
        power.commit_count += 1;
        let cut = power.cut_at.filter(|(at, _)| *at <= number);
        if cut.is_some() {
            power.down = true;
            power.cut_at = None;
        }
        Ok(cut.map(|(_, cut)| cut))
    }
}

fn gone() -> StoreError {
    StoreError::Other("the power is gone".into())
}

impl Witness {
    fn note(&mut self, batch: &Batch) {
        for intent in &batch.messages {
            self.intents
                .entry(intent.id)
                .or_insert_with(|| intent.clone());
        }
        self.enrollments.extend(batch.enrollments.iter().cloned());
        if let Some(chunk) = &batch.chunk {
            self.hasher.update(&chunk.bytes);
        }
        for decision in &batch.decisions {
            self.hasher.update(&decision.id.0.to_be_bytes());
        }
        for update in &batch.dispatched {
            self.hasher.update(format!("{update:?}").as_bytes());
        }
        for state in batch.checkpoint.iter().flat_map(|part| &part.states) {
            self.hasher.update(&state.bytes);
        }
    }
}

impl Store for FaultyStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let cut = self.fate()?;
        if cut.is_some() {
            let ids = batch.dispatched.iter().map(|update| update.id);
            self.witness.lock().cut_attempts.extend(ids);
        }
        if cut == Some(Cut::Before) {
            return Err(gone());
        }
        self.inner.commit(batch)?;
        self.witness.lock().note(batch);
        let mut updates = batch.dispatched.iter();
        if updates.any(|update| update.state == row::MessageState::Sending)
            && let Some(other) = self.interruption.lock().take()
        {
            self.inner.commit(&other)?;
        }
        if cut.is_some() { Err(gone()) } else { Ok(()) }
    }

    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.setting(name)
    }

    fn log_end(&self) -> Result<Position, StoreError> {
        self.inner.log_end()
    }

    fn read_log(
        &self,
        from: Position,
        max_bytes: usize,
        occurred_after: Option<Timestamp>,
    ) -> Result<Vec<row::Chunk>, StoreError> {
        self.inner.read_log(from, max_bytes, occurred_after)
    }

    fn seen(&self, ids: &[EventId]) -> Result<Vec<bool>, StoreError> {
        self.inner.seen(ids)
    }

    fn identities(&self, keys: &[u128]) -> Result<Vec<Option<PersonId>>, StoreError> {
        self.inner.identities(keys)
    }

    fn persons(&self, ids: &[PersonId]) -> Result<Vec<Option<row::Person>>, StoreError> {
        self.inner.persons(ids)
    }

    fn progress(&self) -> Result<row::Progress, StoreError> {
        self.inner.progress()
    }

    fn states(&self, roots: &[RootId]) -> Result<Vec<row::State>, StoreError> {
        self.inner.states(roots)
    }

    fn state(&self, subject: SubjectId) -> Result<Option<row::State>, StoreError> {
        self.inner.state(subject)
    }

    fn waking(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RootId)>, StoreError> {
        self.inner.waking(until, limit)
    }

    fn roots(&self, from_bits: u128, limit: usize) -> Result<Vec<RootId>, StoreError> {
        self.inner.roots(from_bits, limit)
    }

    fn due_messages(
        &self,
        channel: &str,
        now: Timestamp,
        except: &[MessageId],
        limit: usize,
    ) -> Result<Vec<row::Message>, StoreError> {
        self.inner.due_messages(channel, now, except, limit)
    }

    fn next_message_due(
        &self,
        channel: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_message_due(channel, now)
    }

    fn message(&self, id: MessageId) -> Result<Option<row::Message>, StoreError> {
        self.inner.message(id)
    }

    fn suppressions(&self, keys: &[u128]) -> Result<Vec<Option<Box<str>>>, StoreError> {
        self.inner.suppressions(keys)
    }

    fn refusals(
        &self,
        filter: &RefusalFilter,
        page: &Page,
    ) -> Result<Vec<(SuppressionId, row::Refusal)>, StoreError> {
        self.inner.refusals(filter, page)
    }

    fn refusal(&self, id: SuppressionId) -> Result<Option<row::Refusal>, StoreError> {
        self.inner.refusal(id)
    }

    fn plans(&self) -> Result<Vec<row::PlanRow>, StoreError> {
        self.inner.plans()
    }

    fn messages(
        &self,
        filter: &MessageFilter,
        page: &Page,
    ) -> Result<Vec<row::Message>, StoreError> {
        self.inner.messages(filter, page)
    }

    fn message_counts(&self) -> Result<Vec<(row::MessageState, u64)>, StoreError> {
        self.inner.message_counts()
    }

    fn decisions(&self, filter: &DecisionFilter, page: &Page) -> Result<Vec<Decision>, StoreError> {
        self.inner.decisions(filter, page)
    }

    fn enrollments(
        &self,
        filter: &EnrollmentFilter,
        page: &Page,
    ) -> Result<Vec<EnrollmentChange>, StoreError> {
        self.inner.enrollments(filter, page)
    }

    fn enrollment_counts(&self) -> Result<Vec<row::EnrollmentCount>, StoreError> {
        self.inner.enrollment_counts()
    }

    fn tasks(&self, filter: &TaskFilter, page: &Page) -> Result<Vec<row::Task>, StoreError> {
        self.inner.tasks(filter, page)
    }

    fn task(&self, id: TaskId) -> Result<Option<row::Task>, StoreError> {
        self.inner.task(id)
    }

    fn health_history(
        &self,
        subject: SubjectId,
        page: &Page,
    ) -> Result<Vec<HealthRecord>, StoreError> {
        self.inner.health_history(subject, page)
    }

    fn members(&self, segment: &str, page: &Page) -> Result<Vec<row::Member>, StoreError> {
        self.inner.members(segment, page)
    }

    fn member_counts(&self) -> Result<Vec<(Box<str>, u64)>, StoreError> {
        self.inner.member_counts()
    }

    fn subjects(&self, audience: Audience, page: &Page) -> Result<Vec<row::State>, StoreError> {
        self.inner.subjects(audience, page)
    }

    fn subject_counts(&self) -> Result<(u64, u64), StoreError> {
        self.inner.subject_counts()
    }

    fn timeline(
        &self,
        subject: SubjectId,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Position>, StoreError> {
        self.inner.timeline(subject, before, limit)
    }

    fn people_of(&self, account: AccountId, page: &Page) -> Result<Vec<PersonId>, StoreError> {
        self.inner.people_of(account, page)
    }

    fn dead_letters(&self, page: &Page) -> Result<Vec<row::DeadLetter>, StoreError> {
        self.inner.dead_letters(page)
    }

    fn decisions_from(&self, after: u64, limit: usize) -> Result<Vec<(u64, Decision)>, StoreError> {
        self.inner.decisions_from(after, limit)
    }

    fn decision_end(&self) -> Result<u64, StoreError> {
        self.inner.decision_end()
    }

    fn record(&self, collection: &str, key: &str) -> Result<Option<row::Record>, StoreError> {
        self.inner.record(collection, key)
    }

    fn records(&self, filter: &RecordFilter, page: &Page) -> Result<Vec<row::Record>, StoreError> {
        self.inner.records(filter, page)
    }

    fn record_count(&self, collection: &str) -> Result<u64, StoreError> {
        self.inner.record_count(collection)
    }

    fn audit(&self, filter: &AuditFilter, page: &Page) -> Result<Vec<AuditRow>, StoreError> {
        self.inner.audit(filter, page)
    }

    fn audit_from(&self, seq: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        self.inner.audit_from(seq, limit)
    }

    fn audit_last(&self) -> Result<Option<AuditRow>, StoreError> {
        self.inner.audit_last()
    }

    fn backup(&self, target: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
        self.inner.backup(target, progress)
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        self.inner.check()
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.inner.compact()
    }

    fn maintain(&self, now: Timestamp) -> Result<(), StoreError> {
        self.inner.maintain(now)
    }
}
