//! Backfill: building the series a new plan needs from the stored log.

use std::collections::BTreeMap;

use crate::aggregate::Series;
use crate::id::{PersonId, SubjectId};
use crate::log::{Body, Entry, Event, Merge, Position};
use crate::subject::SeriesKey;
use crate::time::Timestamp;

use super::{EventIndex, Plan, PropertyMap, SeriesSpec, is_own_event};

/// Subjects are kept in so many ordered maps by the top bits of their ids, which are hashes, so
/// that each map is shallow.
const SHARD_BITS: u32 = 12;

/// The backfilled series of one subject, by place in the plan.
type Parts = Vec<(u32, Series)>;

/// Folds log entries into the series of every subject they concern. An event nobody asked for
/// costs one look-up of its name.
#[derive(Debug)]
pub struct Backfill<'a> {
    plan: &'a Plan,
    until: Position,
    events: BTreeMap<Box<str>, EventIndex>,
    any_event: EventIndex,
    shards: Vec<BTreeMap<SubjectId, Parts>>,
    renamed: BTreeMap<PersonId, PersonId>,
}

impl<'a> Backfill<'a> {
    /// A backfill of these series of the plan from entries up to and including `until`, the
    /// position at which the plan was published.
    pub fn new(plan: &'a Plan, specs: &[SeriesSpec], until: Position) -> Self {
        let wanted = |at: &u32| {
            let key = plan.series[*at as usize].key;
            specs.iter().any(|spec| spec.key == key)
        };
        let narrow = |event: &EventIndex| {
            let person: Vec<u32> = event.person.iter().copied().filter(wanted).collect();
            let account: Vec<u32> = event.account.iter().copied().filter(wanted).collect();
            let mut all = person.iter().chain(&account);
            let properties = all.any(|at| plan.series[*at as usize].reads_properties());
            EventIndex {
                person,
                account,
                properties,
                ..EventIndex::default()
            }
        };
        let events = plan.index.events.iter();
        Self {
            plan,
            until,
            events: events
                .map(|(name, event)| (name.clone(), narrow(event)))
                .collect(),
            any_event: narrow(&plan.index.any_event),
            shards: vec![BTreeMap::new(); 1 << SHARD_BITS],
            renamed: BTreeMap::new(),
        }
    }

    /// Takes in one entry, in the order of the log. Events after `until` are left out; merges
    /// count also after it, since what a person did counts for whom it turned out to be.
    pub fn fold(&mut self, entry: &Entry<'_>) {
        match &entry.body {
            Body::Event(event) if entry.position <= self.until => {
                self.event(event, entry.received_at);
            }
            Body::Merge(merge) => self.merge(merge),
            _ => {}
        }
    }

    fn event(&mut self, event: &Event<'_>, received_at: Timestamp) {
        let known = self.events.get(&*event.name);
        let index = match known {
            Some(index) => index,
            None if is_own_event(&event.name) => return,
            None => &self.any_event,
        };
        if index.person.is_empty() && index.account.is_empty() {
            return;
        }
        let properties = if index.properties {
            PropertyMap::parse(&event.properties)
        } else {
            PropertyMap::default()
        };
        let subjects = [
            (event.person.map(SubjectId::Person), &index.person),
            (event.account.map(SubjectId::Account), &index.account),
        ];
        for (subject, series) in subjects {
            let Some(subject) = subject else { continue };
            for &at in series {
                let spec = &self.plan.series[at as usize];
                if let Some(observed) = spec.observe(self.plan, event, &properties) {
                    let parts = self.shards[shard(subject)].entry(subject).or_default();
                    part(parts, at).push(event.occurred_at, observed, spec, received_at);
                }
            }
        }
    }

    fn merge(&mut self, merge: &Merge) {
        for into in self.renamed.values_mut() {
            if *into == merge.from {
                *into = merge.into;
            }
        }
        self.renamed.insert(merge.from, merge.into);
        let from = SubjectId::Person(merge.from);
        let into = SubjectId::Person(merge.into);
        for (at, series) in self.shards[shard(from)].remove(&from).unwrap_or_default() {
            let parts = self.shards[shard(into)].entry(into).or_default();
            part(parts, at).merge(series);
        }
    }

    /// Takes out the series of one subject.
    pub fn take(&mut self, subject: SubjectId) -> Vec<(SubjectId, SeriesKey, Series)> {
        let parts = self.shards[shard(subject)]
            .remove(&subject)
            .unwrap_or_default();
        let named = parts.into_iter().map(|(at, mut series)| {
            if subject.account().is_some() {
                series.rename_people(&self.renamed);
            }
            (subject, self.plan.series[at as usize].key, series)
        });
        named.collect()
    }

    /// Every subject there is history of, in order of the shards.
    pub fn subjects(&self) -> impl Iterator<Item = SubjectId> + '_ {
        self.shards.iter().flat_map(|shard| shard.keys().copied())
    }
}

fn shard(subject: SubjectId) -> usize {
    (subject.bits() >> (u128::BITS - SHARD_BITS)) as usize
}

fn part(parts: &mut Parts, at: u32) -> &mut Series {
    let place = parts.iter().position(|(known, _)| *known == at);
    let place = place.unwrap_or_else(|| {
        parts.push((at, Series::default()));
        parts.len() - 1
    });
    &mut parts[place].1
}
