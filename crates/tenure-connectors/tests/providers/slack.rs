//! Slack's stand-in: one bot, a few channels, an incoming webhook.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tenure_connectors::Outcome;
use tenure_connectors::provider::Item;

use crate::harness::{
    NOW_MS, StandIn, attempt, connect, connector, is_accepted, message, push_one, strings,
};
use crate::server::{Reply, Request, Server, Trouble};

crate::complies!(Slack);

const TOKEN: &str = "xoxb-0000-test-token";
const HOOK: &str = "/services/T0/B0/hook-key";

pub(crate) struct Slack {
    server: Server,
    posts: Arc<Mutex<Vec<String>>>,
}

impl StandIn for Slack {
    fn start() -> Self {
        let posts = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&posts);
        let server = Server::start(move |request| answer(&mut shared.lock().unwrap(), request));
        Self { server, posts }
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn kind(&self) -> &'static str {
        "slack"
    }

    fn settings(&self) -> BTreeMap<String, String> {
        strings(&[("token", TOKEN), ("base_url", &self.server.url())])
    }

    fn wrong_secrets(&self) -> BTreeMap<String, String> {
        strings(&[("token", "xoxb-0000-other")])
    }

    fn is_write(request: &Request) -> bool {
        request.path == "/api/chat.postMessage" || request.path == HOOK
    }

    fn items(&self) -> Vec<Item> {
        vec![
            message("m1", "C01", "Acme <is> at risk & waits"),
            message("m2", "C02", "Usage fell"),
        ]
    }

    fn bad_item(&self) -> Item {
        message("bad", "C99", "Nobody reads this")
    }

    fn written(&self) -> Vec<String> {
        self.posts.lock().unwrap().clone()
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        Reply::json(status, &json!({ "ok": false, "error": message }))
    }

    fn false_success(&self) -> Reply {
        Reply::ok(&json!({ "ok": false, "error": "is_archived" }))
    }

    fn repeats_are_harmless(&self) -> bool {
        false
    }
}

fn answer(posts: &mut Vec<String>, request: &Request) -> Reply {
    let body = request.json();
    if request.path == HOOK {
        return hook(posts, &body);
    }
    let say = |error: &str| Reply::ok(&json!({ "ok": false, "error": error }));
    if request.header("authorization") != format!("Bearer {TOKEN}") {
        return say("invalid_auth");
    }
    match request.path.as_str() {
        "/api/auth.test" => Reply::ok(&json!({ "ok": true, "team": "Example", "user": "tenure" })),
        "/api/chat.postMessage" => match (body["channel"].as_str(), body["text"].as_str()) {
            (Some("C01" | "C02"), Some(text)) if !text.is_empty() => {
                posts.push(text.to_owned());
                Reply::ok(&json!({ "ok": true, "ts": format!("{}.1", posts.len()) }))
            }
            (Some(_), Some(_)) => say("channel_not_found"),
            _ => say("invalid_arguments"),
        },
        _ => say("unknown_method"),
    }
}

fn hook(posts: &mut Vec<String>, body: &Value) -> Reply {
    match body["text"].as_str() {
        Some(text) if !text.is_empty() => {
            posts.push(text.to_owned());
            Reply::text(200, "ok")
        }
        _ => Reply::text(400, "no_text"),
    }
}

#[test]
fn names_of_customers_become_neither_mentions_nor_links() {
    let stand_in = Slack::start();
    let pushed = push_one(connector(&stand_in).as_ref(), &stand_in.items()[0], NOW_MS);
    assert!(is_accepted(&pushed));
    assert_eq!(stand_in.written(), ["Acme &lt;is&gt; at risk &amp; waits"]);
}

#[test]
fn an_error_that_passes_is_told_from_one_that_stays_though_both_are_200() {
    for (error, is_busy) in [("ratelimited", true), ("is_archived", false)] {
        let stand_in = Slack::start();
        let reply = Reply::ok(&json!({ "ok": false, "error": error }));
        stand_in
            .server()
            .trouble(Slack::is_write, Trouble::Say(reply));
        let pushed = push_one(connector(&stand_in).as_ref(), &stand_in.items()[0], NOW_MS);
        let Outcome::Rejected {
            permanent,
            ref reason,
            ..
        } = attempt(&pushed).outcome
        else {
            panic!("{pushed:?}");
        };
        assert_eq!((permanent, reason.as_str()), (!is_busy, error));
        assert_eq!(attempt(&pushed).retry_after_ms.is_some(), is_busy);
    }
}

#[test]
fn an_incoming_webhook_is_tested_without_posting_and_posts() {
    let stand_in = Slack::start();
    let hook = format!("{}{HOOK}", stand_in.server().url());
    let settings = strings(&[("webhook_url", &hook)]);
    let connector = connect(&stand_in, &settings, std::time::Duration::from_secs(20));
    connector.test(NOW_MS).unwrap();
    assert!(stand_in.written().is_empty());
    let pushed = push_one(connector.as_ref(), &stand_in.items()[1], NOW_MS + 1_000);
    assert!(is_accepted(&pushed), "{pushed:?}");
    assert_eq!(stand_in.written(), ["Usage fell"]);
}
