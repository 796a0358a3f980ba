//! What each kind of call becomes.

use serde_json::{Value, json};
use tenure_core::log::{Body as Entry, IdentifierKind};
use tenure_core::value::Value as Trait;

use super::{Server, at, now};

async fn taken(path: &str, body: Value) -> Server {
    let server = Server::new();
    let (status, answer) = server.post(path, body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer,
        json!({"success": true, "accepted": 1, "duplicates": 0, "rejected": []})
    );
    server
}

#[tokio::test]
async fn a_track_call_becomes_an_event_with_its_properties_as_sent() {
    let body = json!({"userId": "u1", "event": "report_created", "properties": {"kind": "weekly", "n": 3}});
    let server = taken("/v1/track", body).await;
    let event = server.events().remove(0);
    assert_eq!(event.name, "report_created");
    assert_eq!(event.properties, r#"{"kind":"weekly","n":3}"#);
    assert_eq!(event.occurred_at, now());
    assert!(!event.historical);
    assert!(event.person.is_some());
}

#[tokio::test]
async fn pages_and_screens_become_events_that_carry_name_and_category() {
    for (path, name) in [("/v1/page", "page"), ("/v1/screen", "screen")] {
        let body =
            json!({"userId": "u1", "name": "Home", "category": "Docs", "properties": {"url": "/"}});
        let event = taken(path, body).await.events().remove(0);
        assert_eq!(event.name, name);
        let properties: Value = serde_json::from_str(&event.properties).unwrap();
        assert_eq!(
            properties,
            json!({"name": "Home", "category": "Docs", "url": "/"})
        );
    }
}

#[tokio::test]
async fn an_identify_call_sets_flat_traits_and_names_the_person_by_address() {
    let body = json!({
        "userId": "u1",
        "traits": {"email": "A@Example.com", "address": {"city": "Bonn"}, "old": null},
        "context": {"timezone": "Europe/Berlin", "locale": "de-DE"},
    });
    let profile = taken("/v1/identify", body).await.profiles().remove(0);
    let find = |name: &str| {
        profile
            .traits
            .iter()
            .find(|(known, _)| &**known == name)
            .map(|(_, value)| value.clone())
    };
    assert_eq!(find("address.city"), Some(Some(Trait::text("Bonn"))));
    assert_eq!(find("old"), Some(None));
    assert_eq!(find("timezone"), Some(Some(Trait::text("Europe/Berlin"))));
    assert_eq!(find("locale"), Some(Some(Trait::text("de-DE"))));
    let emails = profile
        .identifiers
        .iter()
        .filter(|name| name.kind == IdentifierKind::Email);
    assert_eq!(
        emails.map(|name| &*name.value).collect::<Vec<_>>(),
        ["a@example.com"]
    );
}

#[tokio::test]
async fn traits_told_outright_win_over_those_of_the_context() {
    let body = json!({"userId": "u1", "traits": {"timezone": "UTC"}, "context": {"timezone": "Asia/Tokyo"}});
    let profile = taken("/v1/identify", body).await.profiles().remove(0);
    assert_eq!(
        profile.traits,
        [("timezone".into(), Some(Trait::text("UTC")))]
    );
}

#[tokio::test]
async fn traits_in_the_context_count_when_there_are_no_others() {
    let body = json!({"userId": "u1", "context": {"traits": {"plan": "pro"}}});
    let profile = taken("/v1/identify", body).await.profiles().remove(0);
    assert_eq!(profile.traits, [("plan".into(), Some(Trait::text("pro")))]);
}

#[tokio::test]
async fn a_group_call_moves_the_person_and_tells_the_account() {
    let body = json!({"userId": "u1", "groupId": "acme", "traits": {"mrr": 100}});
    let server = taken("/v1/group", body).await;
    assert!(
        server
            .log()
            .iter()
            .any(|entry| matches!(entry, Entry::Move(moved) if moved.to.is_some()))
    );
    let account = server
        .profiles()
        .into_iter()
        .find(|profile| profile.subject.account().is_some())
        .unwrap();
    assert_eq!(account.traits, [("mrr".into(), Some(Trait::Number(100.0)))]);
}

#[tokio::test]
async fn a_track_call_takes_its_account_from_the_context() {
    let body = json!({"userId": "u1", "event": "x", "context": {"groupId": "acme"}});
    let event = taken("/v1/track", body).await.events().remove(0);
    assert!(event.account.is_some());
}

#[tokio::test]
async fn an_event_of_an_account_alone_needs_no_person() {
    let body = json!({"groupId": "acme", "event": "invoice_paid"});
    let event = taken("/v1/track", body).await.events().remove(0);
    assert_eq!(event.person, None);
    assert!(event.account.is_some());
}

#[tokio::test]
async fn an_alias_call_joins_what_was_known_under_the_former_id() {
    let server = Server::new();
    server
        .post("/v1/track", json!({"anonymousId": "a1", "event": "x"}))
        .await;
    server
        .post("/v1/track", json!({"userId": "u1", "event": "x"}))
        .await;
    let (status, _) = server
        .post("/v1/alias", json!({"userId": "u1", "previousId": "a1"}))
        .await;
    assert_eq!(status, 200);
    assert!(
        server
            .log()
            .iter()
            .any(|entry| matches!(entry, Entry::Merge(_)))
    );
}

#[tokio::test]
async fn numbers_are_taken_as_ids() {
    let server = Server::new();
    server
        .post("/v1/track", json!({"userId": 42, "event": "x"}))
        .await;
    server
        .post("/v1/track", json!({"userId": "42", "event": "x"}))
        .await;
    let events = server.events();
    assert_eq!(events[0].person, events[1].person);
}

#[tokio::test]
async fn times_are_corrected_by_the_senders_clock_skew() {
    // The sender's clock is an hour behind: what it says happened at ten happened at eleven.
    let body = json!({
        "userId": "u1", "event": "x",
        "timestamp": "2026-03-01T10:00:00Z", "sentAt": "2026-03-01T11:00:00Z",
    });
    let event = taken("/v1/track", body).await.events().remove(0);
    assert_eq!(event.occurred_at, at("2026-03-01T11:00:00Z"));
}

#[tokio::test]
async fn the_original_timestamp_goes_before_the_other_one() {
    let body = json!({"batch": [{
        "type": "track", "userId": "u1", "event": "x",
        "originalTimestamp": "2026-03-01T09:00:00Z", "timestamp": "2026-03-01T10:00:00Z",
    }], "sentAt": "2026-03-01T12:00:00Z"});
    let event = taken("/v1/batch", body).await.events().remove(0);
    assert_eq!(event.occurred_at, at("2026-03-01T09:00:00Z"));
}

#[tokio::test]
async fn a_time_without_sent_at_is_taken_at_its_word() {
    let body = json!({"userId": "u1", "event": "x", "timestamp": "2026-03-01T10:00:00+01:00"});
    let event = taken("/v1/track", body).await.events().remove(0);
    assert_eq!(event.occurred_at, at("2026-03-01T09:00:00Z"));
}

#[tokio::test]
async fn imported_events_are_history_and_keep_their_times() {
    let body = json!({"batch": [{
        "type": "track", "userId": "u1", "event": "x", "timestamp": "2020-01-01T00:00:00Z",
    }], "sentAt": "2026-03-01T11:00:00Z"});
    let event = taken("/v1/import", body).await.events().remove(0);
    assert!(event.historical);
    assert_eq!(event.occurred_at, at("2020-01-01T00:00:00Z"));
}

#[tokio::test]
async fn a_batch_of_the_tracking_api_cannot_mark_itself_as_history() {
    let body =
        json!({"historical": true, "batch": [{"type": "track", "userId": "u1", "event": "x"}]});
    assert!(!taken("/v1/batch", body).await.events()[0].historical);
}

#[tokio::test]
async fn an_address_in_the_context_names_a_person_only_where_nothing_else_does() {
    let context = json!({"traits": {"email": "lead@example.com"}});
    let server = Server::new();
    server
        .post("/v1/track", json!({"event": "x", "context": context}))
        .await;
    server
        .post(
            "/v1/track",
            json!({"event": "x", "context": context, "userId": "u1"}),
        )
        .await;
    let events = server.events();
    assert!(events[0].person.is_some());
    assert_ne!(events[0].person, events[1].person);
}

#[tokio::test]
async fn the_short_paths_of_the_browser_library_do_the_same() {
    for (short, body) in [
        ("/v1/t", json!({"userId": "u1", "event": "x"})),
        ("/v1/i", json!({"userId": "u1", "traits": {}})),
        ("/v1/g", json!({"userId": "u1", "groupId": "acme"})),
        ("/v1/p", json!({"userId": "u1"})),
        ("/v1/s", json!({"userId": "u1"})),
        ("/v1/a", json!({"userId": "u1", "previousId": "a1"})),
        (
            "/v1/b",
            json!({"batch": [{"type": "page", "userId": "u1"}]}),
        ),
    ] {
        taken(short, body).await;
    }
}
