//! Why a program did, or did not do, something for a subject.

use tenure_core::decision::{Decision, Outcome};
use tenure_core::effect::{EnrollmentChange, EnrollmentStatus};
use tenure_core::id::SubjectId;
use tenure_store::query::{DecisionFilter, EnrollmentFilter, MAX_PAGE_ROWS};
use tenure_store::{Page, StoreError};

use super::Query;

/// Everything that was decided about a subject by a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// In words.
    pub summary: String,
    /// Enrollments, the latest first.
    pub enrollments: Vec<EnrollmentChange>,
    /// Decisions, the oldest first; at most the last thousand.
    pub decisions: Vec<Decision>,
}

impl Query<'_> {
    /// What a program decided about a subject, and a summary in words.
    pub fn why(&self, subject: SubjectId, program: &str) -> Result<Why, StoreError> {
        let page = Page {
            after: None,
            limit: MAX_PAGE_ROWS,
        };
        let enrollments = self.store.enrollments(
            &EnrollmentFilter {
                subject: Some(subject),
                program: Some(program.to_owned()),
                ..EnrollmentFilter::default()
            },
            &page,
        )?;
        let mut decisions = self.store.decisions(
            &DecisionFilter {
                subject: Some(subject),
                program: Some(program.to_owned()),
                outcome: None,
            },
            &page,
        )?;
        decisions.reverse();
        Ok(Why {
            summary: summary(program, &enrollments, &decisions),
            enrollments,
            decisions,
        })
    }
}

fn summary(program: &str, enrollments: &[EnrollmentChange], decisions: &[Decision]) -> String {
    let Some(last) = decisions.last() else {
        return format!(
            "`{program}` has decided nothing here: what starts it has not happened yet."
        );
    };
    let sent = decisions
        .iter()
        .filter(|decision| decision.outcome == Outcome::Sent)
        .count();
    let sent = match sent {
        0 => "It has sent nothing.".to_owned(),
        1 => "It has sent one message.".to_owned(),
        count => format!("It has sent {count} messages."),
    };
    let Some(enrollment) = enrollments.first() else {
        return format!(
            "Not in `{program}`: {} ({}).",
            last.reason,
            last.outcome.as_str()
        );
    };
    let since = enrollment.entered_at;
    let stands = match enrollment.status {
        EnrollmentStatus::Active => match &enrollment.step {
            Some(step) => format!("In `{program}` since {since}, at step `{step}`."),
            None => format!("In `{program}` since {since}."),
        },
        EnrollmentStatus::HeldOut => {
            return format!(
                "In the hold-out of `{program}` since {since}: counted, and left alone on purpose."
            );
        }
        EnrollmentStatus::Completed => {
            format!("Entered `{program}` at {since} and went through all steps.")
        }
        EnrollmentStatus::Goal => format!("Entered `{program}` at {since} and reached its goal."),
        EnrollmentStatus::Exited => format!("Entered `{program}` at {since} and left it early."),
        EnrollmentStatus::Removed => format!("Entered `{program}` at {since} and was taken out."),
    };
    format!(
        "{stands} {sent} Last decision: {} ({}).",
        last.reason,
        last.outcome.as_str()
    )
}
