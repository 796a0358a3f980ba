//! Webhook steps of programs, against a real HTTP server in this process.

mod world;

use serde_json::json;
use tenure_app::dispatch::DispatchSettings;
use tenure_connectors::webhook::{Reach, WebhookSettings};
use tenure_core::time::HOUR_MS;
use tenure_store::row::MessageState;
use world::World;
use world::receiver::Receiver;

fn world(url: &str, body: &str, reach: Reach) -> World {
    let world = World::new(DispatchSettings {
        webhooks: WebhookSettings {
            reach,
            ..WebhookSettings::default()
        },
        ..DispatchSettings::default()
    });
    let text = format!(
        "policy: default\ntimezone: UTC\n---\nprogram: hook\naudience: person\n\
         enter: {{ event: ordered, again: always }}\nsteps:\n  - webhook: {{ url: \"{url}\"{body} }}\n"
    );
    world.publish(&[("all.yaml", &text)]);
    world.identify("ada");
    world.track(
        "e1",
        "ada",
        "ordered",
        r#"{"item": "A \"big\" one", "total": 3}"#,
    );
    world
}

#[test]
fn a_webhook_step_posts_what_is_known_with_the_messages_id_as_key() {
    let receiver = Receiver::start(vec![]);
    let url = format!("http://{}/hook/{{{{ event.item }}}}", receiver.address);
    let world = world(&url, "", Reach::Private);
    assert_eq!(world.state(), MessageState::Sent);
    let message = world.messages().remove(0);
    assert_eq!(
        receiver.header(0, "idempotency-key"),
        message.intent.id.to_string()
    );
    let first_line = receiver.requests.lock()[0]
        .lines()
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(first_line, "POST /hook/A%20%22big%22%20one HTTP/1.1");
    let body = receiver.body(0);
    assert_eq!(body["program"], "hook");
    assert_eq!(body["message"], message.intent.id.to_string());
    assert_eq!(
        body["data"]["event"],
        json!({"item": "A \"big\" one", "total": 3})
    );
    assert_eq!(body["data"]["person"]["email"], "ada@example.com");
}

#[test]
fn a_body_of_its_own_is_rendered_and_stays_json() {
    let receiver = Receiver::start(vec![]);
    let url = format!("http://{}/", receiver.address);
    let body = ", body: { text: \"Bought {{ event.item }}\", kind: order }";
    let world = world(&url, body, Reach::Private);
    assert_eq!(world.state(), MessageState::Sent);
    let expected = json!({"text": "Bought A \"big\" one", "kind": "order"});
    assert_eq!(receiver.body(0), expected);
}

#[test]
fn a_failed_webhook_is_tried_again_under_the_same_key_when_the_receiver_asks_for_it() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7200\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let receiver = Receiver::start(vec![busy]);
    let url = format!("http://{}/", receiver.address);
    let world = world(&url, "", Reach::Private);
    assert_eq!(
        (receiver.count(), world.state()),
        (1, MessageState::Pending)
    );
    world.pass(HOUR_MS);
    assert_eq!(receiver.count(), 1);
    world.pass(HOUR_MS);
    assert_eq!((receiver.count(), world.state()), (2, MessageState::Sent));
    let keys = [0, 1].map(|index| receiver.header(index, "idempotency-key"));
    assert_eq!(keys[0], keys[1]);
    assert_eq!(receiver.body(0), receiver.body(1));
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again_since_the_key_makes_that_harmless() {
    let receiver = Receiver::start(vec![""]);
    let url = format!("http://{}/", receiver.address);
    let world = world(&url, "", Reach::Private);
    assert_eq!(
        (receiver.count(), world.state()),
        (1, MessageState::Pending)
    );
    world.pass(HOUR_MS);
    assert_eq!((receiver.count(), world.state()), (2, MessageState::Sent));
}

#[test]
fn a_refused_webhook_is_dead_and_no_bounce_of_the_person() {
    let gone = "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let receiver = Receiver::start(vec![gone]);
    let url = format!("http://{}/", receiver.address);
    let world = world(&url, "", Reach::Private);
    assert_eq!(world.state(), MessageState::Dead);
    assert_eq!(world.fact_names(), ["message_failed"]);
}

#[test]
fn an_address_inside_is_not_called_unless_it_is_allowed() {
    let receiver = Receiver::start(vec![]);
    let url = format!("http://{}/", receiver.address);
    let world = world(&url, "", Reach::Public);
    assert_eq!((receiver.count(), world.state()), (0, MessageState::Dead));
    let reason = world.messages().remove(0).reason.unwrap();
    assert!(reason.contains("private network"), "{reason}");
}

#[test]
fn a_receiver_that_does_not_answer_is_left_alone_until_one_attempt_finds_it_back() {
    let away = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let receiver = Receiver::start(vec![away; 5]);
    let url = format!("http://{}/", receiver.address);
    let world = world(&url, "", Reach::Private);
    for number in 2..=6 {
        world.track(&format!("e{number}"), "ada", "ordered", "{}");
    }
    assert_eq!(receiver.count(), 5, "the sixth is not attempted");
    let name = format!("webhook:{}", receiver.address);
    let breakers = world.node.breakers();
    assert!(breakers.iter().any(|view| view.name == name));
    world.pass(HOUR_MS);
    world.pass(HOUR_MS);
    let messages = world.messages();
    assert_eq!(messages.len(), 6);
    let is_sent = |message: &tenure_store::row::Message| message.state == MessageState::Sent;
    assert!(messages.iter().all(is_sent), "{messages:?}");
    assert_eq!(receiver.count(), 11);
    assert_eq!(world.node.breakers().len(), 1, "that of e-mail");
}
