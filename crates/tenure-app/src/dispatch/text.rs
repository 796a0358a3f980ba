//! Text channels (SMS, Slack): from a decided message to a connector.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tenure_connectors::Outcome;
use tenure_connectors::provider::{Change, Connector, Item, Mode, Pushed, push};
use tenure_connectors::template::Strict;
use tenure_connectors::webhook::Attempt;
use tenure_core::time::SECOND_MS;
use tenure_store::row::Message;

use super::{Composed, Dispatcher, Refusal, unhurried};

/// For how long a message waits in the hands of a thread until the provider's rate has room, in milliseconds. A
/// longer pause puts it back.
const PACE_MS: i64 = 5 * SECOND_MS;
/// How often it does.
const PACES_MAX: u32 = 12;

/// A text and who carries it.
pub struct Text {
    connector: Arc<dyn Connector>,
    item: Item,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").field(&self.item).finish()
    }
}

impl Dispatcher {
    /// Renders the text part of a message's template, and finds who carries it.
    pub(super) fn compose_text(
        &self,
        message: &Message,
        channel: &str,
    ) -> Result<Composed, Refusal> {
        let intent = &message.intent;
        let rendered = self.composer().rendered(intent, Strict::Yes);
        let text = rendered.map_err(Refusal::Unrenderable)?.text;
        let connector = self.connectors.of_channel(channel);
        Ok(Composed::Text(Text {
            connector: connector.map_err(Refusal::Unrenderable)?,
            item: Item {
                id: intent.id.to_string(),
                change: Change::Message {
                    to: intent.to.to_string(),
                    text: text.trim().to_owned(),
                },
            },
        }))
    }

    /// One attempt. While the rate has no room nothing goes out, so waiting for it is part of the attempt.
    pub(super) fn send_text(&self, text: &Text) -> Attempt {
        let mut attempt = self.push_text(text);
        for _ in 0..PACES_MAX {
            let (Outcome::NotSent { .. }, Some(pause_ms)) =
                (&attempt.outcome, attempt.retry_after_ms)
            else {
                break;
            };
            if pause_ms > PACE_MS || self.stopping() {
                break;
            }
            self.rest(Duration::from_millis(pause_ms.max(1) as u64));
            attempt = self.push_text(text);
        }
        attempt
    }

    fn push_text(&self, text: &Text) -> Attempt {
        let items = std::slice::from_ref(&text.item);
        let now_ms = self.clock.now().0;
        match push(text.connector.as_ref(), items, Mode::Write, now_ms).pop() {
            Some(Pushed::Attempted { attempt }) => attempt,
            other => unhurried(Outcome::NotSent {
                reason: format!("the connector did not try: {other:?}"),
            }),
        }
    }
}
