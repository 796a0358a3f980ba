//! Refusals: who must get nothing, or nothing about a topic. They are kept beside the log under keys
//! that dispatch asks right before it sends, so they also stop what was decided before.
//!
//! The log writer keeps them, in the commit of the command that says so: only there it is certain
//! who the person is by then. In a merge they pass on to the person that remains.

use std::collections::BTreeSet;

use parking_lot::RwLock;
use tenure_core::define::PolicyDef;
use tenure_core::id::{PersonId, Salt, SuppressionId};
use tenure_core::log::{Command, Merge};
use tenure_core::time::Timestamp;
use tenure_store::query::{MAX_PAGE_ROWS, RefusalFilter};
use tenure_store::row::{Refusal, RefusalKind};
use tenure_store::{Page, Store, StoreError};

/// Stands for messages without a topic, once all topics but some are refused. No topic has this name.
const NO_TOPIC: &str = "(none)";
/// Why a suppressed person gets nothing.
const SUPPRESSED: &str = "the person is suppressed by hand";
/// Why a telephone number gets nothing.
pub(crate) const STOPPED: &str = "answered STOP";
/// Why a person gets nothing about a topic.
const UNSUBSCRIBED: &str = "unsubscribed";

/// Keys, and what is refused or `None` for what is so no more; in order.
pub type Changes = Vec<(u128, Option<Refusal>)>;

/// The key under which an address is suppressed.
pub fn address_key(salt: &Salt, address: &str) -> u128 {
    salt.hash("address", &[address.trim().to_lowercase().as_bytes()])
}

/// That nothing may go to an address from `at` on.
pub fn refused_address(person: Option<PersonId>, at: Timestamp, reason: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Address,
        person,
        topic: None,
        at,
        reason: reason.into(),
    }
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
    /// Names of the topics there are, or were since the start, or that somebody refused who is
    /// asked about.
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

    /// Learns the topics that a person refused, of which some may be in no policy any more.
    fn learn_refused(&self, store: &dyn Store, person: PersonId) -> Result<(), StoreError> {
        let filter = RefusalFilter {
            kind: Some(RefusalKind::Topic),
            person: Some(person),
        };
        let page = Page {
            after: None,
            limit: MAX_PAGE_ROWS,
        };
        let refused = store.refusals(&filter, &page)?;
        let names = refused.into_iter().filter_map(|(_, refusal)| refusal.topic);
        self.topics.write().extend(names);
        Ok(())
    }

    /// Adds to `changes`, which are not committed yet, what a command changes. Its person is the
    /// present one.
    pub(crate) fn command(
        &self,
        store: &dyn Store,
        command: &Command,
        at: Timestamp,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        match command {
            Command::Suppress {
                person, suppressed, ..
            } => {
                let refusal = suppressed.then(|| Refusal {
                    kind: RefusalKind::Person,
                    ..refused_address(Some(*person), at, SUPPRESSED)
                });
                changes.push((person_key(&self.salt, *person), refusal));
            }
            Command::Consent {
                person,
                topic,
                subscribed: false,
                ..
            } => {
                let key = consent_key(&self.salt, *person, topic.as_deref());
                let refusal = Refusal {
                    kind: RefusalKind::Topic,
                    topic: topic.clone(),
                    ..refused_address(Some(*person), at, UNSUBSCRIBED)
                };
                changes.push((key, Some(refusal)));
            }
            Command::Consent {
                person,
                topic: Some(topic),
                ..
            } => self.subscribe(store, *person, topic, changes)?,
            Command::Consent { person, .. } => {
                self.learn_refused(store, *person)?;
                changes.extend(self.freed(*person));
            }
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
        self.learn_refused(store, both.from)?;
        let (from, into) = (self.all_keys(both.from), self.all_keys(both.into));
        let refusals = present(store, &from, changes)?;
        let carried = into.into_iter().zip(refusals);
        changes.extend(carried.filter_map(|(key, refusal)| {
            let person = Some(both.into);
            refusal.map(|refusal| (key, Some(Refusal { person, ..refusal })))
        }));
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
        if let Some(refused) = refused {
            let others = self.consent_keys(person).into_iter();
            changes.extend(others.filter(|(_, key)| *key != all).map(|(topic, key)| {
                let refusal = Refusal {
                    topic,
                    ..refused.clone()
                };
                (key, Some(refusal))
            }));
            changes.push((all, None));
        }
        changes.push((consent_key(&self.salt, person, Some(topic)), None));
        Ok(())
    }

    /// Every topic is wanted again.
    fn freed(&self, person: PersonId) -> impl Iterator<Item = (u128, Option<Refusal>)> {
        let keys = self.consent_keys(person).into_iter();
        keys.map(|(_, key)| (key, None))
    }

    /// Topics, of which `None` is all marketing, with the key of a person's refusal of each.
    fn consent_keys(&self, person: PersonId) -> Vec<(Option<Box<str>>, u128)> {
        let topics = self.topics.read();
        let all = std::iter::once(None).chain(topics.iter().cloned().map(Some));
        all.map(|topic| {
            let key = consent_key(&self.salt, person, topic.as_deref());
            (topic, key)
        })
        .collect()
    }

    fn all_keys(&self, person: PersonId) -> Vec<u128> {
        std::iter::once(person_key(&self.salt, person))
            .chain(self.consent_keys(person).into_iter().map(|(_, key)| key))
            .collect()
    }
}

/// What is refused under keys once the changes are committed.
fn present(
    store: &dyn Store,
    keys: &[u128],
    changes: &Changes,
) -> Result<Vec<Option<Refusal>>, StoreError> {
    let reasons = store.suppressions(keys)?;
    let mut refusals = Vec::with_capacity(keys.len());
    for (key, reason) in keys.iter().zip(reasons) {
        let changed = changes.iter().rev().find(|(changed, _)| changed == key);
        refusals.push(match (changed, reason) {
            (Some((_, changed)), _) => changed.clone(),
            // Few are refused, so the whole row is fetched one by one.
            (None, Some(_)) => store.refusal(SuppressionId(*key))?,
            (None, None) => None,
        });
    }
    Ok(refusals)
}
