//! The audit trail over HTTP.

use serde_json::{Value, json};

use super::World;

async fn actions(world: &World) -> Vec<String> {
    let trail = world.get("audit?limit=1000").await;
    let rows = trail["data"].as_array().unwrap().iter();
    rows.map(|row| row["action"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_change_is_told_with_what_was_before_and_after_and_from_where() {
    let world = World::new().await;
    assert_eq!(world.post("programs/welcome/pause", json!({})).await.0, 200);
    world.run();
    assert_eq!(
        world.post("programs/welcome/resume", json!({})).await.0,
        200
    );
    let found = world
        .get("audit?action=POST%20/programs/%7Bprogram%7D/resume")
        .await;
    let row = &found["data"][0];
    assert_eq!(row["target"], "/programs/welcome/resume");
    assert_eq!(
        (&row["before"], &row["after"]),
        (&json!({"paused": true}), &json!({"paused": false}))
    );
    assert_eq!(
        (&row["actor_kind"], &row["actor"]),
        (&json!("token"), &json!("workspace"))
    );
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    let applied = world.get("audit?target=/definitions/apply").await;
    assert_eq!(applied["data"][0]["after"]["plan"], 1);
}

#[tokio::test]
async fn what_is_refused_or_changes_nothing_is_not_in_the_trail_and_an_export_is() {
    let world = World::new().await;
    let before = actions(&world).await.len();
    assert_eq!(world.post("programs/nope/pause", json!({})).await.0, 404);
    world.get("people").await;
    assert_eq!(
        world.post("programs/welcome/preview", json!({})).await.0,
        200
    );
    assert_eq!(actions(&world).await.len(), before);
    world.get("export?what=people").await;
    let trail = world.get("audit?limit=1").await;
    assert_eq!(trail["data"][0]["action"], "GET /export");
    assert_eq!(trail["data"][0]["after"], "what=people");
}

#[tokio::test]
async fn the_trail_is_complete_verified_and_without_secrets_and_addresses() {
    let world = World::new().await;
    let client = json!({"name": "Reports", "scopes": "profiles:read"});
    let (_, made) = world.post("clients", client).await;
    let user = json!({"email": "ana@example.com", "name": "Ana", "role": "analyst", "password": "a long enough one"});
    let (status, user) = world.post("users", user).await;
    assert_eq!(status, 200, "{user}");
    let path = format!("users/{}", user["id"].as_str().unwrap());
    let (status, changed) = world
        .call("PATCH", &path, Some(json!({"role": "manager"})))
        .await;
    assert_eq!(
        (status.as_u16(), changed["role"].as_str()),
        (200, Some("manager"))
    );
    assert_eq!(world.call("DELETE", &path, None).await.0, 200);
    world.post("signing-keys/rotate", json!({})).await;
    let found = actions(&world).await;
    let wanted = [
        "signing-key.rotate",
        "user.delete",
        "user.change",
        "user.create",
        "client.create",
    ];
    assert_eq!(found[..5], wanted);
    let exported = world.get("audit/export").await;
    let text = exported.as_str().unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), found.len() + 1, "the export itself is told");
    assert_eq!(lines[0]["seq"], 1);
    for secret in [
        made["secret"].as_str().unwrap(),
        "a long enough one",
        "ana@example.com",
        &world.keys.api_token,
    ] {
        assert!(!text.contains(secret));
    }
    let verified = world.get("audit/verify").await;
    assert_eq!(
        (&verified["entry_count"], &verified["broken_at"]),
        (&json!(lines.len()), &Value::Null)
    );
    assert_eq!(verified["last_hash"], lines.last().unwrap()["hash"]);
}
