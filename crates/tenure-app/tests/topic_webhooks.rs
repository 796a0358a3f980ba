//! Topics pushed to endpoints, against real HTTP servers in this process that answer as they are
//! told, on a virtual clock.

mod world;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value as Json;
use tenure_app::breakers::BreakerState;
use tenure_app::dispatch::DispatchSettings;
use tenure_app::topics::{Source, Topic};
use tenure_app::webhooks::{DeliveryOutcome, EndpointSpec, EndpointState, Filter, Start, Webhooks};
use tenure_connectors::webhook::{Reach, WebhookSettings};
use tenure_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use tenure_store::Page;
use world::World;
use world::receiver::read_request;

/// How a receiver behaves: a status, or none (it takes the request and closes the connection), or
/// it never answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    Status(u16),
    Reset,
    Hang,
}

struct Receiver {
    url: String,
    manner: Arc<Mutex<Manner>>,
    bodies: Arc<Mutex<Vec<Json>>>,
    heads: Arc<Mutex<Vec<String>>>,
    tries: Arc<AtomicUsize>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            manner: Arc::new(Mutex::new(Manner::Status(204))),
            bodies: Arc::default(),
            heads: Arc::default(),
            tries: Arc::default(),
        };
        let (manner, bodies) = (Arc::clone(&receiver.manner), Arc::clone(&receiver.bodies));
        let (heads, tries) = (Arc::clone(&receiver.heads), Arc::clone(&receiver.tries));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read_request(&mut stream);
                let (head, body) = request.split_once("\r\n\r\n").unwrap();
                tries.fetch_add(1, Ordering::SeqCst);
                let manner = *manner.lock();
                match manner {
                    Manner::Status(status) => {
                        if (200..300).contains(&status) {
                            bodies.lock().push(serde_json::from_str(body).unwrap());
                            heads.lock().push(head.to_ascii_lowercase());
                        }
                        let answer = format!(
                            "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                        );
                        stream.write_all(answer.as_bytes()).unwrap();
                    }
                    Manner::Reset => {}
                    // Until the sender gives up and closes.
                    Manner::Hang => drop(stream.read(&mut [0; 16])),
                }
            }
        });
        receiver
    }

    fn behave(&self, manner: Manner) {
        *self.manner.lock() = manner;
    }

    fn positions(&self) -> Vec<String> {
        let bodies = self.bodies.lock();
        bodies
            .iter()
            .map(|body| body["sequence"].as_str().unwrap().to_owned())
            .collect()
    }

    fn tries(&self) -> usize {
        self.tries.load(Ordering::SeqCst)
    }
}

fn world() -> World {
    World::new(DispatchSettings {
        webhooks: WebhookSettings {
            reach: Reach::Private,
            timeout: Duration::from_millis(200),
            ..WebhookSettings::default()
        },
        ..DispatchSettings::default()
    })
}

fn spec(url: &str) -> EndpointSpec {
    EndpointSpec {
        url: url.into(),
        about: String::new(),
        topics: vec![Topic::MilestoneAchievements],
        filter: Filter::default(),
        rate_per_second: 1_000,
    }
}

fn reach(world: &World, from: usize, to: usize) {
    for number in from..to {
        world.track(&format!("m{number}"), "ada", "milestone_reached", "{}");
    }
}

fn push(webhooks: &Webhooks) {
    while webhooks.step().unwrap() {}
}

/// Lets time pass in small steps, pushing what is due.
fn pass(world: &World, ms: i64, step_ms: i64) {
    for _ in 0..ms / step_ms {
        world.pass(step_ms);
        push(world.node.webhooks());
    }
}

fn all() -> Page {
    Page {
        after: None,
        limit: 500,
    }
}

#[test]
fn records_arrive_once_in_order_and_signed() {
    let (world, receiver) = (world(), Receiver::start());
    let webhooks = world.node.webhooks();
    reach(&world, 0, 2);
    let endpoint = webhooks
        .create(spec(&receiver.url), Start::Earliest)
        .unwrap();
    push(webhooks);
    reach(&world, 2, 5);
    pass(&world, SECOND_MS, 100);
    let topic = world.node.topics();
    let told = topic
        .read(Source::Log, &[Topic::MilestoneAchievements], 0, 100)
        .unwrap();
    let told: Vec<Json> = told.records.into_iter().map(|told| told.event).collect();
    assert_eq!(*receiver.bodies.lock(), told);
    assert_eq!(told.len(), 5);
    let head = receiver.heads.lock()[0].clone();
    assert!(head.contains("webhook-signature: v1,"), "{head}");
    assert!(
        head.contains("content-type: application/cloudevents+json"),
        "{head}"
    );
    let log = webhooks.deliveries(&endpoint.id, &all()).unwrap().rows;
    assert_eq!(log.len(), 5);
    assert!(log.iter().all(|line| line.status == Some(204)));
    assert!(log[0].position > log[4].position, "the latest first");
}

#[test]
fn a_receiver_that_is_away_for_hours_loses_nothing_and_slows_nobody() {
    for manner in [Manner::Status(500), Manner::Reset, Manner::Hang] {
        let (world, broken, well) = (world(), Receiver::start(), Receiver::start());
        let webhooks = world.node.webhooks();
        let endpoint = webhooks.create(spec(&broken.url), Start::Latest).unwrap();
        webhooks.create(spec(&well.url), Start::Latest).unwrap();
        broken.behave(manner);
        reach(&world, 0, 3);
        pass(&world, MINUTE_MS, 10 * SECOND_MS);
        assert_eq!(well.positions().len(), 3, "{manner:?}");
        assert_eq!(broken.positions().len(), 0);
        pass(&world, 5 * HOUR_MS, 10 * MINUTE_MS);
        let breakers = webhooks.breakers().list(world.node.now());
        assert_eq!(breakers.len(), 1, "{manner:?}");
        assert_ne!(breakers[0].state, BreakerState::Closed, "{manner:?}");
        assert!(broken.tries() <= 7, "{manner:?}: {}", broken.tries());
        broken.behave(Manner::Status(200));
        reach(&world, 3, 5);
        pass(&world, 6 * HOUR_MS, 10 * MINUTE_MS);
        assert_eq!(broken.positions(), well.positions(), "{manner:?}");
        assert_eq!(broken.positions().len(), 5);
        assert_eq!(webhooks.breakers().list(world.node.now()), []);
        assert!(webhooks.endpoint(&endpoint.id).unwrap().0.is_enabled());
    }
}

#[test]
fn after_a_day_of_failures_an_endpoint_is_disabled_and_goes_on_where_it_was() {
    let (world, receiver) = (world(), Receiver::start());
    let webhooks = world.node.webhooks();
    let endpoint = webhooks.create(spec(&receiver.url), Start::Latest).unwrap();
    receiver.behave(Manner::Status(503));
    reach(&world, 0, 2);
    pass(&world, DAY_MS + HOUR_MS, 5 * SECOND_MS * 60);
    assert_eq!(receiver.tries(), 10);
    let (found, _) = webhooks.endpoint(&endpoint.id).unwrap();
    let EndpointState::Disabled { reason, .. } = &found.state else {
        panic!("{:?}", found.state);
    };
    assert!(
        reason.contains("10 attempts over a day failed; last: 503"),
        "{reason}"
    );
    pass(&world, DAY_MS, HOUR_MS);
    assert_eq!(receiver.tries(), 10, "it is left alone");
    receiver.behave(Manner::Status(200));
    webhooks.enable(&endpoint.id).unwrap();
    pass(&world, MINUTE_MS, 10 * SECOND_MS);
    assert_eq!(receiver.positions().len(), 2);
}

#[test]
fn a_record_that_is_refused_for_a_day_becomes_a_dead_letter_and_the_next_is_tried() {
    let (world, receiver) = (world(), Receiver::start());
    let webhooks = world.node.webhooks();
    webhooks.create(spec(&receiver.url), Start::Latest).unwrap();
    receiver.behave(Manner::Status(422));
    reach(&world, 0, 2);
    pass(&world, DAY_MS, 5 * MINUTE_MS);
    receiver.behave(Manner::Status(200));
    pass(&world, HOUR_MS, 5 * MINUTE_MS);
    assert_eq!(receiver.positions().len(), 1);
    let letters = webhooks.letters(&all()).unwrap().rows;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].attempt_count, 10);
    let (_, told) = webhooks.letter(&letters[0].id).unwrap();
    assert_eq!(told.unwrap().id, letters[0].event);
    assert!(webhooks.replay_letter(&letters[0].id).unwrap().is_delivered);
    assert_eq!(receiver.positions().len(), 2);
    assert_eq!(webhooks.letters(&all()).unwrap().rows, []);
}

#[test]
fn after_a_stop_an_endpoint_goes_on_with_its_attempts_and_its_place() {
    let (world, receiver) = (world(), Receiver::start());
    let webhooks = world.node.webhooks();
    let endpoint = webhooks.create(spec(&receiver.url), Start::Latest).unwrap();
    reach(&world, 0, 2);
    pass(&world, SECOND_MS, 100);
    receiver.behave(Manner::Status(500));
    reach(&world, 2, 4);
    push(webhooks);
    let (_, before) = webhooks.endpoint(&endpoint.id).unwrap();
    assert!(before.head.is_some());
    let world = world.reopen();
    let webhooks = world.node.webhooks();
    let (found, cursor) = webhooks.endpoint(&endpoint.id).unwrap();
    assert_eq!((found.secrets.len(), cursor), (1, before));
    push(webhooks);
    assert_eq!(receiver.tries(), 3, "not before its time");
    receiver.behave(Manner::Status(200));
    pass(&world, MINUTE_MS, 5 * SECOND_MS);
    assert_eq!(receiver.positions().len(), 4);
    let mut sorted = receiver.positions();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(receiver.positions(), sorted, "in order and once");
}

#[test]
fn an_answer_after_the_time_out_is_pushed_again_under_the_same_id() {
    let (world, receiver) = (world(), Receiver::start());
    let webhooks = world.node.webhooks();
    let endpoint = webhooks.create(spec(&receiver.url), Start::Latest).unwrap();
    receiver.behave(Manner::Hang);
    reach(&world, 0, 1);
    push(webhooks);
    receiver.behave(Manner::Status(200));
    pass(&world, MINUTE_MS, 5 * SECOND_MS);
    let log = webhooks.deliveries(&endpoint.id, &all()).unwrap().rows;
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].event, log[1].event);
    assert_eq!(log[1].outcome, DeliveryOutcome::Failed);
    assert_eq!(log[0].outcome, DeliveryOutcome::Delivered);
    let head = receiver.heads.lock()[0].clone();
    let id = format!("webhook-id: {}", log[0].event);
    assert!(head.contains(&id.to_ascii_lowercase()), "{head}");
}

#[test]
fn what_is_filtered_out_is_not_pushed_and_a_replay_pushes_again() {
    let (world, receiver) = (world(), Receiver::start());
    let webhooks = world.node.webhooks();
    let mut wanted = spec(&receiver.url);
    wanted.filter.types = vec!["tenure.opportunity_identified".into()];
    wanted.topics.push(Topic::OpportunityIdentification);
    let endpoint = webhooks.create(wanted, Start::Earliest).unwrap();
    reach(&world, 0, 3);
    world.track("o", "ada", "opportunity_identified", "{}");
    pass(&world, SECOND_MS, 100);
    assert_eq!(receiver.positions().len(), 1);
    webhooks.seek(&endpoint.id, Source::Log, 0).unwrap();
    pass(&world, SECOND_MS, 100);
    let positions = receiver.positions();
    assert_eq!(positions.len(), 2);
    assert_eq!(positions[0], positions[1]);
}

#[test]
fn while_one_secret_takes_the_place_of_another_both_sign() {
    let (world, receiver) = (world(), Receiver::start());
    let webhooks = world.node.webhooks();
    let endpoint = webhooks.create(spec(&receiver.url), Start::Latest).unwrap();
    let signatures = || {
        let head = receiver.heads.lock().last().cloned().unwrap();
        head.matches("v1,").count()
    };
    webhooks.rotate_secret(&endpoint.id, 24).unwrap();
    assert!(webhooks.test(&endpoint.id).unwrap().is_delivered);
    assert_eq!(signatures(), 2);
    world.pass(DAY_MS);
    assert!(webhooks.test(&endpoint.id).unwrap().is_delivered);
    assert_eq!(signatures(), 1);
}

#[test]
fn an_endpoint_inside_is_refused_unless_it_is_allowed() {
    let world = World::new(DispatchSettings::default());
    let error = world
        .node
        .webhooks()
        .create(spec("http://169.254.169.254/latest"), Start::Latest)
        .unwrap_err();
    assert!(error.to_string().starts_with("url: "), "{error}");
}
