//! What is kept of deliveries: a line an attempt, and what was given up.

use serde::{Deserialize, Serialize};
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_store::query::RecordFilter;
use tenure_store::{Batch, Page, StoreError};

use super::Webhooks;
use crate::error::AppError;
use crate::query::Listed;
use crate::records::value;
use crate::topics::{Source, Topic};

/// Collection of the delivery log.
pub(super) const DELIVERIES: &str = "webhook_delivery";
/// Collection of records that were given up.
pub(super) const LETTERS: &str = "webhook_letter";
/// How long the delivery log is kept, in milliseconds: a week.
const DELIVERIES_KEPT_MS: i64 = 7 * DAY_MS;
/// How long what was given up is kept, in milliseconds: 90 days.
const LETTERS_KEPT_MS: i64 = 90 * DAY_MS;

/// What an attempt led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The receiver took it.
    Delivered,
    /// It did not; it is tried again.
    Failed,
    /// It did not, and is not tried again.
    GivenUp,
}

/// One attempt. What was sent is in the topic, at the position; it is not kept twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// To which endpoint.
    pub endpoint: String,
    /// The `webhook-id`: that of the event.
    pub event: String,
    /// Its type.
    pub kind: String,
    /// Its topic.
    pub topic: Topic,
    /// Its place there.
    pub position: u64,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The status of the answer, if one came.
    pub status: Option<u16>,
    /// What it led to.
    pub outcome: DeliveryOutcome,
    /// Why it failed, for people.
    pub reason: Option<String>,
}

/// A record that an endpoint was not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookLetter {
    /// Its id.
    pub id: String,
    /// Which endpoint.
    pub endpoint: String,
    /// The id of the event.
    pub event: String,
    /// Its topic.
    pub topic: Topic,
    /// Its place there.
    pub position: u64,
    /// Attempts that were made.
    pub attempt_count: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl WebhookLetter {
    /// Where its topic comes from.
    pub fn source(&self) -> Source {
        self.topic.source()
    }
}

impl Webhooks {
    /// Attempts at an endpoint, the latest first.
    pub fn deliveries(&self, endpoint: &str, page: &Page) -> Result<Listed<Delivery>, AppError> {
        self.endpoint(endpoint)?;
        let filter = RecordFilter {
            collection: DELIVERIES.into(),
            prefix: format!("{endpoint}/"),
            descending: true,
        };
        self.rows(&filter, page)
    }

    /// What was given up, the latest first.
    pub fn letters(&self, page: &Page) -> Result<Listed<WebhookLetter>, AppError> {
        let filter = RecordFilter {
            collection: LETTERS.into(),
            prefix: String::new(),
            descending: true,
        };
        self.rows(&filter, page)
    }

    /// How many records were given up and are kept.
    pub fn letter_count(&self) -> Result<u64, StoreError> {
        self.store.record_count(LETTERS)
    }

    fn rows<T: serde::de::DeserializeOwned>(
        &self,
        filter: &RecordFilter,
        page: &Page,
    ) -> Result<Listed<T>, AppError> {
        let wanted = Page {
            after: page.after.clone(),
            limit: page.limit + 1,
        };
        let rows = self.store.records(filter, &wanted)?;
        let listed = Listed::cut(rows, page.limit, |row| row.key.to_string());
        let parsed: Result<Vec<T>, StoreError> = listed.rows.iter().map(value).collect();
        Ok(Listed {
            rows: parsed?,
            next: listed.next,
        })
    }

    /// Lets go of what is older than it is kept.
    pub fn expire(&self, now: Timestamp) -> Result<(), AppError> {
        let batch = Batch {
            records_expired: vec![
                (DELIVERIES.into(), now.plus_ms(-DELIVERIES_KEPT_MS)),
                (LETTERS.into(), now.plus_ms(-LETTERS_KEPT_MS)),
            ],
            ..Batch::default()
        };
        self.writer.commit(batch, Vec::new())
    }
}
