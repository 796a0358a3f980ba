//! What was given up, wherever that was: entries that the engine could not process, messages that
//! could not be sent, records of topics that an endpoint did not take. One list for people, who
//! look at the reason, remove the cause, and replay or discard.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tenure_core::id::MessageId;
use tenure_core::log::{Body, Event, decode};
use tenure_core::time::Timestamp;
use tenure_store::query::{MAX_PAGE_ROWS, MessageFilter, instant_cursor};
use tenure_store::row::{DeadLetter, Message, MessageState};
use tenure_store::{Batch, Page, StoreError};

use crate::error::AppError;
use crate::node::Node;
use crate::query::Listed;
use crate::webhooks::WebhookLetter;

/// Where something was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterKind {
    /// An entry of the log that made the engine fail.
    Ingest,
    /// A message that could not be sent.
    Message,
    /// A record of a topic that an endpoint refused.
    Webhook,
}

impl LetterKind {
    /// Every kind, in the order of the list.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Message, Self::Webhook];

    fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Message => "message",
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for LetterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LetterKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.as_str() == text)
            .ok_or("must be `ingest`, `message` or `webhook`")
    }
}

/// Something that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its id: a number, a message's id, or a webhook letter's.
    pub id: String,
    /// Where.
    pub kind: LetterKind,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Its place in the log or the topic.
    pub position: Option<u64>,
    /// The program or the endpoint it was of.
    pub of: Option<String>,
}

/// Which letters to replay or discard together.
#[derive(Debug, Clone, Default)]
pub struct LetterFilter {
    /// Of this kind.
    pub kind: Option<LetterKind>,
    /// Of this program or endpoint.
    pub of: Option<String>,
    /// Whose reason contains this.
    pub reason: Option<String>,
    /// Given up before this instant.
    pub before: Option<Timestamp>,
}

/// What to do with letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterAct {
    /// Try again.
    Replay,
    /// Take out.
    Discard,
}

/// What became of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LetterCounts {
    /// Done.
    pub done_count: usize,
    /// Not possible; they stay.
    pub failed_count: usize,
}

impl LetterFilter {
    fn admits(&self, letter: &Letter) -> bool {
        self.kind.is_none_or(|kind| letter.kind == kind)
            && (self.of.is_none() || self.of == letter.of)
            && self
                .reason
                .as_deref()
                .is_none_or(|reason| letter.reason.contains(reason))
            && self.before.is_none_or(|before| letter.at < before)
    }
}

impl From<&DeadLetter> for Letter {
    fn from(row: &DeadLetter) -> Self {
        Self {
            id: row.id.to_string(),
            kind: LetterKind::Ingest,
            at: row.at,
            reason: row.reason.to_string(),
            position: Some(row.position),
            of: None,
        }
    }
}

impl From<&Message> for Letter {
    fn from(row: &Message) -> Self {
        Self {
            id: row.intent.id.to_string(),
            kind: LetterKind::Message,
            at: row.state_at,
            reason: row.reason.as_deref().unwrap_or_default().to_owned(),
            position: None,
            of: Some(row.intent.program.to_string()),
        }
    }
}

impl From<&WebhookLetter> for Letter {
    fn from(row: &WebhookLetter) -> Self {
        Self {
            id: row.id.clone(),
            kind: LetterKind::Webhook,
            at: row.at,
            reason: row.reason.clone(),
            position: Some(row.position),
            of: Some(row.endpoint.clone()),
        }
    }
}

impl Node {
    /// What was given up, kind by kind, in each the latest first.
    pub fn dead_letters(
        &self,
        kind: Option<LetterKind>,
        page: &Page,
    ) -> Result<Listed<Letter>, AppError> {
        let (first, mut inner) = match page.after.as_deref().map(|after| after.split_once('|')) {
            None => (None, None),
            Some(Some((name, inner))) => {
                let kind: LetterKind = name.parse().map_err(|_| bad_cursor(name))?;
                (Some(kind), Some(inner).filter(|inner| !inner.is_empty()))
            }
            Some(None) => return Err(bad_cursor("").into()),
        };
        let mut listed = Listed {
            rows: Vec::new(),
            next: None,
        };
        let kinds = LetterKind::ALL.into_iter();
        let kinds = kinds.filter(|found| kind.is_none_or(|kind| kind == *found));
        for kind in kinds.skip_while(|found| first.is_some_and(|first| first != *found)) {
            if listed.rows.len() >= page.limit {
                listed.next = Some(format!("{kind}|"));
                break;
            }
            let part = self.letters_of(
                kind,
                &Page {
                    after: inner.take().map(str::to_owned),
                    limit: page.limit - listed.rows.len(),
                },
            )?;
            listed.rows.extend(part.rows);
            if let Some(next) = part.next {
                listed.next = Some(format!("{kind}|{next}"));
                break;
            }
        }
        Ok(listed)
    }

    fn letters_of(&self, kind: LetterKind, page: &Page) -> Result<Listed<Letter>, AppError> {
        let more = Page {
            after: page.after.clone(),
            limit: page.limit + 1,
        };
        Ok(match kind {
            LetterKind::Ingest => {
                let rows = self.store().dead_letters(&more)?;
                Listed::cut(rows, page.limit, |row| instant_cursor(row.at, row.id))
                    .map(|row| Letter::from(&row))
            }
            LetterKind::Message => {
                let filter = MessageFilter {
                    state: Some(MessageState::Dead),
                    ..MessageFilter::default()
                };
                let rows = self.store().messages(&filter, &more)?;
                Listed::cut(rows, page.limit, |row| {
                    instant_cursor(row.intent.decided_at, row.intent.id)
                })
                .map(|row| Letter::from(&row))
            }
            LetterKind::Webhook => self.webhooks().letters(page)?.map(|row| Letter::from(&row)),
        })
    }

    /// One letter, with what it holds.
    pub fn dead_letter(&self, id: &str) -> Result<(Letter, Json), AppError> {
        if let Ok(number) = id.parse::<u64>() {
            let letter = self.ingest_letter(number)?;
            let content = match self.entry_of(&letter)? {
                Body::Event(event) => json!({
                    "event": event.name,
                    "id": event.id.to_string(),
                    "occurred_at": event.occurred_at.to_string(),
                    "properties": serde_json::from_str::<Json>(&event.properties).unwrap_or_default(),
                }),
                other => json!({ "entry": kind_of(&other) }),
            };
            return Ok((Letter::from(&letter), content));
        }
        if id.parse::<MessageId>().is_ok() {
            let message = self.dead_message(id)?;
            let content = json!({
                "channel": message.intent.channel,
                "template": message.intent.template,
                "program": message.intent.program,
                "step": message.intent.step,
                "attempt_count": message.attempt_count,
            });
            return Ok((Letter::from(&message), content));
        }
        let (letter, told) = self.webhooks().letter(id)?;
        let content = json!({
            "topic": letter.topic,
            "attempt_count": letter.attempt_count,
            "event": told.map(|told| told.event),
        });
        Ok((Letter::from(&letter), content))
    }

    /// Replays or discards one letter.
    pub fn act_on_dead_letter(&self, id: &str, act: LetterAct) -> Result<(), AppError> {
        if let Ok(number) = id.parse::<u64>() {
            return self.act_on_ingest_letter(number, act);
        }
        if id.parse::<MessageId>().is_ok() {
            let message = self.dead_message(id)?;
            return match act {
                LetterAct::Replay => self.resend(message.intent.id),
                LetterAct::Discard => self.discard_message(&message),
            };
        }
        match act {
            LetterAct::Discard => self.webhooks().discard_letter(id),
            LetterAct::Replay => {
                let answer = self.webhooks().replay_letter(id)?;
                match answer.reason {
                    None => Ok(()),
                    Some(reason) => Err(AppError::Conflict(format!(
                        "the receiver still does not take it: {reason}"
                    ))),
                }
            }
        }
    }

    /// Replays or discards up to [`MAX_PAGE_ROWS`] letters that fit.
    pub fn act_on_dead_letters(
        &self,
        filter: &LetterFilter,
        act: LetterAct,
    ) -> Result<LetterCounts, AppError> {
        let mut wanted = Vec::new();
        let mut page = Page {
            after: None,
            limit: MAX_PAGE_ROWS - 1,
        };
        while wanted.len() < MAX_PAGE_ROWS {
            let listed = self.dead_letters(filter.kind, &page)?;
            let fitting = listed.rows.into_iter();
            wanted.extend(fitting.filter(|letter| filter.admits(letter)));
            match listed.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        wanted.truncate(MAX_PAGE_ROWS);
        let mut counts = LetterCounts::default();
        for letter in wanted {
            match self.act_on_dead_letter(&letter.id, act) {
                Ok(()) => counts.done_count += 1,
                Err(AppError::Store(error)) => return Err(AppError::Store(error)),
                Err(_) => counts.failed_count += 1,
            }
        }
        Ok(counts)
    }

    fn act_on_ingest_letter(&self, number: u64, act: LetterAct) -> Result<(), AppError> {
        let letter = self.ingest_letter(number)?;
        let entries = match act {
            LetterAct::Replay => vec![self.entry_of(&letter)?],
            LetterAct::Discard => Vec::new(),
        };
        let batch = Batch {
            dead_letters_removed: vec![number],
            ..Batch::default()
        };
        self.writer().append(entries, batch).map(drop)
    }

    fn ingest_letter(&self, number: u64) -> Result<DeadLetter, AppError> {
        let mut page = Page {
            after: None,
            limit: MAX_PAGE_ROWS,
        };
        loop {
            let rows = self.store().dead_letters(&page)?;
            if let Some(found) = rows.iter().find(|letter| letter.id == number) {
                return Ok(found.clone());
            }
            let last = rows.last().map(|row| instant_cursor(row.at, row.id));
            page.after = Some(last.ok_or_else(|| missing(&number.to_string()))?);
        }
    }

    fn entry_of(&self, letter: &DeadLetter) -> Result<Body<'static>, AppError> {
        let chunks = self.store().read_log(letter.position, 1, None)?;
        let entry = chunks
            .first()
            .into_iter()
            .flat_map(|chunk| decode(chunk.first, &chunk.bytes).flatten())
            .find(|entry| entry.position == letter.position)
            .map(|entry| owned(entry.body));
        entry.ok_or_else(|| missing(&letter.id.to_string()))
    }

    fn dead_message(&self, id: &str) -> Result<Message, AppError> {
        let message = id.parse().ok().map(|id| self.store().message(id));
        let message = message.transpose()?.flatten();
        message
            .filter(|message| message.state == MessageState::Dead)
            .ok_or_else(|| missing(id))
    }
}

fn missing(id: &str) -> AppError {
    AppError::NotFound {
        what: "dead letter",
        name: id.into(),
    }
}

fn bad_cursor(text: &str) -> StoreError {
    StoreError::BadCursor(text.chars().take(80).collect())
}

fn kind_of(body: &Body<'_>) -> &'static str {
    match body {
        Body::Event(_) => "event",
        Body::Profile(_) => "profile",
        Body::Merge(_) => "merge",
        Body::Move(_) => "move",
        Body::Published(_) => "published",
        Body::Sweep(_) => "sweep",
        Body::Command(_) => "command",
    }
}

fn owned(body: Body<'_>) -> Body<'static> {
    match body {
        Body::Event(event) => Body::Event(Event {
            name: event.name.into_owned().into(),
            properties: event.properties.into_owned().into(),
            ..event
        }),
        Body::Profile(profile) => Body::Profile(profile),
        Body::Merge(merge) => Body::Merge(merge),
        Body::Move(moved) => Body::Move(moved),
        Body::Published(published) => Body::Published(published),
        Body::Sweep(sweep) => Body::Sweep(sweep),
        Body::Command(command) => Body::Command(command),
    }
}
