//! Klaviyo's stand-in: profiles, events, lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tenure_connectors::provider::{Change, Item, Move, Who};

use crate::harness::{
    NOW_MS, SEEDED_MS, STEP_MS, StandIn, connector, is_accepted, person, push_one, strings,
};
use crate::hubspot::iso;
use crate::server::{Reply, Request, Server};

crate::complies!(Klaviyo);

const KEY: &str = "pk_0000_test_key";
const MAPPING: &str = r#"
    [profiles.key]
    email = "email"
    [profiles.fields]
    first_name = "first_name"
    "properties.risk" = { trait = "risk", direction = "both", conflict = "newest" }
"#;

#[derive(Default)]
struct Book {
    profiles: Vec<Value>,
    events: Vec<Value>,
    /// Events that were written, by their unique id.
    tracked: BTreeMap<String, Value>,
    lists: BTreeMap<String, BTreeSet<String>>,
}

pub(crate) struct Klaviyo {
    server: Server,
    book: Arc<Mutex<Book>>,
}

impl StandIn for Klaviyo {
    fn start() -> Self {
        let mut book = Book::default();
        book.profiles.push(profile(0, "eve@example.com", SEEDED_MS));
        let book = Arc::new(Mutex::new(book));
        let shared = Arc::clone(&book);
        let server = Server::start(move |request| shared.lock().unwrap().answer(request));
        Self { server, book }
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn kind(&self) -> &'static str {
        "klaviyo"
    }

    fn settings(&self) -> BTreeMap<String, String> {
        strings(&[("api_key", KEY), ("base_url", &self.server.url())])
    }

    fn wrong_secrets(&self) -> BTreeMap<String, String> {
        strings(&[("api_key", "pk_0000_other_key")])
    }

    fn mapping(&self) -> Option<&'static str> {
        Some(MAPPING)
    }

    fn seed(&self, stream: &str, count: usize) {
        let mut book = self.book.lock().unwrap();
        for index in 1..=count {
            let at_ms = SEEDED_MS + (index as i64).max(150) * STEP_MS;
            if stream == "events" {
                book.events.push(event(index, at_ms));
            } else {
                book.profiles
                    .push(profile(index, &format!("p{index}@example.com"), at_ms));
            }
        }
    }

    /// Events do not change; a new one comes.
    fn touch(&self, stream: &str, index: usize) {
        let mut book = self.book.lock().unwrap();
        if stream == "events" {
            book.events.push(event(9_999, NOW_MS));
        } else {
            book.profiles[index]["attributes"]["updated"] = json!(iso(NOW_MS));
        }
    }

    fn is_write(request: &Request) -> bool {
        request.method != "GET"
    }

    fn items(&self) -> Vec<Item> {
        let who = || Who {
            email: Some("eve@example.com".into()),
            ..Who::default()
        };
        let event = Change::Event {
            who: who(),
            name: "Usage Dropped".into(),
            occurred_at_ms: NOW_MS,
            properties: Map::new(),
        };
        vec![
            person("i1", "anna@example.com", &[("risk", "0.8")]),
            Item {
                id: "i2".into(),
                change: event,
            },
            member("i3", Move::Add),
        ]
    }

    fn bad_item(&self) -> Item {
        person("bad", "broken address", &[("risk", "0.8")])
    }

    fn written(&self) -> Vec<String> {
        let book = self.book.lock().unwrap();
        vec![
            format!("{:?}", book.profiles),
            format!("{:?}", book.tracked),
            format!("{:?}", book.lists),
        ]
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        error(status, message)
    }

    fn false_success(&self) -> Reply {
        Reply::ok(&json!({ "errors": [{ "code": "invalid", "detail": "nothing was written" }] }))
    }
}

fn member(id: &str, direction: Move) -> Item {
    let who = Who {
        email: Some("Eve@example.com".into()),
        ..Who::default()
    };
    let change = Change::Member {
        who,
        list: "Y6nRLr".into(),
        direction,
    };
    Item {
        id: id.into(),
        change,
    }
}

fn profile(index: usize, email: &str, at_ms: i64) -> Value {
    json!({ "type": "profile", "id": format!("01G{index}"), "attributes": {
        "email": email, "first_name": "Ann", "properties": { "risk": "0.1" }, "updated": iso(at_ms),
    } })
}

fn event(index: usize, at_ms: i64) -> Value {
    json!({ "type": "event", "id": format!("e{index}"),
        "attributes": { "datetime": iso(at_ms), "event_properties": { "count": index } },
        "relationships": {
            "profile": { "data": { "type": "profile", "id": "01G0" } },
            "metric": { "data": { "type": "metric", "id": "M1" } },
        } })
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "errors": [{ "id": "x", "status": status, "code": "invalid", "title": "Invalid input.", "detail": message }] }),
    )
}

impl Book {
    fn answer(&mut self, request: &Request) -> Reply {
        if request.header("authorization") != format!("Klaviyo-API-Key {KEY}") {
            return error(401, "Missing or invalid private key.");
        }
        if request.header("revision") != "2026-07-15" {
            return error(400, "Missing revision header");
        }
        if request.method != "GET" && request.header("content-type") != "application/vnd.api+json" {
            return error(415, "Unsupported media type");
        }
        let body = request.json();
        let (method, path) = request.line();
        match (method, path.as_slice()) {
            ("GET", ["api", "profiles"]) => self.list(request, &self.profiles, "updated"),
            ("GET", ["api", "events"]) => self.list(request, &self.events, "datetime"),
            ("POST", ["api", "profile-import"]) => self.import(&body["data"]["attributes"]),
            ("POST", ["api", "events"]) => self.track(&body["data"]["attributes"]),
            ("POST" | "DELETE", ["api", "lists", list, "relationships", "profiles"]) => {
                self.move_members(list, method == "POST", &body)
            }
            _ => Reply::not_found(request),
        }
    }

    fn list(&self, request: &Request, all: &[Value], order: &str) -> Reply {
        let mut found: Vec<&Value> = all.iter().collect();
        let filter = request.param("filter");
        let since = filter.strip_prefix(&format!("greater-than({order},"));
        if let Some(since) = since.and_then(|rest| rest.strip_suffix(')')) {
            let since: jiff::Timestamp = since.parse().unwrap();
            let at = |one: &Value| -> jiff::Timestamp {
                one["attributes"][order].as_str().unwrap().parse().unwrap()
            };
            assert_eq!(request.param("sort"), order);
            found.retain(|one| at(one) > since);
            found.sort_by_key(|one| at(one));
        } else if let Some(keys) = filter.strip_prefix("any(email,[") {
            let keys = keys.to_lowercase();
            found.retain(|one| keys.contains(&format!("{}", one["attributes"]["email"])));
        } else if !filter.is_empty() {
            return error(400, "Invalid filter");
        }
        let size: usize = request.param("page[size]").parse().unwrap();
        if !(1..=100).contains(&size) {
            return error(400, "Invalid page size");
        }
        let start: usize = request
            .param("page[cursor]")
            .trim_start_matches("c=")
            .parse()
            .unwrap_or(0);
        let end = (start + size).min(found.len());
        let next = (end < found.len()).then(|| {
            format!(
                "https://a.klaviyo.com{}?page%5Bcursor%5D=c%3D{end}",
                request.path
            )
        });
        let metric =
            json!({ "type": "metric", "id": "M1", "attributes": { "name": "Placed Order" } });
        Reply::ok(&json!({
            "data": found[start.min(end)..end], "links": { "next": next },
            "included": if request.param("include").is_empty() { json!([]) } else { json!([metric, self.profiles[0]]) },
        }))
    }

    fn import(&mut self, attributes: &Value) -> Reply {
        let email = attributes["email"]
            .as_str()
            .unwrap_or_default()
            .to_lowercase();
        if !email.contains('@') {
            return error(400, &format!("Invalid email address {email}"));
        }
        let there = self
            .profiles
            .iter()
            .position(|profile| profile["attributes"]["email"] == email.as_str());
        let index = there.unwrap_or(self.profiles.len());
        if there.is_none() {
            let id = format!("01H{index}");
            self.profiles
                .push(json!({ "type": "profile", "id": id, "attributes": { "email": email } }));
        }
        let profile = &mut self.profiles[index];
        profile["attributes"]["updated"] = json!(iso(NOW_MS));
        for (name, value) in attributes["properties"].as_object().into_iter().flatten() {
            profile["attributes"]["properties"][name] = value.clone();
        }
        Reply::json(
            if there.is_some() { 200 } else { 201 },
            &json!({ "data": profile }),
        )
    }

    fn track(&mut self, attributes: &Value) -> Reply {
        let name = &attributes["metric"]["data"]["attributes"]["name"];
        let email = &attributes["profile"]["data"]["attributes"]["email"];
        if !name.is_string() || !email.is_string() || !attributes["properties"].is_object() {
            return error(400, "not as described");
        }
        let id = attributes["unique_id"].as_str().unwrap().to_owned();
        self.tracked.insert(id, name.clone());
        Reply::text(202, "")
    }

    fn move_members(&mut self, list: &str, is_in: bool, body: &Value) -> Reply {
        let members = self.lists.entry(list.into()).or_default();
        for profile in body["data"].as_array().unwrap() {
            let id = profile["id"].as_str().unwrap().to_owned();
            if profile["type"] != "profile" {
                return error(400, "not as described");
            }
            if is_in {
                members.insert(id);
            } else {
                members.remove(&id);
            }
        }
        Reply::text(204, "")
    }
}

#[test]
fn members_come_and_go() {
    let stand_in = Klaviyo::start();
    let connector = connector(&stand_in);
    for (count, (direction, member_count)) in [(Move::Add, 1), (Move::Add, 1), (Move::Remove, 0)]
        .into_iter()
        .enumerate()
    {
        let now_ms = NOW_MS + count as i64 * 60_000;
        let pushed = push_one(connector.as_ref(), &member("m", direction), now_ms);
        assert!(is_accepted(&pushed), "{pushed:?}");
        assert_eq!(
            stand_in.book.lock().unwrap().lists["Y6nRLr"].len(),
            member_count
        );
    }
}

#[test]
fn an_event_is_told_with_its_metrics_name_and_its_profiles_address() {
    let stand_in = Klaviyo::start();
    stand_in.seed("events", 1);
    let page = connector(&stand_in).pull("events", None, NOW_MS).unwrap();
    let [call] = page.calls.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!(call.event, "Placed Order");
    assert_eq!(call.who.email.as_deref(), Some("eve@example.com"));
    assert_eq!(call.fields["count"], 1);
}
