//! The suppression list, choices, and work for humans.

use serde_json::{Value, json};

use super::World;

#[tokio::test]
async fn an_address_is_suppressed_listed_and_freed() {
    let world = World::new().await;
    let id = world.person_id().await;
    let body = json!({"email": " Noor@Example.com ", "reason": "asked by phone"});
    let (status, added) = world.post("suppressions", body).await;
    assert_eq!((status.as_u16(), &added["person"]), (200, &json!(id)));
    world
        .post("suppressions", json!({"email": "nobody@example.com"}))
        .await;
    world.run();
    world.node.flush().unwrap();
    assert_eq!(world.get(&format!("people/{id}")).await["suppressed"], true);
    let listed = world.get("suppressions").await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains("example.com"), "{listed}");
    let own = world.get(&format!("suppressions?person={id}")).await;
    assert_eq!(own["data"], json!([added]));

    let path = format!("suppressions/{}", added["id"].as_str().unwrap());
    assert_eq!(world.call("DELETE", &path, None).await.0, 200);
    world.run();
    world.node.flush().unwrap();
    assert_eq!(
        world.get(&format!("people/{id}")).await["suppressed"],
        false
    );
    assert_eq!(
        world.refused("DELETE", &path, None).await,
        (404, "not-found".into())
    );
}

#[tokio::test]
async fn what_is_no_address_is_not_suppressed() {
    let world = World::empty();
    for body in [
        json!({"email": "noor"}),
        json!({"email": "a@example.com", "reason": "was a@example.com"}),
    ] {
        let refused = world.refused("POST", "suppressions", Some(body)).await;
        assert_eq!(refused, (400, "invalid-field".into()));
    }
    assert_eq!(world.get("suppressions").await["data"], json!([]));
}

#[tokio::test]
async fn refused_topics_are_listed_apart_from_addresses() {
    let world = World::new().await;
    let id = world.person_id().await;
    let choice = json!({"topic": "onboarding", "subscribed": false});
    let path = format!("people/{id}/consent");
    assert_eq!(world.post(&path, choice).await.0, 200);
    let listed = world.get(&format!("consents/refused?person={id}")).await;
    assert_eq!(listed["data"][0]["topic"], "onboarding");
    assert_eq!(world.get("suppressions").await["data"], json!([]));
}

#[tokio::test]
async fn a_task_that_does_not_exist_is_not_completed() {
    let world = World::empty();
    let unknown = "tasks/tsk_01h455vb4pex5vsknk084sn02q";
    for action in ["complete", "reopen", "assign", "snooze"] {
        let path = format!("{unknown}/{action}");
        let refused = world.refused("POST", &path, Some(json!({}))).await;
        assert_eq!(refused, (404, "not-found".into()), "{action}");
    }
    assert_eq!(world.refused("GET", unknown, None).await.0, 404);
}

async fn only_task(world: &World) -> Value {
    world.get("tasks").await["data"][0].clone()
}

#[tokio::test]
async fn a_task_is_assigned_snoozed_completed_and_reopened() {
    let world = World::new().await;
    let program = "program: call\naudience: person\nenter: { api: true }\nsteps:\n  - task: call\n    to: owner\n    title: Call them\n    due: 2d\n";
    let files = json!({"files": [{"path": "call.yaml", "text": program}]});
    let (status, body) = world.post("definitions/apply", files).await;
    assert_eq!(status, 200, "{body}");
    world.run();
    let body = json!({"subject": world.person_id().await});
    assert_eq!(world.post("programs/call/enroll", body).await.0, 200);
    world.run();
    let task = only_task(&world).await;
    let at = |action: &str| format!("tasks/{}/{action}", task["id"].as_str().unwrap());

    world.post(&at("assign"), json!({"owner": "dana"})).await;
    let until = "2026-03-05T09:00:00.000Z";
    let (status, snoozed) = world.post(&at("snooze"), json!({"until": until})).await;
    assert_eq!(
        (status.as_u16(), &snoozed["snoozed_until"]),
        (200, &json!(until))
    );
    assert_eq!(
        (&snoozed["owner"], &snoozed["due_at"]),
        (&json!("dana"), &task["due_at"])
    );
    assert_eq!(world.get("tasks?owner=dana").await["data"][0], snoozed);

    let (_, done) = world
        .post(&at("complete"), json!({"outcome": "they stay"}))
        .await;
    assert_eq!(
        (&done["outcome"], &done["snoozed_until"]),
        (&json!("they stay"), &json!(null))
    );
    let snooze = Some(json!({"until": until}));
    assert_eq!(world.refused("POST", &at("snooze"), snooze).await.0, 409);
    world.post(&at("reopen"), json!({})).await;
    assert_eq!(only_task(&world).await["completed_at"], json!(null));
    let wrong = Some(json!({"until": "tomorrow"}));
    assert_eq!(
        world.refused("POST", &at("snooze"), wrong).await,
        (400, "invalid-field".into())
    );
}

#[tokio::test]
async fn a_broadcast_goes_to_the_segment_that_is_named() {
    let world = World::new().await;
    let text = "segment: nobody\naudience: person\nwhen: count(\"never\") >= 1\n---\nsegment: firms\naudience: account\nwhen: mrr > 1\n---\nprogram: news\naudience: person\ntopic: onboarding\nenter: { broadcast: nobody }\nsteps:\n  - send: email\n    template: welcome\n";
    let files = json!({"files": [{"path": "news.yaml", "text": text}]});
    let (status, body) = world.post("definitions/apply", files).await;
    assert_eq!(status, 200, "{body}");
    world.run();
    let path = "programs/news/broadcast";
    assert_eq!(world.post(path, json!({})).await.1["member_count"], 0);
    let (status, sent) = world.post(path, json!({"segment": "signed-up"})).await;
    assert_eq!(
        (status.as_u16(), &sent["member_count"]),
        (200, &json!(1)),
        "{sent}"
    );
    world.run();
    let program = world.get("programs/news").await;
    assert_eq!(program["counts"]["completed"], 1, "{program}");
    for (segment, status) in [("nope", 404), ("firms", 400)] {
        let body = Some(json!({"segment": segment}));
        assert_eq!(
            world.refused("POST", path, body).await.0,
            status,
            "{segment}"
        );
    }
}
