//! Refusals: who must get nothing, or nothing about a topic. They are kept beside the log under keys
//! that dispatch asks right before it sends, so they also stop what was decided before.
//!
//! The log writer keeps them, in the commit of the command that says so: only there it is certain
//! who the person is by then. In a merge they pass on to the person that remains.

use std::collections::BTreeSet;

use parking_lot::RwLock;
use tenure_core::define::PolicyDef;
use tenure_core::id::{PersonId, Salt};
use tenure_core::log::{Command, Merge};
use tenure_store::{Store, StoreError};

/// Stands for messages without a topic, once all topics but some are refused. No topic has this name.
const NO_TOPIC: &str = "(none)";
/// Why a suppressed person gets nothing.
const SUPPRESSED: &str = "the person is suppressed by hand";
/// Why a person gets nothing about a topic.
const UNSUBSCRIBED: &str = "unsubscribed";

/// Keys, and the reason of what is refused or `None` for what is so no more; in order.
pub type Changes = Vec<(u128, Option<Box<str>>)>;

/// The key under which an address is suppressed.
pub fn address_key(salt: &Salt, address: &str) -> u128 {
    salt.hash("address", &[address.trim().to_lowercase().as_bytes()])
}

/// The key under which a person is suppressed, whatever the address.
pub fn person_key(salt: &Salt, person: PersonId) -> u128 {
    salt.hash("suppressed", &[&person.0.to_be_bytes()])
}

/// The key under which a person's refusal of a topic (or, with `None`, of all marketing) is kept.
pub fn consent_key(salt: &Salt, person: PersonId, topic: Option<&str>) -> u128 {
    salt.hash(
        "consent",
        &[
            &person.0.to_be_bytes(),
            topic.unwrap_or_default().as_bytes(),
        ],
    )
}

/// The keys of which any one refuses marketing about a topic.
pub fn marketing_keys(salt: &Salt, person: PersonId, topic: Option<&str>) -> [u128; 2] {
    let of = |topic| consent_key(salt, person, topic);
    [of(None), of(Some(topic.unwrap_or(NO_TOPIC)))]
}

/// What commands and merges change of what is refused.
#[derive(Debug)]
pub struct Refusals {
    salt: Salt,
    /// Names of the topics there are, or were since the start.
    topics: RwLock<BTreeSet<Box<str>>>,
}

impl Refusals {
    /// Of a workspace in which no topic is known yet.
    pub fn new(salt: Salt) -> Self {
        let topics = RwLock::new(BTreeSet::from([NO_TOPIC.into()]));
        Self { salt, topics }
    }

    /// Learns the topics of a policy.
    pub fn learn(&self, policy: &PolicyDef) {
        let names = policy.topics.iter().map(|topic| topic.name.as_str().into());
        self.topics.write().extend(names);
    }

    /// Adds to `changes`, which are not committed yet, what a command changes. Its person is the
    /// present one.
    pub(crate) fn command(
        &self,
        store: &dyn Store,
        command: &Command,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        match command {
            Command::Suppress {
                person, suppressed, ..
            } => {
                let reason = suppressed.then(|| SUPPRESSED.into());
                changes.push((person_key(&self.salt, *person), reason));
            }
            Command::Consent {
                person,
                topic,
                subscribed: false,
                ..
            } => {
                let key = consent_key(&self.salt, *person, topic.as_deref());
                changes.push((key, Some(UNSUBSCRIBED.into())));
            }
            Command::Consent { person, topic, .. } => match topic {
                Some(topic) => self.subscribe(store, *person, topic, changes)?,
                None => changes.extend(self.consent_keys(*person).map(|key| (key, None))),
            },
            _ => {}
        }
        Ok(())
    }

    /// Adds what passes on in a merge: the more careful answer wins, as in the engine.
    pub(crate) fn merge(
        &self,
        store: &dyn Store,
        both: &Merge,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        let (from, into) = (self.all_keys(both.from), self.all_keys(both.into));
        let reasons = present(store, &from, changes)?;
        let carried = into.into_iter().zip(reasons);
        changes.extend(carried.filter(|(_, reason)| reason.is_some()));
        Ok(())
    }

    /// Who refused everything and then wants one topic goes on refusing the others.
    fn subscribe(
        &self,
        store: &dyn Store,
        person: PersonId,
        topic: &str,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        let all = consent_key(&self.salt, person, None);
        let refused = present(store, &[all], changes)?.pop().flatten();
        if refused.is_some() {
            let others = self.consent_keys(person).filter(|key| *key != all);
            changes.extend(others.map(|key| (key, refused.clone())));
            changes.push((all, None));
        }
        changes.push((consent_key(&self.salt, person, Some(topic)), None));
        Ok(())
    }

    fn consent_keys(&self, person: PersonId) -> impl Iterator<Item = u128> {
        let topics = self.topics.read();
        let of = |topic| consent_key(&self.salt, person, topic);
        let keys: Vec<u128> = std::iter::once(of(None))
            .chain(topics.iter().map(|topic| of(Some(topic))))
            .collect();
        keys.into_iter()
    }

    fn all_keys(&self, person: PersonId) -> Vec<u128> {
        std::iter::once(person_key(&self.salt, person))
            .chain(self.consent_keys(person))
            .collect()
    }
}

/// What is refused under keys once the changes are committed.
fn present(
    store: &dyn Store,
    keys: &[u128],
    changes: &Changes,
) -> Result<Vec<Option<Box<str>>>, StoreError> {
    let mut reasons = store.suppressions(keys)?;
    for (key, reason) in keys.iter().zip(&mut reasons) {
        let changed = changes.iter().rev().find(|(changed, _)| changed == key);
        if let Some((_, changed)) = changed {
            reason.clone_from(changed);
        }
    }
    Ok(reasons)
}
