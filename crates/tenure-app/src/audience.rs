//! Who would be in a segment that is only being written: its definition is compiled beside all
//! others, and copies of stored states are brought over to that plan. Nothing is published.

use tenure_core::define::Audience;
use tenure_core::effect::Output;
use tenure_core::engine;
use tenure_core::id::SubjectId;
use tenure_core::plan::Plan;
use tenure_core::subject::Root;
use tenure_core::time::Timestamp;
use tenure_store::Store;

use crate::error::AppError;
use crate::node::Node;
use crate::publish::PublishRequest;
use crate::roots::decode;

/// How many subjects are looked at; enough for a share, and done within a second or two.
const AUDIENCE_SUBJECTS: u64 = 20_000;
/// How many subjects are named.
const AUDIENCE_SAMPLE: usize = 8;
/// How many roots are read at once.
const ROOTS_PER_READ: usize = 500;

/// Who would be in a segment now, as of the last checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AudienceCount {
    /// Subjects that were looked at.
    pub checked_count: u64,
    /// Whether those were all there are.
    pub complete: bool,
    /// Those that match; `None` when the condition reads events that are not kept yet.
    pub matching_count: Option<u64>,
    /// Some of those that match.
    pub sample: Vec<SubjectId>,
}

impl Node {
    /// Counts who would be in `segment` if `request` were published.
    pub fn count_audience(
        &self,
        request: &PublishRequest,
        segment: &str,
    ) -> Result<AudienceCount, AppError> {
        let (plan, missing_series_count) = self.trial(request)?;
        let known = plan.segments.iter().find(|known| *known.name == *segment);
        let audience = known
            .map(|known| known.audience)
            .ok_or_else(|| AppError::Invalid {
                field: "segment".into(),
                message: format!("the files define no segment `{segment}`"),
            })?;
        if missing_series_count > 0 {
            return Ok(AudienceCount::default());
        }
        let count = Count {
            plan: &plan,
            segment,
            audience,
            now: self.now(),
        };
        Ok(count.over(self.store().as_ref())?)
    }
}

struct Count<'a> {
    plan: &'a Plan,
    segment: &'a str,
    audience: Audience,
    now: Timestamp,
}

impl Count<'_> {
    fn over(&self, store: &dyn Store) -> Result<AudienceCount, tenure_store::StoreError> {
        let mut found = AudienceCount::default();
        let (mut matching_count, mut from) = (0, 0);
        loop {
            let ids = store.roots(from, ROOTS_PER_READ)?;
            for root in self.roots(store, &ids)? {
                matching_count += self.add(&root, &mut found);
            }
            found.complete = ids.len() < ROOTS_PER_READ;
            if found.complete || found.checked_count >= AUDIENCE_SUBJECTS {
                break;
            }
            let Some(next) = ids.last().and_then(|id| id.0.bits().checked_add(1)) else {
                break;
            };
            from = next;
        }
        found.matching_count = Some(matching_count);
        Ok(found)
    }

    /// Roots as they would be under the plan.
    fn roots(
        &self,
        store: &dyn Store,
        ids: &[tenure_core::id::RootId],
    ) -> Result<Vec<Root>, tenure_store::StoreError> {
        let mut roots: Vec<Root> = ids.iter().map(|&id| Root::new(id)).collect();
        for row in store.states(ids)? {
            let (_, state) = decode(&row.bytes)?;
            if let Some(root) = roots.iter_mut().find(|root| root.id == row.root) {
                root.insert(state);
            }
        }
        let mut out = Output::default();
        for root in &mut roots {
            engine::adopt(self.plan, root, self.now, None, &mut out);
            out.clear();
        }
        Ok(roots)
    }

    fn add(&self, root: &Root, found: &mut AudienceCount) -> u64 {
        let mut matching_count = 0;
        for state in root.subjects() {
            let audience = match state.id {
                SubjectId::Account(_) => Audience::Account,
                SubjectId::Person(_) => Audience::Person,
            };
            if audience != self.audience {
                continue;
            }
            found.checked_count += 1;
            if state.in_segment(self.segment) {
                matching_count += 1;
                if found.sample.len() < AUDIENCE_SAMPLE {
                    found.sample.push(state.id);
                }
            }
        }
        matching_count
    }
}
