//! Rows as they are written.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value as Json};
use tenure_app::query::{Item, ItemKind};
use tenure_core::decision::Decision;
use tenure_core::effect::EnrollmentChange;
use tenure_core::log::IdentifierKind;
use tenure_core::subject::SubjectState;
use tenure_store::row::{Message, Task};

/// A person.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PersonRow {
    pub(super) id: String,
    /// The id senders use; the first, if there are several.
    pub(super) user_id: Option<String>,
    pub(super) user_ids: Vec<String>,
    pub(super) anonymous_ids: Vec<String>,
    pub(super) emails: Vec<String>,
    /// The account's id.
    pub(super) account: Option<String>,
    #[schema(value_type = Object)]
    pub(super) traits: Map<String, Json>,
    pub(super) segments: Vec<String>,
    /// Choices by topic; the empty topic is all marketing.
    pub(super) consents: BTreeMap<String, bool>,
    pub(super) suppressed: bool,
    pub(super) created_at: String,
    pub(super) seen_at: String,
}

/// An account.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AccountRow {
    pub(super) id: String,
    /// The id senders use.
    pub(super) external_id: Option<String>,
    #[schema(value_type = Object)]
    pub(super) traits: Map<String, Json>,
    pub(super) segments: Vec<String>,
    /// Zone of its health: `healthy`, `watch` or `at_risk`; null without data.
    pub(super) health_zone: Option<String>,
    /// Score of its health as of the last midnight (UTC) at which one was noted, 0 to 100.
    pub(super) health_score: Option<f64>,
    pub(super) created_at: String,
    pub(super) seen_at: String,
}

/// Something on a timeline.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TimelineRow {
    /// Place in the log.
    pub(super) position: u64,
    /// When it happened.
    pub(super) at: String,
    pub(super) received_at: String,
    /// `event`, `profile`, `merge` or `move`.
    pub(super) kind: &'static str,
    /// The event's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) person: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) properties: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) traits: Option<Map<String, Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) historical: Option<bool>,
    /// In words, for merges and moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<String>,
}

/// One passage through a program.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EnrollmentRow {
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) program: String,
    pub(super) version: u32,
    pub(super) key: Option<String>,
    #[schema(value_type = String)]
    pub(super) status: tenure_core::effect::EnrollmentStatus,
    /// Whether it is, or was until it ended, in a hold-out.
    pub(super) held_out: bool,
    pub(super) step: Option<String>,
    pub(super) entered_at: String,
    /// When this became so.
    pub(super) at: String,
}

/// A decision.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DecisionRow {
    pub(super) id: String,
    pub(super) at: String,
    pub(super) subject: String,
    pub(super) program: String,
    pub(super) version: u32,
    pub(super) enrollment: Option<String>,
    pub(super) step: Option<String>,
    pub(super) outcome: &'static str,
    pub(super) reason: String,
    pub(super) message: Option<String>,
}

/// A message. Its address is never in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MessageRow {
    pub(super) id: String,
    #[schema(value_type = String)]
    pub(super) state: tenure_store::row::MessageState,
    pub(super) state_at: String,
    pub(super) decided_at: String,
    pub(super) due_at: String,
    pub(super) attempt_count: u32,
    pub(super) reason: Option<String>,
    pub(super) channel: String,
    pub(super) template: String,
    pub(super) topic: Option<String>,
    pub(super) transactional: bool,
    pub(super) person: Option<String>,
    pub(super) account: Option<String>,
    pub(super) subject: String,
    pub(super) program: String,
    pub(super) version: u32,
    pub(super) enrollment: String,
    pub(super) step: String,
}

/// Work for a human.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TaskRow {
    pub(super) id: String,
    pub(super) task: String,
    pub(super) title: String,
    pub(super) owner: Option<String>,
    pub(super) due_at: Option<String>,
    /// It rests until then.
    pub(super) snoozed_until: Option<String>,
    pub(super) subject: String,
    pub(super) account: Option<String>,
    pub(super) program: String,
    pub(super) step: String,
    pub(super) created_at: String,
    pub(super) completed_at: Option<String>,
    pub(super) outcome: Option<String>,
}

fn text(value: &impl ToString) -> String {
    value.to_string()
}

fn names(state: &SubjectState, kind: IdentifierKind) -> Vec<String> {
    let of_kind = state.identifiers.iter().filter(|name| name.kind == kind);
    of_kind.map(|name| name.value.to_string()).collect()
}

fn traits(state: &SubjectState) -> Map<String, Json> {
    state
        .traits
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_json()))
        .collect()
}

fn segments(state: &SubjectState) -> Vec<String> {
    state.segments.iter().map(ToString::to_string).collect()
}

impl From<SubjectState> for PersonRow {
    fn from(state: SubjectState) -> Self {
        let user_ids = names(&state, IdentifierKind::UserId);
        let consents = state.contact.consents.iter();
        Self {
            id: text(&state.id),
            user_id: user_ids.first().cloned(),
            user_ids,
            anonymous_ids: names(&state, IdentifierKind::AnonymousId),
            emails: names(&state, IdentifierKind::Email),
            account: state.account.as_ref().map(text),
            traits: traits(&state),
            segments: segments(&state),
            consents: consents
                .map(|(topic, on)| (topic.to_string(), *on))
                .collect(),
            suppressed: state.contact.suppressed,
            created_at: text(&state.created_at),
            seen_at: text(&state.seen_at),
        }
    }
}

impl From<SubjectState> for AccountRow {
    fn from(state: SubjectState) -> Self {
        Self {
            id: text(&state.id),
            external_id: names(&state, IdentifierKind::AccountId).into_iter().next(),
            traits: traits(&state),
            segments: segments(&state),
            health_zone: state.health.zone.map(|zone| zone.as_str().to_owned()),
            health_score: state
                .health
                .last_sample()
                .map(|score| (f64::from(score) * 10.0).round() / 10.0),
            created_at: text(&state.created_at),
            seen_at: text(&state.seen_at),
        }
    }
}

impl From<Item> for TimelineRow {
    fn from(item: Item) -> Self {
        let mut row = Self {
            position: item.position,
            at: text(&item.at),
            received_at: text(&item.received_at),
            kind: "event",
            name: None,
            id: None,
            person: None,
            properties: None,
            traits: None,
            historical: None,
            summary: None,
        };
        match item.kind {
            ItemKind::Event {
                id,
                name,
                properties,
                person,
                historical,
            } => {
                row.name = Some(name);
                row.id = Some(text(&id));
                row.person = person.as_ref().map(text);
                row.properties = Some(serde_json::from_str(&properties).unwrap_or_default());
                row.historical = Some(historical);
            }
            ItemKind::Profile {
                traits,
                identifiers,
            } => {
                row.kind = "profile";
                let json = |value: Option<tenure_core::value::Value>| {
                    value.map_or(Json::Null, |value| value.to_json())
                };
                row.traits = Some(
                    traits
                        .into_iter()
                        .map(|(name, value)| (name.into(), json(value)))
                        .collect(),
                );
                row.summary = (!identifiers.is_empty())
                    .then(|| format!("{} name(s) learned", identifiers.len()));
            }
            ItemKind::Merge(merge) => {
                row.kind = "merge";
                row.summary = Some(format!("{} was merged into {}", merge.from, merge.into));
            }
            ItemKind::Move(moved) => {
                row.kind = "move";
                let name = |account: Option<tenure_core::id::AccountId>| {
                    account.map_or_else(|| "no account".into(), |id| id.to_string())
                };
                row.summary = Some(format!(
                    "moved from {} to {}",
                    name(moved.from),
                    name(moved.to)
                ));
            }
        }
        row
    }
}

impl From<EnrollmentChange> for EnrollmentRow {
    fn from(row: EnrollmentChange) -> Self {
        Self {
            id: text(&row.id),
            subject: text(&row.subject),
            program: row.program.into(),
            version: row.version,
            key: row.key.map(Into::into),
            status: row.status,
            held_out: row.held_out,
            step: row.step.map(Into::into),
            entered_at: text(&row.entered_at),
            at: text(&row.at),
        }
    }
}

impl From<Decision> for DecisionRow {
    fn from(row: Decision) -> Self {
        Self {
            id: text(&row.id),
            at: text(&row.at),
            subject: text(&row.subject),
            program: row.program.into(),
            version: row.version,
            enrollment: row.enrollment.as_ref().map(text),
            step: row.step.map(Into::into),
            outcome: row.outcome.as_str(),
            reason: row.reason.into(),
            message: row.message.as_ref().map(text),
        }
    }
}

impl From<Message> for MessageRow {
    fn from(row: Message) -> Self {
        let intent = row.intent;
        Self {
            id: text(&intent.id),
            state: row.state,
            state_at: text(&row.state_at),
            decided_at: text(&intent.decided_at),
            due_at: text(&row.due_at),
            attempt_count: row.attempt_count,
            reason: row.reason.map(Into::into),
            channel: intent.channel.into(),
            template: intent.template.into(),
            topic: intent.topic.map(Into::into),
            transactional: intent.transactional,
            person: intent.person.as_ref().map(text),
            account: intent.account.as_ref().map(text),
            subject: text(&intent.subject),
            program: intent.program.into(),
            version: intent.version,
            enrollment: text(&intent.enrollment),
            step: intent.step.into(),
        }
    }
}

impl From<Task> for TaskRow {
    fn from(row: Task) -> Self {
        let intent = row.intent;
        Self {
            id: text(&intent.id),
            task: intent.name.into(),
            title: intent.title.into(),
            owner: row.owner.map(Into::into),
            due_at: row.due_at.as_ref().map(text),
            snoozed_until: row.snoozed_until.as_ref().map(text),
            subject: text(&intent.subject),
            account: intent.account.as_ref().map(text),
            program: intent.program.into(),
            step: intent.step.into(),
            created_at: text(&intent.created_at),
            completed_at: row.completed_at.as_ref().map(text),
            outcome: row.outcome.map(Into::into),
        }
    }
}
