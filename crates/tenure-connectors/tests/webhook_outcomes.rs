//! Webhooks against a real HTTP server in this process that answers as it is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tenure_connectors::webhook::{
    Attempt, PreparedWebhook, Reach, WebhookSecret, WebhookSender, WebhookSettings,
};
use tenure_connectors::{Outcome, Stage};

const BODY: &str = r#"{"text":"Hello"}"#;
/// 2026-11-23T19:19:10Z
const NOW_MS: u64 = 1_795_461_550_250;

/// Takes one request, hands it out and answers with `answer`; without one it holds the connection until it is closed.
fn serve_once(answer: Option<&'static str>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?key=1", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&mut stream);
        match answer {
            Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
            None => drop(stream.read(&mut [0; 16])),
        }
        sender.send(request).unwrap();
    });
    (url, requests)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).unwrap();
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if count == 0 || text.ends_with(BODY) {
            return text;
        }
    }
}

fn settings() -> WebhookSettings {
    WebhookSettings {
        reach: Reach::Private,
        ..WebhookSettings::default()
    }
}

fn post(url: &str, settings: &WebhookSettings) -> Attempt {
    let webhook = PreparedWebhook::new("msg_1".into(), url.into(), BODY.into(), Reach::Private);
    WebhookSender::new(settings).send(&webhook.unwrap(), NOW_MS)
}

fn post_to(answer: &'static str) -> Attempt {
    let (url, _requests) = serve_once(Some(answer));
    post(&url, &settings())
}

fn rejection(attempt: &Attempt) -> (bool, u16) {
    match attempt.outcome {
        Outcome::Rejected {
            permanent,
            code,
            stage: Stage::Response,
            ..
        } => (permanent, code),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_webhook_arrives_with_its_key_signature_and_body() {
    let (url, requests) = serve_once(Some("HTTP/1.1 204 No Content\r\n\r\n"));
    let secret = WebhookSecret::parse("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3").unwrap();
    let signed = WebhookSettings {
        secret: Some(secret),
        ..settings()
    };
    let attempt = post(&url, &signed);
    assert!(
        matches!(attempt.outcome, Outcome::Accepted { .. }),
        "{attempt:?}"
    );
    let request = requests.recv().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, BODY);
    assert!(head.starts_with("POST /hook?key=1 HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    for line in [
        "idempotency-key: msg_1",
        "content-type: application/json",
        "webhook-id: msg_1",
        "webhook-timestamp: 1795461550",
        "webhook-signature: v1,",
        concat!("user-agent: tenure/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
}

#[test]
fn a_webhook_without_a_secret_is_not_signed() {
    let (url, requests) = serve_once(Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    post(&url, &settings());
    let request = requests.recv().unwrap();
    assert!(!request.contains("webhook-signature"), "{request}");
}

#[test]
fn only_2xx_is_success_and_a_redirect_is_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(rejection(&post_to(answer)), (true, 302));
    let answer = "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(rejection(&post_to(answer)), (true, 410));
}

#[test]
fn a_busy_or_broken_receiver_is_tried_again_when_it_asks_for_it() {
    let busy =
        post_to("HTTP/1.1 429 Too Many Requests\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(rejection(&busy), (false, 429));
    assert_eq!(busy.retry_after_ms, Some(120_000));
    let broken = post_to("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(rejection(&broken), (false, 503));
    assert_eq!(broken.retry_after_ms, None);
}

#[test]
fn a_receiver_that_is_not_there_got_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let attempt = post(&url, &settings());
    assert!(
        matches!(attempt.outcome, Outcome::NotSent { .. }),
        "{attempt:?}"
    );
}

#[test]
fn a_receiver_that_takes_the_request_and_never_answers_leaves_the_outcome_unknown() {
    let (url, requests) = serve_once(None);
    let hasty = WebhookSettings {
        timeout: Duration::from_millis(300),
        ..settings()
    };
    let attempt = post(&url, &hasty);
    assert!(
        matches!(attempt.outcome, Outcome::Unknown { .. }),
        "{attempt:?}"
    );
    assert!(requests.recv().unwrap().ends_with(BODY));
}

#[test]
fn a_name_that_leads_inside_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let public = WebhookSettings::default();
    let attempt = post(&url, &public);
    let Outcome::NotSent { reason } = attempt.outcome else {
        panic!("{attempt:?}");
    };
    assert!(reason.contains("private network"), "{reason}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody connected");
}
