//! Applying log entries and wake-ups to roots.

use std::borrow::Borrow;
use std::sync::Arc;

use tenure_core::engine;
use tenure_core::id::{PersonId, RootId, SubjectId};
use tenure_core::log::{Body, Command, Entry, Merge, Move, Position, decode};
use tenure_core::subject::{Root, SubjectState};
use tenure_core::time::Timestamp;
use tenure_store::StoreError;
use tenure_store::row::{Chunk, Mark};

use super::{WAKES_PER_STEP, Worker};
use crate::error::AppError;
use crate::telemetry;

impl Worker {
    /// Applies the entries of the next chunk, up to and including the first that concerns all
    /// roots.
    pub(super) fn apply_some(&mut self, end: Position) -> Result<(), AppError> {
        let chunk = self.next_chunk()?;
        let chunk: &Chunk = chunk.borrow();
        let first = self.at.position + 1;
        let mut entries = Vec::with_capacity(chunk.count as usize);
        for entry in decode(chunk.first, &chunk.bytes) {
            let entry = entry.map_err(|error| StoreError::Damaged(error.to_string()))?;
            if entry.position >= first && entry.position <= end {
                let alone = entry.body.root().is_none();
                if alone && !entries.is_empty() {
                    break;
                }
                entries.push(entry);
                if alone {
                    break;
                }
            }
        }
        let Some(last) = entries.last().map(|entry| entry.position) else {
            return Err(StoreError::Damaged(format!("the log has no entry {first}")).into());
        };
        self.load_roots(&entries)?;
        for entry in &entries {
            self.current = Some(entry.position);
            if !self.skip.contains(&entry.position) {
                self.apply_entry(entry)?;
            }
            self.at.position = entry.position;
            if self.replay_until.position >= entry.position {
                self.out.clear();
            }
        }
        self.current = None;
        self.at.position = last;
        Ok(())
    }

    /// Runs wake-ups due at or before `until`; true if any were due. Once none are left, time has
    /// reached `until`.
    pub(super) fn wake_some(&mut self, until: Timestamp) -> Result<bool, AppError> {
        let due = self.roots.take_due(until, WAKES_PER_STEP);
        if due.is_empty() {
            self.at = Mark {
                at: self.at.at.max(until),
                ..self.at
            };
            return Ok(false);
        }
        self.wake_roots(due, until)?;
        Ok(true)
    }

    /// Runs every wake-up due at or before `until`, of all roots.
    pub(super) fn drain_wakes(&mut self, until: Timestamp) -> Result<(), AppError> {
        loop {
            let due = self.roots.take_due(until, WAKES_PER_STEP);
            if due.is_empty() {
                self.at.at = self.at.at.max(until);
                return Ok(());
            }
            self.wake_roots(due, until)?;
        }
    }

    fn wake_roots(&mut self, due: Vec<RootId>, until: Timestamp) -> Result<(), AppError> {
        telemetry::woken(due.len());
        self.roots.load(self.store.as_ref(), &mut due.clone())?;
        // Output of a replay is committed. After its last entry that is not certain: an entry may
        // have left wake-ups at or before the committed time. What they give has derived ids.
        let replayed = self.at.position < self.replay_until.position;
        for id in due {
            self.roots.waking(id, until);
            self.ready(id);
            let held = self.roots.get_mut(id);
            engine::wake(&self.plan, &mut held.root, until, &mut self.out);
            self.roots.touched(id, 0);
            if replayed {
                self.out.clear();
            }
        }
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Arc<Chunk>, AppError> {
        let position = self.at.position + 1;
        if let Some(chunk) = self.journal.chunk(position) {
            return Ok(chunk);
        }
        let mut chunks = self.store.read_log(position, 1, None)?;
        if chunks.is_empty() {
            return Err(StoreError::Damaged(format!("the log has no entry {position}")).into());
        }
        Ok(Arc::new(chunks.swap_remove(0)))
    }

    fn load_roots(&mut self, entries: &[Entry<'_>]) -> Result<(), AppError> {
        let mut ids = Vec::with_capacity(entries.len());
        for entry in entries {
            let first = entry.body.root();
            let second = match &entry.body {
                Body::Move(moved) => Some(arrival(moved)),
                Body::Merge(merge) => Some(survivor(merge)),
                _ => None,
            };
            ids.extend(
                [first, second]
                    .into_iter()
                    .flatten()
                    .filter(|id| !self.roots.contains(*id)),
            );
        }
        self.roots.load(self.store.as_ref(), &mut ids)?;
        Ok(())
    }

    fn apply_entry(&mut self, entry: &Entry<'_>) -> Result<(), AppError> {
        match &entry.body {
            Body::Move(moved) => self.apply_move(entry, *moved),
            Body::Merge(merge) => self.apply_merge(entry, *merge)?,
            Body::Published(published) => {
                self.drain_wakes(entry.received_at)?;
                self.merges.clear();
                self.adopt_plan(published.plan, Some((published.clone(), entry.received_at)))?;
            }
            Body::Sweep(sweep) => self.sweep(entry, sweep)?,
            Body::Command(Command::Pause { program, paused }) => {
                self.drain_wakes(entry.received_at)?;
                self.set_paused(program, *paused);
            }
            Body::Command(Command::Erase { person, .. }) => self.apply_erasure(entry, *person),
            Body::Event(_) | Body::Profile(_) | Body::Command(_) => self.apply_to_root(entry),
        }
        Ok(())
    }

    fn apply_to_root(&mut self, entry: &Entry<'_>) {
        let Some(id) = entry.body.root() else { return };
        if !self.is_news(id, entry.position) {
            return;
        }
        self.ready(id);
        let held = self.roots.get_mut(id);
        engine::apply(&self.plan, &mut held.root, entry, &mut self.out);
        let (subject, account) = match &entry.body {
            Body::Event(event) => (event.subject(), event.account),
            Body::Profile(profile) => (Some(profile.subject), None),
            _ => (None, None),
        };
        let account = account
            .map(SubjectId::Account)
            .filter(|account| Some(*account) != subject);
        for subject in subject.into_iter().chain(account) {
            held.timeline.push(subject, entry.position);
        }
        self.roots.touched(id, entry.position);
    }

    /// Whether a root does not contain an entry yet.
    fn is_news(&self, id: RootId, position: Position) -> bool {
        self.roots
            .get(id)
            .is_none_or(|held| held.position < position)
    }

    /// Brings a root up to the plan in force.
    pub(super) fn ready(&mut self, id: RootId) {
        let held = self.roots.get_mut(id);
        let behind = held
            .root
            .subjects()
            .next()
            .is_some_and(|subject| subject.plan < self.plan.version);
        if behind {
            let (published, at) = match &self.published {
                Some((published, at)) => (Some(published), *at),
                None => (None, self.at.at),
            };
            engine::adopt(&self.plan, &mut held.root, at, published, &mut self.out);
        }
    }

    fn leave(
        &mut self,
        entry: &Entry<'_>,
        id: RootId,
        person: tenure_core::id::PersonId,
    ) -> Option<SubjectState> {
        if !self.is_news(id, entry.position) {
            return None;
        }
        self.ready(id);
        let held = self.roots.get_mut(id);
        let state = engine::detach(
            &self.plan,
            &mut held.root,
            person,
            entry.received_at,
            &mut self.out,
        );
        self.roots.touched(id, entry.position);
        state
    }

    fn apply_move(&mut self, entry: &Entry<'_>, moved: Move) {
        let from = RootId(
            moved
                .from
                .map_or(SubjectId::Person(moved.person), SubjectId::Account),
        );
        let state = self.leave(entry, from, moved.person);
        let to = arrival(&moved);
        if !self.is_news(to, entry.position) {
            return;
        }
        self.roots.link(from, to);
        self.ready(to);
        let mut state = state.unwrap_or_else(|| {
            SubjectState::new(
                SubjectId::Person(moved.person),
                moved.to,
                entry.received_at,
                self.plan.version,
            )
        });
        state.dirty = true;
        let held = self.roots.get_mut(to);
        engine::attach(
            &self.plan,
            &mut held.root,
            state,
            entry.received_at,
            &mut self.out,
        );
        held.timeline
            .push(SubjectId::Person(moved.person), entry.position);
        self.roots.touched(to, entry.position);
    }

    /// The state of an erased person goes from memory now, and from the store with what is
    /// committed next: so states of the person coming back, which are stored later, stay.
    fn apply_erasure(&mut self, entry: &Entry<'_>, person: PersonId) {
        let Some(id) = entry.body.root() else { return };
        if !self.is_news(id, entry.position) {
            return;
        }
        drop(self.leave(entry, id, person));
        let subject = SubjectId::Person(person);
        let timeline = &mut self.roots.get_mut(id).timeline;
        timeline.forget(subject);
        // Makes the root changed, though no state is: a checkpoint must come to the erasure, which
        // its job waits for, also when nothing else happens.
        timeline.push(id.0, entry.position);
        self.roots.touched(id, entry.position);
        if let Some(overlay) = &mut self.overlay {
            drop(overlay.take(subject));
        }
        self.erased.push((subject, id));
    }

    fn apply_merge(&mut self, entry: &Entry<'_>, merge: Merge) -> Result<(), AppError> {
        let from = RootId(
            merge
                .from_account
                .map_or(SubjectId::Person(merge.from), SubjectId::Account),
        );
        let into = survivor(&merge);
        let news = self.is_news(into, entry.position);
        let state = if from == into {
            // One root: taken out without noting the entry yet, since the merge follows.
            news.then(|| self.take_out(entry, from, merge)).flatten()
        } else {
            let left_now = self.is_news(from, entry.position);
            let state = self.leave(entry, from, merge.from);
            if left_now {
                let root = &mut self.roots.get_mut(from).root;
                let (now, out) = (entry.received_at, &mut self.out);
                engine::rename_person(&self.plan, root, merge.from, merge.into, now, out);
                self.roots.touched(from, entry.position);
                self.roots.link(from, into);
            } else {
                // A row that outlived a crash between the merge and its removal.
                self.roots.get_mut(from).root.remove(merge.from);
            }
            state
        };
        let past = state.as_ref().map(|state| state.past_accounts.clone());
        for account in past.iter().flatten() {
            let past = RootId(SubjectId::Account(*account));
            if past != from && past != into {
                self.rename_in(entry, past, merge)?;
                self.roots.link(from, past);
            }
        }
        if news {
            self.ready(into);
            let held = self.roots.get_mut(into);
            if let Some(state) = state {
                engine::merge(
                    &self.plan,
                    &mut held.root,
                    state,
                    merge.into,
                    entry.received_at,
                    &mut self.out,
                );
            }
            held.timeline
                .push(SubjectId::Person(merge.into), entry.position);
            self.roots.touched(into, entry.position);
        }
        if let Some(overlay) = &mut self.overlay {
            overlay.merge(merge.from, merge.into);
        } else if self.globals.swept < self.globals.plan {
            self.merges.push((merge.from, merge.into));
        }
        self.roots.pin(from);
        self.removed.push(SubjectId::Person(merge.from));
        self.joined
            .push((SubjectId::Person(merge.from), SubjectId::Person(merge.into)));
        Ok(())
    }

    /// An account that the merged person once belonged to counts it under its new id.
    fn rename_in(&mut self, entry: &Entry<'_>, id: RootId, merge: Merge) -> Result<(), AppError> {
        self.roots.load(self.store.as_ref(), &mut vec![id])?;
        if !self.is_news(id, entry.position) {
            return Ok(());
        }
        self.ready(id);
        let root = &mut self.roots.get_mut(id).root;
        let (now, out) = (entry.received_at, &mut self.out);
        engine::rename_person(&self.plan, root, merge.from, merge.into, now, out);
        self.roots.touched(id, entry.position);
        Ok(())
    }

    fn take_out(&mut self, entry: &Entry<'_>, id: RootId, merge: Merge) -> Option<SubjectState> {
        self.ready(id);
        let root: &mut Root = &mut self.roots.get_mut(id).root;
        engine::detach(
            &self.plan,
            root,
            merge.from,
            entry.received_at,
            &mut self.out,
        )
    }
}

fn arrival(moved: &Move) -> RootId {
    RootId(
        moved
            .to
            .map_or(SubjectId::Person(moved.person), SubjectId::Account),
    )
}

fn survivor(merge: &Merge) -> RootId {
    RootId(
        merge
            .into_account
            .map_or(SubjectId::Person(merge.into), SubjectId::Account),
    )
}
