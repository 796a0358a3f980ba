//! The set-up of a server that nobody can sign in to yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tenure_api::SetUp;

use super::*;

const CODE: &str = "a-code-that-nobody-guesses";

fn world(over: &Arc<AtomicUsize>) -> World {
    let over = Arc::clone(over);
    let count = move || {
        over.fetch_add(1, Ordering::SeqCst);
    };
    World::dressed(7, |state| state.with_setup(SetUp::new(CODE, count)))
}

async fn set_up(world: &World, code: &str, password: &str) -> Response<Body> {
    let body =
        json!({"code": code, "email": "Ana@Example.com", "name": "Ana", "password": password});
    let request = Request::post("/api/v1/setup").body(Body::from(body.to_string()));
    world.send(request.unwrap()).await
}

async fn needed(world: &World) -> bool {
    let request = Request::get("/api/v1/setup").body(Body::empty()).unwrap();
    let (status, text) = read(world.send(request).await).await;
    assert_eq!(status, 200);
    serde_json::from_str::<Value>(&text).unwrap()["needed"] == true
}

#[tokio::test]
async fn who_has_the_code_becomes_owner_once_and_is_signed_in() {
    let over = Arc::default();
    let world = world(&over);
    assert!(needed(&world).await);
    let made = set_up(&world, CODE, PASSWORD).await;
    assert_eq!(made.status(), 201);
    assert_eq!(over.load(Ordering::SeqCst), 1);
    let cookie = made.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
    let cookie = cookie.split(';').next().unwrap();
    let (status, users) = world.with_session(cookie, "GET", "/api/v1/users").await;
    assert_eq!(status, 200, "{users}");
    assert_eq!(users["data"][0]["role"], "owner");
    assert_eq!(users["data"][0]["email"], "ana@example.com");
    assert!(!needed(&world).await);
    assert_eq!(set_up(&world, CODE, PASSWORD).await.status(), 409);
    let trail = world.get("audit").await;
    let entry = &trail["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["action"] == "user.create");
    assert_eq!(entry.unwrap()["actor_kind"], "user", "{trail}");
}

#[tokio::test]
async fn without_the_code_nobody_becomes_owner() {
    let over = Arc::default();
    let world = world(&over);
    for (code, password, status) in [
        ("", PASSWORD, 401),
        ("guess", PASSWORD, 401),
        (CODE, "short", 400),
    ] {
        assert_eq!(
            set_up(&world, code, password).await.status(),
            status,
            "{code}"
        );
    }
    let foreign = Request::post("/api/v1/setup").header("Sec-Fetch-Site", "cross-site");
    let foreign = foreign.body(Body::from("{}")).unwrap();
    assert_eq!(world.send(foreign).await.status(), 401);
    assert!(needed(&world).await);
    assert_eq!(over.load(Ordering::SeqCst), 0);
    assert_eq!(world.get("users").await["data"], json!([]));
    let closed = World::empty();
    assert_eq!(set_up(&closed, CODE, PASSWORD).await.status(), 409);
}
