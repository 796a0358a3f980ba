//! Filters and pages of lists.

use tenure_core::define::Audience;
use tenure_core::effect::EnrollmentStatus;
use tenure_core::id::{PersonId, SubjectId};

use crate::row::MessageState;

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
