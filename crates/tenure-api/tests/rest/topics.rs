//! Topics: as pages, as long polls, as streams.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use super::World;

const DEFINITIONS: &str = r#"policy: default
timezone: UTC
---
signal: first-report
about: The first report was made
kind: milestone
when: count("report_created") >= 1
---
signal: quiet
kind: health
audience: account
when: count("report_created") >= 2
---
signal: nothing-to-tell
when: count("report_created") >= 1
---
program: watch
audience: person
enter: { event: report_created, again: always }
steps:
  - set: { seen: true }
"#;

async fn world() -> World {
    let world = World::empty();
    let files = json!({"files": [{"path": "all.yaml", "text": DEFINITIONS}]});
    let (status, body) = world.post("definitions/apply", files).await;
    assert_eq!(status, 200, "{body}");
    world.run();
    world
}

async fn report(world: &World, id: &str) {
    let batch = json!({"writeKey": world.keys.write_key, "batch": [
        {"type": "group", "messageId": "g", "userId": "noor", "groupId": "acme"},
        {"type": "track", "messageId": id, "userId": "noor", "event": "report_created"},
    ]});
    let request = Request::post("/v1/batch")
        .body(Body::from(batch.to_string()))
        .unwrap();
    assert_eq!(world.send(request).await.status(), 200);
    world.run();
}

fn kinds(part: &Value) -> Vec<&str> {
    let events = part["data"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_signal_is_told_once_on_the_topic_of_its_kind_with_the_customers_own_id() {
    let world = world().await;
    report(&world, "r1").await;
    report(&world, "r2").await;
    let milestones = world.get("topics/milestone_achievements").await;
    assert_eq!(kinds(&milestones), ["tenure.milestone_reached"]);
    let event = &milestones["data"][0];
    for (field, expected) in [
        ("/specversion", json!("1.0")),
        ("/topic", json!("milestone_achievements")),
        ("/data/signal", json!("first-report")),
        ("/data/customer_id", json!("acme")),
        ("/data/properties/about", json!("The first report was made")),
    ] {
        assert_eq!(event.pointer(field), Some(&expected), "{field}");
    }
    assert_eq!(event["subject"], event["data"]["account"]);
    let health = world.get("topics/customer_health_events").await;
    assert_eq!(kinds(&health), ["tenure.health_signal"]);
    assert_eq!(health["data"][0]["data"]["person"], json!(null));
    assert_eq!(
        kinds(&world.get("topics/opportunity_identification").await),
        [""; 0]
    );
    let again = world.get("topics/milestone_achievements").await;
    assert_eq!(again["data"], milestones["data"], "a replay says the same");
}

#[tokio::test]
async fn a_topic_goes_on_after_any_position() {
    let world = world().await;
    for number in 0..5 {
        report(&world, &format!("r{number}")).await;
    }
    let all = world.get("topics/decisions").await;
    assert!(all["data"].as_array().unwrap().len() >= 5, "{all}");
    assert_eq!(all["next_position"], all["end_position"]);
    let (mut after, mut walked) = (0, Vec::new());
    loop {
        let part = world
            .get(&format!("topics/decisions?limit=2&after={after}"))
            .await;
        let rows = part["data"].as_array().unwrap().clone();
        if rows.is_empty() {
            break;
        }
        walked.extend(rows);
        after = part["next_position"].as_u64().unwrap();
    }
    assert_eq!(Value::from(walked), all["data"]);
    let latest = world.get("topics/decisions?after=latest").await;
    assert_eq!(latest["data"], json!([]));
}

#[tokio::test]
async fn a_long_poll_answers_when_something_comes() {
    let world = world().await;
    // Asked for beforehand: what comes while `latest` is looked up may be before it.
    let latest = world
        .get("topics/milestone_achievements?after=latest")
        .await;
    let after = &latest["next_position"];
    let path = format!("topics/milestone_achievements?after={after}&wait=20");
    let (part, ()) = tokio::join!(world.get(&path), async {
        tokio::task::yield_now().await;
        report(&world, "r1").await;
    });
    assert_eq!(kinds(&part), ["tenure.milestone_reached"]);
    let (status, code) = world.refused("GET", "topics/decisions?wait=31", None).await;
    assert_eq!((status, code.as_str()), (400, "invalid-field"));
    let (status, _) = world.refused("GET", "topics/orders", None).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let world = world().await;
    for number in 0..3 {
        report(&world, &format!("r{number}")).await;
    }
    let all = world.get("topics/decisions").await;
    let request = Request::get("/api/v1/topics/decisions")
        .header("Authorization", format!("Bearer {}", world.keys.api_token))
        .header("Accept", "text/event-stream")
        .header("Last-Event-ID", "1");
    let response = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut frames = response.into_body().into_data_stream();
    let frame = frames.next().await.unwrap().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    assert!(text.starts_with("id: 2\n"), "{text}");
    let line = text.lines().find(|line| line.starts_with("data:")).unwrap();
    let event: Value = serde_json::from_str(line.trim_start_matches("data:")).unwrap();
    assert_eq!(event, all["data"][1]);
}
