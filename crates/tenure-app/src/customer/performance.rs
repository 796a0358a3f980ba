//! What came of a program, against its hold-out.

use std::collections::{BTreeMap, BTreeSet};

use tenure_core::decision::{Decision, Outcome};
use tenure_core::id::EnrollmentId;
use tenure_core::log::Body;
use tenure_core::time::Timestamp;
use tenure_store::query::{DecisionFilter, MAX_PAGE_ROWS, MessageFilter, instant_cursor};
use tenure_store::row::{Message, MessageState};
use tenure_store::{Page, StoreError};

use crate::log_scan::entries_within;
use crate::query::Query;

/// The most decisions and messages that are counted.
const COUNTED_MAX: usize = 500_000;
/// The most of the log that is read for opens and clicks, in bytes.
const LOG_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Subjects of a group and how many of them reached the goal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// Enrollments.
    pub entered_count: u64,
    /// Those that reached the goal.
    pub goal_count: u64,
}

/// One arm of a branch or split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// The step.
    pub step: String,
    /// The arm, as the decision names it.
    pub arm: String,
    /// Who took it.
    pub group: Group,
}

/// What came of one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepResult {
    /// Decisions by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Messages by state.
    pub messages: BTreeMap<&'static str, u64>,
    /// Messages that a human opened, once each.
    pub opened_count: u64,
    /// Messages in which a human clicked, once each.
    pub clicked_count: u64,
}

/// What came of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    /// Those the program acted for.
    pub treated: Group,
    /// Those in a hold-out, of the program or global.
    pub held_out: Group,
    /// By step name, all versions.
    pub steps: BTreeMap<String, StepResult>,
    /// Arms of branches and splits.
    pub arms: Vec<Arm>,
    /// Whether everything was counted; else only the latest.
    pub complete: bool,
    /// Whether opens and clicks were counted over the program's whole life.
    pub opens_complete: bool,
}

impl StepResult {
    /// Messages in a state.
    pub fn message_count(&self, state: &str) -> u64 {
        self.messages.get(state).copied().unwrap_or_default()
    }

    /// Decisions of an outcome.
    pub fn outcome_count(&self, outcome: &str) -> u64 {
        self.outcomes.get(outcome).copied().unwrap_or_default()
    }
}

#[derive(Default)]
struct Tally {
    steps: BTreeMap<String, StepResult>,
    held_out: BTreeSet<EnrollmentId>,
    treated: BTreeSet<EnrollmentId>,
    goals: BTreeSet<EnrollmentId>,
    arms: BTreeMap<(String, String), BTreeSet<EnrollmentId>>,
    first_at: Option<Timestamp>,
}

impl Query<'_> {
    /// What came of a program.
    pub fn performance(&self, program: &str) -> Result<Performance, StoreError> {
        let mut tally = Tally::default();
        let decided = self.count_decisions(program, &mut tally)?;
        let sent = self.count_messages(program, &mut tally)?;
        let opened = self.count_reactions(program, &mut tally)?;
        Ok(tally.finish(decided && sent, opened))
    }

    fn count_decisions(&self, program: &str, tally: &mut Tally) -> Result<bool, StoreError> {
        let filter = DecisionFilter {
            program: Some(program.to_owned()),
            ..DecisionFilter::default()
        };
        let read = |page: &Page| self.store().decisions(&filter, page);
        let cursor = |row: &Decision| instant_cursor(row.at, row.id);
        read_all(read, cursor, |row| tally.decision(row))
    }

    fn count_messages(&self, program: &str, tally: &mut Tally) -> Result<bool, StoreError> {
        let filter = MessageFilter {
            program: Some(program.to_owned()),
            ..MessageFilter::default()
        };
        let read = |page: &Page| self.store().messages(&filter, page);
        let cursor = |row: &Message| instant_cursor(row.intent.decided_at, row.intent.id);
        read_all(read, cursor, |row| {
            let step = tally.steps.entry(row.intent.step.to_string()).or_default();
            *step.messages.entry(state_word(row.state)).or_default() += 1;
        })
    }

    /// Opens and clicks of humans; what was disowned later does not count.
    fn count_reactions(&self, program: &str, tally: &mut Tally) -> Result<bool, StoreError> {
        let Some(since) = tally.first_at else {
            return Ok(true);
        };
        let mut reactions: BTreeMap<(String, String, bool), i64> = BTreeMap::new();
        let complete = entries_within(self.store(), Some(since), LOG_BYTES_MAX, |entry| {
            if let Body::Event(event) = &entry.body {
                note_reaction(&event.name, &event.properties, program, &mut reactions);
            }
        })?;
        for ((step, _, clicked), _) in reactions.into_iter().filter(|(_, count)| *count > 0) {
            let step = tally.steps.entry(step).or_default();
            if clicked {
                step.clicked_count += 1;
            } else {
                step.opened_count += 1;
            }
        }
        Ok(complete)
    }
}

/// Reads a list to its end, or to [`COUNTED_MAX`] rows; false if it was cut.
pub(crate) fn read_all<R>(
    read: impl Fn(&Page) -> Result<Vec<R>, StoreError>,
    cursor: impl Fn(&R) -> String,
    mut each: impl FnMut(&R),
) -> Result<bool, StoreError> {
    let mut page = Page {
        after: None,
        limit: MAX_PAGE_ROWS,
    };
    let mut count = 0;
    loop {
        let rows = read(&page)?;
        rows.iter().for_each(&mut each);
        count += rows.len();
        match rows.last() {
            Some(last) if rows.len() == MAX_PAGE_ROWS => page.after = Some(cursor(last)),
            _ => return Ok(true),
        }
        if count >= COUNTED_MAX {
            return Ok(false);
        }
    }
}

fn state_word(state: MessageState) -> &'static str {
    match state {
        MessageState::Pending => "pending",
        MessageState::Sending => "sending",
        MessageState::Sent => "sent",
        MessageState::Delivered => "delivered",
        MessageState::Bounced => "bounced",
        MessageState::Unknown => "unknown",
        MessageState::Dead => "dead",
        MessageState::Cancelled => "cancelled",
    }
}

fn note_reaction(
    name: &str,
    properties: &str,
    program: &str,
    reactions: &mut BTreeMap<(String, String, bool), i64>,
) {
    let (clicked, change) = match name {
        "message_opened" => (false, 1),
        "message_clicked" => (true, 1),
        "message_open_disowned" => (false, -1),
        "message_click_disowned" => (true, -1),
        _ => return,
    };
    let Ok(facts) = serde_json::from_str::<serde_json::Value>(properties) else {
        return;
    };
    let text = |name: &str| facts[name].as_str().unwrap_or_default().to_owned();
    if text("program") == program {
        let key = (text("step"), text("message"), clicked);
        *reactions.entry(key).or_default() += change;
    }
}

impl Tally {
    fn decision(&mut self, row: &Decision) {
        self.first_at = self
            .first_at
            .map_or(Some(row.at), |at| Some(at.min(row.at)));
        if let Some(step) = &row.step {
            let result = self.steps.entry(step.to_string()).or_default();
            *result.outcomes.entry(row.outcome.as_str()).or_default() += 1;
        }
        let Some(enrollment) = row.enrollment else {
            return;
        };
        match row.outcome {
            Outcome::HeldOut | Outcome::HeldOutGlobally => {
                self.held_out.insert(enrollment);
            }
            Outcome::Entered => {
                self.treated.insert(enrollment);
            }
            Outcome::GoalReached => {
                self.goals.insert(enrollment);
            }
            Outcome::Took => {
                let step = row.step.as_deref().unwrap_or_default().to_owned();
                let arm = (step, arm_name(&row.reason));
                self.arms.entry(arm).or_default().insert(enrollment);
            }
            _ => {}
        }
    }

    fn finish(self, complete: bool, opens_complete: bool) -> Performance {
        let group = |members: &BTreeSet<EnrollmentId>| Group {
            entered_count: members.len() as u64,
            goal_count: members.intersection(&self.goals).count() as u64,
        };
        let (treated, held_out) = (group(&self.treated), group(&self.held_out));
        let arms = self.arms.iter().map(|((step, arm), members)| Arm {
            step: step.clone(),
            arm: arm.clone(),
            group: group(members),
        });
        let arms = arms.collect();
        Performance {
            treated,
            held_out,
            steps: self.steps,
            arms,
            complete,
            opens_complete,
        }
    }
}

/// The arm's name out of a reason such as "arm `a` by its share".
pub(crate) fn arm_name(reason: &str) -> String {
    let quoted = reason.split('`').nth(1);
    quoted.unwrap_or(reason).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reaction_that_was_disowned_does_not_count() {
        let mut found = BTreeMap::new();
        let facts = r#"{"program":"p","step":"s","message":"m"}"#;
        note_reaction("message_opened", facts, "p", &mut found);
        note_reaction("message_open_disowned", facts, "p", &mut found);
        note_reaction("message_clicked", facts, "p", &mut found);
        note_reaction("message_clicked", facts, "other", &mut found);
        note_reaction("session_started", facts, "p", &mut found);
        let counts: Vec<i64> = found.values().copied().collect();
        assert_eq!(counts, [0, 1]);
    }
}
