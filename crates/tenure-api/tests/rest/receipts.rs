//! What Twilio reports, signed as Twilio signs.

use tenure_app::access::Actor;
use tenure_app::access::seal::SealingKey;
use tenure_app::access::secret::Seeded;
use tenure_app::refusals::address_key;
use tenure_connectors::provider::Secret;
use tenure_connectors::provider::twilio::sign;
use tenure_core::id::SuppressionId;

use super::*;

const NUMBER: &str = "+15005550006";

async fn world() -> World {
    let world = World::empty();
    world
        .node
        .unlock(SealingKey::derive(&"k".repeat(32)).unwrap());
    world.node.use_sealed_secrets();
    for (name, kind, settings) in [
        (
            "texts",
            "twilio",
            json!({"account_sid": "AC1", "from": NUMBER}),
        ),
        ("crm", "hubspot", json!({})),
    ] {
        let body = json!({"name": name, "kind": kind, "settings": settings});
        let (status, answer) = world.post("connectors", body).await;
        assert_eq!(status, 200, "{answer}");
    }
    let secret = Some("the-token".to_owned());
    let random = Seeded::new(b"seed");
    world
        .node
        .set_connector_secret(("texts", "auth_token"), secret, &random, &Actor::command())
        .unwrap();
    world
}

/// Reports fields with the signature of a token; answers the status.
async fn report(world: &World, path: &str, token: &str, fields: &[(&str, &str)]) -> u16 {
    let owned: Vec<_> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let url = format!("http://tenure.example.com{path}");
    let form: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let request = Request::post(path)
        .header("Host", "tenure.example.com")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header(
            "X-Twilio-Signature",
            sign(&Secret::new(token), &url, &owned),
        )
        .body(Body::from(form))
        .unwrap();
    world.send(request).await.status().as_u16()
}

#[tokio::test]
async fn who_answers_stop_gets_nothing_until_start() {
    let world = world().await;
    let is_suppressed = || {
        let key = address_key(world.node.salt(), NUMBER);
        world
            .node
            .store()
            .refusal(SuppressionId(key))
            .unwrap()
            .is_some()
    };
    let path = "/v1/receipts/twilio/texts";
    let stop = [("MessageSid", "SM1"), ("From", NUMBER), ("Body", "Stop")];
    assert_eq!(report(&world, path, "another-token", &stop).await, 401);
    assert!(!is_suppressed());
    assert_eq!(report(&world, path, "the-token", &stop).await, 204);
    assert!(is_suppressed());
    let chat = [
        ("MessageSid", "SM2"),
        ("From", NUMBER),
        ("Body", "Thank you"),
    ];
    assert_eq!(report(&world, path, "the-token", &chat).await, 204);
    assert!(is_suppressed());
    let start = [("MessageSid", "SM3"), ("From", NUMBER), ("Body", "START")];
    assert_eq!(report(&world, path, "the-token", &start).await, 204);
    assert!(!is_suppressed());
}

#[tokio::test]
async fn reports_for_what_is_no_twilio_connector_find_nothing() {
    let world = world().await;
    let sent = [("MessageSid", "SM1"), ("MessageStatus", "delivered")];
    for (connector, status) in [("crm", 404), ("nobody", 404), ("texts", 204)] {
        let path = format!("/v1/receipts/twilio/{connector}?message=msg_unknown");
        assert_eq!(
            report(&world, &path, "the-token", &sent).await,
            status,
            "{connector}"
        );
    }
}
