//! Series: what is kept of the events behind aggregates.
//!
//! One series serves every window over the same events. It keeps all-time totals and, as far
//! back as the longest window reaches, points in order of `occurred_at`. It is exact while it
//! holds at most [`MAX_EXACT_POINTS`] points. Beyond that the older points are merged on a grid
//! whose cells are never wider than 1/[`GRID_PER_AGE`] of their age, so that the edge of a window
//! is off by less than 0.5% of how far back the window reaches.
//!
//! Distinct values (and people) are exact up to [`MAX_KEYS`]; beyond that the count stays there.

mod points;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::expr::{Function, Window};
use crate::id::PersonId;
use crate::plan::{Retention, SeriesKind, SeriesSpec};
use crate::time::Timestamp;
use crate::value::Value;

use points::{Keys, Numbers, Times, Values};

/// Up to so many points a series is exact.
pub const MAX_EXACT_POINTS: usize = 1_000;
/// A merged point is never wider than its age divided by this.
pub const GRID_PER_AGE: i64 = 200;
/// Up to so many distinct values a series tells them apart.
pub const MAX_KEYS: usize = 1_000;

/// What one subject keeps of the events of one name (and filter) for all aggregates over them.
///
/// A series without events takes one pointer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series(Option<Box<Kept>>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// How far back the points reach, in milliseconds.
    horizon_ms: i64,
    /// Events since ever.
    count: u64,
    first_at: Timestamp,
    last_at: Timestamp,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Body {
    Times(Times),
    Numbers(Box<Numbers>),
    Values(Box<Values>),
    Keys(Box<Keys>),
}

/// What a series takes of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// Only that it happened.
    Time,
    /// A number.
    Number(f64),
    /// A value.
    Value(Value),
    /// A hash of a value, or a person's id.
    Key(u128),
}

/// A value and the earliest instant at which it changes though nothing happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading<T> {
    /// The value now.
    pub value: T,
    /// When it changes by time alone; `None` is never.
    pub next_change_at: Option<Timestamp>,
}

impl<T> Reading<T> {
    fn steady(value: T) -> Self {
        Self {
            value,
            next_change_at: None,
        }
    }

    fn map<U>(self, with: impl FnOnce(T) -> U) -> Reading<U> {
        Reading {
            value: with(self.value),
            next_change_at: self.next_change_at,
        }
    }
}

impl Series {
    /// Whether no event was ever taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// About how much memory it takes, in bytes.
    pub fn weight_bytes(&self) -> usize {
        let slot = size_of::<crate::subject::SeriesKey>() + size_of::<Self>();
        let Some(kept) = &self.0 else { return slot };
        let points = match &kept.body {
            Body::Times(times) => times.weight_bytes(),
            Body::Numbers(numbers) => numbers.weight_bytes(),
            Body::Values(values) => values.weight_bytes(),
            Body::Keys(keys) => keys.weight_bytes(),
        };
        slot + size_of::<Kept>() + points
    }

    /// Whether windows that reach so far back can be answered.
    pub fn covers(&self, reach_ms: i64) -> bool {
        self.0
            .as_ref()
            .is_none_or(|kept| kept.horizon_ms >= reach_ms)
    }

    /// Takes one event in, wherever its `at` belongs in the order. `now` is the engine's time.
    pub fn push(&mut self, at: Timestamp, observed: Observed, spec: &SeriesSpec, now: Timestamp) {
        let kept = self.0.get_or_insert_with(|| Box::new(Kept::new(spec, at)));
        kept.count += 1;
        kept.first_at = kept.first_at.min(at);
        kept.last_at = kept.last_at.max(at);
        let keep_point = kept.horizon_ms > 0 && at.since_ms(now) > -kept.horizon_ms;
        match (&mut kept.body, observed) {
            (Body::Times(times), _) => times.push(at.0, keep_point),
            (Body::Numbers(numbers), Observed::Number(number)) => {
                numbers.push(at.0, number, keep_point);
            }
            (Body::Values(values), Observed::Value(value)) => values.push(at.0, value, keep_point),
            (Body::Keys(keys), Observed::Key(key)) => keys.push(at.0, key, keep_point),
            _ => {}
        }
        kept.trim(now);
    }

    /// Takes in all events of another series; no event may be in both.
    pub fn merge(&mut self, other: Self) {
        let Some(theirs) = other.0 else { return };
        let Some(ours) = &mut self.0 else {
            self.0 = Some(theirs);
            return;
        };
        ours.horizon_ms = ours.horizon_ms.min(theirs.horizon_ms);
        ours.count += theirs.count;
        ours.first_at = ours.first_at.min(theirs.first_at);
        ours.last_at = ours.last_at.max(theirs.last_at);
        match (&mut ours.body, theirs.body) {
            (Body::Times(ours), Body::Times(theirs)) => ours.merge(theirs),
            (Body::Numbers(ours), Body::Numbers(theirs)) => ours.merge(*theirs),
            (Body::Values(ours), Body::Values(theirs)) => ours.merge(*theirs),
            (Body::Keys(ours), Body::Keys(theirs)) => ours.merge(*theirs),
            _ => {}
        }
    }

    /// A person turned out to be another one.
    pub fn rename_person(&mut self, from: PersonId, into: PersonId) {
        if let Some(Body::Keys(keys)) = self.0.as_mut().map(|kept| &mut kept.body) {
            keys.rename(|key| (key == from.0).then_some(into.0));
        }
    }

    /// Persons turned out to be others.
    pub(crate) fn rename_people(&mut self, renamed: &BTreeMap<PersonId, PersonId>) {
        if let Some(Body::Keys(keys)) = self.0.as_mut().map(|kept| &mut kept.body) {
            keys.rename(|key| renamed.get(&PersonId(key)).map(|into| into.0));
        }
    }

    /// Drops what no window of the plan needs any more.
    pub fn expire(&mut self, horizon_ms: i64, now: Timestamp) {
        if let Some(kept) = &mut self.0 {
            kept.horizon_ms = kept.horizon_ms.min(horizon_ms);
            kept.expire(now);
        }
    }

    /// How many events.
    pub fn count(&self, window: Option<Window>, now: Timestamp) -> Reading<u64> {
        let (Some(kept), Some(window)) = (&self.0, window) else {
            return Reading::steady(self.0.as_ref().map_or(0, |kept| kept.count));
        };
        match &kept.body {
            Body::Times(times) => times.count(window, now),
            _ => Reading::steady(0),
        }
    }

    /// When the answer of `test` to the count in a window that ends now next changes though
    /// nothing happens.
    pub fn next_count_flip(
        &self,
        window: Window,
        now: Timestamp,
        test: impl Fn(u64) -> bool,
    ) -> Option<Timestamp> {
        match self.0.as_ref().map(|kept| &kept.body) {
            Some(Body::Times(times)) => times.next_count_flip(window, now, test),
            _ => None,
        }
    }

    /// Sum, smallest, largest or mean; `None` is unknown.
    pub fn number(
        &self,
        function: Function,
        window: Option<Window>,
        now: Timestamp,
    ) -> Reading<Option<f64>> {
        let Some(Body::Numbers(numbers)) = self.0.as_ref().map(|kept| &kept.body) else {
            return Reading::steady((function == Function::Sum).then_some(0.0));
        };
        numbers
            .totals(window, now)
            .map(|totals| totals.of(function))
    }

    /// How many distinct values or people.
    pub fn distinct(&self, window: Option<Window>, now: Timestamp) -> Reading<u64> {
        match self.0.as_ref().map(|kept| &kept.body) {
            Some(Body::Keys(keys)) => keys.distinct(window, now),
            _ => Reading::steady(0),
        }
    }

    /// Instant of the first or last event; `None` is unknown.
    pub fn instant(
        &self,
        function: Function,
        window: Option<Window>,
        now: Timestamp,
    ) -> Reading<Option<Timestamp>> {
        let Some(kept) = &self.0 else {
            return Reading::steady(None);
        };
        match (&kept.body, window) {
            (Body::Times(times), Some(window)) => times.edge(function, window, now),
            _ if function == Function::First => Reading::steady(Some(kept.first_at)),
            _ => Reading::steady(Some(kept.last_at)),
        }
    }

    /// Value of the first or last event; `None` is unknown. Of several at the same instant the
    /// smallest is first and the largest last, so that arrival does not matter.
    pub fn value(
        &self,
        function: Function,
        window: Option<Window>,
        now: Timestamp,
    ) -> Reading<Option<&Value>> {
        match self.0.as_ref().map(|kept| &kept.body) {
            Some(Body::Values(values)) => values.edge(function, window, now),
            _ => Reading::steady(None),
        }
    }
}

impl Kept {
    fn new(spec: &SeriesSpec, at: Timestamp) -> Self {
        let body = match spec.kind {
            SeriesKind::Times => Body::Times(Times::default()),
            SeriesKind::Numbers => Body::Numbers(Box::default()),
            SeriesKind::Values => Body::Values(Box::default()),
            SeriesKind::Keys(retention) | SeriesKind::People(retention) => {
                Body::Keys(Box::new(Keys::new(match retention {
                    Retention::Latest => points::Keep::Latest,
                    Retention::Every => points::Keep::Every,
                    Retention::Ever => points::Keep::Ever,
                })))
            }
        };
        Self {
            horizon_ms: spec.horizon_ms,
            count: 0,
            first_at: at,
            last_at: at,
            body,
        }
    }

    fn expire(&mut self, now: Timestamp) {
        let cut = now.0.saturating_sub(self.horizon_ms);
        match &mut self.body {
            Body::Times(times) => times.expire(cut),
            Body::Numbers(numbers) => numbers.expire(cut),
            Body::Values(values) => values.expire(cut),
            Body::Keys(keys) => keys.expire(cut),
        }
    }

    fn trim(&mut self, now: Timestamp) {
        self.expire(now);
        match &mut self.body {
            Body::Times(times) => times.coarsen(now.0),
            Body::Numbers(numbers) => numbers.coarsen(now.0),
            Body::Values(_) | Body::Keys(_) => {}
        }
    }
}

/// A stable hash of a value, for telling distinct values apart.
pub fn value_key(value: &Value) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hash_value(value, &mut hasher);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u128::from(u64::from_le_bytes(bytes))
}

fn hash_value(value: &Value, hasher: &mut blake3::Hasher) {
    match value {
        Value::Bool(flag) => hasher.update(&[0, u8::from(*flag)]),
        // Adding zero turns -0 into 0: they are equal.
        Value::Number(number) => hasher.update(&[1]).update(&(number + 0.0).to_le_bytes()),
        Value::Text(text) => hasher
            .update(&[2])
            .update(&(text.len() as u64).to_le_bytes())
            .update(text.as_bytes()),
        Value::List(items) => {
            hasher
                .update(&[3])
                .update(&(items.len() as u64).to_le_bytes());
            for item in items {
                hash_value(item, hasher);
            }
            hasher
        }
    };
}

#[cfg(test)]
mod tests;
