//! People and accounts: by id, by the names senders know them by, as lists.

use tenure_core::define::Audience;
use tenure_core::id::{AccountId, PersonId, SubjectId};
use tenure_core::log::{Body, IdentifierKind};
use tenure_core::subject::SubjectState;
use tenure_core::time::Timestamp;
use tenure_core::value::Value;
use tenure_store::{Page, StoreError};

use super::tail::Tail;
use super::{Listed, Query};
use crate::call::Name;
use crate::identity::present_person;
use crate::roots::decode;

impl Query<'_> {
    /// A subject as it stands now: its stored state, and what was told of it since. A person that
    /// was merged into another is that other.
    pub fn subject(&self, id: SubjectId) -> Result<Option<SubjectState>, StoreError> {
        let id = self.current(id)?;
        let stored = self.store.state(id)?;
        let stored = stored.map(|row| decode(&row.bytes)).transpose()?;
        let position = stored.as_ref().map_or(0, |(position, _)| *position);
        let mut state = stored.map(|(_, state)| state);
        let tail = Tail::read(self.store)?;
        for entry in tail.about(&tail.names_of(id)) {
            if entry.position > position {
                let at = entry.received_at;
                let known = state.get_or_insert_with(|| SubjectState::new(id, None, at, 0));
                overlay(known, &entry.body, at);
            }
        }
        if let (Some(state), SubjectId::Person(person)) = (&mut state, id) {
            let row = self.store.persons(&[person])?.pop().flatten();
            state.account = row.map_or(state.account, |row| row.account);
        }
        Ok(state)
    }

    /// The person known by a name: a user id, an anonymous id or an e-mail address.
    pub fn person_named(
        &self,
        kind: IdentifierKind,
        name: &str,
    ) -> Result<Option<PersonId>, StoreError> {
        let key = Name::new(self.salt, kind, name).key;
        let Some(bound) = self.store.identities(&[key])?.pop().flatten() else {
            return Ok(None);
        };
        Ok(self.current(SubjectId::Person(bound))?.person())
    }

    /// The account of an external id, whether or not anything is known of it.
    pub fn account_named(&self, external_id: &str) -> AccountId {
        Name::new(self.salt, IdentifierKind::AccountId, external_id).own_account()
    }

    /// People or accounts in id order, as of the last checkpoint.
    pub fn subjects(
        &self,
        audience: Audience,
        page: &Page,
    ) -> Result<Listed<SubjectState>, StoreError> {
        let rows = self.store.subjects(audience, &one_more(page))?;
        let states = rows
            .iter()
            .map(|row| decode(&row.bytes).map(|(_, state)| state));
        let states = states.collect::<Result<Vec<_>, _>>()?;
        Ok(Listed::cut(states, page.limit, |state| {
            state.id.to_string()
        }))
    }

    /// Whom the trait `owner` of an account names; of a person: of their account.
    pub fn owner_of(&self, subject: SubjectId) -> Result<Option<String>, StoreError> {
        let account = match subject {
            SubjectId::Account(account) => Some(account),
            SubjectId::Person(_) => self.subject(subject)?.and_then(|state| state.account),
        };
        let Some(account) = account else {
            return Ok(None);
        };
        let state = self.subject(SubjectId::Account(account))?;
        let owner = state.and_then(|state| state.traits.get("owner").cloned());
        Ok(owner.and_then(|owner| match owner {
            Value::Text(name) => Some(name.into()),
            _ => None,
        }))
    }

    /// People of an account in id order.
    pub fn people_of(
        &self,
        account: AccountId,
        page: &Page,
    ) -> Result<Listed<SubjectState>, StoreError> {
        let ids = self.store.people_of(account, &one_more(page))?;
        let listed = Listed::cut(ids, page.limit, ToString::to_string);
        let mut rows = Vec::with_capacity(listed.rows.len());
        for id in listed.rows {
            rows.extend(self.subject(SubjectId::Person(id))?);
        }
        Ok(Listed {
            rows,
            next: listed.next,
        })
    }

    /// Which of the segments a subject is in, to the last commit.
    pub fn segments_of<'s>(
        &self,
        subject: SubjectId,
        segments: impl Iterator<Item = &'s str>,
    ) -> Result<Vec<String>, StoreError> {
        let before = match subject {
            SubjectId::Person(PersonId(bits)) => bits
                .checked_sub(1)
                .map(|bits| SubjectId::Person(PersonId(bits))),
            SubjectId::Account(AccountId(bits)) => bits
                .checked_sub(1)
                .map(|bits| SubjectId::Account(AccountId(bits))),
        };
        let page = Page {
            after: before.map(|id| id.to_string()),
            limit: 1,
        };
        let mut found = Vec::new();
        for segment in segments {
            let next = self.store.members(segment, &page)?;
            if next.first().is_some_and(|member| member.subject == subject) {
                found.push(segment.to_owned());
            }
        }
        Ok(found)
    }

    /// What a person was merged into, to the end.
    pub(super) fn current(&self, id: SubjectId) -> Result<SubjectId, StoreError> {
        match id {
            SubjectId::Person(person) => present_person(self.store, person).map(SubjectId::Person),
            SubjectId::Account(_) => Ok(id),
        }
    }
}

/// A page with one row more, to know whether there is a next one.
pub(super) fn one_more(page: &Page) -> Page {
    Page {
        after: page.after.clone(),
        limit: page.limit + 1,
    }
}

fn overlay(state: &mut SubjectState, body: &Body<'_>, at: Timestamp) {
    state.seen_at = state.seen_at.max(at);
    match body {
        Body::Profile(profile) => {
            for (name, value) in &profile.traits {
                let told = state.trait_times.get(name);
                if told.is_none_or(|told| *told <= profile.occurred_at) {
                    state.traits.set(name, value.clone());
                    state.trait_times.insert(name.clone(), profile.occurred_at);
                }
            }
            for identifier in &profile.identifiers {
                if !state.identifiers.contains(identifier) {
                    state.identifiers.push(identifier.clone());
                }
            }
        }
        Body::Move(moved) if SubjectId::Person(moved.person) == state.id => {
            state.account = moved.to;
        }
        _ => {}
    }
}
