//! An endpoint: where topics are pushed to, and how far that is.

use serde::{Deserialize, Serialize};
use tenure_connectors::webhook::{PreparedWebhook, Reach, WebhookSecret};
use tenure_core::time::Timestamp;

use crate::error::AppError;
use crate::topics::{Source, Topic, TopicRecord};

/// The most endpoints of a workspace.
pub(super) const MAX_ENDPOINTS: usize = 200;
/// The most entries of each list of a filter.
pub(super) const MAX_FILTER_ENTRIES: usize = 200;
/// The most deliveries a second that an endpoint may ask for.
pub(super) const MAX_RATE_PER_SECOND: u32 = 1_000;
/// The most secrets that are valid at once.
const MAX_SECRETS: usize = 2;
/// The longest text of `about`, and of an entry of a filter, in bytes.
const MAX_TEXT_BYTES: usize = 500;

/// What an endpoint is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// Where to post.
    pub url: String,
    /// What it is for, in words.
    pub about: String,
    /// What it is told.
    pub topics: Vec<Topic>,
    /// Only records that fit.
    pub filter: Filter,
    /// At most so many deliveries a second.
    pub rate_per_second: u32,
}

/// Which records an endpoint wants; an empty list wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Of these types (`tenure.message_sent`).
    pub types: Vec<String>,
    /// About these customers, by the id their senders use.
    pub customer_ids: Vec<String>,
}

/// Whether an endpoint is pushed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// It is.
    Enabled,
    /// It is not; nothing is lost, it goes on where it was.
    Disabled {
        /// Why, for people.
        reason: String,
        /// Since when.
        at: Timestamp,
    },
}

/// A secret, as long as it signs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSecret {
    /// `whsec_…`
    pub text: String,
    /// It signs until then.
    pub until: Option<Timestamp>,
}

impl std::fmt::Debug for EndpointSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointSecret")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// An endpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    pub id: String,
    /// What it is to be.
    pub spec: EndpointSpec,
    /// Whether it is pushed to.
    pub state: EndpointState,
    /// What signs, the newest first.
    pub secrets: Vec<EndpointSecret>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How far an endpoint is. Kept apart from the endpoint, since each delivery moves it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Of the log, all up to here is delivered or not wanted.
    pub log: u64,
    /// Of the decisions, likewise.
    pub decisions: u64,
    /// The record that was tried and not delivered yet.
    pub head: Option<Head>,
    /// Records given up one after another.
    pub given_up_in_a_row: u32,
}

/// A record that was tried and not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Where it comes from.
    pub source: Source,
    /// Its place there.
    pub position: u64,
    /// Attempts so far.
    pub attempt_count: u32,
    /// When it was first tried.
    pub first_at: Timestamp,
    /// When it is tried next.
    pub due_at: Timestamp,
}

impl Cursor {
    /// How far it is in a source.
    pub fn place(&self, source: Source) -> u64 {
        match source {
            Source::Log => self.log,
            Source::Decisions => self.decisions,
        }
    }

    /// Moves in a source.
    pub fn set_place(&mut self, source: Source, position: u64) {
        match source {
            Source::Log => self.log = position,
            Source::Decisions => self.decisions = position,
        }
    }
}

impl EndpointSpec {
    /// Refuses what cannot be, naming the field.
    pub fn check(&self, reach: Reach) -> Result<(), AppError> {
        let invalid = |field: &str, message: String| {
            Err(AppError::Invalid {
                field: field.into(),
                message,
            })
        };
        if let Err(reason) =
            PreparedWebhook::new("check".into(), self.url.clone(), "{}".into(), reach)
        {
            return invalid("url", reason);
        }
        if self.topics.is_empty() {
            return invalid("topics", "name at least one topic".into());
        }
        if !(1..=MAX_RATE_PER_SECOND).contains(&self.rate_per_second) {
            return invalid(
                "rate_per_second",
                format!("must be 1 to {MAX_RATE_PER_SECOND}"),
            );
        }
        if self.about.len() > MAX_TEXT_BYTES {
            return invalid("about", format!("must be at most {MAX_TEXT_BYTES} bytes"));
        }
        for (field, list) in [
            ("filter.types", &self.filter.types),
            ("filter.customer_ids", &self.filter.customer_ids),
        ] {
            let is_long = list.iter().any(|text| text.len() > MAX_TEXT_BYTES);
            if is_long || list.len() > MAX_FILTER_ENTRIES {
                let message = format!(
                    "takes at most {MAX_FILTER_ENTRIES} entries of at most {MAX_TEXT_BYTES} bytes"
                );
                return invalid(field, message);
            }
        }
        Ok(())
    }

    /// The sources of its topics.
    pub fn sources(&self) -> Vec<Source> {
        let mut sources: Vec<_> = self.topics.iter().map(|topic| topic.source()).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }
}

impl Filter {
    /// Whether a record is wanted.
    pub fn admits(&self, record: &TopicRecord) -> bool {
        let named = |list: &[String], value: Option<&str>| {
            list.is_empty() || value.is_some_and(|value| list.iter().any(|known| known == value))
        };
        named(&self.types, Some(&record.kind))
            && named(&self.customer_ids, record.customer_id.as_deref())
    }
}

impl Endpoint {
    /// Whether it is pushed to.
    pub fn is_enabled(&self) -> bool {
        self.state == EndpointState::Enabled
    }

    /// What signs now.
    pub fn signers(&self, now: Timestamp) -> Vec<WebhookSecret> {
        self.secrets
            .iter()
            .filter(|secret| secret.until.is_none_or(|until| now < until))
            .filter_map(|secret| WebhookSecret::parse(&secret.text).ok())
            .collect()
    }

    /// Puts a secret in the place of the one that signs, which goes on signing until `until`.
    pub fn rotate(&mut self, text: String, until: Timestamp) {
        for secret in &mut self.secrets {
            secret.until = Some(secret.until.map_or(until, |known| known.min(until)));
        }
        self.secrets.insert(0, EndpointSecret { text, until: None });
        self.secrets.truncate(MAX_SECRETS);
    }
}
