//! What one account did, day by day, and what it was told to be.

use std::collections::{BTreeMap, BTreeSet};

use super::feature::Feature;
use super::{MIN_AGE_DAYS, WINDOW_DAYS, day_of};
use crate::id::PersonId;
use crate::time::{DAY_MS, Timestamp};
use crate::value::Value;

/// Days that are kept where only the present is needed: the window, and the day it ends in.
const SHORT_DAYS: i64 = WINDOW_DAYS + 2;
/// A text that reads as an instant is a date when it lies so many days around the moment.
const DATE_SPAN_DAYS: i64 = 5 * 365;
/// The most statements that are kept of one trait.
const MAX_STATEMENTS: usize = 200;

/// What happened on one day.
#[derive(Debug, Default)]
struct Day {
    event_count: u32,
    by_name: BTreeMap<u16, u32>,
    people: BTreeSet<PersonId>,
}

/// The past of one account.
#[derive(Debug)]
pub(super) struct History {
    created_at: Timestamp,
    whole: bool,
    pub(super) left_at: Option<Timestamp>,
    days: BTreeMap<i64, Day>,
    /// By trait, what was told when, in order of time.
    traits: BTreeMap<Box<str>, Vec<(Timestamp, Option<Value>)>>,
    /// By event name, the scores that answers gave.
    scores: BTreeMap<Box<str>, Vec<(Timestamp, f64)>>,
}

impl History {
    pub(super) fn new(at: Timestamp, whole: bool) -> Self {
        Self {
            created_at: at,
            whole,
            left_at: None,
            days: BTreeMap::new(),
            traits: BTreeMap::new(),
            scores: BTreeMap::new(),
        }
    }

    pub(super) fn seen(&mut self, at: Timestamp) {
        self.created_at = self.created_at.min(at);
    }

    pub(super) fn leave(&mut self, at: Timestamp) {
        self.left_at = Some(self.left_at.map_or(at, |left| left.min(at)));
    }

    pub(super) fn used(&mut self, at: Timestamp, person: Option<PersonId>, name: Option<u16>) {
        let today = day_of(at);
        let day = self.days.entry(today).or_default();
        day.event_count += 1;
        day.people.extend(person);
        if let Some(name) = name {
            *day.by_name.entry(name).or_default() += 1;
        }
        let last = self.days.last_key_value().map_or(today, |(last, _)| *last);
        if !self.whole {
            self.days = self.days.split_off(&(last - SHORT_DAYS));
        }
    }

    pub(super) fn told(&mut self, name: &str, at: Timestamp, value: Option<&Value>) {
        let told = self.traits.entry(name.into()).or_default();
        insert(told, at, value.cloned());
    }

    pub(super) fn scored(&mut self, event: &str, at: Timestamp, score: f64) {
        insert(self.scores.entry(event.into()).or_default(), at, score);
    }

    /// What was known before a moment; `None` while the account was too young.
    pub(super) fn features(
        &self,
        names: &BTreeMap<Box<str>, u16>,
        at: Timestamp,
    ) -> Option<Vec<Feature>> {
        let age_days = at.since_ms(self.created_at) as f64 / DAY_MS as f64;
        if age_days < MIN_AGE_DAYS as f64 {
            return None;
        }
        let mut found = vec![Feature::number("days since first seen", age_days)];
        self.use_features(at, &mut found);
        self.name_features(names, at, &mut found);
        self.trait_features(at, &mut found);
        for (event, scores) in &self.scores {
            let last = latest(scores, at);
            found.extend(
                last.map(|score| Feature::number(format!("last score of {event}"), *score)),
            );
        }
        Some(found)
    }

    fn window(&self, at: Timestamp, from_days: i64, to_days: i64) -> impl Iterator<Item = &Day> {
        let end = day_of(at);
        let days = self.days.range(end - from_days..end - to_days);
        days.map(|(_, day)| day)
    }

    fn use_features(&self, at: Timestamp, found: &mut Vec<Feature>) {
        let events = |from, to| -> f64 {
            self.window(at, from, to)
                .map(|day| f64::from(day.event_count))
                .sum()
        };
        let active = |from, to| self.window(at, from, to).count() as f64;
        let people = |from, to| {
            let days = self.window(at, from, to);
            let people: BTreeSet<PersonId> =
                days.flat_map(|day| day.people.iter().copied()).collect();
            people.len() as f64
        };
        let ratio = |part: f64, whole: f64| (part + 1.0) / (whole + 1.0);
        let (week, month, before) = (events(7, 0), events(30, 0), events(60, 30));
        let (people_now, people_before) = (people(30, 0), people(60, 30));
        let mut add = |name: &str, value| found.push(Feature::number(name, value));
        add("events, 7 days", week);
        add("events, 30 days", month);
        add("events, 90 days", events(90, 0));
        add("week against month", ratio(week * 30.0 / 7.0, month));
        add(
            "fortnight against the one before",
            ratio(events(14, 0), events(28, 14)),
        );
        add("month against the one before", ratio(month, before));
        add("active days, 7 days", active(7, 0));
        add("active days, 30 days", active(30, 0));
        add("active people, 7 days", people(7, 0));
        add("active people, 30 days", people_now);
        add(
            "people against the month before",
            ratio(people_now, people_before),
        );
        if let Some(Value::Number(seats)) = self.told_at("seats", at).filter(|_| people_now > 0.0) {
            add("active people of seats", people_now / seats.max(1.0));
        }
        let last = self.days.range(..day_of(at)).next_back();
        let silent = last.map_or(WINDOW_DAYS, |(day, _)| (day_of(at) - day).min(WINDOW_DAYS));
        add("days since last use", silent as f64);
    }

    fn name_features(
        &self,
        names: &BTreeMap<Box<str>, u16>,
        at: Timestamp,
        found: &mut Vec<Feature>,
    ) {
        for (name, number) in names {
            let count = |from, to| -> f64 {
                let days = self.window(at, from, to);
                days.filter_map(|day| day.by_name.get(number))
                    .map(|count| f64::from(*count))
                    .sum()
            };
            let (month, quarter) = (count(30, 0), count(90, 0));
            found.push(Feature::number(format!("{name}, 30 days"), month));
            found.push(Feature::number(
                format!("{name}, 30 of 90 days"),
                (3.0 * month + 1.0) / (quarter + 1.0),
            ));
        }
    }

    fn trait_features(&self, at: Timestamp, found: &mut Vec<Feature>) {
        for (name, told) in &self.traits {
            let Some(value) = latest(told, at).and_then(Option::as_ref) else {
                continue;
            };
            if let Some(number) = value.as_number() {
                found.push(Feature::number(name.to_string(), number));
            } else if let Some(days) = days_until(value, at) {
                found.push(Feature::number(format!("days until {name}"), days));
            } else if let Some(text) = value.as_text() {
                found.push(Feature::text(name.to_string(), text));
            }
        }
    }

    fn told_at(&self, name: &str, at: Timestamp) -> Option<&Value> {
        latest(self.traits.get(name)?, at)?.as_ref()
    }
}

/// Days from a moment to the date that a value names, if it names one.
fn days_until(value: &Value, at: Timestamp) -> Option<f64> {
    value.as_text()?;
    let days = value.as_instant()?.since_ms(at) / DAY_MS;
    (days.abs() <= DATE_SPAN_DAYS).then_some(days as f64)
}

fn insert<T>(told: &mut Vec<(Timestamp, T)>, at: Timestamp, value: T) {
    let place = told.partition_point(|(then, _)| *then <= at);
    told.insert(place, (at, value));
    if told.len() > MAX_STATEMENTS {
        // The latest of the first half stands for it.
        told.drain(..MAX_STATEMENTS / 2);
    }
}

/// What was told last before the day of a moment, or at the moment itself.
fn latest<T>(told: &[(Timestamp, T)], at: Timestamp) -> Option<&T> {
    let after = told.partition_point(|(then, _)| *then < at);
    Some(&told[after.checked_sub(1)?].1)
}
