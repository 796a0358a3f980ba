//! Recoveries: a save campaign is run for a customer, and how that goes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tenure_core::decision::Outcome;
use tenure_core::id::{AccountId, RecoveryId, SubjectId};
use tenure_core::log::IdentifierKind;
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_store::query::DecisionFilter;
use tenure_store::row::Record;
use tenure_store::{Batch, Page, StoreError};

use super::known::Known;
use super::usage::Usage;
use crate::call::{Call, CallKind, Name};
use crate::error::AppError;
use crate::node::Node;
use crate::query::Query;

/// The collection of recoveries among the shell's records.
const COLLECTION: &str = "recovery";
/// Milliseconds of a week.
const WEEK_MS: i64 = 7 * DAY_MS;
/// How many weeks before the start are the baseline.
const BASELINE_WEEKS: i64 = 4;
/// How many weeks after the start are followed.
const FOLLOWED_WEEKS: i64 = 26;

/// A save campaign that somebody confirms to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRecovery {
    /// The customer, by the id its sender uses.
    pub customer: String,
    /// The program that is run, if one is.
    pub program: Option<String>,
    /// Ask the program to take the account.
    pub enroll: bool,
    /// Who runs it.
    pub owner: Option<String>,
    /// What is done, in a few words.
    pub note: Option<String>,
}

/// A recovery as it was confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Which.
    pub id: RecoveryId,
    /// The customer, by the id its sender uses.
    pub customer: String,
    /// Its account.
    pub account: AccountId,
    /// The program that is run.
    pub program: Option<String>,
    /// Who runs it.
    pub owner: Option<String>,
    /// What is done.
    pub note: Option<String>,
    /// Since when.
    pub started_at: Timestamp,
}

/// What the customer did in a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Week {
    /// Weeks since the start; negative before it.
    pub week: i64,
    /// Events.
    pub event_count: u64,
    /// People who were active.
    pub person_count: u64,
}

/// How a recovery ended, or that it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryOutcome {
    /// It goes on.
    UnderWay,
    /// The program's goal was reached, or use is back where it was.
    Recovered,
    /// The account's `status` is `churned`.
    Lost,
}

impl RecoveryOutcome {
    /// Written form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderWay => "under_way",
            Self::Recovered => "recovered",
            Self::Lost => "lost",
        }
    }
}

/// How a recovery goes.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveryState {
    /// As it was confirmed.
    pub recovery: Recovery,
    /// Weeks before and since the start, the oldest first.
    pub weeks: Vec<Week>,
    /// Events of a week before the start, on average.
    pub baseline: Known<f64>,
    /// What was reached, with when, in order of time.
    pub milestones: Vec<(&'static str, Timestamp)>,
    /// How it ended, or that it has not.
    pub outcome: RecoveryOutcome,
    /// Why.
    pub reason: String,
}

impl Node {
    /// Notes that a save campaign is run for a customer.
    pub fn start_recovery(&self, start: &StartRecovery) -> Result<Recovery, AppError> {
        let (account, _) = self.customer(&start.customer)?;
        if let Some(program) = &start.program {
            self.program(program)?;
        } else if start.enroll {
            return Err(AppError::Invalid {
                field: "program".into(),
                message: "is required to enroll the customer".into(),
            });
        }
        let now = self.now();
        let id: RecoveryId = self.salt().derive(&[
            &account.0.to_be_bytes(),
            start.program.as_deref().unwrap_or_default().as_bytes(),
            &now.0.to_be_bytes(),
        ]);
        let recovery = Recovery {
            id,
            customer: start.customer.clone(),
            account,
            program: start.program.clone(),
            owner: start.owner.clone(),
            note: start.note.clone(),
            started_at: now,
        };
        if let (Some(program), true) = (&start.program, start.enroll) {
            let data = Map::from_iter([("recovery".to_owned(), Json::from(id.to_string()))]);
            self.enroll(program, SubjectId::Account(account), None, &data)?;
        }
        self.keep(&recovery)?;
        self.tell(&recovery)?;
        Ok(recovery)
    }

    fn keep(&self, recovery: &Recovery) -> Result<(), AppError> {
        let bytes = serde_json::to_vec(recovery)
            .map_err(|error| StoreError::Other(format!("a recovery cannot be kept: {error}")))?;
        let record = Record {
            collection: COLLECTION.into(),
            key: recovery.id.to_string().into(),
            at: recovery.started_at,
            bytes,
        };
        let batch = Batch {
            records: vec![record],
            ..Batch::default()
        };
        self.writer().commit(batch, Vec::new())
    }

    /// Conditions and timelines know of it, too.
    fn tell(&self, recovery: &Recovery) -> Result<(), AppError> {
        let mut properties =
            Map::from_iter([("recovery".to_owned(), Json::from(recovery.id.to_string()))]);
        if let Some(program) = &recovery.program {
            properties.insert("program".into(), program.as_str().into());
        }
        let call = Call {
            event_id: self
                .salt()
                .derive(&[b"recovery", &recovery.id.0.to_be_bytes()]),
            kind: CallKind::Track {
                name: "recovery_started".into(),
                properties: Json::Object(properties).to_string().into(),
            },
            user: None,
            anonymous: None,
            email: None,
            account: Some(Name::new(
                self.salt(),
                IdentifierKind::AccountId,
                &recovery.customer,
            )),
            occurred_at: Some(recovery.started_at),
            historical: false,
        };
        self.writer().ingest_and_wait(vec![call]).map(drop)
    }

    /// How a recovery goes.
    pub fn recovery(&self, id: RecoveryId) -> Result<RecoveryState, AppError> {
        let record = self.store().record(COLLECTION, &id.to_string())?;
        let record = record.ok_or_else(|| AppError::NotFound {
            what: "recovery",
            name: id.to_string(),
        })?;
        let recovery: Recovery = serde_json::from_slice(&record.bytes)
            .map_err(|error| StoreError::Damaged(format!("a recovery: {error}")))?;
        let query = Query::new(self.store().as_ref(), self.salt());
        let since = recovery.started_at.plus_ms(-BASELINE_WEEKS * WEEK_MS);
        let usage = query.usage(recovery.account, since)?;
        let weeks = weeks(&usage, recovery.started_at, self.now());
        let baseline = baseline(&weeks, &usage);
        let mut milestones = usage_milestones(&usage, &weeks, &baseline, recovery.started_at);
        if let Some(at) = self.goal_reached_at(&recovery)? {
            milestones.push(("goal_reached", at));
        }
        milestones.sort_by_key(|(_, at)| *at);
        let (_, state) = self.customer(&recovery.customer)?;
        let status = state.traits.get("status").and_then(|value| value.as_text());
        let (outcome, reason) = outcome(&milestones, status == Some("churned"));
        Ok(RecoveryState {
            recovery,
            weeks,
            baseline,
            milestones,
            outcome,
            reason,
        })
    }

    fn goal_reached_at(&self, recovery: &Recovery) -> Result<Option<Timestamp>, AppError> {
        let Some(program) = &recovery.program else {
            return Ok(None);
        };
        let filter = DecisionFilter {
            subject: Some(SubjectId::Account(recovery.account)),
            program: Some(program.clone()),
            outcome: Some(Outcome::GoalReached.as_str().to_owned()),
        };
        let found = self.store().decisions(&filter, &Page::default())?;
        let since = found.iter().filter(|row| row.at >= recovery.started_at);
        Ok(since.map(|row| row.at).min())
    }
}

fn weeks(usage: &Usage, started_at: Timestamp, now: Timestamp) -> Vec<Week> {
    let passed = now.since_ms(started_at).max(0) / WEEK_MS;
    (-BASELINE_WEEKS..=passed.min(FOLLOWED_WEEKS))
        .map(|week| {
            let from = started_at.plus_ms(week * WEEK_MS);
            let until = from.plus_ms(WEEK_MS);
            Week {
                week,
                event_count: usage.count(from, until),
                person_count: usage.people(from, until),
            }
        })
        .collect()
}

fn baseline(weeks: &[Week], usage: &Usage) -> Known<f64> {
    if !usage.complete {
        return Known::not("the customer did more since the start than is read back");
    }
    let before = weeks.iter().filter(|week| week.week < 0);
    let count: u64 = before.map(|week| week.event_count).sum();
    if count == 0 {
        return Known::not("the customer did nothing in the four weeks before the start");
    }
    Known::is(count as f64 / BASELINE_WEEKS as f64)
}

fn usage_milestones(
    usage: &Usage,
    weeks: &[Week],
    baseline: &Known<f64>,
    started_at: Timestamp,
) -> Vec<(&'static str, Timestamp)> {
    let since = usage.uses.iter().filter(|one| one.at >= started_at);
    let first = since.map(|one| one.at).min();
    let mut milestones: Vec<_> = first.map(|at| ("first_use", at)).into_iter().collect();
    if let Some(level) = baseline.value {
        let back = weeks
            .iter()
            .find(|week| week.week >= 0 && week.event_count as f64 >= level);
        milestones.extend(back.map(|week| {
            let at = started_at.plus_ms(week.week * WEEK_MS);
            ("use_back_to_before", at)
        }));
    }
    milestones
}

fn outcome(milestones: &[(&'static str, Timestamp)], churned: bool) -> (RecoveryOutcome, String) {
    let reached = |name| milestones.iter().any(|(known, _)| *known == name);
    if churned {
        let reason = "the account's `status` is `churned`";
        return (RecoveryOutcome::Lost, reason.to_owned());
    }
    if reached("goal_reached") {
        let reason = "the program's goal was reached";
        return (RecoveryOutcome::Recovered, reason.to_owned());
    }
    if reached("use_back_to_before") {
        let reason = "a week had as much use as those before the start";
        return (RecoveryOutcome::Recovered, reason.to_owned());
    }
    (
        RecoveryOutcome::UnderWay,
        "neither the goal nor the use of before is reached".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::usage::Use;
    use super::*;

    const START: Timestamp = Timestamp(100 * WEEK_MS);

    fn used(days: &[i64]) -> Usage {
        let uses = days.iter().map(|day| Use {
            at: START.plus_ms(day * DAY_MS),
            person: None,
        });
        Usage {
            uses: uses.collect(),
            complete: true,
        }
    }

    fn followed(days: &[i64], weeks_passed: i64) -> (Vec<Week>, RecoveryOutcome) {
        let usage = used(days);
        let weeks = weeks(&usage, START, START.plus_ms(weeks_passed * WEEK_MS));
        let baseline = baseline(&weeks, &usage);
        let milestones = usage_milestones(&usage, &weeks, &baseline, START);
        (weeks, outcome(&milestones, false).0)
    }

    #[test]
    fn use_that_comes_back_to_what_it_was_is_a_recovery() {
        let (weeks, outcome) = followed(&[-10, -9, -8, -3, 9, 10], 2);
        assert_eq!(weeks.first().unwrap().week, -4);
        assert_eq!(weeks.last().unwrap().week, 2);
        assert_eq!(outcome, RecoveryOutcome::Recovered);
    }

    #[test]
    fn less_use_than_before_is_no_recovery_yet() {
        let (_, outcome) = followed(&[-10, -10, -9, -9, -8, -8, -3, -3, 9], 2);
        assert_eq!(outcome, RecoveryOutcome::UnderWay);
    }

    #[test]
    fn without_use_before_there_is_no_level_to_come_back_to() {
        let (_, outcome) = followed(&[1, 2, 3], 1);
        assert_eq!(outcome, RecoveryOutcome::UnderWay);
    }

    #[test]
    fn a_customer_that_left_is_lost_whatever_was_reached() {
        let reached = [("goal_reached", START)];
        assert_eq!(outcome(&reached, true).0, RecoveryOutcome::Lost);
        assert_eq!(outcome(&reached, false).0, RecoveryOutcome::Recovered);
    }
}
