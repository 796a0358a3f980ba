//! Links and pages of the end customer.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use super::{World, read};

/// The path of the first link below `/u/` or another place in the last mail.
fn link(world: &World, place: &str) -> String {
    let mail = world
        .last_mail()
        .replace("=\r\n", "")
        .replace("=3D", "=")
        .replace("\r\n ", "");
    let start = mail
        .find(place)
        .unwrap_or_else(|| panic!("no {place} in {mail}"));
    mail[start..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "/-_.~".contains(*c))
        .collect()
}

async fn visit(world: &World, method: &str, path: &str, body: &str) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header(
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        )
        .body(Body::from(body.to_owned()))
        .unwrap();
    let (status, text) = read(world.send(request).await).await;
    (status.as_u16(), text)
}

async fn subscribed(world: &World) -> serde_json::Value {
    world.run();
    world.node.flush().unwrap();
    let id = world.person_id().await;
    world.get(&format!("people/{id}")).await["consents"]["onboarding"].clone()
}

#[tokio::test]
async fn looking_at_the_unsubscribe_page_unsubscribes_nobody() {
    let world = World::new().await;
    let path = link(&world, "/u/");
    let (status, page) = visit(&world, "GET", &path, "").await;
    assert_eq!(status, 200);
    assert!(page.contains("<form method=\"post\"") && page.contains("Onboarding"));
    assert!(!page.contains("<script") && !page.contains("style="));
    assert_eq!(subscribed(&world).await, json!(null));
}

#[tokio::test]
async fn one_click_unsubscribes_from_the_topic() {
    let world = World::new().await;
    let path = link(&world, "/u/");
    assert_eq!(
        visit(&world, "POST", &path, "List-Unsubscribe=One-Click")
            .await
            .0,
        200
    );
    assert_eq!(subscribed(&world).await, json!(false));
    let id = world.person_id().await;
    let timeline = world.get(&format!("people/{id}/timeline")).await;
    assert!(timeline.to_string().contains("message_unsubscribed"));
}

#[tokio::test]
async fn the_preference_page_saves_topics() {
    let world = World::new().await;
    let token = link(&world, "/u/").replace("/u/", "/p/");
    let (status, page) = visit(&world, "POST", &token, "").await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Saved."));
    assert_eq!(subscribed(&world).await, json!(false));
    visit(&world, "POST", &token, "topic=onboarding").await;
    assert_eq!(subscribed(&world).await, json!(true));
}

#[tokio::test]
async fn a_click_leads_on_and_is_noted() {
    let world = World::new().await;
    let path = link(&world, "/t/c/");
    let request = Request::get(&path)
        .header("User-Agent", "Mozilla/5.0 Firefox/140.0")
        .body(Body::empty())
        .unwrap();
    let response = world.send(request).await;
    assert_eq!(response.status(), 302);
    assert_eq!(
        response.headers()["location"],
        "https://app.example.com/start"
    );
    let id = world.person_id().await;
    let timeline = world.get(&format!("people/{id}/timeline")).await;
    assert!(timeline.to_string().contains("clicked"));
}

#[tokio::test]
async fn a_head_request_is_answered_and_moves_nothing() {
    let world = World::new().await;
    let path = link(&world, "/t/c/");
    assert_eq!(visit(&world, "HEAD", &path, "").await.0, 302);
    let id = world.person_id().await;
    let timeline = world.get(&format!("people/{id}/timeline")).await;
    assert!(!timeline.to_string().contains("\"message_clicked\""));
}

#[tokio::test]
async fn links_that_are_not_ours_lead_nowhere() {
    let world = World::new().await;
    for (method, path) in [
        ("GET", "/t/c/x"),
        ("GET", "/t/h/x"),
        ("GET", "/u/x"),
        ("POST", "/u/x"),
        ("POST", "/p/x"),
    ] {
        let (status, page) = visit(&world, method, path, "").await;
        assert_eq!(status, 404, "{method} {path}");
        assert!(page.contains("not valid"));
    }
    let (status, picture) = visit(&world, "GET", "/t/o/x.gif", "").await;
    assert!(status == 200 && picture.starts_with("GIF89a"));
}

#[tokio::test]
async fn a_bounce_report_that_is_not_ours_is_said_to_be_so() {
    let world = World::new().await;
    let (status, body) = world.post("bounces", json!("not a report")).await;
    assert_eq!((status.as_u16(), &body["recorded"]), (200, &json!(null)));
}

#[tokio::test]
async fn the_pages_allow_nothing_but_their_own_style() {
    let world = World::new().await;
    let path = link(&world, "/u/");
    let asked = |path: String| Request::get(path).body(Body::empty()).unwrap();
    let response = world.send(asked(path)).await;
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"));
    assert!(!policy.contains("unsafe"));
    let (_, page) = read(response).await;
    let style = page
        .split("href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let response = world.send(asked(style.to_owned())).await;
    assert_eq!(
        response.headers()["content-type"],
        "text/css; charset=utf-8"
    );
    assert!(
        read(response)
            .await
            .1
            .contains("prefers-color-scheme: dark")
    );
}

#[tokio::test]
async fn everything_is_refused_by_one_button_and_taken_back_by_a_topic() {
    let world = World::new().await;
    let token = link(&world, "/u/").replace("/u/", "/p/");
    let (_, page) = visit(&world, "POST", &token, "topic=onboarding&none=1").await;
    assert!(page.contains("none of these now"), "{page}");
    let (_, page) = visit(&world, "POST", &token, "topic=onboarding").await;
    assert!(page.contains("value=\"onboarding\" checked"), "{page}");
}
