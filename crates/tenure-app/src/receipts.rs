//! Receipts: what comes back of a message (opened, clicked, bounced, complained, unsubscribed)
//! becomes an event of its person, and settles messages whose outcome was unknown.
//!
//! Requests of machines (security gateways, image proxies) are kept under names of their own
//! (`message_machine_clicked`, `message_prefetched`), so that no condition on `message_clicked`
//! sees them. When a later request shows that earlier ones were a machine's too, those are disowned
//! by events of their own, since facts in the log do not change.

mod folder;
mod text;
mod traffic;

use serde_json::{Map, Value as Json};
use tenure_connectors::bounce::{self, Action, Bounce, Report};
use tenure_connectors::tracking::{HitKind, Observation, Purpose, TokenError, Verdict};
use tenure_core::define::TopicDef;
use tenure_core::effect::EmittedEvent;
use tenure_core::id::{MessageId, PersonId, SubjectId};
use tenure_core::time::Timestamp;
use tenure_store::Batch;
use tenure_store::batch::MessageUpdate;
use tenure_store::row::{Message, MessageState, Refusal};

use crate::dispatch::fact;
use crate::error::AppError;
use crate::identity::present_person;
use crate::node::Node;
use crate::refusals::{address_key, consent_key, refused_address};
use crate::roots::decode;

pub use folder::ReportsRead;
pub use text::{TextReport, TextReportFault};
pub(crate) use traffic::Traffic;
use traffic::{Disowned, Sent};

/// Address keys with the reason for which each is suppressed.
type Suppressions = Vec<(u128, Option<Refusal>)>;

/// A request for one of a message's links, as the web server saw it.
#[derive(Debug, Clone, Copy)]
pub struct WebHit<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// User-Agent header, empty if there was none.
    pub user_agent: &'a str,
    /// Who asked: something that stays the same for one client, such as its address. It is hashed
    /// and never kept.
    pub client: &'a str,
}

/// What a preference page shows.
#[derive(Debug, Clone)]
pub struct Preferences {
    /// Whose.
    pub person: PersonId,
    /// Topics that can be chosen, with the present choice.
    pub topics: Vec<(TopicDef, bool)>,
    /// Whether the person refused everything.
    pub all_refused: bool,
    /// The workspace's name.
    pub workspace: String,
    /// The topic of the message the page was opened from.
    pub topic: Option<String>,
}

impl Node {
    /// Notes a click and answers where the link leads; `None` if the link is not ours.
    pub fn record_click(&self, token: &str, hit: WebHit<'_>) -> Result<Option<String>, AppError> {
        let Ok(link) = self.dispatcher().composer().signer().open_click(token) else {
            return Ok(None);
        };
        let mut extra = Map::new();
        extra.insert("url".into(), link.url.clone().into());
        extra.insert("link".into(), link.link_index.into());
        let kind = HitKind::Click {
            link_index: link.link_index,
        };
        self.record_hit(&link.message_id, kind, link.link_count, hit, extra)?;
        Ok(Some(link.url))
    }

    /// Notes an open; false if the token is not ours.
    pub fn record_open(&self, token: &str, hit: WebHit<'_>) -> Result<bool, AppError> {
        self.record_plain(Purpose::Open, HitKind::Open, token, hit)
    }

    /// Notes a touch of the hidden link; false if the token is not ours.
    pub fn record_hidden(&self, token: &str, hit: WebHit<'_>) -> Result<bool, AppError> {
        self.record_plain(Purpose::Hidden, HitKind::Hidden, token, hit)
    }

    fn record_plain(
        &self,
        purpose: Purpose,
        kind: HitKind,
        token: &str,
        hit: WebHit<'_>,
    ) -> Result<bool, AppError> {
        let fields = self.dispatcher().composer().signer().open(purpose, token);
        let Some(message) = fields.ok().and_then(|fields| fields.into_iter().next()) else {
            return Ok(false);
        };
        self.record_hit(&message, kind, 0, hit, Map::new())?;
        Ok(true)
    }

    fn record_hit(
        &self,
        message: &str,
        kind: HitKind,
        link_count: usize,
        hit: WebHit<'_>,
        mut extra: Map<String, Json>,
    ) -> Result<(), AppError> {
        let Ok(id) = message.parse::<MessageId>() else {
            return Ok(());
        };
        let Some(message) = self.store().message(id)? else {
            return Ok(());
        };
        let now = self.now();
        let source = format!(
            "{:032x}",
            self.salt().hash("client", &[hit.client.as_bytes()])
        );
        let seen = Observation {
            kind,
            method: hit.method,
            user_agent: hit.user_agent,
            source: &source,
            at_ms: now.0.max(0) as u64,
        };
        let sent_at = matches!(message.state, MessageState::Sent | MessageState::Delivered)
            .then_some(message.state_at);
        let sent = Sent {
            id,
            at: sent_at,
            link_count,
        };
        let (verdict, disowned) = self.traffic.judge(sent, &seen);
        let name = match (&verdict, kind) {
            (Verdict::Human, HitKind::Click { .. }) => "message_clicked",
            (Verdict::Human, HitKind::Open) => "message_opened",
            (Verdict::Prefetch { .. }, _) => "message_prefetched",
            (_, HitKind::Open) => "message_machine_opened",
            _ => "message_machine_clicked",
        };
        if let Verdict::Machine { why, .. } | Verdict::Prefetch { why } = &verdict {
            extra.insert("why".into(), serde_json::to_value(why).unwrap_or_default());
        }
        // A person who reads a message proves that it arrived.
        let settled = verdict == Verdict::Human && message.state == MessageState::Unknown;
        let update =
            settled.then(|| settled_as(&message, MessageState::Delivered, now, "it was read"));
        let own = distinct(kind, seen.at_ms);
        let mut events = vec![fact(self.salt(), &message, name, &own, now, extra)];
        events.extend(
            disowned
                .iter()
                .map(|earlier| self.disowning(&message, earlier)),
        );
        let batch = Batch {
            dispatched: update.into_iter().collect(),
            ..Batch::default()
        };
        self.writer().commit(batch, events)
    }

    /// The fact that an earlier click or open does not count. It names that event, so that whoever
    /// counted it can subtract it.
    fn disowning(&self, message: &Message, earlier: &Disowned) -> EmittedEvent {
        let (counted, name) = match earlier.kind {
            HitKind::Open => ("message_opened", "message_open_disowned"),
            _ => ("message_clicked", "message_click_disowned"),
        };
        let own = distinct(earlier.kind, earlier.at_ms);
        let at = Timestamp(earlier.at_ms as i64);
        let event = fact(self.salt(), message, counted, &own, at, Map::new()).id;
        let mut extra = Map::new();
        extra.insert("event".into(), event.to_string().into());
        extra.insert("event_at".into(), at.to_string().into());
        if let HitKind::Click { link_index } = earlier.kind {
            extra.insert("link".into(), link_index.into());
        }
        fact(self.salt(), message, name, &own, self.now(), extra)
    }

    /// Takes a delivery report or a complaint (a raw message); what it was, or `None` if it is
    /// neither, or not about a message of ours.
    pub fn record_report(&self, raw: &[u8]) -> Result<Option<&'static str>, AppError> {
        let Some(report) = bounce::parse(raw) else {
            return Ok(None);
        };
        let (Report::Delivery(bounce::DeliveryReport { message_id, .. })
        | Report::Complaint(bounce::ComplaintReport { message_id, .. })) = &report;
        let id = message_id.as_deref().and_then(bounce::tenure_message_id);
        let Some(id) = id.and_then(|id| id.parse::<MessageId>().ok()) else {
            return Ok(None);
        };
        let Some(message) = self.store().message(id)? else {
            return Ok(None);
        };
        match report {
            Report::Complaint(_) => {
                self.append_fact(
                    &message,
                    "message_complained",
                    &[],
                    Map::new(),
                    None,
                    Vec::new(),
                )?;
                if let Some(person) = message.intent.person {
                    self.consent(person, None, false)?;
                }
                Ok(Some("complaint"))
            }
            Report::Delivery(delivery) => self.record_delivery(&message, &delivery),
        }
    }

    fn record_delivery(
        &self,
        message: &Message,
        delivery: &bounce::DeliveryReport,
    ) -> Result<Option<&'static str>, AppError> {
        let now = self.now();
        let mut extra = Map::new();
        if let Some(status) = &delivery.status {
            extra.insert("status".into(), status.as_str().into());
        }
        match (delivery.action, delivery.bounce) {
            (Action::Delivered, _) => {
                let update = settled_as(
                    message,
                    MessageState::Delivered,
                    now,
                    "the recipient's server says so",
                );
                self.append_fact(
                    message,
                    "message_delivered",
                    &[],
                    extra,
                    Some(update),
                    Vec::new(),
                )?;
                Ok(Some("delivered"))
            }
            (_, Some(bounce)) => {
                let hard = bounce == Bounce::Hard;
                let kind = match (self.went_to_former_address(message)?, hard) {
                    (true, _) => "former",
                    (false, true) => "hard",
                    (false, false) => "soft",
                };
                extra.insert("kind".into(), kind.into());
                let reason = delivery
                    .diagnostic
                    .as_deref()
                    .or(delivery.status.as_deref())
                    .unwrap_or("bounced");
                let update = settled_as(message, MessageState::Bounced, now, reason);
                let mut keys = Vec::new();
                if hard {
                    keys = self.address_keys(message)?;
                }
                self.append_fact(
                    message,
                    "message_bounced",
                    b"report",
                    extra,
                    Some(update),
                    keys,
                )?;
                Ok(Some(if hard { "hard bounce" } else { "soft bounce" }))
            }
            _ => Ok(Some("in progress")),
        }
    }

    /// Unsubscribes by the token of a message's one-click link: from its topic, or from all when
    /// it has none. False if the token is not ours.
    pub fn unsubscribe(&self, token: &str) -> Result<bool, AppError> {
        let Ok((message, person, topic)) = self.open_person_token(Purpose::Unsubscribe, token)
        else {
            return Ok(false);
        };
        self.consent(person, self.known_topic(topic.as_deref()), false)?;
        self.note_unsubscribed(message, person, topic)?;
        Ok(true)
    }

    /// What the preference page of a token shows; takes tokens of either link.
    pub fn preferences(&self, token: &str) -> Result<Option<Preferences>, AppError> {
        let opened = self
            .open_person_token(Purpose::Preferences, token)
            .or_else(|_| self.open_person_token(Purpose::Unsubscribe, token));
        let Ok((_, person, topic)) = opened else {
            return Ok(None);
        };
        let person = present_person(self.store().as_ref(), person)?;
        let composer = self.dispatcher().composer();
        let row = self.store().state(SubjectId::Person(person))?;
        let state = row.map(|row| decode(&row.bytes)).transpose()?;
        let contact = state.map(|(_, state)| state.contact).unwrap_or_default();
        let topics: Vec<&TopicDef> = composer
            .policy()
            .topics
            .iter()
            .filter(|topic| !topic.transactional)
            .collect();
        let mut keys = vec![consent_key(self.salt(), person, None)];
        keys.extend(
            topics
                .iter()
                .map(|topic| consent_key(self.salt(), person, Some(&topic.name))),
        );
        // Refusals are known at once; the person's state follows with the next checkpoint.
        let refused = self.store().suppressions(&keys)?;
        let all_refused = refused[0].is_some();
        let chosen = topics.iter().zip(&refused[1..]).map(|(topic, refused)| {
            let told = contact.consents.get(topic.name.as_str()).copied();
            let on =
                !all_refused && refused.is_none() && told.unwrap_or(topic.subscribed_by_default);
            ((*topic).clone(), on)
        });
        Ok(Some(Preferences {
            person,
            topics: chosen.collect(),
            all_refused,
            workspace: self.workspace_name().to_owned(),
            topic,
        }))
    }

    /// Saves the choices of a preference page: the topics wanted, or nothing at all. False if the
    /// token is not ours.
    pub fn save_preferences(
        &self,
        token: &str,
        wanted: &[String],
        refuse_all: bool,
    ) -> Result<bool, AppError> {
        let Some(shown) = self.preferences(token)? else {
            return Ok(false);
        };
        if refuse_all {
            self.consent(shown.person, None, false)?;
            return Ok(true);
        }
        if shown.all_refused && !wanted.is_empty() {
            self.consent(shown.person, None, true)?;
        }
        for (topic, on) in &shown.topics {
            let want = wanted.contains(&topic.name);
            if want != *on || shown.all_refused {
                self.consent(shown.person, Some(&topic.name), want)?;
            }
        }
        Ok(true)
    }

    fn note_unsubscribed(
        &self,
        message: MessageId,
        person: PersonId,
        topic: Option<String>,
    ) -> Result<(), AppError> {
        let Some(message) = self.store().message(message)? else {
            return Ok(());
        };
        let mut extra = Map::new();
        if let Some(topic) = topic {
            extra.insert("topic".into(), topic.into());
        }
        debug_assert!(message.intent.person.is_none_or(|known| known == person));
        self.append_fact(
            &message,
            "message_unsubscribed",
            &[],
            extra,
            None,
            Vec::new(),
        )
    }

    fn known_topic<'t>(&self, topic: Option<&'t str>) -> Option<&'t str> {
        let composer = self.dispatcher().composer();
        topic.filter(|topic| {
            composer
                .policy()
                .topics
                .iter()
                .any(|known| known.name == *topic)
        })
    }

    fn open_person_token(
        &self,
        purpose: Purpose,
        token: &str,
    ) -> Result<(MessageId, PersonId, Option<String>), TokenError> {
        let composer = self.dispatcher().composer();
        let fields = composer.signer().open(purpose, token)?;
        let [message, person, topic] =
            <[String; 3]>::try_from(fields).map_err(|_| TokenError::Malformed)?;
        let message = message.parse().map_err(|_| TokenError::Malformed)?;
        let person = person.parse().map_err(|_| TokenError::Malformed)?;
        Ok((
            message,
            person,
            Some(topic).filter(|topic| !topic.is_empty()),
        ))
    }

    /// Whether the person has another address by now than the one a message went to.
    fn went_to_former_address(&self, message: &Message) -> Result<bool, AppError> {
        let (Some(key), Some(person)) = (message.sent_to, message.intent.person) else {
            return Ok(false);
        };
        let person = present_person(self.store().as_ref(), person)?;
        let present = self.address_of(person)?;
        Ok(present.is_some_and(|address| address_key(self.salt(), &address) != key))
    }

    /// The key of the address a message went to. One sent before that was kept may have gone to
    /// the person's present address.
    fn address_keys(&self, message: &Message) -> Result<Suppressions, AppError> {
        let refusal = refused_address(message.intent.person, self.now(), "hard bounce");
        if let Some(key) = message.sent_to {
            return Ok(vec![(key, Some(refusal))]);
        }
        let mut addresses = vec![message.intent.to.to_string()];
        if let Some(person) = message.intent.person {
            addresses.extend(self.address_of(person)?);
        }
        addresses.retain(|address| !address.is_empty());
        let keys = addresses
            .iter()
            .map(|address| address_key(self.salt(), address));
        Ok(keys.map(|key| (key, Some(refusal.clone()))).collect())
    }

    fn append_fact(
        &self,
        message: &Message,
        name: &str,
        distinct: &[u8],
        extra: Map<String, Json>,
        update: Option<MessageUpdate>,
        suppressions: Suppressions,
    ) -> Result<(), AppError> {
        let event = fact(self.salt(), message, name, distinct, self.now(), extra);
        let batch = Batch {
            dispatched: update.into_iter().collect(),
            suppressions,
            ..Batch::default()
        };
        self.writer().commit(batch, vec![event])
    }
}

/// What tells one hit of a message from another.
fn distinct(kind: HitKind, at_ms: u64) -> Vec<u8> {
    let link = match kind {
        HitKind::Click { link_index } => link_index as u64,
        HitKind::Open | HitKind::Hidden => u64::MAX,
    };
    [at_ms.to_be_bytes(), link.to_be_bytes()].concat()
}

fn settled_as(
    message: &Message,
    state: MessageState,
    at: Timestamp,
    reason: &str,
) -> MessageUpdate {
    MessageUpdate {
        id: message.intent.id,
        state,
        at,
        reason: Some(reason.into()),
        due_at: None,
        attempt_count: message.attempt_count,
        forget: true,
        sent_to: None,
    }
}
