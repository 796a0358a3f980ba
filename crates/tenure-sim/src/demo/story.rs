//! Why accounts decline and why they grow: the latent drivers behind what can be observed.
//!
//! Each driver begins with a constant daily hazard. A decline ends in a cancellation after a
//! minimum time plus an exponential one, or the account recovers.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::chance::{chance, exponential, weighted};
use super::company::Plan;
use super::rhythm::working_day;

/// Days between invoices.
pub(crate) const BILLING_DAYS: i32 = 30;
/// From the first failed payment to the cancellation, in days.
pub(crate) const DUNNING_DAYS: i32 = 21;

/// Why an account declines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The champion leaves the customer.
    ChampionLeft,
    /// People use the product less and less.
    UsageDecay,
    /// Payments fail until the subscription is cancelled; usage stays as it was.
    PaymentFailures,
    /// Many tickets in a short time, answered slowly.
    TicketStorm,
    /// The account signs up but never gets going.
    NeverOnboarded,
    /// A competitor is tried out: exports first, then usage falls fast.
    Competitor,
    /// A decision from above that nothing announces.
    NoWarning,
}

/// Why an account grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpansionCause {
    /// More and more people use it until the seats run out.
    SeatGrowth,
    /// It runs into a limit of its plan.
    LimitReached,
}

/// How a decline ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Cancelled on this day.
    Churned(i32),
    /// Back to normal from this day on.
    Recovered(i32),
}

/// A decline of an account. Days count from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decline {
    pub(crate) cause: Cause,
    pub(crate) began_day: i32,
    pub(crate) end: End,
}

/// An expansion of an account. Days count from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) cause: ExpansionCause,
    pub(crate) began_day: i32,
    pub(crate) expanded_day: i32,
}

/// The drivers of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Story {
    pub(crate) decline: Option<Decline>,
    pub(crate) growth: Option<Growth>,
}

/// What a story depends on.
pub(crate) struct Setting {
    pub(crate) plan: Plan,
    pub(crate) signup_day: i32,
    /// First day of the history.
    pub(crate) start_day: i32,
}

impl Setting {
    fn is_new(&self) -> bool {
        self.signup_day >= self.start_day
    }
}

/// Daily hazard that gives this probability over a year.
fn daily_hazard(yearly: f64) -> f64 {
    -(1.0 - yearly).ln() / 365.0
}

impl Story {
    /// Draws the story of an account.
    pub(crate) fn draw(rng: &mut impl Rng, setting: &Setting) -> Self {
        let decline = draw_decline(rng, setting);
        let growth = draw_growth(rng, setting);
        let goes_well = growth.expanded_day + 30 < decline.began_day;
        Self {
            decline: Some(decline),
            growth: goes_well.then_some(growth),
        }
    }

    /// The day of the cancellation, if there is one.
    pub(crate) fn churn_day(&self) -> Option<i32> {
        match self.decline?.end {
            End::Churned(day) => Some(day),
            End::Recovered(_) => None,
        }
    }

    /// The decline, if it is this one.
    pub(crate) fn decline_by(&self, cause: Cause) -> Option<Decline> {
        self.decline.filter(|decline| decline.cause == cause)
    }

    /// Whether the account suffers from this on that day.
    pub(crate) fn suffers(&self, cause: Cause, day: i32) -> bool {
        self.decline_by(cause).is_some_and(|decline| {
            let (End::Churned(end) | End::Recovered(end)) = decline.end;
            (decline.began_day..end).contains(&day)
        })
    }

    /// How much the account uses the product, 1 is normal, 0 from the cancellation on.
    pub(crate) fn engagement(&self, day: i32) -> f64 {
        let growth = self.growth.map_or(1.0, |growth| {
            let share = f64::from(day - growth.began_day)
                / f64::from(growth.expanded_day - growth.began_day);
            1.0 + 0.25 * share.clamp(0.0, 1.0)
        });
        growth * self.decline.map_or(1.0, |decline| decline.engagement(day))
    }

    /// How satisfied its people are, 0 to 1.
    pub(crate) fn satisfaction(&self, day: i32) -> f64 {
        const CONTENT: f64 = 0.82;
        let Some(decline) = self.decline else {
            return CONTENT;
        };
        let depth = match decline.cause {
            Cause::PaymentFailures | Cause::NoWarning => 0.0,
            Cause::TicketStorm => 0.55,
            _ => 0.4,
        };
        let share = f64::from(day - decline.began_day) / 30.0;
        let recovered = matches!(decline.end, End::Recovered(end) if day >= end);
        let share = if recovered {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        };
        CONTENT - depth * share
    }
}

impl Decline {
    fn engagement(&self, day: i32) -> f64 {
        let faded = |day: i32| self.faded(f64::from(day - self.began_day));
        match self.end {
            End::Churned(end) if day >= end => 0.0,
            End::Recovered(end) if day >= end => {
                let low = faded(end);
                low + (1.0 - low) * (f64::from(day - end) / 20.0).min(1.0)
            }
            _ => faded(day),
        }
    }

    /// Engagement so many days after the beginning.
    fn faded(&self, days: f64) -> f64 {
        if days < 0.0 {
            return 1.0;
        }
        let (until_effect_days, decay_days, floor) = match self.cause {
            Cause::ChampionLeft => (3.0, 26.0, 0.06),
            Cause::UsageDecay => (0.0, 22.0, 0.03),
            Cause::TicketStorm => (7.0, 28.0, 0.08),
            Cause::Competitor => (10.0, 14.0, 0.03),
            Cause::NeverOnboarded => return (0.45 * (-days / 16.0).exp()).max(0.02),
            Cause::PaymentFailures | Cause::NoWarning => return 1.0,
        };
        (-(days - until_effect_days).max(0.0) / decay_days)
            .exp()
            .max(floor)
    }
}

fn draw_decline(rng: &mut impl Rng, setting: &Setting) -> Decline {
    let (yearly, never_onboarded) = match setting.plan {
        Plan::Free => (0.34, 0.24),
        Plan::Pro => (0.25, 0.12),
        Plan::Enterprise => (0.15, 0.06),
    };
    if setting.is_new() && chance(rng, never_onboarded) {
        return draw_end(rng, Cause::NeverOnboarded, setting.signup_day);
    }
    let earliest = (setting.signup_day + 45).max(setting.start_day + 25);
    let onset = earliest + exponential(rng, 1.0 / daily_hazard(yearly)) as i32;
    let cause = match weighted(rng, &[18.0, 26.0, 14.0, 14.0, 14.0, 8.0]) {
        0 => Cause::ChampionLeft,
        2 if setting.plan != Plan::Free => Cause::PaymentFailures,
        3 => Cause::TicketStorm,
        4 => Cause::Competitor,
        5 => Cause::NoWarning,
        _ => Cause::UsageDecay,
    };
    let began_day = if cause == Cause::PaymentFailures {
        onset + (setting.signup_day - onset).rem_euclid(BILLING_DAYS)
    } else {
        working_day(onset)
    };
    draw_end(rng, cause, began_day)
}

fn draw_end(rng: &mut impl Rng, cause: Cause, began_day: i32) -> Decline {
    let (least_days, mean_days, recovers) = match cause {
        Cause::ChampionLeft => (40, 40.0, 0.3),
        Cause::UsageDecay => (40, 45.0, 0.3),
        Cause::TicketStorm => (35, 35.0, 0.35),
        Cause::Competitor => (35, 30.0, 0.15),
        Cause::NeverOnboarded => (40, 45.0, 0.15),
        Cause::PaymentFailures => (DUNNING_DAYS, 0.0, 0.4),
        Cause::NoWarning => (0, 0.0, 0.0),
    };
    let end = if chance(rng, recovers) {
        let days = if cause == Cause::PaymentFailures {
            7
        } else {
            least_days / 2 + exponential(rng, 20.0) as i32
        };
        End::Recovered(began_day + days)
    } else {
        let day = began_day + least_days + exponential(rng, mean_days) as i32;
        End::Churned(if cause == Cause::PaymentFailures {
            day
        } else {
            working_day(day)
        })
    };
    Decline {
        cause,
        began_day,
        end,
    }
}

fn draw_growth(rng: &mut impl Rng, setting: &Setting) -> Growth {
    let yearly = match setting.plan {
        Plan::Free => 0.3,
        Plan::Pro => 0.34,
        Plan::Enterprise => 0.28,
    };
    let earliest = (setting.signup_day + 60).max(setting.start_day + 10);
    let onset = earliest + exponential(rng, 1.0 / daily_hazard(yearly)) as i32;
    let cause = if setting.plan == Plan::Free || chance(rng, 0.45) {
        ExpansionCause::LimitReached
    } else {
        ExpansionCause::SeatGrowth
    };
    let days = 40 + exponential(rng, 25.0) as i32;
    Growth {
        cause,
        began_day: onset,
        expanded_day: working_day(onset + days),
    }
}
