//! What is told about subjects, programs and what they did.

use serde_json::json;

use super::World;

#[tokio::test]
async fn a_person_is_found_before_anything_of_it_is_checkpointed() {
    let world = World::new().await;
    for filter in ["user_id=noor", "email=Noor%40example.com", "account=acme"] {
        let found = world.get(&format!("people?{filter}")).await;
        assert_eq!(found["data"].as_array().unwrap().len(), 1, "{filter}");
        let person = &found["data"][0];
        assert_eq!(person["user_id"], "noor");
        assert_eq!(person["traits"]["first_name"], "Noor");
    }
    let id = world.person_id().await;
    assert_eq!(
        world.get(&format!("people/{id}")).await["segments"],
        json!(["signed-up"])
    );
    assert_eq!(world.get("people?user_id=nobody").await["data"], json!([]));
}

#[tokio::test]
async fn lists_go_on_where_the_page_before_ended() {
    let world = World::new().await;
    world.sign_up("kim").await;
    world.node.flush().unwrap();
    let first = world.get("people?limit=1").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.get(&format!("people?limit=1&cursor={cursor}")).await;
    assert_ne!(first["data"][0]["id"], second["data"][0]["id"]);
    assert_eq!(second["next_cursor"], json!(null));
}

#[tokio::test]
async fn a_timeline_is_the_same_before_and_after_a_checkpoint() {
    let world = World::new().await;
    let id = world.person_id().await;
    let path = format!("people/{id}/timeline");
    let before = world.get(&path).await;
    world.node.flush().unwrap();
    assert_eq!(world.get(&path).await, before);
    let rows = before["data"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["kind"] == "event"
        && row["name"] == "signed_up"
        && row["properties"]["plan"] == "pro"));
    assert!(rows.iter().any(|row| row["kind"] == "move"));
    let first = world.get(&format!("{path}?limit=1")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = world.get(&format!("{path}?cursor={cursor}")).await;
    assert_eq!(rest["data"].as_array().unwrap()[..], rows[1..]);
}

#[tokio::test]
async fn an_account_shows_its_traits_and_what_its_people_did() {
    let world = World::new().await;
    let found = world.get("accounts?external_id=acme").await;
    let account = &found["data"][0];
    assert_eq!(
        (&account["external_id"], &account["traits"]["mrr"]),
        (&json!("acme"), &json!(100))
    );
    let id = account["id"].as_str().unwrap();
    let timeline = world.get(&format!("accounts/{id}/timeline")).await;
    assert!(
        timeline["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["name"] == "signed_up")
    );
    assert_eq!(
        world.refused("GET", "accounts/acme", None).await,
        (404, "not-found".into())
    );
}

#[tokio::test]
async fn segments_tell_their_condition_and_members() {
    let world = World::new().await;
    let segments = world.get("segments").await;
    assert_eq!(segments["data"][0]["member_count"], 1);
    assert!(
        segments["data"][0]["sentence"]
            .as_str()
            .unwrap()
            .contains("signed_up")
    );
    let members = world.get("segments/signed-up/members").await;
    assert_eq!(members["data"][0]["subject"], world.person_id().await);
    assert_eq!(
        world.refused("GET", "segments/nope/members", None).await.0,
        404
    );
}

#[tokio::test]
async fn programs_tell_where_subjects_stand_and_why() {
    let world = World::new().await;
    let id = world.person_id().await;
    let program = world.get("programs/welcome").await;
    assert_eq!(program["counts"]["completed"], 1);
    let why = world
        .get(&format!("why?subject={id}&program=welcome"))
        .await;
    assert!(
        why["summary"].as_str().unwrap().contains("one message"),
        "{why}"
    );
    let outcomes: Vec<_> = why["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes.first(), Some(&"entered"));
    assert!(outcomes.contains(&"sent"));
    assert_eq!(
        world.get(&format!("enrollments?subject={id}")).await["data"][0]["status"],
        "completed"
    );
    assert_eq!(
        world.get("decisions?outcome=sent").await["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        world
            .refused("GET", &format!("why?subject={id}&program=nope"), None)
            .await
            .0,
        404
    );
    assert_eq!(
        world.refused("GET", "why?program=welcome", None).await.0,
        400
    );
}

#[tokio::test]
async fn programs_are_paused_resumed_and_previewed() {
    let world = World::new().await;
    assert_eq!(world.post("programs/welcome/pause", json!({})).await.0, 200);
    world.run();
    assert_eq!(world.get("programs/welcome").await["paused"], true);
    assert_eq!(
        world.post("programs/welcome/resume", json!({})).await.0,
        200
    );
    world.run();
    assert_eq!(world.get("programs/welcome").await["paused"], false);
    let (status, preview) = world.post("programs/welcome/preview", json!({})).await;
    assert_eq!(
        (status.as_u16(), &preview["matching_count"]),
        (200, &json!(null))
    );
    for action in ["pause", "resume", "preview", "broadcast"] {
        assert_eq!(
            world
                .refused("POST", &format!("programs/nope/{action}"), Some(json!({})))
                .await
                .0,
            404,
            "{action}"
        );
    }
    assert_eq!(
        world
            .refused("POST", "programs/welcome/broadcast", Some(json!({})))
            .await,
        (409, "conflict".into())
    );
}

#[tokio::test]
async fn subjects_are_enrolled_and_removed_by_hand() {
    let world = World::new().await;
    let body = json!({"subject": world.person_id().await});
    assert_eq!(
        world.post("programs/welcome/enroll", body.clone()).await.0,
        200
    );
    assert_eq!(world.post("programs/welcome/remove", body).await.0, 200);
    let wrong = Some(json!({"subject": "noor"}));
    assert_eq!(
        world
            .refused("POST", "programs/welcome/enroll", wrong)
            .await,
        (400, "invalid-field".into())
    );
    let unknown = Some(json!({"subjects": []}));
    assert_eq!(
        world
            .refused("POST", "programs/welcome/enroll", unknown)
            .await,
        (400, "malformed-body".into())
    );
}

#[tokio::test]
async fn messages_are_listed_without_addresses() {
    let world = World::new().await;
    let messages = world.get("messages?state=sent").await;
    assert_eq!(messages["data"].as_array().unwrap().len(), 1);
    assert!(!messages.to_string().contains("example.com"));
    let id = messages["data"][0]["id"].as_str().unwrap();
    assert_eq!(
        world.get(&format!("messages/{id}")).await["template"],
        "welcome"
    );
    assert_eq!(world.get("messages/counts").await["sent"], 1);
    for action in ["resend", "cancel"] {
        assert_eq!(
            world
                .refused("POST", &format!("messages/{id}/{action}"), None)
                .await,
            (409, "conflict".into())
        );
        assert_eq!(
            world
                .refused("POST", &format!("messages/msg_x/{action}"), None)
                .await
                .0,
            404
        );
    }
}

#[tokio::test]
async fn consent_and_suppression_are_noted() {
    let world = World::new().await;
    let id = world.person_id().await;
    let (status, body) = world
        .post(
            &format!("people/{id}/consent"),
            json!({"topic": "onboarding", "subscribed": false}),
        )
        .await;
    assert_eq!(status, 200, "{body}");
    world.node.flush().unwrap();
    world.run();
    let (status, _) = world
        .post(
            &format!("people/{id}/suppress"),
            json!({"suppressed": true}),
        )
        .await;
    assert_eq!(status, 200);
    world.run();
    world.node.flush().unwrap();
    let person = world.get(&format!("people/{id}")).await;
    assert_eq!(
        (&person["suppressed"], &person["consents"]["onboarding"]),
        (&json!(true), &json!(false))
    );
    let unknown = Some(json!({"topic": "nope", "subscribed": false}));
    assert_eq!(
        world
            .refused("POST", &format!("people/{id}/consent"), unknown)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn tasks_and_dead_letters_are_listed_also_when_there_are_none() {
    let world = World::new().await;
    for list in ["tasks?open=true", "dead-letters"] {
        assert_eq!(
            world.get(list).await,
            json!({"data": [], "next_cursor": null})
        );
    }
    assert_eq!(
        world.refused("POST", "dead-letters/7/replay", None).await.0,
        404
    );
    assert_eq!(
        world
            .refused("POST", "tasks/x/complete", Some(json!({})))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn imports_are_history_and_exports_give_everything_back() {
    let world = World::new().await;
    let calls = json!({"calls": [
        {"type": "track", "userId": "old", "event": "signed_up", "timestamp": "2020-01-01T00:00:00Z"},
        {"type": "track", "userId": "old"},
    ]});
    let (status, report) = world.post("import", calls).await;
    assert_eq!((status.as_u16(), &report["accepted"]), (200, &json!(1)));
    assert_eq!(report["rejected"][0]["field"], "event");
    world.run();
    assert_eq!(
        world.mailbox.0.lock().unwrap().len(),
        1,
        "history sends nothing"
    );
    world.node.flush().unwrap();

    let events = world.get("export").await;
    let lines: Vec<&str> = events.as_str().unwrap().lines().collect();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("2020-01-01") && line.contains("\"historical\":true"))
    );
    let people = world.get("export?what=people").await;
    assert_eq!(people.as_str().unwrap().lines().count(), 2);
    assert_eq!(
        world.refused("GET", "export?what=secrets", None).await.0,
        400
    );
}
