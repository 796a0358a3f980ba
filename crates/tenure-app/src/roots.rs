//! Roots in memory: loaded when touched, written back at checkpoints, forgotten when clean and
//! long unused.
//!
//! Every stored state carries the log position it stands at, so states need not be written all
//! at once: a replay skips what a root already contains.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use serde::{Deserialize, Serialize};
use tenure_core::health::HealthState;
use tenure_core::id::{RootId, SubjectId};
use tenure_core::log::Position;
use tenure_core::subject::{Root, SubjectState};
use tenure_core::time::Timestamp;
use tenure_store::row::State;
use tenure_store::{Store, StoreError};

/// First byte of a stored state: the version of its encoding.
const STATE_FORMAT: u8 = 3;
/// The version before, which lacked `decided` and `past_accounts` at its end, whose initial values
/// are three zero bytes.
const STATE_FORMAT_UNDECIDED: u8 = 2;
/// The version before that, which lacked the health as well.
const STATE_FORMAT_WITHOUT_HEALTH: u8 = 1;
/// How many subjects are kept in memory; about 1 KB each.
pub const DEFAULT_CACHED_SUBJECTS: usize = 300_000;

/// A root in memory.
#[derive(Debug)]
pub struct Held {
    /// Its states.
    pub root: Root,
    /// The last entry it contains.
    pub position: Position,
    /// Entries about its subjects since its last checkpoint.
    pub timeline: Vec<(SubjectId, Position)>,
    /// In the list of changed roots.
    listed: bool,
    /// Due time of its earliest entry among the wake-ups.
    scheduled_at: Option<Timestamp>,
    used_at: u64,
}

/// All roots in memory and the wake-ups of all roots there are.
#[derive(Debug)]
pub struct Roots {
    held: HashMap<RootId, Held>,
    wakes: BinaryHeap<Reverse<(Timestamp, RootId)>>,
    dirty: Vec<RootId>,
    /// Roots a person crossed between since they were stored: each pair is stored in one commit,
    /// so that the person is in exactly one of them whatever happens.
    links: HashMap<RootId, Vec<RootId>>,
    subject_count: usize,
    capacity: usize,
    ticks: u64,
}

impl Roots {
    /// Empty, keeping about `capacity` subjects.
    pub fn new(capacity: usize) -> Self {
        Self {
            held: HashMap::new(),
            wakes: BinaryHeap::new(),
            dirty: Vec::new(),
            links: HashMap::new(),
            subject_count: 0,
            capacity,
            ticks: 0,
        }
    }

    /// Notes a wake-up of a root that is not in memory.
    pub fn schedule(&mut self, at: Timestamp, root: RootId) {
        self.wakes.push(Reverse((at, root)));
    }

    /// Whether a root is in memory.
    pub fn contains(&self, id: RootId) -> bool {
        self.held.contains_key(&id)
    }

    /// Brings roots into memory, in bulk; unknown ones come in empty.
    pub fn load(&mut self, store: &dyn Store, ids: &mut Vec<RootId>) -> Result<(), StoreError> {
        ids.retain(|id| !self.held.contains_key(id));
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        for id in ids.iter() {
            self.held.insert(*id, Held::empty(*id, self.ticks));
        }
        for row in store.states(ids)? {
            let (position, state) = decode(&row.bytes)?;
            let Some(held) = self.held.get_mut(&row.root) else {
                continue;
            };
            held.position = held.position.max(position);
            // A root that was stored has its wake-up among the wake-ups already.
            held.scheduled_at = match (held.scheduled_at, state.wake_at) {
                (Some(known), Some(at)) => Some(known.min(at)),
                (known, at) => known.or(at),
            };
            self.subject_count += 1;
            held.insert(state);
        }
        Ok(())
    }

    /// A root, which must have been loaded, to work on.
    pub fn get_mut(&mut self, id: RootId) -> &mut Held {
        self.ticks += 1;
        let ticks = self.ticks;
        let held = self
            .held
            .entry(id)
            .or_insert_with(|| Held::empty(id, ticks));
        held.used_at = ticks;
        held
    }

    /// A root, if it is in memory.
    pub fn get(&self, id: RootId) -> Option<&Held> {
        self.held.get(&id)
    }

    /// To be called after a root was worked on: notes that it changed and when it wakes.
    pub fn touched(&mut self, id: RootId, position: Position) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        held.position = held.position.max(position);
        if !held.listed
            && (!held.timeline.is_empty() || held.root.subjects().any(|subject| subject.dirty))
        {
            held.listed = true;
            self.dirty.push(id);
        }
        if let Some(at) = held.root.wake_at()
            && held.scheduled_at.is_none_or(|known| at < known)
        {
            held.scheduled_at = Some(at);
            self.wakes.push(Reverse((at, id)));
        }
    }

    /// When the next wake-up is due.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes up to `limit` roots whose wake-up is due at or before `until`.
    pub fn take_due(&mut self, until: Timestamp, limit: usize) -> Vec<RootId> {
        let mut due = Vec::new();
        while due.len() < limit {
            let Some(Reverse((at, id))) =
                self.wakes.peek().copied().filter(|next| next.0.0 <= until)
            else {
                break;
            };
            self.wakes.pop();
            if let Some(held) = self.held.get_mut(&id)
                && held.scheduled_at == Some(at)
            {
                held.scheduled_at = None;
            }
            due.push(id);
        }
        due
    }

    /// To be called before a root that was due is woken: its entry among the wake-ups is gone, also
    /// when the root was not in memory as it was taken.
    pub fn waking(&mut self, id: RootId, until: Timestamp) {
        if let Some(held) = self.held.get_mut(&id) {
            held.scheduled_at = held.scheduled_at.filter(|at| *at > until);
        }
    }

    /// How many roots changed since they were stored.
    pub fn dirty_count(&self) -> usize {
        self.dirty.len()
    }

    /// Takes the list of changed roots; each is to be passed to [`Roots::store`].
    pub fn take_dirty(&mut self) -> Vec<RootId> {
        std::mem::take(&mut self.dirty)
    }

    /// A person crossed from one root to another.
    pub fn link(&mut self, one: RootId, other: RootId) {
        self.links.entry(one).or_default().push(other);
        self.links.entry(other).or_default().push(one);
    }

    /// Encodes the changed states of a root, and of the roots linked with it, and marks them as
    /// stored.
    pub fn encode(
        &mut self,
        id: RootId,
        states: &mut Vec<State>,
        timelines: &mut Vec<(SubjectId, Vec<Position>)>,
    ) -> Result<(), StoreError> {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            waiting.extend(self.links.remove(&id).unwrap_or_default());
            self.encode_one(id, states, timelines)?;
        }
        Ok(())
    }

    fn encode_one(
        &mut self,
        id: RootId,
        states: &mut Vec<State>,
        timelines: &mut Vec<(SubjectId, Vec<Position>)>,
    ) -> Result<(), StoreError> {
        let Some(held) = self.held.get_mut(&id) else {
            return Ok(());
        };
        held.listed = false;
        for subject in held.root.subjects_mut().filter(|subject| subject.dirty) {
            subject.dirty = false;
            states.push(State {
                subject: subject.id,
                root: id,
                wake_at: subject.wake_at,
                bytes: encode(held.position, subject)?,
            });
        }
        let mut entries = std::mem::take(&mut held.timeline);
        entries.sort_unstable();
        entries.dedup();
        for (subject, position) in entries {
            match timelines.last_mut() {
                Some((last, positions)) if *last == subject => positions.push(position),
                _ => timelines.push((subject, vec![position])),
            }
        }
        Ok(())
    }

    /// Forgets clean roots that were not used for long, when there are too many.
    pub fn evict(&mut self) {
        self.subject_count = self
            .held
            .values()
            .map(|held| held.root.subjects().count())
            .sum();
        if self.subject_count <= self.capacity {
            return;
        }
        let mut ages: Vec<u64> = self.held.values().map(|held| held.used_at).collect();
        let keep = self.held.len() * 3 / 4 * self.capacity / self.subject_count.max(1);
        let index = ages
            .len()
            .saturating_sub(keep.max(1))
            .min(ages.len().saturating_sub(1));
        let (_, threshold, _) = ages.select_nth_unstable(index);
        let threshold = *threshold;
        let (links, wakes) = (&self.links, &mut self.wakes);
        self.held.retain(|id, held| {
            let stays = held.listed
                || !held.timeline.is_empty()
                || links.contains_key(id)
                || held.used_at >= threshold;
            if !stays {
                held.leave_wake(*id, wakes);
            }
            stays
        });
        self.subject_count = self
            .held
            .values()
            .map(|held| held.root.subjects().count())
            .sum();
    }

    /// Ids of the roots in memory, in order.
    pub fn ids(&self) -> Vec<RootId> {
        let mut ids: Vec<RootId> = self.held.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// How many subjects are in memory, as of the last eviction.
    pub fn subject_count(&self) -> usize {
        self.subject_count
    }
}

impl Held {
    fn empty(id: RootId, used_at: u64) -> Self {
        Self {
            root: Root::new(id),
            position: 0,
            timeline: Vec::new(),
            listed: false,
            scheduled_at: None,
            used_at,
        }
    }

    /// A root that was put off keeps an earlier entry among the wake-ups than it needs; once it is
    /// forgotten, only an entry at the right time brings it back.
    fn leave_wake(&self, id: RootId, wakes: &mut BinaryHeap<Reverse<(Timestamp, RootId)>>) {
        let wake_at = self.root.wake_at();
        if let Some(at) = wake_at.filter(|_| wake_at != self.scheduled_at) {
            wakes.push(Reverse((at, id)));
        }
    }

    fn insert(&mut self, state: SubjectState) {
        self.root.insert(state);
    }
}

#[derive(Serialize)]
struct StoredRef<'a>(Position, &'a SubjectState);

#[derive(Deserialize)]
struct Stored(Position, SubjectState);

fn encode(position: Position, state: &SubjectState) -> Result<Vec<u8>, StoreError> {
    let start = vec![STATE_FORMAT];
    postcard::to_extend(&StoredRef(position, state), start)
        .map_err(|error| StoreError::Other(format!("a state cannot be encoded: {error}")))
}

/// Reads a stored state: the position it stands at, and the state.
pub fn decode(bytes: &[u8]) -> Result<(Position, SubjectState), StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("a subject's state {what}"));
    match bytes.split_first() {
        Some((&STATE_FORMAT, rest)) => {
            let Stored(position, state) =
                postcard::from_bytes(rest).map_err(|_| damaged("cannot be decoded"))?;
            Ok((position, state))
        }
        Some((&STATE_FORMAT_UNDECIDED, rest)) => {
            let whole = [&[STATE_FORMAT], rest, &[0, 0, 0]].concat();
            decode(&whole)
        }
        Some((&STATE_FORMAT_WITHOUT_HEALTH, rest)) => {
            let start = [&[STATE_FORMAT_UNDECIDED], rest].concat();
            let whole = postcard::to_extend(&HealthState::default(), start);
            decode(&whole.map_err(|_| damaged("cannot be decoded"))?)
        }
        Some(_) => Err(damaged("is of an unknown format")),
        None => Err(damaged("is empty")),
    }
}

#[cfg(test)]
mod tests {
    use tenure_core::id::PersonId;

    use super::*;

    #[test]
    fn states_of_the_formats_before_are_read() {
        let state = SubjectState::new(SubjectId::Person(PersonId(7)), None, Timestamp(5), 3);
        let now = encode(9, &state).unwrap();
        let mut before = now[..now.len() - 3].to_vec();
        before[0] = STATE_FORMAT_UNDECIDED;
        let expected = decode(&now).unwrap();
        assert_eq!(decode(&before).unwrap(), expected);
        let health = postcard::to_stdvec(&HealthState::default()).unwrap();
        before.truncate(before.len() - health.len());
        before[0] = STATE_FORMAT_WITHOUT_HEALTH;
        assert_eq!(decode(&before).unwrap(), expected);
        assert_eq!(expected.0, 9);
    }
}
