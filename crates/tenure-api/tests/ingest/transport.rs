//! Keys, encodings, browsers, and a writer that cannot keep up.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use tenure_api::ingest::IngestLimits;
use tenure_app::journal::Journal;
use tenure_app::refusals::Refusals;
use tenure_app::writer::Writer;
use tenure_core::id::Salt;
use tenure_core::time::Timestamp;
use tenure_store::memory::MemoryStore;

use super::{Server, Still, answer, basic, gzip, now, post};

fn call() -> serde_json::Value {
    json!({"userId": "u", "event": "x"})
}

#[tokio::test]
async fn the_write_key_is_taken_from_basic_bearer_or_the_body() {
    let server = Server::new();
    let with = |header: Option<String>, body: serde_json::Value| {
        let request = Request::post("/v1/track");
        let request = header.into_iter().fold(request, |request, value| {
            request.header("Authorization", value)
        });
        request.body(Body::from(body.to_string())).unwrap()
    };
    let keyed = |key: &str| json!({"userId": "u", "event": "x", "writeKey": key});
    for (header, body, status) in [
        (Some(basic("wk_test")), call(), 200),
        (Some("Bearer wk_test".into()), call(), 200),
        (None, keyed("wk_test"), 200),
        (None, call(), 401),
        (None, keyed("other"), 401),
        (Some(basic("other")), keyed("wk_test"), 401),
        (Some("Basic ???".into()), call(), 401),
        (Some("Digest x".into()), call(), 401),
    ] {
        let shown = format!("{header:?} {body}");
        let response = server.send(with(header, body)).await;
        assert_eq!(response.status().as_u16(), status, "{shown}");
    }
    assert_eq!(server.events().len(), 3);
}

#[tokio::test]
async fn a_refused_key_is_told_with_a_remedy_and_not_repeated() {
    let server = Server::new();
    let request = Request::post("/v1/batch").header("Authorization", basic("secret-of-another"));
    let (status, body) = answer(server.send(request.body(Body::from("{}")).unwrap()).await).await;
    assert_eq!(status, 401);
    assert_eq!(body["code"], "unauthorized");
    assert!(body["fix"].as_str().unwrap().contains("tenure init"));
    assert!(!body.to_string().contains("secret-of-another"));
}

#[tokio::test]
async fn gzip_is_understood_whatever_the_content_type_says() {
    let server = Server::new();
    for kind in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ] {
        let mut request = post("/v1/track", gzip(&call().to_string()));
        request
            .headers_mut()
            .insert("Content-Encoding", "gzip".parse().unwrap());
        request
            .headers_mut()
            .insert("Content-Type", kind.parse().unwrap());
        assert_eq!(server.send(request).await.status(), 200);
    }
    let mut request = post("/v1/track", "not gzip");
    request
        .headers_mut()
        .insert("Content-Encoding", "gzip".parse().unwrap());
    assert_eq!(server.send(request).await.status(), 400);
    let mut request = post("/v1/track", call().to_string());
    request
        .headers_mut()
        .insert("Content-Encoding", "br".parse().unwrap());
    assert_eq!(server.send(request).await.status(), 415);
}

#[tokio::test]
async fn browsers_of_any_origin_may_send() {
    let server = Server::new();
    let preflight = Request::options("/v1/t")
        .header("Origin", "https://shop.example.com")
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "authorization,content-type",
        )
        .body(Body::empty())
        .unwrap();
    let response = server.send(preflight).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(
        response.headers()["access-control-allow-headers"],
        "authorization,content-type"
    );
    assert!(
        response.headers()["access-control-allow-methods"]
            .to_str()
            .unwrap()
            .contains("POST")
    );

    let mut request = post("/v1/t", call().to_string());
    request
        .headers_mut()
        .insert("Origin", "https://shop.example.com".parse().unwrap());
    let response = server.send(request).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn the_browser_library_is_told_to_send_to_this_server() {
    let server = Server::new();
    let request = |key: &str| {
        Request::get(format!("/v1/projects/{key}/settings"))
            .header("Host", "tenure.example.com:8080")
            .header("X-Forwarded-Proto", "https")
            .body(Body::empty())
            .unwrap()
    };
    let (status, body) = answer(server.send(request("wk_test")).await).await;
    assert_eq!(status, 200);
    let segment = &body["integrations"]["Segment.io"];
    assert_eq!(segment["apiHost"], "tenure.example.com:8080/v1");
    assert_eq!(segment["protocol"], "https");
    assert_eq!(segment["apiKey"], "wk_test");
    let (status, _) = answer(server.send(request("other")).await).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn senders_are_told_to_come_back_when_too_much_waits() {
    let store = MemoryStore::new();
    let (writer, handle) = Writer::new(
        Arc::new(store.clone()),
        Arc::new(Journal::new(0, Timestamp(0))),
        Arc::new(Still(now())),
        Arc::new(Refusals::new(Salt([7; 32]))),
    );
    // The writer does not run, so that its queue fills.
    while handle.ingest(Vec::new(), Box::new(|_| ())).is_ok() {}
    let server = Server::over(store, handle, IngestLimits::default());
    let response = server.send(post("/v1/track", call().to_string())).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    drop(writer);
    let response = server.send(post("/v1/track", call().to_string())).await;
    assert_eq!(response.status(), 503);
}
