//! A trigger: a customer-success system tells something, and hears what every program decided.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tenure_core::decision::Decision;
use tenure_core::id::{AccountId, EventId, SubjectId};
use tenure_core::log::{Body, IdentifierKind, Position, decode};
use tenure_core::plan::Plan;
use tenure_core::program::{Program, ProgramEntry};
use tenure_core::time::Timestamp;
use tenure_store::Page;
use tenure_store::query::{DecisionFilter, MAX_PAGE_ROWS};

use crate::call::{Call, CallKind, Name, event_id};
use crate::error::AppError;
use crate::node::Node;

/// For how long the engine is waited for.
const EVALUATION_TIMEOUT: Duration = Duration::from_secs(5);
/// How many pages of decisions are looked through for those of one moment.
const DECISION_PAGES: usize = 5;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerKind {
    /// The health of the customer crossed a threshold.
    HealthBreach,
    /// The customer reached a milestone.
    Milestone,
    /// The customer may take part in a campaign.
    Eligibility,
}

impl TriggerKind {
    /// The event under which it is in the log.
    pub const fn event_name(self) -> &'static str {
        match self {
            Self::HealthBreach => "cs_health_breach",
            Self::Milestone => "cs_milestone_reached",
            Self::Eligibility => "cs_campaign_eligible",
        }
    }
}

/// A trigger to record.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// What kind.
    pub kind: TriggerKind,
    /// What the sender knows it by; repeats are recorded once.
    pub message_id: Option<String>,
    /// When it happened; `None` is now.
    pub occurred_at: Option<Timestamp>,
    /// What is told with it.
    pub properties: Map<String, Json>,
}

/// What became of a trigger.
#[derive(Debug, Clone, PartialEq)]
pub struct Triggered {
    /// The account.
    pub account: AccountId,
    /// The event.
    pub event: EventId,
    /// Whether it was recorded before under the same message id.
    pub repeated: bool,
    /// When it was recorded; `None` for a repeat.
    pub recorded_at: Option<Timestamp>,
    /// Whether the engine has applied it. If not, decisions follow and can be asked for.
    pub evaluated: bool,
    /// Every current program, in the order of their names.
    pub programs: Vec<Considered>,
}

/// What one program made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Considered {
    /// The program.
    pub program: String,
    /// Whether the trigger led to a decision of it.
    pub decided: bool,
    /// The reason in words.
    pub reason: String,
    /// What it decided, in order; without a new decision the last one it took about the customer.
    pub decisions: Vec<Decision>,
}

impl Node {
    /// Records a trigger as an event of the account, waits until the engine has applied it, and
    /// tells what every program decided. `fallback_id` names it when the sender gives no id.
    pub fn trigger(
        &self,
        external_id: &str,
        trigger: &Trigger,
        fallback_id: EventId,
    ) -> Result<Triggered, AppError> {
        let (account, _) = self.customer(external_id)?;
        let event = match &trigger.message_id {
            Some(id) => event_id(self.salt(), id),
            None => fallback_id,
        };
        let before = self.log_end();
        let decided_before = self.store().decision_end()?;
        let call = Call {
            event_id: event,
            kind: CallKind::Track {
                name: trigger.kind.event_name().into(),
                properties: Json::Object(trigger.properties.clone()).to_string().into(),
            },
            user: None,
            anonymous: None,
            email: None,
            account: Some(Name::new(
                self.salt(),
                IdentifierKind::AccountId,
                external_id,
            )),
            occurred_at: trigger.occurred_at,
            historical: false,
        };
        let ingested = self.writer().ingest_and_wait(vec![call])?;
        let repeated = ingested.accepted_count == 0;
        let found = if repeated {
            None
        } else {
            self.find_event(event, before + 1)?
        };
        let evaluated = match found {
            Some((position, _)) => self.wait_applied(position, EVALUATION_TIMEOUT)?,
            None => true,
        };
        let recorded_at = found.map(|(_, at)| at);
        Ok(Triggered {
            account,
            event,
            repeated,
            recorded_at,
            evaluated,
            programs: self.considered(account, trigger.kind, decided_before, recorded_at)?,
        })
    }

    /// Where an event that was just written is, and when it was received.
    fn find_event(
        &self,
        id: EventId,
        mut from: Position,
    ) -> Result<Option<(Position, Timestamp)>, AppError> {
        loop {
            let chunks = self.store().read_log(from, 1 << 20, None)?;
            let Some(last) = chunks.last() else {
                return Ok(None);
            };
            from = last.last() + 1;
            for chunk in &chunks {
                let mut entries = decode(chunk.first, &chunk.bytes).flatten();
                let found = entries
                    .find(|entry| matches!(&entry.body, Body::Event(event) if event.id == id));
                if let Some(entry) = found {
                    return Ok(Some((entry.position, entry.received_at)));
                }
            }
        }
    }

    fn considered(
        &self,
        account: AccountId,
        kind: TriggerKind,
        decided_before: u64,
        since: Option<Timestamp>,
    ) -> Result<Vec<Considered>, AppError> {
        let Some(plan) = self.live().plan() else {
            return Ok(Vec::new());
        };
        let mut fresh = match since {
            Some(since) => self.decisions_since(account, decided_before, since)?,
            None => BTreeMap::new(),
        };
        let mut programs = Vec::new();
        for program in plan.programs.iter().filter(|program| program.current) {
            let decisions = fresh.remove(&*program.name).unwrap_or_default();
            programs.push(self.one_considered(&plan, program, account, kind, decisions)?);
        }
        programs.sort_by(|a, b| a.program.cmp(&b.program));
        Ok(programs)
    }

    fn one_considered(
        &self,
        plan: &Plan,
        program: &Program,
        account: AccountId,
        kind: TriggerKind,
        mut decisions: Vec<Decision>,
    ) -> Result<Considered, AppError> {
        let decided = !decisions.is_empty();
        if !decided {
            decisions = self.last_decision(account, &program.name)?;
        }
        let reason = match decisions.last() {
            Some(last) if decided => last.reason.to_string(),
            _ if plan.paused.contains(&*program.name) => "the program is paused".to_owned(),
            Some(last) => format!("nothing new: its last answer stands ({})", last.reason),
            None => untouched(&program.entry, kind),
        };
        Ok(Considered {
            program: program.name.to_string(),
            decided,
            reason,
            decisions,
        })
    }

    fn last_decision(&self, account: AccountId, program: &str) -> Result<Vec<Decision>, AppError> {
        let filter = DecisionFilter {
            subject: Some(SubjectId::Account(account)),
            program: Some(program.to_owned()),
            outcome: None,
        };
        let page = Page {
            after: None,
            limit: 1,
        };
        Ok(self.store().decisions(&filter, &page)?)
    }

    /// Decisions about an account and its people that were committed after number `after` and are
    /// not older than `since`, by program, in order.
    fn decisions_since(
        &self,
        account: AccountId,
        mut after: u64,
        since: Timestamp,
    ) -> Result<BTreeMap<String, Vec<Decision>>, AppError> {
        let all = Page {
            after: None,
            limit: MAX_PAGE_ROWS,
        };
        let people = self.store().people_of(account, &all)?;
        let mut subjects: BTreeSet<SubjectId> = people.into_iter().map(SubjectId::Person).collect();
        subjects.insert(SubjectId::Account(account));
        let mut found: BTreeMap<String, Vec<Decision>> = BTreeMap::new();
        for _ in 0..DECISION_PAGES {
            let rows = self.store().decisions_from(after, MAX_PAGE_ROWS)?;
            let Some((last, _)) = rows.last() else { break };
            after = *last;
            let wanted = rows
                .into_iter()
                .map(|(_, row)| row)
                .filter(|row| row.at >= since && subjects.contains(&row.subject));
            for row in wanted {
                found.entry(row.program.to_string()).or_default().push(row);
            }
        }
        Ok(found)
    }
}

/// Why a program took no decision.
fn untouched(entry: &ProgramEntry, kind: TriggerKind) -> String {
    let name = kind.event_name();
    match entry {
        ProgramEntry::Event { event, .. } if **event == *name => {
            format!("it enters on `{name}`, but for subjects of another kind")
        }
        ProgramEntry::Event { event, .. } => {
            format!("it enters on `{event}`, not on `{name}`")
        }
        ProgramEntry::When { .. } => "its entry condition did not become true".to_owned(),
        ProgramEntry::Segment { segment, .. } => {
            format!("the customer did not enter the segment `{segment}`")
        }
        ProgramEntry::Signal(signal) => format!("the signal `{signal}` did not fire"),
        ProgramEntry::Schedule { .. } => "it enters on its schedule".to_owned(),
        ProgramEntry::Date { property, .. } => {
            format!("it enters at a time relative to `{property}`")
        }
        ProgramEntry::Api => "it enters by API or by hand".to_owned(),
        ProgramEntry::Broadcast(_) => "it is sent by hand".to_owned(),
        ProgramEntry::Closed => "nobody enters it any more".to_owned(),
    }
}
