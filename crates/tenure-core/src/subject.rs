//! The state the engine keeps per subject, and the root that groups an account with its people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::aggregate::Series;
use crate::effect::EnrollmentStatus;
use crate::health::HealthState;
use crate::id::{AccountId, EnrollmentId, PersonId, RootId, SubjectId};
use crate::keyed::Keyed;
use crate::log::{Identifier, PlanVersion};
use crate::time::Timestamp;
use crate::value::Traits;

/// Key of a series in subject states: a stable hash of its canonical form, so that it survives
/// new plans.
pub type SeriesKey = u64;
/// Key of a tracked condition: a stable hash of its canonical form.
pub type ConditionKey = u64;

/// Most accounts a person is known to have belonged to.
pub const MAX_PAST_ACCOUNTS: usize = 32;

/// Everything the engine knows about one subject. Its size is bounded: see the limits of
/// [`Series`], [`crate::value::MAX_TRAITS`] and [`crate::program::MAX_ENROLLMENTS`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectState {
    /// Who.
    pub id: SubjectId,
    /// A person's account.
    pub account: Option<AccountId>,
    /// When the first entry about it was received.
    pub created_at: Timestamp,
    /// When the last entry about it was received.
    pub seen_at: Timestamp,
    /// By which names senders know it.
    pub identifiers: Vec<Identifier>,
    /// Its traits.
    pub traits: Traits,
    /// When each trait was last told, by the sender's clock (same order as `traits` is not
    /// implied); an older statement never overwrites a newer one.
    pub trait_times: BTreeMap<Box<str>, Timestamp>,
    /// Event series the plan's aggregates read, by key.
    pub series: Keyed<Series>,
    /// Tracked conditions, by key.
    pub conditions: Keyed<ConditionState>,
    /// Segments it is in now, by name.
    pub segments: Vec<Box<str>>,
    /// When each signal last fired, for its cool-down.
    pub signals_fired: BTreeMap<Box<str>, Timestamp>,
    /// Running enrollments and what is remembered of ended ones.
    pub enrollments: Vec<EnrollmentState>,
    /// Programs that refused it last time an event came to their door, and that answer: hashes, so
    /// that the same answer is not recorded for every event. At most one per program.
    pub refusals: Vec<(u32, u32)>,
    /// What the contact policy must know.
    pub contact: ContactState,
    /// Plan this state was last brought up to.
    pub plan: PlanVersion,
    /// The earliest instant at which something could change though nothing happens.
    pub wake_at: Option<Timestamp>,
    /// Its health: the zone, and what trends need. States of before there was health are read by
    /// appending an empty one.
    pub health: HealthState,
    /// The instant of the last decision about it, and how many were made at that instant: the
    /// next one's place among them.
    pub decided: (Timestamp, u32),
    /// Accounts a person belonged to before, the latest last: their counts of people know it, and
    /// must be told when it turns out to be another.
    /// Last of what is stored: states of before are read by appending initial values of this and
    /// of `decided`.
    pub past_accounts: Box<[AccountId]>,
    /// Changed since it was last stored. Not itself stored.
    #[serde(skip)]
    pub dirty: bool,
}

/// What is remembered of a tracked condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionState {
    /// Its value; `None` is unknown.
    pub value: Option<bool>,
    /// Since when it has had this value (the engine's time).
    pub since: Timestamp,
    /// The earliest instant at which it could change by time alone.
    pub next_change_at: Option<Timestamp>,
}

/// One enrollment as the engine sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrollmentState {
    /// Which.
    pub id: EnrollmentId,
    /// Program name.
    pub program: Box<str>,
    /// The plan whose version of the program it is pinned to.
    pub version: PlanVersion,
    /// Key of a keyed enrollment.
    pub key: Option<Box<str>>,
    /// When it entered.
    pub entered_at: Timestamp,
    /// Name of the step it stands at; `None` once ended.
    pub step: Option<Box<str>>,
    /// When it reached that step.
    pub step_at: Timestamp,
    /// When time alone moves it on. In an ended one: until when its goal still counts.
    pub wake_at: Option<Timestamp>,
    /// Whether that step has begun to wait; else it is yet to act.
    pub waiting: bool,
    /// Where it stands.
    pub status: EnrollmentStatus,
    /// Whether it is (or was) in a hold-out, also once it has ended.
    pub held_out: bool,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The triggering event's properties or the caller's data: a JSON object, `{}` if none.
    pub data: Box<str>,
    /// Names of the steps that have acted; none of that name acts again, also after a migration.
    /// Forgotten once it has ended.
    pub acted: Vec<Box<str>>,
    /// Recipients already decided about in the present step.
    pub served: Vec<PersonId>,
}

impl EnrollmentState {
    /// Whether it is still going on: through its steps, or held out and watched.
    pub fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Whether it has ended, and the goal still counts for it.
    pub fn is_watched(&self) -> bool {
        self.ended_at.is_some() && self.wake_at.is_some()
    }
}

/// What the contact policy must know about a subject.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContactState {
    /// Explicit choices: topic to subscribed. The empty topic is "all marketing".
    pub consents: BTreeMap<Box<str>, bool>,
    /// Nothing may be sent to this person's address.
    pub suppressed: bool,
    /// Soft bounces in a row.
    pub soft_bounce_count: u32,
    /// Recent marketing messages `(when, channel)`, for caps; oldest first, bounded.
    pub sends: Vec<(Timestamp, Box<str>)>,
}

impl SubjectState {
    /// A subject nothing is known about yet.
    pub fn new(
        id: SubjectId,
        account: Option<AccountId>,
        at: Timestamp,
        plan: PlanVersion,
    ) -> Self {
        Self {
            id,
            account,
            created_at: at,
            seen_at: at,
            identifiers: Vec::new(),
            traits: Traits::default(),
            trait_times: BTreeMap::new(),
            series: Keyed::default(),
            conditions: Keyed::default(),
            segments: Vec::new(),
            signals_fired: BTreeMap::new(),
            health: HealthState::default(),
            enrollments: Vec::new(),
            refusals: Vec::new(),
            contact: ContactState::default(),
            plan,
            wake_at: None,
            decided: (Timestamp(0), 0),
            past_accounts: Box::default(),
            dirty: true,
        }
    }

    /// The root this subject belongs to.
    pub fn root(&self) -> RootId {
        RootId(self.account.map_or(self.id, SubjectId::Account))
    }

    /// Remembers that a person belonged to an account, forgetting the oldest of too many.
    pub fn note_past_account(&mut self, account: AccountId) {
        let mut known = std::mem::take(&mut self.past_accounts).into_vec();
        known.retain(|past| *past != account);
        known.push(account);
        let excess_count = known.len().saturating_sub(MAX_PAST_ACCOUNTS);
        self.past_accounts = known.split_off(excess_count).into();
    }

    /// Whether it is in a segment.
    pub fn in_segment(&self, name: &str) -> bool {
        self.segments.iter().any(|known| known.as_ref() == name)
    }
}

/// An account with its people, or one person without an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// Which.
    pub id: RootId,
    account: Option<SubjectState>,
    people: BTreeMap<PersonId, SubjectState>,
    /// The `wake_at` of every subject that has one: an account may have thousands of people, and
    /// each entry asks for the earliest.
    wakes: BTreeSet<(Timestamp, SubjectId)>,
}

impl Root {
    /// A root nothing is known about yet.
    pub fn new(id: RootId) -> Self {
        Self {
            id,
            account: None,
            people: BTreeMap::new(),
            wakes: BTreeSet::new(),
        }
    }

    /// The account's state, once anything is known about it.
    pub fn account(&self) -> Option<&SubjectState> {
        self.account.as_ref()
    }

    /// Its people.
    pub fn people(&self) -> &BTreeMap<PersonId, SubjectState> {
        &self.people
    }

    /// Takes a subject in, in place of what was known about it.
    pub fn insert(&mut self, state: SubjectState) {
        let (subject, wake_at) = (state.id, state.wake_at);
        let known = match subject {
            SubjectId::Account(_) => self.account.replace(state),
            SubjectId::Person(person) => self.people.insert(person, state),
        };
        if let Some(at) = known.and_then(|known| known.wake_at) {
            self.wakes.remove(&(at, subject));
        }
        self.wakes.extend(wake_at.map(|at| (at, subject)));
    }

    /// Takes a person out.
    pub fn remove(&mut self, person: PersonId) -> Option<SubjectState> {
        let state = self.people.remove(&person)?;
        if let Some(at) = state.wake_at {
            self.wakes.remove(&(at, state.id));
        }
        Some(state)
    }

    /// The state of a subject of this root.
    pub fn subject(&self, id: SubjectId) -> Option<&SubjectState> {
        match id {
            SubjectId::Account(_) => self.account.as_ref().filter(|account| account.id == id),
            SubjectId::Person(person) => self.people.get(&person),
        }
    }

    /// The state of a subject of this root, to change it; its `wake_at` only by
    /// [`Root::set_wake`].
    pub fn subject_mut(&mut self, id: SubjectId) -> Option<&mut SubjectState> {
        match id {
            SubjectId::Account(_) => self.account.as_mut().filter(|account| account.id == id),
            SubjectId::Person(person) => self.people.get_mut(&person),
        }
    }

    /// All subjects, the account first.
    pub fn subjects(&self) -> impl Iterator<Item = &SubjectState> {
        self.account.iter().chain(self.people.values())
    }

    /// All subjects, to change them; their `wake_at` only by [`Root::set_wake`].
    pub fn subjects_mut(&mut self) -> impl Iterator<Item = &mut SubjectState> {
        self.account.iter_mut().chain(self.people.values_mut())
    }

    /// The earliest instant at which anything of this root could change by time alone.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// The subjects whose `wake_at` has come, the account first.
    pub fn due(&self, now: Timestamp) -> Vec<SubjectId> {
        let due = self.wakes.iter().take_while(|(at, _)| *at <= now);
        let mut due: Vec<SubjectId> = due.map(|(_, subject)| *subject).collect();
        due.sort_unstable();
        due
    }

    /// Sets when a subject could next change by time alone.
    pub fn set_wake(&mut self, subject: SubjectId, at: Option<Timestamp>) {
        let Some(state) = self.subject_mut(subject) else {
            return;
        };
        let known = std::mem::replace(&mut state.wake_at, at);
        if known == at {
            return;
        }
        if let Some(known) = known {
            self.wakes.remove(&(known, subject));
        }
        self.wakes.extend(at.map(|at| (at, subject)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_wake_up_follows_whatever_becomes_of_its_people() {
        let account = SubjectId::Account(AccountId(1));
        let person = |id: u128| SubjectId::Person(PersonId(id));
        let state = |id: SubjectId, at: i64| SubjectState {
            wake_at: Some(Timestamp(at)),
            ..SubjectState::new(id, Some(AccountId(1)), Timestamp(0), 1)
        };
        let mut root = Root::new(RootId(account));
        for (id, at) in [(account, 50), (person(2), 20), (person(3), 10)] {
            root.insert(state(id, at));
        }
        assert_eq!(root.wake_at(), Some(Timestamp(10)));
        root.insert(state(person(3), 60));
        assert_eq!(root.wake_at(), Some(Timestamp(20)));
        assert_eq!(root.due(Timestamp(50)), [account, person(2)]);
        root.remove(PersonId(2));
        root.set_wake(account, None);
        assert_eq!(root.wake_at(), Some(Timestamp(60)));
        root.set_wake(person(3), Some(Timestamp(5)));
        root.set_wake(person(9), Some(Timestamp(1)));
        assert_eq!(root.due(Timestamp(5)), [person(3)]);
    }
}
