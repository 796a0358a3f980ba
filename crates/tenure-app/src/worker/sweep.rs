//! Sweeps: visiting every root of a slice for a purpose.

use tenure_core::engine;
use tenure_core::id::RootId;
use tenure_core::log::{Entry, PlanVersion, Sweep, SweepPurpose, slice_of, slice_start};
use tenure_core::plan::Plan;

use super::{Worker, empty_plan};
use crate::backfill::Overlay;
use crate::catalog::Catalog;
use crate::error::AppError;
use crate::node::find_published;

/// How many roots are brought into memory at once during a sweep.
const ROOTS_AT_ONCE: usize = 2_000;

impl Worker {
    pub(super) fn sweep(&mut self, entry: &Entry<'_>, sweep: &Sweep) -> Result<(), AppError> {
        self.drain_wakes(entry.received_at)?;
        if let SweepPurpose::Backfilled(version) = sweep.purpose {
            if version != self.plan.version {
                return Ok(());
            }
            self.bring_overlay(version)?;
        }
        for ids in self.roots_of(sweep)?.chunks(ROOTS_AT_ONCE) {
            self.roots.load(self.store.as_ref(), &mut ids.to_vec())?;
            for id in ids {
                self.visit(entry, sweep, *id);
            }
        }
        if let SweepPurpose::Backfilled(version) = sweep.purpose {
            if sweep.slice + 1 == sweep.of {
                self.globals.swept = version;
                self.overlay = None;
                self.merges.clear();
                self.live.backfill_done(version);
            } else {
                self.live.backfill_slice(version, sweep.slice + 1, sweep.of);
            }
        }
        Ok(())
    }

    fn visit(&mut self, entry: &Entry<'_>, sweep: &Sweep, id: RootId) {
        if self
            .roots
            .get(id)
            .is_some_and(|held| held.position >= entry.position)
        {
            return;
        }
        self.ready(id);
        let now = entry.received_at;
        let held = self.roots.get_mut(id);
        engine::wake(&self.plan, &mut held.root, now, &mut self.out);
        match &sweep.purpose {
            SweepPurpose::Backfilled(_) => {
                let mut series = Vec::new();
                if let Some(overlay) = &mut self.overlay {
                    for subject in held.root.subjects() {
                        series.append(&mut overlay.take(subject.id));
                    }
                }
                engine::complete(&self.plan, &mut held.root, series, now, &mut self.out);
            }
            SweepPurpose::Broadcast(program) => {
                engine::broadcast(
                    &self.plan,
                    &mut held.root,
                    program,
                    None,
                    now,
                    &mut self.out,
                );
            }
            SweepPurpose::BroadcastTo { program, segment } => {
                let segment = Some(segment.as_ref());
                engine::broadcast(
                    &self.plan,
                    &mut held.root,
                    program,
                    segment,
                    now,
                    &mut self.out,
                );
            }
            SweepPurpose::Resume(program) => {
                engine::resume(&self.plan, &mut held.root, program, now, &mut self.out);
            }
        }
        self.roots.touched(id, entry.position);
        self.forget_replayed();
    }

    /// The stored roots of a slice and those that are only in memory yet.
    fn roots_of(&self, sweep: &Sweep) -> Result<Vec<RootId>, AppError> {
        let mut ids: Vec<RootId> = self
            .roots
            .ids()
            .into_iter()
            .filter(|id| slice_of(*id, sweep.of) == sweep.slice)
            .collect();
        let mut from = slice_start(sweep.slice, sweep.of);
        loop {
            let page = self.store.roots(from, ROOTS_AT_ONCE)?;
            let full = page.len() == ROOTS_AT_ONCE;
            let mut inside = page
                .iter()
                .copied()
                .filter(|id| slice_of(*id, sweep.of) == sweep.slice);
            let before = ids.len();
            ids.extend(&mut inside);
            let all_inside = ids.len() - before == page.len();
            match page.last().and_then(|last| last.0.bits().checked_add(1)) {
                Some(next) if full && all_inside => from = next,
                _ => break,
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The overlay the background scan left, or (after a restart) a scan of our own.
    fn bring_overlay(&mut self, version: PlanVersion) -> Result<(), AppError> {
        if self.overlay.is_some() {
            return Ok(());
        }
        let mut overlay = match self.live.take_overlay(version) {
            Some(overlay) => overlay,
            None => self.scan(version)?,
        };
        for (from, into) in self.merges.drain(..) {
            overlay.merge(from, into);
        }
        self.overlay = Some(overlay);
        Ok(())
    }

    fn scan(&self, version: PlanVersion) -> Result<Overlay, AppError> {
        let old = self.plan_of(self.globals.swept)?;
        let missing = self.plan.missing_series(&old);
        // What came after the publication the new series have seen already.
        let until = match self.live.published_position(version) {
            Some(position) => position,
            None => find_published(self.store.as_ref(), version)?.unwrap_or(self.at.position),
        };
        let overlay = Overlay::scan(
            self.store.as_ref(),
            &self.plan,
            &missing,
            until,
            &mut |_| true,
        )?;
        Ok(overlay.unwrap_or_else(|| Overlay::empty(version)))
    }

    /// Compiles an earlier plan again.
    pub(super) fn plan_of(&self, version: PlanVersion) -> Result<Plan, AppError> {
        let rows = self.store.plans()?;
        match rows.iter().find(|row| row.version == version) {
            Some(row) => Catalog::from_row(row)?
                .compile(version, self.salt, &self.globals.paused, &rows)
                .map_err(AppError::Definitions),
            None => empty_plan(self.salt),
        }
    }
}

/// Into how many slices a sweep over so many subjects is cut: about 4 000 subjects each.
pub fn slices_for(subject_count: u64) -> u16 {
    (subject_count / 4_000).clamp(1, u64::from(tenure_core::log::MAX_SWEEP_SLICES)) as u16
}

#[cfg(test)]
mod tests {
    use tenure_core::id::{PersonId, SubjectId};

    use super::*;

    #[test]
    fn small_workspaces_are_swept_in_one_slice_and_large_ones_in_many() {
        assert_eq!(slices_for(0), 1);
        assert_eq!(slices_for(40_000), 10);
        assert_eq!(slices_for(100_000_000), 256);
        assert_eq!(
            slice_of(
                RootId(SubjectId::Person(PersonId(u128::MAX))),
                slices_for(40_000)
            ),
            9
        );
    }
}
