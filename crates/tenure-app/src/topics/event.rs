//! From a log entry or a decision to a CloudEvent 1.0 (cloudevents.io), in its JSON format.

use serde_json::{Map, Value as Json, json};
use tenure_core::decision::Decision;
use tenure_core::id::{AccountId, SubjectId};
use tenure_core::log::Event;
use tenure_core::time::Timestamp;

use super::{Topic, TopicRecord};

/// What an event of the log tells to other systems, if anything: its topic and its type. History
/// is told to nobody.
pub(super) fn place(event: &Event<'_>) -> Option<(Topic, String)> {
    if event.historical {
        return None;
    }
    let name = event.name.as_ref();
    match name {
        "health_zone_changed" => {
            return Some((
                Topic::CustomerHealthEvents,
                "tenure.health_zone_changed".into(),
            ));
        }
        "milestone_reached" => {
            return Some((
                Topic::MilestoneAchievements,
                "tenure.milestone_reached".into(),
            ));
        }
        "opportunity_identified" => {
            return Some((
                Topic::OpportunityIdentification,
                "tenure.opportunity_identified".into(),
            ));
        }
        _ => {}
    }
    if name.starts_with("message_") {
        return Some((Topic::Messages, format!("tenure.{name}")));
    }
    if !name.starts_with("signal:") {
        return None;
    }
    let properties: Json = serde_json::from_str(&event.properties).ok()?;
    match properties["kind"].as_str()? {
        "health" => Some((Topic::CustomerHealthEvents, "tenure.health_signal".into())),
        "milestone" => Some((
            Topic::MilestoneAchievements,
            "tenure.milestone_reached".into(),
        )),
        "opportunity" => Some((
            Topic::OpportunityIdentification,
            "tenure.opportunity_identified".into(),
        )),
        _ => None,
    }
}

/// Who a record is about, as far as it is known.
pub(super) struct About {
    pub(super) subject: Option<SubjectId>,
    pub(super) account: Option<AccountId>,
    pub(super) customer_id: Option<String>,
}

/// A record of an event of the log.
pub(super) fn of_event(
    (topic, kind): (Topic, String),
    position: u64,
    event: &Event<'_>,
    about: About,
    source: &str,
) -> TopicRecord {
    let mut data = Map::new();
    let signal = event.name.strip_prefix("signal:");
    match signal {
        Some(signal) => data.insert("signal".into(), signal.into()),
        None => data.insert("event".into(), event.name.as_ref().into()),
    };
    let properties: Json = serde_json::from_str(&event.properties).unwrap_or_default();
    data.insert("properties".into(), properties);
    let id = event.id.to_string();
    record(
        topic,
        kind,
        position,
        (id, event.occurred_at),
        about,
        data,
        source,
    )
}

/// A record of a decision.
pub(super) fn of_decision(
    number: u64,
    decision: &Decision,
    about: About,
    source: &str,
) -> TopicRecord {
    let text = |id: Option<String>| id.map_or(Json::Null, Json::from);
    let data = json!({
        "program": decision.program,
        "version": decision.version,
        "enrollment": text(decision.enrollment.map(|id| id.to_string())),
        "step": decision.step,
        "outcome": decision.outcome.as_str(),
        "reason": decision.reason,
        "message": text(decision.message.map(|id| id.to_string())),
    });
    let data = data.as_object().cloned().unwrap_or_default();
    let kind = "tenure.decision_recorded".to_owned();
    // A decision's id says what was decided; an instant apart it is another one.
    let id = format!("{}-{}", decision.id, decision.at.0);
    record(
        Topic::Decisions,
        kind,
        number,
        (id, decision.at),
        about,
        data,
        source,
    )
}

fn record(
    topic: Topic,
    kind: String,
    position: u64,
    (id, at): (String, Timestamp),
    about: About,
    mut data: Map<String, Json>,
    source: &str,
) -> TopicRecord {
    let account = about.account.map(|account| account.to_string());
    let person = about.subject.and_then(SubjectId::person);
    let person = person.map(|person| person.to_string());
    let subject = account.clone().or_else(|| person.clone());
    data.insert("account".into(), account.into());
    data.insert("customer_id".into(), about.customer_id.clone().into());
    data.insert("person".into(), person.into());
    let mut event = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": kind,
        "time": at.to_string(),
        "datacontenttype": "application/json",
        "topic": topic.as_str(),
        // The extensions `sequence` and `partitioning`: all of a key is in order of the sequence.
        "sequence": format!("{position:020}"),
        "data": data,
    });
    if let Some(subject) = subject {
        event["partitionkey"] = subject.as_str().into();
        event["subject"] = subject.into();
    }
    TopicRecord {
        topic,
        position,
        id,
        kind,
        customer_id: about.customer_id,
        event,
    }
}
