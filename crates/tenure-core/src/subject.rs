//! The state the engine keeps per subject, and the root that groups an account with its people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aggregate::Series;
use crate::effect::EnrollmentStatus;
use crate::id::{AccountId, EnrollmentId, PersonId, RootId, SubjectId};
use crate::log::{Identifier, PlanVersion};
use crate::time::Timestamp;
use crate::value::Traits;

/// Key of a series in subject states: a stable hash of its canonical form, so that it survives
/// new plans.
pub type SeriesKey = u64;
/// Key of a tracked condition: a stable hash of its canonical form.
pub type ConditionKey = u64;

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
    pub series: BTreeMap<SeriesKey, Series>,
    /// Tracked conditions, by key.
    pub conditions: BTreeMap<ConditionKey, ConditionState>,
    /// Segments it is in now, by name.
    pub segments: Vec<Box<str>>,
    /// When each signal last fired, for its cool-down.
    pub signals_fired: BTreeMap<Box<str>, Timestamp>,
    /// Running enrollments and what is remembered of ended ones.
    pub enrollments: Vec<EnrollmentState>,
    /// What the contact policy must know.
    pub contact: ContactState,
    /// Plan this state was last brought up to.
    pub plan: PlanVersion,
    /// The earliest instant at which something could change though nothing happens.
    pub wake_at: Option<Timestamp>,
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
    /// When time alone moves it on.
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
            series: BTreeMap::new(),
            conditions: BTreeMap::new(),
            segments: Vec::new(),
            signals_fired: BTreeMap::new(),
            enrollments: Vec::new(),
            contact: ContactState::default(),
            plan,
            wake_at: None,
            dirty: true,
        }
    }

    /// The root this subject belongs to.
    pub fn root(&self) -> RootId {
        RootId(self.account.map_or(self.id, SubjectId::Account))
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
    /// The account's state, once anything is known about it.
    pub account: Option<SubjectState>,
    /// Its people.
    pub people: BTreeMap<PersonId, SubjectState>,
}

impl Root {
    /// A root nothing is known about yet.
    pub fn new(id: RootId) -> Self {
        Self {
            id,
            account: None,
            people: BTreeMap::new(),
        }
    }

    /// The state of a subject of this root.
    pub fn subject(&self, id: SubjectId) -> Option<&SubjectState> {
        match id {
            SubjectId::Account(_) => self.account.as_ref().filter(|account| account.id == id),
            SubjectId::Person(person) => self.people.get(&person),
        }
    }

    /// The state of a subject of this root, to change it.
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

    /// All subjects, to change them.
    pub fn subjects_mut(&mut self) -> impl Iterator<Item = &mut SubjectState> {
        self.account.iter_mut().chain(self.people.values_mut())
    }

    /// The earliest instant at which anything of this root could change by time alone.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.subjects().filter_map(|subject| subject.wake_at).min()
    }
}
