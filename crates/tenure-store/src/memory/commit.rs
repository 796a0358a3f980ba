//! Applying a batch.

use tenure_core::id::SubjectId;
use tenure_core::time::Timestamp;

use super::Data;
use crate::audit;
use crate::batch::{Batch, Checkpoint, Erased};
use crate::{StoreError, row};

impl Data {
    /// Applies all of a batch, or refuses it before anything changed.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.validate(batch)?;
        for (name, value) in &batch.settings {
            self.settings.insert(name.clone(), value.clone());
        }
        self.append(batch);
        self.identities.extend(batch.identities.iter().copied());
        self.persons.extend(batch.persons.iter().copied());
        if let Some(mark) = batch.applied {
            self.progress.applied = mark;
        }
        self.put_output(batch);
        for (subject, root) in &batch.states_erased {
            if self.roots.get(subject) == Some(root) {
                self.remove_state(*subject);
            }
        }
        if let Some(checkpoint) = &batch.checkpoint {
            self.put_checkpoint(checkpoint);
        }
        self.put_updates(batch);
        for chunk in &batch.chunks_redacted {
            if let Some(kept) = self.chunks.get_mut(&chunk.first) {
                kept.bytes.clone_from(&chunk.bytes);
            }
        }
        for erased in &batch.erased {
            self.erase(*erased);
        }
        let entries = batch.audit.iter().map(|row| (row.seq, row.clone()));
        self.audit.extend(entries);
        Ok(())
    }

    fn validate(&self, batch: &Batch) -> Result<(), StoreError> {
        audit::follows(&batch.audit, self.audit_end())?;
        match &batch.chunk {
            Some(chunk) => chunk.follows(self.log_end()),
            None if !batch.seen.is_empty() => Err(StoreError::Other(
                "event ids without a chunk have no instant; commit them with their chunk".into(),
            )),
            None => Ok(()),
        }
    }

    fn append(&mut self, batch: &Batch) {
        let Some(chunk) = &batch.chunk else { return };
        for id in &batch.seen {
            self.seen.insert(id.0, chunk.received_at);
        }
        self.chunks.insert(chunk.first, chunk.clone());
    }

    fn put_output(&mut self, batch: &Batch) {
        for intent in &batch.messages {
            if !self.messages.contains_key(&intent.id) {
                self.put_message(row::Message::new(intent.clone()));
            }
        }
        for intent in &batch.tasks {
            self.tasks
                .entry(intent.id)
                .or_insert_with(|| row::Task::new(intent.clone()));
        }
        for decision in &batch.decisions {
            let key = (decision.at, decision.id);
            if let std::collections::btree_map::Entry::Vacant(place) = self.decisions.entry(key) {
                place.insert(decision.clone());
                self.decision_order.push(key);
            }
        }
        for change in &batch.memberships {
            self.put_member(&change.segment, change.subject, change.entered, change.at);
        }
        for change in &batch.enrollments {
            self.enrollments.insert(change.id, change.clone());
        }
        for record in &batch.health {
            let key = (record.subject, record.at, record.kind);
            self.health.insert(key, record.clone());
        }
        for letter in &batch.dead_letters {
            self.dead_letter_last += 1;
            let id = self.dead_letter_last;
            let letter = row::DeadLetter {
                id,
                ..letter.clone()
            };
            self.dead_letters.insert(id, letter);
        }
    }

    fn put_message(&mut self, message: row::Message) {
        let id = message.intent.id;
        if message.state == row::MessageState::Pending {
            self.pending.insert((message.due_at, id));
        }
        self.messages.insert(id, message);
    }

    fn put_member(&mut self, segment: &str, subject: SubjectId, entered: bool, at: Timestamp) {
        let members = self.members.entry(segment.into()).or_default();
        if entered {
            members.insert(subject, at);
        } else {
            members.remove(&subject);
        }
    }

    fn put_checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.progress.checkpoint = checkpoint.mark;
        for state in &checkpoint.states {
            self.remove_state(state.subject);
            if let Some(at) = state.wake_at {
                self.waking.insert((at, state.root, state.subject));
            }
            self.roots.insert(state.subject, state.root);
            self.states
                .insert((state.root, state.subject), state.clone());
        }
        for subject in &checkpoint.removed {
            self.remove_state(*subject);
        }
        for (subject, positions) in &checkpoint.timelines {
            self.timelines
                .entry(*subject)
                .or_default()
                .extend(positions);
        }
        for (from, into) in &checkpoint.timelines_joined {
            let positions = self.timelines.remove(from).unwrap_or_default();
            self.timelines.entry(*into).or_default().extend(positions);
        }
    }

    fn remove_state(&mut self, subject: SubjectId) {
        let Some(root) = self.roots.remove(&subject) else {
            return;
        };
        let state = self.states.remove(&(root, subject));
        if let Some(at) = state.and_then(|state| state.wake_at) {
            self.waking.remove(&(at, root, subject));
        }
    }

    fn put_updates(&mut self, batch: &Batch) {
        for update in &batch.dispatched {
            if let Some(mut message) = self.messages.remove(&update.id) {
                self.pending.remove(&(message.due_at, update.id));
                message.update(update);
                self.put_message(message);
            }
        }
        for (key, reason) in &batch.suppressions {
            match reason {
                Some(reason) => self.suppressions.insert(*key, reason.clone()),
                None => self.suppressions.remove(key),
            };
        }
        for update in &batch.task_updates {
            if let Some(task) = self.tasks.get_mut(&update.id) {
                task.update(update);
            }
        }
        if let Some(plan) = &batch.plan {
            self.plans
                .entry(plan.version)
                .or_insert_with(|| plan.clone());
        }
        for id in &batch.dead_letters_removed {
            self.dead_letters.remove(id);
        }
        self.put_records(batch);
    }

    fn erase(&mut self, erased: Erased) {
        let (person, until) = (erased.person, erased.until);
        let subject = SubjectId::Person(person);
        self.identities.retain(|_, bound| *bound != person);
        self.persons.remove(&person);
        let is_theirs = |message: &row::Message| {
            let intent = &message.intent;
            (intent.person == Some(person) || intent.subject == subject)
                && intent.decided_at <= until
        };
        let gone: Vec<_> = self
            .messages
            .extract_if(.., |_, message| is_theirs(message))
            .collect();
        for (id, message) in gone {
            self.pending.remove(&(message.due_at, id));
        }
        self.tasks
            .retain(|_, task| task.intent.subject != subject || task.intent.created_at > until);
        for decision in self.decisions.values_mut() {
            if decision.subject == subject && decision.at <= until {
                *decision = decision.clone().redacted();
            }
        }
        for members in self.members.values_mut() {
            if members.get(&subject).is_some_and(|since| *since <= until) {
                members.remove(&subject);
            }
        }
        self.enrollments
            .retain(|_, row| row.subject != subject || row.entered_at > until);
        self.health
            .retain(|(whose, at, _), _| *whose != subject || *at > until);
        if let Some(positions) = self.timelines.get_mut(&subject) {
            positions.retain(|position| *position > erased.until_position);
        }
        self.suppressions.retain(|_, refusal| {
            refusal.person != Some(person) || refusal.kind == row::RefusalKind::Address
        });
        for refusal in self.suppressions.values_mut() {
            refusal.person = refusal.person.filter(|whose| *whose != person);
        }
    }

    fn put_records(&mut self, batch: &Batch) {
        for record in &batch.records {
            let key = (record.collection.clone(), record.key.clone());
            self.records.insert(key, record.clone());
        }
        for key in &batch.records_removed {
            self.records.remove(key);
        }
        for (collection, before) in &batch.records_expired {
            self.records
                .retain(|(found, _), record| found != collection || record.at >= *before);
        }
    }
}
