//! One inline node over a store in memory, with a clock and a mailbox in the test's hands.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod receiver;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use tenure_app::call::{Call, CallKind, Name, event_id};
use tenure_app::clock::Clock;
use tenure_app::dispatch::DispatchSettings;
use tenure_app::node::{Node, Parts};
use tenure_app::publish::PublishRequest;
use tenure_app::worker::Step;
use tenure_app::workspace::{ENTROPY_BYTES, Workspace};
use tenure_connectors::{EmailTransport, Outcome, PreparedEmail};
use tenure_core::define::SourceFile;
use tenure_core::log::{Body, IdentifierKind, decode};
use tenure_core::time::Timestamp;
use tenure_store::memory::MemoryStore;
use tenure_store::query::MessageFilter;
use tenure_store::row::{Message, MessageState};
use tenure_store::{Page, Store};

/// A clock that stands until it is moved.
pub(crate) struct Hands {
    now: AtomicI64,
}

impl Hands {
    /// A Monday morning.
    pub(crate) fn start() -> Self {
        let start = Timestamp::parse("2026-03-02T09:00:00Z").unwrap();
        Self {
            now: AtomicI64::new(start.0),
        }
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }
}

/// Keeps what is sent and answers as it is told.
#[derive(Default)]
pub(crate) struct Mailbox {
    pub(crate) mails: Mutex<Vec<String>>,
    pub(crate) answer: Mutex<Option<Outcome>>,
}

impl EmailTransport for Mailbox {
    fn send(&self, mail: &PreparedEmail) -> Outcome {
        let text = String::from_utf8_lossy(mail.bytes());
        // Quoted-printable, as far as these mails need it.
        let text = text.replace("=\r\n", "").replace("=3D", "=");
        self.mails.lock().push(text);
        let accepted = Outcome::Accepted {
            response: "ok".into(),
            queue_id: None,
        };
        self.answer.lock().clone().unwrap_or(accepted)
    }
}

pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) node: Arc<Node>,
    dispatch: DispatchSettings,
}

impl World {
    pub(crate) fn new(dispatch: DispatchSettings) -> Self {
        let store = Arc::new(MemoryStore::new());
        Workspace::create(store.as_ref(), "test", &[7; ENTROPY_BYTES]).unwrap();
        let clock = Arc::new(Hands::start());
        let mailbox = Arc::new(Mailbox::default());
        Self::open(store, clock, mailbox, dispatch)
    }

    fn open(
        store: Arc<MemoryStore>,
        clock: Arc<Hands>,
        mailbox: Arc<Mailbox>,
        dispatch: DispatchSettings,
    ) -> Self {
        let node = Node::open_inline(Parts {
            store: Arc::clone(&store) as _,
            clock: Arc::clone(&clock) as _,
            email: Arc::clone(&mailbox) as _,
            dispatch: dispatch.clone(),
            cached_subjects: 0,
        });
        Self {
            store,
            clock,
            mailbox,
            node: node.unwrap(),
            dispatch,
        }
    }

    /// The node after it stopped without warning.
    pub(crate) fn reopen(self) -> Self {
        Self::open(self.store, self.clock, self.mailbox, self.dispatch)
    }

    pub(crate) fn pass(&self, ms: i64) {
        self.clock.now.fetch_add(ms, Ordering::SeqCst);
        self.run();
    }

    pub(crate) fn run(&self) {
        loop {
            let worked = self.node.step_worker().unwrap() == Step::Worked;
            let sent = self.node.dispatcher().step(100).unwrap();
            if !worked && sent == 0 {
                return;
            }
        }
    }

    pub(crate) fn publish(&self, files: &[(&str, &str)]) {
        let files = files.iter().map(|(path, text)| SourceFile {
            path: (*path).into(),
            text: (*text).into(),
        });
        let request = PublishRequest {
            files: files.collect(),
            author: "test".into(),
            ..PublishRequest::default()
        };
        if let Err(error) = self.node.publish(&request) {
            panic!("{error}: {error:?}");
        }
        self.run();
    }

    fn call(&self, id: &str, user: &str, kind: CallKind) {
        let salt = self.node.salt();
        let call = Call {
            event_id: event_id(salt, id),
            kind,
            user: Some(Name::new(salt, IdentifierKind::UserId, user)),
            anonymous: None,
            email: None,
            account: None,
            occurred_at: None,
            historical: false,
        };
        self.node.writer().ingest_and_wait(vec![call]).unwrap();
        self.run();
    }

    pub(crate) fn track(&self, id: &str, user: &str, event: &str, properties: &str) {
        let kind = CallKind::Track {
            name: event.into(),
            properties: properties.into(),
        };
        self.call(id, user, kind);
    }

    /// An event of the past, as an import tells it.
    pub(crate) fn import(&self, id: &str, user: &str, event: &str, at: Timestamp) {
        let salt = self.node.salt();
        let call = Call {
            event_id: event_id(salt, id),
            kind: CallKind::Track {
                name: event.into(),
                properties: "{}".into(),
            },
            user: Some(Name::new(salt, IdentifierKind::UserId, user)),
            anonymous: None,
            email: None,
            account: None,
            occurred_at: Some(at),
            historical: true,
        };
        self.node.writer().ingest_and_wait(vec![call]).unwrap();
        self.run();
    }

    pub(crate) fn identify(&self, user: &str) {
        let email = format!("{user}@example.com");
        let traits = vec![("email".into(), Some(email.as_str().into()))];
        let id = format!("identify-{user}");
        self.call(&id, user, CallKind::Identify { traits });
    }

    /// Tells traits of a person.
    pub(crate) fn traits(&self, user: &str, traits: &[(&str, &str)]) {
        let told = traits.iter();
        let told = told.map(|(name, value)| ((*name).into(), Some((*value).into())));
        let id = format!("traits-{user}-{traits:?}");
        let kind = CallKind::Identify {
            traits: told.collect(),
        };
        self.call(&id, user, kind);
    }

    /// All messages, in whatever state.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let page = Page {
            after: None,
            limit: 100,
        };
        self.store
            .messages(&MessageFilter::default(), &page)
            .unwrap()
    }

    /// The only message's state.
    pub(crate) fn state(&self) -> MessageState {
        let messages = self.messages();
        assert_eq!(messages.len(), 1);
        messages[0].state
    }

    /// Events in the log whose name begins with `message_`, with their properties.
    pub(crate) fn facts(&self) -> Vec<(String, serde_json::Value)> {
        let mut facts = Vec::new();
        for chunk in self.store.read_log(1, 16 * 1024 * 1024, None).unwrap() {
            for entry in decode(chunk.first, &chunk.bytes).flatten() {
                if let Body::Event(event) = &entry.body
                    && event.name.starts_with("message_")
                {
                    let properties = serde_json::from_str(&event.properties).unwrap();
                    facts.push((event.name.to_string(), properties));
                }
            }
        }
        facts
    }

    /// The names of [`World::facts`].
    pub(crate) fn fact_names(&self) -> Vec<String> {
        self.facts().into_iter().map(|(name, _)| name).collect()
    }
}
