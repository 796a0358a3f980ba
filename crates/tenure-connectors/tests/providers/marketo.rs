//! Marketo's stand-in: leads, activities, static lists, and tokens that expire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tenure_connectors::Outcome;
use tenure_connectors::provider::{Change, Item, Move, Who};

use crate::harness::{
    NOW_MS, SEEDED_MS, STEP_MS, StandIn, attempt, connector, is_accepted, person, push_one, strings,
};
use crate::hubspot::iso;
use crate::server::{Reply, Request, Server, Trouble};

crate::complies!(Marketo);

const SECRET: &str = "marketo-secret-0000";
const MAPPING: &str = r#"
    [leads.key]
    email = "email"
    [leads.fields]
    firstName = "first_name"
    risk = { trait = "risk", direction = "both", conflict = "newest" }
"#;

#[derive(Default)]
struct Book {
    leads: Vec<Map<String, Value>>,
    activities: Vec<Value>,
    /// Ids of leads in the order in which they changed.
    changes: Vec<usize>,
    lists: BTreeMap<String, BTreeSet<u64>>,
    token_count: usize,
}

pub(crate) struct Marketo {
    server: Server,
    book: Arc<Mutex<Book>>,
}

impl StandIn for Marketo {
    fn start() -> Self {
        let mut book = Book::default();
        book.leads.push(lead(0, "eve@example.com", SEEDED_MS));
        let book = Arc::new(Mutex::new(book));
        let shared = Arc::clone(&book);
        let server = Server::start(move |request| shared.lock().unwrap().answer(request));
        Self { server, book }
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn kind(&self) -> &'static str {
        "marketo"
    }

    fn settings(&self) -> BTreeMap<String, String> {
        strings(&[
            ("base_url", &self.server.url()),
            ("client_id", "service-1"),
            ("client_secret", SECRET),
        ])
    }

    fn wrong_secrets(&self) -> BTreeMap<String, String> {
        strings(&[("client_secret", "marketo-secret-other")])
    }

    fn mapping(&self) -> Option<&'static str> {
        Some(MAPPING)
    }

    fn seed(&self, stream: &str, count: usize) {
        let mut book = self.book.lock().unwrap();
        for index in 1..=count {
            if stream == "activities" {
                book.activities.push(activity(index));
            } else {
                let at_ms = SEEDED_MS + index as i64 * STEP_MS;
                book.leads
                    .push(lead(index, &format!("p{index}@example.com"), at_ms));
                book.changes.push(index);
            }
        }
    }

    /// Activities do not change; a new one comes.
    fn touch(&self, stream: &str, index: usize) {
        let mut book = self.book.lock().unwrap();
        if stream == "activities" {
            book.activities.push(activity(9_999));
        } else {
            book.leads[index].insert("updatedAt".into(), json!(iso(NOW_MS)));
            book.changes.push(index);
        }
    }

    fn is_write(request: &Request) -> bool {
        request.method != "GET"
    }

    fn items(&self) -> Vec<Item> {
        vec![
            person("i1", "anna@example.com", &[("risk", "0.8")]),
            person("i2", "bea@example.com", &[("risk", "0.2")]),
            member("i3", Move::Add),
        ]
    }

    fn bad_item(&self) -> Item {
        person("bad", "broken address", &[("risk", "0.8")])
    }

    fn written(&self) -> Vec<String> {
        let book = self.book.lock().unwrap();
        vec![format!("{:?}", book.leads), format!("{:?}", book.lists)]
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        let errors = json!([{ "code": "1", "message": message }]);
        Reply::json(
            status,
            &json!({ "requestId": "r", "success": false, "errors": errors }),
        )
    }

    fn false_success(&self) -> Reply {
        problem("1003", "Must specify action")
    }

    fn expire_token(&self) -> bool {
        self.book.lock().unwrap().token_count += 1;
        true
    }
}

fn member(id: &str, direction: Move) -> Item {
    let who = Who {
        email: Some("eve@example.com".into()),
        ..Who::default()
    };
    let change = Change::Member {
        who,
        list: "1001".into(),
        direction,
    };
    Item {
        id: id.into(),
        change,
    }
}

fn lead(id: usize, email: &str, at_ms: i64) -> Map<String, Value> {
    let lead = json!({ "id": id, "email": email, "firstName": "Ann", "updatedAt": iso(at_ms) });
    lead.as_object().unwrap().clone()
}

fn activity(id: usize) -> Value {
    json!({
        "marketoGUID": id.to_string(), "leadId": 0, "activityTypeId": 10,
        "activityDate": iso(SEEDED_MS), "primaryAttributeValue": "Welcome",
    })
}

fn problem(code: &str, message: &str) -> Reply {
    let errors = json!([{ "code": code, "message": message }]);
    Reply::ok(&json!({ "requestId": "r", "success": false, "errors": errors }))
}

fn fine(result: &Value) -> Reply {
    Reply::ok(&json!({ "requestId": "r", "success": true, "result": result }))
}

impl Book {
    fn answer(&mut self, request: &Request) -> Reply {
        if request.path == "/identity/oauth/token" {
            return self.grant(request);
        }
        if request.header("authorization") != format!("Bearer token-{}", self.token_count) {
            return problem("602", "Access token expired");
        }
        let (method, path) = request.line();
        match (method, &path[2..]) {
            ("GET", ["leads", "describe2.json"]) => {
                let fields =
                    json!([{ "name": "email" }, { "name": "firstName" }, { "name": "risk" }]);
                fine(&json!([{ "name": "API Lead", "fields": fields }]))
            }
            ("GET", ["activities", "pagingtoken.json"]) => {
                assert!(!request.param("sinceDatetime").is_empty());
                Reply::ok(&json!({ "success": true, "nextPageToken": "0" }))
            }
            ("GET", ["activities", "leadchanges.json"]) => {
                let changes = self.changes.iter().map(|id| json!({ "leadId": id }));
                page(request, &changes.collect::<Vec<_>>())
            }
            ("GET", ["activities.json"]) => page(request, &self.activities),
            ("GET", ["leads.json"]) => self.find(request),
            ("POST", ["leads.json"]) => self.upsert(&request.json()),
            ("POST" | "DELETE", ["lists", list, "leads.json"]) => {
                self.move_members(list, method == "POST", &request.json())
            }
            _ => Reply::not_found(request),
        }
    }

    fn grant(&mut self, request: &Request) -> Reply {
        let is_known = request.param("grant_type") == "client_credentials"
            && request.param("client_id") == "service-1"
            && request.param("client_secret") == SECRET;
        if !is_known {
            let body =
                json!({ "error": "unauthorized", "error_description": "Bad client credentials" });
            return Reply::json(401, &body);
        }
        self.token_count += 1;
        let token = format!("token-{}", self.token_count);
        Reply::ok(&json!({ "access_token": token, "token_type": "bearer", "expires_in": 3_599 }))
    }

    fn find(&self, request: &Request) -> Reply {
        let (field, values) = (request.param("filterType"), request.param("filterValues"));
        let values: BTreeSet<&str> = values.split(',').collect();
        assert!(values.len() <= 300);
        let found: Vec<&Map<String, Value>> = self
            .leads
            .iter()
            .filter(|lead| match &lead[field] {
                Value::String(text) => values.contains(text.as_str()),
                other => values.contains(other.to_string().as_str()),
            })
            .collect();
        fine(&json!(found))
    }

    fn upsert(&mut self, body: &Value) -> Reply {
        let input = body["input"].as_array().unwrap();
        if body["action"] != "createOrUpdate" || body["lookupField"] != "email" || input.len() > 300
        {
            return problem("1003", "not as described");
        }
        let results: Vec<Value> = input
            .iter()
            .map(|lead| self.upsert_one(lead.as_object().unwrap()))
            .collect();
        fine(&json!(results))
    }

    fn upsert_one(&mut self, fields: &Map<String, Value>) -> Value {
        let email = fields["email"].as_str().unwrap();
        if !email.contains('@') {
            let reason = json!({ "code": "1003", "message": format!("{email} is not an address") });
            return json!({ "status": "skipped", "reasons": [reason] });
        }
        let there = self.leads.iter().position(|lead| lead["email"] == email);
        let index = there.unwrap_or(self.leads.len());
        if there.is_none() {
            self.leads.push(lead(index, email, NOW_MS));
        }
        self.leads[index].extend(fields.clone());
        let status = if there.is_some() {
            "updated"
        } else {
            "created"
        };
        json!({ "id": index, "status": status })
    }

    fn move_members(&mut self, list: &str, is_in: bool, body: &Value) -> Reply {
        let members = self.lists.entry(list.into()).or_default();
        let mut results = Vec::new();
        for lead in body["input"].as_array().unwrap() {
            let id = lead["id"].as_u64().unwrap();
            let (changed, status) = if is_in {
                (members.insert(id), ["memberof", "added"])
            } else {
                (members.remove(&id), ["notmemberof", "removed"])
            };
            results.push(json!({ "id": id, "status": status[usize::from(changed)] }));
        }
        fine(&json!(results))
    }
}

/// At most 100 a page; a token stays valid at the end.
fn page(request: &Request, all: &[Value]) -> Reply {
    let start: usize = request.param("nextPageToken").parse().unwrap();
    let end = (start + 100).min(all.len());
    let mut answer = json!({
        "success": true, "nextPageToken": end.to_string(), "moreResult": end < all.len(),
    });
    if start < end {
        answer["result"] = json!(all[start..end]);
    }
    Reply::ok(&answer)
}

#[test]
fn members_come_and_go() {
    let stand_in = Marketo::start();
    let connector = connector(&stand_in);
    let moves = [(Move::Add, 1), (Move::Add, 1), (Move::Remove, 0)];
    for (direction, member_count) in moves {
        let pushed = push_one(connector.as_ref(), &member("m", direction), NOW_MS);
        assert!(is_accepted(&pushed), "{pushed:?}");
        let book = stand_in.book.lock().unwrap();
        assert_eq!(book.lists["1001"].len(), member_count);
    }
}

#[test]
fn an_error_of_the_rate_is_told_from_one_of_the_request_though_both_are_200() {
    for (code, retry_after_ms) in [
        ("606", Some(20_000)),
        ("607", Some(3_600_000)),
        ("610", None),
    ] {
        let stand_in = Marketo::start();
        let trouble = Trouble::Say(problem(code, "no"));
        stand_in.server().trouble(Marketo::is_write, trouble);
        let pushed = push_one(connector(&stand_in).as_ref(), &stand_in.items()[0], NOW_MS);
        let told = attempt(&pushed);
        assert_eq!(told.retry_after_ms, retry_after_ms);
        let is_permanent = matches!(
            told.outcome,
            Outcome::Rejected {
                permanent: true,
                ..
            }
        );
        assert_eq!(is_permanent, retry_after_ms.is_none(), "{told:?}");
    }
}

#[test]
fn an_activity_is_told_of_its_leads_address() {
    let stand_in = Marketo::start();
    stand_in.seed("activities", 1);
    let page = connector(&stand_in)
        .pull("activities", None, NOW_MS)
        .unwrap();
    assert_eq!(page.calls[0].event, "marketo_email_opened");
    assert_eq!(page.calls[0].who.email.as_deref(), Some("eve@example.com"));
}
