//! What the store gives back.

use serde::{Deserialize, Serialize};
use tenure_core::effect::{EnrollmentStatus, MessageIntent, TaskIntent};
use tenure_core::id::{AccountId, PersonId, RootId, SubjectId};
use tenure_core::log::{PlanVersion, Position};
use tenure_core::time::Timestamp;

use crate::StoreError;
use crate::batch::{MessageUpdate, TaskUpdate};

/// Log entries written by one commit, encoded by [`tenure_core::log::encode`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Position of the first entry.
    pub first: Position,
    /// How many entries.
    pub count: u32,
    /// `received_at` of the last entry.
    pub received_at: Timestamp,
    /// The latest `occurred_at` of its events (`MIN_TIMESTAMP` without events).
    pub occurred_until: Timestamp,
    /// The entries.
    pub bytes: Vec<u8>,
}

/// A person as the identity resolution knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Person {
    /// The account it belongs to.
    pub account: Option<AccountId>,
    /// The person it was merged into.
    pub merged_into: Option<PersonId>,
}

/// A place the engine has reached: all entries up to `position` and all wake-ups due up to `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mark {
    /// Last entry.
    pub position: Position,
    /// The engine's time.
    pub at: Timestamp,
}

/// Where the worker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Output is committed up to here.
    pub applied: Mark,
    /// Stored states stand here, never after `applied`.
    pub checkpoint: Mark,
}

/// A stored subject state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Who.
    pub subject: SubjectId,
    /// The root it is kept under.
    pub root: RootId,
    /// When it wakes.
    pub wake_at: Option<Timestamp>,
    /// A [`tenure_core::subject::SubjectState`] in `postcard`.
    pub bytes: Vec<u8>,
}

/// A published set of definitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRow {
    /// Its number.
    pub version: PlanVersion,
    /// When.
    pub published_at: Timestamp,
    /// By whom, as the audit names them.
    pub author: Box<str>,
    /// The sources: JSON of the shell.
    pub sources: Vec<u8>,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Waits for its due time.
    Pending,
    /// An attempt has begun; after a crash it becomes unknown.
    Sending,
    /// The provider took it.
    Sent,
    /// A receipt says it arrived.
    Delivered,
    /// It came back.
    Bounced,
    /// It cannot be known whether it went out.
    Unknown,
    /// Not sent, for good: attempts are used up or the answer was final.
    Dead,
    /// Not sent: consent, suppression or the operator said no at the last moment.
    Cancelled,
}

/// A message with its history in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// What the engine decided. Address and data are empty once forgotten.
    pub intent: MessageIntent,
    /// Where it stands.
    pub state: MessageState,
    /// Since when.
    pub state_at: Timestamp,
    /// When it is due.
    pub due_at: Timestamp,
    /// Attempts so far.
    pub attempt_count: u32,
    /// Why, or the provider's answer.
    pub reason: Option<Box<str>>,
    /// Key of the address that the last attempt went to: a bounce is about that one, whatever the
    /// person's address is by then.
    pub sent_to: Option<u128>,
}

impl Message {
    /// How a message stands when the engine has just decided it: pending and due at once.
    pub fn new(intent: MessageIntent) -> Self {
        Self {
            state: MessageState::Pending,
            state_at: intent.decided_at,
            due_at: intent.decided_at,
            attempt_count: 0,
            reason: None,
            sent_to: None,
            intent,
        }
    }

    /// Applies what dispatch did.
    pub fn update(&mut self, update: &MessageUpdate) {
        self.state = update.state;
        self.state_at = update.at;
        self.reason.clone_from(&update.reason);
        self.attempt_count = update.attempt_count;
        self.due_at = update.due_at.unwrap_or(self.due_at);
        self.sent_to = update.sent_to.or(self.sent_to);
        if update.forget {
            self.intent.to = "".into();
            self.intent.data = "".into();
        }
    }
}

/// A task with what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// What the engine decided.
    pub intent: TaskIntent,
    /// Whose it is now.
    pub owner: Option<Box<str>>,
    /// When it is due now.
    pub due_at: Option<Timestamp>,
    /// It rests until then.
    pub snoozed_until: Option<Timestamp>,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    /// What came of it.
    pub outcome: Option<Box<str>>,
}

impl Task {
    /// How a task stands when the engine has just created it.
    pub fn new(intent: TaskIntent) -> Self {
        Self {
            owner: intent.owner.clone(),
            due_at: intent.due_at,
            snoozed_until: None,
            completed_at: None,
            outcome: None,
            intent,
        }
    }

    /// Applies what a human did.
    pub fn update(&mut self, update: &TaskUpdate) {
        self.owner.clone_from(&update.owner);
        self.due_at = update.due_at;
        self.snoozed_until = update.snoozed_until;
        self.completed_at = update.completed_at;
        self.outcome.clone_from(&update.outcome);
    }
}

/// What may not be written to, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What is refused.
    pub kind: RefusalKind,
    /// Whose address or choice it is, where that is known.
    pub person: Option<PersonId>,
    /// The topic of a choice; `None` is all marketing.
    pub topic: Option<Box<str>>,
    /// Since when.
    pub at: Timestamp,
    /// Why; never an address.
    pub reason: Box<str>,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// Nothing may go to an address.
    Address,
    /// A person does not want a topic, or any marketing.
    Topic,
    /// Nothing may go to a person, whatever the address.
    Person,
}

/// A member of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub subject: SubjectId,
    /// Since when.
    pub since: Timestamp,
}

/// How many enrollments stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentCount {
    /// Program name.
    pub program: Box<str>,
    /// Version.
    pub version: u32,
    /// Status.
    pub status: EnrollmentStatus,
    /// Step, while active.
    pub step: Option<Box<str>>,
    /// How many.
    pub count: u64,
}

/// A log entry that could not be processed, set aside so that the rest goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its number; given by the store (0 when inserting).
    pub id: u64,
    /// The entry.
    pub position: Position,
    /// When it was set aside.
    pub at: Timestamp,
    /// Why.
    pub reason: Box<str>,
}

/// A small thing that the shell keeps, found by collection and key: an endpoint of a webhook, an
/// answer kept under an idempotency key. The store does not look into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What kind of thing.
    pub collection: Box<str>,
    /// Its name among those; lists are in the order of its bytes.
    pub key: Box<str>,
    /// Its age, for expiry.
    pub at: Timestamp,
    /// The thing, in the shell's own encoding.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// Position of the last entry.
    pub fn last(&self) -> Position {
        self.first + u64::from(self.count) - 1
    }

    /// Whether the chunk may be appended to a log that ends at `log_end`.
    pub fn follows(&self, log_end: Position) -> Result<(), StoreError> {
        if self.count == 0 || self.first != log_end + 1 {
            return Err(StoreError::Other(format!(
                "a chunk of {} entries from position {} does not follow the log's end {log_end}; \
                 read the log's end and number the entries anew",
                self.count, self.first
            )));
        }
        Ok(())
    }
}

impl Progress {
    /// What is inconsistent between where the worker stands and where the log ends.
    pub fn findings(&self, log_end: Position) -> Vec<String> {
        let mut findings = Vec::new();
        let (applied, checkpoint) = (self.applied, self.checkpoint);
        if applied.position > log_end {
            findings.push(format!(
                "applied position {} is after the log's end {log_end}",
                applied.position
            ));
        }
        if checkpoint.position > applied.position || checkpoint.at > applied.at {
            findings.push(format!(
                "checkpoint {} at {} is after what is applied, {} at {}",
                checkpoint.position, checkpoint.at, applied.position, applied.at
            ));
        }
        findings
    }
}
