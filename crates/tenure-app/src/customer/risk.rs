//! The risk of a customer: what the learned model says; where none serves, its health; where there is
//! no health either, a rule, which names a level and its reasons and never a probability.

use tenure_core::define::Audience;
use tenure_core::effect::EnrollmentStatus;
use tenure_core::health::{HealthReading, Zone};
use tenure_core::id::{AccountId, SubjectId};
use tenure_core::plan::Plan;
use tenure_core::program::{Program, ProgramEntry};
use tenure_core::subject::SubjectState;
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_core::value::Value;

use super::known::Known;
use super::usage::Usage;
use crate::error::AppError;
use crate::node::Node;
use crate::query::Query;
use crate::risk::Score;

/// Over how many days use is compared with the days before.
const WINDOW_DAYS: i64 = 30;
/// A renewal within so many days makes risk pressing.
const RENEWAL_DAYS: i64 = 90;
/// Signals of so many days count.
const SIGNAL_DAYS: i64 = 30;
/// Weight of a reason, out of 100, in the sum that makes the level.
const WEIGHT_SILENT: u32 = 60;
const WEIGHT_DROP: u32 = 40;
const WEIGHT_SIGNAL: u32 = 20;
const WEIGHT_RENEWAL: u32 = 20;
/// Use that fell by this part counts as a drop.
const DROP_RATIO: f64 = 0.3;
/// Sums from here on are at risk, or worth watching.
const AT_RISK_FROM: u32 = 60;
const WATCH_FROM: u32 = 30;
/// Version of the rule; it rises with every change of what is above.
const RULE_VERSION: u32 = 1;

/// A probability so many times the rate of all is at risk, or worth watching.
const AT_RISK_TIMES: f64 = 3.0;
const WATCH_TIMES: f64 = 1.5;
/// How many components of health are named.
const COMPONENTS_NAMED: usize = 5;

/// What the statement rests on.
#[derive(Debug, Clone, PartialEq)]
pub enum RiskOrigin {
    /// A model learned from the workspace's history.
    Model(Box<LearnedRisk>),
    /// The health of the account, by the definition of this name.
    Health(String),
    /// The rule of this version.
    Rule(u32),
}

/// What a learned model says, and how good it is.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedRisk {
    /// What it says.
    pub score: Score,
    /// Within how many days.
    pub horizon_days: u32,
    /// When it was learned.
    pub trained_at: Timestamp,
    /// ROC-AUC on moments it was not learned from, and its interval.
    pub roc_auc: (f64, f64, f64),
    /// Share that churns within the horizon.
    pub rate: f64,
}

/// How a customer stands by the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing speaks for leaving.
    Healthy,
    /// Worth a look.
    Watch,
    /// Likely to leave if nothing is done.
    AtRisk,
}

impl Standing {
    /// Written form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Watch => "watch",
            Self::AtRisk => "at_risk",
        }
    }
}

/// Something that speaks for leaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// In words.
    pub text: String,
    /// Out of 100.
    pub weight: u32,
}

/// A program that would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recommended {
    /// Its name.
    pub program: String,
    /// What it is about.
    pub about: String,
    /// Why.
    pub reason: String,
}

/// The risk of a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Risk {
    /// The account.
    pub account: AccountId,
    /// The level; unknown when nothing is known of its use.
    pub standing: Known<Standing>,
    /// What says so.
    pub origin: RiskOrigin,
    /// What speaks for leaving, the weightiest first.
    pub reasons: Vec<Reason>,
    /// Programs that would help, in order.
    pub recommended: Vec<Recommended>,
    /// Revenue of a month that is at stake.
    pub monthly_revenue: Known<f64>,
    /// When the customer's contract renews.
    pub renewal_at: Known<Timestamp>,
}

impl Node {
    /// The risk of a customer.
    pub fn risk(&self, external_id: &str) -> Result<Risk, AppError> {
        let (account, state) = self.customer(external_id)?;
        let now = self.now();
        let since = now.plus_ms(-2 * WINDOW_DAYS * DAY_MS);
        let query = Query::new(self.store().as_ref(), self.salt());
        let usage = query.usage(account, since)?;
        let by_rule = || {
            let reasons = reasons(&state, &usage, now);
            let standing = if state.created_at > since && usage.uses.is_empty() {
                Known::not("nothing the customer did is known yet")
            } else {
                Known::is(standing(&reasons))
            };
            (standing, reasons, RiskOrigin::Rule(RULE_VERSION))
        };
        let (standing, reasons, origin) = match self.learned(account)? {
            Some(learned) => by_model(learned),
            None => self.by_health(account, now)?.unwrap_or_else(by_rule),
        };
        Ok(Risk {
            account,
            standing,
            origin,
            reasons,
            recommended: self.recommended(&state)?,
            monthly_revenue: monthly_revenue(&state),
            renewal_at: renewal_at(&state),
        })
    }

    fn learned(&self, account: AccountId) -> Result<Option<LearnedRisk>, AppError> {
        let Some(model) = self.risk_summary()? else {
            return Ok(None);
        };
        let score = self.risk_score(account)?;
        let quality = &model.quality;
        Ok(score
            .filter(|score| score.version == model.version)
            .map(|score| LearnedRisk {
                score,
                horizon_days: model.horizon_days,
                trained_at: model.trained_at,
                roc_auc: (
                    quality.roc_auc,
                    quality.roc_auc_interval.0,
                    quality.roc_auc_interval.1,
                ),
                rate: quality.churned_count as f64 / quality.row_count.max(1) as f64,
            }))
    }

    fn by_health(&self, account: AccountId, now: Timestamp) -> Result<Option<Told>, AppError> {
        let Some(plan) = self.live().plan() else {
            return Ok(None);
        };
        let query = Query::new(self.store().as_ref(), self.salt());
        let reading = query.health(&plan, SubjectId::Account(account), now)?;
        Ok(reading.and_then(of_health))
    }

    /// Programs whose entry holds for a subject now and in which it is not, by priority.
    pub(super) fn recommended(&self, state: &SubjectState) -> Result<Vec<Recommended>, AppError> {
        let Some(plan) = self.live().plan() else {
            return Ok(Vec::new());
        };
        let mut found: Vec<(i64, Recommended)> = Vec::new();
        let current = plan.programs.iter().filter(|program| {
            program.current
                && program.audience == Audience::Account
                && !plan.paused.contains(&*program.name)
                && !is_inside(state, &program.name)
        });
        for program in current {
            let Some(reason) = holds(&plan, program, state) else {
                continue;
            };
            let definition = self.program(&program.name)?;
            found.push((
                i64::from(definition.priority),
                Recommended {
                    program: definition.name,
                    about: definition.about,
                    reason,
                },
            ));
        }
        found.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        Ok(found.into_iter().map(|(_, program)| program).collect())
    }
}

/// Level, reasons and origin.
type Told = (Known<Standing>, Vec<Reason>, RiskOrigin);

fn by_model(learned: LearnedRisk) -> Told {
    let probability = learned.score.probability;
    let standing = if probability >= AT_RISK_TIMES * learned.rate {
        Standing::AtRisk
    } else if probability >= WATCH_TIMES * learned.rate {
        Standing::Watch
    } else {
        Standing::Healthy
    };
    let raising = learned.score.reasons.iter();
    let raising = raising.filter(|reason| reason.log_odds > 0.0);
    let all: f64 = raising.clone().map(|reason| reason.log_odds).sum();
    let reasons = raising.map(|reason| Reason {
        text: match &reason.value {
            Some(value) => format!("{}: {value}", reason.feature),
            None => format!("{} is not known", reason.feature),
        },
        weight: (100.0 * reason.log_odds / all).round() as u32,
    });
    let reasons = reasons.collect();
    (
        Known::is(standing),
        reasons,
        RiskOrigin::Model(Box::new(learned)),
    )
}

/// Health as risk: its zone, and the components that take most from the score.
fn of_health(reading: HealthReading) -> Option<Told> {
    let standing = match reading.zone? {
        Zone::Healthy => Standing::Healthy,
        Zone::Watch => Standing::Watch,
        Zone::AtRisk => Standing::AtRisk,
    };
    let known = reading.components.iter();
    let known = known.filter_map(|one| Some((one, one.weight, one.score?)));
    let all: f64 = known.clone().map(|(_, weight, _)| weight).sum();
    let mut reasons: Vec<Reason> = known
        .map(|(one, weight, score)| Reason {
            text: one.sentence.clone(),
            weight: (weight / all * (100.0 - score)).round() as u32,
        })
        .filter(|reason| reason.weight > 0)
        .collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.weight));
    reasons.truncate(COMPONENTS_NAMED);
    Some((
        Known::is(standing),
        reasons,
        RiskOrigin::Health(reading.definition),
    ))
}

fn is_inside(state: &SubjectState, program: &str) -> bool {
    state.enrollments.iter().any(|one| {
        *one.program == *program
            && matches!(
                one.status,
                EnrollmentStatus::Active | EnrollmentStatus::HeldOut
            )
    })
}

/// Why a program's entry holds for a subject now.
fn holds(plan: &Plan, program: &Program, state: &SubjectState) -> Option<String> {
    let holds = |index: tenure_core::plan::ConditionIndex| {
        let key = plan.conditions[index.0 as usize].key;
        let held = state.conditions.get(key)?;
        (held.value == Some(true)).then_some(held.since)
    };
    match &program.entry {
        ProgramEntry::When { index, text, .. } => {
            let since = holds(*index)?;
            Some(format!("`{text}` holds since {since}"))
        }
        ProgramEntry::Signal(name) => {
            let signal = plan.signals.iter().find(|signal| signal.name == *name)?;
            let since = holds(signal.condition)?;
            Some(format!("the signal `{name}` holds since {since}"))
        }
        ProgramEntry::Segment { segment, .. } => state
            .in_segment(segment)
            .then(|| format!("the customer is in the segment `{segment}`")),
        _ => None,
    }
}

fn reasons(state: &SubjectState, usage: &Usage, now: Timestamp) -> Vec<Reason> {
    let days_ago = |days: i64| now.plus_ms(-days * DAY_MS);
    let recent = usage.count(days_ago(WINDOW_DAYS), now.plus_ms(1));
    let earlier = usage.count(days_ago(2 * WINDOW_DAYS), days_ago(WINDOW_DAYS));
    let mut reasons = Vec::new();
    let mut add = |weight, text| reasons.push(Reason { text, weight });
    if recent == 0 && earlier > 0 {
        let text = format!("no use of the product in {WINDOW_DAYS} days, {earlier} events before");
        add(WEIGHT_SILENT, text);
    } else if usage.complete && (recent as f64) < earlier as f64 * (1.0 - DROP_RATIO) {
        let text = format!(
            "use fell from {earlier} to {recent} events, {WINDOW_DAYS} days against those before"
        );
        add(WEIGHT_DROP, text);
    }
    for (signal, at) in &state.signals_fired {
        if *at >= days_ago(SIGNAL_DAYS) {
            add(
                WEIGHT_SIGNAL,
                format!("the signal `{signal}` fired at {at}"),
            );
        }
    }
    // A near renewal makes other reasons press; by itself it says nothing.
    if let Some(at) = renewal_at(state).value
        && !reasons.is_empty()
        && at >= now
        && at.since_ms(now) <= RENEWAL_DAYS * DAY_MS
    {
        let days = at.since_ms(now) / DAY_MS;
        reasons.push(Reason {
            text: format!("the contract renews in {days} days"),
            weight: WEIGHT_RENEWAL,
        });
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.weight));
    reasons
}

fn standing(reasons: &[Reason]) -> Standing {
    match reasons.iter().map(|reason| reason.weight).sum::<u32>() {
        AT_RISK_FROM.. => Standing::AtRisk,
        WATCH_FROM.. => Standing::Watch,
        _ => Standing::Healthy,
    }
}

/// The trait `mrr`.
pub(super) fn monthly_revenue(state: &SubjectState) -> Known<f64> {
    let told = state.traits.get("mrr").and_then(Value::as_number);
    Known::some_or(told, "the account has no trait `mrr`")
}

/// The trait `renewal_date`.
pub(super) fn renewal_at(state: &SubjectState) -> Known<Timestamp> {
    let told = state.traits.get("renewal_date").and_then(Value::as_instant);
    Known::some_or(told, "the account has no trait `renewal_date`")
}

#[cfg(test)]
mod tests {
    use super::super::usage::Use;
    use super::*;

    const NOW: Timestamp = Timestamp(200 * DAY_MS);

    fn used(days_ago: &[i64]) -> Usage {
        let uses = days_ago.iter().map(|days| Use {
            at: NOW.plus_ms(-days * DAY_MS),
            person: None,
        });
        Usage {
            uses: uses.collect(),
            complete: true,
        }
    }

    fn customer() -> SubjectState {
        SubjectState::new(SubjectId::Account(AccountId(1)), None, Timestamp(0), 0)
    }

    #[test]
    fn silence_is_at_risk_and_a_drop_is_worth_watching() {
        let level = |usage| standing(&reasons(&customer(), &usage, NOW));
        assert_eq!(level(used(&[40, 41, 42])), Standing::AtRisk);
        assert_eq!(level(used(&[3, 40, 41, 42])), Standing::Watch);
        assert_eq!(level(used(&[3, 4, 5, 40, 41])), Standing::Healthy);
    }

    #[test]
    fn a_near_renewal_makes_a_drop_press_and_says_nothing_alone() {
        let mut customer = customer();
        let renewal = Value::text(NOW.plus_ms(10 * DAY_MS).to_string());
        customer.traits.set("renewal_date", Some(renewal));
        let found = reasons(&customer, &used(&[3, 40, 41, 42]), NOW);
        assert_eq!(standing(&found), Standing::AtRisk);
        assert!(found[1].text.contains("renews in 10 days"), "{found:?}");
        assert!(reasons(&customer, &used(&[1, 2, 3]), NOW).is_empty());
    }

    #[test]
    fn a_learned_probability_is_told_against_the_rate_of_all_and_with_what_raises_it() {
        let learned = |probability| LearnedRisk {
            score: Score {
                version: 3,
                at: NOW,
                probability,
                base_log_odds: -2.0,
                reasons: [("week against month", 1.5), ("plan", -0.5), ("mrr", 0.5)]
                    .map(|(feature, log_odds)| crate::risk::Weighed {
                        feature: feature.to_owned(),
                        value: Some("0.2".to_owned()),
                        log_odds,
                    })
                    .to_vec(),
                other_log_odds: 0.0,
            },
            horizon_days: 60,
            trained_at: NOW,
            roc_auc: (0.9, 0.85, 0.95),
            rate: 0.1,
        };
        let (standing, reasons, _) = by_model(learned(0.31));
        assert_eq!(standing.value, Some(Standing::AtRisk));
        let told: Vec<(&str, u32)> = reasons
            .iter()
            .map(|reason| (reason.text.as_str(), reason.weight))
            .collect();
        assert_eq!(told, [("week against month: 0.2", 75), ("mrr: 0.2", 25)]);
        assert_eq!(by_model(learned(0.2)).0.value, Some(Standing::Watch));
        assert_eq!(by_model(learned(0.1)).0.value, Some(Standing::Healthy));
    }

    #[test]
    fn signals_count_while_they_are_young() {
        let mut customer = customer();
        let fired = |days: i64| NOW.plus_ms(-days * DAY_MS);
        customer.signals_fired.insert("young".into(), fired(2));
        customer.signals_fired.insert("old".into(), fired(60));
        let found = reasons(&customer, &used(&[1, 2]), NOW);
        assert_eq!(found.len(), 1);
        assert!(found[0].text.contains("`young`"));
    }
}
