//! Twilio's stand-in: one account that sends text messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tenure_connectors::Outcome;
use tenure_connectors::provider::Item;
use tenure_connectors::provider::twilio::CODE_STOPPED;

use crate::harness::{
    NOW_MS, StandIn, attempt, connector, is_accepted, message, push_one, strings,
};
use crate::server::{Reply, Request, Server};

crate::complies!(Twilio);

const SID: &str = "AC00000000000000000000000000000000";
const TOKEN: &str = "0123456789abcdef-test";
/// A recipient who answered STOP.
const STOPPED: &str = "+15005550009";

pub(crate) struct Twilio {
    server: Server,
    sent: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
}

impl StandIn for Twilio {
    fn start() -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&sent);
        let server = Server::start(move |request| answer(&mut shared.lock().unwrap(), request));
        Self { server, sent }
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn kind(&self) -> &'static str {
        "twilio"
    }

    fn settings(&self) -> BTreeMap<String, String> {
        strings(&[
            ("account_sid", SID),
            ("auth_token", TOKEN),
            ("from", "+15005550001"),
            ("receipt_url", "https://tenure.example.com/receipts"),
            ("base_url", &self.server.url()),
        ])
    }

    fn wrong_secrets(&self) -> BTreeMap<String, String> {
        strings(&[("auth_token", "0123456789abcdef-other")])
    }

    fn is_write(request: &Request) -> bool {
        request.path.ends_with("/Messages.json")
    }

    fn items(&self) -> Vec<Item> {
        vec![
            message("m1", "+15005550006", "Your renewal is due"),
            message("m2", "+15005550007", "Grüße & Dank"),
        ]
    }

    fn bad_item(&self) -> Item {
        message("bad", STOPPED, "Hello again")
    }

    fn written(&self) -> Vec<String> {
        let sent = self.sent.lock().unwrap();
        sent.iter().map(|fields| format!("{fields:?}")).collect()
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        error(status, 20_001, message)
    }

    fn false_success(&self) -> Reply {
        Reply::ok(&json!({ "status": "failed", "error_code": 30_008, "sid": "SM1" }))
    }

    fn repeats_are_harmless(&self) -> bool {
        false
    }
}

fn error(status: u16, code: u16, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "code": code, "message": message, "status": status, "more_info": "https://www.twilio.com/docs/errors" }),
    )
}

fn answer(sent: &mut Vec<BTreeMap<String, String>>, request: &Request) -> Reply {
    // Basic, as the standard says: id, colon, token.
    let expected =
        "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDowMTIzNDU2Nzg5YWJjZGVmLXRlc3Q=";
    if request.header("authorization") != expected {
        return error(401, 20_003, "Authenticate");
    }
    let account = format!("/2010-04-01/Accounts/{SID}");
    if request.path == format!("{account}.json") {
        return Reply::ok(&json!({ "sid": SID, "status": "active" }));
    }
    if request.path != format!("{account}/Messages.json") || request.method != "POST" {
        return Reply::not_found(request);
    }
    let fields = request.form();
    let is_form = request.header("content-type") == "application/x-www-form-urlencoded";
    match fields.get("To").map(String::as_str) {
        _ if !is_form || !fields.contains_key("From") || !fields.contains_key("Body") => {
            error(400, 21_603, "A 'From' phone number is required")
        }
        Some(STOPPED) => error(
            400,
            CODE_STOPPED,
            "Attempt to send to unsubscribed recipient",
        ),
        Some(_) => {
            sent.push(fields);
            Reply::json(
                201,
                &json!({ "sid": format!("SM{}", sent.len()), "status": "queued", "error_code": null }),
            )
        }
        None => error(400, 21_604, "A 'To' phone number is required"),
    }
}

#[test]
fn a_message_carries_its_id_into_the_address_of_its_receipts() {
    let stand_in = Twilio::start();
    let pushed = push_one(connector(&stand_in).as_ref(), &stand_in.items()[1], NOW_MS);
    assert!(is_accepted(&pushed));
    let sent = stand_in.sent.lock().unwrap();
    assert_eq!(sent[0]["Body"], "Grüße & Dank");
    assert_eq!(
        sent[0]["StatusCallback"],
        "https://tenure.example.com/receipts?message=m2"
    );
}

#[test]
fn a_recipient_who_said_stop_is_known_by_twilios_code() {
    let stand_in = Twilio::start();
    let pushed = push_one(connector(&stand_in).as_ref(), &stand_in.bad_item(), NOW_MS);
    let Outcome::Rejected {
        code,
        permanent: true,
        ..
    } = attempt(&pushed).outcome
    else {
        panic!("{pushed:?}");
    };
    assert_eq!(code, CODE_STOPPED);
}

#[test]
fn a_number_without_its_country_is_refused_before_anything_is_sent() {
    let stand_in = Twilio::start();
    let item = message("m", "0664 1234567", "Hello");
    let pushed = push_one(connector(&stand_in).as_ref(), &item, NOW_MS);
    let text = format!("{pushed:?}");
    assert!(text.contains("international form"), "{text}");
    assert!(stand_in.server().requests().is_empty());
}
