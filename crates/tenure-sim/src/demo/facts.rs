//! The sparse part of an account's life, planned up front: people coming and going, billing,
//! tickets, surveys, milestones, limits.

use jiff::tz::TimeZone;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tenure_core::time::{HOUR_MS, MINUTE_MS};

use super::DemoConfig;
use super::catalog::{MILESTONES, TICKET_CATEGORIES};
use super::chance::{Purpose, bell, chance, exponential, log_uniform, poisson, stream, weighted};
use super::company::{Account, Plan, Terms};
use super::people::Role;
use super::rhythm::{busyness, day_of, midnight_ms, office_time_ms, to_utc_ms};
use super::story::{BILLING_DAYS, Cause, DUNNING_DAYS, End, ExpansionCause};

/// Share of invoices whose first payment fails and whose second succeeds.
const ODD_FAILURES: f64 = 0.02;
/// Days after the first attempt on which a failed payment is tried again.
const RETRY_DAYS: [i32; 3] = [3, 7, 14];
/// Days between two rounds of the NPS survey.
const NPS_DAYS: i32 = 90;
/// Typical days from sign-up to each of [`MILESTONES`].
const MILESTONE_DAYS: [f64; MILESTONES.len()] = [1.0, 5.0, 10.0, 18.0, 32.0];

/// One planned fact.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact {
    pub(crate) at_ms: i64,
    /// Index of the person it is about; none if it is about the account as a whole.
    pub(crate) person: Option<usize>,
    pub(crate) what: What,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    AccountIntroduced,
    PersonIntroduced,
    PersonLeft,
    ChampionNamed,
    Invited {
        invitee: usize,
    },
    Started,
    Upgraded {
        before: Terms,
        after: Terms,
    },
    Renewed,
    Cancelled,
    InvoicePaid {
        number: u32,
        recovered: bool,
    },
    PaymentFailed {
        number: u32,
        attempt: u32,
    },
    TicketOpened {
        number: u32,
        priority: &'static str,
        category: &'static str,
    },
    TicketClosed {
        number: u32,
        hours: u32,
    },
    Surveyed {
        kind: &'static str,
        score: u32,
    },
    MilestoneReached {
        index: usize,
    },
    LimitReached {
        limit: &'static str,
        used_percent: u32,
    },
}

/// Plans all facts of an account from its introduction to the horizon, in order of time.
pub(crate) fn plan(config: &DemoConfig, zones: &[TimeZone], account: &Account) -> Vec<Fact> {
    let horizon_ms = config.horizon_ms();
    let mut planner = Planner {
        rng: stream(config.seed, Purpose::Facts, account.index, 0),
        zone: &zones[account.location],
        account,
        start_day: day_of(account.introduced_ms),
        end_day: account
            .story
            .churn_day()
            .unwrap_or(i32::MAX)
            .min(day_of(horizon_ms)),
        facts: Vec::new(),
    };
    planner.plan_people();
    planner.plan_subscription();
    planner.plan_invoices();
    planner.plan_tickets();
    planner.plan_surveys();
    planner.plan_milestones();
    planner.plan_limits();
    let mut facts = planner.facts;
    let last_ms = cancelled_ms(account, zones)
        .unwrap_or(i64::MAX)
        .min(horizon_ms);
    facts.retain(|fact| (account.introduced_ms..=last_ms).contains(&fact.at_ms));
    // Stable: of facts at one instant, the planned order stays.
    facts.sort_by_key(|fact| fact.at_ms);
    facts
}

/// The cancellation is on its day at three in the afternoon.
fn cancelled_ms(account: &Account, zones: &[TimeZone]) -> Option<i64> {
    let day = account.story.churn_day()?;
    Some(midnight_ms(day) + 15 * HOUR_MS + to_utc_ms(&zones[account.location], day))
}

struct Planner<'a> {
    rng: ChaCha8Rng,
    zone: &'a TimeZone,
    account: &'a Account,
    start_day: i32,
    /// Exclusive.
    end_day: i32,
    facts: Vec<Fact>,
}

impl Planner<'_> {
    fn add(&mut self, at_ms: i64, person: Option<usize>, what: What) {
        self.facts.push(Fact {
            at_ms,
            person,
            what,
        });
    }

    /// Local time on a day.
    fn local_ms(&self, day: i32, of_day_ms: i64) -> i64 {
        midnight_ms(day) + of_day_ms + to_utc_ms(self.zone, day)
    }

    fn office_ms(&mut self, day: i32) -> i64 {
        let of_day_ms = office_time_ms(&mut self.rng);
        self.local_ms(day, of_day_ms)
    }

    /// Somebody who is there on a day, more likely an active person.
    fn somebody(&mut self, day: i32) -> Option<usize> {
        let people = &self.account.people;
        let weights: Vec<f64> = people
            .iter()
            .map(|person| {
                if person.is_there(day) {
                    person.sessions_per_day
                } else {
                    0.0
                }
            })
            .collect();
        (weights.iter().sum::<f64>() > 0.0).then(|| weighted(&mut self.rng, &weights))
    }

    fn plan_people(&mut self) {
        let account = self.account;
        self.add(account.introduced_ms, Some(0), What::AccountIntroduced);
        for (index, person) in account.people.iter().enumerate().skip(1) {
            self.add(person.introduced_ms, Some(index), What::PersonIntroduced);
            let inviter = usize::from(index > 1 && chance(&mut self.rng, 0.4));
            let invited_ms = person.introduced_ms - self.rng.random_range(10..1_200) * MINUTE_MS;
            let by = &account.people[inviter];
            let there = by.left_day.is_none_or(|left| day_of(invited_ms) < left);
            if invited_ms > by.introduced_ms && there {
                self.add(invited_ms, Some(inviter), What::Invited { invitee: index });
            }
        }
        for (index, person) in account.people.iter().enumerate() {
            if let Some(day) = person.left_day {
                let at_ms = self
                    .local_ms(day, 9 * HOUR_MS)
                    .max(person.introduced_ms + 1);
                self.add(at_ms, Some(index), What::PersonLeft);
            }
        }
        if let Some(decline) = account.story.decline_by(Cause::ChampionLeft)
            && let End::Recovered(day) = decline.end
        {
            let at_ms = self.local_ms(day, 10 * HOUR_MS);
            self.add(at_ms, Some(1), What::ChampionNamed);
        }
    }

    fn plan_subscription(&mut self) {
        let account = self.account;
        if !account.is_inherited() {
            self.add(account.signup_ms + 4 * MINUTE_MS, None, What::Started);
        }
        for pair in account.terms.windows(2) {
            let at_ms = self.local_ms(pair[1].from_day, 11 * HOUR_MS);
            let what = What::Upgraded {
                before: pair[0],
                after: pair[1],
            };
            self.add(at_ms, None, what);
        }
        let mut day = account.renewal_after(self.start_day);
        while day < self.end_day {
            if account.terms_at(day).plan != Plan::Free {
                let at_ms = self.local_ms(day, 8 * HOUR_MS);
                self.add(at_ms, None, What::Renewed);
            }
            day = account.renewal_after(day);
        }
        if let Some(day) = account.story.churn_day() {
            let at_ms = self.local_ms(day, 15 * HOUR_MS);
            self.add(at_ms, None, What::Cancelled);
        }
    }

    fn plan_invoices(&mut self) {
        let signup = self.account.signup_day;
        let trouble = self.account.story.decline_by(Cause::PaymentFailures);
        let mut day = signup;
        for number in 1.. {
            day += BILLING_DAYS;
            if day >= self.end_day {
                return;
            }
            if day < self.start_day || self.account.terms_at(day).plan == Plan::Free {
                continue;
            }
            match trouble {
                Some(decline) if day == decline.began_day => {
                    let rescued_day = match decline.end {
                        End::Recovered(day) => day,
                        End::Churned(_) => day + DUNNING_DAYS,
                    };
                    self.fail_payments(number, day, rescued_day);
                    if matches!(decline.end, End::Recovered(_)) {
                        self.pay(number, rescued_day, Payment::Late);
                    }
                }
                _ if chance(&mut self.rng, ODD_FAILURES) => {
                    self.fail_payments(number, day, day + RETRY_DAYS[0]);
                    self.pay(number, day + RETRY_DAYS[0], Payment::Late);
                }
                _ => self.pay(number, day, Payment::AtOnce),
            }
        }
    }

    fn pay(&mut self, number: u32, day: i32, payment: Payment) {
        let at_ms = self.local_ms(day, 6 * HOUR_MS + 12 * MINUTE_MS);
        let recovered = payment == Payment::Late;
        self.add(at_ms, None, What::InvoicePaid { number, recovered });
    }

    /// The first attempt and all retries before a day.
    fn fail_payments(&mut self, number: u32, first_day: i32, until_day: i32) {
        let days = std::iter::once(0)
            .chain(RETRY_DAYS)
            .map(|after| first_day + after);
        for (attempt, day) in (1..).zip(days.take_while(|day| *day < until_day)) {
            let at_ms = self.local_ms(day, 6 * HOUR_MS + 10 * MINUTE_MS);
            self.add(at_ms, None, What::PaymentFailed { number, attempt });
        }
    }

    fn plan_tickets(&mut self) {
        let account = self.account;
        let mut number = 0;
        for day in self.start_day + 2..self.end_day {
            let storm = account.story.suffers(Cause::TicketStorm, day);
            let calm_rate = 0.01 + 0.0018 * account.people.len() as f64;
            let fresh = if day - account.signup_day < 30 {
                2.5
            } else {
                1.0
            };
            let rate = if storm {
                0.35 + calm_rate * 7.0
            } else {
                calm_rate * fresh
            };
            let engagement = account.story.engagement(day).clamp(0.15, 1.2);
            for _ in 0..poisson(&mut self.rng, rate * busyness(day) * engagement) {
                number += 1;
                self.plan_ticket(number, day, storm);
            }
        }
    }

    fn plan_ticket(&mut self, number: u32, day: i32, storm: bool) {
        let Some(person) = self.somebody(day) else {
            return;
        };
        let weights = if storm {
            [0.1, 0.4, 0.5]
        } else {
            [0.35, 0.5, 0.15]
        };
        let priority = ["low", "normal", "high"][weighted(&mut self.rng, &weights)];
        let kinds = if storm {
            [0.1, 0.5, 0.02, 0.3, 0.2, 0.05]
        } else {
            [0.5, 0.2, 0.1, 0.08, 0.15, 0.1]
        };
        let category = TICKET_CATEGORIES[weighted(&mut self.rng, &kinds)];
        let opened_ms = self.office_ms(day);
        let opened = What::TicketOpened {
            number,
            priority,
            category,
        };
        self.add(opened_ms, Some(person), opened);
        let mean_hours = if storm { 80.0 } else { 16.0 };
        let hours = 1.0 + exponential(&mut self.rng, mean_hours);
        let closed_ms = opened_ms + (hours * HOUR_MS as f64) as i64;
        let closed = What::TicketClosed {
            number,
            hours: hours as u32,
        };
        self.add(closed_ms, Some(person), closed);
        let answered_ms = closed_ms + self.rng.random_range(20..600) * MINUTE_MS;
        if chance(&mut self.rng, 0.4) && self.stays(person, answered_ms) {
            let mood = self.account.story.satisfaction(day);
            let score = bell(&mut self.rng, 1.2 + 3.9 * mood, 0.8)
                .round()
                .clamp(1.0, 5.0) as u32;
            let answer = What::Surveyed {
                kind: "csat",
                score,
            };
            self.add(answered_ms, Some(person), answer);
        }
    }

    fn stays(&self, person: usize, at_ms: i64) -> bool {
        let left_day = self.account.people[person].left_day;
        left_day.is_none_or(|left| day_of(at_ms) < left - 1)
    }

    fn plan_surveys(&mut self) {
        let account = self.account;
        let bias = bell(&mut self.rng, 0.0, 0.06);
        let mut day = account.signup_day + self.rng.random_range(40..NPS_DAYS);
        while day < self.end_day {
            let asked = 1 + account.people.len() / 8;
            for _ in 0..asked {
                let answer_day = day + self.rng.random_range(0..6);
                let mood = account.story.satisfaction(answer_day) + bias;
                let score = bell(&mut self.rng, 10.4 * mood, 1.7)
                    .round()
                    .clamp(0.0, 10.0) as u32;
                let at_ms = self.office_ms(answer_day);
                let answers = chance(&mut self.rng, 0.45 * account.story.engagement(day));
                if answers
                    && answer_day > self.start_day + 2
                    && let Some(person) = self.somebody(answer_day)
                {
                    let answer = What::Surveyed { kind: "nps", score };
                    self.add(at_ms, Some(person), answer);
                }
            }
            day += NPS_DAYS;
        }
    }

    fn plan_milestones(&mut self) {
        let stuck = self
            .account
            .story
            .decline_by(Cause::NeverOnboarded)
            .is_some();
        let pace = log_uniform(&mut self.rng, 0.5, 2.2);
        let reached_count = if stuck {
            self.rng.random_range(0..2)
        } else {
            MILESTONES.len() - usize::from(chance(&mut self.rng, 0.25))
        };
        let mut earliest_ms = self.account.signup_ms;
        for (index, days) in MILESTONE_DAYS.iter().take(reached_count).enumerate() {
            let after = days * pace * log_uniform(&mut self.rng, 0.7, 1.4);
            let at_ms = self.office_ms(self.account.signup_day + after as i32);
            earliest_ms = at_ms.max(earliest_ms + HOUR_MS);
            self.add(earliest_ms, None, What::MilestoneReached { index });
        }
    }

    fn plan_limits(&mut self) {
        if let Some(growth) = self.account.story.growth {
            let limit = match growth.cause {
                ExpansionCause::SeatGrowth => "seats",
                ExpansionCause::LimitReached => "api_calls",
            };
            for (before_days, used_percent) in [(20, 80), (11, 90), (4, 100)] {
                let at_ms = self.office_ms(growth.expanded_day - before_days);
                self.add(
                    at_ms,
                    None,
                    What::LimitReached {
                        limit,
                        used_percent,
                    },
                );
            }
        }
        // Now and then one touches a limit for no reason.
        if chance(&mut self.rng, 0.08) {
            let day = self.start_day + self.rng.random_range(10..400);
            let at_ms = self.office_ms(day);
            let what = What::LimitReached {
                limit: "automations",
                used_percent: 80,
            };
            self.add(at_ms, None, what);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Payment {
    AtOnce,
    Late,
}

impl Account {
    /// When it cancelled.
    pub(crate) fn cancelled_ms(&self) -> Option<i64> {
        self.first_ms(|what| matches!(what, What::Cancelled))
    }

    /// When it bought more.
    pub(crate) fn expanded_ms(&self) -> Option<i64> {
        self.first_ms(|what| matches!(what, What::Upgraded { .. }))
    }

    fn first_ms(&self, wanted: impl Fn(&What) -> bool) -> Option<i64> {
        let fact = self.facts.iter().find(|fact| wanted(&fact.what))?;
        Some(fact.at_ms)
    }

    /// How many milestones it has reached before an instant, also before its introduction.
    pub(crate) fn milestones_before(&self, at_ms: i64) -> usize {
        let later = self.facts.iter().filter(|fact| {
            fact.at_ms >= at_ms && matches!(fact.what, What::MilestoneReached { .. })
        });
        match later.map(|fact| &fact.what).next() {
            Some(What::MilestoneReached { index }) => *index,
            // All planned ones are past; an account older than the history has its full set.
            _ if self.is_inherited() => MILESTONES.len() - 1,
            _ => 0,
        }
    }

    /// The person named in the account's traits for a role, when it is introduced.
    pub(crate) fn first_with(&self, role: Role) -> Option<&str> {
        let person = self.people.iter().find(|person| person.role == role)?;
        Some(&person.user_id)
    }
}
