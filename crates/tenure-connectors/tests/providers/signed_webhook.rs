//! A receiver of signed webhooks that knows repeats by their id.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tenure_connectors::provider::Item;

use crate::harness::{StandIn, message, person, strings};
use crate::server::{Reply, Request, Server};

crate::complies!(SignedWebhook);

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

pub(crate) struct SignedWebhook {
    server: Server,
    taken: Arc<Mutex<BTreeMap<String, String>>>,
}

impl StandIn for SignedWebhook {
    fn start() -> Self {
        let taken = Arc::new(Mutex::new(BTreeMap::new()));
        let shared = Arc::clone(&taken);
        let server = Server::start(move |request| answer(&mut shared.lock().unwrap(), request));
        Self { server, taken }
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let url = format!("{}/hook?key=url-key", self.server.url());
        strings(&[("url", &url), ("signing_secret", SECRET)])
    }

    fn wrong_secrets(&self) -> BTreeMap<String, String> {
        strings(&[("signing_secret", "whsec_MTEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")])
    }

    fn is_write(request: &Request) -> bool {
        request.json()["type"] != "test"
    }

    fn items(&self) -> Vec<Item> {
        vec![
            person("i1", "anna@example.com", &[("plan", "pro")]),
            message("i2", "C01", "Hello"),
        ]
    }

    fn bad_item(&self) -> Item {
        message("bad", "nowhere", "Hello")
    }

    fn written(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        taken
            .iter()
            .map(|(id, body)| format!("{id} {body}"))
            .collect()
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        Reply::json(status, &json!({ "error": message }))
    }

    fn false_success(&self) -> Reply {
        Reply::ok(&json!({}))
    }

    fn repeats_are_harmless(&self) -> bool {
        true
    }
}

/// Checks the signature with nothing of ours: HMAC-SHA256 over id, time and body.
fn is_signed(request: &Request) -> bool {
    let [id, at, signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| request.header(name));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"0123456789abcdef01234567");
    let text = format!("{id}.{at}.{}", request.body);
    let tag = ring::hmac::sign(&key, text.as_bytes());
    let expected = STANDARD.encode(tag.as_ref());
    signature == format!("v1,{expected}")
}

fn answer(taken: &mut BTreeMap<String, String>, request: &Request) -> Reply {
    if !is_signed(request) {
        return Reply::text(401, "");
    }
    let body = request.json();
    if body["data"]["to"] == "nowhere" {
        return Reply::text(422, "");
    }
    taken.insert(request.header("webhook-id").into(), request.body.clone());
    Reply::text(204, "")
}
