//! Health: what it is now and why, and what it was.

use tenure_core::effect::{HealthRecord, Output};
use tenure_core::engine;
use tenure_core::health::{HealthReading, explain};
use tenure_core::id::SubjectId;
use tenure_core::log::Body;
use tenure_core::plan::Plan;
use tenure_core::subject::Root;
use tenure_core::time::Timestamp;
use tenure_store::query::{health_kind_number, instant_cursor};
use tenure_store::{Page, StoreError};

use super::subject::one_more;
use super::tail::Tail;
use super::{Listed, Query};
use crate::roots::decode;

impl Query<'_> {
    /// The health of a subject at `now`, with its reasons; `None` if nothing is known of the
    /// subject, no definition applies to it, or the history it needs is still being read.
    ///
    /// It is computed on a copy: the stored states of the root, brought up to `now` with what was
    /// told since. Merges and moves of the last seconds follow with the next checkpoint.
    pub fn health(
        &self,
        plan: &Plan,
        subject: SubjectId,
        now: Timestamp,
    ) -> Result<Option<HealthReading>, StoreError> {
        let subject = self.current(subject)?;
        let Some(row) = self.store.state(subject)? else {
            return Ok(None);
        };
        let mut root = Root::new(row.root);
        let mut position = 0;
        let mut older = false;
        for row in self.store.states(&[row.root])? {
            let (at, state) = decode(&row.bytes)?;
            position = position.max(at);
            older |= state.plan != plan.version;
            root.insert(state);
        }
        let mut out = Output::default();
        if older {
            engine::adopt(plan, &mut root, now, None, &mut out);
        }
        let tail = Tail::read(self.store)?;
        for entry in tail.entries() {
            let plain = matches!(entry.body, Body::Event(_) | Body::Profile(_));
            if plain && entry.position > position && entry.body.root() == Some(root.id) {
                engine::apply(plan, &mut root, &entry, &mut out);
                out.clear();
            }
        }
        engine::wake(plan, &mut root, now, &mut out);
        Ok(explain(plan, &root, subject, now))
    }

    /// The history of a subject's health, newest first. A midnight without a record had the score
    /// of the one before it.
    pub fn health_history(
        &self,
        subject: SubjectId,
        page: &Page,
    ) -> Result<Listed<HealthRecord>, StoreError> {
        let subject = self.current(subject)?;
        let rows = self.store.health_history(subject, &one_more(page))?;
        Ok(Listed::cut(rows, page.limit, |record| {
            instant_cursor(record.at, health_kind_number(record.kind))
        }))
    }
}
