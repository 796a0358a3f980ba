//! Connectors over the API. No provider is reached here.

use serde_json::json;
use tenure_app::access::seal::SealingKey;

use super::World;

#[tokio::test]
async fn a_connector_is_set_up_shown_and_forgotten() {
    let world = World::empty();
    let kinds = world.get("connectors/kinds").await;
    let kinds = kinds["data"].as_array().unwrap();
    assert!(kinds.iter().any(|kind| kind["kind"] == "hubspot"));

    let body = json!({
        "name": "crm", "kind": "hubspot", "pull_every_s": 300,
        "lists": [{ "segment": "signed-up", "list": "42" }],
    });
    let (status, row) = world.post("connectors", body).await;
    assert_eq!(status, 200, "{row}");
    assert_eq!(row["streams"][0]["stream"], "contacts");
    let listed = world.get("connectors").await;
    assert_eq!(listed["data"][0], row);
    assert_eq!(world.get("connectors/crm").await, row);

    let (status, answer) = world.call("DELETE", "connectors/crm", None).await;
    assert_eq!(status, 200, "{answer}");
    let (status, _) = world.refused("GET", "connectors/crm", None).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_is_wrong_with_a_set_up_is_answered_with_its_field() {
    let world = World::empty();
    for (body, words) in [
        (json!({ "name": "CRM", "kind": "hubspot" }), "name"),
        (json!({ "name": "crm", "kind": "hubspt" }), "kind"),
        (
            json!({ "name": "crm", "kind": "hubspot", "settings": { "token": "hush" } }),
            "settings.token",
        ),
        (
            json!({ "name": "crm", "kind": "hubspot", "mapping": "[contact]" }),
            "this connector has no stream of that name",
        ),
        (
            json!({ "name": "crm", "kind": "hubspot", "colour": "blue" }),
            "colour",
        ),
    ] {
        let (status, answer) = world.call("POST", "connectors", Some(body)).await;
        let text = answer.to_string();
        assert!(status.is_client_error(), "{status}");
        assert!(text.contains(words) && !text.contains("hush"), "{text}");
    }
}

#[tokio::test]
async fn a_connector_without_its_secret_says_which_it_lacks() {
    let world = World::empty();
    let body = json!({ "name": "crm", "kind": "hubspot" });
    assert_eq!(world.post("connectors", body).await.0, 200);
    let (status, answer) = world.call("POST", "connectors/crm/test", None).await;
    assert_eq!(status, 409, "{answer}");
    assert!(
        answer
            .to_string()
            .contains("setting `token`: it is missing"),
        "{answer}"
    );
    let pull = json!({ "stream": "contacts" });
    let (status, pulled) = world.post("connectors/crm/pull", pull).await;
    assert_eq!(status, 200, "{pulled}");
    assert!(
        pulled["failure"].as_str().unwrap().contains("token"),
        "{pulled}"
    );
    let pull = json!({ "stream": "deals" });
    let (status, answer) = world.call("POST", "connectors/crm/pull", Some(pull)).await;
    assert!(status.is_client_error(), "{answer}");
}

#[tokio::test]
async fn a_secret_that_is_set_is_sealed_used_and_never_shown() {
    let world = World::empty();
    let key = SealingKey::derive(&"k".repeat(32)).unwrap();
    world.node.unlock(key);
    world.node.use_sealed_secrets();
    let body = json!({ "name": "crm", "kind": "hubspot", "settings": { "base_url": "https://api.example.com" } });
    assert_eq!(world.post("connectors", body.clone()).await.0, 200);
    let secret = json!({ "setting": "token", "value": "hush-hush" });
    let (status, answer) = world.post("connectors/crm/secrets", secret).await;
    assert_eq!(status, 200, "{answer}");
    let store = world.node.store();
    let kept = store.record("access.secret", "connector/crm").unwrap();
    let kept = String::from_utf8_lossy(&kept.unwrap().bytes).into_owned();
    assert!(!kept.contains("hush"), "{kept}");
    for path in ["connectors/crm", "audit"] {
        let shown = world.get(path).await.to_string();
        assert!(!shown.contains("hush"), "{shown}");
    }
    assert!(world.get("audit").await.to_string().contains("secret.set"));
    // It has its secret now, and is refused for what comes after.
    let pull = json!({ "stream": "contacts" });
    let (_, pulled) = world.post("connectors/crm/pull", pull.clone()).await;
    assert!(!pulled.to_string().contains("it is missing"), "{pulled}");
    let other = json!({ "setting": "base_url", "value": "x" });
    let (status, code) = world
        .refused("POST", "connectors/crm/secrets", Some(other))
        .await;
    assert_eq!((status, code.as_str()), (400, "invalid-field"));
    // With the connector its secrets go.
    world.call("DELETE", "connectors/crm", None).await;
    assert_eq!(world.post("connectors", body).await.0, 200);
    let (_, pulled) = world.post("connectors/crm/pull", pull).await;
    assert!(pulled.to_string().contains("it is missing"), "{pulled}");
}
