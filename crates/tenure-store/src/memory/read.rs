//! The port's methods.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::Bound;
use std::path::Path;
use std::str::FromStr;

use tenure_core::decision::Decision;
use tenure_core::define::Audience;
use tenure_core::effect::{EnrollmentChange, HealthRecord};
use tenure_core::id::{
    AccountId, EventId, MessageId, PersonId, RootId, SubjectId, SuppressionId, TaskId,
};
use tenure_core::log::Position;
use tenure_core::time::Timestamp;

use super::{Data, MemoryStore};
use crate::audit::{AuditFilter, AuditRow};
use crate::query::{
    DecisionFilter, EnrollmentFilter, MessageFilter, Page, RecordFilter, RefusalFilter, TaskFilter,
    audience_of, health_kind_number,
};
use crate::{Batch, DEDUP_RETENTION_MS, Store, StoreError, row};

impl Store for MemoryStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.data().commit(batch)
    }

    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.data().settings.get(name).cloned())
    }

    fn log_end(&self) -> Result<Position, StoreError> {
        Ok(self.data().log_end())
    }

    fn read_log(
        &self,
        from: Position,
        max_bytes: usize,
        occurred_after: Option<Timestamp>,
    ) -> Result<Vec<row::Chunk>, StoreError> {
        Ok(self.data().read_log(from, max_bytes, occurred_after))
    }

    fn seen(&self, ids: &[EventId]) -> Result<Vec<bool>, StoreError> {
        let data = self.data();
        Ok(ids.iter().map(|id| data.seen.contains_key(&id.0)).collect())
    }

    fn identities(&self, keys: &[u128]) -> Result<Vec<Option<PersonId>>, StoreError> {
        let data = self.data();
        Ok(keys
            .iter()
            .map(|key| data.identities.get(key).copied())
            .collect())
    }

    fn persons(&self, ids: &[PersonId]) -> Result<Vec<Option<row::Person>>, StoreError> {
        let data = self.data();
        Ok(ids.iter().map(|id| data.persons.get(id).copied()).collect())
    }

    fn progress(&self) -> Result<row::Progress, StoreError> {
        Ok(self.data().progress)
    }

    fn states(&self, roots: &[RootId]) -> Result<Vec<row::State>, StoreError> {
        let data = self.data();
        let wanted: BTreeSet<_> = roots.iter().copied().collect();
        Ok(wanted
            .into_iter()
            .flat_map(|root| data.states_of(root))
            .cloned()
            .collect())
    }

    fn state(&self, subject: SubjectId) -> Result<Option<row::State>, StoreError> {
        Ok(self.data().state(subject).cloned())
    }

    fn waking(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RootId)>, StoreError> {
        let data = self.data();
        let mut known = BTreeSet::new();
        let due = data.waking.iter().take_while(|(at, ..)| *at <= until);
        Ok(due
            .filter(|(_, root, _)| known.insert(*root))
            .map(|(at, root, _)| (*at, *root))
            .take(limit)
            .collect())
    }

    fn roots(&self, from_bits: u128, limit: usize) -> Result<Vec<RootId>, StoreError> {
        let data = self.data();
        let roots = data.states.keys().map(|(root, _)| (root.0.bits(), *root));
        let roots: BTreeSet<_> = roots.filter(|(bits, _)| *bits >= from_bits).collect();
        Ok(roots
            .into_iter()
            .map(|(_, root)| root)
            .take(limit)
            .collect())
    }

    fn due_messages(
        &self,
        channel: &str,
        now: Timestamp,
        except: &[MessageId],
        limit: usize,
    ) -> Result<Vec<row::Message>, StoreError> {
        let data = self.data();
        let except: BTreeSet<_> = except.iter().collect();
        let due = data.pending.iter().take_while(|(at, _)| *at <= now);
        Ok(due
            .filter(|(_, id)| !except.contains(id))
            .filter_map(|(_, id)| data.messages.get(id))
            .filter(|message| message.intent.channel.as_ref() == channel)
            .take(limit)
            .cloned()
            .collect())
    }

    fn next_message_due(
        &self,
        channel: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let data = self.data();
        let of_channel = |id| {
            let message = data.messages.get(id);
            message.is_some_and(|message| message.intent.channel.as_ref() == channel)
        };
        let later = data.pending.iter().skip_while(|(at, _)| *at <= now);
        let mut later = later.filter(|(_, id)| of_channel(id));
        Ok(later.next().map(|(at, _)| *at))
    }

    fn message(&self, id: MessageId) -> Result<Option<row::Message>, StoreError> {
        Ok(self.data().messages.get(&id).cloned())
    }

    fn suppressions(&self, keys: &[u128]) -> Result<Vec<Option<Box<str>>>, StoreError> {
        let data = self.data();
        let reason = |key| Some(data.suppressions.get(key)?.reason.clone());
        Ok(keys.iter().map(reason).collect())
    }

    fn refusals(
        &self,
        filter: &RefusalFilter,
        page: &Page,
    ) -> Result<Vec<(SuppressionId, row::Refusal)>, StoreError> {
        let data = self.data();
        let rows: Vec<_> = data
            .suppressions
            .iter()
            .filter(|(_, refusal)| filter.admits(refusal))
            .map(|(key, refusal)| (SuppressionId(*key), refusal.clone()))
            .collect();
        newest_first(rows.iter(), page, |(id, refusal)| (refusal.at, *id))
    }

    fn refusal(&self, id: SuppressionId) -> Result<Option<row::Refusal>, StoreError> {
        Ok(self.data().suppressions.get(&id.0).cloned())
    }

    fn plans(&self) -> Result<Vec<row::PlanRow>, StoreError> {
        Ok(self.data().plans.values().cloned().collect())
    }

    fn messages(
        &self,
        filter: &MessageFilter,
        page: &Page,
    ) -> Result<Vec<row::Message>, StoreError> {
        let data = self.data();
        let rows = data.messages.values().filter(|row| filter.admits(row));
        newest_first(rows, page, |row| (row.intent.decided_at, row.intent.id))
    }

    fn message_counts(&self) -> Result<Vec<(row::MessageState, u64)>, StoreError> {
        let data = self.data();
        Ok(counts(data.messages.values().map(|message| message.state)))
    }

    fn decisions(&self, filter: &DecisionFilter, page: &Page) -> Result<Vec<Decision>, StoreError> {
        let data = self.data();
        let rows = data.decisions.values().filter(|row| filter.admits(row));
        newest_first(rows, page, |row| (row.at, row.id))
    }

    fn enrollments(
        &self,
        filter: &EnrollmentFilter,
        page: &Page,
    ) -> Result<Vec<EnrollmentChange>, StoreError> {
        let data = self.data();
        let rows = data.enrollments.values().filter(|row| filter.admits(row));
        newest_first(rows, page, |row| (row.entered_at, row.id))
    }

    fn enrollment_counts(&self) -> Result<Vec<row::EnrollmentCount>, StoreError> {
        let data = self.data();
        let places = data.enrollments.values().map(|row| {
            let place = (row.program.clone(), row.version);
            (place, row.status, row.step.clone())
        });
        Ok(counts(places)
            .into_iter()
            .map(
                |(((program, version), status, step), count)| row::EnrollmentCount {
                    program,
                    version,
                    status,
                    step,
                    count,
                },
            )
            .collect())
    }

    fn tasks(&self, filter: &TaskFilter, page: &Page) -> Result<Vec<row::Task>, StoreError> {
        let data = self.data();
        let rows = data.tasks.values().filter(|row| filter.admits(row));
        newest_first(rows, page, |row| (row.intent.created_at, row.intent.id))
    }

    fn task(&self, id: TaskId) -> Result<Option<row::Task>, StoreError> {
        Ok(self.data().tasks.get(&id).cloned())
    }

    fn health_history(
        &self,
        subject: SubjectId,
        page: &Page,
    ) -> Result<Vec<HealthRecord>, StoreError> {
        let data = self.data();
        let all = data.health.values();
        newest_first(all.filter(|row| row.subject == subject), page, |row| {
            (row.at, health_kind_number(row.kind))
        })
    }

    fn members(&self, segment: &str, page: &Page) -> Result<Vec<row::Member>, StoreError> {
        let after = page.after_id()?;
        let data = self.data();
        let members = data.members.get(segment).into_iter().flatten();
        Ok(members
            .filter(|(subject, _)| after.is_none_or(|after| **subject > after))
            .map(|(&subject, &since)| row::Member { subject, since })
            .take(page.row_count())
            .collect())
    }

    fn member_counts(&self) -> Result<Vec<(Box<str>, u64)>, StoreError> {
        let data = self.data();
        let all = data.members.iter();
        Ok(all
            .filter(|(_, members)| !members.is_empty())
            .map(|(segment, members)| (segment.clone(), members.len() as u64))
            .collect())
    }

    fn subjects(&self, audience: Audience, page: &Page) -> Result<Vec<row::State>, StoreError> {
        let after: Option<SubjectId> = page.after_id()?;
        let data = self.data();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let subjects = data.roots.range((start, Bound::Unbounded));
        Ok(subjects
            .filter(|(subject, _)| audience_of(**subject) == audience)
            .filter_map(|(subject, _)| data.state(*subject).cloned())
            .take(page.row_count())
            .collect())
    }

    fn subject_counts(&self) -> Result<(u64, u64), StoreError> {
        let data = self.data();
        let people = data.roots.keys().filter(|id| id.person().is_some()).count();
        Ok(((data.roots.len() - people) as u64, people as u64))
    }

    fn timeline(
        &self,
        subject: SubjectId,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Position>, StoreError> {
        let data = self.data();
        let positions = data.timelines.get(&subject).into_iter().flatten().rev();
        Ok(positions
            .filter(|position| before.is_none_or(|before| **position < before))
            .take(limit)
            .copied()
            .collect())
    }

    fn people_of(&self, account: AccountId, page: &Page) -> Result<Vec<PersonId>, StoreError> {
        let after = page.after_id()?;
        let data = self.data();
        let of_account = data
            .persons
            .iter()
            .filter(|(_, person)| person.account == Some(account) && person.merged_into.is_none());
        Ok(of_account
            .map(|(id, _)| *id)
            .filter(|id| after.is_none_or(|after| *id > after))
            .take(page.row_count())
            .collect())
    }

    fn dead_letters(&self, page: &Page) -> Result<Vec<row::DeadLetter>, StoreError> {
        newest_first(self.data().dead_letters.values(), page, |row| {
            (row.at, row.id)
        })
    }

    fn decisions_from(&self, after: u64, limit: usize) -> Result<Vec<(u64, Decision)>, StoreError> {
        let data = self.data();
        let keys = data.decision_order.iter().enumerate().skip(after as usize);
        Ok(keys
            .filter_map(|(index, key)| Some((index as u64 + 1, data.decisions.get(key)?.clone())))
            .take(limit)
            .collect())
    }

    fn decision_end(&self) -> Result<u64, StoreError> {
        Ok(self.data().decision_order.len() as u64)
    }

    fn record(&self, collection: &str, key: &str) -> Result<Option<row::Record>, StoreError> {
        let data = self.data();
        Ok(data.records.get(&(collection.into(), key.into())).cloned())
    }

    fn records(&self, filter: &RecordFilter, page: &Page) -> Result<Vec<row::Record>, StoreError> {
        let data = self.data();
        let wanted = |record: &&row::Record| {
            *record.collection == *filter.collection && record.key.starts_with(&*filter.prefix)
        };
        let after = page.after.as_deref();
        let rows = data.records.values().filter(wanted);
        Ok(if filter.descending {
            rows.rev()
                .filter(|record| after.is_none_or(|after| &*record.key < after))
                .take(page.row_count())
                .cloned()
                .collect()
        } else {
            rows.filter(|record| after.is_none_or(|after| &*record.key > after))
                .take(page.row_count())
                .cloned()
                .collect()
        })
    }

    fn record_count(&self, collection: &str) -> Result<u64, StoreError> {
        let data = self.data();
        let keys = data.records.keys();
        Ok(keys.filter(|(found, _)| &**found == collection).count() as u64)
    }

    fn audit(&self, filter: &AuditFilter, page: &Page) -> Result<Vec<AuditRow>, StoreError> {
        let before = page.after_id::<u64>()?.unwrap_or(u64::MAX);
        let data = self.data();
        let rows = data.audit.range(..before).rev().map(|(_, row)| row);
        let rows = rows.filter(|row| filter.admits(row));
        Ok(rows.take(page.row_count()).cloned().collect())
    }

    fn audit_from(&self, seq: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let data = self.data();
        let rows = data.audit.range(seq..).map(|(_, row)| row);
        Ok(rows.take(limit).cloned().collect())
    }

    fn audit_last(&self) -> Result<Option<AuditRow>, StoreError> {
        let data = self.data();
        Ok(data.audit.last_key_value().map(|(_, row)| row.clone()))
    }

    fn backup(&self, target: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
        let fail = |error: &dyn Display| StoreError::Unwritable(error.to_string());
        let bytes = postcard::to_stdvec(&*self.data()).map_err(|error| fail(&error))?;
        let mut file = std::fs::File::create_new(target).map_err(|error| fail(&error))?;
        std::io::Write::write_all(&mut file, &bytes).map_err(|error| fail(&error))?;
        progress(1, 1);
        Ok(())
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        let data = self.data();
        Ok(data.progress.findings(data.log_end()))
    }

    fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn maintain(&self, now: Timestamp) -> Result<(), StoreError> {
        let oldest = now.plus_ms(-DEDUP_RETENTION_MS);
        self.data().seen.retain(|_, at| *at >= oldest);
        Ok(())
    }
}

impl Data {
    /// Number of the audit trail's last entry; 0 when there is none.
    pub(super) fn audit_end(&self) -> u64 {
        self.audit.last_key_value().map_or(0, |(seq, _)| *seq)
    }

    fn read_log(
        &self,
        from: Position,
        max_bytes: usize,
        occurred_after: Option<Timestamp>,
    ) -> Vec<row::Chunk> {
        let holder = self.chunks.range(..=from).next_back();
        let start = holder.map_or(from, |(first, _)| *first);
        let mut chunks: Vec<row::Chunk> = Vec::new();
        let mut byte_count = 0;
        for chunk in self.chunks.range(start..).map(|(_, chunk)| chunk) {
            let skipped = occurred_after.is_some_and(|after| chunk.occurred_until < after);
            if skipped || chunk.last() < from {
                continue;
            }
            byte_count += chunk.bytes.len();
            if byte_count > max_bytes && !chunks.is_empty() {
                break;
            }
            chunks.push(chunk.clone());
        }
        chunks
    }

    fn state(&self, subject: SubjectId) -> Option<&row::State> {
        let root = self.roots.get(&subject)?;
        self.states.get(&(*root, subject))
    }

    fn states_of(&self, root: RootId) -> impl Iterator<Item = &row::State> {
        let least = SubjectId::Account(AccountId(0));
        let all = self.states.range((root, least)..);
        all.take_while(move |((found, _), _)| *found == root)
            .map(|(_, state)| state)
    }
}

fn newest_first<'a, R: Clone + 'a, I: Ord + Copy + FromStr>(
    rows: impl Iterator<Item = &'a R>,
    page: &Page,
    key: impl Fn(&R) -> (Timestamp, I),
) -> Result<Vec<R>, StoreError> {
    let after = page.after_instant()?;
    let mut rows: Vec<_> = rows
        .map(|row| (Reverse(key(row)), row))
        .filter(|(Reverse(key), _)| after.is_none_or(|after| *key < after))
        .collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    Ok(rows
        .into_iter()
        .take(page.row_count())
        .map(|(_, row)| row.clone())
        .collect())
}

fn counts<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<(K, u64)> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}
