//! The body parser takes anything without panicking, and says something sensible about it.

use proptest::prelude::*;
use serde_json::{Value, json};
use tenure_api::ingest::{Circumstances, IngestLimits, Kind, parse_batch, parse_call};
use tenure_core::id::{EventId, Salt};
use tenure_core::time::Timestamp;

const KINDS: [Kind; 6] = [
    Kind::Track,
    Kind::Identify,
    Kind::Group,
    Kind::Page,
    Kind::Screen,
    Kind::Alias,
];

fn parse(body: &str) {
    let salt = Salt([1; 32]);
    let unique = || EventId(1);
    let cx = Circumstances {
        salt: &salt,
        received_at: Timestamp(1_790_000_000_000),
        sent_at: None,
        historical: false,
        unique: &unique,
    };
    let limits = IngestLimits::default();
    for kind in KINDS {
        drop(parse_call(body, kind, &limits, &cx));
    }
    if let Ok(parsed) = parse_batch(body, &limits, &cx) {
        for call in parsed.calls {
            if let tenure_app::call::CallKind::Track { properties, .. } = &call.kind {
                assert!(
                    serde_json::from_str::<Value>(properties).is_ok_and(|json| json.is_object())
                );
            }
        }
    }
}

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

proptest! {
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
