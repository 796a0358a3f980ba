//! The OAuth 2.0 server and its pages, as clients and browsers see them.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Request, Response};
use serde_json::{Value, json};
use tenure_app::access::Role;

use super::{PASSWORD, World, read};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ASKED: &str = "response_type=code&client_id=tenure-cli&redirect_uri=http%3A%2F%2F127.0.0.1%3A5123%2Fcallback&scope=profiles%3Aread&state=%3Cs%3E&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

async fn form(world: &World, path: &str, body: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let request = Request::post(path).header("Host", "localhost");
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    world
        .send(request.body(Body::from(body.to_owned())).unwrap())
        .await
}

async fn json_of(response: Response<Body>) -> (u16, Value) {
    let (status, text) = read(response).await;
    (
        status.as_u16(),
        serde_json::from_str(&text).unwrap_or_default(),
    )
}

/// The parameters with which a redirect answers.
fn answer(response: &Response<Body>) -> BTreeMap<String, String> {
    let location = response.headers()["location"].to_str().unwrap();
    let (_, query) = location.split_once('?').unwrap();
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The value of a hidden field of a page.
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap();
    rest.split_once('"').unwrap().0
}

async fn consent(world: &World, cookie: &str) -> String {
    let request = Request::get(format!("/oauth/authorize?{ASKED}")).header("Cookie", cookie);
    let response = world.send(request.body(Body::empty()).unwrap()).await;
    let (status, page) = read(response).await;
    assert_eq!(status, 200, "{page}");
    page
}

#[tokio::test]
async fn the_metadata_lead_to_endpoints_that_are_there() {
    let world = World::empty();
    for path in ["oauth-authorization-server", "openid-configuration"] {
        let request =
            Request::get(format!("/.well-known/{path}")).header("Host", "tenure.example.com");
        let (status, found) = json_of(world.send(request.body(Body::empty()).unwrap()).await).await;
        assert_eq!(
            (status, &found["issuer"]),
            (200, &json!("http://tenure.example.com"))
        );
        for (name, value) in found.as_object().unwrap() {
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                let path = value
                    .as_str()
                    .unwrap()
                    .strip_prefix("http://tenure.example.com")
                    .unwrap();
                let response = world
                    .send(Request::get(path).body(Body::empty()).unwrap())
                    .await;
                assert_ne!(response.status(), 404, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn both_ways_of_client_authentication_give_a_token_that_the_api_takes() {
    let world = World::empty();
    let client = json!({"name": "Reports", "scopes": "profiles:read messages:read"});
    let (_, client) = world.post("clients", client).await;
    let (id, secret) = (
        client["id"].as_str().unwrap(),
        client["secret"].as_str().unwrap(),
    );
    let basic = super::basic(id, secret);
    let in_body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let basic = [("Authorization", basic.as_str())];
    for response in [
        form(
            &world,
            "/oauth/token",
            "grant_type=client_credentials",
            &basic,
        )
        .await,
        form(&world, "/oauth/token", &in_body, &[]).await,
    ] {
        assert_eq!(response.headers()["cache-control"], "no-store");
        let (status, issued) = json_of(response).await;
        assert_eq!(
            (status, &issued["token_type"]),
            (200, &json!("Bearer")),
            "{issued}"
        );
        assert_eq!(issued["scope"], "profiles:read messages:read");
        let token = issued["access_token"].as_str().unwrap();
        let get = |path: &str| {
            let request = Request::get(format!("/api/v1/{path}"))
                .header("Authorization", format!("Bearer {token}"));
            world.send(request.body(Body::empty()).unwrap())
        };
        assert_eq!(get("people").await.status(), 200);
        assert_eq!(get("clients").await.status(), 403);
        let asked = format!("token={token}");
        let (_, told) = json_of(form(&world, "/oauth/introspect", &asked, &basic).await).await;
        assert_eq!(
            (&told["active"], &told["client_id"]),
            (&json!(true), &json!(id))
        );
        assert_eq!(
            form(&world, "/oauth/revoke", &asked, &basic).await.status(),
            200
        );
        assert_eq!(get("people").await.status(), 401);
    }
}

#[tokio::test]
async fn the_token_endpoint_refuses_in_the_words_of_the_standard() {
    let world = World::empty();
    let (_, client) = world
        .post("clients", json!({"name": "x", "scopes": "profiles:read"}))
        .await;
    let basic = super::basic(
        client["id"].as_str().unwrap(),
        client["secret"].as_str().unwrap(),
    );
    let wrong = super::basic(client["id"].as_str().unwrap(), "cs_wrong");
    for (authorization, body, status, code) in [
        (&basic, "", 400, "invalid_request"),
        (
            &basic,
            "grant_type=password&username=a",
            400,
            "unsupported_grant_type",
        ),
        (
            &basic,
            "grant_type=client_credentials&scope=admin",
            400,
            "invalid_scope",
        ),
        (
            &basic,
            "grant_type=authorization_code&code=x&code_verifier=y",
            400,
            "invalid_grant",
        ),
        (
            &basic,
            "grant_type=refresh_token&refresh_token=x",
            400,
            "invalid_grant",
        ),
        (
            &basic,
            "grant_type=client_credentials&grant_type=x",
            400,
            "invalid_request",
        ),
        (
            &basic,
            "grant_type=client_credentials&client_secret=x",
            400,
            "invalid_request",
        ),
        (
            &wrong,
            "grant_type=client_credentials",
            401,
            "invalid_client",
        ),
    ] {
        let headers = [("Authorization", authorization.as_str())];
        let response = form(&world, "/oauth/token", body, &headers).await;
        let challenged = response.headers().contains_key("www-authenticate");
        let (found, told) = json_of(response).await;
        assert_eq!(
            (found, told["error"].as_str()),
            (status, Some(code)),
            "{body}: {told}"
        );
        assert_eq!(challenged, status == 401, "{body}");
    }
}

#[tokio::test]
async fn a_public_client_cannot_act_by_itself() {
    let world = World::empty();
    let public = "grant_type=client_credentials&client_id=tenure-cli";
    let (status, told) = json_of(form(&world, "/oauth/token", public, &[]).await).await;
    assert_eq!(
        (status, told["error"].as_str()),
        (400, Some("unauthorized_client"))
    );
}

/// Signs in on the page that an application's request leads to; answers the cookie.
async fn sign_in(world: &World) -> String {
    let request = Request::get(format!("/oauth/authorize?{ASKED}"))
        .body(Body::empty())
        .unwrap();
    let (_, page) = read(world.send(request).await).await;
    assert!(page.contains("Sign in to Tenure") && !page.contains("<script"));
    let next = hidden(&page, "next")
        .replace("&amp;", "%26")
        .replace('+', "%2B");
    let body = format!(
        "email=manager%40example.com&password={PASSWORD}&next={}",
        next.replace('%', "%25").replace("%2526", "%26")
    );
    let response = form(world, "/login", &body, &[]).await;
    assert_eq!(response.status(), 303);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(
        location.starts_with("/oauth/authorize?response_type=code"),
        "{location}"
    );
    let cookie = response.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_signs_in_allows_and_the_application_acts_for_them() {
    let world = World::empty();
    world.session(Role::Manager).await;
    let cookie = sign_in(&world).await;
    let page = consent(&world, &cookie).await;
    assert!(page.contains("Tenure&#39;s command line") && page.contains("profiles:read"));
    assert!(
        page.contains("&lt;s&gt;") && !page.contains("<s>"),
        "the state is escaped"
    );
    let allow = format!("{ASKED}&decision=allow&csrf={}", hidden(&page, "csrf"));
    let headers = [("Cookie", cookie.as_str())];
    let response = form(&world, "/oauth/authorize", &allow, &headers).await;
    assert_eq!(response.status(), 303);
    let answered = answer(&response);
    assert_eq!(answered["state"], "%3Cs%3E");
    assert_eq!(answered["iss"], "http%3A%2F%2Flocalhost");
    let redeem = format!(
        "grant_type=authorization_code&client_id=tenure-cli&code={}&code_verifier={VERIFIER}&redirect_uri=http%3A%2F%2F127.0.0.1%3A5123%2Fcallback",
        answered["code"]
    );
    let (status, issued) = json_of(form(&world, "/oauth/token", &redeem, &[]).await).await;
    assert_eq!(status, 200, "{issued}");
    let request = Request::get("/api/v1/people").header(
        "Authorization",
        format!("Bearer {}", issued["access_token"].as_str().unwrap()),
    );
    assert_eq!(
        world
            .send(request.body(Body::empty()).unwrap())
            .await
            .status(),
        200
    );
    let refresh = format!(
        "grant_type=refresh_token&client_id=tenure-cli&refresh_token={}",
        issued["refresh_token"].as_str().unwrap()
    );
    assert_eq!(
        form(&world, "/oauth/token", &refresh, &[]).await.status(),
        200
    );
    let (status, told) = json_of(form(&world, "/oauth/token", &refresh, &[]).await).await;
    assert_eq!(
        (status, told["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    assert_eq!(CHALLENGE.len(), 43);
}

#[tokio::test]
async fn nobody_else_can_allow_for_a_user() {
    let world = World::empty();
    let cookie = world.session(Role::Manager).await;
    let page = consent(&world, &cookie).await;
    let token = hidden(&page, "csrf").to_owned();
    let with = |token: &str| format!("{ASKED}&decision=allow&csrf={token}");
    let cookie = cookie.as_str();
    for (body, headers) in [
        (with("wrong"), vec![("Cookie", cookie)]),
        (with(""), vec![("Cookie", cookie)]),
        (with(&token), vec![]),
        (
            with(&token),
            vec![("Cookie", cookie), ("Origin", "https://evil.example.com")],
        ),
        (
            with(&token),
            vec![("Cookie", cookie), ("Sec-Fetch-Site", "cross-site")],
        ),
    ] {
        let response = form(&world, "/oauth/authorize", &body, &headers).await;
        assert_eq!(response.status(), 400, "{headers:?}");
        assert!(!response.headers().contains_key("location"));
    }
    let deny = format!("{ASKED}&decision=deny&csrf={token}");
    let response = form(&world, "/oauth/authorize", &deny, &[("Cookie", cookie)]).await;
    assert_eq!(answer(&response)["error"], "access_denied");
}

#[tokio::test]
async fn a_session_changes_something_only_with_its_csrf_token() {
    let world = World::empty();
    let cookie = world.session(Role::Admin).await;
    let post = |token: Option<String>| {
        let request = Request::post("/api/v1/signing-keys/rotate").header("Cookie", &cookie);
        let request = token.into_iter().fold(request, |request, token| {
            request.header("X-CSRF-Token", token)
        });
        world.send(request.body(Body::empty()).unwrap())
    };
    assert_eq!(post(None).await.status(), 401);
    assert_eq!(post(Some("x".into())).await.status(), 401);
    let page = consent(&world, &cookie).await;
    let token = hidden(&page, "csrf").to_owned();
    assert_eq!(post(Some(token.clone())).await.status(), 200);
    let out = form(
        &world,
        "/logout",
        &format!("csrf={token}"),
        &[("Cookie", &cookie)],
    )
    .await;
    assert_eq!(out.status(), 303);
    assert_eq!(post(Some(token)).await.status(), 401);
}

#[tokio::test]
async fn a_wrong_password_says_no_more_than_that() {
    let world = World::empty();
    world.session(Role::Analyst).await;
    let mut pages = Vec::new();
    for email in ["analyst%40example.com", "nobody%40example.com"] {
        let body = format!("email={email}&password=wrong+wrong+wrong");
        let (status, page) = read(form(&world, "/login", &body, &[]).await).await;
        assert_eq!(status, 401);
        pages.push(page);
    }
    assert_eq!(pages[0], pages[1]);
    let cross = form(
        &world,
        "/login",
        "email=a&password=b",
        &[("Origin", "https://evil.example.com")],
    )
    .await;
    assert_eq!(cross.status(), 400);
}

#[tokio::test]
async fn one_time_codes_are_set_up_by_the_user_only() {
    let world = World::empty();
    let cookie = world.session(Role::Analyst).await;
    let headers = [("Cookie", cookie.as_str())];
    let refused = form(&world, "/login/codes", "csrf=x", &headers).await;
    assert_eq!(refused.status(), 400);
    let page = consent(&world, &cookie).await;
    let token = format!("csrf={}", hidden(&page, "csrf"));
    let (status, page) = read(form(&world, "/login/codes", &token, &headers).await).await;
    assert_eq!(status, 200);
    let key = page
        .split_once("<code>")
        .unwrap()
        .1
        .split_once('<')
        .unwrap()
        .0;
    assert_eq!(key.len(), 32);
    let wrong = form(
        &world,
        "/login/codes/confirm",
        &format!("{token}&code=0"),
        &headers,
    )
    .await;
    assert_eq!(wrong.status(), 400);
    let users = world.get("users").await;
    assert_eq!(users["data"][0]["one_time_codes"], false);
}
