//! A node in memory with one program, and its HTTP surface.

mod access;
mod audit;
mod connectors;
mod customer;
mod definitions;
mod erasure;
mod flow;
mod hosted;
mod isolation;
mod lists;
mod oauth;
mod receipts;
mod records;
mod setup;
mod suppressions;
mod topics;
mod transfer;
mod webhooks;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tenure_api::ingest::IngestLimits;
use tenure_api::{ApiState, router};
use tenure_app::access::Role;
use tenure_app::access::users::csrf_token;
use tenure_app::clock::Clock;
use tenure_app::dispatch::DispatchSettings;
use tenure_app::node::{Node, Parts};
use tenure_app::worker::Step;
use tenure_app::workspace::{Credentials, ENTROPY_BYTES, Workspace};
use tenure_connectors::{EmailTransport, Outcome, PreparedEmail};
use tenure_core::time::Timestamp;
use tenure_store::memory::MemoryStore;
use tower::ServiceExt;

const PASSWORD: &str = "correct-horse-battery";

const DEFINITIONS: &str = r#"policy: default
timezone: UTC
from: "Northbeam <hello@example.com>"
topics: [ { name: onboarding, title: Onboarding, default: subscribed } ]
---
segment: signed-up
audience: person
when: count("signed_up") >= 1
---
program: welcome
about: Somebody signed up
audience: person
topic: onboarding
enter: { event: signed_up }
steps:
  - send: email
    template: welcome
"#;

const TEMPLATE: &str = "---\nsubject: \"Welcome, {{ person.first_name }}\"\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ person.first_name }}, <a href=\"https://app.example.com/start\">start</a></mj-text></mj-column></mj-section></mj-body></mjml>";

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::parse("2026-03-02T09:00:00Z").unwrap()
    }
}

#[derive(Default)]
struct Mailbox(Mutex<Vec<String>>);

impl EmailTransport for Mailbox {
    fn send(&self, mail: &PreparedEmail) -> Outcome {
        let text = String::from_utf8_lossy(mail.bytes()).into_owned();
        self.0.lock().unwrap().push(text);
        Outcome::Accepted {
            response: "ok".into(),
            queue_id: None,
        }
    }
}

struct World {
    node: Arc<Node>,
    mailbox: Arc<Mailbox>,
    keys: Credentials,
    router: Router,
    folder: tempfile::TempDir,
}

impl World {
    /// A workspace in which nothing is published.
    fn empty() -> Self {
        Self::of(7)
    }

    /// Likewise, with other secrets.
    fn of(entropy: u8) -> Self {
        Self::dressed(entropy, |state| state)
    }

    /// Likewise, with a surface that has more.
    fn dressed(entropy: u8, dress: impl FnOnce(ApiState) -> ApiState) -> Self {
        let store = Arc::new(MemoryStore::new());
        let keys =
            Workspace::create(store.as_ref(), "Northbeam", &[entropy; ENTROPY_BYTES]).unwrap();
        let mailbox = Arc::new(Mailbox::default());
        let parts = Parts {
            store,
            clock: Arc::new(Still),
            email: Arc::clone(&mailbox) as Arc<dyn EmailTransport>,
            dispatch: DispatchSettings::default(),
            cached_subjects: 0,
        };
        let node = Node::open_inline(parts).unwrap();
        let metrics = Arc::new(|| "tenure_lag 0\n".to_owned());
        let state = ApiState::new(
            Arc::clone(&node),
            IngestLimits::default(),
            None,
            [entropy; 16],
            metrics,
        );
        let folder = tempfile::tempdir().unwrap();
        let state = state.with_scratch(folder.path());
        Self {
            node,
            mailbox,
            keys,
            router: router(dress(state)),
            folder,
        }
    }

    /// A workspace with the program, and one person who signed up and was written to.
    async fn new() -> Self {
        let world = Self::empty();
        let (status, body) = world.post("definitions/apply", files()).await;
        assert_eq!(status, 200, "{body}");
        world.run();
        world.sign_up("noor").await;
        world
    }

    async fn sign_up(&self, user: &str) {
        let batch = json!({"writeKey": self.keys.write_key, "batch": [
            {"type": "identify", "messageId": format!("{user}-1"), "userId": user,
             "traits": {"email": format!("{user}@example.com"), "first_name": "Noor"}},
            {"type": "group", "messageId": format!("{user}-2"), "userId": user, "groupId": "acme", "traits": {"mrr": 100}},
            {"type": "track", "messageId": format!("{user}-3"), "userId": user, "event": "signed_up", "properties": {"plan": "pro"}},
        ]});
        let request = Request::post("/v1/batch")
            .body(Body::from(batch.to_string()))
            .unwrap();
        assert_eq!(self.send(request).await.status(), 200);
        self.run();
    }

    fn run(&self) {
        loop {
            let worked = self.node.step_worker().unwrap() == Step::Worked;
            let sent = self.node.dispatcher().step(100).unwrap();
            if !worked && sent == 0 {
                return;
            }
        }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/{path}"))
            .header("Authorization", format!("Bearer {}", self.keys.api_token))
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .unwrap();
        let (status, text) = read(self.send(request).await).await;
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call("POST", path, Some(body)).await
    }

    /// Asks for something that is refused; answers status and code.
    async fn refused(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let (status, body) = self.call(method, path, body).await;
        (
            status.as_u16(),
            body["code"].as_str().unwrap_or_default().to_owned(),
        )
    }

    async fn person_id(&self) -> String {
        let found = self.get("people?user_id=noor").await;
        found["data"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Adds a user of a role and signs them in; answers their cookie.
    async fn session(&self, role: Role) -> String {
        let word = serde_json::to_value(role).unwrap();
        let email = format!("{}@example.com", word.as_str().unwrap());
        let user = json!({"email": email, "name": "Ann", "role": word, "password": PASSWORD});
        let (status, body) = self.post("users", user).await;
        assert_eq!(status, 200, "{body}");
        let form = format!("email={}&password={PASSWORD}", email.replace('@', "%40"));
        let response = self
            .send(Request::post("/login").body(Body::from(form)).unwrap())
            .await;
        assert_eq!(response.status(), 303);
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Asks within a session, with its CSRF token.
    async fn with_session(&self, cookie: &str, method: &str, path: &str) -> (u16, Value) {
        let secret = cookie.split_once('=').unwrap().1;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Cookie", cookie)
            .header("X-CSRF-Token", csrf_token(secret))
            .body(Body::empty())
            .unwrap();
        let (status, text) = read(self.send(request).await).await;
        (
            status.as_u16(),
            serde_json::from_str(&text).unwrap_or_default(),
        )
    }

    /// An access token of an application with these scopes, as a header.
    async fn jwt(&self, scopes: &str) -> String {
        let (_, client) = self
            .post("clients", json!({"name": "test", "scopes": scopes}))
            .await;
        let basic = basic(
            client["id"].as_str().unwrap(),
            client["secret"].as_str().unwrap(),
        );
        let request = Request::post("/oauth/token")
            .header("Authorization", basic)
            .body(Body::from("grant_type=client_credentials"))
            .unwrap();
        let (_, text) = read(self.send(request).await).await;
        let issued: Value = serde_json::from_str(&text).unwrap();
        format!("Bearer {}", issued["access_token"].as_str().unwrap())
    }

    /// Makes somebody the owner of the account `acme`.
    async fn own_acme(&self, owner: &str) {
        let call = json!({"messageId": "own", "userId": "noor", "groupId": "acme", "traits": {"owner": owner}});
        let request = Request::post("/v1/group")
            .header("Authorization", basic(&self.keys.write_key, ""))
            .body(Body::from(call.to_string()))
            .unwrap();
        assert_eq!(self.send(request).await.status(), 200);
        self.run();
    }

    fn last_mail(&self) -> String {
        self.mailbox.0.lock().unwrap().last().cloned().unwrap()
    }
}

/// Basic authorization.
fn basic(user: &str, password: &str) -> String {
    let pair = format!("{user}:{password}");
    format!("Basic {}", STANDARD.encode(pair))
}

fn files() -> Value {
    json!({"files": [
        {"path": "all.yaml", "text": DEFINITIONS},
        {"path": "templates/welcome.mjml", "text": TEMPLATE},
    ]})
}

async fn read(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}
