//! Salesforce's stand-in: accounts, contacts, tasks, and tokens that expire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tenure_connectors::provider::{Change, Item, Mode, Pushed, Who, push};

use crate::harness::{
    NOW_MS, SEEDED_MS, STEP_MS, StandIn, connector, is_accepted, person, push_one, strings, told,
};
use crate::hubspot::iso;
use crate::server::{Reply, Request, Server};

crate::complies!(Salesforce);

const SECRET: &str = "consumer-secret-0000";
const REFRESH: &str = "refresh-token-0000";
const MAPPING: &str = r#"
    [Account.key]
    account_id = "Tenure_Id__c"
    [Account.fields]
    Name = { trait = "name", direction = "both", conflict = "ours" }
    [Contact.key]
    email = "Email"
    [Contact.fields]
    LastName = { trait = "last_name", direction = "both", conflict = "ours" }
    Risk__c = { trait = "risk", direction = "both", conflict = "newest" }
"#;

#[derive(Default)]
struct Book {
    records: BTreeMap<String, Vec<Map<String, Value>>>,
    token_count: usize,
}

pub(crate) struct Salesforce {
    server: Server,
    book: Arc<Mutex<Book>>,
}

impl StandIn for Salesforce {
    fn start() -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let shared = Arc::clone(&book);
        let server = Server::start(move |request| shared.lock().unwrap().answer(request));
        Self { server, book }
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn kind(&self) -> &'static str {
        "salesforce"
    }

    fn settings(&self) -> BTreeMap<String, String> {
        strings(&[
            ("base_url", &self.server.url()),
            ("client_id", "consumer-key"),
            ("client_secret", SECRET),
            ("refresh_token", REFRESH),
        ])
    }

    fn wrong_secrets(&self) -> BTreeMap<String, String> {
        strings(&[("refresh_token", "refresh-token-other")])
    }

    fn mapping(&self) -> Option<&'static str> {
        Some(MAPPING)
    }

    fn seed(&self, stream: &str, count: usize) {
        for index in 0..count {
            let fields = json!({
                "Id": format!("001{index:012}"), "Tenure_Id__c": format!("a{index}"), "Name": "Acme",
                "Email": format!("p{index}@example.com"), "LastName": "Ann", "Risk__c": "0.5",
                "SystemModstamp": iso(SEEDED_MS + (index as i64).max(150) * STEP_MS),
            });
            self.put(stream, &fields);
        }
    }

    fn touch(&self, stream: &str, index: usize) {
        let mut book = self.book.lock().unwrap();
        let record = &mut book.records.get_mut(stream).unwrap()[index];
        record.insert("SystemModstamp".into(), json!(iso(NOW_MS)));
    }

    fn is_write(request: &Request) -> bool {
        request.method == "PATCH"
    }

    fn items(&self) -> Vec<Item> {
        let about = Who {
            email: Some("anna@example.com".into()),
            account_id: Some("acme".into()),
            ..Who::default()
        };
        let account = Change::Account {
            account_id: "acme".into(),
            traits: told(&[("name", "Acme")]),
        };
        let task = Change::Task {
            who: about,
            title: "Call Acme".into(),
            body: "Usage fell".into(),
            due_at_ms: Some(NOW_MS),
        };
        vec![
            person(
                "i1",
                "anna@example.com",
                &[("last_name", "Ann"), ("risk", "0.8")],
            ),
            person("i2", "o'bea@example.com", &[("last_name", "Bea")]),
            Item {
                id: "i3".into(),
                change: account,
            },
            Item {
                id: "i4".into(),
                change: task,
            },
        ]
    }

    fn bad_item(&self) -> Item {
        person("bad", "nameless@example.com", &[("risk", "0.8")])
    }

    fn written(&self) -> Vec<String> {
        let book = self.book.lock().unwrap();
        let records = book.records.iter();
        records
            .map(|(object, records)| format!("{object} {records:?}"))
            .collect()
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        Reply::json(
            status,
            &json!([{ "errorCode": "UNKNOWN_EXCEPTION", "message": message }]),
        )
    }

    fn false_success(&self) -> Reply {
        Reply::ok(
            &json!([{ "success": false, "errors": [{ "statusCode": "DUPLICATE_VALUE", "message": "taken", "fields": [] }] }]),
        )
    }

    fn expire_token(&self) -> bool {
        self.book.lock().unwrap().token_count += 1;
        true
    }
}

impl Salesforce {
    fn put(&self, object: &str, fields: &Value) {
        let mut book = self.book.lock().unwrap();
        let records = book.records.entry(object.into()).or_default();
        records.push(fields.as_object().unwrap().clone());
    }
}

impl Book {
    fn answer(&mut self, request: &Request) -> Reply {
        if request.path == "/services/oauth2/token" {
            return self.grant(&request.form());
        }
        if request.header("authorization") != format!("Bearer session-{}", self.token_count) {
            let body = json!([{ "errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid" }]);
            return Reply::json(401, &body);
        }
        let (method, path) = request.line();
        match (method, path.as_slice()) {
            ("GET", ["services", "data", "v61.0", "query"]) => self.query(request.param("q")),
            ("GET", ["services", "data", "v61.0", "sobjects", _, "describe"]) => {
                let names = ["Email", "LastName", "Risk__c", "Tenure_Id__c", "Name"];
                let fields: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
                Reply::ok(&json!({ "fields": fields }))
            }
            (
                "PATCH",
                [
                    "services",
                    "data",
                    "v61.0",
                    "composite",
                    "sobjects",
                    object,
                    key,
                ],
            ) => self.upsert(object, key, &request.json()),
            _ => Reply::not_found(request),
        }
    }

    fn grant(&mut self, form: &BTreeMap<String, String>) -> Reply {
        let is_known = form["grant_type"] == "refresh_token"
            && form["refresh_token"] == REFRESH
            && form["client_id"] == "consumer-key"
            && form["client_secret"] == SECRET;
        if !is_known {
            let body = json!({ "error": "invalid_grant", "error_description": "expired access/refresh token" });
            return Reply::json(400, &body);
        }
        self.token_count += 1;
        let token = format!("session-{}", self.token_count);
        Reply::ok(&json!({ "access_token": token, "token_type": "Bearer" }))
    }

    /// The two queries that are made: what changed since a place, and records by key.
    fn query(&self, query: &str) -> Reply {
        let (_, rest) = query.split_once(" FROM ").unwrap();
        let (object, condition) = rest.split_once(" WHERE ").unwrap();
        let mut found: Vec<&Map<String, Value>> =
            self.records.get(object).into_iter().flatten().collect();
        let at = |record: &Map<String, Value>| -> (jiff::Timestamp, String) {
            let at = record["SystemModstamp"].as_str().unwrap().parse().unwrap();
            (at, record["Id"].as_str().unwrap().to_owned())
        };
        if let Some((field, keys)) = condition.split_once(" IN (") {
            let keys = keys.replace("\\'", "’");
            found.retain(|record| {
                let key = record
                    .get(field)
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                keys.contains(&format!("'{}'", key.replace('\'', "’")))
            });
        } else {
            let (condition, order) = condition.split_once(" ORDER BY ").unwrap();
            assert_eq!(order, "SystemModstamp, Id LIMIT 200");
            let (place, until) = condition.rsplit_once(" AND SystemModstamp <= ").unwrap();
            let until: jiff::Timestamp = until.parse().unwrap();
            let (since, id) = place_of(place);
            found.retain(|record| at(record) > (since, id.clone()) && at(record).0 <= until);
            found.sort_by_key(|record| at(record));
            found.truncate(200);
        }
        Reply::ok(&json!({ "totalSize": found.len(), "done": true, "records": found }))
    }

    fn upsert(&mut self, object: &str, key: &str, body: &Value) -> Reply {
        let records = body["records"].as_array().unwrap();
        if records.len() > 200 || body["allOrNone"] != false {
            return Reply::json(
                400,
                &json!([{ "errorCode": "INVALID", "message": "too many" }]),
            );
        }
        let results: Vec<Value> = records
            .iter()
            .map(|record| self.upsert_one(object, key, record.as_object().unwrap()))
            .collect();
        Reply::ok(&json!(results))
    }

    fn upsert_one(&mut self, object: &str, key: &str, fields: &Map<String, Value>) -> Value {
        let refuse = |code: &str, words: &str| {
            let error = json!({ "statusCode": code, "message": words, "fields": [] });
            json!({ "success": false, "errors": [error] })
        };
        if fields["attributes"]["type"] != object || fields.contains_key("Id") {
            return refuse("INVALID_FIELD", "not as described");
        }
        if object == "Contact" && !fields.contains_key("LastName") {
            return refuse(
                "REQUIRED_FIELD_MISSING",
                "Required fields are missing: [LastName]",
            );
        }
        let records = self.records.entry(object.into()).or_default();
        let mut fields = fields.clone();
        let there = records
            .iter()
            .position(|record| record.get(key) == fields.get(key));
        let index = there.unwrap_or(records.len());
        fields.insert("Id".into(), json!(format!("00Q{index:012}")));
        fields.insert("SystemModstamp".into(), json!(iso(NOW_MS)));
        if there.is_none() {
            records.push(Map::new());
        }
        records[index].extend(fields);
        json!({ "id": records[index]["Id"], "success": true, "errors": [], "created": there.is_none() })
    }
}

/// `SystemModstamp >= T`, or `(SystemModstamp > T OR (SystemModstamp = T AND Id > 'I'))`.
fn place_of(condition: &str) -> (jiff::Timestamp, String) {
    if let Some(at) = condition.strip_prefix("SystemModstamp >= ") {
        return (at.parse().unwrap(), String::new());
    }
    let rest = condition.strip_prefix("(SystemModstamp > ").unwrap();
    let (at, rest) = rest.split_once(" OR (SystemModstamp = ").unwrap();
    let (again, id) = rest.split_once(" AND Id > '").unwrap();
    assert_eq!(at, again);
    (at.parse().unwrap(), id.trim_end_matches("'))").to_owned())
}

#[test]
fn a_task_names_what_it_is_about_by_external_id_and_is_made_once() {
    let stand_in = Salesforce::start();
    let connector = connector(&stand_in);
    for count in 0..2 {
        let pushed = push_one(
            connector.as_ref(),
            &stand_in.items()[3],
            NOW_MS + count * 60_000,
        );
        assert!(is_accepted(&pushed), "{pushed:?}");
    }
    let book = stand_in.book.lock().unwrap();
    let [task] = book.records["Task"].as_slice() else {
        panic!("{:?}", book.records);
    };
    assert_eq!(task["Tenure_Id__c"], "i4");
    assert_eq!(
        task["Who"],
        json!({ "attributes": { "type": "Contact" }, "Email": "anna@example.com" })
    );
    assert_eq!(
        task["What"],
        json!({ "attributes": { "type": "Account" }, "Tenure_Id__c": "acme" })
    );
    assert_eq!(task["ActivityDate"], "2026-11-23");
}

#[test]
fn a_record_that_is_as_it_should_be_is_left_alone() {
    let stand_in = Salesforce::start();
    let connector = connector(&stand_in);
    let item = &stand_in.items()[1];
    assert!(is_accepted(&push_one(connector.as_ref(), item, NOW_MS)));
    let again = push(
        connector.as_ref(),
        std::slice::from_ref(item),
        Mode::Write,
        NOW_MS,
    );
    assert!(matches!(again[0], Pushed::Skipped { .. }), "{again:?}");
}
