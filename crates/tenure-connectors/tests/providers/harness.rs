//! The suite that every connector passes against its stand-in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use tenure_connectors::provider::{
    Change, Connector, Fault, Item, Mode, Need, Network, Page, Pushed, Setup, Told, Who, describe,
    open, push,
};
use tenure_connectors::webhook::{Attempt, Reach};
use tenure_connectors::{Outcome, Stage};

use crate::server::{Reply, Request, Server, Trouble};

/// 2026-11-23T19:19:10.250Z
pub(crate) const NOW_MS: i64 = 1_795_461_550_250;
const HOUR_MS: i64 = 3_600_000;
/// How far apart seeded records changed.
pub(crate) const STEP_MS: i64 = 1_000;
/// When the first seeded record changed: long enough ago to be settled.
pub(crate) const SEEDED_MS: i64 = NOW_MS - 24 * HOUR_MS;
const RECORDS: usize = 250;
const PATIENT: Duration = Duration::from_secs(20);
const HASTY: Duration = Duration::from_millis(500);
/// A pause long enough for every documented rate to recover.
const REST_MS: i64 = 120_000;

/// A provider's stand-in.
pub(crate) trait StandIn {
    /// Starts it, empty.
    fn start() -> Self
    where
        Self: Sized;
    /// Its server.
    fn server(&self) -> &Server;
    /// Which connector it is for.
    fn kind(&self) -> &'static str;
    /// Settings with which the connector gets in.
    fn settings(&self) -> BTreeMap<String, String>;
    /// Secrets it does not know, of the right form.
    fn wrong_secrets(&self) -> BTreeMap<String, String>;
    /// The mapping used in tests.
    fn mapping(&self) -> Option<&'static str> {
        None
    }
    /// Fills a stream with so many records, [`STEP_MS`] apart from [`SEEDED_MS`] on.
    fn seed(&self, _stream: &str, _count: usize) {}
    /// Changes a record at [`NOW_MS`].
    fn touch(&self, _stream: &str, _index: usize) {}
    /// Whether a request writes.
    fn is_write(_request: &Request) -> bool
    where
        Self: Sized,
    {
        false
    }
    /// Items that are taken; the first one twice is still one.
    fn items(&self) -> Vec<Item> {
        Vec::new()
    }
    /// An item like the first that the provider refuses.
    fn bad_item(&self) -> Item {
        message("bad", "nowhere", "nothing")
    }
    /// What the provider holds of what was written, in order.
    fn written(&self) -> Vec<String> {
        Vec::new()
    }
    /// An error in the provider's form.
    fn error(&self, status: u16, message: &str) -> Reply;
    /// An answer with status 200 that is an error all the same, or lacks what a success has.
    fn false_success(&self) -> Reply;
    /// Whether the provider recognises a repeat.
    fn repeats_are_harmless(&self) -> bool {
        true
    }
    /// Makes the access token expire; `false` where there is none.
    fn expire_token(&self) -> bool {
        false
    }
}

pub(crate) fn strings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub(crate) fn person(id: &str, email: &str, traits: &[(&str, &str)]) -> Item {
    let who = Who {
        email: Some(email.into()),
        user_id: Some(format!("user-{id}")),
        ..Who::default()
    };
    let traits = told(traits);
    Item {
        id: id.into(),
        change: Change::Person { who, traits },
    }
}

pub(crate) fn told(traits: &[(&str, &str)]) -> BTreeMap<String, Told> {
    traits
        .iter()
        .map(|(name, value)| {
            let told = Told {
                value: json!(value),
                told_at_ms: NOW_MS - 1_000,
            };
            ((*name).to_owned(), told)
        })
        .collect()
}

pub(crate) fn message(id: &str, to: &str, text: &str) -> Item {
    let change = Change::Message {
        to: to.into(),
        text: text.into(),
    };
    Item {
        id: id.into(),
        change,
    }
}

pub(crate) fn connect(
    stand_in: &dyn StandInRef,
    settings: &BTreeMap<String, String>,
    timeout: Duration,
) -> Box<dyn Connector> {
    let network = Network {
        reach: Reach::Private,
        timeout,
    };
    let setup = Setup {
        name: "test",
        settings,
        mapping: stand_in.mapping_text(),
        network,
    };
    open(stand_in.kind_name(), setup).unwrap()
}

/// What connecting needs, for any stand-in.
pub(crate) trait StandInRef {
    fn kind_name(&self) -> &'static str;
    fn mapping_text(&self) -> Option<&'static str>;
}

impl<S: StandIn> StandInRef for S {
    fn kind_name(&self) -> &'static str {
        self.kind()
    }

    fn mapping_text(&self) -> Option<&'static str> {
        self.mapping()
    }
}

pub(crate) fn connector<S: StandIn>(stand_in: &S) -> Box<dyn Connector> {
    connect(stand_in, &stand_in.settings(), PATIENT)
}

fn hasty<S: StandIn>(stand_in: &S) -> Box<dyn Connector> {
    connect(stand_in, &stand_in.settings(), HASTY)
}

pub(crate) fn attempt(pushed: &Pushed) -> &Attempt {
    match pushed {
        Pushed::Attempted { attempt } => attempt,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn is_accepted(pushed: &Pushed) -> bool {
    matches!(
        pushed,
        Pushed::Attempted {
            attempt: Attempt {
                outcome: Outcome::Accepted { .. },
                ..
            }
        }
    )
}

/// Pushes one item, at an instant of its own.
pub(crate) fn push_one(connector: &dyn Connector, item: &Item, now_ms: i64) -> Pushed {
    let mut pushed = push(connector, std::slice::from_ref(item), Mode::Write, now_ms);
    assert_eq!(pushed.len(), 1);
    pushed.remove(0)
}

pub(crate) fn settings_are_checked<S: StandIn>() {
    let stand_in = S::start();
    let description = describe(stand_in.kind()).unwrap();
    let network = Network {
        reach: Reach::Private,
        timeout: PATIENT,
    };
    let given = stand_in.settings();
    let complain = |settings: &BTreeMap<String, String>| {
        let setup = Setup {
            name: "test",
            settings,
            mapping: None,
            network,
        };
        let error = open(stand_in.kind(), setup).err().unwrap().to_string();
        for secret in description.settings.iter().filter(|known| known.is_secret) {
            if let Some(value) = settings.get(secret.name) {
                assert!(!error.contains(value.as_str()), "{error}");
            }
        }
        error
    };
    for known in description.settings {
        if known.need == Need::Required {
            let mut lacking = given.clone();
            lacking.remove(known.name);
            assert!(complain(&lacking).contains(known.name));
        }
    }
    let mut more = given.clone();
    more.insert("colour".into(), "blue".into());
    assert!(complain(&more).contains("setting `colour`"));
}

pub(crate) fn the_test_tells_right_credentials_from_wrong_ones<S: StandIn>() {
    let stand_in = S::start();
    connector(&stand_in).test(NOW_MS).unwrap();
    let mut wrong = stand_in.settings();
    wrong.extend(stand_in.wrong_secrets());
    let fault = connect(&stand_in, &wrong, PATIENT)
        .test(NOW_MS)
        .unwrap_err();
    assert!(
        matches!(fault, Fault::Unauthorized { .. } | Fault::Refused { .. }),
        "{fault:?}"
    );
    let text = format!("{fault} {fault:?}");
    for secret in stand_in.wrong_secrets().values() {
        assert!(!text.contains(secret.as_str()), "{text}");
    }
}

/// Pulls until there is no more, a while between pages.
fn pull_all(
    connector: &dyn Connector,
    stream: &str,
    mut cursor: Option<String>,
    mut now_ms: i64,
) -> (Vec<Page>, Option<String>) {
    let mut pages = Vec::new();
    loop {
        let page = connector.pull(stream, cursor.as_deref(), now_ms).unwrap();
        cursor = Some(page.cursor.clone());
        let more = page.more;
        pages.push(page);
        assert!(pages.len() < 100, "{stream} never ends");
        if !more {
            return (pages, cursor);
        }
        now_ms += REST_MS;
    }
}

fn ids(pages: &[Page]) -> BTreeSet<String> {
    let calls = pages.iter().flat_map(|page| &page.calls);
    calls.map(|call| call.message_id.clone()).collect()
}

pub(crate) fn a_pull_pages_resumes_and_repeats_itself<S: StandIn>() {
    for stream in describe(S::start().kind()).unwrap().streams {
        let stand_in = S::start();
        stand_in.seed(stream, RECORDS);
        let connector = connector(&stand_in);
        let (pages, cursor) = pull_all(connector.as_ref(), stream, None, NOW_MS - 12 * HOUR_MS);
        let all = ids(&pages);
        assert!(all.len() >= RECORDS, "{stream}: {}", all.len());
        assert!(pages.len() > 1, "{stream} came in one page");
        let (again, _) = pull_all(connector.as_ref(), stream, None, NOW_MS - 6 * HOUR_MS);
        assert_eq!(ids(&again), all, "{stream}");

        stand_in.touch(stream, 3);
        let (fresh, cursor) = pull_all(connector.as_ref(), stream, cursor, NOW_MS + HOUR_MS);
        let new: Vec<String> = ids(&fresh).difference(&all).cloned().collect();
        assert!(!new.is_empty(), "{stream}: the change was missed");
        assert!(ids(&fresh).len() < RECORDS, "{stream} began anew");
        let (quiet, _) = pull_all(connector.as_ref(), stream, cursor, NOW_MS + 2 * HOUR_MS);
        let known: BTreeSet<String> = all.into_iter().chain(new).collect();
        assert!(ids(&quiet).is_subset(&known), "{stream}");
    }
}

pub(crate) fn a_pull_that_fails_is_resumed_at_its_cursor<S: StandIn>() {
    for stream in describe(S::start().kind()).unwrap().streams {
        let stand_in = S::start();
        stand_in.seed(stream, RECORDS);
        let connector = connector(&stand_in);
        let first = connector.pull(stream, None, NOW_MS).unwrap();
        for status in [500, 502] {
            let broken = Trouble::Say(stand_in.error(status, "something broke"));
            stand_in.server().trouble(|_| true, broken);
        }
        for count in 1..=2 {
            let at_ms = NOW_MS + count * REST_MS;
            let fault = connector.pull(stream, Some(&first.cursor), at_ms);
            let fault = fault.unwrap_err();
            assert!(matches!(fault, Fault::Broken { .. }), "{fault:?}");
        }
        let (mut pages, _) = pull_all(
            connector.as_ref(),
            stream,
            Some(first.cursor.clone()),
            NOW_MS + HOUR_MS,
        );
        pages.push(first);
        assert!(ids(&pages).len() >= RECORDS, "{stream}: something was lost");
    }
}

pub(crate) fn a_pull_that_meets_trouble_says_so_and_loses_nothing<S: StandIn>() {
    for stream in describe(S::start().kind()).unwrap().streams {
        let stand_in = S::start();
        stand_in.seed(stream, 2);
        let mut busy = stand_in.error(429, "too many requests");
        busy.headers.push(("retry-after", "7".into()));
        let troubles = [
            Trouble::Say(busy),
            Trouble::Hang,
            Trouble::Reset,
            Trouble::Say(stand_in.false_success()),
            Trouble::Say(Reply::text(200, "<html>welcome</html>")),
            Trouble::Say(Reply::text(200, "")),
        ];
        let connector = hasty(&stand_in);
        connector.test(NOW_MS).unwrap();
        for (count, trouble) in troubles.into_iter().enumerate() {
            stand_in.server().trouble(|_| true, trouble);
            let now_ms = NOW_MS + (1 + count as i64) * REST_MS;
            let fault = connector.pull(stream, None, now_ms).unwrap_err();
            let retry_after_ms = fault.retry_after_ms();
            assert_eq!(retry_after_ms, (count == 0).then_some(7_000), "{fault:?}");
        }
        let (pages, _) = pull_all(
            self::connector(&stand_in).as_ref(),
            stream,
            None,
            NOW_MS + HOUR_MS,
        );
        assert!(ids(&pages).len() >= 2);
    }
}

pub(crate) fn a_dry_run_shows_everything_and_writes_nothing<S: StandIn>() {
    let stand_in = S::start();
    let connector = connector(&stand_in);
    let (items, before) = (stand_in.items(), stand_in.written());
    for pushed in push(connector.as_ref(), &items, Mode::DryRun, NOW_MS) {
        let Pushed::WouldWrite { write } = &pushed else {
            panic!("{pushed:?}");
        };
        assert!(!write.key.is_empty());
    }
    assert_eq!(stand_in.written(), before);
    let requests = stand_in.server().requests();
    assert!(!requests.iter().any(S::is_write), "{requests:?}");
    for (index, item) in items.iter().enumerate() {
        let now_ms = NOW_MS + (1 + index as i64) * REST_MS;
        let pushed = push_one(connector.as_ref(), item, now_ms);
        assert!(is_accepted(&pushed), "{pushed:?}");
    }
    assert_ne!(stand_in.written(), before);
}

pub(crate) fn a_busy_provider_is_left_alone_for_as_long_as_it_asks<S: StandIn>() {
    let stand_in = S::start();
    let connector = connector(&stand_in);
    let item = &stand_in.items()[0];
    let mut busy = stand_in.error(429, "too many requests");
    busy.headers.push(("retry-after", "7".into()));
    stand_in.server().trouble(S::is_write, Trouble::Say(busy));
    let pushed = push_one(connector.as_ref(), item, NOW_MS);
    let told = attempt(&pushed);
    assert!(
        matches!(
            told.outcome,
            Outcome::Rejected {
                permanent: false,
                ..
            }
        ),
        "{told:?}"
    );
    assert_eq!(told.retry_after_ms, Some(7_000));
    let count = stand_in.server().requests().len();
    let early = push_one(connector.as_ref(), item, NOW_MS + 6_999);
    assert!(
        matches!(attempt(&early).outcome, Outcome::NotSent { .. }),
        "{early:?}"
    );
    assert_eq!(stand_in.server().requests().len(), count, "it was asked");
    let later = push_one(connector.as_ref(), item, NOW_MS + 7_000);
    assert!(is_accepted(&later), "{later:?}");
}

pub(crate) fn the_documented_rate_is_never_exceeded<S: StandIn>() {
    let stand_in = S::start();
    let connector = connector(&stand_in);
    let limits = describe(stand_in.kind()).unwrap().limits;
    let strictest = limits
        .iter()
        .map(|limit| limit.request_count)
        .min()
        .unwrap();
    let fault = (0..=strictest).find_map(|_| connector.test(NOW_MS).err());
    let wait_ms = fault.and_then(|fault| fault.retry_after_ms()).unwrap();
    assert!(wait_ms > 0);
    assert_eq!(stand_in.server().requests().len(), strictest);
    let longest = limits.iter().map(|limit| limit.window_ms).max().unwrap();
    connector.test(NOW_MS + longest).unwrap();
}

pub(crate) fn one_bad_item_does_not_take_others_with_it<S: StandIn>() {
    let stand_in = S::start();
    let connector = connector(&stand_in);
    let good = stand_in.items();
    let mut items = vec![good[0].clone(), stand_in.bad_item()];
    items.extend(good.get(1).cloned());
    let mut outcomes = push(connector.as_ref(), &items, Mode::Write, NOW_MS);
    assert_eq!(outcomes.len(), items.len());
    for (index, pushed) in outcomes.iter_mut().enumerate() {
        // What found no room within the rate comes later.
        if matches!(attempt(pushed).outcome, Outcome::NotSent { .. }) {
            assert!(attempt(pushed).retry_after_ms.is_some(), "{pushed:?}");
            let now_ms = NOW_MS + (1 + index as i64) * REST_MS;
            *pushed = push_one(connector.as_ref(), &items[index], now_ms);
        }
    }
    let told = attempt(&outcomes[1]);
    let Outcome::Rejected {
        permanent: true,
        reason,
        stage: Stage::Response,
        ..
    } = &told.outcome
    else {
        panic!("{told:?}");
    };
    assert!(!reason.is_empty());
    for index in [0, 2] {
        assert!(outcomes.get(index).is_none_or(is_accepted), "{outcomes:?}");
    }
}

pub(crate) fn each_trouble_gives_the_outcome_that_is_true<S: StandIn>() {
    let reply = |stand_in: &S, status| Trouble::Say(stand_in.error(status, "it broke"));
    let harmless = S::start().repeats_are_harmless();
    for (name, make) in [
        (
            "hang",
            (|_, _| Trouble::Hang) as fn(&S, &dyn Fn(&S, u16) -> Trouble) -> Trouble,
        ),
        ("reset", |_, _| Trouble::Reset),
        ("500", |stand_in, reply| reply(stand_in, 500)),
        ("503", |stand_in, reply| reply(stand_in, 503)),
        ("false success", |stand_in, _| {
            Trouble::Say(stand_in.false_success())
        }),
        ("no JSON", |_, _| {
            Trouble::Say(Reply::text(202, "<html>welcome</html>"))
        }),
        ("redirect", |_, _| {
            let mut reply = Reply::text(302, "");
            reply
                .headers
                .push(("location", "http://127.0.0.1:1/".into()));
            Trouble::Say(reply)
        }),
    ] {
        let stand_in = S::start();
        if stand_in.kind() == "webhook" && matches!(name, "false success" | "no JSON") {
            continue;
        }
        let connector = hasty(&stand_in);
        stand_in
            .server()
            .trouble(S::is_write, make(&stand_in, &reply));
        let pushed = push_one(connector.as_ref(), &stand_in.items()[0], NOW_MS);
        let outcome = &attempt(&pushed).outcome;
        let is_true = match name {
            "hang" | "reset" => matches!(outcome, Outcome::Unknown { .. }),
            "500" if harmless => matches!(
                outcome,
                Outcome::Rejected {
                    permanent: false,
                    ..
                }
            ),
            "500" => matches!(outcome, Outcome::Unknown { .. }),
            "503" => matches!(
                outcome,
                Outcome::Rejected {
                    permanent: false,
                    ..
                }
            ),
            "redirect" => matches!(
                outcome,
                Outcome::Rejected {
                    permanent: true,
                    ..
                }
            ),
            _ => !matches!(outcome, Outcome::Accepted { .. }),
        };
        assert!(is_true, "{name}: {outcome:?}");
    }
}

pub(crate) fn an_answer_after_the_timeout_is_unknown_and_a_repeat_is_one<S: StandIn>() {
    let stand_in = S::start();
    let item = &stand_in.items()[0];
    stand_in.server().trouble(S::is_write, Trouble::Late);
    let pushed = push_one(hasty(&stand_in).as_ref(), item, NOW_MS);
    assert!(
        matches!(attempt(&pushed).outcome, Outcome::Unknown { .. }),
        "{pushed:?}"
    );
    if stand_in.repeats_are_harmless() {
        let once = stand_in.written();
        let connector = connector(&stand_in);
        for count in 1..=2 {
            push_one(connector.as_ref(), item, NOW_MS + count * REST_MS);
        }
        assert_eq!(stand_in.written(), once);
    }
}

pub(crate) fn an_expired_token_is_renewed_once<S: StandIn>() {
    let stand_in = S::start();
    let connector = connector(&stand_in);
    let item = &stand_in.items()[0];
    assert!(is_accepted(&push_one(connector.as_ref(), item, NOW_MS)));
    if !stand_in.expire_token() {
        return;
    }
    let before = stand_in.server().requests().len();
    let pushed = push_one(connector.as_ref(), &stand_in.items()[1], NOW_MS + REST_MS);
    assert!(is_accepted(&pushed), "{pushed:?}");
    let after = stand_in.server().requests().len();
    assert!(after - before <= 6, "{} requests", after - before);
}

pub(crate) fn secrets_and_addresses_are_in_no_reason<S: StandIn>() {
    let stand_in = S::start();
    let items = stand_in.items();
    let settings = stand_in.settings();
    let description = describe(stand_in.kind()).unwrap();
    let secrets: Vec<&String> = description
        .settings
        .iter()
        .filter(|known| known.is_secret)
        .filter_map(|known| settings.get(known.name))
        .collect();
    let list: Vec<&str> = secrets.iter().map(|secret| secret.as_str()).collect();
    let words = format!("you sent {} of anna@example.com", list.join(" and "));
    let mut heard = String::new();
    for (count, status) in [400, 401, 403, 409, 429, 500].into_iter().enumerate() {
        let stand_in = S::start();
        let settings = stand_in.settings();
        let connector = connect(&stand_in, &settings, PATIENT);
        let now_ms = NOW_MS + count as i64 * REST_MS;
        for _ in 0..2 {
            let trouble = Trouble::Say(stand_in.error(status, &words));
            stand_in.server().trouble(S::is_write, trouble);
        }
        if let Some(item) = items.first() {
            let pushed = push_one(connector.as_ref(), item, now_ms);
            heard.push_str(&format!("{pushed:?} {item:?} {}", json!(pushed)));
        }
        let trouble = Trouble::Say(stand_in.error(status, &words));
        stand_in.server().trouble(|_| true, trouble);
        if let Err(fault) = connector.test(now_ms + REST_MS) {
            heard.push_str(&format!("{fault} {fault:?}"));
        }
    }
    for secret in secrets {
        assert!(!heard.contains(secret.as_str()), "{heard}");
    }
    assert!(!heard.contains("@example.com"), "{heard}");
}

/// One test for each rule of the suite; a connector that only pulls has fewer.
#[macro_export]
macro_rules! complies {
    (only pulls: $stand_in:ty) => {
        $crate::complies!(
            $stand_in:
            settings_are_checked
            the_test_tells_right_credentials_from_wrong_ones
            a_pull_pages_resumes_and_repeats_itself
            a_pull_that_fails_is_resumed_at_its_cursor
            a_pull_that_meets_trouble_says_so_and_loses_nothing
            the_documented_rate_is_never_exceeded
            secrets_and_addresses_are_in_no_reason
        );
    };
    ($stand_in:ty) => {
        $crate::complies!(
            $stand_in:
            settings_are_checked
            the_test_tells_right_credentials_from_wrong_ones
            a_pull_pages_resumes_and_repeats_itself
            a_pull_that_fails_is_resumed_at_its_cursor
            a_pull_that_meets_trouble_says_so_and_loses_nothing
            a_dry_run_shows_everything_and_writes_nothing
            a_busy_provider_is_left_alone_for_as_long_as_it_asks
            the_documented_rate_is_never_exceeded
            one_bad_item_does_not_take_others_with_it
            each_trouble_gives_the_outcome_that_is_true
            an_answer_after_the_timeout_is_unknown_and_a_repeat_is_one
            an_expired_token_is_renewed_once
            secrets_and_addresses_are_in_no_reason
        );
    };
    ($stand_in:ty: $($rule:ident)+) => {
        $(
            #[test]
            fn $rule() {
                $crate::harness::$rule::<$stand_in>();
            }
        )+
    };
}
