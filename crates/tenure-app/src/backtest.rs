//! Backtests: what definitions would have said on the log so far.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tenure_core::backtest::{Backtest, Report, Target, TargetReport};
use tenure_core::define::{Audience, Condition, Definitions, Place, SegmentDef, SourceFile};
use tenure_core::diagnostic::Diagnostic;
use tenure_core::lang::parse_condition;
use tenure_core::log::{Body, Entry, Event, Profile};
use tenure_core::plan::{Plan, PlanSources};
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_store::StoreError;

use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::AppError;
use crate::jobs::{Job, JobKind, JobRun};
use crate::log_scan::each_entry;
use crate::node::Node;
use crate::publish::MAX_SOURCES_BYTES;

/// Name of the segment that stands for the outcome; no definition can have it.
const OUTCOME: &str = "(outcome)";
/// The longest period and horizon, in days.
const MAX_DAYS: u32 = 3_660;
/// Imported entries that are put in the order in which they occurred; if there are more, they stay where they are, at
/// the moment of the import.
const MAX_IMPORTED: usize = 3_000_000;
/// Progress is told after so many entries.
const TOLD_EVERY: u64 = 500;

/// What is to be tested.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BacktestRequest {
    /// Definition files; what they define is tested, beside what is in force otherwise.
    pub files: Vec<SourceFile>,
    /// The period begins so many days before now.
    pub since_days: u32,
    /// An outcome counts for a trigger within so many days.
    pub horizon_days: u32,
    /// The condition whose becoming true is the outcome.
    pub outcome: String,
}

/// Told how much is done of how much; an error ends the work.
type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<(), AppError>;

/// A backtest as a job: one at a time, the others wait.
#[derive(Debug)]
pub struct BacktestJob;

impl JobKind for BacktestJob {
    fn name(&self) -> &'static str {
        "backtest"
    }

    fn run(&self, node: &Node, job: &JobRun<'_>) -> Result<Json, AppError> {
        let request: BacktestRequest = serde_json::from_value(job.input().clone())
            .map_err(|error| StoreError::Damaged(format!("a backtest: {error}")))?;
        let report =
            node.backtest_with(&request, &mut |done, total| job.progress(done, Some(total)))?;
        Ok(shown(&report))
    }
}

/// A report as its readers get it.
fn shown(report: &Report) -> Json {
    let target = |found: &TargetReport| {
        let triggers = found.triggers.iter();
        let triggers = triggers
            .map(|(subject, at)| json!({"subject": subject.to_string(), "at": at.to_string()}));
        json!({
            "target": found.target,
            "announcement": found.announcement,
            "triggers": triggers.collect::<Vec<Json>>(),
        })
    };
    json!({
        "entry_count": report.entry_count,
        "targets": report.targets.iter().map(target).collect::<Vec<Json>>(),
        "health": report.health,
    })
}

fn is_historical(body: &Body<'_>) -> bool {
    match body {
        Body::Event(event) => event.historical,
        Body::Profile(profile) => profile.historical,
        _ => false,
    }
}

/// A historical entry as if it was received when it occurred.
fn as_it_occurred(entry: &Entry<'_>) -> Option<Entry<'static>> {
    let (received_at, body) = match &entry.body {
        Body::Event(event) => (
            event.occurred_at,
            Body::Event(Event {
                historical: false,
                name: String::from(&*event.name).into(),
                properties: String::from(&*event.properties).into(),
                ..*event
            }),
        ),
        Body::Profile(profile) => (
            profile.occurred_at,
            Body::Profile(Profile {
                historical: false,
                ..profile.clone()
            }),
        ),
        _ => return None,
    };
    Some(Entry {
        position: entry.position,
        received_at,
        body,
    })
}

impl Node {
    /// Replays the log under the given definitions and judges them by the outcome. Nothing is
    /// published and nothing is sent. It takes memory for all subjects once more.
    ///
    /// Imported history is replayed at the moments at which it occurred, as if Tenure had been there.
    pub fn backtest(&self, request: &BacktestRequest) -> Result<Report, AppError> {
        self.backtest_with(request, &mut |_, _| Ok(()))
    }

    /// The same; `progress` is told how many entries are done of how many, and ends it with an error.
    pub fn backtest_with(
        &self,
        request: &BacktestRequest,
        progress: Progress<'_>,
    ) -> Result<Report, AppError> {
        check(request)?;
        let (plan, targets) = self.question(request)?;
        let now = self.now();
        let since = now.plus_ms(-i64::from(request.since_days) * DAY_MS);
        let horizon_ms = i64::from(request.horizon_days) * DAY_MS;
        let mut test = Backtest::new(&plan, &targets, OUTCOME, since, horizon_ms);
        self.replay(now, &mut test, progress)?;
        Ok(test.finish(now))
    }

    /// Queues a backtest; what is asked is checked at once.
    pub fn start_backtest(&self, request: &BacktestRequest, by: &Actor) -> Result<Job, AppError> {
        check(request)?;
        self.question(request)?;
        let input = serde_json::to_value(request)
            .map_err(|error| StoreError::Other(format!("a backtest cannot be kept: {error}")))?;
        self.jobs().start(&BacktestJob, input, by)
    }

    fn replay(
        &self,
        until: Timestamp,
        test: &mut Backtest<'_>,
        progress: Progress<'_>,
    ) -> Result<(), AppError> {
        let end = self.store().log_end()?;
        let imported = self.imported(until, progress)?;
        let is_sorted = imported.is_some();
        let mut imported = imported.unwrap_or_default().into_iter().peekable();
        let mut done = 0;
        self.read_entries(until, &mut |entry| {
            if is_sorted && is_historical(&entry.body) {
                return Ok(());
            }
            while let Some(earlier) = imported.next_if(|one| one.received_at <= entry.received_at) {
                test.apply(&earlier);
                done += 1;
                if done % TOLD_EVERY == 0 {
                    progress(done, end)?;
                }
            }
            test.apply(entry);
            done += 1;
            if done % TOLD_EVERY == 0 {
                progress(done, end)?;
            }
            Ok(())
        })?;
        for earlier in imported {
            test.apply(&earlier);
        }
        progress(end, end)
    }

    /// Imported history in the order in which it occurred, each as if it was received then; `None` if it is too much.
    fn imported(
        &self,
        until: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Option<Vec<Entry<'static>>>, AppError> {
        let end = self.store().log_end()?;
        let mut found = Some(Vec::new());
        self.read_entries(until, &mut |entry| {
            if entry.position % TOLD_EVERY == 0 {
                progress(0, end)?;
            }
            let Some(kept) = found.as_mut().filter(|_| is_historical(&entry.body)) else {
                return Ok(());
            };
            kept.extend(as_it_occurred(entry));
            if kept.len() > MAX_IMPORTED {
                found = None;
            }
            Ok(())
        })?;
        if let Some(found) = &mut found {
            found.sort_by_key(|entry| (entry.received_at, entry.position));
        }
        Ok(found)
    }

    fn read_entries(
        &self,
        until: Timestamp,
        each: &mut dyn FnMut(&Entry<'_>) -> Result<(), AppError>,
    ) -> Result<(), AppError> {
        let end = self.store().log_end()?;
        let look = |entry: &Entry<'_>| {
            if entry.received_at <= until {
                each(entry)?;
            }
            Ok(())
        };
        each_entry(self.store().as_ref(), end, look, |_| Ok(()))
    }

    fn question(&self, request: &BacktestRequest) -> Result<(Plan, Vec<Target>), AppError> {
        let version = self.store().plans()?.last().map_or(0, |row| row.version) + 1;
        let (catalog, _) = self.catalog()?.with_files(&request.files, false, version);
        let (mut current, _) = catalog.parse().map_err(AppError::Definitions)?;
        let (given, _) = Catalog::default().with_files(&request.files, false, version);
        let (targets, audience) = targets(&given, &current)?;
        current.segments.push(outcome(&request.outcome, audience)?);
        let plan = Plan::compile(PlanSources {
            version,
            salt: *self.salt(),
            current,
            program_versions: BTreeMap::new(),
            retired: Vec::new(),
            paused: BTreeSet::new(),
        });
        Ok((plan.map_err(AppError::Definitions)?, targets))
    }
}

fn invalid(field: &str, message: impl Into<String>) -> AppError {
    AppError::Invalid {
        field: field.into(),
        message: message.into(),
    }
}

fn check(request: &BacktestRequest) -> Result<(), AppError> {
    let bytes: usize = request.files.iter().map(|file| file.text.len()).sum();
    if bytes > MAX_SOURCES_BYTES {
        let message = format!("{bytes} bytes are over the limit of {MAX_SOURCES_BYTES}");
        return Err(invalid("files", message));
    }
    for (field, days) in [
        ("since_days", request.since_days),
        ("horizon_days", request.horizon_days),
    ] {
        if !(1..=MAX_DAYS).contains(&days) {
            let message = format!("{days} is out of range; it goes from 1 to {MAX_DAYS}");
            return Err(invalid(field, message));
        }
    }
    Ok(())
}

/// What the given documents define, all of one audience.
fn targets(given: &Catalog, current: &Definitions) -> Result<(Vec<Target>, Audience), AppError> {
    let mut found: BTreeMap<Target, Audience> = BTreeMap::new();
    for document in &given.documents {
        let name = document.name.clone();
        let named = |known: &str| known == name;
        let target = match document.kind.as_str() {
            "segment" => {
                let def = current.segments.iter().find(|def| named(&def.name));
                def.map(|def| (Target::Segment(name.clone()), def.audience))
            }
            "signal" => {
                let def = current.signals.iter().find(|def| named(&def.name));
                def.map(|def| (Target::Signal(name.clone()), def.audience))
            }
            "program" => {
                let def = current.programs.iter().find(|def| named(&def.name));
                def.map(|def| (Target::Program(name.clone()), def.audience))
            }
            "health" => {
                let def = current.health.iter().find(|def| named(&def.name));
                def.map(|def| (Target::Health(def.audience), def.audience))
            }
            _ => None,
        };
        found.extend(target);
    }
    let mut audiences = found.values();
    let Some(&audience) = audiences.next() else {
        return Err(invalid(
            "files",
            "they define no segment, signal, program or health to test",
        ));
    };
    if audiences.any(|other| *other != audience) {
        return Err(invalid(
            "files",
            "some are about people and some about accounts; test them apart, since the outcome is about one of them",
        ));
    }
    Ok((found.into_keys().collect(), audience))
}

fn outcome(text: &str, audience: Audience) -> Result<SegmentDef, AppError> {
    let expr = parse_condition(text, audience).map_err(|findings| {
        let told = findings
            .into_iter()
            .map(|found| found.diagnostic("outcome", text, 0));
        AppError::Definitions(told.collect::<Vec<Diagnostic>>())
    })?;
    Ok(SegmentDef {
        name: OUTCOME.into(),
        about: String::new(),
        audience,
        when: Condition {
            text: text.to_owned(),
            expr,
            place: Place::default(),
        },
        place: Place::default(),
    })
}
