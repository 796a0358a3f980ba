//! SMS and Slack as channels of programs, carried by a connector in the test's hands.

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use tenure_app::access::Actor;
use tenure_app::breakers::BreakerState;
use tenure_app::call::{Call, CallKind, Name, event_id};
use tenure_app::connectors::{Config, ConnectorSecrets};
use tenure_app::dispatch::DispatchSettings;
use tenure_app::node::{Node, Parts};
use tenure_app::publish::PublishRequest;
use tenure_app::receipts::TextReport;
use tenure_app::workspace::{ENTROPY_BYTES, Workspace};
use tenure_connectors::provider::Secret;
use tenure_connectors::provider::twilio::{CODE_STOPPED, sign};
use tenure_connectors::provider::{
    Action, Change, Connector, Description, Fault, Item, Planned, Write, describe,
};
use tenure_connectors::webhook::Attempt;
use tenure_connectors::{EmailTransport, Outcome, PreparedEmail, Stage};
use tenure_core::define::SourceFile;
use tenure_core::log::IdentifierKind;
use tenure_core::time::HOUR_MS;
use tenure_store::memory::MemoryStore;
use tenure_store::row::MessageState;
use world::{Hands, World};

const DEFINITIONS: &str = r##"
policy: default
timezone: UTC
from: "Northbeam <hello@example.com>"
topics:
  - { name: tips, title: Tips, default: subscribed }
---
program: remind
audience: person
topic: tips
enter: { event: trial_ends, again: always }
steps:
  - { send: sms, template: note }
---
program: tell-the-team
audience: person
enter: { event: usage_fell, again: always }
steps:
  - { send: slack, to: "#saves", template: note }
  - { send: email, template: note }
"##;

const TEMPLATE: &str = "---\nsubject: Note\ntext: |\n  Hello {{ person.first_name }}, see you tomorrow.\n---\n<p>Hello {{ person.first_name }}</p>\n";

const FILES: [(&str, &str); 2] = [("all.yaml", DEFINITIONS), ("templates/note.html", TEMPLATE)];

/// Keeps what it is given, and answers as it is told.
struct Carrier {
    kind: &'static str,
    texts: Mutex<Vec<(String, String)>>,
    answer: Mutex<Option<Outcome>>,
    /// When there is one, a write says so and waits for a word.
    gate: Option<(Sender<()>, Mutex<Receiver<()>>)>,
}

impl Carrier {
    fn new(kind: &'static str) -> Arc<Self> {
        Arc::new(Self {
            kind,
            texts: Mutex::default(),
            answer: Mutex::default(),
            gate: None,
        })
    }
}

impl Connector for Carrier {
    fn description(&self) -> &'static Description {
        describe(self.kind).unwrap()
    }

    fn test(&self, _now_ms: i64) -> Result<String, Fault> {
        Ok("answers".into())
    }

    fn plan(&self, items: &[Item], _now_ms: i64) -> Vec<Planned> {
        let write = |(index, item): (usize, &Item)| {
            let Change::Message { to, text } = &item.change else {
                panic!("only messages");
            };
            Planned::Write(Write {
                index,
                item_id: item.id.clone(),
                object: "message".into(),
                action: Action::Create,
                key_field: "to".into(),
                key: to.clone(),
                fields: [("text".to_owned(), text.as_str().into())]
                    .into_iter()
                    .collect(),
            })
        };
        items.iter().enumerate().map(write).collect()
    }

    fn write(&self, writes: &[Write], _now_ms: i64) -> Vec<Attempt> {
        if let Some((begun, release)) = &self.gate {
            begun.send(()).unwrap();
            release.lock().recv().unwrap();
        }
        let attempt = |write: &Write| {
            let text = write.fields["text"].as_str().unwrap().to_owned();
            self.texts.lock().push((write.key.clone(), text));
            let accepted = Outcome::Accepted {
                response: "accepted".into(),
                queue_id: None,
            };
            Attempt {
                outcome: self.answer.lock().clone().unwrap_or(accepted),
                retry_after_ms: None,
            }
        };
        writes.iter().map(attempt).collect()
    }
}

/// A world with a person who has a telephone, and the carrier of a channel.
fn world_with(channel: &str, kind: &'static str) -> (World, Arc<Carrier>) {
    let world = World::new(DispatchSettings::default());
    world.publish(&FILES);
    let carrier = Carrier::new(kind);
    world
        .node
        .connectors()
        .take_opened(channel, Arc::clone(&carrier) as _);
    world.traits("ada", &[("phone", "+436601234567"), ("first_name", "Ada")]);
    (world, carrier)
}

fn refused(code: u16) -> Outcome {
    Outcome::Rejected {
        permanent: true,
        code,
        enhanced: None,
        stage: Stage::Response,
        reason: "no".into(),
    }
}

#[test]
fn a_text_message_goes_to_the_telephone_once_with_the_text_of_the_template() {
    let (world, carrier) = world_with("sms", "twilio");
    world.track("e1", "ada", "trial_ends", "{}");
    world.pass(HOUR_MS);
    let texts = carrier.texts.lock().clone();
    let expected = (
        "+436601234567".to_owned(),
        "Hello Ada, see you tomorrow.".to_owned(),
    );
    assert_eq!(texts, [expected]);
    assert_eq!(world.state(), MessageState::Sent);
    assert_eq!(world.fact_names(), ["message_sent"]);
}

#[test]
fn what_a_provider_takes_or_refuses_never_opens_its_breaker() {
    let (world, carrier) = world_with("sms", "twilio");
    for (outcome, name) in [(None, "taken"), (Some(refused(21_211)), "refused")] {
        *carrier.answer.lock() = outcome;
        for number in 0..7 {
            world.track(&format!("{name}-{number}"), "ada", "trial_ends", "{}");
        }
    }
    assert_eq!(carrier.texts.lock().len(), 14);
    let open = world.node.breakers().into_iter();
    let open = open.filter(|view| view.state != BreakerState::Closed);
    assert_eq!(open.count(), 0);
}

#[test]
fn a_text_message_without_a_connector_is_given_up_with_the_way_out() {
    let world = World::new(DispatchSettings::default());
    world.publish(&FILES);
    world.traits("ada", &[("phone", "+436601234567"), ("first_name", "Ada")]);
    world.track("e1", "ada", "trial_ends", "{}");
    let message = &world.messages()[0];
    assert_eq!(message.state, MessageState::Dead);
    let reason = message.reason.as_deref().unwrap();
    assert!(reason.contains("set one up of the kind twilio"), "{reason}");
}

#[test]
fn who_answered_stop_gets_no_further_text_message() {
    let (world, carrier) = world_with("sms", "twilio");
    *carrier.answer.lock() = Some(refused(CODE_STOPPED));
    world.track("e1", "ada", "trial_ends", "{}");
    assert_eq!(world.fact_names(), ["message_failed"]);
    *carrier.answer.lock() = None;
    world.track("e2", "ada", "trial_ends", "{}");
    assert_eq!(carrier.texts.lock().len(), 1, "the number is suppressed");
    world.traits("ada", &[("email", "ada@example.com")]);
    world.track("e3", "ada", "usage_fell", "{}");
    assert_eq!(world.mailbox.mails.lock().len(), 1, "mail still comes");
}

#[test]
fn a_text_message_without_an_answer_is_unknown_and_not_repeated() {
    let (world, carrier) = world_with("sms", "twilio");
    *carrier.answer.lock() = Some(Outcome::Unknown {
        reason: "timed out".into(),
    });
    world.track("e1", "ada", "trial_ends", "{}");
    world.pass(24 * HOUR_MS);
    assert_eq!(world.state(), MessageState::Unknown);
    assert_eq!(carrier.texts.lock().len(), 1);
}

#[test]
fn what_slack_refuses_is_no_bounce_of_the_customer() {
    let (world, carrier) = world_with("slack", "slack");
    *carrier.answer.lock() = Some(refused(404));
    world.track("e1", "ada", "usage_fell", "{}");
    assert_eq!(carrier.texts.lock()[0].0, "#saves");
    assert!(world.fact_names().contains(&"message_failed".to_owned()));
    assert!(!world.fact_names().contains(&"message_bounced".to_owned()));
}

/// Lets the node have the token of a Twilio connector.
struct Token;

impl ConnectorSecrets for Token {
    fn of(&self, _connector: &str) -> Result<BTreeMap<String, String>, String> {
        Ok([("auth_token".to_owned(), "the-token".to_owned())].into())
    }
}

#[test]
fn twilios_receipts_settle_the_message_in_any_order_and_once() {
    let world = World::new(DispatchSettings::default());
    world.publish(&FILES);
    world.node.connectors().use_secrets(Arc::new(Token));
    let config = Config {
        name: "texts".into(),
        kind: "twilio".into(),
        settings: [("account_sid", "AC1"), ("from", "+15005550006")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        mapping: None,
        pull_every_s: None,
        lists: Vec::new(),
    };
    world
        .node
        .connectors()
        .set(&config, &Actor::command())
        .unwrap();
    world
        .node
        .connectors()
        .take_opened("texts", Carrier::new("twilio"));
    world.traits("ada", &[("phone", "+436601234567"), ("first_name", "Ada")]);
    world.track("e1", "ada", "trial_ends", "{}");
    let message = || world.messages().into_iter().next().unwrap();
    assert_eq!(message().state, MessageState::Sent);
    let id = message().intent.id.to_string();
    let report = |status: &str| {
        let fields = [
            ("MessageSid", "SM1"),
            ("MessageStatus", status),
            ("ErrorCode", "30003"),
        ];
        let fields: Vec<_> = fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let url = format!("https://tenure.example.com/v1/receipts/twilio/texts?message={id}");
        let signature = sign(&Secret::new("the-token"), &url, &fields);
        let report = TextReport {
            url,
            signature,
            fields,
            message: Some(id.clone()),
        };
        world.node.record_text_report("texts", &report).unwrap();
        world.run();
    };
    for status in ["queued", "delivered", "sent", "delivered", "undelivered"] {
        report(status);
    }
    assert_eq!(message().state, MessageState::Delivered);
    let facts = world.fact_names();
    let count = |name: &str| facts.iter().filter(|fact| *fact == name).count();
    assert_eq!(
        (count("message_delivered"), count("message_bounced")),
        (1, 0),
        "{facts:?}"
    );
}

/// Says that a mail came.
#[derive(Debug)]
struct Post(Mutex<Sender<()>>);

impl EmailTransport for Post {
    fn send(&self, _mail: &PreparedEmail) -> Outcome {
        self.0.lock().send(()).unwrap();
        Outcome::Accepted {
            response: "ok".into(),
            queue_id: None,
        }
    }
}

#[test]
fn a_channel_that_hangs_holds_up_no_other() {
    const PATIENCE: Duration = Duration::from_mins(1);
    let (mailed, mails) = channel();
    let (begun, begins) = channel();
    let (release, released) = channel();
    let store = Arc::new(MemoryStore::new());
    Workspace::create(store.as_ref(), "test", &[7; ENTROPY_BYTES]).unwrap();
    let node = Node::start(Parts {
        store,
        clock: Arc::new(Hands::start()),
        email: Arc::new(Post(Mutex::new(mailed))),
        dispatch: DispatchSettings::default(),
        cached_subjects: 0,
    })
    .unwrap();
    let slack = Carrier {
        gate: Some((begun, Mutex::new(released))),
        ..Arc::into_inner(Carrier::new("slack")).unwrap()
    };
    node.connectors().take_opened("slack", Arc::new(slack));
    let files = FILES.map(|(path, text)| SourceFile {
        path: path.into(),
        text: text.into(),
    });
    let request = PublishRequest {
        files: files.into(),
        author: "test".into(),
        ..PublishRequest::default()
    };
    node.publish(&request).unwrap();
    let salt = node.salt();
    let call = |id: &str, kind| Call {
        event_id: event_id(salt, id),
        kind,
        user: Some(Name::new(salt, IdentifierKind::UserId, "ada")),
        anonymous: None,
        email: None,
        account: None,
        occurred_at: None,
        historical: false,
    };
    let traits = [("email", "ada@example.com"), ("first_name", "Ada")];
    let traits = traits.map(|(name, value)| (name.into(), Some(value.into())));
    let fell = |id| {
        let (name, properties) = ("usage_fell".into(), "{}".into());
        call(id, CallKind::Track { name, properties })
    };
    let known = CallKind::Identify {
        traits: traits.into(),
    };
    let calls = vec![call("i", known), fell("e1")];
    node.writer().ingest_and_wait(calls).unwrap();
    begins.recv_timeout(PATIENCE).expect("Slack is tried");
    mails.recv_timeout(PATIENCE).expect("the mail goes out");
    // Slack still hangs; what comes now is mailed all the same.
    node.writer().ingest_and_wait(vec![fell("e2")]).unwrap();
    mails.recv_timeout(PATIENCE).expect("the next mail, too");
    drop(release);
    node.stop();
}
