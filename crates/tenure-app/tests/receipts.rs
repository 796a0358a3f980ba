//! What comes back of a message: clicks of people and machines, refusals, reports.

mod world;

use tenure_app::dispatch::DispatchSettings;
use tenure_app::receipts::{ReportsRead, WebHit};
use tenure_connectors::Outcome;
use tenure_core::time::{HOUR_MS, SECOND_MS};
use tenure_store::row::MessageState;
use world::World;

const DEFINITIONS: &str = r#"
policy: default
timezone: UTC
from: "Northbeam <hello@example.com>"
topics:
  - { name: tips, title: Tips, default: subscribed }
  - { name: news, title: News, default: subscribed }
---
program: welcome
audience: person
topic: tips
enter: { event: signed_up, again: always }
steps:
  - send: email
    template: links
"#;

const TEMPLATE: &str = "---\nsubject: Welcome\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>\
    <a href=\"https://example.com/a\">a</a> <a href=\"https://example.com/b\">b</a> \
    <a href=\"https://example.com/c\">c</a></mj-text></mj-column></mj-section></mj-body></mjml>";

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

const FROM_A_PERSON: WebHit<'static> = WebHit {
    method: "GET",
    user_agent: BROWSER,
    client: "198.51.100.7",
};

/// A world in which a mail was tried with this answer.
fn world_with_mail(answer: Option<Outcome>) -> World {
    let world = World::new(DispatchSettings::default());
    world.publish(&[
        ("all.yaml", DEFINITIONS),
        ("templates/links.mjml", TEMPLATE),
    ]);
    world.identify("ada");
    *world.mailbox.answer.lock() = answer;
    world.track("e1", "ada", "signed_up", "{}");
    assert_eq!(world.mailbox.mails.lock().len(), 1);
    *world.mailbox.answer.lock() = None;
    world
}

/// The tokens of the last mail's links under a path, in order.
fn tokens(world: &World, path: &str) -> Vec<String> {
    let mails = world.mailbox.mails.lock();
    let mail = mails.last().unwrap();
    let tokens = mail.split(path).skip(1);
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    tokens
        .map(|rest| rest.split(|c| !is_token(c)).next().unwrap().to_owned())
        .collect()
}

fn click(world: &World, token: &str) {
    let target = world.node.record_click(token, FROM_A_PERSON).unwrap();
    assert!(target.is_some_and(|url| url.starts_with("https://example.com/")));
    world.run();
}

/// A delivery report about the only message.
fn report(world: &World, action: &str, status: &str) -> Vec<u8> {
    let id = world.messages()[0].intent.id;
    format!(
        "From: MAILER-DAEMON@mx.example.com\r\nTo: hello@example.com\r\nSubject: Mail\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n\
         Final-Recipient: rfc822; ada@example.com\r\nAction: {action}\r\nStatus: {status}\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{id}@example.com>\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

fn complaint(world: &World) -> Vec<u8> {
    let id = world.messages()[0].intent.id;
    format!(
        "From: fbl@mx.example.com\r\nTo: hello@example.com\r\nSubject: Complaint\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n\
         --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: x/1\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{id}@example.com>\r\n\r\nHello\r\n--b--\r\n"
    )
    .into_bytes()
}

#[test]
fn a_click_becomes_an_event_of_the_person_and_leads_where_the_link_led() {
    let world = world_with_mail(None);
    world.pass(HOUR_MS);
    let links = tokens(&world, "/t/c/");
    assert_eq!(links.len(), 3);
    click(&world, &links[1]);
    let facts = world.facts();
    let (name, properties) = facts.last().unwrap();
    assert_eq!(name, "message_clicked");
    assert_eq!(properties["url"], "https://example.com/b");
    assert_eq!(properties["program"], "welcome");
    let forged = world.node.record_click("AAAA", FROM_A_PERSON).unwrap();
    assert_eq!(forged, None);
}

#[test]
fn two_links_clicked_in_the_same_millisecond_are_two_clicks() {
    let world = world_with_mail(None);
    world.pass(HOUR_MS);
    let links = tokens(&world, "/t/c/");
    click(&world, &links[0]);
    click(&world, &links[1]);
    let clicks = world.fact_names();
    let clicks = clicks.iter().filter(|name| *name == "message_clicked");
    assert_eq!(clicks.count(), 2);
}

#[test]
fn clicks_within_seconds_of_delivery_are_a_machines() {
    let world = world_with_mail(None);
    world.pass(SECOND_MS);
    for link in tokens(&world, "/t/c/") {
        click(&world, &link);
    }
    let names = world.fact_names();
    let machine = names
        .iter()
        .filter(|name| *name == "message_machine_clicked");
    assert_eq!(machine.count(), 3, "{names:?}");
    assert!(!names.contains(&"message_clicked".to_owned()));
}

#[test]
fn when_all_links_are_fetched_at_once_the_first_clicks_are_disowned_once() {
    let world = world_with_mail(None);
    world.pass(HOUR_MS);
    let links = tokens(&world, "/t/c/");
    for link in &links {
        click(&world, link);
        world.pass(SECOND_MS);
    }
    click(&world, &links[0]);
    let facts = world.facts();
    let names: Vec<&str> = facts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "message_sent",
            "message_clicked",
            "message_clicked",
            "message_machine_clicked",
            "message_click_disowned",
            "message_click_disowned",
            "message_machine_clicked",
        ]
    );
    assert_eq!(facts[3].1["why"], "all_links");
    assert_eq!(facts[4].1["link"], 0);
    assert_eq!(facts[5].1["link"], 1);
    assert_ne!(facts[4].1["event"], facts[5].1["event"]);
}

#[test]
fn a_one_click_unsubscribe_stops_a_message_that_is_decided_already() {
    let world = world_with_mail(Some(Outcome::NotSent {
        reason: "connection refused".into(),
    }));
    assert_eq!(world.state(), MessageState::Pending);
    let token = tokens(&world, "/u/").remove(0);
    assert!(world.node.unsubscribe(&token).unwrap());
    assert!(!world.node.unsubscribe("AAAA").unwrap());
    world.run();
    world.pass(HOUR_MS);
    assert_eq!(world.mailbox.mails.lock().len(), 1);
    assert_eq!(world.state(), MessageState::Cancelled);
    assert!(
        world
            .fact_names()
            .contains(&"message_unsubscribed".to_owned())
    );
}

#[test]
fn a_hard_bounce_suppresses_the_address_and_its_report_counts_once() {
    let world = world_with_mail(None);
    let raw = report(&world, "failed", "5.1.1");
    for _ in 0..2 {
        assert_eq!(world.node.record_report(&raw).unwrap(), Some("hard bounce"));
    }
    world.run();
    assert_eq!(world.state(), MessageState::Bounced);
    let bounces = world.facts();
    let bounces: Vec<_> = bounces
        .iter()
        .filter(|(name, _)| name == "message_bounced")
        .collect();
    assert_eq!(bounces.len(), 1);
    assert_eq!(bounces[0].1["kind"], "hard");
    world.track("e2", "ada", "signed_up", "{}");
    assert_eq!(world.mailbox.mails.lock().len(), 1);
}

#[test]
fn a_report_settles_a_message_whose_outcome_was_unknown() {
    let unknown = || {
        Some(Outcome::Unknown {
            reason: "no reply to the final dot".into(),
        })
    };
    for (action, status, settled) in [
        ("delivered", "2.0.0", MessageState::Delivered),
        ("failed", "4.4.7", MessageState::Bounced),
    ] {
        let world = world_with_mail(unknown());
        assert_eq!(world.state(), MessageState::Unknown);
        let raw = report(&world, action, status);
        world.node.record_report(&raw).unwrap();
        world.run();
        assert_eq!(world.state(), settled);
    }
}

#[test]
fn a_click_of_a_person_settles_an_unknown_message_and_a_machines_does_not() {
    let world = world_with_mail(Some(Outcome::Unknown {
        reason: "no reply to the final dot".into(),
    }));
    world.pass(HOUR_MS);
    let link = tokens(&world, "/t/c/").remove(0);
    let machine = WebHit {
        user_agent: "curl/8.0",
        ..FROM_A_PERSON
    };
    world.node.record_click(&link, machine).unwrap();
    assert_eq!(world.state(), MessageState::Unknown);
    click(&world, &link);
    assert_eq!(world.state(), MessageState::Delivered);
}

#[test]
fn a_complaint_unsubscribes_from_everything() {
    let world = world_with_mail(None);
    let raw = complaint(&world);
    assert_eq!(world.node.record_report(&raw).unwrap(), Some("complaint"));
    world.run();
    assert!(
        world
            .fact_names()
            .contains(&"message_complained".to_owned())
    );
    world.track("e2", "ada", "signed_up", "{}");
    assert_eq!(world.mailbox.mails.lock().len(), 1);
    let token = tokens(&world, "/u/").remove(0);
    let shown = world.node.preferences(&token).unwrap().unwrap();
    assert!(shown.all_refused);
}

#[test]
fn the_preference_page_shows_what_was_saved() {
    let world = world_with_mail(None);
    let token = tokens(&world, "/u/").remove(0);
    let shown = || {
        world.run();
        let page = world.node.preferences(&token).unwrap().unwrap();
        let on = page.topics.iter().filter(|(_, on)| *on);
        let on: Vec<String> = on.map(|(topic, _)| topic.name.clone()).collect();
        (on, page.all_refused)
    };
    let names = |list: &[&str]| -> Vec<String> { list.iter().map(ToString::to_string).collect() };
    assert_eq!(shown(), (names(&["tips", "news"]), false));
    let save = |wanted: &[&str], refuse_all| {
        let saved = world
            .node
            .save_preferences(&token, &names(wanted), refuse_all);
        assert!(saved.unwrap());
    };
    save(&["news"], false);
    assert_eq!(shown(), (names(&["news"]), false));
    save(&[], true);
    assert_eq!(shown(), (names(&[]), true));
    save(&["tips"], false);
    assert_eq!(shown(), (names(&["tips"]), false));
    assert!(!world.node.save_preferences("AAAA", &[], true).unwrap());
}

#[test]
fn reports_in_a_folder_are_recorded_and_put_away() {
    let world = world_with_mail(None);
    let folder = std::env::temp_dir().join(format!("tenure-reports-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("new")).unwrap();
    std::fs::write(folder.join("new/1"), report(&world, "failed", "5.1.1")).unwrap();
    std::fs::write(folder.join("new/2"), "Subject: Hello\r\n\r\nA letter.\r\n").unwrap();
    std::fs::write(folder.join("new/.3"), "half a fi").unwrap();
    let read = world.node.read_reports(&folder).unwrap();
    let expected = ReportsRead {
        recorded_count: 1,
        ignored_count: 1,
    };
    assert_eq!(read, expected);
    world.run();
    assert_eq!(world.state(), MessageState::Bounced);
    assert!(folder.join("processed/1").is_file() && folder.join("ignored/2").is_file());
    assert!(folder.join("new/.3").is_file());
    let again = world.node.read_reports(&folder).unwrap();
    assert_eq!(again, ReportsRead::default());
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(world.node.read_reports(&folder).is_err());
}

#[test]
fn a_bounce_is_about_the_address_the_mail_went_to_not_the_one_the_person_has_by_then() {
    let world = world_with_mail(None);
    world.traits("ada", &[("email", "ada@new.example.com")]);
    let bounce = report(&world, "failed", "5.1.1");
    assert_eq!(
        world.node.record_report(&bounce).unwrap(),
        Some("hard bounce")
    );
    world.run();
    world.track("e2", "ada", "signed_up", "{}");
    let mails = world.mailbox.mails.lock();
    assert_eq!(mails.len(), 2, "the new address is not suppressed");
    assert!(mails[1].contains("ada@new.example.com"));
}
