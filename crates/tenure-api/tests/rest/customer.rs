//! The endpoints for customer-success systems.

use serde_json::{Value, json};

use super::World;

const PROGRAMS: &str = r#"program: save
about: Health fell
audience: account
enter: { event: cs_health_breach, where: score < 50 }
goal: { when: count("cs_milestone_reached") >= 1 }
steps:
  - task: call
    to: owner
    title: Call them
  - wait: 30d
---
program: other
audience: account
enter: { when: mrr > 1000 }
steps:
  - task: upgrade
    to: owner
    title: Offer more
---
program: grow
audience: account
enter: { api: true }
steps:
  - task: offer
    to: owner
    title: Offer more seats
"#;

async fn world() -> World {
    let world = World::new().await;
    let files = json!({"files": [{"path": "cs.yaml", "text": PROGRAMS}]});
    let (status, body) = world.post("definitions/apply", files).await;
    assert_eq!(status, 200, "{body}");
    world.run();
    world
}

fn of<'a>(answer: &'a Value, program: &str) -> &'a Value {
    let programs = answer["programs"].as_array().unwrap();
    programs
        .iter()
        .find(|row| row["program"] == program)
        .unwrap()
}

#[tokio::test]
async fn a_trigger_is_answered_with_what_every_program_decided() {
    let world = world().await;
    let body = json!({"type": "health_breach", "message_id": "hb-1", "properties": {"score": 31}});
    let path = "cs-marketing/triggers/acme";
    let (status, answer) = world.post(path, body.clone()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["evaluated"], &answer["repeated"]),
        (&json!(true), &json!(false))
    );
    let save = of(&answer, "save");
    assert_eq!(save["decided"], true, "{answer}");
    let outcomes: Vec<&str> = save["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes[0], "entered");
    assert!(outcomes.contains(&"task_created"), "{outcomes:?}");
    let other = of(&answer, "other");
    assert_eq!(
        (&other["decided"], &other["outcome"]),
        (&json!(false), &json!(null))
    );
    assert!(
        other["reason"]
            .as_str()
            .unwrap()
            .contains("did not become true")
    );
    assert!(
        of(&answer, "welcome")["reason"]
            .as_str()
            .unwrap()
            .contains("signed_up")
    );

    let (_, again) = world.post(path, body).await;
    assert_eq!(again["repeated"], true);
    let (_, fine) = world
        .post(
            path,
            json!({"type": "health_breach", "properties": {"score": 80}}),
        )
        .await;
    assert_eq!(of(&fine, "save")["decided"], false, "{fine}");
}

#[tokio::test]
async fn a_trigger_about_nobody_is_refused() {
    let world = world().await;
    let body = Some(json!({"type": "milestone"}));
    let refused = world
        .refused("POST", "cs-marketing/triggers/nobody", body)
        .await;
    assert_eq!(refused, (404, "not-found".into()));
    let body = Some(json!({"type": "birthday"}));
    let refused = world
        .refused("POST", "cs-marketing/triggers/acme", body)
        .await;
    assert_eq!(refused, (400, "malformed-body".into()));
    let body = Some(json!({"type": "milestone", "occurred_at": "soon"}));
    let refused = world
        .refused("POST", "cs-marketing/triggers/acme", body)
        .await;
    assert_eq!(refused, (400, "invalid-field".into()));
}

#[tokio::test]
async fn performance_counts_messages_and_goals_and_says_what_it_does_not_know() {
    let world = world().await;
    let found = world.get("cs-marketing/performance/welcome").await;
    assert_eq!(found["treated"]["entered_count"], 1, "{found}");
    assert_eq!(found["sent_count"], 1);
    assert_eq!(found["lift"]["value"], json!(null));
    assert!(
        found["lift"]["reason"]
            .as_str()
            .unwrap()
            .contains("held out")
    );
    let part = &found["return_on_investment"]["revenue_kept_or_gained"];
    assert!(part["value"].is_null() && part["reason"].is_string());

    let trigger = |kind: &str| json!({"type": kind, "properties": {"score": 1}});
    world
        .post("cs-marketing/triggers/acme", trigger("health_breach"))
        .await;
    world
        .post("cs-marketing/triggers/acme", trigger("milestone"))
        .await;
    world.run();
    let found = world.get("cs-marketing/performance/save").await;
    assert_eq!(found["treated"]["goal_count"], 1, "{found}");
    assert_eq!(found["treated"]["goal_rate"], 1.0);
    assert_eq!(
        world
            .refused("GET", "cs-marketing/performance/nope", None)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn a_recovery_is_confirmed_and_followed() {
    let world = world().await;
    let body =
        json!({"customer_id": "acme", "campaign_id": "grow", "enroll": true, "owner": "dana"});
    let (status, started) = world.post("cs-retention/recovery", body).await;
    assert_eq!(status, 200, "{started}");
    world.run();
    let path = format!("cs-retention/recovery/{}", started["id"].as_str().unwrap());
    let state = world.get(&path).await;
    assert_eq!(
        (&state["outcome"], &state["owner"]),
        (&json!("under_way"), &json!("dana"))
    );
    assert_eq!(state["weeks"].as_array().unwrap().len(), 5);
    assert!(state["health_change"]["reason"].is_string());
    let enrollments = world.get("enrollments?program=grow").await;
    assert_eq!(enrollments["data"].as_array().unwrap().len(), 1);
    let account = &world.get("accounts?external_id=acme").await["data"][0];
    let timeline = world
        .get(&format!(
            "accounts/{}/timeline",
            account["id"].as_str().unwrap()
        ))
        .await;
    assert!(timeline.to_string().contains("recovery_started"));
    for (body, status) in [
        (json!({"customer_id": "nobody"}), 404),
        (json!({"customer_id": "acme", "campaign_id": "nope"}), 404),
        (json!({"customer_id": "acme", "enroll": true}), 400),
    ] {
        let refused = world
            .refused("POST", "cs-retention/recovery", Some(body))
            .await;
        assert_eq!(refused.0, status);
    }
    let unknown = "cs-retention/recovery/rec_01h455vb4pex5vsknk084sn02q";
    assert_eq!(
        world.refused("GET", unknown, None).await,
        (404, "not-found".into())
    );
}

#[tokio::test]
async fn risk_and_opportunity_name_their_origin_and_invent_nothing() {
    let world = world().await;
    let risk = world.get("cs-retention/risk/acme").await;
    assert_eq!(risk["origin"]["kind"], "rule", "{risk}");
    assert_eq!(risk["churn_probability"]["value"], json!(null));
    assert_eq!(risk["monthly_revenue_at_stake"]["value"], 100.0);
    assert_eq!(risk["level"], "healthy");
    let found = world.get("cs-expansion/opportunities/acme").await;
    assert_eq!(found["origin"]["kind"], "rule");
    assert_eq!(found["active_person_count"], 1, "{found}");
    for part in [
        "seats_in_use",
        "usage_of_limits",
        "executive_engagement",
        "renewal_at",
    ] {
        assert!(
            found[part]["value"].is_null() && found[part]["reason"].is_string(),
            "{part}"
        );
    }
    for path in [
        "cs-retention/risk/nobody",
        "cs-expansion/opportunities/nobody",
    ] {
        assert_eq!(world.refused("GET", path, None).await.0, 404);
    }
}

#[tokio::test]
async fn an_expansion_program_is_started_for_customers_or_a_segment() {
    let world = world().await;
    let body = json!({"campaign_id": "grow", "customers": ["acme", "nobody"]});
    let (status, started) = world.post("cs-expansion/campaigns", body).await;
    assert_eq!(status, 200, "{started}");
    assert_eq!(
        (&started["asked_count"], &started["unknown"]),
        (&json!(1), &json!(["nobody"]))
    );
    world.run();
    let performance = started["performance"].as_str().unwrap();
    let performance = world
        .get(performance.strip_prefix("/api/v1/").unwrap())
        .await;
    assert_eq!(performance["treated"]["entered_count"], 1);
    for (body, status) in [
        (json!({"campaign_id": "grow"}), 400),
        (
            json!({"campaign_id": "grow", "customers": ["a"], "segment": "b"}),
            400,
        ),
        (json!({"campaign_id": "grow", "segment": "nope"}), 404),
        (json!({"campaign_id": "grow", "segment": "signed-up"}), 400),
        (
            json!({"campaign_id": "welcome", "customers": ["acme"]}),
            400,
        ),
        (json!({"campaign_id": "nope", "customers": ["acme"]}), 404),
    ] {
        let refused = world
            .refused("POST", "cs-expansion/campaigns", Some(body.clone()))
            .await;
        assert_eq!(refused.0, status, "{body}");
    }
}
