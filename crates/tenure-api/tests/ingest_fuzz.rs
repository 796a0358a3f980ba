//! The body parser takes anything without panicking, and says something sensible about it.

use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "../../../fuzz/bodies/ingest.rs"]
mod body;
#[path = "../../../fuzz/bodies/inputs.rs"]
mod inputs;

use body::run as parse;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("2026-03-01T10:00:00Z")),
        Just(json!("a@example.com")),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z.]{0,6}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_call() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec![
        "track", "identify", "group", "page", "screen", "alias", "walk",
    ]);
    let fields = prop::sample::subsequence(
        vec![
            "messageId",
            "userId",
            "anonymousId",
            "groupId",
            "previousId",
            "event",
            "name",
            "category",
            "timestamp",
            "originalTimestamp",
            "sentAt",
            "writeKey",
            "properties",
            "traits",
            "context",
        ],
        0..15,
    );
    (kind, fields, prop::collection::vec(any_json(), 15)).prop_map(|(kind, fields, values)| {
        let mut call: serde_json::Map<_, _> =
            fields.into_iter().map(str::to_owned).zip(values).collect();
        call.insert("type".into(), kind.into());
        Value::Object(call)
    })
}

#[test]
fn the_corpus_is_answered() {
    for body in inputs::corpus("ingest") {
        parse(&body);
    }
}

proptest! {
    #[test]
    fn changed_bodies_of_the_corpus_are_answered(body in inputs::inputs(inputs::corpus("ingest"))) {
        parse(&body);
    }

    #[test]
    fn any_text_is_answered(body in ".{0,400}") {
        parse(&body);
    }

    #[test]
    fn any_json_is_answered(body in any_json()) {
        parse(&body.to_string());
        parse(&json!({ "batch": body }).to_string());
    }

    #[test]
    fn calls_with_values_of_any_kind_are_answered(calls in prop::collection::vec(any_call(), 0..6)) {
        for call in &calls {
            parse(&call.to_string());
        }
        parse(&json!({ "batch": calls, "sentAt": "2026-03-01T10:00:00Z" }).to_string());
    }

    #[test]
    fn bodies_that_are_cut_or_changed_are_answered(
        calls in prop::collection::vec(any_call(), 1..4),
        at in any::<prop::sample::Index>(),
        byte in prop::sample::select(b"\"{}[],:\\u0e".to_vec()),
    ) {
        let body = json!({ "batch": calls }).to_string();
        let at = at.index(body.len());
        let (head, tail) = (String::from_utf8_lossy(&body.as_bytes()[..at]), &body.as_bytes()[at..]);
        parse(&head);
        parse(&format!("{head}{}{}", char::from(byte), String::from_utf8_lossy(tail)));
    }
}
