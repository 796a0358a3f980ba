//! The people of an account.

use jiff::tz::TimeZone;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::DemoConfig;
use super::catalog::{FEATURES, FIRST_NAMES, LAST_NAMES, LOCATIONS};
use super::chance::{Purpose, chance, exponential, pick, shuffle, stream};
use super::company::{Account, Plan};
use super::rhythm::{day_of, midnight_ms, office_time_ms, to_utc_ms, working_day};
use super::story::{Cause, ExpansionCause};

/// Share of the people who leave their employer within a year.
const LEAVERS_PER_YEAR: f64 = 0.08;
/// The most people who join in one growth.
const GROWTH_PEOPLE_MAX: u32 = 30;

/// What a person is to the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Champion,
    Admin,
    ExecutiveSponsor,
    Member,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Champion => "champion",
            Self::Admin => "admin",
            Self::ExecutiveSponsor => "executive_sponsor",
            Self::Member => "member",
        }
    }
}

/// One person. Days count from 1970.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) user_id: String,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: &'static str,
    pub(crate) email: String,
    pub(crate) role: Role,
    /// Index into [`LOCATIONS`].
    pub(crate) location: usize,
    pub(crate) joined_day: i32,
    /// When the person first appears in the calls.
    pub(crate) introduced_ms: i64,
    /// First day on which the person is no longer there.
    pub(crate) left_day: Option<i32>,
    /// On an ordinary working day.
    pub(crate) sessions_per_day: f64,
    /// Indexes into [`FEATURES`], the favourite first.
    pub(crate) features: Vec<u8>,
}

impl Person {
    /// Whether the person has been introduced on an earlier day and is still there.
    pub(crate) fn is_there(&self, day: i32) -> bool {
        self.introduced_ms < midnight_ms(day - 1) && self.left_day.is_none_or(|left| day < left)
    }
}

/// Draws the people of an account: the champion first, then an admin, a sponsor, and members in
/// the order in which they join.
pub(crate) fn draw(config: &DemoConfig, zones: &[TimeZone], account: &Account) -> Vec<Person> {
    let mut rng = stream(config.seed, Purpose::People, account.index, 0);
    let joins = draw_joins(&mut rng, config, account);
    let mut people: Vec<Person> = Vec::with_capacity(joins.len());
    for (nth, (role, joined_day)) in joins.into_iter().enumerate() {
        let person = draw_person(
            &mut rng,
            config,
            zones,
            account,
            Seat {
                nth,
                role,
                joined_day,
            },
        );
        people.push(person);
    }
    people
}

/// Roles and days of joining.
fn draw_joins(rng: &mut ChaCha8Rng, config: &DemoConfig, account: &Account) -> Vec<(Role, i32)> {
    let terms = account.terms[0];
    let signup = account.signup_day;
    let never_onboarded = account.story.decline_by(Cause::NeverOnboarded).is_some();
    let utilisation = rng.random_range(0.5..0.9);
    let planned = ((f64::from(terms.seats) * utilisation) as u32).max(2);
    let first_count = if never_onboarded {
        planned.min(3)
    } else {
        planned
    };
    let mut joins = vec![
        (Role::Champion, signup),
        (Role::Admin, signup + rng.random_range(0..4)),
    ];
    if terms.plan != Plan::Free && first_count >= 4 {
        joins.push((Role::ExecutiveSponsor, signup + rng.random_range(3..20)));
    }
    let mut days = Vec::new();
    while joins.len() + days.len() < first_count as usize {
        days.push(working_day(signup + 1 + exponential(rng, 30.0) as i32));
    }
    if !never_onboarded {
        days.extend(later_joins(rng, config, account, first_count));
    }
    days.sort_unstable();
    joins.extend(days.into_iter().map(|day| (Role::Member, day)));
    let churn_day = account.story.churn_day().unwrap_or(i32::MAX);
    let last_day = day_of(config.horizon_ms()) - 2;
    joins.retain(|(_, day)| *day < churn_day.min(last_day));
    joins
}

/// Newcomers after the first wave: a trickle, and those who fill the seats in a growth.
fn later_joins(
    rng: &mut ChaCha8Rng,
    config: &DemoConfig,
    account: &Account,
    first_count: u32,
) -> Vec<i32> {
    let from = account.signup_day.max(day_of(config.start_ms)) + 30;
    let to = day_of(config.horizon_ms());
    let trickle = f64::from(first_count) * 0.1 * f64::from((to - from).max(1)) / 365.0;
    let mut days = Vec::new();
    for _ in 0..trickle.round() as u32 {
        days.push(working_day(rng.random_range(from..to.max(from + 1))));
    }
    if let Some(growth) = account.story.growth {
        let seats = account.terms[0].seats;
        let free_seats = seats.saturating_sub(first_count).min(GROWTH_PEOPLE_MAX);
        let joiners = match growth.cause {
            ExpansionCause::SeatGrowth => free_seats,
            ExpansionCause::LimitReached => free_seats / 3,
        };
        for _ in 0..joiners {
            days.push(working_day(
                rng.random_range(growth.began_day..growth.expanded_day),
            ));
        }
    }
    days
}

/// The place a person is drawn for.
#[derive(Clone, Copy)]
struct Seat {
    nth: usize,
    role: Role,
    joined_day: i32,
}

fn draw_person(
    rng: &mut ChaCha8Rng,
    config: &DemoConfig,
    zones: &[TimeZone],
    account: &Account,
    seat: Seat,
) -> Person {
    let Seat {
        nth,
        role,
        joined_day,
    } = seat;
    let first_name = *pick(rng, &FIRST_NAMES);
    let last_name = *pick(rng, &LAST_NAMES);
    let remote = chance(rng, 0.08);
    let elsewhere = rng.random_range(0..LOCATIONS.len() as u32) as usize;
    let location = if remote { elsewhere } else { account.location };
    let sessions_per_day = match role {
        Role::Champion => rng.random_range(1.1..1.9),
        Role::Admin => rng.random_range(0.7..1.4),
        Role::ExecutiveSponsor => rng.random_range(0.04..0.15),
        Role::Member => (0.16 + exponential(rng, 0.42)).min(1.7),
    };
    let office_ms = office_time_ms(rng);
    Person {
        user_id: format!("u_{:04}_{nth:03}", account.index + 1),
        first_name,
        last_name,
        email: format!(
            "{}.{}{}@{}",
            first_name.to_lowercase(),
            last_name.to_lowercase(),
            // The number keeps namesakes in one account apart.
            if nth == 0 {
                String::new()
            } else {
                nth.to_string()
            },
            account.domain
        ),
        role,
        location,
        joined_day,
        introduced_ms: introduced_ms(config, zones, account, nth, joined_day, office_ms),
        left_day: draw_left_day(rng, config, account, role, joined_day),
        sessions_per_day,
        features: draw_features(rng, role),
    }
}

/// People who are there when their account is introduced follow it at once, the others appear
/// on their day.
fn introduced_ms(
    config: &DemoConfig,
    zones: &[TimeZone],
    account: &Account,
    nth: usize,
    joined_day: i32,
    office_ms: i64,
) -> i64 {
    let soonest = account.introduced_ms + nth as i64;
    if nth == 0 || joined_day <= day_of(config.start_ms) + 1 {
        return soonest;
    }
    let on_their_day =
        midnight_ms(joined_day) + office_ms + to_utc_ms(&zones[account.location], joined_day);
    on_their_day.max(soonest)
}

fn draw_left_day(
    rng: &mut ChaCha8Rng,
    config: &DemoConfig,
    account: &Account,
    role: Role,
    joined_day: i32,
) -> Option<i32> {
    let mean_days = 365.0 / -(1.0 - LEAVERS_PER_YEAR).ln();
    let drawn = joined_day.max(day_of(config.start_ms)) + 60 + exponential(rng, mean_days) as i32;
    match role {
        Role::Champion => {
            let decline = account.story.decline_by(Cause::ChampionLeft);
            decline.map(|decline| decline.began_day)
        }
        // Admins stay, so that somebody can always be named champion.
        Role::Admin => None,
        Role::ExecutiveSponsor | Role::Member => Some(working_day(drawn)),
    }
}

fn draw_features(rng: &mut ChaCha8Rng, role: Role) -> Vec<u8> {
    let breadth = match role {
        Role::Champion | Role::Admin => rng.random_range(6..=10),
        Role::ExecutiveSponsor => 2,
        Role::Member => rng.random_range(2..=6),
    };
    let mut popular: Vec<u8> = (0..8).collect();
    shuffle(rng, &mut popular);
    let rare = 8..FEATURES.len() as u8;
    popular.into_iter().chain(rare).take(breadth).collect()
}
