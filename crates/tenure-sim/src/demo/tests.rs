use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use tenure_core::time::{DAY_MS, Timestamp, zone};

use super::rhythm::{day_of, weekday};
use super::*;

/// 2026-03-02T10:20:30Z, a Monday.
const END_MS: i64 = 1_772_446_830_000;
/// Accounts in the year that most tests look at.
const OBSERVED_ACCOUNT_COUNT: u32 = 100;

fn config(account_count: u32, days: i64) -> DemoConfig {
    DemoConfig {
        seed: 42,
        account_count,
        start_ms: END_MS - days * DAY_MS,
        end_ms: END_MS,
    }
}

/// What one pass over a year of calls shows.
#[derive(Default)]
struct Observed {
    call_count: usize,
    problems: Vec<String>,
    people: BTreeSet<String>,
    accounts: BTreeSet<String>,
    events: BTreeMap<String, usize>,
    /// Sessions by account and day since 1970.
    sessions: BTreeMap<(String, i32), u32>,
    cancelled: BTreeMap<String, i64>,
    upgraded: BTreeMap<String, i64>,
    /// Sessions of people in Berlin by local hour.
    berlin_hours: [u32; 24],
    berliners: BTreeSet<String>,
}

static COMPANY: LazyLock<Company> =
    LazyLock::new(|| Company::new(config(OBSERVED_ACCOUNT_COUNT, 365)));
static YEAR: LazyLock<Observed> = LazyLock::new(|| Observed::of(&COMPANY));

impl Observed {
    fn of(company: &Company) -> Self {
        let mut observed = Self::default();
        let mut last_ms = company.config().start_ms;
        let mut message_ids = BTreeSet::new();
        for call in company.history() {
            observed.call_count += 1;
            if call.timestamp_ms < last_ms || call.timestamp_ms >= company.config().end_ms {
                observed
                    .problems
                    .push(format!("out of order or range: {call:?}"));
            }
            last_ms = call.timestamp_ms;
            observed.look_at(&call);
            if !message_ids.insert(call.message_id) {
                observed.problems.push("a message id twice".into());
            }
        }
        observed
    }

    fn look_at(&mut self, call: &DemoCall) {
        let account = call.account().map(str::to_owned);
        match call.kind {
            CallKind::Identify => self.look_at_person(call),
            CallKind::Group => {
                self.accounts.extend(account.clone());
            }
            CallKind::Track => self.look_at_event(call),
        }
        if account.is_some_and(|account| !self.accounts.contains(&account)) {
            self.problems
                .push(format!("account not introduced: {call:?}"));
        }
        if call
            .user_id
            .as_ref()
            .is_some_and(|user| !self.people.contains(user))
        {
            self.problems
                .push(format!("person not introduced: {call:?}"));
        }
    }

    fn look_at_person(&mut self, call: &DemoCall) {
        let traits = call.traits.as_ref().expect("identify tells traits");
        let user = call.user_id.clone().expect("identify names a person");
        let email = traits.get("email").and_then(|email| email.as_str());
        if email.is_some_and(|email| !email.ends_with(".example.com")) {
            self.problems.push(format!("foreign address: {email:?}"));
        }
        if traits
            .get("timezone")
            .is_some_and(|zone| zone == "Europe/Berlin")
        {
            self.berliners.insert(user.clone());
        }
        self.people.insert(user);
    }

    fn look_at_event(&mut self, call: &DemoCall) {
        let event = call.event.as_deref().expect("track names an event");
        let account = call.account().expect("track names the account").to_owned();
        *self.events.entry(event.to_owned()).or_default() += 1;
        match event {
            "session_started" => {
                if call
                    .user_id
                    .as_ref()
                    .is_some_and(|user| self.berliners.contains(user))
                {
                    let berlin = zone("Europe/Berlin").unwrap();
                    let hour = Timestamp(call.timestamp_ms).in_zone(&berlin).hour();
                    self.berlin_hours[hour as usize] += 1;
                }
                let day = day_of(call.timestamp_ms);
                *self.sessions.entry((account, day)).or_default() += 1;
            }
            "subscription_cancelled" => {
                self.cancelled.insert(account, call.timestamp_ms);
            }
            "subscription_upgraded" => {
                self.upgraded.insert(account, call.timestamp_ms);
            }
            _ => {}
        }
    }

    /// Sessions of an account with `from <= day < to`.
    fn sessions_between(&self, account: &str, from: i32, to: i32) -> u32 {
        let range = (account.to_owned(), from)..(account.to_owned(), to);
        self.sessions.range(range).map(|(_, count)| count).sum()
    }
}

#[test]
fn the_same_seed_gives_the_same_calls() {
    let calls = || Company::new(config(12, 60)).history();
    assert!(calls().eq(calls()));
    let other = DemoConfig {
        seed: 43,
        ..config(12, 60)
    };
    assert!(!calls().eq(Company::new(other).history()));
}

#[test]
fn neighbouring_intervals_together_give_the_whole() {
    let company = Company::new(config(8, 40));
    let (from, to) = (END_MS - 6 * DAY_MS, END_MS + 6 * DAY_MS);
    let whole: Vec<DemoCall> = company.between(from, to).collect();
    let mut parts = Vec::new();
    let step = 7 * 3_600_000 + 13;
    let mut at = from;
    while at < to {
        parts.extend(company.between(at, (at + step).min(to)));
        at += step;
    }
    assert!(whole.len() > 100);
    assert_eq!(whole, parts);
}

#[test]
fn live_calls_go_on_where_the_history_ends_at_any_pace() {
    let company = Company::new(config(8, 40));
    let mut live = company.live(END_MS);
    let mut played = Vec::new();
    for hours in [0, 1, 1, 5, 30, 200] {
        played.extend(live.take_until(END_MS + hours * 3_600_000));
    }
    let expected: Vec<DemoCall> = company.between(END_MS, END_MS + 200 * 3_600_000).collect();
    assert!(expected.len() > 100);
    assert_eq!(played, expected);
}

#[test]
fn calls_stop_at_the_horizon_and_nothing_precedes_the_start() {
    let company = Company::new(config(3, 20));
    let config = company.config();
    let last = company
        .live(config.horizon_ms() - DAY_MS * 7)
        .last()
        .unwrap();
    assert!(last.timestamp_ms < config.horizon_ms());
    assert_eq!(
        company
            .between(config.start_ms - DAY_MS, config.start_ms)
            .count(),
        0
    );
    assert_eq!(company.live(config.horizon_ms()).count(), 0);
}

#[test]
fn calls_are_in_order_unique_addressed_to_example_com_and_refer_only_to_the_introduced() {
    assert_eq!(YEAR.problems.first(), None);
    assert_eq!(YEAR.accounts.len(), OBSERVED_ACCOUNT_COUNT as usize);
    for manager in MANAGERS {
        assert!(manager.email.ends_with("@example.com"));
    }
}

#[test]
fn a_year_has_the_volume_and_the_kinds_of_events_of_a_real_one() {
    assert!(
        (300_000..800_000).contains(&YEAR.call_count),
        "{}",
        YEAR.call_count
    );
    assert!(
        (700..2_500).contains(&YEAR.people.len()),
        "{}",
        YEAR.people.len()
    );
    let count = |event: &str| YEAR.events.get(event).copied().unwrap_or(0);
    for (event, least, most) in [
        ("session_started", 80_000, 300_000),
        ("feature_used", 150_000, 500_000),
        ("report_created", 5_000, 40_000),
        ("export_downloaded", 2_000, 20_000),
        ("api_call", 10_000, 80_000),
        ("invited_teammate", 100, 1_500),
        ("signed_up", 100, 1_500),
        ("subscription_started", 25, 60),
        ("subscription_upgraded", 4, 40),
        ("subscription_renewed", 20, 120),
        ("subscription_cancelled", 8, 35),
        ("invoice_paid", 300, 1_200),
        ("payment_failed", 5, 60),
        ("ticket_opened", 300, 3_000),
        ("ticket_closed", 300, 3_000),
        ("survey_answered", 200, 2_500),
        ("milestone_reached", 80, 250),
        ("limit_reached", 20, 150),
    ] {
        assert!(
            (least..=most).contains(&count(event)),
            "{event}: {}",
            count(event)
        );
    }
}

#[test]
fn weekdays_are_many_times_busier_than_weekends() {
    let mut by_weekday = [0; 7];
    for ((_, day), count) in &YEAR.sessions {
        by_weekday[weekday(*day)] += count;
    }
    let working = by_weekday[..5].iter().sum::<u32>() / 5;
    let weekend = by_weekday[5..].iter().sum::<u32>() / 2;
    assert!((5..20).contains(&(working / weekend)), "{by_weekday:?}");
}

#[test]
fn people_work_by_day_in_their_own_time_zone() {
    let total: u32 = YEAR.berlin_hours.iter().sum();
    let office: u32 = YEAR.berlin_hours[8..18].iter().sum();
    let night: u32 = YEAR.berlin_hours[..5].iter().sum();
    assert!(total > 2_000);
    assert!(
        office > total * 3 / 4 && night < total / 50,
        "{:?}",
        YEAR.berlin_hours
    );
}

#[test]
fn usage_fades_before_a_cancellation_unless_the_cause_is_silent() {
    let truth = COMPANY.ground_truth(END_MS);
    let (mut faded, mut silent) = ((0, 0), (0, 0));
    for account in &truth.accounts {
        let (Some(began), Some(churned)) = (account.decline_began_ms, account.churned_ms) else {
            continue;
        };
        let began = day_of(began);
        let churned = day_of(churned);
        let sums = match account.cause {
            Some(Cause::PaymentFailures | Cause::NoWarning) => &mut silent,
            Some(Cause::NeverOnboarded) | None => continue,
            Some(_) => &mut faded,
        };
        sums.0 += YEAR.sessions_between(&account.account_id, began - 21, began);
        sums.1 += YEAR.sessions_between(&account.account_id, churned - 21, churned);
        assert_eq!(
            YEAR.sessions_between(&account.account_id, churned + 1, churned + 400),
            0
        );
    }
    assert!(faded.0 > 200 && faded.1 * 2 < faded.0, "{faded:?}");
    assert!(silent.0 > 50 && silent.1 * 3 > silent.0 * 2, "{silent:?}");
}

#[test]
fn usage_of_accounts_without_a_decline_stays() {
    let end = day_of(END_MS);
    let (mut autumn, mut late) = (0, 0);
    for account in &COMPANY.ground_truth(END_MS).accounts {
        // Ids rise with the day of sign-up: the first half was there all year.
        let settled = account.account_id.as_str() < "acc_0050";
        if account.cause.is_none() && settled {
            autumn += YEAR.sessions_between(&account.account_id, end - 140, end - 112);
            late += YEAR.sessions_between(&account.account_id, end - 28, end);
        }
    }
    assert!(autumn > 1_000);
    let ratio = f64::from(late) / f64::from(autumn);
    assert!((0.8..1.3).contains(&ratio), "{autumn} then {late}");
}

#[test]
fn the_truth_tells_the_cancellations_and_upgrades_that_the_calls_show() {
    let truth = COMPANY.ground_truth(END_MS);
    let told = |of: fn(&AccountTruth) -> Option<i64>| -> BTreeMap<String, i64> {
        let accounts = truth.accounts.iter();
        accounts
            .filter_map(|account| Some((account.account_id.clone(), of(account)?)))
            .collect()
    };
    assert_eq!(told(|account| account.churned_ms), YEAR.cancelled);
    assert_eq!(told(|account| account.expanded_ms), YEAR.upgraded);
    assert_eq!(truth.by_account().len(), truth.accounts.len());
}

#[test]
fn the_truth_leaves_out_what_is_still_to_come() {
    let middle_ms = END_MS - 180 * DAY_MS;
    let truth = COMPANY.ground_truth(middle_ms);
    let later = COMPANY.ground_truth(END_MS);
    assert!(truth.accounts.len() < later.accounts.len());
    let churned = |truth: &GroundTruth| {
        truth
            .accounts
            .iter()
            .filter(|account| account.churned_ms.is_some())
            .count()
    };
    assert!(churned(&truth) < churned(&later));
    for account in &truth.accounts {
        let instants = [
            account.decline_began_ms,
            account.churned_ms,
            account.recovered_ms,
        ];
        assert!(
            instants.iter().flatten().all(|at| *at < middle_ms),
            "{account:?}"
        );
        assert_eq!(account.cause.is_some(), account.decline_began_ms.is_some());
    }
}

#[test]
fn the_default_company_has_every_cause_in_believable_numbers() {
    let company = Company::new(DemoConfig::ending_at(42, END_MS));
    let truth = company.ground_truth(END_MS);
    assert_eq!(truth.accounts.len(), DEFAULT_ACCOUNT_COUNT as usize);
    let people: usize = company
        .book
        .accounts
        .iter()
        .map(|account| account.people.len())
        .sum();
    assert!((2_000..7_000).contains(&people), "{people}");
    let churned = truth
        .accounts
        .iter()
        .filter(|account| account.churned_ms.is_some());
    assert!(
        (30..90).contains(&churned.clone().count()),
        "{}",
        churned.count()
    );
    let mut causes: BTreeMap<Cause, usize> = BTreeMap::new();
    for account in truth
        .accounts
        .iter()
        .filter(|account| account.churned_ms.is_some())
    {
        *causes
            .entry(account.cause.expect("nobody churns without a cause"))
            .or_default() += 1;
    }
    assert_eq!(causes.len(), 7, "{causes:?}");
    let expanded = truth
        .accounts
        .iter()
        .filter(|account| account.expanded_ms.is_some());
    assert!(
        (20..110).contains(&expanded.clone().count()),
        "{}",
        expanded.count()
    );
    let recovered = truth
        .accounts
        .iter()
        .filter(|account| account.recovered_ms.is_some());
    assert!(recovered.count() >= 8);
}

#[test]
fn calls_and_truth_survive_json() {
    for call in Company::new(config(4, 30)).history().take(2_000) {
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<DemoCall>(&text).unwrap(), call);
    }
    let truth = COMPANY.ground_truth(END_MS);
    let text = serde_json::to_string(&truth).unwrap();
    assert_eq!(serde_json::from_str::<GroundTruth>(&text).unwrap(), truth);
}

#[test]
fn a_call_is_written_in_the_shape_of_the_segment_api() {
    let company = Company::new(config(4, 30));
    let mut session = company
        .history()
        .filter(|call| call.event.as_deref() == Some("session_started"));
    let json = serde_json::to_value(session.next().unwrap()).unwrap();
    assert_eq!(json["type"], "track");
    assert!(json["timestamp"].as_str().unwrap().ends_with('Z'));
    for pointer in [
        "/messageId",
        "/userId",
        "/context/groupId",
        "/properties/device",
    ] {
        assert!(
            json.pointer(pointer)
                .is_some_and(serde_json::Value::is_string),
            "{pointer}"
        );
    }
    assert!(json.get("traits").is_none() && json.get("groupId").is_none());
}
