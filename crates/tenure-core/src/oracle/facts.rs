//! What is known at a moment, read from the list of entries.

use std::collections::BTreeSet;

use crate::id::{AccountId, PersonId, SubjectId};
use crate::log::{Body, Entry, Event};
use crate::plan::PropertyMap;
use crate::time::Timestamp;
use crate::value::Value;

#[derive(Debug)]
pub(super) struct Facts<'a> {
    entries: &'a [Entry<'a>],
    /// Parsed properties of each entry, empty for those that are not events.
    properties: Vec<PropertyMap>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(entries: &'a [Entry<'a>]) -> Self {
        let properties = entries.iter().map(|entry| match &entry.body {
            Body::Event(event) => PropertyMap::parse(&event.properties),
            _ => PropertyMap::default(),
        });
        Self {
            entries,
            properties: properties.collect(),
        }
    }

    fn known(&self, known: usize) -> impl DoubleEndedIterator<Item = &'a Body<'a>> {
        self.entries[..known].iter().map(|entry| &entry.body)
    }

    /// How many entries are known just before an instant.
    pub(super) fn known_before(&self, at: Timestamp) -> usize {
        self.entries.partition_point(|entry| entry.received_at < at)
    }

    /// Who a person turned out to be.
    pub(super) fn resolve(&self, mut person: PersonId, known: usize) -> PersonId {
        for body in self.known(known) {
            if let Body::Merge(merge) = body
                && merge.from == person
            {
                person = merge.into;
            }
        }
        person
    }

    /// The persons and the account an entry names, and where the last of them belongs after it.
    fn names(body: &Body<'_>) -> (Option<PersonId>, Vec<Option<AccountId>>) {
        match body {
            Body::Event(event) => (event.person, vec![event.account]),
            Body::Profile(profile) => match profile.subject {
                SubjectId::Person(person) => (Some(person), vec![profile.account]),
                SubjectId::Account(account) => (None, vec![Some(account)]),
            },
            Body::Merge(merge) => (Some(merge.into), vec![merge.into_account]),
            Body::Move(moved) => (Some(moved.person), vec![moved.to]),
            _ => (None, Vec::new()),
        }
    }

    pub(super) fn exists(&self, subject: SubjectId, known: usize) -> bool {
        match subject {
            SubjectId::Person(person) => {
                self.resolve(person, known) == person
                    && self
                        .known(known)
                        .any(|body| Self::names(body).0 == Some(person))
            }
            SubjectId::Account(account) => self
                .known(known)
                .any(|body| Self::names(body).1.contains(&Some(account))),
        }
    }

    /// The account a person belongs to now.
    pub(super) fn account_of(&self, person: PersonId, known: usize) -> Option<AccountId> {
        let mut newest_first = self.known(known).rev();
        newest_first.find_map(|body| {
            let (named, accounts) = Self::names(body);
            (named == Some(person)).then(|| accounts.first().copied().flatten())
        })?
    }

    pub(super) fn people_count(&self, account: AccountId, known: usize) -> usize {
        let named = self.known(known).filter_map(|body| Self::names(body).0);
        let people: BTreeSet<PersonId> = named.collect();
        let here = |person: &&PersonId| {
            self.exists(SubjectId::Person(**person), known)
                && self.account_of(**person, known) == Some(account)
        };
        people.iter().filter(here).count()
    }

    /// The events that count for a subject.
    pub(super) fn events(
        &self,
        subject: SubjectId,
        known: usize,
    ) -> Vec<(&'a Event<'a>, &PropertyMap)> {
        let events = self.known(known).zip(&self.properties);
        let counts = |event: &Event<'_>| match subject {
            SubjectId::Account(account) => event.account == Some(account),
            SubjectId::Person(person) => event
                .person
                .is_some_and(|by| self.resolve(by, known) == person),
        };
        events
            .filter_map(|(body, properties)| match body {
                Body::Event(event) if counts(event) => Some((event, properties)),
                _ => None,
            })
            .collect()
    }

    /// The value of a trait: what was told last, by the sender's clock.
    pub(super) fn told(&self, subject: SubjectId, name: &str, known: usize) -> Option<Value> {
        let about = |told: SubjectId| match told {
            SubjectId::Person(person) => SubjectId::Person(self.resolve(person, known)) == subject,
            SubjectId::Account(_) => told == subject,
        };
        let mut best = None;
        for body in self.known(known) {
            let Body::Profile(profile) = body else {
                continue;
            };
            if !about(profile.subject) {
                continue;
            }
            for (told, value) in &profile.traits {
                let newer = best
                    .as_ref()
                    .is_none_or(|(at, _)| *at <= profile.occurred_at);
                if **told == *name && newer {
                    best = Some((profile.occurred_at, value.clone()));
                }
            }
        }
        best?.1
    }
}
