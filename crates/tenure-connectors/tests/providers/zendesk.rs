//! Zendesk's stand-in: an export of tickets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{NOW_MS, SEEDED_MS, STEP_MS, StandIn, connector, strings};
use crate::hubspot::iso;
use crate::server::{Reply, Request, Server};

crate::complies!(only pulls: Zendesk);

const TOKEN: &str = "zendesk-token-0000";

pub(crate) struct Zendesk {
    server: Server,
    tickets: Arc<Mutex<Vec<Value>>>,
}

impl StandIn for Zendesk {
    fn start() -> Self {
        let tickets = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&tickets);
        let server = Server::start(move |request| answer(&shared.lock().unwrap(), request));
        Self { server, tickets }
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn kind(&self) -> &'static str {
        "zendesk"
    }

    fn settings(&self) -> BTreeMap<String, String> {
        strings(&[
            ("base_url", &self.server.url()),
            ("email", "admin@example.com"),
            ("api_token", TOKEN),
        ])
    }

    fn wrong_secrets(&self) -> BTreeMap<String, String> {
        strings(&[("api_token", "zendesk-token-other")])
    }

    fn seed(&self, _stream: &str, count: usize) {
        let mut tickets = self.tickets.lock().unwrap();
        for index in 0..count {
            let at = iso(SEEDED_MS + index as i64 * STEP_MS);
            tickets.push(json!({
                "id": index, "requester_id": 7, "organization_id": 8, "status": "open", "priority": "high",
                "subject": "It is slow", "via": { "channel": "email" }, "created_at": at, "updated_at": at,
            }));
        }
    }

    fn touch(&self, _stream: &str, index: usize) {
        let mut tickets = self.tickets.lock().unwrap();
        let mut ticket = tickets[index].clone();
        ticket["updated_at"] = json!(iso(NOW_MS));
        ticket["status"] = json!("solved");
        tickets.push(ticket);
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        Reply::json(
            status,
            &json!({ "error": "Broken", "description": message }),
        )
    }

    fn false_success(&self) -> Reply {
        Reply::ok(&json!({ "error": "Broken", "description": "nothing to see" }))
    }
}

fn answer(tickets: &[Value], request: &Request) -> Reply {
    let basic = STANDARD.encode(format!("admin@example.com/token:{TOKEN}"));
    if request.header("authorization") != format!("Basic {basic}") {
        return Reply::json(401, &json!({ "error": "Couldn't authenticate you" }));
    }
    match request.path.as_str() {
        "/api/v2/users/me.json" => Reply::ok(&json!({ "user": { "id": 1, "role": "admin" } })),
        "/api/v2/incremental/tickets/cursor.json" => {
            let cursor = request.param("cursor");
            if cursor.is_empty() && request.param("start_time").is_empty() {
                return Reply::json(400, &json!({ "error": "InvalidValue" }));
            }
            let start: usize = cursor.parse().unwrap_or(0);
            let size: usize = request.param("per_page").parse().unwrap();
            let end = (start + size).min(tickets.len());
            Reply::ok(&json!({
                "tickets": tickets[start..end], "after_cursor": end.to_string(), "end_of_stream": end == tickets.len(),
                "users": [{ "id": 7, "email": "anna@example.com", "external_id": "user-7" }],
                "organizations": [{ "id": 8, "external_id": "acme" }],
            }))
        }
        _ => Reply::not_found(request),
    }
}

#[test]
fn a_ticket_is_opened_once_and_solved_later() {
    let stand_in = Zendesk::start();
    stand_in.seed("tickets", 1);
    stand_in.touch("tickets", 0);
    let page = connector(&stand_in).pull("tickets", None, NOW_MS).unwrap();
    let told: Vec<(&str, &str)> = page
        .calls
        .iter()
        .map(|call| (call.event.as_str(), call.message_id.as_str()))
        .collect();
    let [(opened, first), (opened_again, again), (solved, _)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(
        (*opened, *opened_again, *solved),
        ("ticket_opened", "ticket_opened", "ticket_solved")
    );
    assert_eq!(first, again);
    let who = &page.calls[0].who;
    assert_eq!(
        (who.user_id.as_deref(), who.account_id.as_deref()),
        (Some("user-7"), Some("acme"))
    );
}
