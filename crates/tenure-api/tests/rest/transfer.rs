//! Imports and exports of files.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::{World, read};

const MAPPING: &str = "import: people\nrow_id: id\noutputs:\n  - kind: people\n    user_id: id\n    email: mail\n    traits: { seats: { column: seats, type: number } }\n";
const ROWS: &str =
    "id,mail,seats\nu1,u1@example.com,3\nu2,u2@example.com,many\n,u3@example.com,4\nu4,,5\n";

impl World {
    async fn upload(&self, query: &str, kind: &str, body: String) -> (u16, Value) {
        let request = Request::post(format!("/api/v1/imports{query}"))
            .header("Authorization", format!("Bearer {}", self.keys.api_token))
            .header("Content-Type", kind)
            .body(Body::from(body))
            .unwrap();
        let (status, text) = read(self.send(request).await).await;
        (status.as_u16(), serde_json::from_str(&text).unwrap())
    }

    async fn upload_form(&self, rows: &str, query: &str) -> (u16, Value) {
        let part = |name: &str, text: &str| {
            format!("--XX\r\nContent-Disposition: form-data; {name}\r\n\r\n{text}\r\n")
        };
        let body = part("name=\"mapping\"", MAPPING)
            + &part("name=\"file\"; filename=\"people.csv\"", rows)
            + "--XX--\r\n";
        self.upload(query, "multipart/form-data; boundary=XX", body)
            .await
    }

    fn run_jobs(&self) {
        while self.node.step_jobs().unwrap() {}
        self.run();
    }

    async fn exported(&self, body: Value) -> String {
        let (status, job) = self.post("exports", body).await;
        assert_eq!(status, 202, "{job}");
        self.run_jobs();
        let id = job["id"].as_str().unwrap();
        let job = self.get(&format!("exports/{id}")).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        let (status, text) = self.call("GET", &format!("exports/{id}/file"), None).await;
        assert_eq!(status, 200, "{text}");
        text.as_str()
            .map_or_else(|| text.to_string(), str::to_owned)
    }
}

#[tokio::test]
async fn a_file_is_imported_its_bad_rows_are_listed_and_a_repeat_counts_nothing_twice() {
    let world = World::empty();
    let (status, job) = world.upload_form(ROWS, "").await;
    assert_eq!((status, &job["kind"]), (202, &json!("import")), "{job}");
    world.run_jobs();
    let path = format!("imports/{}", job["id"].as_str().unwrap());
    let done = world.get(&path).await;
    assert_eq!(done["state"], "succeeded", "{done}");
    let counts =
        json!({"row_count": 4, "accepted_count": 2, "duplicate_count": 0, "rejected_count": 2});
    assert_eq!(done["result"], counts);
    assert_eq!(done["done_count"], done["total_count"]);
    let errors = world.get(&format!("{path}/errors?limit=1")).await;
    assert_eq!(errors["data"][0]["line"], 3);
    assert_eq!(errors["data"][0]["field"], "seats");
    let cursor = errors["next_cursor"].as_str().unwrap();
    let rest = world.get(&format!("{path}/errors?cursor={cursor}")).await;
    assert_eq!(rest["data"][0]["row"], 3, "{rest}");
    assert_eq!(rest["next_cursor"], Value::Null);
    let (_, report) = world.call("GET", &format!("{path}/report"), None).await;
    assert_eq!(report.as_str().unwrap().lines().count(), 3);
    assert_eq!(
        world.get("people").await["data"].as_array().unwrap().len(),
        2
    );

    let (status, refused) = world.upload_form(ROWS, "").await;
    assert_eq!((status, &refused["code"]), (409, &json!("conflict")));
    let (_, again) = world.upload_form(ROWS, "?again=true").await;
    world.run_jobs();
    let again = world
        .get(&format!("imports/{}", again["id"].as_str().unwrap()))
        .await;
    assert_eq!(again["result"]["accepted_count"], 0);
    assert_eq!(again["result"]["duplicate_count"], 2);
    let left: Vec<_> = std::fs::read_dir(world.folder.path().join("jobs"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 2, "only the reports are left: {left:?}");
}

#[tokio::test]
async fn lines_of_calls_need_no_mapping_and_ids_are_made_where_there_are_none() {
    let world = World::empty();
    let lines = "{\"type\":\"identify\",\"userId\":\"u1\"}\n{\"type\":\"track\",\"userId\":\"u1\",\"event\":\"x\"}\nnonsense\n";
    for (query, accepted) in [("", 2), ("?again=true", 0)] {
        let (status, job) = world
            .upload(query, "application/x-ndjson", lines.to_owned())
            .await;
        assert_eq!(status, 202, "{job}");
        world.run_jobs();
        let done = world
            .get(&format!("imports/{}", job["id"].as_str().unwrap()))
            .await;
        assert_eq!(done["result"]["accepted_count"], accepted, "{done}");
        assert_eq!(done["result"]["rejected_count"], 1);
    }
}

#[tokio::test]
async fn what_cannot_be_imported_is_refused_before_anything_is_queued() {
    let world = World::empty();
    let csv = "text/csv";
    let (status, problem) = world.upload("", csv, ROWS.to_owned()).await;
    assert_eq!(
        (status, &problem["field"]),
        (400, &json!("mapping")),
        "{problem}"
    );
    let (status, problem) = world
        .upload("?mapping=import%3A", csv, ROWS.to_owned())
        .await;
    assert_eq!(
        (status, &problem["field"]),
        (400, &json!("mapping")),
        "{problem}"
    );
    let (status, _) = world
        .upload("", "multipart/form-data; boundary=XX", "--XX--\r\n".into())
        .await;
    assert_eq!(status, 400);
    assert_eq!(world.get("jobs").await["data"], json!([]));
    assert_eq!(
        std::fs::read_dir(world.folder.path().join("jobs"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn a_cancelled_import_may_be_sent_again_and_leaves_no_file() {
    let world = World::empty();
    let (_, job) = world.upload_form(ROWS, "").await;
    let path = format!("jobs/{}/cancel", job["id"].as_str().unwrap());
    let (status, job) = world.post(&path, json!({})).await;
    assert_eq!((status.as_u16(), &job["state"]), (200, &json!("cancelled")));
    let (status, _) = world.upload_form(ROWS, "").await;
    assert_eq!(status, 202);
    world.run_jobs();
    assert_eq!(
        world.get("jobs?state=succeeded").await["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn every_kind_is_exported_in_every_form() {
    let world = World::new().await;
    for what in ["events", "people", "accounts", "messages", "decisions"] {
        for format in ["jsonl", "csv", "parquet"] {
            let text = world
                .exported(json!({"what": what, "format": format}))
                .await;
            assert!(text.len() > 40, "{what} {format}: {text}");
        }
    }
    let members = json!({"what": "members", "segment": "signed-up", "format": "csv"});
    let text = world.exported(members).await;
    assert!(text.starts_with("subject,since\nper_"), "{text}");
    let people = world.exported(json!({"what": "people"})).await;
    let person: Value = serde_json::from_str(&people).unwrap();
    assert_eq!(person["emails"], json!(["noor@example.com"]));
}

#[tokio::test]
async fn an_export_is_refused_when_it_is_not_right_and_its_file_is_told_when_it_is_there() {
    let world = World::new().await;
    let wrong = [
        (json!({"what": "members"}), 400),
        (json!({"what": "people", "segment": "signed-up"}), 400),
        (json!({"what": "members", "segment": "nobody"}), 404),
        (json!({"what": "secrets"}), 400),
    ];
    for (body, status) in wrong {
        assert_eq!(
            world.post("exports", body.clone()).await.0,
            status,
            "{body}"
        );
    }
    let (_, job) = world.post("exports", json!({"what": "people"})).await;
    let path = format!("exports/{}/file", job["id"].as_str().unwrap());
    assert_eq!(
        world.refused("GET", &path, None).await,
        (409, "conflict".into())
    );
    world.run_jobs();
    world.node.jobs().discard_files();
    assert_eq!(
        world.refused("GET", &path, None).await,
        (404, "not-found".into())
    );
    let (_, made) = world
        .post("tokens", json!({"name": "t", "scopes": "profiles:read"}))
        .await;
    let request = Request::post("/api/v1/exports")
        .header(
            "Authorization",
            format!("Bearer {}", made["token"].as_str().unwrap()),
        )
        .body(Body::from(json!({"what": "messages"}).to_string()))
        .unwrap();
    assert_eq!(world.send(request).await.status(), 403);
}
