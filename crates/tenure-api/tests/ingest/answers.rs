//! What senders are told: good, repeated, bad, too much.

use serde_json::{Value, json};
use tenure_api::ingest::IngestLimits;

use super::{Server, gzip, post};

/// A body that is refused as a single call, the path, and the field the answer must name.
#[expect(clippy::too_many_lines, reason = "a table, one row a rule")]
fn refused_calls() -> Vec<(&'static str, Value, &'static str)> {
    let long = |count| "x".repeat(count);
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let many: serde_json::Map<_, _> = (0..600).map(|n| (format!("t{n}"), json!(1))).collect();
    vec![
        ("/v1/track", json!({"userId": "u"}), "event"),
        ("/v1/track", json!({"userId": "u", "event": " "}), "event"),
        ("/v1/track", json!({"userId": "u", "event": 7}), "event"),
        (
            "/v1/track",
            json!({"userId": "u", "event": long(201)}),
            "event",
        ),
        (
            "/v1/track",
            json!({"userId": "u", "event": "a\u{0}"}),
            "event",
        ),
        ("/v1/track", json!({"event": "x"}), "userId"),
        (
            "/v1/track",
            json!({"userId": "", "anonymousId": null, "event": "x"}),
            "userId",
        ),
        ("/v1/track", json!({"userId": {}, "event": "x"}), "userId"),
        (
            "/v1/track",
            json!({"userId": long(513), "event": "x"}),
            "userId",
        ),
        (
            "/v1/track",
            json!({"anonymousId": "a\u{0}", "event": "x"}),
            "anonymousId",
        ),
        (
            "/v1/track",
            json!({"userId": "u", "event": "x", "messageId": true}),
            "messageId",
        ),
        (
            "/v1/track",
            json!({"userId": "u", "event": "x", "messageId": long(257)}),
            "messageId",
        ),
        (
            "/v1/track",
            json!({"userId": "u", "event": "x", "properties": []}),
            "properties",
        ),
        (
            "/v1/track",
            json!({"userId": "u", "event": "x", "properties": {"a": deep}}),
            "properties",
        ),
        (
            "/v1/track",
            json!({"userId": "u", "event": "x", "properties": {"a": "\u{0}"}}),
            "properties",
        ),
        (
            "/v1/track",
            json!({"userId": "u", "event": "x", "timestamp": "yesterday"}),
            "timestamp",
        ),
        (
            "/v1/track",
            json!({"userId": "u", "event": "x", "timestamp": true}),
            "timestamp",
        ),
        (
            "/v1/track",
            json!({"userId": "u", "event": "x", "sentAt": "soon"}),
            "sentAt",
        ),
        (
            "/v1/track",
            json!({"userId": "u", "event": "x", "context": "web"}),
            "context",
        ),
        ("/v1/identify", json!({"traits": {"plan": "pro"}}), "userId"),
        (
            "/v1/identify",
            json!({"userId": "u", "traits": "pro"}),
            "traits",
        ),
        (
            "/v1/identify",
            json!({"userId": "u", "traits": many}),
            "traits",
        ),
        (
            "/v1/identify",
            json!({"userId": "u", "traits": {"bio": long(8193)}}),
            "traits.bio",
        ),
        (
            "/v1/identify",
            json!({"userId": "u", "traits": {"": 1}}),
            "traits.",
        ),
        (
            "/v1/identify",
            json!({"userId": "u", "traits": {"l": vec![1; 1001]}}),
            "traits.l",
        ),
        ("/v1/group", json!({"userId": "u"}), "groupId"),
        ("/v1/alias", json!({"previousId": "a"}), "userId"),
        ("/v1/alias", json!({"userId": "u"}), "previousId"),
    ]
}

#[tokio::test]
async fn a_bad_call_is_refused_with_the_name_of_its_field() {
    let server = Server::new();
    for (path, body, field) in refused_calls() {
        let (status, answer) = server.post(path, body.clone()).await;
        assert_eq!(status, 400, "{path} {body}: {answer}");
        assert_eq!(answer["field"], field, "{path} {body}: {answer}");
        assert_eq!(answer["code"], "invalid-field");
        assert!(!answer["fix"].as_str().unwrap().is_empty());
    }
    assert!(server.log().is_empty());
}

#[tokio::test]
async fn a_batch_keeps_its_good_calls_and_reports_the_bad() {
    let server = Server::new();
    let (status, answer) = server
        .post(
            "/v1/batch",
            json!({"batch": [
                {"type": "track", "userId": "u", "event": "x"},
                {"type": "track", "userId": "u"},
                {"type": "walk", "userId": "u"},
                7,
                {"type": "track", "userId": "u", "event": "y"},
            ]}),
        )
        .await;
    assert_eq!(status, 200);
    assert_eq!(answer["accepted"], 2);
    let rejected = answer["rejected"].as_array().unwrap();
    let places: Vec<_> = rejected
        .iter()
        .map(|row| {
            (
                row["index"].as_u64().unwrap(),
                row["field"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(places, [(1, "event"), (2, "type"), (3, "")]);
    assert_eq!(server.events().len(), 2);
}

#[tokio::test]
async fn a_batch_without_a_good_call_is_refused_with_the_same_report() {
    let server = Server::new();
    let (status, answer) = server
        .post("/v1/batch", json!({"batch": [{"type": "track"}]}))
        .await;
    assert_eq!(status, 400);
    assert_eq!(answer["success"], false);
    assert_eq!(answer["rejected"][0]["index"], 0);
}

#[tokio::test]
async fn an_empty_batch_is_fine() {
    let (status, answer) = Server::new().post("/v1/batch", json!({"batch": []})).await;
    assert_eq!((status.as_u16(), &answer["accepted"]), (200, &json!(0)));
}

#[tokio::test]
async fn a_repeated_message_id_is_accepted_and_counted_once() {
    let server = Server::new();
    let call = json!({"type": "track", "userId": "u", "event": "x", "messageId": "m1"});
    let (_, first) = server
        .post("/v1/batch", json!({"batch": [call, call]}))
        .await;
    assert_eq!(
        (&first["accepted"], &first["duplicates"]),
        (&json!(1), &json!(1))
    );
    let (status, again) = server.post("/v1/track", call).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&again["accepted"], &again["duplicates"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(server.events().len(), 1);
}

#[tokio::test]
async fn calls_without_a_message_id_are_all_counted() {
    let server = Server::new();
    let call = json!({"userId": "u", "event": "x"});
    for _ in 0..3 {
        server.post("/v1/track", call.clone()).await;
    }
    assert_eq!(server.events().len(), 3);
}

#[tokio::test]
async fn a_body_that_is_no_batch_is_refused_as_a_whole() {
    let server = Server::new();
    for (body, code) in [
        ("", "malformed-body"),
        ("[]", "malformed-body"),
        ("{\"batch\": [", "malformed-body"),
        ("{\"batch\": [{]}", "malformed-body"),
        ("{\"batch\": {}}", "invalid-field"),
        ("{}", "invalid-field"),
        ("{\"batch\": [], \"sentAt\": \"soon\"}", "invalid-field"),
    ] {
        let (status, answer) = server.post_text("/v1/batch", body).await;
        assert_eq!(
            (status.as_u16(), answer["code"].as_str()),
            (400, Some(code)),
            "{body}"
        );
    }
    let (status, answer) = server.post_text("/v1/batch", vec![0xff, 0xfe]).await;
    assert_eq!(
        (status.as_u16(), answer["code"].as_str()),
        (400, Some("malformed-body"))
    );
}

#[tokio::test]
async fn what_is_over_a_limit_is_refused_with_413_or_in_the_report() {
    let limits = IngestLimits {
        event_bytes: 200,
        batch_bytes: 1_000,
        batch_events: 3,
    };
    let server = Server::with_limits(limits);
    let call = |bytes: usize| json!({"type": "track", "userId": "u", "event": "x", "properties": {"p": "x".repeat(bytes)}});

    let (status, answer) = server.post("/v1/track", call(300)).await;
    assert_eq!(
        (status.as_u16(), answer["code"].as_str()),
        (413, Some("too-large"))
    );
    let (status, answer) = server
        .post("/v1/batch", json!({"batch": [call(300), call(1)]}))
        .await;
    assert_eq!(
        (status.as_u16(), &answer["rejected"][0]["index"]),
        (200, &json!(0))
    );
    let (status, answer) = server
        .post("/v1/batch", json!({"batch": vec![call(1); 4]}))
        .await;
    assert_eq!(
        (status.as_u16(), answer["field"].as_str()),
        (413, Some("batch"))
    );
    let (status, _) = server
        .post("/v1/batch", json!({"batch": vec![call(150); 6]}))
        .await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_small_body_that_unpacks_to_much_is_refused() {
    let server = Server::new();
    let mut request = post("/v1/batch", gzip(&" ".repeat(50_000_000)));
    request
        .headers_mut()
        .insert("Content-Encoding", "gzip".parse().unwrap());
    let response = server.send(request).await;
    assert_eq!(response.status(), 413);
}
