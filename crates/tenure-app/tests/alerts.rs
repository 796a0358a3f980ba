//! Alerts, told to a real HTTP receiver and by mail.

mod world;

use tenure_app::alerts::{AlertSettings, Alerts};
use tenure_app::dispatch::DispatchSettings;
use tenure_connectors::webhook::{Reach, WebhookSettings};
use tenure_connectors::{Outcome, Stage};
use tenure_core::time::{MINUTE_MS, SECOND_MS};
use world::World;
use world::receiver::Receiver;

const DEFINITIONS: &str = r#"
policy: default
timezone: UTC
from: "Northbeam <hello@example.com>"
topics: [ { name: tips, title: Tips, default: subscribed } ]
---
program: welcome
audience: person
topic: tips
enter: { event: signed_up, again: always }
steps: [ { send: email, template: hello } ]
"#;

const REFUSED: &str =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

fn alerts(receiver: &Receiver) -> Alerts {
    Alerts::new(AlertSettings {
        email: Some("ops@example.com".into()),
        slack_url: Some(format!("http://{}/slack", receiver.address)),
        webhook_url: Some(format!("http://{}/alert", receiver.address)),
        dead_letters: 1,
        lag_entries: 1_000,
        webhooks: WebhookSettings {
            reach: Reach::Private,
            ..WebhookSettings::default()
        },
    })
}

/// A world in which mail to Ada is refused for good, once she signs up.
fn world() -> World {
    let world = World::new(DispatchSettings::default());
    let template = (
        "templates/hello.html",
        "---\nsubject: Hello\n---\n<p>Hello</p>\n",
    );
    world.publish(&[("all.yaml", DEFINITIONS), template]);
    world.identify("ada");
    world
}

fn refuse_a_mail(world: &World) {
    *world.mailbox.answer.lock() = Some(Outcome::Rejected {
        permanent: true,
        code: 554,
        enhanced: None,
        stage: Stage::FinalDot,
        reason: "no".into(),
    });
    world.track("e1", "ada", "signed_up", "{}");
    *world.mailbox.answer.lock() = None;
    world.mailbox.mails.lock().clear();
}

#[test]
fn a_dead_letter_is_told_once_by_mail_webhook_and_slack_without_an_address() {
    let (world, receiver) = (world(), Receiver::start(vec![]));
    let mut alerts = alerts(&receiver);
    assert_eq!(alerts.step(&world.node).unwrap(), []);
    refuse_a_mail(&world);
    assert_eq!(alerts.step(&world.node).unwrap().len(), 1);
    assert_eq!(receiver.count(), 2);
    let text = receiver.body(0)["text"].as_str().unwrap().to_owned();
    assert_eq!(
        text,
        "[Tenure, test] 1 new dead letters, 1 in all: look at `tenure dead-letters list`"
    );
    let told = receiver.body(1);
    assert_eq!(
        (&told["alert"], &told["state"]),
        (&"dead_letters".into(), &"raised".into())
    );
    let mails = world.mailbox.mails.lock().clone();
    assert!(mails[0].contains("To: ops@example.com"));
    assert!(!mails[0].contains("ada@example.com"));
    assert_eq!(mails.len(), 1);

    world.pass(15 * SECOND_MS);
    assert_eq!(alerts.step(&world.node).unwrap(), [], "told once");
    world.pass(5 * MINUTE_MS);
    assert_eq!(
        alerts.step(&world.node).unwrap().len(),
        1,
        "and once when it is over"
    );
    assert_eq!(receiver.body(3)["state"], "cleared");
}

#[test]
fn an_alert_whose_receiver_is_away_waits_and_is_told_once() {
    let (world, receiver) = (world(), Receiver::start(vec![REFUSED, REFUSED]));
    let mut alerts = alerts(&receiver);
    alerts.step(&world.node).unwrap();
    refuse_a_mail(&world);
    alerts.step(&world.node).unwrap();
    assert_eq!(receiver.count(), 2, "both were refused");
    for _ in 0..3 {
        world.pass(15 * SECOND_MS);
        alerts.step(&world.node).unwrap();
    }
    assert_eq!(receiver.count(), 4, "each was told once more");
    assert_eq!(
        world.mailbox.mails.lock().len(),
        1,
        "who was told already is not told again"
    );
}
