//! Roots in memory: loaded when touched, written back at checkpoints, forgotten when clean and
//! long unused.
//!
//! Every stored state carries the log position it stands at, so states need not be written all
//! at once: a replay skips what a root already contains. For the same reason a root may be
//! forgotten as soon as the part of a checkpoint that holds it is committed.

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

use crate::timeline::Timeline;

/// First byte of a stored state: the version of its encoding.
const STATE_FORMAT: u8 = 3;
/// The version before, which lacked `decided` and `past_accounts` at its end, whose initial values
/// are three zero bytes.
const STATE_FORMAT_UNDECIDED: u8 = 2;
/// The version before that, which lacked the health as well.
const STATE_FORMAT_WITHOUT_HEALTH: u8 = 1;
/// How many subjects are kept in memory, if they are small enough for [`CACHE_BYTES`].
pub const DEFAULT_CACHED_SUBJECTS: usize = 1_000_000;
/// How much memory the states of subjects may take, in bytes, as estimated: with the rest of the
/// process, which a million people, full queues and the page cache of the store bring to 360 MB, it stays below 1 GB. A hundred
/// thousand people with fifty conditions and four enrollments each (6.5 KB) nearly fit in.
const CACHE_BYTES: usize = 576 << 20;
/// What a root takes beside its subjects, in bytes: its place in the map, the nodes of its own.
const ROOT_BYTES: usize = 400;
/// What is forgotten at once, as a part of what may be kept: looking for it takes a walk.
const FORGET_PART: usize = 8;

/// A root in memory.
#[derive(Debug)]
pub struct Held {
    /// Its states.
    pub root: Root,
    /// The last entry it contains.
    pub position: Position,
    /// Entries about its subjects since its last checkpoint.
    pub timeline: Timeline,
    /// In the list of changed roots.
    listed: bool,
    /// Due time of its earliest entry among the wake-ups.
    scheduled_at: Option<Timestamp>,
    used_at: u64,
    /// As of when it was last weighed.
    weight: Weight,
    /// The part of a checkpoint that holds it last; the store has an older state until that is
    /// committed.
    stored_in: u64,
}

/// What roots take.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    subjects: usize,
    bytes: usize,
}

/// A part of a checkpoint on its way to the store.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    part: u64,
    /// The cycle that is complete with it.
    cycle: Option<u64>,
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
    /// Roots a person was merged out of, with the cycle that removes the person's row: until then
    /// the store would bring it back.
    pins: HashMap<RootId, u64>,
    /// Of all roots in memory.
    weight: Weight,
    /// How many subjects may be kept.
    capacity: usize,
    /// Of the roots in `dirty`.
    dirty_bytes: usize,
    ticks: u64,
    part: u64,
    committed_part: u64,
    cycle: u64,
    /// Where states are encoded.
    scratch: Vec<u8>,
}

impl Roots {
    /// Empty, keeping about `capacity` subjects.
    pub fn new(capacity: usize) -> Self {
        Self {
            held: HashMap::new(),
            wakes: BinaryHeap::new(),
            dirty: Vec::new(),
            links: HashMap::new(),
            pins: HashMap::new(),
            weight: Weight::default(),
            capacity,
            dirty_bytes: 0,
            ticks: 0,
            part: 0,
            committed_part: 0,
            cycle: 0,
            scratch: Vec::new(),
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
            held.insert(state);
        }
        for id in ids.iter() {
            if let Some(held) = self.held.get_mut(id) {
                self.weight.change(held);
            }
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
            self.weight.change(held);
            self.dirty_bytes += held.weight.bytes;
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

    /// Whether so much has changed that a checkpoint must begin before its time: what changed
    /// cannot be forgotten.
    pub fn is_mostly_dirty(&self) -> bool {
        self.dirty_bytes >= CACHE_BYTES / 16 * 15
    }

    /// Whether more is in memory than should be.
    pub fn is_crowded(&self) -> bool {
        self.weight.bytes > CACHE_BYTES
    }

    /// Begins a cycle: takes the list of changed roots, in order, so that those of one part are
    /// neighbours in the store. Each is to be passed to [`Roots::encode`].
    pub fn take_dirty(&mut self) -> Vec<RootId> {
        self.cycle += 1;
        self.dirty_bytes = 0;
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty
    }

    /// Begins a part of a checkpoint.
    pub fn begin_part(&mut self) {
        self.part += 1;
    }

    /// The part that was begun last; with its cycle if it is the last part of that.
    pub fn written(&self, last: bool) -> Written {
        Written {
            part: self.part,
            cycle: last.then_some(self.cycle),
        }
    }

    /// A part is committed. Parts are committed in their order.
    pub fn committed(&mut self, written: Written) {
        self.committed_part = written.part;
        if let Some(completed) = written.cycle {
            self.pins.retain(|_, cycle| *cycle > completed);
        }
    }

    /// A person was merged out of a root; the next cycle removes the person's row.
    pub fn pin(&mut self, id: RootId) {
        self.pins.insert(id, self.cycle + 1);
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
        held.stored_in = self.part;
        for subject in held.root.subjects_mut().filter(|subject| subject.dirty) {
            subject.dirty = false;
            states.push(State {
                subject: subject.id,
                root: id,
                wake_at: subject.wake_at,
                bytes: encode(held.position, subject, &mut self.scratch)?,
            });
        }
        held.timeline.take(timelines);
        Ok(())
    }

    /// Forgets stored roots that were not used for long, when there is too much in memory.
    pub fn evict(&mut self) {
        if self.weight.subjects <= self.capacity && self.weight.bytes <= CACHE_BYTES {
            return;
        }
        let mut idle: Vec<(u64, RootId)> = self
            .held
            .iter()
            .filter(|(id, held)| self.may_forget(**id, held))
            .map(|(id, held)| (held.used_at, *id))
            .collect();
        idle.sort_unstable();
        let subjects = self.capacity - self.capacity / FORGET_PART;
        let bytes = CACHE_BYTES - CACHE_BYTES / FORGET_PART;
        for (_, id) in idle {
            if self.weight.subjects <= subjects && self.weight.bytes <= bytes {
                return;
            }
            if let Some(held) = self.held.remove(&id) {
                self.weight.take_off(held.weight);
                held.leave_wake(id, &mut self.wakes);
            }
        }
    }

    /// Whether the store has all that a root holds.
    fn may_forget(&self, id: RootId, held: &Held) -> bool {
        !held.listed
            && held.timeline.is_empty()
            && held.stored_in <= self.committed_part
            && !self.links.contains_key(&id)
            && !self.pins.contains_key(&id)
    }

    /// Ids of the roots in memory, in order.
    pub fn ids(&self) -> Vec<RootId> {
        let mut ids: Vec<RootId> = self.held.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// How many subjects are in memory.
    pub fn subject_count(&self) -> usize {
        self.weight.subjects
    }
}

impl Weight {
    /// Weighs a root again, whose weight is part of this.
    fn change(&mut self, held: &mut Held) {
        self.take_off(held.weight);
        held.weight = held.weigh();
        self.subjects += held.weight.subjects;
        self.bytes += held.weight.bytes;
    }

    fn take_off(&mut self, weight: Weight) {
        self.subjects = self.subjects.saturating_sub(weight.subjects);
        self.bytes = self.bytes.saturating_sub(weight.bytes);
    }
}

impl Held {
    fn empty(id: RootId, used_at: u64) -> Self {
        Self {
            root: Root::new(id),
            position: 0,
            timeline: Timeline::new(id),
            listed: false,
            scheduled_at: None,
            used_at,
            weight: Weight::default(),
            stored_in: 0,
        }
    }

    fn weigh(&self) -> Weight {
        let subjects = self.root.subjects().map(SubjectState::weight_bytes);
        Weight {
            subjects: self.root.subjects().count(),
            bytes: ROOT_BYTES + subjects.sum::<usize>(),
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

/// Encodes a state by way of a buffer that has grown to its size before.
fn encode(
    position: Position,
    state: &SubjectState,
    scratch: &mut Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    let mut buffer = std::mem::take(scratch);
    buffer.clear();
    buffer.push(STATE_FORMAT);
    *scratch = postcard::to_extend(&StoredRef(position, state), buffer)
        .map_err(|error| StoreError::Other(format!("a state cannot be encoded: {error}")))?;
    Ok(scratch.as_slice().to_vec())
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

    fn root(number: u128) -> RootId {
        RootId(SubjectId::Person(PersonId(number)))
    }

    /// Room for one subject, and two that changed.
    fn crowded() -> Roots {
        let mut roots = Roots::new(1);
        change(&mut roots, 1);
        change(&mut roots, 2);
        roots
    }

    fn change(roots: &mut Roots, number: u128) {
        let id = root(number);
        let state = SubjectState::new(id.0, None, Timestamp(0), 0);
        roots.get_mut(id).root.insert(state);
        roots.touched(id, 1);
    }

    fn store_all(roots: &mut Roots) -> Written {
        let (mut states, mut timelines) = (Vec::new(), Vec::new());
        let dirty = roots.take_dirty();
        roots.begin_part();
        for id in dirty {
            roots.encode(id, &mut states, &mut timelines).unwrap();
        }
        assert_eq!(states.len(), 2);
        roots.written(true)
    }

    #[test]
    fn a_root_is_forgotten_only_after_the_part_that_holds_it_is_committed() {
        let mut roots = crowded();
        roots.evict();
        assert_eq!(roots.subject_count(), 2);
        let written = store_all(&mut roots);
        roots.evict();
        assert_eq!(roots.subject_count(), 2);
        roots.committed(written);
        roots.evict();
        assert_eq!(roots.subject_count(), 1);
        assert!(roots.contains(root(2)), "the one used last stays");
    }

    #[test]
    fn a_root_that_lost_a_person_stays_until_the_cycle_that_removes_the_row() {
        let mut roots = crowded();
        let before = store_all(&mut roots);
        // The merge came after this cycle began, so the next one removes the row.
        roots.pin(root(1));
        roots.committed(before);
        roots.evict();
        assert!(roots.contains(root(1)), "the row is still there");
        roots.take_dirty();
        roots.begin_part();
        let next = roots.written(true);
        roots.committed(next);
        change(&mut roots, 3);
        roots.evict();
        assert!(!roots.contains(root(1)));
    }

    #[test]
    fn states_of_the_formats_before_are_read() {
        let state = SubjectState::new(SubjectId::Person(PersonId(7)), None, Timestamp(5), 3);
        let now = encode(9, &state, &mut Vec::new()).unwrap();
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
