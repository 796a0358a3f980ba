//! The demo company as log entries, as a server that was there from the first day would have kept them.

use std::collections::BTreeMap;

use tenure_app::call::{Name, event_id};
use tenure_core::id::{AccountId, PersonId, Salt, SubjectId};
use tenure_core::log::{Body, Entry, Event, IdentifierKind, Move, Position, Profile};
use tenure_core::time::Timestamp;
use tenure_core::value::flatten;

use super::call::{CallKind, DemoCall};

/// Turns calls into entries, one after another.
#[derive(Debug)]
pub struct Entries {
    salt: Salt,
    position: Position,
    homes: BTreeMap<PersonId, AccountId>,
}

impl Entries {
    /// Begins a log whose ids are derived with `salt`.
    pub fn new(salt: Salt) -> Self {
        Self {
            salt,
            position: 0,
            homes: BTreeMap::new(),
        }
    }

    /// The account of a `groupId`.
    pub fn account(&self, group_id: &str) -> AccountId {
        Name::new(&self.salt, IdentifierKind::AccountId, group_id).own_account()
    }

    /// The entries that a call becomes, received at the instant at which it happened.
    pub fn of(&mut self, call: &DemoCall) -> Vec<Entry<'static>> {
        let at = Timestamp(call.timestamp_ms);
        let person = call
            .user_id
            .as_deref()
            .map(|user| Name::new(&self.salt, IdentifierKind::UserId, user).own_person());
        let account = call.account().map(|group| self.account(group));
        let mut bodies = Vec::new();
        if let (CallKind::Group, Some(person), Some(account)) = (call.kind, person, account) {
            let from = self.homes.insert(person, account);
            if from != Some(account) {
                let to = Some(account);
                bodies.push(Body::Move(Move { person, from, to }));
            }
        }
        bodies.extend(self.body(call, person, account, at));
        bodies
            .into_iter()
            .map(|body| {
                self.position += 1;
                Entry {
                    position: self.position,
                    received_at: at,
                    body,
                }
            })
            .collect()
    }

    fn body(
        &self,
        call: &DemoCall,
        person: Option<PersonId>,
        account: Option<AccountId>,
        at: Timestamp,
    ) -> Option<Body<'static>> {
        let home = || person.and_then(|person| self.homes.get(&person).copied());
        let profile = |subject, account| {
            Body::Profile(Profile {
                subject,
                account,
                occurred_at: at,
                historical: false,
                traits: call.traits.as_ref().map(flatten).unwrap_or_default(),
                identifiers: Vec::new(),
            })
        };
        match call.kind {
            CallKind::Identify => Some(profile(SubjectId::Person(person?), home())),
            CallKind::Group => Some(profile(SubjectId::Account(account?), account)),
            CallKind::Track => {
                let properties = call.properties.clone().unwrap_or_default();
                Some(Body::Event(Event {
                    id: event_id(&self.salt, &call.message_id),
                    person,
                    account: account.or_else(home),
                    occurred_at: at,
                    historical: false,
                    name: call.event.clone()?,
                    properties: serde_json::Value::Object(properties).to_string().into(),
                }))
            }
        }
    }
}
