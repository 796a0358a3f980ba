//! Decisions: the recorded answer, with reason, to "should this step act for this subject now".

use serde::{Deserialize, Serialize};

use crate::id::{DecisionId, EnrollmentId, MessageId, PersonId, SubjectId};
use crate::time::Timestamp;

/// Bits of an id below the ordinal.
const ORDINAL_SHIFT: u32 = 96;

/// A recorded answer. Every step that is reached records one, also when nothing was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Derived from enrollment, step and outcome, so a replay records it once. Its upper 32 bits
    /// are the decision's number among those about this subject at this instant: sorted by
    /// instant and id, a subject's decisions stand in the order in which they were made.
    pub id: DecisionId,
    /// When it was taken (the engine's time).
    pub at: Timestamp,
    /// About whom.
    pub subject: SubjectId,
    /// Program name.
    pub program: Box<str>,
    /// Version of the program: the plan it was published with.
    pub version: u32,
    /// The enrollment, unless entry itself was refused.
    pub enrollment: Option<EnrollmentId>,
    /// Step name; `None` for a decision about entering or leaving.
    pub step: Option<Box<str>>,
    /// The answer.
    pub outcome: Outcome,
    /// Why, in words a person can read; never an address.
    pub reason: Box<str>,
    /// The message it led to.
    pub message: Option<MessageId>,
}

impl Decision {
    /// What is left of it when its subject is erased: that it was taken, for the program's
    /// figures.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self {
            subject: SubjectId::Person(PersonId(0)),
            enrollment: None,
            reason: "about a person who was erased".into(),
            message: None,
            ..self
        }
    }
}

impl DecisionId {
    /// An id that sorts by `ordinal`, the number of the decision among those about its subject at
    /// its instant; the rest is taken from a hash.
    pub fn in_order(ordinal: u32, hash: u128) -> Self {
        Self(u128::from(ordinal) << ORDINAL_SHIFT | hash & ((1 << ORDINAL_SHIFT) - 1))
    }
}

/// The answers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The subject entered the program.
    Entered,
    /// It did not enter: it is inside already, or may not enter again (yet).
    NotAgain,
    /// It did not enter: the entry's own condition did not hold.
    NotEligible,
    /// It did not enter: the event was historical or too late.
    Historical,
    /// It did not enter: the program is paused.
    Paused,
    /// It is in the hold-out of the program: counted, left alone.
    HeldOut,
    /// It is in the global hold-out: counted, left alone.
    HeldOutGlobally,
    /// A message was handed to the outbox.
    Sent,
    /// A task was created.
    TaskCreated,
    /// Another act was done (webhook, trait, event, enrollment).
    Done,
    /// The step's condition did not hold.
    Skipped,
    /// A branch or split was taken; the reason names it.
    Took,
    /// A wait began.
    Waiting,
    /// A wait ended; the reason says how.
    Resumed,
    /// A cap was reached.
    Capped,
    /// Delayed until quiet hours end.
    QuietHours,
    /// Another program of higher priority had the slot.
    Outranked,
    /// The person did not subscribe to the topic.
    NoConsent,
    /// The person's address is suppressed.
    Suppressed,
    /// Nobody to send to: no such person, or no address.
    NoRecipient,
    /// The template could not be rendered; the reason names the variable.
    RenderFailed,
    /// This step has already acted for this enrollment.
    AlreadySent,
    /// The goal was reached.
    GoalReached,
    /// The exit condition held, or an exit step was reached.
    Exited,
    /// Removed by hand or by API.
    Removed,
    /// Moved to a newer version of the program.
    Migrated,
    /// All steps are done.
    Completed,
}

impl Outcome {
    /// The written form (`no_consent`), as in JSON and in tests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::NotAgain => "not_again",
            Self::NotEligible => "not_eligible",
            Self::Historical => "historical",
            Self::Paused => "paused",
            Self::HeldOut => "held_out",
            Self::HeldOutGlobally => "held_out_globally",
            Self::Sent => "sent",
            Self::TaskCreated => "task_created",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Took => "took",
            Self::Waiting => "waiting",
            Self::Resumed => "resumed",
            Self::Capped => "capped",
            Self::QuietHours => "quiet_hours",
            Self::Outranked => "outranked",
            Self::NoConsent => "no_consent",
            Self::Suppressed => "suppressed",
            Self::NoRecipient => "no_recipient",
            Self::RenderFailed => "render_failed",
            Self::AlreadySent => "already_sent",
            Self::GoalReached => "goal_reached",
            Self::Exited => "exited",
            Self::Removed => "removed",
            Self::Migrated => "migrated",
            Self::Completed => "completed",
        }
    }
}
