//! Accounts as they were at past moments: what a learner may know then, and whether they churned after.
//!
//! One pass over the log keeps what each account did day by day. A row is made from the days before its moment only, so
//! nothing leaks from the future by construction. What counts is when something was known: when it was received, or for
//! imported history when it occurred.

mod feature;
mod history;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, SubjectId};
use crate::log::{Body, Entry, Event, Profile};
use crate::time::{DAY_MS, Timestamp};
use crate::value::Value;

pub use feature::{Feature, FeatureValue};
use history::History;

/// Days before a moment from which features are made.
pub const WINDOW_DAYS: i64 = 90;
/// An account is looked at from so many days after it was first seen.
pub const MIN_AGE_DAYS: i64 = 14;
/// The most names of events that become features; those that come later count as use only.
const MAX_NAMES: usize = 60;
/// Events that Tenure itself or a customer-success system put there: no use of the product.
const NOT_USE: [&str; 5] = ["message_", "signal:", "cs_", "recovery_", "health_"];

/// What churn is, for one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Churn {
    /// Events of an account that mean it left.
    pub events: Vec<String>,
    /// A trait and the text that means it left.
    pub status: Option<(String, String)>,
}

impl Default for Churn {
    fn default() -> Self {
        let events = ["subscription_cancelled", "subscription_ended"];
        Self {
            events: events.map(str::to_owned).to_vec(),
            status: Some(("status".to_owned(), "churned".to_owned())),
        }
    }
}

/// One account at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which.
    pub account: AccountId,
    /// When.
    pub at: Timestamp,
    /// What was known then.
    pub features: Vec<Feature>,
    /// How long after it left, in milliseconds; `None` if it had not by the end of what is known.
    pub left_after_ms: Option<i64>,
}

/// The days of all accounts.
#[derive(Debug)]
pub struct Snapshots {
    churn: Churn,
    names: BTreeMap<Box<str>, u16>,
    accounts: BTreeMap<AccountId, History>,
    /// Accounts of which the whole past is kept; of others only what the present needs.
    kept_share: f64,
    first_at: Option<Timestamp>,
}

impl Snapshots {
    /// Nothing is known yet. Of `kept_share` of the accounts, chosen by their ids, the whole past is kept; of the
    /// others only what features of the latest moment need.
    pub fn new(churn: Churn, kept_share: f64) -> Self {
        Self {
            churn,
            names: BTreeMap::new(),
            accounts: BTreeMap::new(),
            kept_share,
            first_at: None,
        }
    }

    /// Takes in the next entry of the log.
    pub fn apply(&mut self, entry: &Entry<'_>) {
        match &entry.body {
            Body::Event(event) => self.event(event, entry.received_at),
            Body::Profile(profile) => self.profile(profile, entry.received_at),
            _ => {}
        }
    }

    /// When the first account was known.
    pub fn first_at(&self) -> Option<Timestamp> {
        self.first_at
    }

    /// How many accounts are known.
    pub fn account_count(&self) -> usize {
        self.accounts.len()
    }

    /// All accounts whose past is kept, at a moment: those old enough that had not left by then.
    pub fn rows(&self, at: Timestamp) -> Vec<Row> {
        let kept = self.accounts.iter();
        let kept = kept.filter(|(id, _)| is_kept(**id, self.kept_share));
        kept.filter_map(|(id, history)| self.row(*id, history, at))
            .collect()
    }

    /// All accounts at the latest moment.
    pub fn present(&self, now: Timestamp) -> Vec<Row> {
        let all = self.accounts.iter();
        all.filter_map(|(id, history)| self.row(*id, history, now))
            .collect()
    }

    fn row(&self, account: AccountId, history: &History, at: Timestamp) -> Option<Row> {
        let left_at = history.left_at;
        if left_at.is_some_and(|left| left <= at) {
            return None;
        }
        let features = history.features(&self.names, at)?;
        Some(Row {
            account,
            at,
            features,
            left_after_ms: left_at.map(|left| left.since_ms(at)),
        })
    }

    fn event(&mut self, event: &Event<'_>, received_at: Timestamp) {
        let Some(account) = event.account else { return };
        let at = known_at(event.historical, event.occurred_at, received_at);
        let ends = self.churn.events.iter().any(|name| *name == event.name);
        let is_use = !NOT_USE.iter().any(|prefix| event.name.starts_with(prefix));
        let name = if is_use && !ends {
            self.name(&event.name)
        } else {
            None
        };
        let history = self.history(account, at);
        if ends {
            history.leave(at);
        } else if is_use {
            history.used(at, event.person, name);
            if let Some(score) = score_of(&event.properties) {
                history.scored(&event.name, at, score);
            }
        }
    }

    fn profile(&mut self, profile: &Profile, received_at: Timestamp) {
        let SubjectId::Account(account) = profile.subject else {
            return;
        };
        let at = known_at(profile.historical, profile.occurred_at, received_at);
        let left = self.churn.status.clone();
        let history = self.history(account, at);
        for (name, value) in &profile.traits {
            history.told(name, at, value.as_ref());
            if let Some((wanted, text)) = &left
                && **name == **wanted
                && value.as_ref().and_then(Value::as_text) == Some(text.as_str())
            {
                history.leave(at);
            }
        }
    }

    fn history(&mut self, account: AccountId, at: Timestamp) -> &mut History {
        let first_at = self.first_at.get_or_insert(at);
        *first_at = at.min(*first_at);
        let whole = is_kept(account, self.kept_share);
        let history = self
            .accounts
            .entry(account)
            .or_insert_with(|| History::new(at, whole));
        history.seen(at);
        history
    }

    fn name(&mut self, name: &str) -> Option<u16> {
        if let Some(number) = self.names.get(name) {
            return Some(*number);
        }
        let number = self.names.len();
        (number < MAX_NAMES).then(|| {
            self.names.insert(name.into(), number as u16);
            number as u16
        })
    }
}

fn known_at(historical: bool, occurred_at: Timestamp, received_at: Timestamp) -> Timestamp {
    if historical { occurred_at } else { received_at }
}

/// Whether an account is among the share of those whose past is kept. Ids are hashes.
fn is_kept(account: AccountId, share: f64) -> bool {
    let place = f64::from((account.0 >> 64) as u32) / f64::from(u32::MAX);
    share >= 1.0 || place < share
}

/// The number that an answer or a rating gives.
fn score_of(properties: &str) -> Option<f64> {
    if !properties.contains("\"score\"") {
        return None;
    }
    let facts: serde_json::Value = serde_json::from_str(properties).ok()?;
    facts["score"].as_f64()
}

/// The day an instant lies in.
fn day_of(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{EventId, PersonId};

    fn entry(account: u128, day: i64, name: &'static str, historical: bool) -> Entry<'static> {
        let at = Timestamp(day * DAY_MS);
        let received_at = if historical {
            Timestamp(500 * DAY_MS)
        } else {
            at
        };
        Entry {
            position: 1,
            received_at,
            body: Body::Event(Event {
                id: EventId(day as u128),
                person: Some(PersonId(account)),
                account: Some(AccountId(account)),
                occurred_at: at,
                historical,
                name: name.into(),
                properties: "{}".into(),
            }),
        }
    }

    fn number(row: &Row, name: &str) -> f64 {
        let found = row.features.iter().find(|feature| feature.name == name);
        match &found.unwrap().value {
            FeatureValue::Number(number) => *number,
            FeatureValue::Text(text) => panic!("{text}"),
        }
    }

    fn told(historical: bool) -> Snapshots {
        let mut known = Snapshots::new(Churn::default(), 1.0);
        for day in 0..100 {
            known.apply(&entry(1, day, "login", historical));
        }
        known.apply(&entry(1, 100, "subscription_cancelled", historical));
        known
    }

    #[test]
    fn a_row_knows_nothing_of_what_came_after_its_moment() {
        let mut until_then = Snapshots::new(Churn::default(), 1.0);
        for day in 0..50 {
            until_then.apply(&entry(1, day, "login", false));
        }
        let at = Timestamp(50 * DAY_MS);
        let (early, late) = (until_then.rows(at), told(false).rows(at));
        assert_eq!(early[0].features, late[0].features);
        assert_eq!(
            (early[0].left_after_ms, late[0].left_after_ms),
            (None, Some(50 * DAY_MS))
        );
        assert!((number(&early[0], "login, 30 days") - 30.0).abs() < 1e-9);
    }

    #[test]
    fn imported_history_is_known_when_it_occurred() {
        let at = Timestamp(60 * DAY_MS);
        assert_eq!(told(true).rows(at), told(false).rows(at));
    }

    #[test]
    fn who_left_or_is_too_young_is_not_looked_at() {
        let known = told(false);
        assert!(known.rows(Timestamp(100 * DAY_MS)).is_empty());
        assert!(known.rows(Timestamp(10 * DAY_MS)).is_empty());
        assert_eq!(known.rows(Timestamp(20 * DAY_MS)).len(), 1);
    }

    #[test]
    fn an_account_of_which_only_the_present_is_kept_has_the_same_present() {
        let mut short = Snapshots::new(Churn::default(), 0.0);
        let mut whole = Snapshots::new(Churn::default(), 1.0);
        for day in 0..300 {
            short.apply(&entry(1, day, "login", false));
            whole.apply(&entry(1, day, "login", false));
        }
        let now = Timestamp(300 * DAY_MS);
        assert_eq!(short.present(now), whole.present(now));
        assert!(short.rows(now).is_empty());
    }
}
