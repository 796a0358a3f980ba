//! Segment's stand-in: a source that takes batches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tenure_connectors::provider::{Change, Item, Who};

use crate::harness::{
    NOW_MS, StandIn, connector, is_accepted, message, person, push_one, strings, told,
};
use crate::server::{Reply, Request, Server};

crate::complies!(Segment);

const KEY: &str = "write-key-0000";

pub(crate) struct Segment {
    server: Server,
    calls: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl StandIn for Segment {
    fn start() -> Self {
        let calls = Arc::new(Mutex::new(BTreeMap::new()));
        let shared = Arc::clone(&calls);
        let server = Server::start(move |request| answer(&mut shared.lock().unwrap(), request));
        Self { server, calls }
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn kind(&self) -> &'static str {
        "segment"
    }

    fn settings(&self) -> BTreeMap<String, String> {
        strings(&[("write_key", KEY), ("base_url", &self.server.url())])
    }

    fn wrong_secrets(&self) -> BTreeMap<String, String> {
        strings(&[("write_key", "write-key-other")])
    }

    fn is_write(request: &Request) -> bool {
        request.json()["batch"] != json!([])
    }

    fn items(&self) -> Vec<Item> {
        let who = Who {
            user_id: Some("user-7".into()),
            account_id: Some("acme".into()),
            ..Who::default()
        };
        let event = Change::Event {
            who,
            name: "usage_dropped".into(),
            occurred_at_ms: NOW_MS,
            properties: Map::new(),
        };
        let account = Change::Account {
            account_id: "acme".into(),
            traits: told(&[("plan", "pro")]),
        };
        vec![
            person("i1", "anna@example.com", &[("plan", "pro")]),
            Item {
                id: "i2".into(),
                change: event,
            },
            Item {
                id: "i3".into(),
                change: account,
            },
        ]
    }

    fn bad_item(&self) -> Item {
        message("bad", "C01", "Segment carries no messages")
    }

    fn written(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.values().map(Value::to_string).collect()
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        Reply::json(status, &json!({ "success": false, "message": message }))
    }

    fn false_success(&self) -> Reply {
        self.error(200, "malformed JSON")
    }
}

fn answer(calls: &mut BTreeMap<String, Value>, request: &Request) -> Reply {
    // Basic: the key, a colon and nothing.
    if request.header("authorization") != "Basic d3JpdGUta2V5LTAwMDA6" {
        return Reply::json(
            401,
            &json!({ "success": false, "message": "invalid write key" }),
        );
    }
    let body = request.json();
    let batch = body["batch"].as_array().unwrap();
    let is_call = |call: &Value| {
        let kind = call["type"].as_str().unwrap_or_default();
        let has_name = call["userId"].is_string() || call["anonymousId"].is_string();
        matches!(kind, "identify" | "track" | "group") && has_name
    };
    if request.path != "/v1/batch" || !body["sentAt"].is_string() || !batch.iter().all(is_call) {
        return Reply::json(400, &json!({ "success": false, "message": "malformed" }));
    }
    for call in batch {
        calls.insert(call["messageId"].as_str().unwrap().to_owned(), call.clone());
    }
    Reply::ok(&json!({ "success": true }))
}

#[test]
fn an_event_is_a_track_call_with_the_items_id() {
    let stand_in = Segment::start();
    let pushed = push_one(connector(&stand_in).as_ref(), &stand_in.items()[1], NOW_MS);
    assert!(is_accepted(&pushed), "{pushed:?}");
    let expected = json!({
        "type": "track", "messageId": "i2", "userId": "user-7", "event": "usage_dropped", "properties": {},
        "timestamp": "2026-11-23T19:19:10.250Z", "context": { "groupId": "acme" },
    });
    assert_eq!(stand_in.calls.lock().unwrap()["i2"], expected);
}
