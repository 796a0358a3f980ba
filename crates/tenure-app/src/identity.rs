//! Identity: from the names a call carries to the person and account it is about.
//!
//! A person's id is derived from the first name it is known by, so most names need no row: only
//! what differs from that is stored. The rules:
//! - A user id names a person for good.
//! - An anonymous id belongs to the user it was last seen with. The first time it is seen with a
//!   user, what it did alone is merged into that user.
//! - An e-mail address names a person only where nothing else does (an import, a form). When a
//!   user turns up with the address, that lead is merged into the user. Two users may share one.
//! - A group call moves the person to the account. An event with an account moves only a person
//!   that has none.

use std::collections::HashMap;
use std::hash::Hash;

use tenure_core::id::SubjectId;
use tenure_core::id::{AccountId, PersonId};
use tenure_core::log::{Body, Command, Event, Identifier, Merge, Move, Profile};
use tenure_core::time::Timestamp;
use tenure_store::row::Person;
use tenure_store::{Store, StoreError};

use crate::call::{Call, CallKind, Name};

/// How many identities and persons are kept in memory, each.
const CACHE_ENTRIES: usize = 400_000;
/// The longest chain of merges that is followed.
const MAX_MERGE_CHAIN: usize = 64;

/// A cache of two generations: when the young one is full it becomes the old one, and what of the
/// old is not asked for again is forgotten.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Copy, V: Copy> Generations<K, V> {
    fn new() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn get(&mut self, key: K) -> Option<V> {
        if let Some(value) = self.young.get(&key) {
            return Some(*value);
        }
        let value = *self.old.get(&key)?;
        self.put(key, value);
        Some(value)
    }

    fn contains(&self, key: K) -> bool {
        self.young.contains_key(&key) || self.old.contains_key(&key)
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() >= CACHE_ENTRIES / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

/// Who a person is by now, after all merges that are committed.
pub fn present_person(store: &dyn Store, person: PersonId) -> Result<PersonId, StoreError> {
    let mut present = person;
    for _ in 0..MAX_MERGE_CHAIN {
        let row = store.persons(&[present])?.pop().flatten();
        match row.and_then(|row| row.merged_into) {
            Some(into) => present = into,
            None => break,
        }
    }
    Ok(present)
}

/// What resolving a run of calls wants written.
#[derive(Debug, Default)]
pub struct Resolved<'a> {
    /// Log entries, in order.
    pub entries: Vec<Body<'a>>,
    /// Identity keys to bind.
    pub identities: Vec<(u128, PersonId)>,
    /// Persons whose row changed.
    pub persons: Vec<(PersonId, Person)>,
}

/// Resolves names to subjects. Lives on the log writer's thread.
#[derive(Debug)]
pub struct Resolver {
    identities: Generations<u128, Option<PersonId>>,
    persons: Generations<PersonId, Person>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            identities: Generations::new(),
            persons: Generations::new(),
        }
    }
}

impl Resolver {
    /// Forgets everything; for when a commit failed and memory is ahead of the store.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Fetches in bulk what the calls will ask for.
    pub fn prepare<'c>(
        &mut self,
        store: &dyn Store,
        calls: impl Iterator<Item = &'c Call> + Clone,
    ) -> Result<(), StoreError> {
        let mut keys = Vec::new();
        for call in calls.clone() {
            keys.extend(
                names_of(call)
                    .map(|name| name.key)
                    .filter(|key| !self.identities.contains(*key)),
            );
        }
        keys.sort_unstable();
        keys.dedup();
        for (key, person) in keys.iter().zip(store.identities(&keys)?) {
            self.identities.put(*key, person);
        }
        let mut ids = Vec::new();
        for call in calls {
            for name in names_of(call) {
                let id = self
                    .identities
                    .get(name.key)
                    .flatten()
                    .unwrap_or(name.own_person());
                if !self.persons.contains(id) {
                    ids.push(id);
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        for (id, person) in ids.iter().zip(store.persons(&ids)?) {
            self.persons.put(*id, person.unwrap_or_default());
        }
        Ok(())
    }

    /// Turns one call into log entries.
    pub fn resolve(
        &mut self,
        store: &dyn Store,
        call: Call,
        received_at: Timestamp,
        out: &mut Resolved<'_>,
    ) -> Result<(), StoreError> {
        let person = self.person_of(store, &call, out)?;
        let occurred_at = call.occurred_at.unwrap_or(received_at).min(received_at);
        let told_account = call.account.as_ref().map(Name::own_account);
        let grouped = matches!(call.kind, CallKind::Group { .. });
        let mut account = None;
        if let Some(person) = person {
            let known = self.person(store, person)?.account;
            account = if grouped {
                told_account.or(known)
            } else {
                known.or(told_account)
            };
            if account != known {
                self.move_person(person, known, account, out);
            }
        }
        match call.kind {
            CallKind::Track { name, properties } => out.entries.push(Body::Event(Event {
                id: call.event_id,
                person,
                account: account.or(told_account),
                occurred_at,
                historical: call.historical,
                name: String::from(name).into(),
                properties: String::from(properties).into(),
            })),
            CallKind::Identify { traits } => {
                let identifiers = [&call.user, &call.anonymous, &call.email]
                    .into_iter()
                    .flatten()
                    .map(Name::identifier)
                    .collect();
                if let Some(person) = person {
                    out.entries.push(Body::Profile(Profile {
                        subject: SubjectId::Person(person),
                        account,
                        occurred_at,
                        historical: call.historical,
                        traits,
                        identifiers,
                    }));
                }
            }
            CallKind::Group { traits } => {
                if let Some(name) = &call.account {
                    let id = name.own_account();
                    out.entries.push(Body::Profile(Profile {
                        subject: SubjectId::Account(id),
                        account: Some(id),
                        occurred_at,
                        historical: call.historical,
                        traits,
                        identifiers: vec![name.identifier()],
                    }));
                }
            }
            CallKind::Alias {
                previous_user,
                previous_anonymous,
            } => {
                if let Some(person) = person {
                    self.alias(store, person, &previous_user, &previous_anonymous, out)?;
                }
            }
        }
        Ok(())
    }

    /// Who a person is by now, after all merges, and its account: the root that keeps it. What was
    /// decided before a merge or a move belongs there too.
    pub fn whereabouts(
        &mut self,
        store: &dyn Store,
        person: PersonId,
    ) -> Result<(PersonId, Option<AccountId>), StoreError> {
        let person = self.current(store, person)?;
        Ok((person, self.person(store, person)?.account))
    }

    /// Puts a command about a person where the person is by now.
    pub fn readdress(&mut self, store: &dyn Store, body: &mut Body<'_>) -> Result<(), StoreError> {
        let Body::Command(command) = body else {
            return Ok(());
        };
        match command {
            Command::Consent {
                person, account, ..
            }
            | Command::Suppress {
                person, account, ..
            }
            | Command::Erase { person, account } => {
                (*person, *account) = self.whereabouts(store, *person)?;
            }
            Command::Enroll {
                subject, account, ..
            }
            | Command::Remove {
                subject, account, ..
            } => {
                if let SubjectId::Person(person) = *subject {
                    let (person, home) = self.whereabouts(store, person)?;
                    (*subject, *account) = (SubjectId::Person(person), home);
                }
            }
            Command::Pause { .. } => {}
        }
        Ok(())
    }

    /// The person known by a name now, if the name was ever seen.
    pub fn find(&mut self, store: &dyn Store, name: &Name) -> Result<Option<PersonId>, StoreError> {
        let Some(bound) = self.identity(store, name.key)? else {
            return Ok(None);
        };
        self.current(store, bound).map(Some)
    }

    fn person_of(
        &mut self,
        store: &dyn Store,
        call: &Call,
        out: &mut Resolved<'_>,
    ) -> Result<Option<PersonId>, StoreError> {
        let Some(user) = &call.user else {
            let Some(name) = call.anonymous.as_ref().or(call.email.as_ref()) else {
                return Ok(None);
            };
            let person = self.claim(
                store,
                name,
                name.own_person(),
                &call.identifiers(),
                call,
                out,
            )?;
            if let (Some(_), Some(email)) = (&call.anonymous, &call.email)
                && self.identity(store, email.key)?.is_none()
            {
                self.bind(email, person, out);
            }
            return Ok(Some(person));
        };
        let person = self.claim(
            store,
            user,
            user.own_person(),
            &call.identifiers(),
            call,
            out,
        )?;
        for name in [&call.anonymous, &call.email].into_iter().flatten() {
            self.link(store, name, person, out)?;
        }
        Ok(Some(person))
    }

    /// The person of a name; the first sight of the name binds it and tells the profile.
    fn claim(
        &mut self,
        store: &dyn Store,
        name: &Name,
        own: PersonId,
        identifiers: &[Identifier],
        call: &Call,
        out: &mut Resolved<'_>,
    ) -> Result<PersonId, StoreError> {
        if let Some(bound) = self.identity(store, name.key)? {
            return self.current(store, bound);
        }
        self.bind(name, own, out);
        if !matches!(call.kind, CallKind::Identify { .. }) {
            out.entries.push(Body::Profile(Profile {
                subject: SubjectId::Person(own),
                account: self.person(store, own)?.account,
                occurred_at: call.occurred_at.unwrap_or(Timestamp(0)),
                historical: call.historical,
                traits: Vec::new(),
                identifiers: identifiers.to_vec(),
            }));
        }
        Ok(own)
    }

    /// A second name of a user: it is bound, and what was known under it alone is merged.
    fn link(
        &mut self,
        store: &dyn Store,
        name: &Name,
        person: PersonId,
        out: &mut Resolved<'_>,
    ) -> Result<(), StoreError> {
        let Some(bound) = self.identity(store, name.key)? else {
            self.bind(name, person, out);
            return Ok(());
        };
        let owner = self.current(store, bound)?;
        if owner == person {
            return Ok(());
        }
        let alone = owner == name.own_person();
        if alone {
            self.merge(store, owner, person, out)?;
        }
        // A shared browser belongs to who used it last; a shared address to its first owner.
        if alone || name.kind == tenure_core::log::IdentifierKind::AnonymousId {
            self.bind(name, person, out);
        }
        Ok(())
    }

    fn alias(
        &mut self,
        store: &dyn Store,
        person: PersonId,
        previous_user: &Name,
        previous_anonymous: &Name,
        out: &mut Resolved<'_>,
    ) -> Result<(), StoreError> {
        for name in [previous_anonymous, previous_user] {
            let known = self.find(store, name)?;
            if let Some(previous) = known.filter(|previous| *previous != person) {
                self.merge(store, previous, person, out)?;
            }
            if known != Some(person) {
                self.bind(name, person, out);
            }
        }
        Ok(())
    }

    fn merge(
        &mut self,
        store: &dyn Store,
        from: PersonId,
        into: PersonId,
        out: &mut Resolved<'_>,
    ) -> Result<(), StoreError> {
        let from_account = self.person(store, from)?.account;
        let mut into_account = self.person(store, into)?.account;
        if into_account.is_none() && from_account.is_some() {
            self.move_person(into, None, from_account, out);
            into_account = from_account;
        }
        out.entries.push(Body::Merge(Merge {
            from,
            from_account,
            into,
            into_account,
        }));
        let row = Person {
            account: None,
            merged_into: Some(into),
        };
        self.persons.put(from, row);
        out.persons.push((from, row));
        Ok(())
    }

    fn move_person(
        &mut self,
        person: PersonId,
        from: Option<AccountId>,
        to: Option<AccountId>,
        out: &mut Resolved<'_>,
    ) {
        out.entries.push(Body::Move(Move { person, from, to }));
        let row = Person {
            account: to,
            merged_into: None,
        };
        self.persons.put(person, row);
        out.persons.push((person, row));
    }

    fn bind(&mut self, name: &Name, person: PersonId, out: &mut Resolved<'_>) {
        self.identities.put(name.key, Some(person));
        out.identities.push((name.key, person));
    }

    fn identity(&mut self, store: &dyn Store, key: u128) -> Result<Option<PersonId>, StoreError> {
        if let Some(known) = self.identities.get(key) {
            return Ok(known);
        }
        let found = store.identities(&[key])?.pop().flatten();
        self.identities.put(key, found);
        Ok(found)
    }

    /// A person's row, as of now.
    pub fn person(&mut self, store: &dyn Store, id: PersonId) -> Result<Person, StoreError> {
        if let Some(known) = self.persons.get(id) {
            return Ok(known);
        }
        let found = store.persons(&[id])?.pop().flatten().unwrap_or_default();
        self.persons.put(id, found);
        Ok(found)
    }

    /// What a person was merged into, to the end.
    pub fn current(&mut self, store: &dyn Store, id: PersonId) -> Result<PersonId, StoreError> {
        let mut current = id;
        for _ in 0..MAX_MERGE_CHAIN {
            match self.person(store, current)?.merged_into {
                Some(into) => current = into,
                None => break,
            }
        }
        Ok(current)
    }
}

impl Call {
    fn identifiers(&self) -> Vec<Identifier> {
        [&self.user, &self.anonymous, &self.email]
            .into_iter()
            .flatten()
            .map(Name::identifier)
            .collect()
    }
}

fn names_of(call: &Call) -> impl Iterator<Item = &Name> {
    let previous = match &call.kind {
        CallKind::Alias {
            previous_user,
            previous_anonymous,
        } => [Some(previous_user), Some(previous_anonymous)],
        _ => [None, None],
    };
    [
        call.user.as_ref(),
        call.anonymous.as_ref(),
        call.email.as_ref(),
    ]
    .into_iter()
    .chain(previous)
    .flatten()
}
