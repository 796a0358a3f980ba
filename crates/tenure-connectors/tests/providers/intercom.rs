//! Intercom's stand-in: conversations and tickets, searched in no particular order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{NOW_MS, SEEDED_MS, STEP_MS, StandIn, connector, strings};
use crate::server::{Reply, Request, Server};

crate::complies!(only pulls: Intercom);

const TOKEN: &str = "intercom-token-0000";

type Book = BTreeMap<String, Vec<Value>>;

pub(crate) struct Intercom {
    server: Server,
    book: Arc<Mutex<Book>>,
}

impl StandIn for Intercom {
    fn start() -> Self {
        let book = Arc::new(Mutex::new(Book::new()));
        let shared = Arc::clone(&book);
        let server = Server::start(move |request| answer(&shared.lock().unwrap(), request));
        Self { server, book }
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn kind(&self) -> &'static str {
        "intercom"
    }

    fn settings(&self) -> BTreeMap<String, String> {
        strings(&[("token", TOKEN), ("base_url", &self.server.url())])
    }

    fn wrong_secrets(&self) -> BTreeMap<String, String> {
        strings(&[("token", "intercom-token-other")])
    }

    fn seed(&self, stream: &str, count: usize) {
        let mut book = self.book.lock().unwrap();
        for index in 0..count {
            let at_s = (SEEDED_MS + index as i64 * STEP_MS) / 1_000;
            book.entry(stream.into()).or_default().push(json!({
                "id": index.to_string(), "created_at": at_s, "updated_at": at_s, "state": "open",
                "ticket_state": { "category": "submitted" },
                "ticket_attributes": { "_default_title_": "It is slow" },
                "source": { "type": "email", "author": { "type": "user", "email": "anna@example.com" } },
                "contacts": { "contacts": [{ "id": "c1", "external_id": "user-7" }] },
            }));
        }
    }

    fn touch(&self, stream: &str, index: usize) {
        let mut book = self.book.lock().unwrap();
        let record = &mut book.get_mut(stream).unwrap()[index];
        record["updated_at"] = json!(NOW_MS / 1_000);
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        error(status, message)
    }

    fn false_success(&self) -> Reply {
        error(200, "nothing to see")
    }
}

fn error(status: u16, message: &str) -> Reply {
    let errors = json!([{ "code": "broken", "message": message }]);
    Reply::json(status, &json!({ "type": "error.list", "errors": errors }))
}

fn answer(book: &Book, request: &Request) -> Reply {
    if request.header("authorization") != format!("Bearer {TOKEN}") {
        return error(401, "Access Token Invalid");
    }
    if request.header("intercom-version") != "2.14" {
        return error(400, "The requested version is not supported");
    }
    let (method, path) = request.line();
    match (method, path.as_slice()) {
        ("GET", ["me"]) => Reply::ok(&json!({ "type": "admin", "app": { "name": "Example" } })),
        ("POST", [stream, "search"]) => search(book, stream, &request.json()),
        _ => Reply::not_found(request),
    }
}

fn search(book: &Book, stream: &str, body: &Value) -> Reply {
    let [after, before] = [0, 1].map(|index| &body["query"]["value"][index]);
    let is_described = body["query"]["operator"] == "AND"
        && after["field"] == "updated_at"
        && after["operator"] == ">"
        && before["operator"] == "<";
    if !is_described {
        return error(400, "The search is not as described");
    }
    let (after, before) = (after["value"].as_i64(), before["value"].as_i64());
    let records = book.get(stream).into_iter().flatten();
    let mut found: Vec<&Value> = records
        .filter(|record| {
            record["updated_at"].as_i64() > after && record["updated_at"].as_i64() < before
        })
        .collect();
    found.reverse();
    let size = body["pagination"]["per_page"].as_u64().unwrap() as usize;
    let start = body["pagination"]["starting_after"].as_str();
    let start: usize = start.map_or(0, |text| text.parse().unwrap());
    let end = (start + size).min(found.len());
    let mut answer =
        json!({ "type": "list", "pages": { "type": "pages" }, "total_count": found.len() });
    answer[stream] = json!(found[start..end]);
    if end < found.len() {
        answer["pages"]["next"] = json!({ "per_page": size, "starting_after": end.to_string() });
    }
    Reply::ok(&answer)
}

#[test]
fn what_the_team_began_is_told_of_the_contact_and_not_of_the_colleague() {
    let stand_in = Intercom::start();
    stand_in.seed("conversations", 1);
    stand_in
        .book
        .lock()
        .unwrap()
        .get_mut("conversations")
        .unwrap()[0]["source"]["author"] =
        json!({ "type": "admin", "email": "colleague@example.com" });
    let page = connector(&stand_in)
        .pull("conversations", None, NOW_MS)
        .unwrap();
    assert_eq!(page.calls[0].event, "conversation_opened");
    assert_eq!(page.calls[0].who.user_id.as_deref(), Some("user-7"));
    assert_eq!(page.calls[0].who.email, None);
}
