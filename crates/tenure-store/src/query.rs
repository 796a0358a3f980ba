//! Filters and pages of lists.

use std::fmt::Display;
use std::str::FromStr;

use tenure_core::decision::Decision;
use tenure_core::define::Audience;
use tenure_core::effect::{EnrollmentChange, EnrollmentStatus, HealthRecordKind};
use tenure_core::id::{PersonId, SubjectId};
use tenure_core::time::Timestamp;

use crate::StoreError;
use crate::row::{Message, MessageState, Task};

/// The most rows one page may have.
pub const MAX_PAGE_ROWS: usize = 1_000;

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The `cursor` of the last row of the page before: the row's id in printed form (lists in
    /// id order) or `<instant ms>:<id>` (lists newest first). `None` starts at the beginning.
    pub after: Option<String>,
    /// At most so many rows (capped at [`MAX_PAGE_ROWS`]).
    pub limit: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            after: None,
            limit: 50,
        }
    }
}

/// The cursor of a row in a list that is ordered newest first.
pub fn instant_cursor(at: Timestamp, id: impl Display) -> String {
    format!("{}:{id}", at.0)
}

impl Page {
    /// The most rows to give: the limit, capped.
    pub fn row_count(&self) -> usize {
        self.limit.min(MAX_PAGE_ROWS)
    }

    /// Where to go on in a list in id order.
    pub fn after_id<I: FromStr>(&self) -> Result<Option<I>, StoreError> {
        let Some(text) = &self.after else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| bad_cursor(text))
    }

    /// Where to go on in a list that is ordered newest first.
    pub fn after_instant<I: FromStr>(&self) -> Result<Option<(Timestamp, I)>, StoreError> {
        let Some(text) = &self.after else {
            return Ok(None);
        };
        let parts = text.split_once(':').ok_or_else(|| bad_cursor(text))?;
        let at = parts.0.parse().map_err(|_| bad_cursor(text))?;
        let id = parts.1.parse().map_err(|_| bad_cursor(text))?;
        Ok(Some((Timestamp(at), id)))
    }
}

fn bad_cursor(text: &str) -> StoreError {
    StoreError::BadCursor(text.chars().take(80).collect())
}

/// Which messages.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// In this state.
    pub state: Option<MessageState>,
    /// Of this program.
    pub program: Option<String>,
    /// To this person.
    pub person: Option<PersonId>,
    /// Of this subject's enrollments.
    pub subject: Option<SubjectId>,
}

/// Which decisions.
#[derive(Debug, Clone, Default)]
pub struct DecisionFilter {
    /// About this subject.
    pub subject: Option<SubjectId>,
    /// Of this program.
    pub program: Option<String>,
    /// With this outcome (written form).
    pub outcome: Option<String>,
}

/// Which enrollments.
#[derive(Debug, Clone, Default)]
pub struct EnrollmentFilter {
    /// Of this subject.
    pub subject: Option<SubjectId>,
    /// Of this program.
    pub program: Option<String>,
    /// With this status.
    pub status: Option<EnrollmentStatus>,
    /// At this step.
    pub step: Option<String>,
    /// Only those that are, or were, in a hold-out (`Some(true)`) or never were.
    pub held_out: Option<bool>,
}

/// Which tasks.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Of this owner.
    pub owner: Option<String>,
    /// About this subject.
    pub subject: Option<SubjectId>,
    /// Only open (`Some(true)`) or completed ones.
    pub open: Option<bool>,
    /// Subjects of this kind.
    pub audience: Option<Audience>,
}

/// Which records of a collection.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter {
    /// The collection.
    pub collection: String,
    /// Only keys that begin with this.
    pub prefix: String,
    /// Highest key first.
    pub descending: bool,
}

impl MessageFilter {
    /// Whether a message is wanted.
    pub fn admits(&self, message: &Message) -> bool {
        let intent = &message.intent;
        is(self.state.as_ref(), &message.state)
            && is(self.program.as_deref(), &*intent.program)
            && self
                .person
                .is_none_or(|person| intent.person == Some(person))
            && is(self.subject.as_ref(), &intent.subject)
    }
}

impl DecisionFilter {
    /// Whether a decision is wanted.
    pub fn admits(&self, decision: &Decision) -> bool {
        is(self.subject.as_ref(), &decision.subject)
            && is(self.program.as_deref(), &*decision.program)
            && is(self.outcome.as_deref(), decision.outcome.as_str())
    }
}

impl EnrollmentFilter {
    /// Whether an enrollment is wanted.
    pub fn admits(&self, enrollment: &EnrollmentChange) -> bool {
        is(self.subject.as_ref(), &enrollment.subject)
            && is(self.program.as_deref(), &*enrollment.program)
            && is(self.status.as_ref(), &enrollment.status)
            && (self.step.is_none() || self.step.as_deref() == enrollment.step.as_deref())
            && is(self.held_out.as_ref(), &enrollment.held_out)
    }
}

impl TaskFilter {
    /// Whether a task is wanted.
    pub fn admits(&self, task: &Task) -> bool {
        let intent = &task.intent;
        (self.owner.is_none() || self.owner.as_deref() == intent.owner.as_deref())
            && is(self.subject.as_ref(), &intent.subject)
            && self
                .open
                .is_none_or(|open| open == task.completed_at.is_none())
            && self
                .audience
                .is_none_or(|audience| audience == audience_of(intent.subject))
    }
}

/// The number of a kind of record of health: of two of one instant the change of zone is the newer.
pub fn health_kind_number(kind: HealthRecordKind) -> u8 {
    match kind {
        HealthRecordKind::Daily => 0,
        HealthRecordKind::Zone => 1,
    }
}

/// The kind of a subject.
pub fn audience_of(subject: SubjectId) -> Audience {
    match subject {
        SubjectId::Person(_) => Audience::Person,
        SubjectId::Account(_) => Audience::Account,
    }
}

fn is<T: PartialEq + ?Sized>(wanted: Option<&T>, found: &T) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}
