//! Who gets in, and what everybody gets.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tenure_app::access::Scope;

use super::{World, read};

/// An operation of the OpenAPI document, with `x` for the parts of its path.
struct Operation {
    method: String,
    path: String,
    scope: String,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(tenure_api::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path: Vec<&str> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect();
        for (method, operation) in item.as_object().unwrap() {
            let scope = operation["security"][0]["oauth2"][0].as_str();
            found.push(Operation {
                method: method.to_uppercase(),
                path: path.join("/"),
                scope: scope.unwrap_or_default().to_owned(),
            });
        }
    }
    found
}

async fn ask(world: &World, operation: &Operation, token: Option<&str>) -> (u16, Value) {
    let request = Request::builder()
        .method(operation.method.as_str())
        .uri(&operation.path);
    let request = token.into_iter().fold(request, |request, token| {
        request.header("Authorization", token)
    });
    let response = world.send(request.body(Body::empty()).unwrap()).await;
    let status = response.status().as_u16();
    if status >= 400 {
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json",
            "{} {}",
            operation.method,
            operation.path
        );
    }
    let (_, text) = read(response).await;
    (status, serde_json::from_str(&text).unwrap_or_default())
}

async fn token(world: &World, scopes: &str) -> String {
    let body = json!({"name": "test", "scopes": scopes});
    let (status, made) = world.post("tokens", body).await;
    assert_eq!(status, 200, "{made}");
    format!("Bearer {}", made["token"].as_str().unwrap())
}

#[tokio::test]
async fn every_operation_wants_a_token_of_this_workspace() {
    let world = World::empty();
    let elsewhere = World::of(9);
    let foreign = token(&elsewhere, &Scope::ALL.map(Scope::as_str).join(" ")).await;
    let foreign_jwt = elsewhere
        .jwt(&Scope::ALL.map(Scope::as_str).join(" "))
        .await;
    let foreign_init = format!("Bearer {}", elsewhere.keys.api_token);
    let operations = operations();
    assert!(operations.len() > 50);
    for operation in operations {
        let wrong = [
            "Bearer wrong",
            "Basic eDo=",
            &foreign,
            &foreign_jwt,
            &foreign_init,
        ];
        for token in std::iter::once(None).chain(wrong.into_iter().map(Some)) {
            let (status, _) = ask(&world, &operation, token).await;
            assert_eq!(status, 401, "{} {}", operation.method, operation.path);
        }
    }
}

#[tokio::test]
async fn every_operation_wants_the_scope_that_it_names_and_no_other() {
    let world = World::empty();
    for operation in operations() {
        let name = format!("{} {}", operation.method, operation.path);
        let others = Scope::ALL.map(Scope::as_str);
        let others = others.into_iter().filter(|scope| *scope != operation.scope);
        let others: Vec<&str> = others.collect();
        assert_eq!(
            others.len(),
            Scope::ALL.len() - 1,
            "{name} wants one known scope"
        );
        let without = token(&world, &others.join(" ")).await;
        let (status, problem) = ask(&world, &operation, Some(&without)).await;
        assert_eq!(
            (status, problem["code"].as_str()),
            (403, Some("missing-scope")),
            "{name}"
        );
        assert_eq!(problem["scope"], operation.scope, "{name}");
        let with = token(&world, &operation.scope).await;
        let (status, problem) = ask(&world, &operation, Some(&with)).await;
        assert!(![401, 403].contains(&status), "{name}: {problem}");
    }
}

#[tokio::test]
async fn a_role_reaches_what_its_scopes_reach_and_no_more() {
    use tenure_app::access::Role;
    let world = World::empty();
    for role in Role::ALL {
        let session = world.session(role).await;
        for operation in operations() {
            let scope: Scope = operation.scope.parse().unwrap();
            let (status, problem) = world
                .with_session(&session, &operation.method, &operation.path)
                .await;
            let name = format!("{role:?} {} {}", operation.method, operation.path);
            let code = problem["code"].as_str().unwrap_or_default();
            assert_eq!(
                code == "missing-scope",
                !role.scopes().contains(scope),
                "{name}: {problem}"
            );
            if role.own_accounts_only() {
                assert_eq!(status, 403, "{name}: nothing of x is theirs");
            }
        }
    }
}

#[tokio::test]
async fn operators_ask_without_a_token() {
    let world = World::empty();
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 503),
        ("/metrics", 200),
        ("/api/v1/openapi.json", 200),
        ("/nowhere", 404),
        ("/api/v1/people", 401),
        ("/login", 200),
        ("/oauth/jwks", 200),
    ] {
        let response = world
            .send(Request::get(path).body(Body::empty()).unwrap())
            .await;
        assert_eq!(response.status(), status, "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(response.headers()[name], value, "{path}");
        }
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("script"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document() {
    let world = World::empty();
    let (status, text) = read(
        world
            .send(Request::get("/nowhere").body(Body::empty()).unwrap())
            .await,
    )
    .await;
    assert_eq!(status, 404);
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap()["code"],
        "not-found"
    );
    assert_eq!(
        world.refused("PUT", "people", None).await,
        (405, "method-not-allowed".into())
    );
}

#[tokio::test]
async fn unknown_parameters_are_refused_with_those_that_are_known() {
    let world = World::empty();
    let (status, body) = world.call("GET", "people?userid=x", None).await;
    assert_eq!(
        (status.as_u16(), body["code"].as_str()),
        (400, Some("unknown-parameter"))
    );
    assert!(body["fix"].as_str().unwrap().contains("user_id"));
    for path in [
        "people?limit=0",
        "people?limit=1001",
        "messages?state=lost",
        "decisions?subject=x",
        "people?cursor=x",
        "audit?since=yesterday",
        "audit?cursor=x",
    ] {
        assert_eq!(
            world.refused("GET", path, None).await,
            (400, "invalid-field".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_token_is_shown_once_and_opens_nothing_once_it_is_taken_back() {
    let world = World::empty();
    let (_, made) = world
        .post("tokens", json!({"name": "ci", "scopes": "profiles:read"}))
        .await;
    let listed = world.get("tokens").await;
    assert_eq!(listed["data"][0]["id"], made["id"]);
    assert!(listed["data"][0]["token"].is_null());
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let people = Operation {
        method: "GET".into(),
        path: "/api/v1/people".into(),
        scope: String::new(),
    };
    assert_eq!(ask(&world, &people, Some(&bearer)).await.0, 200);
    let path = format!("tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(world.call("DELETE", &path, None).await.0, 200);
    assert_eq!(ask(&world, &people, Some(&bearer)).await.0, 401);
    assert_eq!(
        world.refused("DELETE", &path, None).await,
        (404, "not-found".into())
    );
    let (_, body) = world
        .post("tokens", json!({"name": "ci", "scopes": "all"}))
        .await;
    assert!(
        body["detail"].as_str().unwrap().contains("profiles:read"),
        "{body}"
    );
}

#[tokio::test]
async fn a_csm_reaches_customers_of_their_own_and_nobody_elses() {
    let world = World::new().await;
    let session = world.session(tenure_app::access::Role::Csm).await;
    let person = world.person_id().await;
    let account = world.get("accounts?external_id=acme").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let paths = [
        format!("/api/v1/people/{person}"),
        format!("/api/v1/accounts/{account}/timeline"),
    ];
    for path in &paths {
        let (status, problem) = world.with_session(&session, "GET", path).await;
        assert_eq!(
            (status, problem["code"].as_str()),
            (403, Some("not-your-account"))
        );
    }
    world.own_acme("csm@example.com").await;
    for path in &paths {
        assert_eq!(
            world.with_session(&session, "GET", path).await.0,
            200,
            "{path}"
        );
    }
    let tasks = "/api/v1/tasks?owner=";
    for (path, status) in [
        (format!("{tasks}csm@example.com"), 200),
        (format!("{tasks}dana"), 403),
        (format!("{tasks}csm@example.com&owner=dana"), 403),
        ("/api/v1/tasks".to_owned(), 403),
        ("/api/v1/people".to_owned(), 403),
        ("/api/v1/export".to_owned(), 403),
    ] {
        assert_eq!(
            world.with_session(&session, "GET", &path).await.0,
            status,
            "{path}"
        );
    }
}
