//! Goals credited to touches, for those who need it. This is attribution, not effect: who would have reached the goal
//! anyway is credited, too.

use tenure_core::decision::{Decision, Outcome};
use tenure_core::id::{DecisionId, SubjectId};
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_store::query::{DecisionFilter, MAX_PAGE_ROWS, instant_cursor};
use tenure_store::{Page, StoreError};

use super::history::Revenue;
use super::unit::Units;
use crate::query::Query;

/// Touches of so many days before the goal are credited.
const LOOK_BACK_DAYS: i64 = 30;
/// The most goals that are credited, the earliest.
const GOALS_MAX: usize = 5_000;

/// Goals and monthly revenue credited to one program out of all programs that touched the subjects before.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Attribution {
    /// Goals looked at.
    pub goal_count: u64,
    /// Goals whose first touch was this program's.
    pub first_touch: f64,
    /// Goals whose last touch was this program's.
    pub last_touch: f64,
    /// Goals shared evenly among all touches before them.
    pub linear: f64,
    /// Monthly revenue of the accounts, credited as the goals by the last touch.
    pub revenue_last_touch: f64,
    /// Monthly revenue of the accounts, shared evenly among all touches.
    pub revenue_linear: f64,
}

impl Attribution {
    /// Credits one goal. `touches` are the programs of all touches before it, in order of time.
    fn credit(&mut self, program: &str, touches: &[Box<str>], revenue: f64) {
        self.goal_count += 1;
        let (Some(first), Some(last)) = (touches.first(), touches.last()) else {
            return;
        };
        let ours = |touch: &str| f64::from(u8::from(touch == program));
        let share = touches.iter().map(|touch| ours(touch)).sum::<f64>() / touches.len() as f64;
        self.first_touch += ours(first);
        self.last_touch += ours(last);
        self.linear += share;
        self.revenue_last_touch += ours(last) * revenue;
        self.revenue_linear += share * revenue;
    }
}

impl Query<'_> {
    /// Credits the goals of a program's treated subjects.
    pub(super) fn attribute(
        &self,
        program: &str,
        units: &Units,
        revenue: &Revenue,
    ) -> Result<Attribution, StoreError> {
        let mut found = Attribution::default();
        let reached = units.first.iter().filter(|unit| !unit.held_out);
        let reached = reached.filter_map(|unit| Some((unit.subject, unit.goal_at?)));
        for (subject, goal_at) in reached.take(GOALS_MAX) {
            let touches = self.touches(subject, goal_at)?;
            let paid = subject
                .account()
                .and_then(|account| revenue.at(account, goal_at));
            found.credit(program, &touches, paid.unwrap_or_default());
        }
        Ok(found)
    }

    /// Programs that touched a subject in the days before an instant, the earliest touch first.
    fn touches(&self, subject: SubjectId, until: Timestamp) -> Result<Vec<Box<str>>, StoreError> {
        let since = until.plus_ms(-LOOK_BACK_DAYS * DAY_MS);
        let filter = DecisionFilter {
            subject: Some(subject),
            ..DecisionFilter::default()
        };
        let page = Page {
            after: Some(instant_cursor(until.plus_ms(1), DecisionId(0))),
            limit: MAX_PAGE_ROWS,
        };
        let rows = self.store().decisions(&filter, &page)?;
        let within = rows.into_iter().take_while(|row| row.at >= since);
        let mut touches: Vec<Box<str>> = within.filter(is_touch).map(|row| row.program).collect();
        touches.reverse();
        Ok(touches)
    }
}

fn is_touch(row: &Decision) -> bool {
    matches!(row.outcome, Outcome::Sent | Outcome::TaskCreated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_credited_to_the_first_the_last_and_all_touches() {
        let mut found = Attribution::default();
        let touches =
            |names: &[&str]| -> Vec<Box<str>> { names.iter().map(|name| (*name).into()).collect() };
        found.credit(
            "save",
            &touches(&["welcome", "save", "save", "renewal"]),
            100.0,
        );
        found.credit("save", &touches(&["save"]), 50.0);
        found.credit("save", &[], 70.0);
        let expected = Attribution {
            goal_count: 3,
            first_touch: 1.0,
            last_touch: 1.0,
            linear: 1.5,
            revenue_last_touch: 50.0,
            revenue_linear: 100.0,
        };
        assert_eq!(found, expected);
    }
}
