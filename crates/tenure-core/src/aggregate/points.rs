//! Points of a series in order of time, and what windows see of them.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::expr::{Function, Window};
use crate::time::Timestamp;
use crate::value::Value;

use super::{GRID_PER_AGE, MAX_EXACT_POINTS, MAX_KEYS, Reading};

/// Points with every instant of a key (or a value) are kept up to so many.
const MAX_KEY_POINTS: usize = 4 * MAX_KEYS;
/// How many points may come in between two passes of merging.
const COARSEN_EVERY: usize = 128;

trait Point {
    fn at(&self) -> i64;
}

trait Mergeable: Point {
    fn absorb(&mut self, newer: &Self);
}

/// Inserts in order of time, after those of the same instant.
fn insert<P: Point>(points: &mut VecDeque<P>, point: P) {
    if points.back().is_none_or(|last| last.at() <= point.at()) {
        points.push_back(point);
        return;
    }
    let place = points.partition_point(|known| known.at() <= point.at());
    points.insert(place, point);
}

fn expire<P: Point>(points: &mut VecDeque<P>, cut: i64) {
    while points.front().is_some_and(|oldest| oldest.at() <= cut) {
        points.pop_front();
    }
}

fn merge<P: Point>(ours: &mut VecDeque<P>, theirs: VecDeque<P>) {
    if theirs.is_empty() {
        return;
    }
    ours.extend(theirs);
    ours.make_contiguous().sort_by_key(Point::at);
}

/// Places of the points inside a window, and when the window's contents change by time alone.
fn view<P: Point>(
    points: &VecDeque<P>,
    window: Window,
    now: Timestamp,
) -> (usize, usize, Option<i64>) {
    let reach_ms = window.length_ms.saturating_add(window.offset_ms);
    let from = points.partition_point(|point| point.at() <= now.0.saturating_sub(reach_ms));
    let until =
        points.partition_point(|point| point.at() <= now.0.saturating_sub(window.offset_ms));
    let until = until.max(from);
    let leaves = (from < until).then(|| points[from].at().saturating_add(reach_ms));
    let enters = points
        .get(until)
        .map(|point| point.at().saturating_add(window.offset_ms));
    let next = match (leaves, enters) {
        (Some(leaves), Some(enters)) => Some(leaves.min(enters)),
        (leaves, enters) => leaves.or(enters),
    };
    (from, until, next)
}

/// Merges older points that share a cell of a grid which widens with age. Cells are powers of
/// two, so those of a wider grid hold whole cells of a narrower one and error never adds up.
fn coarsen<P: Mergeable>(points: &mut VecDeque<P>, now: i64) {
    let len = points.len();
    if len <= MAX_EXACT_POINTS || (len - MAX_EXACT_POINTS) % COARSEN_EVERY != 1 {
        return;
    }
    let old = len - MAX_EXACT_POINTS / 2;
    let newer = points.split_off(old);
    let mut merged: VecDeque<P> = VecDeque::with_capacity(len);
    for point in points.drain(..) {
        let width = now.saturating_sub(point.at()) / GRID_PER_AGE;
        let bits = 63 - i64::leading_zeros(width.max(1));
        match merged.back_mut() {
            Some(last) if last.at() >> bits == point.at() >> bits => last.absorb(&point),
            _ => merged.push_back(point),
        }
    }
    merged.extend(newer);
    *points = merged;
}

/// Instants, each with how many events it stands for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Times(VecDeque<(i64, u32)>);

impl Point for (i64, u32) {
    fn at(&self) -> i64 {
        self.0
    }
}

impl Mergeable for (i64, u32) {
    fn absorb(&mut self, newer: &Self) {
        self.0 = newer.0;
        self.1 = self.1.saturating_add(newer.1);
    }
}

impl Times {
    pub(super) fn weight_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(i64, u32)>()
    }

    pub(super) fn push(&mut self, at: i64, keep_point: bool) {
        if keep_point {
            insert(&mut self.0, (at, 1));
        }
    }

    pub(super) fn merge(&mut self, theirs: Self) {
        merge(&mut self.0, theirs.0);
    }

    pub(super) fn expire(&mut self, cut: i64) {
        expire(&mut self.0, cut);
    }

    pub(super) fn coarsen(&mut self, now: i64) {
        coarsen(&mut self.0, now);
    }

    pub(super) fn count(&self, window: Window, now: Timestamp) -> Reading<u64> {
        let (from, until, next) = view(&self.0, window, now);
        let counts = self
            .0
            .range(from..until)
            .map(|(_, count)| u64::from(*count));
        reading(counts.sum(), next)
    }

    pub(super) fn next_count_flip(
        &self,
        window: Window,
        now: Timestamp,
        test: impl Fn(u64) -> bool,
    ) -> Option<Timestamp> {
        let (from, until, _) = view(&self.0, window, now);
        let inside = || self.0.range(from..until);
        let mut left: u64 = inside().map(|(_, count)| u64::from(*count)).sum();
        let answer = test(left);
        let mut points = inside().peekable();
        while let Some((at, count)) = points.next() {
            left -= u64::from(*count);
            let more_at_once = points.peek().is_some_and(|(next, _)| next == at);
            if !more_at_once && test(left) != answer {
                return Some(Timestamp(at.saturating_add(window.length_ms)));
            }
        }
        None
    }

    pub(super) fn edge(
        &self,
        function: Function,
        window: Window,
        now: Timestamp,
    ) -> Reading<Option<Timestamp>> {
        let (from, until, next) = view(&self.0, window, now);
        let place = if function == Function::First {
            from
        } else {
            until.saturating_sub(1)
        };
        let found = (from < until).then(|| Timestamp(self.0[place].0));
        reading(found, next)
    }
}

fn reading<T>(value: T, next: Option<i64>) -> Reading<T> {
    Reading {
        value,
        next_change_at: next.map(Timestamp),
    }
}

/// Count, sum, smallest and largest of some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Totals {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Totals {
    fn one(number: f64) -> Self {
        Self {
            count: 1,
            sum: number,
            min: number,
            max: number,
        }
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    pub(super) fn of(self, function: Function) -> Option<f64> {
        let any = self.count > 0;
        match function {
            Function::Sum => Some(self.sum),
            Function::Min => any.then_some(self.min),
            Function::Max => any.then_some(self.max),
            _ => any.then(|| self.sum / self.count as f64),
        }
    }
}

/// Numbers with their instants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Numbers {
    ever: Totals,
    points: VecDeque<(i64, Totals)>,
}

impl Point for (i64, Totals) {
    fn at(&self) -> i64 {
        self.0
    }
}

impl Mergeable for (i64, Totals) {
    fn absorb(&mut self, newer: &Self) {
        self.0 = newer.0;
        self.1.add(&newer.1);
    }
}

impl Numbers {
    pub(super) fn weight_bytes(&self) -> usize {
        size_of::<Self>() + self.points.capacity() * size_of::<(i64, Totals)>()
    }

    pub(super) fn push(&mut self, at: i64, number: f64, keep_point: bool) {
        let one = Totals::one(number);
        self.ever.add(&one);
        if keep_point {
            insert(&mut self.points, (at, one));
        }
    }

    pub(super) fn merge(&mut self, theirs: Self) {
        self.ever.add(&theirs.ever);
        merge(&mut self.points, theirs.points);
    }

    pub(super) fn expire(&mut self, cut: i64) {
        expire(&mut self.points, cut);
    }

    pub(super) fn coarsen(&mut self, now: i64) {
        coarsen(&mut self.points, now);
    }

    pub(super) fn totals(&self, window: Option<Window>, now: Timestamp) -> Reading<Totals> {
        let Some(window) = window else {
            return reading(self.ever, None);
        };
        let (from, until, next) = view(&self.points, window, now);
        let mut totals = Totals::default();
        for (_, point) in self.points.range(from..until) {
            totals.add(point);
        }
        reading(totals, next)
    }
}

/// Values with their instants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Values {
    first: Option<(i64, Value)>,
    last: Option<(i64, Value)>,
    points: VecDeque<(i64, Value)>,
}

impl Point for (i64, Value) {
    fn at(&self) -> i64 {
        self.0
    }
}

fn by_time_and_value(left: &(i64, Value), right: &(i64, Value)) -> Ordering {
    let by_value = || left.1.partial_cmp(&right.1).unwrap_or(Ordering::Equal);
    left.0.cmp(&right.0).then_with(by_value)
}

impl Values {
    pub(super) fn weight_bytes(&self) -> usize {
        let texts = self.points.iter().map(|(_, value)| value.text_bytes());
        size_of::<Self>()
            + self.points.capacity() * size_of::<(i64, Value)>()
            + texts.sum::<usize>()
    }

    pub(super) fn push(&mut self, at: i64, value: Value, keep_point: bool) {
        let point = (at, value);
        self.widen(&point);
        if keep_point {
            let place = self
                .points
                .partition_point(|known| by_time_and_value(known, &point).is_le());
            self.points.insert(place, point);
            self.bound();
        }
    }

    fn widen(&mut self, point: &(i64, Value)) {
        let earlier = |known: &(i64, Value)| by_time_and_value(point, known).is_lt();
        if self.first.as_ref().is_none_or(earlier) {
            self.first = Some(point.clone());
        }
        let later = |known: &(i64, Value)| by_time_and_value(point, known).is_ge();
        if self.last.as_ref().is_none_or(later) {
            self.last = Some(point.clone());
        }
    }

    fn bound(&mut self) {
        while self.points.len() > MAX_EXACT_POINTS {
            self.points.pop_front();
        }
    }

    pub(super) fn merge(&mut self, theirs: Self) {
        for point in theirs.first.iter().chain(&theirs.last) {
            self.widen(point);
        }
        self.points.extend(theirs.points);
        self.points.make_contiguous().sort_by(by_time_and_value);
        self.bound();
    }

    pub(super) fn expire(&mut self, cut: i64) {
        expire(&mut self.points, cut);
    }

    pub(super) fn edge(
        &self,
        function: Function,
        window: Option<Window>,
        now: Timestamp,
    ) -> Reading<Option<&Value>> {
        let first = function == Function::First;
        let Some(window) = window else {
            let found = if first { &self.first } else { &self.last };
            return reading(found.as_ref().map(|(_, value)| value), None);
        };
        let (from, until, next) = view(&self.points, window, now);
        let place = if first { from } else { until.saturating_sub(1) };
        let found = (from < until).then(|| &self.points[place].1);
        reading(found, next)
    }
}

/// Which instants of a key are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Keep {
    Latest,
    Every,
    Ever,
}

/// Distinct values or people with their instants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Keys {
    keep: Keep,
    ever: BTreeSet<u128>,
    points: VecDeque<(i64, u128)>,
}

impl Point for (i64, u128) {
    fn at(&self) -> i64 {
        self.0
    }
}

impl Keys {
    pub(super) fn weight_bytes(&self) -> usize {
        size_of::<Self>()
            + self.points.capacity() * size_of::<(i64, u128)>()
            + self.ever.len() * 2 * size_of::<u128>()
    }

    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            ever: BTreeSet::new(),
            points: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, at: i64, key: u128, keep_point: bool) {
        match self.keep {
            Keep::Ever => self.add_ever(key),
            Keep::Every if keep_point => insert(&mut self.points, (at, key)),
            Keep::Latest if keep_point => self.push_latest(at, key),
            Keep::Every | Keep::Latest => {}
        }
        self.bound();
    }

    fn push_latest(&mut self, at: i64, key: u128) {
        let known = self.points.iter().rposition(|(_, known)| *known == key);
        if let Some(place) = known {
            if self.points[place].0 >= at {
                return;
            }
            self.points.remove(place);
        }
        insert(&mut self.points, (at, key));
    }

    fn add_ever(&mut self, key: u128) {
        if self.ever.len() < MAX_KEYS {
            self.ever.insert(key);
        }
    }

    fn bound(&mut self) {
        let most = if self.keep == Keep::Every {
            MAX_KEY_POINTS
        } else {
            MAX_KEYS
        };
        while self.points.len() > most {
            self.points.pop_front();
        }
    }

    pub(super) fn merge(&mut self, theirs: Self) {
        for key in theirs.ever {
            self.add_ever(key);
        }
        for (at, key) in theirs.points {
            self.push(at, key, true);
        }
    }

    pub(super) fn rename(&mut self, new_name: impl Fn(u128) -> Option<u128>) {
        let renamed: Vec<u128> = self
            .ever
            .iter()
            .copied()
            .filter(|key| new_name(*key).is_some())
            .collect();
        for key in renamed {
            self.ever.remove(&key);
            self.ever.extend(new_name(key));
        }
        if self.points.iter().any(|(_, key)| new_name(*key).is_some()) {
            for (at, key) in std::mem::take(&mut self.points) {
                self.push(at, new_name(key).unwrap_or(key), true);
            }
        }
    }

    pub(super) fn expire(&mut self, cut: i64) {
        expire(&mut self.points, cut);
    }

    pub(super) fn distinct(&self, window: Option<Window>, now: Timestamp) -> Reading<u64> {
        let Some(window) = window else {
            return reading(self.ever.len() as u64, None);
        };
        let (from, until, next) = view(&self.points, window, now);
        if self.keep == Keep::Latest {
            return reading((until - from) as u64, next);
        }
        let mut keys: Vec<u128> = self
            .points
            .range(from..until)
            .map(|(_, key)| *key)
            .collect();
        keys.sort_unstable();
        keys.dedup();
        reading(keys.len() as u64, next)
    }
}
