//! One call in the shape of the Segment HTTP tracking API.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use tenure_core::time::Timestamp;

/// Which method of the tracking API a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallKind {
    /// Tells a person's traits.
    Identify,
    /// Tells an account's traits, or to which account a person belongs.
    Group,
    /// Tells that something happened.
    Track,
}

/// One call. As JSON it is an item of a `/v1/batch` body, for example
/// `{"type":"track","messageId":"…","timestamp":"2026-03-02T09:14:05.120Z","userId":"u_0001_000",
/// "event":"session_started","properties":{"device":"desktop"},"context":{"groupId":"acc_0001"}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoCall {
    /// The method.
    #[serde(rename = "type")]
    pub kind: CallKind,
    /// Unique over the whole life of the company.
    pub message_id: String,
    /// When it happened, milliseconds since 1970; RFC 3339 in UTC as JSON.
    #[serde(
        rename = "timestamp",
        serialize_with = "write_time",
        deserialize_with = "read_time"
    )]
    pub timestamp_ms: i64,
    /// The person; none if it is about the account as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The account of a `group` call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// Name of a `track` call's event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Cow<'static, str>>,
    /// Traits of `identify` and `group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traits: Option<Map<String, Value>>,
    /// Properties of `track`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Map<String, Value>>,
    /// The account of a `track` call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<CallContext>,
}

/// Context of a `track` call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallContext {
    /// The account the event counts for.
    pub group_id: String,
}

impl DemoCall {
    /// The account the call is about: of a `group` call or of a `track` call's context.
    pub fn account(&self) -> Option<&str> {
        self.group_id.as_deref().or(self
            .context
            .as_ref()
            .map(|context| context.group_id.as_str()))
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn write_time<S: Serializer>(at_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Timestamp(*at_ms))
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = <Cow<'de, str>>::deserialize(deserializer)?;
    Timestamp::parse(&text)
        .map(|at| at.0)
        .ok_or_else(|| serde::de::Error::custom("timestamp must be an RFC 3339 instant"))
}
