//! Definitions and templates through the API.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use super::{World, files, read};

#[tokio::test]
async fn definitions_are_validated_compared_applied_and_listed() {
    let world = World::empty();
    let (status, preview) = world.post("definitions/validate", files()).await;
    assert_eq!(status, 200, "{preview}");
    assert_eq!(world.get("definitions").await["version"], 0);
    let mut dry = files();
    dry["dry_run"] = true.into();
    assert!(world.post("definitions/apply", dry).await.1["preview"].is_object());
    let (status, published) = world.post("definitions/apply", files()).await;
    assert_eq!((status.as_u16(), &published["version"]), (200, &json!(1)));
    world.run();
    let (_, same) = world.post("definitions/diff", files()).await;
    assert_eq!(
        (&same["changes"]["added"], &same["changes"]["changed"]),
        (&json!([]), &json!([]))
    );
    let listed = world.get("definitions").await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 4);
    assert_eq!(world.get("plans").await["data"][0]["version"], 1);
    assert_eq!(world.get("backfill").await["done"], true);
    assert_eq!(world.get("workspace").await["plan"], 1);
}

#[tokio::test]
async fn definitions_with_problems_are_refused_with_their_places() {
    let world = World::empty();
    let broken = json!({"files": [{"path": "a.yaml", "text": "segment: a\naudience: person\nwhen: cuont(\"x\") > 1\n"}]});
    let (status, body) = world.post("definitions/apply", broken).await;
    assert_eq!(
        (status.as_u16(), body["code"].as_str()),
        (422, Some("invalid-definitions"))
    );
    let found = &body["diagnostics"][0];
    assert_eq!(
        (&found["file"], &found["line"]),
        (&json!("a.yaml"), &json!(3))
    );
    assert_eq!(world.get("definitions").await["version"], 0);
}

#[tokio::test]
async fn a_definition_is_removed_by_name() {
    let world = World::new().await;
    assert_eq!(
        world
            .call("DELETE", "definitions/segment/signed-up", None)
            .await
            .0,
        200
    );
    world.run();
    assert_eq!(world.get("segments").await["data"], json!([]));
    assert_eq!(
        world
            .refused("DELETE", "definitions/segment/signed-up", None)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn templates_are_rendered_and_sent_for_a_look() {
    let world = World::new().await;
    let data = json!({"data": {"person": {"first_name": "Kim"}}});
    let (status, rendered) = world.post("templates/welcome/preview", data).await;
    assert_eq!(
        (status.as_u16(), &rendered["subject"]),
        (200, &json!("Welcome, Kim"))
    );
    let test = json!({"to": "team@example.com", "data": {"person": {"first_name": "Kim"}}});
    assert_eq!(world.post("templates/welcome/test-send", test).await.0, 200);
    assert!(world.last_mail().contains("team@example.com"));
    assert_eq!(
        world
            .refused("POST", "templates/nope/preview", Some(json!({})))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn a_change_made_for_an_older_plan_is_refused() {
    let world = World::new().await;
    let request = |tag: &str| {
        Request::post("/api/v1/definitions/apply")
            .header("Authorization", format!("Bearer {}", world.keys.api_token))
            .header("If-Match", tag)
            .body(Body::from(
                json!({"files": [{"path": "b.yaml", "text": "segment: b\naudience: person\nwhen: count(\"b\") > 1\n"}]})
                    .to_string(),
            ))
            .unwrap()
    };
    for stale in ["\"plan-0\"", "\"plan-7\"", "W/x"] {
        let (status, body) = read(world.send(request(stale)).await).await;
        assert_eq!(status, 412, "{body}");
        assert!(body.contains("\"stale\""));
    }
    let tagged = Request::get("/api/v1/definitions/segment/signed-up")
        .header("Authorization", format!("Bearer {}", world.keys.api_token))
        .body(Body::empty())
        .unwrap();
    let response = world.send(tagged).await;
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert!(read(response).await.1.contains("count(\\\"signed_up\\\")"));
    assert_eq!(world.send(request(&tag)).await.status(), 200);
    let missing = world.refused("GET", "definitions/segment/nope", None).await;
    assert_eq!(missing, (404, "not-found".into()));
    let templates = world.get("definitions?kind=template").await;
    assert_eq!(templates["data"].as_array().unwrap().len(), 1);
}
