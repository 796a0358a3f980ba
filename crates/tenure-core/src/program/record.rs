//! Writing down what was decided, and where an enrollment stands.

use super::compile::Program;
use crate::decision::{Decision, Outcome};
use crate::effect::EnrollmentChange;
use crate::engine::Cx;
use crate::id::{DecisionId, EnrollmentId, MessageId, SubjectId};
use crate::subject::EnrollmentState;

/// A decision about to be recorded.
pub(super) struct Note<'a> {
    pub(super) program: &'a Program,
    pub(super) enrollment: Option<EnrollmentId>,
    pub(super) step: Option<&'a str>,
    pub(super) outcome: Outcome,
    pub(super) reason: String,
    pub(super) message: Option<MessageId>,
}

impl<'a> Note<'a> {
    /// About entering or leaving.
    pub(super) fn of(program: &'a Program, outcome: Outcome, reason: impl Into<String>) -> Self {
        Self {
            program,
            enrollment: None,
            step: None,
            outcome,
            reason: reason.into(),
            message: None,
        }
    }

    /// In an enrollment.
    pub(super) fn within(mut self, enrollment: EnrollmentId) -> Self {
        self.enrollment = Some(enrollment);
        self
    }

    /// At a step.
    pub(super) fn at(mut self, step: &'a str) -> Self {
        self.step = Some(step);
        self
    }

    /// Leading to a message.
    pub(super) fn leading_to(mut self, message: MessageId) -> Self {
        self.message = Some(message);
        self
    }
}

/// Records a decision about a subject. Its id derives from all it says and from how many were
/// made about the subject before at this instant.
pub(super) fn record(cx: &mut Cx<'_>, subject: SubjectId, note: Note<'_>) {
    let bits = |id: Option<u128>| id.unwrap_or_default().to_be_bytes();
    let ordinal = next_ordinal(cx, subject);
    let hash: DecisionId = cx.plan.salt.derive(&[
        &subject.bits().to_be_bytes(),
        note.program.name.as_bytes(),
        &note.program.version.to_be_bytes(),
        &bits(note.enrollment.map(|id| id.0)),
        note.step.unwrap_or_default().as_bytes(),
        note.outcome.as_str().as_bytes(),
        &cx.now.0.to_be_bytes(),
        note.reason.as_bytes(),
        &bits(note.message.map(|id| id.0)),
    ]);
    cx.out.decisions.push(Decision {
        id: DecisionId::in_order(ordinal, hash.0),
        at: cx.now,
        subject,
        program: note.program.name.clone(),
        version: note.program.version,
        enrollment: note.enrollment,
        step: note.step.map(Into::into),
        outcome: note.outcome,
        reason: note.reason.into(),
        message: note.message,
    });
}

/// The number of the next decision about a subject at this instant.
fn next_ordinal(cx: &mut Cx<'_>, subject: SubjectId) -> u32 {
    let now = cx.now;
    cx.touch(subject);
    let Some(state) = cx.root.subject_mut(subject) else {
        return 0;
    };
    let (at, count) = state.decided;
    let ordinal = if at == now { count } else { 0 };
    state.decided = (now, ordinal.saturating_add(1));
    ordinal
}

/// Reports where an enrollment stands now.
pub(super) fn report(cx: &mut Cx<'_>, subject: SubjectId, id: EnrollmentId) {
    let Some(enrollment) = find(cx, subject, id) else {
        return;
    };
    let change = EnrollmentChange {
        id,
        subject,
        program: enrollment.program.clone(),
        version: enrollment.version,
        key: enrollment.key.clone(),
        entered_at: enrollment.entered_at,
        step: enrollment.step.clone(),
        status: enrollment.status,
        held_out: enrollment.held_out,
        at: cx.now,
    };
    cx.out.enrollments.push(change);
}

/// An enrollment of a subject.
pub(super) fn find<'a>(
    cx: &'a Cx<'_>,
    subject: SubjectId,
    id: EnrollmentId,
) -> Option<&'a EnrollmentState> {
    let mut all = cx.root.subject(subject)?.enrollments.iter();
    all.find(|enrollment| enrollment.id == id)
}

/// An enrollment of a subject, to change it; the subject is marked as changed.
pub(super) fn find_mut<'a>(
    cx: &'a mut Cx<'_>,
    subject: SubjectId,
    id: EnrollmentId,
) -> Option<&'a mut EnrollmentState> {
    cx.touch(subject);
    let state = cx.root.subject_mut(subject)?;
    let mut all = state.enrollments.iter_mut();
    all.find(|enrollment| enrollment.id == id)
}
