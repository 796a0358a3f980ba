//! Lists at providers that hold the people of a segment.
//!
//! When the engine moves somebody into or out of a segment that a list follows, the change is written down in the same
//! commit as the membership itself. So none is lost, and none is there that did not happen. Here they are carried out
//! in that order, and struck out when the provider has them: at least once, which does no harm, since adding a member
//! twice is adding it once.

use serde::{Deserialize, Serialize};
use tenure_connectors::Outcome;
use tenure_connectors::provider::{Change, Item, Mode, Move, Pushed, push};
use tenure_core::effect::MembershipChange;
use tenure_core::id::SubjectId;
use tenure_core::time::Timestamp;
use tenure_store::query::{MAX_PAGE_ROWS, RecordFilter};
use tenure_store::row::{Mark, Record};
use tenure_store::{Batch, Page};

use super::config::Config;
use super::push::who;
use super::{CONFIGS, Connectors};
use crate::error::AppError;
use crate::records::{all, record, value};
use crate::telemetry;

/// Collection of changes that wait to be carried out.
pub(super) const CHANGES: &str = "connector_list_change";
/// Collection of how lists fare.
pub(super) const PROGRESS: &str = "connector_list";
/// Changes carried out at once.
const BATCH_CHANGES: usize = 500;
/// First pause after a failure, in milliseconds; it doubles with each further one.
const PAUSE_MS: i64 = 2_000;
/// Longest pause, in milliseconds.
const PAUSE_MAX_MS: i64 = 600_000;
/// Most doublings.
const DOUBLINGS_MAX: u32 = 10;

/// A change of a segment that some connectors' lists follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    segment: Box<str>,
    subject: String,
    entered: bool,
    /// Only for this list; for all that follow the segment without it.
    #[serde(default)]
    list: Option<String>,
}

/// How the lists of a connector fare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListProgress {
    /// Members added and removed.
    pub moved_count: u64,
    /// Changes that the provider refused for good, or that concern nobody it could know.
    pub refused_count: u64,
    /// Why it refused the last of them.
    pub refusal: Option<String>,
    /// Failures since the last success.
    pub failure_count: u32,
    /// The last of them.
    pub failure: Option<String>,
    /// When it is tried again.
    pub due_at: Option<Timestamp>,
}

/// Which connectors follow which segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Followed(Vec<(String, String)>);

impl Followed {
    /// What must be written down with these changes of memberships, which are committed up to a mark.
    pub fn records(&self, changes: &[MembershipChange], mark: Mark) -> Vec<Record> {
        let mut records = Vec::new();
        for (number, change) in changes.iter().enumerate() {
            for (_, connector) in self.0.iter().filter(|(name, _)| **name == *change.segment) {
                let waiting = Waiting {
                    segment: change.segment.clone(),
                    subject: change.subject.to_string(),
                    entered: change.entered,
                    list: None,
                };
                // In the order in which they happened.
                let key = format!(
                    "{connector}/{:020}-{:016}-{number:06}",
                    mark.position, mark.at.0
                );
                records.push(record(CHANGES, &key, mark.at, &waiting));
            }
        }
        records
    }
}

impl Connectors {
    /// Tells the engine's worker which changes of memberships to write down.
    pub(super) fn follow_segments(&self) -> Result<(), AppError> {
        let configs: Vec<Config> = all(self.store.as_ref(), CONFIGS, "")?;
        self.live.follow(Followed(pairs(&configs)));
        Ok(())
    }

    /// Writes down the present members of segments that get a list with `config`. The changes that come meanwhile are
    /// written down already, and behind these.
    pub(super) fn bind(&self, before: Option<&Config>, config: &Config) -> Result<(), AppError> {
        let mut configs: Vec<Config> = all(self.store.as_ref(), CONFIGS, "")?;
        configs.retain(|kept| kept.name != config.name);
        configs.push(config.clone());
        self.live.follow(Followed(pairs(&configs)));
        for binding in &config.lists {
            if before.is_some_and(|before| before.lists.contains(binding)) {
                continue;
            }
            let mut page = Page {
                after: None,
                limit: MAX_PAGE_ROWS,
            };
            loop {
                let members = self.store.members(&binding.segment, &page)?;
                let Some(last) = members.last() else {
                    break;
                };
                page.after = Some(last.subject.to_string());
                let records = members.iter().map(|member| {
                    let waiting = Waiting {
                        segment: binding.segment.as_str().into(),
                        subject: member.subject.to_string(),
                        entered: true,
                        list: Some(binding.list.clone()),
                    };
                    let list = &binding.list;
                    let key = format!("{}/{:020}-{}-{list}", config.name, 0, member.subject);
                    self.record(CHANGES, &key, &waiting)
                });
                self.commit(Batch {
                    records: records.collect(),
                    ..Batch::default()
                })?;
            }
        }
        Ok(())
    }

    pub(super) fn list_progress(&self, name: &str) -> Result<ListProgress, AppError> {
        let kept = self.kept_one(PROGRESS, &format!("{name}/"))?;
        Ok(kept.unwrap_or_default())
    }

    /// Whether something waits for the lists of a connector.
    pub(super) fn waits(&self, name: &str) -> Result<bool, AppError> {
        let filter = RecordFilter {
            collection: CHANGES.into(),
            prefix: format!("{name}/"),
            descending: false,
        };
        let page = Page {
            after: None,
            limit: 1,
        };
        Ok(!self.store.records(&filter, &page)?.is_empty())
    }

    /// Carries out what waits for the lists of a connector; says whether more may wait.
    pub fn step_lists(&self, name: &str) -> Result<bool, AppError> {
        let config = self.config(name)?;
        let Ok(_hand) = self.take_hand(&format!("{name}/lists")) else {
            return Ok(false);
        };
        let mut progress = self.list_progress(name)?;
        let now = self.clock.now();
        if progress.due_at.is_some_and(|due_at| due_at > now) {
            return Ok(false);
        }
        let filter = RecordFilter {
            collection: CHANGES.into(),
            prefix: format!("{name}/"),
            descending: false,
        };
        let page = Page {
            after: None,
            limit: BATCH_CHANGES,
        };
        let rows = self.store.records(&filter, &page)?;
        if rows.is_empty() {
            return Ok(false);
        }
        let done = self.carry_out(&config, &rows, &mut progress)?;
        progress.note_pause(now);
        let struck = rows[..done].iter();
        self.commit(Batch {
            records: vec![self.record(PROGRESS, &format!("{name}/"), &progress)],
            records_removed: struck
                .map(|row| (CHANGES.into(), row.key.clone()))
                .collect(),
            ..Batch::default()
        })?;
        Ok(progress.failure.is_none())
    }

    /// How many of these changes are settled, from the first on.
    fn carry_out(
        &self,
        config: &Config,
        rows: &[Record],
        progress: &mut ListProgress,
    ) -> Result<usize, AppError> {
        let connector = match self.connector(&config.name) {
            Ok(connector) => connector,
            Err(error) => {
                progress.fail(&error.to_string(), None);
                return Ok(0);
            }
        };
        let mut items = Vec::new();
        // For each change, where its items end.
        let mut ends = Vec::new();
        for row in rows {
            let waiting: Waiting = value(row)?;
            items.extend(self.items(config, &row.key, &waiting, progress)?);
            ends.push(items.len());
        }
        if let Err((shut, pause_ms)) = self.enter(&config.name) {
            progress.fail(&shut, Some(pause_ms));
            return Ok(0);
        }
        let pushed = push(connector.as_ref(), &items, Mode::Write, self.clock.now().0);
        self.note_pushed(&config.name, &pushed);
        progress.failure = None;
        let failed = pushed.iter().position(|pushed| !progress.settles(pushed));
        if failed.is_none() {
            (progress.failure_count, progress.due_at) = (0, None);
        } else {
            let failure = progress.failure.clone().unwrap_or_default();
            telemetry::connector_failed(&config.name, "lists", &failure);
        }
        let settled = failed.unwrap_or(pushed.len());
        Ok(ends.iter().take_while(|end| **end <= settled).count())
    }

    /// One item per list that follows the segment.
    fn items(
        &self,
        config: &Config,
        key: &str,
        waiting: &Waiting,
        progress: &mut ListProgress,
    ) -> Result<Vec<Item>, AppError> {
        let subject: Option<SubjectId> = waiting.subject.parse().ok();
        let state = match subject {
            Some(subject @ SubjectId::Person(_)) => self.query().subject(subject)?,
            _ => None,
        };
        let Some(state) = state else {
            progress.refused_count += 1;
            progress.refusal = Some("lists hold people, and this is none that is known".into());
            return Ok(Vec::new());
        };
        let who = who(&state);
        let wanted = |list: &str| waiting.list.as_ref().is_none_or(|only| only == list);
        let lists = config.lists.iter();
        let lists = lists.filter(|bound| *bound.segment == *waiting.segment && wanted(&bound.list));
        Ok(lists
            .map(|bound| Item {
                id: format!("{key}-{}", bound.list),
                change: Change::Member {
                    who: who.clone(),
                    list: bound.list.clone(),
                    direction: if waiting.entered {
                        Move::Add
                    } else {
                        Move::Remove
                    },
                },
            })
            .collect())
    }
}

impl ListProgress {
    /// Notes what came of an item; whether it need not be tried again.
    fn settles(&mut self, pushed: &Pushed) -> bool {
        let Pushed::Attempted { attempt } = pushed else {
            return true;
        };
        match &attempt.outcome {
            Outcome::Accepted { .. } => {
                self.moved_count += 1;
                true
            }
            // Asked again, it is carried out once more, which does no harm.
            Outcome::Unknown { reason } | Outcome::NotSent { reason } => {
                self.fail(reason, attempt.retry_after_ms);
                false
            }
            Outcome::Rejected { reason, .. } if attempt.outcome.may_retry() => {
                self.fail(reason, attempt.retry_after_ms);
                false
            }
            Outcome::Rejected { reason, .. } => {
                self.refused_count += 1;
                self.refusal = Some(reason.clone());
                true
            }
        }
    }

    /// Notes a failure; the pause is counted from when the attempt began, by [`Self::note_pause`].
    fn fail(&mut self, reason: &str, retry_after_ms: Option<i64>) {
        let doublings = self.failure_count.min(DOUBLINGS_MAX);
        let pause_ms = (PAUSE_MS << doublings).min(PAUSE_MAX_MS);
        self.failure_count = self.failure_count.saturating_add(1);
        self.failure = Some(reason.to_owned());
        self.due_at = Some(Timestamp(retry_after_ms.unwrap_or(pause_ms)));
    }

    fn note_pause(&mut self, now: Timestamp) {
        if self.failure.is_some() {
            self.due_at = self.due_at.map(|pause| now.plus_ms(pause.0));
        }
    }
}

/// Pairs of segment and connector, each once.
fn pairs(configs: &[Config]) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = configs
        .iter()
        .flat_map(|config| {
            let segments = config.lists.iter().map(|bound| bound.segment.clone());
            segments.map(|segment| (segment, config.name.clone()))
        })
        .collect();
    pairs.sort();
    pairs.dedup();
    pairs
}
