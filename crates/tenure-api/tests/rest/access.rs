//! Who gets in, and what everybody gets.

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use super::{World, read};

/// Every operation of the OpenAPI document, with `x` for the parts of its path.
fn operations() -> Vec<(String, String)> {
    let document = serde_json::to_value(tenure_api::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path: Vec<&str> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect();
        for method in item.as_object().unwrap().keys() {
            found.push((method.to_uppercase(), path.join("/")));
        }
    }
    found
}

#[tokio::test]
async fn every_operation_wants_a_token() {
    let world = World::empty();
    let operations = operations();
    assert!(operations.len() > 40);
    for (method, path) in operations {
        for token in [None, Some("Bearer wrong"), Some("Basic eDo=")] {
            let request = Request::builder().method(method.as_str()).uri(&path);
            let request = token.into_iter().fold(request, |request, token| {
                request.header("Authorization", token)
            });
            let response = world.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(response.status(), 401, "{method} {path} with {token:?}");
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json"
            );
        }
    }
}

#[test]
fn every_operation_names_the_one_scope_that_it_wants() {
    let document = serde_json::to_value(tenure_api::openapi()).unwrap();
    let known = &document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
        ["scopes"];
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let scopes = &operation["security"][0]["oauth2"];
            let scope = scopes[0].as_str().unwrap_or_default();
            assert!(known[scope].is_string(), "{method} {path}: {scopes}");
            assert_eq!(scopes.as_array().unwrap().len(), 1, "{method} {path}");
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
    ] {
        let response = world
            .send(Request::get(path).body(Body::empty()).unwrap())
            .await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
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
    ] {
        assert_eq!(
            world.refused("GET", path, None).await,
            (400, "invalid-field".into()),
            "{path}"
        );
    }
}
