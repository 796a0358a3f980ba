//! Sparse rows, streams, and what is kept about one person.

use serde_json::json;

use super::World;

#[tokio::test]
async fn every_list_takes_a_cursor_and_a_limit() {
    let world = World::new().await;
    let document = serde_json::to_value(tenure_api::openapi()).unwrap();
    let mut listed = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let schema =
            &operations["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let is_list = schema["$ref"]
            .as_str()
            .is_some_and(|name| name.contains("/Rows_"));
        if !is_list || path.contains('{') {
            continue;
        }
        let parameters = operations["get"]["parameters"].to_string();
        assert!(
            parameters.contains("\"cursor\"") && parameters.contains("\"limit\""),
            "{path}"
        );
        let asked = format!("{}?limit=1", path.trim_start_matches("/api/v1/"));
        let (status, _) = world.call("GET", &asked, None).await;
        assert_eq!(status, 200, "{path}");
        listed += 1;
    }
    assert!(listed > 15, "{listed} lists");
}

#[tokio::test]
async fn rows_have_the_fields_that_were_asked_for() {
    let world = World::new().await;
    let id = world.person_id().await;
    world.node.flush().unwrap();
    let path = "people?fields=user_id,traits.first_name,traits.none";
    let expected = json!({"id": id, "user_id": "noor", "traits": {"first_name": "Noor"}});
    assert_eq!(world.get(path).await["data"], json!([expected]));
    let accounts = world
        .get("accounts?external_id=acme&fields=external_id")
        .await;
    assert_eq!(accounts["data"][0].as_object().unwrap().len(), 2);
    for path in [
        "people?fields=password",
        "accounts?fields=id.x",
        "people?fields=",
    ] {
        let (status, _) = world.call("GET", path, None).await;
        assert_eq!(status == 200, path.ends_with('='), "{path}");
    }
}

#[tokio::test]
async fn people_are_listed_by_segment() {
    let world = World::new().await;
    let id = world.person_id().await;
    let listed = world.get("people?segment=signed-up").await;
    assert_eq!(listed["data"][0]["id"], json!(id));
    assert_eq!(
        world.refused("GET", "people?segment=nope", None).await.0,
        404
    );
    assert_eq!(
        world
            .refused("GET", "accounts?segment=signed-up", None)
            .await
            .0,
        400
    );
    let both = "people?segment=signed-up&account=acme";
    assert_eq!(world.refused("GET", both, None).await.0, 400);
}

#[tokio::test]
async fn members_are_streamed_a_line_each() {
    let world = World::new().await;
    world.sign_up("kim").await;
    let (status, body) = world
        .call("GET", "segments/signed-up/members/stream", None)
        .await;
    assert_eq!(status, 200);
    let text = body.as_str().unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.lines()
            .all(|line| line.starts_with("{\"subject\":\"per_"))
    );
    assert_eq!(
        world
            .refused("GET", "segments/nope/members/stream", None)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn signals_and_templates_are_listed() {
    let world = World::new().await;
    let text = "signal: quiet\naudience: person\nwhen: count(\"signed_up\", 7d) < 1\n";
    let files = json!({"files": [{"path": "quiet.yaml", "text": text}]});
    let (status, body) = world.post("definitions/apply", files).await;
    assert_eq!(status, 200, "{body}");
    world.run();
    let signals = world.get("signals").await;
    assert_eq!(signals["data"][0]["event"], "signal:quiet");
    let templates = world.get("templates").await;
    assert_eq!(templates["data"][0]["name"], "welcome");
    assert_eq!(templates["data"][0]["languages"], json!([null]));
}

#[tokio::test]
async fn a_person_gets_everything_that_is_kept_of_them() {
    let world = World::new().await;
    let id = world.person_id().await;
    let found = world.get(&format!("people/{id}/export")).await;
    assert_eq!(found["person"]["emails"], json!(["noor@example.com"]));
    assert_eq!(found["enrollments"][0]["program"], "welcome");
    assert_eq!(found["messages"][0]["state"], "sent");
    let timeline = found["timeline"].to_string();
    assert!(timeline.contains("signed_up") && timeline.contains("message_sent"));
    assert!(!found["decisions"].as_array().unwrap().is_empty());
    let unknown = "people/per_01h455vb4pex5vsknk084sn02q/export";
    assert_eq!(world.refused("GET", unknown, None).await.0, 404);
}

#[tokio::test]
async fn a_backup_is_streamed() {
    let world = World::new().await;
    let (status, body) = world.call("GET", "backup", None).await;
    assert_eq!(status, 200, "{body}");
    assert!(!body.as_str().unwrap().is_empty());
}
