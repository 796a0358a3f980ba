//! Publishing definitions: check everything, show what would change, append one entry, backfill.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use tenure_core::define::SourceFile;
use tenure_core::diagnostic::Diagnostic;
use tenure_core::effect::EnrollmentStatus;
use tenure_core::log::{Body, OnPublish, PlanVersion, Published, Sweep, SweepPurpose};
use tenure_core::plan::Plan;
use tenure_store::Batch;
use tenure_store::row::{EnrollmentCount, PlanRow};

use crate::backfill::Overlay;
use crate::bodies::check_bodies;
use crate::catalog::{Catalog, Changes};
use crate::error::AppError;
use crate::node::Node;
use crate::worker::slices_for;

/// The largest set of files taken at once, in bytes.
pub const MAX_SOURCES_BYTES: usize = 16 * 1024 * 1024;
/// How long a publication waits for the backfill of the one before, in seconds.
const WAIT_FOR_BACKFILL_S: u64 = 30;

/// What is to be published.
#[derive(Debug, Clone, Default)]
pub struct PublishRequest {
    /// Definition and template files.
    pub files: Vec<SourceFile>,
    /// Remove what the files do not hold.
    pub prune: bool,
    /// `(kind, name)` of definitions to remove; kind `template` for templates.
    pub removed: Vec<(String, String)>,
    /// Per program, what becomes of running enrollments; those not named keep their version.
    pub on_publish: BTreeMap<String, OnPublish>,
    /// By whom.
    pub author: String,
    /// Refuse unless this plan is in force.
    pub if_version: Option<PlanVersion>,
}

/// What publishing would do.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// Documents and templates that would change.
    pub changes: Changes,
    /// Things worth a look.
    pub warnings: Vec<Diagnostic>,
    /// Programs with running enrollments that would change.
    pub affected: Vec<Affected>,
    /// How many series have to be read from the log.
    pub missing_series_count: usize,
}

/// A program with running enrollments that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Affected {
    /// Its name.
    pub program: String,
    /// What was asked for them.
    pub on_publish: OnPublish,
    /// Running enrollments, all versions.
    pub active_count: u64,
    /// With `migrate`: those at a step that the new version does not have; they exit.
    pub without_step_count: u64,
}

/// What was published.
#[derive(Debug, Clone, Serialize)]
pub struct Publication {
    /// The plan's number; the one in force if nothing changed.
    pub version: PlanVersion,
    /// What changed.
    pub preview: Preview,
}

struct Draft {
    catalog: Catalog,
    plan: Plan,
    preview: Preview,
    version: PlanVersion,
}

impl Node {
    /// The catalogue in force.
    pub fn catalog(&self) -> Result<Catalog, AppError> {
        Ok(Catalog::in_force(self.store().as_ref())?)
    }

    /// Checks what is to be published and says what it would change.
    pub fn validate(&self, request: &PublishRequest) -> Result<Preview, AppError> {
        self.draft(request).map(|draft| draft.preview)
    }

    /// The plan that publishing would give, and how many series it would have to read from the log.
    pub(crate) fn trial(&self, request: &PublishRequest) -> Result<(Plan, usize), AppError> {
        let draft = self.draft(request)?;
        Ok((draft.plan, draft.preview.missing_series_count))
    }

    /// Publishes: from the entry this appends, the new plan is in force; what it needs of the past
    /// is backfilled in the background.
    pub fn publish(&self, request: &PublishRequest) -> Result<Publication, AppError> {
        let _one_at_a_time = self.publishing.lock();
        if !self
            .live()
            .wait_for_backfill(Duration::from_secs(WAIT_FOR_BACKFILL_S))
        {
            return Err(AppError::Conflict(
                "the plan published before is still being backfilled; see its progress with \
                 `tenure doctor`, then try again"
                    .into(),
            ));
        }
        let draft = self.draft(request)?;
        if draft.preview.changes.is_empty() {
            return Ok(Publication {
                version: draft.version - 1,
                preview: draft.preview,
            });
        }
        let plan = PlanRow {
            version: draft.version,
            published_at: self.now(),
            author: request.author.as_str().into(),
            sources: draft.catalog.to_bytes(),
        };
        let programs = draft.catalog.on_publish.clone();
        let entry = Body::Published(Published {
            plan: draft.version,
            programs,
        });
        let position = self.writer().append(
            vec![entry],
            Batch {
                plan: Some(plan),
                ..Batch::default()
            },
        )?;
        self.live().begin_backfill(draft.version, position);
        self.set_templates(&draft.catalog);
        self.spawn_backfill(draft.plan, position)?;
        Ok(Publication {
            version: draft.version,
            preview: draft.preview,
        })
    }

    fn draft(&self, request: &PublishRequest) -> Result<Draft, AppError> {
        let bytes: usize = request.files.iter().map(|file| file.text.len()).sum();
        if bytes > MAX_SOURCES_BYTES {
            return Err(AppError::Invalid {
                field: "files".into(),
                message: format!(
                    "{bytes} bytes are over the limit of {MAX_SOURCES_BYTES}; apply them in parts"
                ),
            });
        }
        let rows = self.store().plans()?;
        let old = rows
            .last()
            .map(Catalog::from_row)
            .transpose()?
            .unwrap_or_default();
        let in_force = rows.last().map_or(0, |row| row.version);
        if request.if_version.is_some_and(|wanted| wanted != in_force) {
            return Err(AppError::Stale { in_force });
        }
        let version = in_force + 1;
        let (mut catalog, mut changes) = old.with_files(&request.files, request.prune, version);
        for (kind, name) in &request.removed {
            catalog.remove(kind, name, &mut changes)?;
        }
        let counts = self.store().enrollment_counts()?;
        catalog.retired = retired(&old, &catalog, &counts);
        let (definitions, mut warnings) = catalog.parse().map_err(AppError::Definitions)?;
        let (_, mut findings) = catalog.templates();
        findings.extend(check_bodies(&definitions));
        if !findings.is_empty() {
            return Err(AppError::Definitions(findings));
        }
        catalog.on_publish = choices(&old, &catalog, &request.on_publish)?;
        let paused = self
            .live()
            .plan()
            .map(|plan| plan.paused.clone())
            .unwrap_or_default();
        let plan = catalog
            .compile(version, *self.salt(), &paused, &rows)
            .map_err(AppError::Definitions)?;
        let missing = match self.live().plan() {
            Some(current) => plan.missing_series(&current).len(),
            None => 0,
        };
        let affected = affected(&old, &catalog, &counts, &definitions.programs);
        warnings.sort_by(|a, b| (&a.file, a.span.start).cmp(&(&b.file, b.span.start)));
        let preview = Preview {
            changes,
            warnings,
            affected,
            missing_series_count: missing,
        };
        Ok(Draft {
            catalog,
            plan,
            preview,
            version,
        })
    }

    /// Reads the past on a thread of its own, then switches over slice by slice.
    pub(crate) fn spawn_backfill(&self, plan: Plan, until: u64) -> Result<(), AppError> {
        let node = self.handle()?;
        let run = move || {
            if let Err(error) = node.backfill(&plan, until) {
                crate::telemetry::backfill_failed(plan.version, &error);
            }
        };
        if self.inline() {
            run();
            return Ok(());
        }
        std::thread::Builder::new()
            .name("backfill".into())
            .spawn(run)
            .map(drop)
            .map_err(|error| AppError::Conflict(format!("no thread for the backfill: {error}")))
    }

    fn backfill(&self, plan: &Plan, until: u64) -> Result<(), AppError> {
        let missing = {
            let rows = self.store().plans()?;
            let old = rows.iter().rev().find(|row| row.version < plan.version);
            let old = match old {
                Some(row) => Catalog::from_row(row)?
                    .compile(row.version, *self.salt(), &BTreeSet::new(), &rows)
                    .map_err(AppError::Definitions)?,
                None => crate::worker::empty_plan(*self.salt())?,
            };
            plan.missing_series(&old)
        };
        let overlay = Overlay::scan(
            self.store().as_ref(),
            plan,
            &missing,
            until,
            &mut |position| {
                self.live().backfill_read(position);
                !self.stopping()
            },
        )?;
        let Some(overlay) = overlay else {
            return Ok(());
        };
        self.live().put_overlay(overlay);
        self.append_sweep(&SweepPurpose::Backfilled(plan.version))
    }

    /// Appends a sweep over all roots, one entry per slice.
    pub(crate) fn append_sweep(&self, purpose: &SweepPurpose) -> Result<(), AppError> {
        let entries = self.sweep_entries(purpose)?;
        self.writer().append(entries, Batch::default()).map(drop)
    }

    /// The entries of a sweep over all roots.
    pub(crate) fn sweep_entries(
        &self,
        purpose: &SweepPurpose,
    ) -> Result<Vec<Body<'static>>, AppError> {
        let (accounts, people) = self.store().subject_counts()?;
        let of = slices_for(accounts + people);
        let entries = (0..of).map(|slice| {
            Body::Sweep(Sweep {
                purpose: purpose.clone(),
                slice,
                of,
            })
        });
        Ok(entries.collect())
    }
}

impl Catalog {
    fn remove(&mut self, kind: &str, name: &str, changes: &mut Changes) -> Result<(), AppError> {
        let before = self.documents.len() + self.templates.len();
        if kind == "template" {
            self.templates.retain(|template| template.name != name);
        } else {
            self.documents
                .retain(|document| document.kind != kind || document.name != name);
        }
        if self.documents.len() + self.templates.len() == before {
            return Err(AppError::NotFound {
                what: "definition",
                name: format!("{kind} {name}"),
            });
        }
        changes.removed.push(format!("{kind} {name}"));
        Ok(())
    }
}

fn is_running(count: &EnrollmentCount) -> bool {
    matches!(
        count.status,
        EnrollmentStatus::Active | EnrollmentStatus::HeldOut
    )
}

/// Older versions with running enrollments, and the versions this publication replaces.
fn retired(old: &Catalog, new: &Catalog, counts: &[EnrollmentCount]) -> Vec<(String, PlanVersion)> {
    let current = new.program_versions();
    let mut retired: BTreeSet<(String, PlanVersion)> = counts
        .iter()
        .filter(|count| is_running(count))
        .map(|count| (count.program.to_string(), count.version))
        .collect();
    retired.extend(old.program_versions());
    retired.retain(|(name, version)| current.get(name) != Some(version));
    retired.into_iter().collect()
}

/// What was chosen for each program that changes or goes.
fn choices(
    old: &Catalog,
    new: &Catalog,
    chosen: &BTreeMap<String, OnPublish>,
) -> Result<Vec<(Box<str>, OnPublish)>, AppError> {
    let versions = new.program_versions();
    for name in chosen.keys() {
        if !versions.contains_key(name) {
            return Err(AppError::Invalid {
                field: format!("on_publish.{name}"),
                message: "there is no program of this name among what is published".into(),
            });
        }
    }
    let before = old.program_versions();
    let changed = versions.iter().filter(|(name, version)| {
        before.get(*name).is_some_and(|known| known != *version) || chosen.contains_key(*name)
    });
    Ok(changed
        .map(|(name, _)| {
            (
                name.as_str().into(),
                chosen.get(name).copied().unwrap_or_default(),
            )
        })
        .collect())
}

fn affected(
    old: &Catalog,
    new: &Catalog,
    counts: &[EnrollmentCount],
    programs: &[tenure_core::define::ProgramDef],
) -> Vec<Affected> {
    let gone = old
        .program_versions()
        .into_keys()
        .filter(|name| !new.program_versions().contains_key(name));
    let choices = new
        .on_publish
        .iter()
        .map(|(name, choice)| (name.to_string(), *choice));
    let mut affected = Vec::new();
    for (program, on_publish) in choices.chain(gone.map(|name| (name, OnPublish::Exit))) {
        let running = || {
            counts
                .iter()
                .filter(|count| is_running(count) && count.program.as_ref() == program.as_str())
        };
        let steps = programs
            .iter()
            .find(|def| def.name == program)
            .map(step_names)
            .unwrap_or_default();
        let lost = running().filter(|count| {
            count
                .step
                .as_deref()
                .is_some_and(|step| !steps.contains(step))
        });
        affected.push(Affected {
            on_publish,
            active_count: running().map(|count| count.count).sum(),
            without_step_count: lost.map(|count| count.count).sum(),
            program,
        });
    }
    affected.retain(|affected| affected.active_count > 0);
    affected
}

fn step_names(program: &tenure_core::define::ProgramDef) -> BTreeSet<String> {
    use tenure_core::define::{StepDef, StepKind, WaitDef};
    fn collect(steps: &[StepDef], names: &mut BTreeSet<String>) {
        for step in steps {
            names.insert(step.name.clone());
            match &step.kind {
                StepKind::Branch(arms) => arms.iter().for_each(|(_, steps)| collect(steps, names)),
                StepKind::Split(arms) => arms.iter().for_each(|arm| collect(&arm.steps, names)),
                StepKind::Wait(WaitDef::Until {
                    then, otherwise, ..
                }) => {
                    collect(then, names);
                    collect(otherwise, names);
                }
                _ => {}
            }
        }
    }
    let mut names = BTreeSet::new();
    collect(&program.steps, &mut names);
    names
}
