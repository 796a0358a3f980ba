//! HubSpot's stand-in: contacts, companies, lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tenure_connectors::provider::{Change, Item, Mode, Move, Pushed, Who, push};

use crate::harness::{
    NOW_MS, SEEDED_MS, STEP_MS, StandIn, attempt, connector, is_accepted, person, push_one,
    strings, told,
};
use crate::server::{Reply, Request, Server};

crate::complies!(HubSpot);

const TOKEN: &str = "pat-na1-0000-test-token";
const MAPPING: &str = r#"
    [contacts.key]
    email = "email"
    [contacts.fields]
    firstname = "first_name"
    churn_risk = { trait = "risk", direction = "both", conflict = "newest" }
    plan = { trait = "plan", direction = "both", conflict = "theirs" }
    [companies.key]
    account_id = "account_key"
    [companies.fields]
    name = { trait = "name", direction = "both", conflict = "ours" }
    health = { trait = "health", direction = "push" }
"#;

#[derive(Default)]
struct Book {
    records: BTreeMap<String, Vec<Record>>,
    lists: BTreeMap<String, BTreeSet<String>>,
}

struct Record {
    id: String,
    fields: Map<String, Value>,
    changed_at_ms: i64,
}

pub(crate) struct HubSpot {
    server: Server,
    book: Arc<Mutex<Book>>,
}

impl StandIn for HubSpot {
    fn start() -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let shared = Arc::clone(&book);
        let server = Server::start(move |request| shared.lock().unwrap().answer(request));
        let stand_in = Self { server, book };
        // The contact that the list items are about.
        stand_in.put(
            "contacts",
            &json!({ "email": "eve@example.com" }),
            SEEDED_MS,
        );
        stand_in
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn kind(&self) -> &'static str {
        "hubspot"
    }

    fn settings(&self) -> BTreeMap<String, String> {
        strings(&[("token", TOKEN), ("base_url", &self.server.url())])
    }

    fn wrong_secrets(&self) -> BTreeMap<String, String> {
        strings(&[("token", "pat-na1-0000-other")])
    }

    fn mapping(&self) -> Option<&'static str> {
        Some(MAPPING)
    }

    fn seed(&self, stream: &str, count: usize) {
        for index in 0..count {
            // Many records may change in one instant, as by an import.
            let at_ms = SEEDED_MS + (index as i64).max(150) * STEP_MS;
            let fields = json!({
                "email": format!("p{index}@example.com"), "account_key": format!("a{index}"),
                "name": "Acme", "firstname": "Ann", "churn_risk": "0.5",
            });
            self.put(stream, &fields, at_ms);
        }
    }

    fn touch(&self, stream: &str, index: usize) {
        let mut book = self.book.lock().unwrap();
        book.records.get_mut(stream).unwrap()[index].changed_at_ms = NOW_MS;
    }

    fn is_write(request: &Request) -> bool {
        let path = &request.path;
        path.ends_with("/batch/upsert") || path.ends_with("/add-and-remove")
    }

    fn items(&self) -> Vec<Item> {
        let account = Change::Account {
            account_id: "acme".into(),
            traits: told(&[("name", "Acme"), ("health", "80")]),
        };
        vec![
            person("i1", "anna@example.com", &[("risk", "0.8")]),
            person("i2", "bea@example.com", &[("risk", "0.2"), ("plan", "pro")]),
            Item {
                id: "i3".into(),
                change: account,
            },
            member("i4", "eve@example.com", Move::Add),
        ]
    }

    fn bad_item(&self) -> Item {
        person("bad", "broken address", &[("risk", "0.8")])
    }

    fn written(&self) -> Vec<String> {
        let book = self.book.lock().unwrap();
        let records = book.records.iter().flat_map(|(object, records)| {
            records
                .iter()
                .map(move |record| format!("{object} {:?}", record.fields))
        });
        let lists = book
            .lists
            .iter()
            .map(|(list, ids)| format!("{list} {ids:?}"));
        records.chain(lists).collect()
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        error(status, message)
    }

    fn false_success(&self) -> Reply {
        Reply::ok(
            &json!({ "status": "error", "category": "OTHER", "message": "nothing was written" }),
        )
    }

    fn repeats_are_harmless(&self) -> bool {
        true
    }
}

fn member(id: &str, email: &str, direction: Move) -> Item {
    let who = Who {
        email: Some(email.into()),
        ..Who::default()
    };
    let change = Change::Member {
        who,
        list: "42".into(),
        direction,
    };
    Item {
        id: id.into(),
        change,
    }
}

fn error(status: u16, message: &str) -> Reply {
    let category = if status == 401 {
        "INVALID_AUTHENTICATION"
    } else {
        "VALIDATION_ERROR"
    };
    Reply::json(
        status,
        &json!({ "status": "error", "category": category, "message": message, "correlationId": "c" }),
    )
}

impl HubSpot {
    fn put(&self, object: &str, fields: &Value, at_ms: i64) {
        let fields = fields.as_object().unwrap().clone();
        self.book.lock().unwrap().put(object, fields, at_ms);
    }
}

impl Book {
    fn put(&mut self, object: &str, fields: Map<String, Value>, changed_at_ms: i64) -> String {
        let count: usize = self.records.values().map(Vec::len).sum();
        let id = (1_000 + count).to_string();
        self.records.entry(object.into()).or_default().push(Record {
            id: id.clone(),
            fields,
            changed_at_ms,
        });
        id
    }

    fn answer(&mut self, request: &Request) -> Reply {
        if request.header("authorization") != format!("Bearer {TOKEN}") {
            return error(401, "Authentication credentials not found");
        }
        let body = request.json();
        match request.line() {
            ("GET", path) if path.starts_with(&["crm", "v3", "properties"]) => {
                let names = [
                    "email",
                    "firstname",
                    "churn_risk",
                    "plan",
                    "account_key",
                    "name",
                    "health",
                ];
                let names: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
                Reply::ok(&json!({ "results": names }))
            }
            ("POST", path) if path.ends_with(&["search"]) => self.search(path[3], &body),
            ("POST", path) if path.ends_with(&["batch", "read"]) => self.read(path[3], &body),
            ("POST", path) if path.ends_with(&["batch", "upsert"]) => self.upsert(path[3], &body),
            ("PUT", path) if path.ends_with(&["memberships", "add-and-remove"]) => {
                self.move_members(path[3], &body)
            }
            _ => Reply::not_found(request),
        }
    }

    fn search(&self, object: &str, body: &Value) -> Reply {
        let changed = if object == "companies" {
            "hs_lastmodifieddate"
        } else {
            "lastmodifieddate"
        };
        let filter = &body["filterGroups"][0]["filters"][0];
        let is_described = filter["propertyName"] == changed
            && filter["operator"] == "GTE"
            && body["sorts"][0]["propertyName"] == changed
            && body["properties"].is_array()
            && body["after"].is_string();
        let limit = body["limit"].as_u64().unwrap_or(0) as usize;
        if !is_described || !(1..=200).contains(&limit) {
            return error(400, "the search is not as described");
        }
        let since: i64 = filter["value"].as_str().unwrap().parse().unwrap();
        let mut found: Vec<&Record> = self.records.get(object).into_iter().flatten().collect();
        found.retain(|record| record.changed_at_ms >= since);
        found.sort_by_key(|record| record.changed_at_ms);
        let start: usize = body["after"].as_str().unwrap().parse().unwrap();
        let end = (start + limit).min(found.len());
        let page: Vec<Value> = found[start.min(end)..end]
            .iter()
            .map(|record| shown(record, changed))
            .collect();
        let mut answer = json!({ "total": found.len(), "results": page });
        if end < found.len() {
            answer["paging"] = json!({ "next": { "after": end.to_string() } });
        }
        Reply::ok(&answer)
    }

    fn read(&self, object: &str, body: &Value) -> Reply {
        let key = body["idProperty"].as_str().unwrap();
        let wanted: Vec<&Value> = body["inputs"].as_array().unwrap().iter().collect();
        if wanted.len() > 100 || !body["propertiesWithHistory"].is_array() {
            return error(400, "the batch is not as described");
        }
        let found: Vec<Value> = self
            .records
            .get(object)
            .into_iter()
            .flatten()
            .filter(|record| wanted.iter().any(|input| input["id"] == record.fields[key]))
            .map(|record| shown(record, "lastmodifieddate"))
            .collect();
        Reply::json(207, &json!({ "status": "COMPLETE", "results": found }))
    }

    /// Addresses are checked for the whole batch, locks for each record.
    fn upsert(&mut self, object: &str, body: &Value) -> Reply {
        let inputs = body["inputs"].as_array().unwrap();
        for input in inputs {
            let id = input["id"].as_str().unwrap();
            if input["idProperty"] == "email" && !id.contains('@') {
                return error(400, &format!("Property values were not valid: {id}"));
            }
            let is_text =
                |fields: &Value| fields.as_object().unwrap().values().all(Value::is_string);
            if !is_text(&input["properties"]) {
                return error(400, "property values are text");
            }
        }
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in inputs {
            let (id, key) = (&input["id"], input["idProperty"].as_str().unwrap());
            if id.as_str().unwrap().starts_with("locked") {
                errors.push(json!({ "status": "error", "message": format!("{id} is locked"), "context": { "ids": [id] } }));
                continue;
            }
            let mut fields = input["properties"].as_object().unwrap().clone();
            fields.insert(key.into(), id.clone());
            results.push(self.merge(object, key, &fields));
        }
        let status = if errors.is_empty() { 200 } else { 207 };
        Reply::json(
            status,
            &json!({ "status": "COMPLETE", "results": results, "errors": errors, "numErrors": errors.len() }),
        )
    }

    fn merge(&mut self, object: &str, key: &str, fields: &Map<String, Value>) -> Value {
        let records = self.records.entry(object.into()).or_default();
        let there = records
            .iter_mut()
            .find(|record| record.fields.get(key) == fields.get(key));
        let id = if let Some(record) = there {
            record.fields.extend(fields.clone());
            record.changed_at_ms = NOW_MS;
            record.id.clone()
        } else {
            self.put(object, fields.clone(), NOW_MS)
        };
        json!({ "id": id, "properties": fields, "new": false, "archived": false })
    }

    fn move_members(&mut self, list: &str, body: &Value) -> Reply {
        let known: BTreeSet<String> = self
            .records
            .get("contacts")
            .into_iter()
            .flatten()
            .map(|record| record.id.clone())
            .collect();
        let texts = |name: &str| -> Vec<String> {
            let values = body[name].as_array().unwrap().iter();
            values.map(|id| id.as_str().unwrap().to_owned()).collect()
        };
        let members = self.lists.entry(list.into()).or_default();
        let (adds, removes) = (texts("recordIdsToAdd"), texts("recordIdsToRemove"));
        let missing: Vec<&String> = adds.iter().filter(|id| !known.contains(*id)).collect();
        members.extend(adds.iter().filter(|id| known.contains(*id)).cloned());
        members.retain(|id| !removes.contains(id));
        Reply::ok(&json!({
            "recordsIdsAdded": adds, "recordIdsRemoved": removes, "recordIdsMissing": missing,
        }))
    }
}

fn shown(record: &Record, changed: &str) -> Value {
    let at = iso(record.changed_at_ms);
    let mut properties = record.fields.clone();
    properties.insert(changed.into(), json!(at));
    json!({ "id": record.id, "properties": properties, "createdAt": at, "updatedAt": at, "archived": false })
}

/// RFC 3339.
pub(crate) fn iso(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

#[test]
fn a_record_that_fails_within_an_accepted_batch_is_told_apart() {
    let stand_in = HubSpot::start();
    let connector = connector(&stand_in);
    let items = [
        person("1", "anna@example.com", &[("risk", "1")]),
        person("2", "locked@example.com", &[("risk", "1")]),
    ];
    let pushed = push(connector.as_ref(), &items, Mode::Write, NOW_MS);
    assert!(is_accepted(&pushed[0]), "{pushed:?}");
    let text = format!("{:?}", attempt(&pushed[1]));
    assert!(text.contains("[address]\\\" is locked"), "{text}");
}

#[test]
fn what_is_written_follows_the_conflict_rule_of_each_field() {
    let ours = person("1", "anna@example.com", &[("risk", "0.9"), ("plan", "pro")]);
    let theirs = json!({ "email": "anna@example.com", "churn_risk": "0.1", "plan": "free" });
    for (changed_at_ms, is_older) in [(NOW_MS - 2_000, true), (NOW_MS, false)] {
        let stand_in = HubSpot::start();
        stand_in.put("contacts", &theirs, changed_at_ms);
        let items = std::slice::from_ref(&ours);
        let planned = push(connector(&stand_in).as_ref(), items, Mode::DryRun, NOW_MS);
        match &planned[0] {
            Pushed::WouldWrite { write } => {
                assert!(is_older);
                assert_eq!(json!(write.fields), json!({ "churn_risk": "0.9" }));
            }
            other => assert!(!is_older && matches!(other, Pushed::Skipped { .. })),
        }
    }
}

#[test]
fn members_come_and_go_and_one_who_is_unknown_is_told_apart() {
    let stand_in = HubSpot::start();
    let connector = connector(&stand_in);
    let members = || {
        stand_in
            .book
            .lock()
            .unwrap()
            .lists
            .get("42")
            .cloned()
            .unwrap_or_default()
    };
    let add = member("1", "eve@example.com", Move::Add);
    for _ in 0..2 {
        assert!(is_accepted(&push_one(connector.as_ref(), &add, NOW_MS)));
        assert_eq!(members().len(), 1);
    }
    let items = [
        member("2", "eve@example.com", Move::Remove),
        member("3", "nobody@example.com", Move::Add),
        member("4", "nobody@example.com", Move::Remove),
    ];
    let pushed = push(connector.as_ref(), &items, Mode::Write, NOW_MS + 60_000);
    assert!(is_accepted(&pushed[0]), "{pushed:?}");
    assert!(members().is_empty());
    let unknown = format!("{:?}", attempt(&pushed[1]));
    assert!(unknown.contains("push the person before"), "{unknown}");
    assert!(matches!(pushed[2], Pushed::Skipped { .. }), "{pushed:?}");
}
