//! Effects: what the engine wants done. They are data with derived ids; the shell stores them in
//! the same commit as the position they came from and carries them out later.

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::define::Delivery;
use crate::health::Zone;
use crate::id::{AccountId, EnrollmentId, EventId, MessageId, PersonId, SubjectId, TaskId};
use crate::time::Timestamp;

/// Everything one call of the engine produced.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// Messages to send.
    pub messages: Vec<MessageIntent>,
    /// Tasks for humans.
    pub tasks: Vec<TaskIntent>,
    /// Events the engine emits; they are appended to the log.
    pub events: Vec<EmittedEvent>,
    /// Changes of membership.
    pub memberships: Vec<MembershipChange>,
    /// Health at midnights and at changes of zone.
    pub health: Vec<HealthRecord>,
    /// Changes of enrollments, for listing and counting.
    pub enrollments: Vec<EnrollmentChange>,
    /// Decisions.
    pub decisions: Vec<Decision>,
}

impl Output {
    /// Whether nothing was produced.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.tasks.is_empty()
            && self.events.is_empty()
            && self.memberships.is_empty()
            && self.health.is_empty()
            && self.enrollments.is_empty()
            && self.decisions.is_empty()
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.tasks.clear();
        self.events.clear();
        self.memberships.clear();
        self.health.clear();
        self.enrollments.clear();
        self.decisions.clear();
    }
}

/// A message the engine decided to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageIntent {
    /// Derived from (subject, program, version, enrollment, step, recipient).
    pub id: MessageId,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// `email`, `webhook`, …
    pub channel: Box<str>,
    /// The person who gets it; `None` for a webhook.
    pub person: Option<PersonId>,
    /// The account it concerns.
    pub account: Option<AccountId>,
    /// Subject of the enrollment.
    pub subject: SubjectId,
    /// Program name.
    pub program: Box<str>,
    /// Version of the program.
    pub version: u32,
    /// The enrollment.
    pub enrollment: EnrollmentId,
    /// Step name.
    pub step: Box<str>,
    /// Topic name, if any.
    pub topic: Option<Box<str>>,
    /// Whether the topic is transactional.
    pub transactional: bool,
    /// What to do when the outcome cannot be known.
    pub delivery: Delivery,
    /// Address or URL.
    pub to: Box<str>,
    /// Template name (e-mail) or body template (webhook); Liquid in it is rendered with `data`.
    pub template: Box<str>,
    /// Overrides the template's subject line.
    pub subject_line: Option<Box<str>>,
    /// A JSON object `{person, account, event, program}`: what the template may use, as it was
    /// at the moment of decision.
    pub data: Box<str>,
}

/// Work for a human.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskIntent {
    /// Derived like a message's id.
    pub id: TaskId,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its kind.
    pub name: Box<str>,
    /// Whose it is, as the account names them; `None` when the account names nobody.
    pub owner: Option<Box<str>>,
    /// Title, rendered.
    pub title: Box<str>,
    /// When it is due.
    pub due_at: Option<Timestamp>,
    /// About whom.
    pub subject: SubjectId,
    /// The account it concerns.
    pub account: Option<AccountId>,
    /// Program name.
    pub program: Box<str>,
    /// The enrollment.
    pub enrollment: EnrollmentId,
    /// Step name.
    pub step: Box<str>,
}

/// An event the engine emits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmittedEvent {
    /// Derived, so that a replay appends it once.
    pub id: EventId,
    /// Of whom.
    pub subject: SubjectId,
    /// The subject's account.
    pub account: Option<AccountId>,
    /// Its name, such as `signal:usage-drop`.
    pub name: Box<str>,
    /// When it became true.
    pub occurred_at: Timestamp,
    /// A JSON object.
    pub properties: Box<str>,
}

/// A subject entered or left a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipChange {
    /// Segment name.
    pub segment: Box<str>,
    /// Who.
    pub subject: SubjectId,
    /// True entered, false left.
    pub entered: bool,
    /// When the condition flipped.
    pub at: Timestamp,
}

/// A subject's health at one moment, kept as history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthRecord {
    /// Who.
    pub subject: SubjectId,
    /// When.
    pub at: Timestamp,
    /// Why it is kept.
    pub kind: HealthRecordKind,
    /// The definition that applied; `None` if none did.
    pub definition: Option<Box<str>>,
    /// The score, 0 to 100; `None` if no component had data.
    pub score: Option<f64>,
    /// The zone, if there is a score.
    pub zone: Option<Zone>,
    /// The share of the weight that had data, 0 to 1.
    pub coverage: f64,
}

/// Why a record of health is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthRecordKind {
    /// The score of a midnight (UTC) that is another than that of the midnight before.
    Daily,
    /// The zone is another than it was.
    Zone,
}

/// The present state of an enrollment, for listing; the engine's own copy is in the subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentChange {
    /// Which.
    pub id: EnrollmentId,
    /// Who.
    pub subject: SubjectId,
    /// Program name.
    pub program: Box<str>,
    /// Version of the program.
    pub version: u32,
    /// Key of a keyed enrollment.
    pub key: Option<Box<str>>,
    /// When it entered.
    pub entered_at: Timestamp,
    /// Step it is at, `None` once ended.
    pub step: Option<Box<str>>,
    /// Where it stands.
    pub status: EnrollmentStatus,
    /// Whether it is, or was until it ended, in a hold-out.
    pub held_out: bool,
    /// When this became so.
    pub at: Timestamp,
}

/// Where an enrollment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentStatus {
    /// Going through the steps.
    Active,
    /// Held out: counted, left alone, watched for the goal.
    HeldOut,
    /// All steps done; the goal may still be reached.
    Completed,
    /// Goal reached, while going through the steps or after.
    Goal,
    /// Exit condition, exit step, or a new version that said exit.
    Exited,
    /// Removed by hand.
    Removed,
}
