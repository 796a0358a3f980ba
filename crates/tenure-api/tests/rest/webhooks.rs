//! Webhook endpoints, breakers and dead letters over the API.

use serde_json::json;

use super::World;

#[tokio::test]
async fn an_endpoint_shows_its_secret_once_and_is_changed_and_taken_out() {
    let world = World::empty();
    let body = json!({"url": "https://hooks.example.com/a", "topics": ["messages", "decisions"],
        "filter": {"types": ["tenure.message_sent"]}});
    let (status, made) = world.post("webhooks", body).await;
    assert_eq!(status, 200, "{made}");
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!("webhooks/{}", made["id"].as_str().unwrap());
    let found = world.get(&path).await;
    assert_eq!(found["secret"], json!(null));
    assert_eq!(found["state"], "enabled");
    assert_eq!(found["topics"], json!(["decisions", "messages"]));
    let (_, rotated) = world
        .post(&format!("{path}/rotate-secret"), json!({}))
        .await;
    assert_ne!(rotated["secret"], made["secret"]);
    let body = json!({"url": "https://hooks.example.com/b", "topics": ["messages"]});
    let (status, changed) = world.call("PUT", &path, Some(body)).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["url"], "https://hooks.example.com/b");
    assert_eq!(
        world.post(&format!("{path}/disable"), json!({})).await.0,
        200
    );
    let found = world.get(&path).await;
    assert_eq!(found["disabled_reason"], "disabled by hand");
    assert_eq!(
        world.post(&format!("{path}/enable"), json!({})).await.0,
        200
    );
    let log = world.get(&format!("{path}/deliveries")).await;
    assert_eq!(log["data"], json!([]));
    assert_eq!(world.call("DELETE", &path, None).await.0, 200);
    assert_eq!(world.refused("GET", &path, None).await.0, 404);
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_is_refused_by_field() {
    let world = World::empty();
    for (body, field) in [
        (
            json!({"url": "http://10.0.0.1/", "topics": ["messages"]}),
            "url",
        ),
        (
            json!({"url": "https://hooks.example.com", "topics": []}),
            "topics",
        ),
        (
            json!({"url": "https://hooks.example.com", "topics": ["messages"], "rate_per_second": 0}),
            "rate_per_second",
        ),
    ] {
        let (status, problem) = world.post("webhooks", body).await;
        assert_eq!(
            (status.as_u16(), &problem["field"]),
            (400, &json!(field)),
            "{problem}"
        );
    }
    let unknown = json!({"url": "https://hooks.example.com", "topics": ["orders"]});
    assert_eq!(world.post("webhooks", unknown).await.0, 400);
}

#[tokio::test]
async fn the_breaker_of_mail_is_seen_and_closed() {
    let world = World::empty();
    let breakers = world.get("breakers").await;
    assert_eq!(breakers["data"][0]["name"], "email");
    assert_eq!(breakers["data"][0]["state"], "closed");
    assert_eq!(world.post("breakers/email/reset", json!({})).await.0, 200);
    let (status, _) = world
        .refused("POST", "breakers/webhook:x/reset", None)
        .await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn dead_letters_of_every_kind_are_one_list() {
    let world = World::empty();
    assert_eq!(world.get("dead-letters").await["data"], json!([]));
    assert_eq!(
        world.get("dead-letters?kind=webhook").await["data"],
        json!([])
    );
    assert_eq!(
        world.refused("GET", "dead-letters?kind=x", None).await.0,
        400
    );
    for id in ["17", "unknown", "msg_01h455vb4pex5vsknk084sn02q"] {
        let path = format!("dead-letters/{id}");
        assert_eq!(world.refused("GET", &path, None).await.0, 404, "{id}");
        assert_eq!(
            world
                .refused("POST", &format!("{path}/discard"), None)
                .await
                .0,
            404
        );
    }
    let (status, done) = world
        .post("dead-letters/discard", json!({"kind": "message"}))
        .await;
    assert_eq!((status.as_u16(), &done["done_count"]), (200, &json!(0)));
}
