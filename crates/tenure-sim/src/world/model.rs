//! What people and operators said, kept apart from the node, to judge it by.

use std::collections::{BTreeMap, BTreeSet};

use tenure_app::query::Query;
use tenure_core::id::{EventId, MessageId, PersonId, Salt, SubjectId};
use tenure_store::Store;
use tenure_store::memory::MemoryStore;

use super::definitions::TOPICS;

/// What was said and acknowledged.
#[derive(Debug, Default)]
pub struct Model {
    refusals: BTreeSet<(PersonId, Option<&'static str>)>,
    suppressed: BTreeSet<PersonId>,
    bounced: BTreeMap<Box<str>, PersonId>,
    /// How often the operator had a message sent again.
    pub resends: BTreeMap<MessageId, usize>,
    /// Events whose taking was acknowledged.
    pub acknowledged: BTreeSet<EventId>,
}

/// Who a person is by now, after all merges.
pub fn present_person(data: &MemoryStore, mut person: PersonId) -> PersonId {
    for _ in 0..64 {
        let row = data.persons(&[person]).ok().and_then(|mut rows| rows.pop());
        match row.flatten().and_then(|row| row.merged_into) {
            Some(into) => person = into,
            None => break,
        }
    }
    person
}

/// The address that lifting a suppression frees, whoever else has it.
fn address(data: &MemoryStore, salt: &Salt, person: PersonId) -> Option<Box<str>> {
    let state = Query::new(data, salt).subject(SubjectId::Person(person));
    state.ok()??.traits.get("email")?.as_text().map(Into::into)
}

impl Model {
    /// A choice about a topic, or (with `None`) about all marketing.
    pub fn choose(
        &mut self,
        data: &MemoryStore,
        person: PersonId,
        topic: Option<&'static str>,
        subscribed: bool,
    ) {
        if !subscribed {
            self.refusals.insert((person, topic));
            return;
        }
        let person = present_person(data, person);
        let is = |whose: PersonId| present_person(data, whose) == person;
        let refuses_all = self
            .refusals
            .iter()
            .any(|(whose, about)| about.is_none() && is(*whose));
        self.refusals
            .retain(|(whose, about)| !is(*whose) || (about.is_some() && *about != topic));
        match topic {
            Some(topic) if refuses_all => {
                let others = TOPICS.iter().filter(|other| **other != topic);
                self.refusals
                    .extend(others.map(|other| (person, Some(*other))));
            }
            Some(_) => {}
            None => self.refusals.retain(|(whose, _)| !is(*whose)),
        }
    }

    /// Suppression by hand, or lifting it.
    pub fn suppress(&mut self, data: &MemoryStore, salt: &Salt, person: PersonId, on: bool) {
        if on {
            self.suppressed.insert(person);
            return;
        }
        let person = present_person(data, person);
        self.suppressed
            .retain(|whose| present_person(data, *whose) != person);
        let address = address(data, salt, person);
        self.bounced.retain(|bounced, whose| {
            present_person(data, *whose) != person && Some(bounced) != address.as_ref()
        });
    }

    /// An address turned out not to exist.
    pub fn bounce(&mut self, address: &str, person: PersonId) {
        self.bounced.insert(address.into(), person);
    }

    /// Why nothing may be sent, if so.
    pub fn forbids(
        &self,
        data: &MemoryStore,
        person: PersonId,
        address: &str,
        topic: Option<&str>,
        transactional: bool,
    ) -> Option<&'static str> {
        if self.bounced.contains_key(address) {
            return Some("the address does not exist");
        }
        let person = present_person(data, person);
        let is = |whose: &PersonId| present_person(data, *whose) == person;
        if self.suppressed.iter().any(is) {
            return Some("the person is suppressed");
        }
        let refused = |(whose, about): &(PersonId, Option<&str>)| {
            is(whose) && (about.is_none() || *about == topic)
        };
        (!transactional && self.refusals.iter().any(refused)).then_some("the person refused")
    }
}
