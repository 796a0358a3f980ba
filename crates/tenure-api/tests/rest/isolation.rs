//! Two workspaces driven at once over every operation: nothing of one is seen in the other, and
//! nothing done in one changes the other.

use axum::body::Body;
use axum::http::Request;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{World, files, read};

/// A workspace with a customer whose every name carries a mark that stands nowhere else.
struct Marked {
    world: World,
    mark: &'static str,
    /// Ids of things by the placeholder of a path.
    ids: Vec<(&'static str, String)>,
}

/// Where the id of a placeholder is found.
const SOURCES: [(&str, &str, &str); 13] = [
    ("person", "people", "/data/0/id"),
    ("account", "accounts", "/data/0/id"),
    ("customer_id", "accounts", "/data/0/external_id"),
    ("message", "messages", "/data/0/id"),
    ("suppression", "suppressions", "/data/0/id"),
    ("webhook", "webhooks", "/data/0/id"),
    ("client", "clients", "/data/0/id"),
    ("token", "tokens", "/data/0/id"),
    ("user", "users", "/data/0/id"),
    ("job", "jobs", "/data/0/id"),
    ("export", "jobs", "/data/0/id"),
    ("segment", "segments", "/data/0/name"),
    ("program", "programs", "/data/0/name"),
];

impl Marked {
    async fn new(entropy: u8, mark: &'static str) -> Self {
        let world = World::of(entropy);
        let (status, body) = world.post("definitions/apply", files()).await;
        assert_eq!(status, 200, "{body}");
        world.run();
        world.sign_up(mark).await;
        let made = [
            (
                "suppressions",
                json!({"email": format!("{mark}-s@example.com"), "reason": mark}),
            ),
            (
                "webhooks",
                json!({"url": format!("https://{mark}.example.com/"), "topics": ["decisions"]}),
            ),
            ("clients", json!({"name": mark, "scopes": "profiles:read"})),
            ("tokens", json!({"name": mark, "scopes": "profiles:read"})),
            (
                "users",
                json!({"email": format!("{mark}-u@example.com"), "name": mark, "role": "admin", "password": super::PASSWORD}),
            ),
            ("exports", json!({"what": "people"})),
        ];
        for (path, body) in made {
            let (status, answer) = world.post(path, body).await;
            assert!(status.is_success(), "{path}: {answer}");
        }
        while world.node.step_jobs().unwrap() {}
        let mut ids = Vec::new();
        for (placeholder, path, pointer) in SOURCES {
            let found = world.get(path).await;
            let id = found.pointer(pointer).and_then(Value::as_str);
            let id = id.unwrap_or_else(|| panic!("{path} has no {pointer}: {found}"));
            ids.push((placeholder, id.to_owned()));
        }
        Self { world, mark, ids }
    }

    fn path(&self, template: &str) -> String {
        let part = |part: &str| {
            let name = part
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'));
            let known = |name: &str| self.ids.iter().find(|(known, _)| *known == name);
            match name {
                Some(name) => {
                    known(name).map_or_else(|| self.mark.to_owned(), |(_, id)| id.clone())
                }
                None => part.to_owned(),
            }
        };
        template.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    /// All that is stored, besides what asking leaves behind.
    fn stored(&self) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all");
        self.world
            .node
            .store()
            .backup(&path, &mut |_, _| {})
            .unwrap();
        std::fs::read(path).unwrap()
    }
}

async fn ask(world: &World, token: &str, (method, path): (&str, &str)) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Authorization", format!("Bearer {token}"))
        .body(Body::from("{}"))
        .unwrap();
    let (status, text) = read(world.send(request).await).await;
    (status.as_u16(), text)
}

fn operations() -> Vec<(String, String)> {
    let document = serde_json::to_value(tenure_api::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    each.collect()
}

#[test]
fn nothing_of_one_workspace_is_seen_or_changed_from_the_other() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let operations = operations();
    assert!(operations.len() > 100, "{}", operations.len());
    let one = runtime.block_on(Marked::new(7, "alphamark"));
    let other = runtime.block_on(Marked::new(9, "betamark"));
    let pair = [one, other];
    // Every operation from both sides, in an order that proptest chooses and shrinks.
    let order = Just((0..operations.len() * 2).collect::<Vec<_>>()).prop_shuffle();
    let config = ProptestConfig {
        cases: 3,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&order, |order| {
        for step in order {
            let (method, template) = &operations[step / 2];
            let (asker, owner) = (&pair[step % 2], &pair[1 - step % 2]);
            let path = owner.path(template);
            let call = (method.as_str(), path.as_str());
            let before = owner.stored();
            let (_, text) = runtime.block_on(ask(&asker.world, &asker.world.keys.api_token, call));
            // A problem may tell back what was asked for; an answer may not know of it.
            let shown: Value = serde_json::from_str(&text).unwrap_or_default();
            let is_problem = shown["code"].is_string();
            prop_assert!(is_problem || !text.contains(owner.mark), "{call:?}: {text}");
            prop_assert!(
                owner.stored() == before,
                "{call:?} changed the other workspace"
            );
            let (status, _) =
                runtime.block_on(ask(&owner.world, &asker.world.keys.api_token, call));
            prop_assert_eq!(status, 401, "{:?} with a token of the other", call);
            prop_assert!(
                owner.stored() == before,
                "{call:?} with a foreign token changed something"
            );
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
