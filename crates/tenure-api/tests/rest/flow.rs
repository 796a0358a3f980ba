//! Flow control, and requests that are sent twice.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use serde_json::{Value, json};
use tenure_api::ingest::IngestLimits;
use tenure_api::{ApiState, FlowLimits, router};
use tenure_store::query::RecordFilter;
use tenure_store::row::Record;
use tenure_store::{Batch, Page};

use super::{World, read};

impl World {
    async fn post_once(&self, path: &str, key: &str, body: &Value) -> Response<Body> {
        let request = Request::post(format!("/api/v1/{path}"))
            .header("Authorization", format!("Bearer {}", self.keys.api_token))
            .header("Idempotency-Key", key)
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }
}

fn endpoint(url: &str) -> Value {
    json!({"url": url, "topics": ["decisions"]})
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_done_once_and_answered_the_same() {
    let world = World::empty();
    let body = json!({"email": "noor@example.com"});
    let first = world.post_once("suppressions", "k1", &body).await;
    assert!(first.headers().get("idempotency-replayed").is_none());
    let (status, first) = read(first).await;
    assert_eq!(status, 200, "{first}");
    let again = world.post_once("suppressions", "k1", &body).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(read(again).await, (status, first));
    let rows = world.get("suppressions").await;
    assert_eq!(rows["data"].as_array().unwrap().len(), 1);
    let other = world.post_once("suppressions", "k2", &body).await;
    assert_eq!(other.status(), 200);
}

/// Everything that is kept under idempotency keys.
fn kept(world: &World) -> Vec<Record> {
    let filter = RecordFilter {
        collection: "idempotency".into(),
        ..RecordFilter::default()
    };
    world
        .node
        .store()
        .records(&filter, &Page::default())
        .unwrap()
}

#[tokio::test]
async fn an_answer_with_a_secret_is_not_kept_and_the_way_out_is_told() {
    let world = World::empty();
    let made = [
        (
            "webhooks",
            endpoint("https://hooks.example.com/a"),
            "secret",
        ),
        (
            "tokens",
            json!({"name": "t", "scopes": "profiles:read"}),
            "token",
        ),
        (
            "clients",
            json!({"name": "c", "scopes": "profiles:read"}),
            "secret",
        ),
    ];
    for (path, body, field) in made {
        let first = read(world.post_once(path, path, &body).await).await;
        assert_eq!(first.0, 200, "{}", first.1);
        let first: Value = serde_json::from_str(&first.1).unwrap();
        let secret = first[field].as_str().unwrap();
        for record in kept(&world) {
            assert!(
                !String::from_utf8_lossy(&record.bytes).contains(secret),
                "{path}"
            );
        }
        let (status, again) = read(world.post_once(path, path, &body).await).await;
        assert_eq!(status, 409);
        assert!(
            again.contains("secret-shown") && again.contains("rotate"),
            "{again}"
        );
        assert_eq!(world.get(path).await["data"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_key_whose_request_a_stop_cut_off_says_so_and_does_nothing() {
    let world = World::empty();
    let body = json!({"email": "noor@example.com"});
    assert_eq!(
        world.post_once("suppressions", "k1", &body).await.status(),
        200
    );
    // As a stop between the request and its answer leaves it.
    let mut record = kept(&world).remove(0);
    let mut claimed: Value = serde_json::from_slice(&record.bytes).unwrap();
    claimed["answer"] = Value::Null;
    record.bytes = claimed.to_string().into_bytes();
    let batch = Batch {
        records: vec![record],
        ..Batch::default()
    };
    world.node.writer().commit(batch, Vec::new()).unwrap();
    for _ in 0..2 {
        let (status, text) = read(world.post_once("suppressions", "k1", &body).await).await;
        assert_eq!(status, 409);
        assert!(
            text.contains("cut off") && text.contains("new key"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let world = World::empty();
    let first = world
        .post_once("webhooks", "k1", &endpoint("https://hooks.example.com/a"))
        .await;
    assert_eq!(first.status(), 200);
    let other = world
        .post_once("webhooks", "k1", &endpoint("https://hooks.example.com/b"))
        .await;
    let (status, text) = read(other).await;
    assert_eq!(status, 422);
    assert!(text.contains("idempotency-key-reused"), "{text}");
    let long = "k".repeat(256);
    let refused = world.post_once("webhooks", &long, &json!({})).await;
    assert_eq!(refused.status(), 400);
}

#[tokio::test]
async fn a_key_that_is_in_hand_or_was_cut_off_is_a_conflict() {
    let world = World::empty();
    let body = endpoint("https://hooks.example.com/a");
    let first = world.post_once("webhooks", "k1", &body).await;
    assert_eq!(first.status(), 200);
    // The same key again and again at once: each is done before or told to wait, none is done anew.
    let (a, b) = tokio::join!(
        world.post_once("webhooks", "k9", &body),
        world.post_once("webhooks", "k9", &body)
    );
    let mut statuses = [a.status().as_u16(), b.status().as_u16()];
    statuses.sort_unstable();
    assert!(
        statuses == [200, 409] || statuses == [200, 200],
        "{statuses:?}"
    );
    let rows = world.get("webhooks").await;
    assert_eq!(rows["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn answers_tell_how_much_is_left_and_too_many_requests_are_turned_away() {
    let mut world = World::empty();
    let (node, metrics) = (Arc::clone(&world.node), Arc::new(String::new));
    let state = ApiState::new(node, IngestLimits::default(), None, [1; 16], metrics);
    world.router = router(state.with_flow(FlowLimits {
        client_rate_per_second: 1,
        client_burst: 20,
        customer_concurrency: 10,
    }));
    let mut turned_away = None;
    for _ in 0..300 {
        let request = Request::get("/api/v1/topics")
            .header("Authorization", format!("Bearer {}", world.keys.api_token))
            .body(Body::empty())
            .unwrap();
        let response = world.send(request).await;
        assert!(
            response.headers()["ratelimit"]
                .to_str()
                .unwrap()
                .starts_with("\"client\";r=")
        );
        assert_eq!(
            response.headers()["ratelimit-policy"],
            "\"client\";q=20;w=20"
        );
        if response.status() == 429 {
            turned_away = Some(response);
            break;
        }
    }
    let response = turned_away.expect("a client may not ask without end");
    assert_eq!(response.headers()["retry-after"], "1");
    let (_, text) = read(response).await;
    assert!(text.contains("rate-limited"), "{text}");
}
