//! What Twilio reports: what became of text messages, and who answered STOP or START.

use serde_json::Map;
use tenure_connectors::provider::Secret;
use tenure_connectors::provider::twilio::{
    CODE_STOPPED, Choice, Receipt, ReceiptError, Status, read_receipt,
};
use tenure_core::id::{MessageId, SuppressionId};
use tenure_store::Batch;
use tenure_store::row::{Message, MessageState};

use super::settled_as;
use crate::error::AppError;
use crate::node::Node;
use crate::refusals::{STOPPED, address_key, refused_address};

/// A POST of Twilio's, as it came.
#[derive(Debug, Clone)]
pub struct TextReport {
    /// The whole address that Twilio called, with its query: the signature covers it.
    pub url: String,
    /// Header `X-Twilio-Signature`.
    pub signature: String,
    /// Fields of the form.
    pub fields: Vec<(String, String)>,
    /// The message that the address names, for a receipt.
    pub message: Option<String>,
}

/// Why a report is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TextReportFault {
    /// It is not from Twilio, or incomplete.
    #[error("{0}")]
    Refused(ReceiptError),
    /// It cannot be taken now.
    #[error("{0}")]
    Server(AppError),
}

impl From<AppError> for TextReportFault {
    fn from(error: AppError) -> Self {
        Self::Server(error)
    }
}

impl Node {
    /// Takes a report of Twilio's for a connector. Repeats change nothing; what is about a message
    /// that nobody knows is left.
    pub fn record_text_report(
        &self,
        connector: &str,
        report: &TextReport,
    ) -> Result<(), TextReportFault> {
        let token = self.connectors().twilio_token(connector)?;
        let TextReport {
            url,
            signature,
            fields,
            message,
        } = report;
        let receipt = read_receipt(&Secret::new(token), url, fields, signature)
            .map_err(TextReportFault::Refused)?;
        match receipt {
            Receipt::Sent {
                status, error_code, ..
            } => {
                let id = message
                    .as_deref()
                    .and_then(|id| id.parse::<MessageId>().ok());
                let Some(id) = id else {
                    return Ok(());
                };
                let found = self.store().message(id).map_err(AppError::from)?;
                if let Some(message) = found.filter(|message| &*message.intent.channel == "sms") {
                    self.record_text_status(&message, status, error_code)?;
                }
            }
            Receipt::Received { from, choice, .. } => self.record_choice(&from, choice)?,
        }
        Ok(())
    }

    fn record_text_status(
        &self,
        message: &Message,
        status: Status,
        error_code: Option<u32>,
    ) -> Result<(), AppError> {
        let mut extra = Map::new();
        let (state, name, reason) = match status {
            // Reports may come in any order: what has arrived stays so.
            _ if message.state == MessageState::Delivered => return Ok(()),
            Status::Sent if message.state == MessageState::Unknown => {
                let update = settled_as(
                    message,
                    MessageState::Sent,
                    self.now(),
                    "the provider says so",
                );
                return self.append_fact(
                    message,
                    "message_sent",
                    &[],
                    extra,
                    Some(update),
                    Vec::new(),
                );
            }
            Status::Underway | Status::Sent => return Ok(()),
            Status::Delivered => {
                let told = "the carrier says so".to_owned();
                (MessageState::Delivered, "message_delivered", told)
            }
            Status::Failed => {
                let code = error_code.unwrap_or_default();
                extra.insert("status".into(), code.into());
                extra.insert("kind".into(), "undelivered".into());
                let told = format!("not delivered (Twilio {code})");
                (MessageState::Bounced, "message_bounced", told)
            }
        };
        let mut suppressions = Vec::new();
        if error_code == Some(CODE_STOPPED.into()) {
            let key = message.sent_to;
            let key = key.unwrap_or_else(|| address_key(self.salt(), &message.intent.to));
            let refusal = refused_address(message.intent.person, self.now(), STOPPED);
            suppressions.push((key, Some(refusal)));
        }
        let update = settled_as(message, state, self.now(), &reason);
        self.append_fact(message, name, b"report", extra, Some(update), suppressions)
    }

    /// A number that answered STOP gets nothing more; START takes back STOP, and nothing else.
    fn record_choice(&self, number: &str, choice: Option<Choice>) -> Result<(), AppError> {
        let key = address_key(self.salt(), number);
        let standing = self.store().refusal(SuppressionId(key))?;
        let refusal = match (choice, standing) {
            (Some(Choice::Stop), None) => Some(refused_address(None, self.now(), STOPPED)),
            (Some(Choice::Start), Some(standing)) if &*standing.reason == STOPPED => None,
            _ => return Ok(()),
        };
        let batch = Batch {
            suppressions: vec![(key, refusal)],
            ..Batch::default()
        };
        self.writer().append(Vec::new(), batch).map(drop)
    }
}
