//! Replaying a log through the engine, on the log's own clock.

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::{EmittedEvent, Output};
use crate::engine;
use crate::health::ZONE_CHANGED;
use crate::id::RootId;
use crate::id::SubjectId;
use crate::log::{Body, Command, Entry, Event, Merge, Move, Position};
use crate::plan::Plan;
use crate::subject::Root;
use crate::time::Timestamp;

/// How many events may follow from each other at one instant.
const MAX_RETURNS: usize = 10_000;

/// All roots under one plan, brought forward entry by entry. Nothing is sent: what the engine puts
/// out is handed to the caller.
///
/// Signals and changes of zone that are in the log came from the definitions of then; they are left
/// out, and those of `plan` take their place at the instant at which they happen.
#[derive(Debug)]
pub struct Replay<'a> {
    plan: &'a Plan,
    roots: BTreeMap<RootId, Root>,
    wakes: BTreeSet<(Timestamp, RootId)>,
    position: Position,
}

impl<'a> Replay<'a> {
    /// Nothing is known yet.
    pub fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            roots: BTreeMap::new(),
            wakes: BTreeSet::new(),
            position: 0,
        }
    }

    /// All roots.
    pub fn roots(&self) -> impl Iterator<Item = &Root> {
        self.roots.values()
    }

    /// Lets time pass: every wake-up due by `to` runs at its due time.
    pub fn advance(&mut self, to: Timestamp, take: &mut dyn FnMut(&Output)) {
        while let Some(&(at, id)) = self.wakes.first().filter(|(at, _)| *at <= to) {
            let mut out = Output::default();
            let root = self.root(id);
            engine::wake(self.plan, root_of(&mut self.roots, root), at, &mut out);
            self.note(root);
            // A root that still says the same would be woken for ever.
            self.wakes.remove(&(at, id));
            self.give(&out, at, take);
        }
    }

    /// Applies the next entry of the log, after the time before it has passed.
    pub fn apply(&mut self, entry: &Entry<'_>, take: &mut dyn FnMut(&Output)) {
        self.advance(entry.received_at, take);
        self.position = entry.position;
        if is_of_then(&entry.body) {
            return;
        }
        let Some(id) = entry.body.root() else { return };
        let mut out = Output::default();
        match &entry.body {
            Body::Merge(merge) => self.merge(entry, merge, &mut out),
            Body::Move(moved) => self.relocate(entry, *moved, &mut out),
            _ => {
                engine::apply(self.plan, root_of(&mut self.roots, id), entry, &mut out);
                self.note(id);
            }
        }
        self.give(&out, entry.received_at, take);
    }

    fn root(&mut self, id: RootId) -> RootId {
        root_of(&mut self.roots, id);
        id
    }

    /// Hands output over and takes back the events it holds.
    fn give(&mut self, out: &Output, at: Timestamp, take: &mut dyn FnMut(&Output)) {
        if out.is_empty() {
            return;
        }
        take(out);
        let mut waiting: Vec<EmittedEvent> = out.events.clone();
        for _ in 0..MAX_RETURNS {
            let Some(emitted) = waiting.pop() else { return };
            if !is_ours(&emitted.name) {
                continue;
            }
            let entry = Entry {
                position: self.position,
                received_at: at,
                body: Body::Event(Event {
                    id: emitted.id,
                    person: emitted.subject.person(),
                    account: emitted.account,
                    occurred_at: emitted.occurred_at,
                    historical: false,
                    name: String::from(emitted.name).into(),
                    properties: String::from(emitted.properties).into(),
                }),
            };
            let Some(id) = entry.body.root() else {
                continue;
            };
            let mut out = Output::default();
            engine::apply(self.plan, root_of(&mut self.roots, id), &entry, &mut out);
            self.note(id);
            take(&out);
            waiting.append(&mut out.events);
        }
    }

    fn merge(&mut self, entry: &Entry<'_>, merge: &Merge, out: &mut Output) {
        let now = entry.received_at;
        let home = |account: Option<_>, person| {
            RootId(account.map_or(SubjectId::Person(person), SubjectId::Account))
        };
        let from_id = home(merge.from_account, merge.from);
        let into_id = home(merge.into_account, merge.into);
        if from_id == into_id {
            engine::apply(self.plan, root_of(&mut self.roots, into_id), entry, out);
        } else {
            let from = root_of(&mut self.roots, from_id);
            let state = engine::detach(self.plan, from, merge.from, now, out);
            engine::rename_person(self.plan, from, merge.from, merge.into, now, out);
            if let Some(state) = state {
                let into = root_of(&mut self.roots, into_id);
                engine::merge(self.plan, into, state, merge.into, now, out);
            }
            self.note(from_id);
        }
        self.note(into_id);
    }

    fn relocate(&mut self, entry: &Entry<'_>, moved: Move, out: &mut Output) {
        let now = entry.received_at;
        let home = |account: Option<_>| {
            RootId(account.map_or(SubjectId::Person(moved.person), SubjectId::Account))
        };
        let (from_id, to_id) = (home(moved.from), home(moved.to));
        let from = root_of(&mut self.roots, from_id);
        let state = engine::detach(self.plan, from, moved.person, now, out);
        self.note(from_id);
        if let Some(state) = state {
            let to = root_of(&mut self.roots, to_id);
            engine::attach(self.plan, to, state, now, out);
            self.note(to_id);
        }
    }

    /// Notes when a root wakes. Earlier notes of it stay; a root that is woken too early does
    /// nothing.
    fn note(&mut self, id: RootId) {
        let at = self.roots.get(&id).and_then(Root::wake_at);
        self.wakes.extend(at.map(|at| (at, id)));
    }
}

fn root_of(roots: &mut BTreeMap<RootId, Root>, id: RootId) -> &mut Root {
    roots.entry(id).or_insert_with(|| Root::new(id))
}

fn is_ours(event: &str) -> bool {
    event.starts_with("signal:") || event == ZONE_CHANGED
}

/// Whether an entry is of the definitions that were in force then.
fn is_of_then(body: &Body<'_>) -> bool {
    match body {
        Body::Event(event) => is_ours(&event.name),
        Body::Command(command) => matches!(
            command,
            Command::Enroll { .. } | Command::Remove { .. } | Command::Pause { .. }
        ),
        _ => false,
    }
}
