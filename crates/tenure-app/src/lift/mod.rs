//! The effect of a program: what came of those it may act for, against those left alone.
//!
//! Both arms count from the moment of eligibility, whatever happens later (intent to treat), and
//! each subject once, by its first passage. A subject is counted when the time in which its goal
//! counts is over, the same time for both arms, so an early look is not a biased one. The intervals
//! are confidence sequences ([`tenure_learn::lift::Effect`]): valid however often one looks.

mod attribution;
mod history;
mod unit;

use tenure_core::define::Audience;
use tenure_core::plan::Plan;
use tenure_core::program::{Action, GOAL_WATCH_MS, Program};
use tenure_core::time::Timestamp;
use tenure_learn::lift::{Effect, MIN_OF_EACH_ARM, Observation, SampleRatio};

pub use attribution::Attribution;

use crate::customer::{Known, Performance};
use crate::error::AppError;
use crate::node::Node;
use crate::query::Query;
use history::Revenue;
use unit::{Unit, Units};

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;
/// The sizes of the arms are called off when chance gives them with at most this probability.
const RATIO_ERROR: f64 = 0.01;
/// The most subjects whose health is looked up.
const HEALTH_MAX: usize = 20_000;

/// What a program costs, as far as it is told; none of it is guessed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Costs {
    /// Of one message.
    pub per_message: Option<f64>,
    /// Of all incentives together.
    pub incentives: Option<f64>,
    /// Of an hour of work.
    pub per_hour: Option<f64>,
    /// Hours that one task takes.
    pub hours_per_task: Option<f64>,
    /// For how many months the revenue that is kept counts; 1 if not told.
    pub months: Option<f64>,
}

/// A difference of both arms, and what it may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Treated minus held out.
    pub effect: f64,
    /// Smallest that the data do not exclude.
    pub low: f64,
    /// Greatest that the data do not exclude.
    pub high: f64,
}

/// One outcome, measured in both arms.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Subjects that may be acted for, whose time is over.
    pub treated_count: u64,
    /// Subjects left alone, whose time is over.
    pub held_out_count: u64,
    /// Mean outcome of the treated, as it is.
    pub treated_mean: Option<f64>,
    /// Mean outcome of the held out, as it is.
    pub held_out_mean: Option<f64>,
    /// The effect on one subject, adjusted by what was known before it was eligible.
    pub difference: Known<Difference>,
    /// The smallest effect that would be told from zero by now.
    pub detectable: Option<f64>,
    /// How many more subjects it takes to tell the present effect from zero.
    pub subjects_still_needed: Option<u64>,
}

/// Sizes of the arms against those that the hold-out should give.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmSizes {
    /// Share of subjects that should not be held out.
    pub treated_share: f64,
    /// Subjects that are not.
    pub treated_count: u64,
    /// Subjects that are.
    pub held_out_count: u64,
    /// What is wrong, if the sizes cannot be by chance: then no result of the program is to be believed.
    pub warning: Option<String>,
}

/// One arm of a split against the first arm.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// The split.
    pub step: String,
    /// The arm.
    pub arm: String,
    /// The arm it is compared with.
    pub against: String,
    /// Goal rates and their difference.
    pub goal: Measured,
}

/// What a program returned for what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Returns {
    /// Monthly revenue kept or gained by all treated subjects together, with its interval.
    pub revenue_per_month: Known<Difference>,
    /// For how many months it counts.
    pub months: f64,
    /// Of the messages that went out.
    pub cost_of_messages: Known<f64>,
    /// Of incentives.
    pub cost_of_incentives: Known<f64>,
    /// Of the hours that tasks take.
    pub cost_of_hours: Known<f64>,
    /// (revenue - cost) / cost.
    pub ratio: Known<f64>,
}

/// The effect of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Lift {
    /// Subjects whose time is not over yet.
    pub pending_count: u64,
    /// Milliseconds after eligibility in which an outcome counts.
    pub window_ms: i64,
    /// Share that reached the goal.
    pub goal: Measured,
    /// Monthly revenue at the end of the time, adjusted by that at its beginning.
    pub revenue: Known<Measured>,
    /// Health at the end of the time, adjusted by that at its beginning; who left has none, which counts as 0.
    pub health: Known<Measured>,
    /// Sizes of the arms.
    pub arms: ArmSizes,
    /// Arms of splits.
    pub variants: Vec<Variant>,
    /// Money in and out.
    pub returns: Returns,
    /// Goals credited to touches: attribution, not effect.
    pub attribution: Attribution,
    /// Whether everything was read; else only the latest.
    pub complete: bool,
}

impl Node {
    /// The effect of a program. `counted` is what [`Query::performance`] said of it.
    pub fn lift(&self, name: &str, counted: &Performance, costs: &Costs) -> Result<Lift, AppError> {
        let plan = self.live().plan().ok_or(AppError::Stopping)?;
        let program = plan
            .programs
            .iter()
            .find(|program| program.current && *program.name == *name)
            .ok_or_else(|| AppError::NotFound {
                what: "program",
                name: name.to_owned(),
            })?;
        let query = Query::new(self.store().as_ref(), self.salt());
        let (units, complete) = query.units(name)?;
        let now = self.now();
        let window_ms = window_ms(program);
        let treated_share = treated_share(&plan, program);
        let settled = units.settled(now, window_ms);
        let (history, history_complete) = query.revenue(&units)?;
        let frame = Frame {
            settled: &settled,
            window_ms,
            treated_share,
        };
        let revenue = frame.revenue(program.audience, &history);
        Ok(Lift {
            pending_count: (units.first.len() - settled.len()) as u64,
            window_ms,
            goal: frame.goal(),
            health: frame.health(&query)?,
            arms: arm_sizes(&units, treated_share),
            variants: variants(program, &units, &settled),
            returns: returns(&revenue, counted, costs),
            revenue,
            attribution: query.attribute(name, &units, &history)?,
            complete: complete && history_complete && counted.complete,
        })
    }
}

fn window_ms(program: &Program) -> i64 {
    let within_ms = program.goal.as_ref().and_then(|goal| goal.within_ms);
    within_ms.unwrap_or(GOAL_WATCH_MS)
}

/// Probability that an eligible subject is left alone neither by the global hold-out nor by the program's own.
fn treated_share(plan: &Plan, program: &Program) -> f64 {
    if plan.policy.is_transactional(program.topic.as_deref()) {
        return 1.0;
    }
    (1.0 - plan.policy.holdout()) * (1.0 - program.holdout)
}

/// What all outcomes are measured on.
struct Frame<'a> {
    settled: &'a [&'a Unit],
    window_ms: i64,
    treated_share: f64,
}

impl Frame<'_> {
    fn goal(&self) -> Measured {
        let seen = self.settled.iter().map(|unit| Observation {
            treated: !unit.held_out,
            outcome: f64::from(u8::from(unit.goal_at.is_some())),
            before: 0.0,
        });
        measured(self.treated_share, seen)
    }

    fn revenue(&self, audience: Audience, history: &Revenue) -> Known<Measured> {
        if audience == Audience::Person {
            return Known::not("the program is for people; revenue is of accounts");
        }
        // Who counts is known at the beginning of its time, so nothing that came later chooses it.
        let seen: Vec<Observation> = self
            .settled
            .iter()
            .filter_map(|unit| {
                let account = unit.subject.account()?;
                let before = history.at(account, unit.entered_at)?;
                let end = unit.entered_at.plus_ms(self.window_ms);
                Some(Observation {
                    treated: !unit.held_out,
                    outcome: history.at(account, end).unwrap_or(before),
                    before,
                })
            })
            .collect();
        if seen.is_empty() {
            return Known::not(
                "no account had a trait `mrr` when it became eligible and its time is over",
            );
        }
        Known::is(measured(self.treated_share, seen.into_iter()))
    }

    fn health(&self, query: &Query<'_>) -> Result<Known<Measured>, AppError> {
        let mut seen = Vec::new();
        for unit in self.settled.iter().take(HEALTH_MAX) {
            let Some(before) = query.score_at(unit.subject, unit.entered_at)? else {
                continue;
            };
            let end = unit.entered_at.plus_ms(self.window_ms);
            seen.push(Observation {
                treated: !unit.held_out,
                outcome: query.score_at(unit.subject, end)?.unwrap_or(0.0),
                before,
            });
        }
        if seen.is_empty() {
            let reason = "no subject whose time is over had a health when it became eligible";
            return Ok(Known::not(reason));
        }
        Ok(Known::is(measured(self.treated_share, seen.into_iter())))
    }
}

fn measured(treated_share: f64, seen: impl Iterator<Item = Observation>) -> Measured {
    let mut effect = Effect::new(treated_share);
    seen.for_each(|one| effect.add(one));
    let (treated_count, held_out_count) = effect.counts();
    let (treated, held_out) = effect.means();
    let difference = effect.interval(CONFIDENCE).map(|found| Difference {
        effect: found.effect,
        low: found.low,
        high: found.high,
    });
    let still = difference.and_then(|found| effect.subjects_still_needed(found.effect, CONFIDENCE));
    Measured {
        treated_count,
        held_out_count,
        treated_mean: (treated_count > 0).then_some(treated),
        held_out_mean: (held_out_count > 0).then_some(held_out),
        difference: match difference {
            Some(found) => Known::is(found),
            None => Known::not(too_few(treated_share, treated_count, held_out_count)),
        },
        detectable: effect.detectable(CONFIDENCE),
        subjects_still_needed: still,
    }
}

fn too_few(treated_share: f64, treated_count: u64, held_out_count: u64) -> String {
    if held_out_count == 0 && treated_share >= 1.0 {
        return "nobody is held out; give the program `holdout:` to know its effect".to_owned();
    }
    format!(
        "too few to compare: {treated_count} treated and {held_out_count} held out whose time is over, {MIN_OF_EACH_ARM} of each are needed"
    )
}

fn arm_sizes(units: &Units, treated_share: f64) -> ArmSizes {
    let held_out_count = units.first.iter().filter(|unit| unit.held_out).count() as u64;
    let treated_count = units.first.len() as u64 - held_out_count;
    ArmSizes {
        treated_share,
        treated_count,
        held_out_count,
        warning: ratio_warning(treated_share, treated_count, held_out_count),
    }
}

fn ratio_warning(treated_share: f64, treated_count: u64, held_out_count: u64) -> Option<String> {
    if treated_share >= 1.0 || treated_share <= 0.0 {
        return None;
    }
    let ratio = SampleRatio {
        treated_share,
        treated_count,
        held_out_count,
    };
    ratio.is_off(RATIO_ERROR).then(|| {
        let all = (treated_count + held_out_count) as f64;
        format!(
            "{:.1}% are held out where {:.1}% should be, which is not by chance: the hold-out was changed, or subjects are lost in one arm. Do not believe the effect",
            100.0 * held_out_count as f64 / all,
            100.0 * (1.0 - treated_share)
        )
    })
}

/// Every arm of every split against the first arm. Only subjects that reached the split count, and the split is by
/// chance, so both are alike; against the hold-out they would not be.
fn variants(program: &Program, units: &Units, settled: &[&Unit]) -> Vec<Variant> {
    let mut found = Vec::new();
    for step in &program.steps {
        let Action::Split(arms) = &step.action else {
            continue;
        };
        let Some((first, others)) = arms.split_first() else {
            continue;
        };
        let mut taken = first.below;
        for other in others {
            let weight = other.below - taken;
            taken = other.below;
            let share = weight / (weight + first.below);
            let seen = settled.iter().filter_map(|unit| {
                let arm = units.arm(unit.enrollment, &step.name)?;
                let treated = arm == &*other.name;
                (treated || arm == &*first.name).then(|| Observation {
                    treated,
                    outcome: f64::from(u8::from(unit.goal_at.is_some())),
                    before: 0.0,
                })
            });
            found.push(Variant {
                step: step.name.to_string(),
                arm: other.name.to_string(),
                against: first.name.to_string(),
                goal: measured(share, seen),
            });
        }
    }
    found
}

fn returns(revenue: &Known<Measured>, counted: &Performance, costs: &Costs) -> Returns {
    let untold = |what: &str| format!("the cost of {what} is not told; give it as a parameter");
    let steps = counted.steps.values();
    let sent: u64 = steps
        .clone()
        .map(|step| step.message_count("sent") + step.message_count("delivered"))
        .sum();
    let tasks: u64 = steps.map(|step| step.outcome_count("task_created")).sum();
    let hours = costs.per_hour.zip(costs.hours_per_task);
    let messages = costs.per_message.map(|cost| cost * sent as f64);
    let hours = hours.map(|(cost, hours)| cost * hours * tasks as f64);
    let months = costs.months.unwrap_or(1.0);
    let revenue = match revenue {
        Known {
            value: Some(found), ..
        } => times(&found.difference, found.treated_count as f64),
        Known { reason, .. } => Known::not(reason.clone().unwrap_or_default()),
    };
    let told: Vec<f64> = [messages, costs.incentives, hours]
        .into_iter()
        .flatten()
        .collect();
    let ratio = match (revenue.value, told.iter().sum::<f64>()) {
        (Some(found), cost) if cost > 0.0 => Known::is((found.effect * months - cost) / cost),
        (None, _) => Known::not("the revenue that was kept is not known"),
        (_, _) => Known::not("no cost is told"),
    };
    Returns {
        revenue_per_month: revenue,
        months,
        cost_of_messages: Known::some_or(messages, &untold("a message (`cost_per_message`)")),
        cost_of_incentives: Known::some_or(
            costs.incentives,
            &untold("incentives (`cost_of_incentives`)"),
        ),
        cost_of_hours: Known::some_or(
            hours,
            &untold("work (`cost_per_hour` and `hours_per_task`)"),
        ),
        ratio,
    }
}

fn times(found: &Known<Difference>, count: f64) -> Known<Difference> {
    Known {
        value: found.value.map(|found| Difference {
            effect: found.effect * count,
            low: found.low * count,
            high: found.high * count,
        }),
        reason: found.reason.clone(),
    }
}

/// A unit's time is over at this instant.
fn end_of(unit: &Unit, window_ms: i64) -> Timestamp {
    unit.entered_at.plus_ms(window_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_needs_both_arms_and_says_what_is_missing() {
        let seen = |treated| Observation {
            treated,
            outcome: 1.0,
            before: 0.0,
        };
        let none = measured(1.0, (0..60).map(|_| seen(true)));
        assert!(none.difference.reason.unwrap().contains("holdout"));
        let few = measured(0.9, (0..60).map(|place| seen(place > 3)));
        assert!(
            few.difference
                .reason
                .unwrap()
                .contains("56 treated and 4 held out")
        );
        let enough = measured(0.5, (0..200).map(|place| seen(place % 2 == 0)));
        let found = enough.difference.value.unwrap();
        assert!(found.low <= 0.0 && found.high >= 0.0, "{found:?}");
    }

    #[test]
    fn a_lost_arm_is_told_in_words_and_chance_is_not() {
        assert_eq!(ratio_warning(0.9, 905, 95), None);
        assert_eq!(ratio_warning(1.0, 905, 0), None);
        let told = ratio_warning(0.9, 9_900, 100).unwrap();
        assert!(
            told.starts_with("1.0% are held out where 10.0% should be"),
            "{told}"
        );
    }
}
