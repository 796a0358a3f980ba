//! The accounts: who they are and on what terms.

use std::sync::Arc;

use jiff::tz::TimeZone;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::catalog::{INDUSTRIES, LOCATIONS, MANAGERS, NAME_ENDS, NAME_STARTS};
use super::chance::{Purpose, chance, log_uniform, pick, shuffle, stream, weighted};
use super::facts::{self, Fact};
use super::people::{self, Person};
use super::rhythm::{day_of, midnight_ms, office_time_ms, to_utc_ms, weekday, zones};
use super::story::{ExpansionCause, Setting, Story};
use super::stream::Calls;
use super::truth::{AccountTruth, GroundTruth};
use super::{DemoConfig, LIVE_DAYS};

/// Days between renewals.
pub(crate) const TERM_DAYS: i32 = 365;
/// How long before the history the oldest account may have signed up, in days.
const OLDEST_DAYS: i32 = 730;
/// Share of the accounts that sign up within a year.
const NEW_SHARE_PER_YEAR: f64 = 0.4;

/// What an account pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Free,
    Pro,
    Enterprise,
}

impl Plan {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }

    /// Monthly price of a seat in dollars.
    fn seat_price(self) -> u32 {
        match self {
            Self::Free => 0,
            Self::Pro => 14,
            Self::Enterprise => 32,
        }
    }

    /// API calls allowed in 30 days.
    pub(crate) fn api_call_limit(self) -> u32 {
        match self {
            Self::Free => 1_000,
            Self::Pro => 50_000,
            Self::Enterprise => 1_000_000,
        }
    }
}

/// Plan and seats from a day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) from_day: i32,
    pub(crate) plan: Plan,
    pub(crate) seats: u32,
}

impl Terms {
    /// Monthly recurring revenue in dollars.
    pub(crate) fn mrr(&self) -> u32 {
        self.plan.seat_price() * self.seats
    }
}

/// One customer of the demo company, with its whole life. Days count from 1970.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) index: u32,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) industry: &'static str,
    /// Index into [`LOCATIONS`].
    pub(crate) location: usize,
    /// Index into [`MANAGERS`].
    pub(crate) manager: usize,
    pub(crate) signup_day: i32,
    pub(crate) signup_ms: i64,
    /// When it first appears in the calls.
    pub(crate) introduced_ms: i64,
    /// Oldest first, never empty.
    pub(crate) terms: Vec<Terms>,
    pub(crate) story: Story,
    /// The champion first, then an admin.
    pub(crate) people: Vec<Person>,
    /// The sparse part of its life, in order of time.
    pub(crate) facts: Vec<Fact>,
}

impl Account {
    /// What it pays for on a day.
    pub(crate) fn terms_at(&self, day: i32) -> Terms {
        let current = self.terms.iter().rev().find(|terms| terms.from_day <= day);
        *current.unwrap_or(&self.terms[0])
    }

    /// The first renewal after a day.
    pub(crate) fn renewal_after(&self, day: i32) -> i32 {
        let terms_begun = (day - self.signup_day).div_euclid(TERM_DAYS) + 1;
        self.signup_day + terms_begun.max(1) * TERM_DAYS
    }

    /// Whether it was a customer before the history begins.
    pub(crate) fn is_inherited(&self) -> bool {
        self.signup_ms < self.introduced_ms
    }
}

/// The demo company. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Company {
    pub(crate) book: Arc<Book>,
}

/// Everything that is drawn once.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) config: DemoConfig,
    /// Zones of [`LOCATIONS`].
    pub(crate) zones: Vec<TimeZone>,
    pub(crate) accounts: Vec<Account>,
}

impl Company {
    /// Draws the company: all accounts, their people and the planned part of their lives. Takes
    /// some tens of milliseconds for 300 accounts in a release build.
    pub fn new(config: DemoConfig) -> Self {
        let zones = zones();
        let mut rng = stream(config.seed, Purpose::Book, 0, 0);
        let names = shuffled_names(&mut rng);
        let signups = draw_signup_days(&mut rng, &config);
        let accounts = (0_u32..)
            .zip(signups)
            .map(|(index, signup_day)| {
                draw_account(&config, &zones, &names, Newcomer { index, signup_day })
            })
            .collect();
        let book = Book {
            config,
            zones,
            accounts,
        };
        Self {
            book: Arc::new(book),
        }
    }

    /// What it was drawn from.
    pub fn config(&self) -> DemoConfig {
        self.book.config
    }

    /// All calls of the history, in order of time.
    pub fn history(&self) -> Calls {
        self.between(self.book.config.start_ms, self.book.config.end_ms)
    }

    /// All calls from an instant (milliseconds since 1970) to the horizon of the configuration.
    /// The caller decides how fast time runs: see [`Calls::take_until`].
    pub fn live(&self, from_ms: i64) -> Calls {
        self.between(from_ms, self.book.config.horizon_ms())
    }

    /// The calls with `from_ms <= timestamp < to_ms` (milliseconds since 1970), in order of time.
    /// Those before the start of the history or after the horizon do not exist.
    pub fn between(&self, from_ms: i64, to_ms: i64) -> Calls {
        Calls::new(Arc::clone(&self.book), from_ms, to_ms)
    }

    /// What was really going on with each account that had signed up by `as_of_ms` (milliseconds
    /// since 1970), as far as it had happened by then.
    pub fn ground_truth(&self, as_of_ms: i64) -> GroundTruth {
        let accounts = self.book.accounts.iter();
        GroundTruth {
            config: self.book.config,
            as_of_ms,
            accounts: accounts
                .filter(|account| account.introduced_ms < as_of_ms)
                .map(|account| AccountTruth::of(account, as_of_ms))
                .collect(),
        }
    }
}

/// What is known of an account before it is drawn.
#[derive(Clone, Copy)]
struct Newcomer {
    index: u32,
    signup_day: i32,
}

/// Sign-up days of all accounts, rising: inherited ones, new ones, and those of the live part.
fn draw_signup_days(rng: &mut ChaCha8Rng, config: &DemoConfig) -> Vec<i32> {
    let (start, end) = (day_of(config.start_ms), day_of(config.end_ms));
    let years = f64::from(end - start) / f64::from(TERM_DAYS);
    let share = (NEW_SHARE_PER_YEAR * years).clamp(0.0, 0.8);
    // A history of a few days has no room for sign-ups.
    let room = end - start > 10;
    let new_count = if room {
        (f64::from(config.account_count) * share).round() as u32
    } else {
        0
    };
    let live_years = LIVE_DAYS as f64 / f64::from(TERM_DAYS);
    let live_count = f64::from(config.account_count) * NEW_SHARE_PER_YEAR * live_years;
    let mut days = Vec::new();
    let mut draw = |count: u32, from: i32, to: i32| {
        for _ in 0..count {
            let day = rng.random_range(from..to);
            // Few sign up on a weekend.
            let day = if weekday(day) >= 5 && chance(rng, 0.8) {
                day - 2
            } else {
                day
            };
            days.push(day);
        }
    };
    draw(
        config.account_count - new_count,
        start - OLDEST_DAYS,
        start - 2,
    );
    if room {
        draw(new_count, start + 4, end - 2);
    }
    draw(live_count as u32, end + 4, end + LIVE_DAYS as i32 - 10);
    days.sort_unstable();
    days
}

fn shuffled_names(rng: &mut ChaCha8Rng) -> Vec<String> {
    let mut names: Vec<String> = NAME_STARTS
        .iter()
        .flat_map(|start| NAME_ENDS.iter().map(move |end| format!("{start}{end}")))
        .collect();
    shuffle(rng, &mut names);
    names
}

fn draw_account(
    config: &DemoConfig,
    zones: &[TimeZone],
    names: &[String],
    newcomer: Newcomer,
) -> Account {
    let Newcomer { index, signup_day } = newcomer;
    let mut rng = stream(config.seed, Purpose::Account, index, 0);
    let weights: Vec<f64> = LOCATIONS.iter().map(|location| location.weight).collect();
    let location = weighted(&mut rng, &weights);
    let (industry, suffixes) = *pick(&mut rng, &INDUSTRIES);
    let suffix = *pick(&mut rng, &suffixes);
    let (name, domain) = name_account(names, index, suffix);
    let signup_ms = midnight_ms(signup_day)
        + office_time_ms(&mut rng)
        + to_utc_ms(&zones[location], signup_day);
    let start_day = day_of(config.start_ms);
    let terms = draw_terms(&mut rng, signup_day);
    let setting = Setting {
        plan: terms.plan,
        signup_day,
        start_day,
    };
    let mut account = Account {
        index,
        id: format!("acc_{:04}", index + 1),
        name,
        domain,
        industry,
        location,
        manager: weighted(&mut rng, &[1.0; MANAGERS.len()]),
        signup_day,
        signup_ms,
        introduced_ms: signup_ms,
        terms: vec![terms],
        story: Story::draw(&mut rng, &setting),
        people: Vec::new(),
        facts: Vec::new(),
    };
    if signup_ms < config.start_ms {
        // The company connects its systems: all its customers are told, one a second.
        account.introduced_ms = config.start_ms + i64::from(index) * 1_000;
    }
    account.terms.extend(expanded_terms(&mut rng, &account));
    account.people = people::draw(config, zones, &account);
    account.facts = facts::plan(config, zones, &account);
    account
}

/// Name and mail domain; names repeat with a number once all combinations are used.
fn name_account(names: &[String], index: u32, suffix: &str) -> (String, String) {
    let stem = &names[index as usize % names.len()];
    let domain = stem.to_lowercase();
    match index as usize / names.len() {
        0 => (format!("{stem} {suffix}"), format!("{domain}.example.com")),
        round => (
            format!("{stem} {suffix} {}", round + 1),
            format!("{domain}-{}.example.com", round + 1),
        ),
    }
}

fn draw_terms(rng: &mut ChaCha8Rng, signup_day: i32) -> Terms {
    let (plan, low, high) = match weighted(rng, &[0.3, 0.53, 0.17]) {
        0 => (Plan::Free, 3.0, 8.0),
        1 => (Plan::Pro, 8.0, 40.0),
        _ => (Plan::Enterprise, 22.0, 90.0),
    };
    let seats = log_uniform(rng, low, high) as u32;
    Terms {
        from_day: signup_day,
        plan,
        seats,
    }
}

/// The terms after the expansion, if the story has one.
fn expanded_terms(rng: &mut ChaCha8Rng, account: &Account) -> Option<Terms> {
    let growth = account.story.growth?;
    let before = account.terms[0];
    let seats = (f64::from(before.seats) * rng.random_range(1.3..1.7)).ceil() as u32;
    let climbs = growth.cause == ExpansionCause::LimitReached;
    let (plan, seats) = match before.plan {
        Plan::Free => (Plan::Pro, seats.max(8)),
        Plan::Pro if climbs => (Plan::Enterprise, seats.max(20)),
        plan => (plan, seats),
    };
    Some(Terms {
        from_day: growth.expanded_day,
        plan,
        seats,
    })
}
