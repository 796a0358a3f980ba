//! Webhooks: from a decided message to the JSON that is posted.

use serde_json::{Value as Json, json};
use tenure_connectors::template::render_json;
use tenure_connectors::webhook::{PreparedWebhook, Reach};
use tenure_core::effect::MessageIntent;

/// The request of a message. It depends on the message alone, so all attempts send the same bytes.
/// The error is for people.
pub(super) fn compose(intent: &MessageIntent, reach: Reach) -> Result<PreparedWebhook, String> {
    let body = body(intent)?;
    PreparedWebhook::new(intent.id.to_string(), intent.to.to_string(), body, reach)
        .map_err(|reason| format!("webhook of step `{}`: {reason}", intent.step))
}

/// The body: the step's own, or else all that is known.
pub(super) fn body(intent: &MessageIntent) -> Result<String, String> {
    let data: Json = serde_json::from_str(&intent.data).unwrap_or_default();
    if intent.template.is_empty() {
        return Ok(whole_body(intent, &data).to_string());
    }
    render_json(&intent.template, &data)
        .map_err(|reason| format!("`body` of step `{}`: {reason}", intent.step))
}

fn whole_body(intent: &MessageIntent, data: &Json) -> Json {
    let part = |name: &str| data.get(name).cloned().unwrap_or_default();
    json!({
        "message": intent.id.to_string(),
        "program": intent.program,
        "step": intent.step,
        "subject": intent.subject.to_string(),
        "decided_at": intent.decided_at.to_string(),
        "data": {
            "person": part("person"),
            "account": part("account"),
            "event": part("event"),
        },
    })
}
