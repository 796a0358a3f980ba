//! Topics: what happened, for other systems to follow, as CloudEvents in one order.
//!
//! A topic is a view over what is committed anyway: the log, or the order of decisions. Nothing
//! is written for it, so it costs ingest and engine nothing, and each of its records has the id of
//! the thing it tells of: a crash or a replay makes nothing twice. Whether an entry of the log
//! belongs to a topic can be seen from the entry alone (a signal carries its `kind`), so what a
//! topic says never changes afterwards.

mod event;
mod read;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use read::{Portion, Topics};

/// The most records one read gives.
pub const MAX_RECORDS: usize = 1_000;

/// A topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A customer's health zone changed, or a signal of the kind `health` fired.
    CustomerHealthEvents,
    /// A milestone was reached: `milestone_reached`, or a signal of the kind `milestone`.
    MilestoneAchievements,
    /// A chance to expand was found: `opportunity_identified`, or a signal of the kind
    /// `opportunity`.
    OpportunityIdentification,
    /// What programs decided.
    Decisions,
    /// What became of messages.
    Messages,
}

/// Where the records of a topic come from; positions of one source can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The log: a position is that of the entry.
    Log,
    /// Decisions in the order of their commits: a position is the decision's number.
    Decisions,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 5] = [
        Self::CustomerHealthEvents,
        Self::MilestoneAchievements,
        Self::OpportunityIdentification,
        Self::Decisions,
        Self::Messages,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CustomerHealthEvents => "customer_health_events",
            Self::MilestoneAchievements => "milestone_achievements",
            Self::OpportunityIdentification => "opportunity_identification",
            Self::Decisions => "decisions",
            Self::Messages => "messages",
        }
    }

    /// What it tells, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::CustomerHealthEvents => {
                "Changes of health zones, and signals of the kind `health`"
            }
            Self::MilestoneAchievements => {
                "Events `milestone_reached`, and signals of the kind `milestone`"
            }
            Self::OpportunityIdentification => {
                "Events `opportunity_identified`, and signals of the kind `opportunity`"
            }
            Self::Decisions => "What programs decided, with reasons",
            Self::Messages => "What became of messages: sent, delivered, opened, clicked, bounced",
        }
    }

    /// Where its records come from.
    pub fn source(self) -> Source {
        match self {
            Self::Decisions => Source::Decisions,
            _ => Source::Log,
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no topic of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no topic of this name; those there are: {}", Topic::ALL.map(Topic::as_str).join(", "))]
pub struct UnknownTopic;

impl FromStr for Topic {
    type Err = UnknownTopic;

    fn from_str(text: &str) -> Result<Self, UnknownTopic> {
        Self::ALL
            .into_iter()
            .find(|topic| topic.as_str() == text)
            .ok_or(UnknownTopic)
    }
}

/// One record of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicRecord {
    /// Of which topic.
    pub topic: Topic,
    /// Its place in the topic's source.
    pub position: u64,
    /// Its id: that of the event or the decision.
    pub id: String,
    /// Its type, such as `tenure.health_zone_changed`.
    pub kind: String,
    /// The customer, by the id its senders use.
    pub customer_id: Option<String>,
    /// The whole as a CloudEvent 1.0 in JSON.
    pub event: Json,
}
