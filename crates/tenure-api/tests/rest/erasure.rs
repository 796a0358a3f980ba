//! Erasing a person over the API.

use serde_json::json;

use super::World;

#[tokio::test]
async fn an_erased_person_is_not_found_by_any_name_and_the_trail_says_who_did_it() {
    let world = World::new().await;
    world.sign_up("sam").await;
    let id = world.person_id().await;
    let export = world.get(&format!("people/{id}/export")).await;
    assert_eq!(export["person"]["emails"], json!(["noor@example.com"]));
    let path = format!("people/{id}");
    let (status, job) = world.call("DELETE", &path, None).await;
    assert_eq!(
        (status.as_u16(), &job["kind"]),
        (202, &json!("erasure")),
        "{job}"
    );
    while world.node.step_jobs().unwrap() {}
    let job = world
        .get(&format!("jobs/{}", job["id"].as_str().unwrap()))
        .await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert!(
        job["result"]["redacted_count"].as_u64().unwrap() >= 3,
        "{job}"
    );
    assert_eq!(world.refused("GET", &path, None).await.0, 404);
    assert_eq!(world.refused("DELETE", &path, None).await.0, 404);
    for name in ["user_id=noor", "email=noor%40example.com"] {
        let found = world.get(&format!("people?{name}")).await;
        assert_eq!(found["data"], json!([]), "{name}");
    }
    for list in [
        "messages",
        "decisions",
        "people",
        "segments/signed-up/members",
    ] {
        let rows = world.get(list).await;
        assert!(!rows.to_string().contains(&id), "{list}: {rows}");
        assert!(
            !rows["data"].as_array().unwrap().is_empty(),
            "others stay: {list}"
        );
    }
    let acme = world.get("accounts").await;
    let acme = acme["data"][0]["id"].as_str().unwrap().to_owned();
    let timeline = world
        .get(&format!("accounts/{acme}/timeline"))
        .await
        .to_string();
    assert!(timeline.contains("signed_up"), "{timeline}");
    let trail = world.get("audit?action=person.erase").await;
    assert_eq!(trail["data"][0]["target"], id.as_str());
    assert!(!trail.to_string().contains("noor"), "{trail}");
}
