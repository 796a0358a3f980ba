//! What came of a program: counts, effect against the hold-out, money, attribution.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use serde::Serialize;
use tenure_app::customer::{Arm, Group, Known, Performance};
use tenure_app::lift::{ArmSizes, Costs, Difference, Lift, Measured, Returns, Variant};
use tenure_core::time::DAY_MS;

use super::customer::Figure;
use super::params::Params;
use super::{Answer, answer, query};
use crate::ApiState;
use crate::problem::Problem;

/// Parameters that tell costs, and for how many months revenue counts.
const COSTS: [&str; 5] = [
    "cost_per_message",
    "cost_of_incentives",
    "cost_per_hour",
    "hours_per_task",
    "months",
];

/// Subjects and how many of them reached the goal.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct GroupRow {
    entered_count: u64,
    goal_count: u64,
    /// Null while nobody entered.
    goal_rate: Option<f64>,
}

impl From<Group> for GroupRow {
    fn from(group: Group) -> Self {
        let rate = group.goal_count as f64 / group.entered_count as f64;
        Self {
            entered_count: group.entered_count,
            goal_count: group.goal_count,
            goal_rate: (group.entered_count > 0).then_some(rate),
        }
    }
}

/// What came of a step.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct StepRow {
    step: String,
    /// Decisions by outcome.
    outcomes: BTreeMap<&'static str, u64>,
    /// Messages by state.
    messages: BTreeMap<&'static str, u64>,
    /// Messages that went out (sent or delivered).
    sent_count: u64,
    /// Messages whose arrival a receipt confirms.
    delivered_count: u64,
    /// Messages a human opened.
    opened_count: u64,
    /// Messages a human clicked in; clicks of security gateways do not count.
    clicked_count: u64,
}

/// An arm of a branch or split.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct VariantRow {
    step: String,
    variant: String,
    result: GroupRow,
}

impl From<Arm> for VariantRow {
    fn from(arm: Arm) -> Self {
        Self {
            step: arm.step,
            variant: arm.arm,
            result: arm.group.into(),
        }
    }
}

/// An interval.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Interval {
    low: Option<f64>,
    high: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Known<Difference>> for Interval {
    fn from(known: Known<Difference>) -> Self {
        Self {
            low: known.value.map(|found| found.low),
            high: known.value.map(|found| found.high),
            reason: known.reason,
        }
    }
}

fn effect(known: &Known<Difference>) -> Figure {
    Known {
        value: known.value.map(|found| found.effect),
        reason: known.reason.clone(),
    }
    .into()
}

/// One outcome in both arms. Only subjects whose time is over count, each once.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EffectRow {
    treated_count: u64,
    held_out_count: u64,
    treated_mean: Option<f64>,
    held_out_mean: Option<f64>,
    /// Effect on one subject, adjusted by what was known before it was eligible.
    effect: Figure,
    /// 95% confidence sequence: valid however often one looks.
    interval: Interval,
    /// Smallest effect that would be told from zero by now.
    detectable_effect: Option<f64>,
    /// How many more subjects it takes to tell the present effect from zero.
    subjects_still_needed: Option<u64>,
}

impl From<Measured> for EffectRow {
    fn from(found: Measured) -> Self {
        Self {
            treated_count: found.treated_count,
            held_out_count: found.held_out_count,
            treated_mean: found.treated_mean,
            held_out_mean: found.held_out_mean,
            effect: effect(&found.difference),
            interval: found.difference.into(),
            detectable_effect: found.detectable,
            subjects_still_needed: found.subjects_still_needed,
        }
    }
}

/// An outcome that may not be known at all.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MaybeEffect {
    /// Null when it is not known.
    value: Option<EffectRow>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Known<Measured>> for MaybeEffect {
    fn from(known: Known<Measured>) -> Self {
        Self {
            value: known.value.map(Into::into),
            reason: known.reason,
        }
    }
}

/// Sizes of the arms.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SampleRatioRow {
    treated_count: u64,
    held_out_count: u64,
    /// Share that the hold-outs ask for.
    expected_held_out_share: f64,
    /// What is wrong, if the sizes cannot be by chance; then no result is to be believed.
    warning: Option<String>,
}

impl From<ArmSizes> for SampleRatioRow {
    fn from(arms: ArmSizes) -> Self {
        Self {
            treated_count: arms.treated_count,
            held_out_count: arms.held_out_count,
            expected_held_out_share: 1.0 - arms.treated_share,
            warning: arms.warning,
        }
    }
}

/// An arm of a split against the first one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct VariantEffectRow {
    step: String,
    variant: String,
    against: String,
    goal: EffectRow,
}

impl From<Variant> for VariantEffectRow {
    fn from(found: Variant) -> Self {
        Self {
            step: found.step,
            variant: found.arm,
            against: found.against,
            goal: found.goal.into(),
        }
    }
}

/// The parts of return on investment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ReturnRow {
    /// Of a month, over all treated subjects whose time is over.
    revenue_kept_or_gained: Figure,
    revenue_interval: Interval,
    /// For how many months that revenue counts.
    months: f64,
    cost_of_messages: Figure,
    cost_of_incentives: Figure,
    cost_of_hours: Figure,
    /// (revenue of these months - cost) / cost.
    return_on_investment: Figure,
}

impl From<Returns> for ReturnRow {
    fn from(found: Returns) -> Self {
        Self {
            revenue_kept_or_gained: effect(&found.revenue_per_month),
            revenue_interval: found.revenue_per_month.into(),
            months: found.months,
            cost_of_messages: found.cost_of_messages.into(),
            cost_of_incentives: found.cost_of_incentives.into(),
            cost_of_hours: found.cost_of_hours.into(),
            return_on_investment: found.ratio.into(),
        }
    }
}

/// Goals credited to touches of the thirty days before. This is attribution, not effect: who would have reached the
/// goal anyway is credited, too.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AttributionRow {
    goal_count: u64,
    first_touch: f64,
    last_touch: f64,
    linear: f64,
    monthly_revenue_last_touch: f64,
    monthly_revenue_linear: f64,
}

/// What came of a program.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PerformanceRow {
    campaign_id: String,
    /// Those the program acted for, every passage.
    treated: GroupRow,
    /// Those left alone to know the difference, every passage.
    held_out: GroupRow,
    sent_count: u64,
    delivered_count: u64,
    opened_count: u64,
    clicked_count: u64,
    /// The effect on the share that reaches the goal, as in `goal_effect`.
    lift: Figure,
    /// 95% confidence sequence of the lift: valid however often one looks.
    lift_interval: Interval,
    /// Days after eligibility in which an outcome counts.
    window_days: f64,
    /// Subjects whose time is not over yet; they are in no effect.
    pending_count: u64,
    goal_effect: EffectRow,
    /// Monthly revenue at the end of the time.
    revenue_effect: MaybeEffect,
    /// Health at the end of the time; who left counts as 0.
    health_effect: MaybeEffect,
    /// Health after, minus before, against the hold-out.
    health_change: Figure,
    sample_ratio: SampleRatioRow,
    steps: Vec<StepRow>,
    variants: Vec<VariantRow>,
    /// Arms of splits against the first arm.
    compared_variants: Vec<VariantEffectRow>,
    return_on_investment: ReturnRow,
    attribution: AttributionRow,
    /// Whether everything was counted, else only the latest 500 000 decisions and messages.
    complete: bool,
    /// Whether opens and clicks were counted over the program's whole life.
    opens_complete: bool,
}

fn step_rows(found: BTreeMap<String, tenure_app::customer::StepResult>) -> Vec<StepRow> {
    let row = |(step, result): (String, tenure_app::customer::StepResult)| StepRow {
        step,
        sent_count: result.message_count("sent") + result.message_count("delivered"),
        delivered_count: result.message_count("delivered"),
        opened_count: result.opened_count,
        clicked_count: result.clicked_count,
        outcomes: result.outcomes,
        messages: result.messages,
    };
    found.into_iter().map(row).collect()
}

fn performance_row(campaign_id: String, counted: Performance, lift: Lift) -> PerformanceRow {
    let steps = step_rows(counted.steps);
    let sum = |count: fn(&StepRow) -> u64| steps.iter().map(count).sum();
    let health_change = match &lift.health.value {
        Some(found) => effect(&found.difference),
        None => Known {
            value: None,
            reason: lift.health.reason.clone(),
        }
        .into(),
    };
    PerformanceRow {
        campaign_id,
        treated: counted.treated.into(),
        held_out: counted.held_out.into(),
        sent_count: sum(|row| row.sent_count),
        delivered_count: sum(|row| row.delivered_count),
        opened_count: sum(|row| row.opened_count),
        clicked_count: sum(|row| row.clicked_count),
        lift: effect(&lift.goal.difference),
        lift_interval: lift.goal.difference.clone().into(),
        window_days: lift.window_ms as f64 / DAY_MS as f64,
        pending_count: lift.pending_count,
        goal_effect: lift.goal.into(),
        revenue_effect: lift.revenue.into(),
        health_effect: lift.health.into(),
        health_change,
        sample_ratio: lift.arms.into(),
        variants: counted.arms.into_iter().map(Into::into).collect(),
        steps,
        compared_variants: lift.variants.into_iter().map(Into::into).collect(),
        return_on_investment: lift.returns.into(),
        attribution: AttributionRow {
            goal_count: lift.attribution.goal_count,
            first_touch: lift.attribution.first_touch,
            last_touch: lift.attribution.last_touch,
            linear: lift.attribution.linear,
            monthly_revenue_last_touch: lift.attribution.revenue_last_touch,
            monthly_revenue_linear: lift.attribution.revenue_linear,
        },
        complete: lift.complete,
        opens_complete: counted.opens_complete,
    }
}

fn costs(params: &Params) -> Result<Costs, Problem> {
    let told = |name: &str| -> Result<Option<f64>, Problem> {
        let told = params.parsed::<f64>(name)?;
        match told {
            Some(amount) if !(amount.is_finite() && amount >= 0.0) => {
                Err(Problem::invalid(name, "must be a number from 0 on"))
            }
            _ => Ok(told),
        }
    };
    Ok(Costs {
        per_message: told(COSTS[0])?,
        incentives: told(COSTS[1])?,
        per_hour: told(COSTS[2])?,
        hours_per_task: told(COSTS[3])?,
        months: told(COSTS[4])?,
    })
}

/// What came of a program, against its hold-out.
#[utoipa::path(get, path = "/cs-marketing/performance/{campaign_id}", params(
    ("campaign_id" = String, Path, description = "The program's name"),
    ("cost_per_message" = Option<f64>, Query, description = "Cost of one message"),
    ("cost_of_incentives" = Option<f64>, Query, description = "Cost of all incentives together"),
    ("cost_per_hour" = Option<f64>, Query, description = "Cost of an hour of work"),
    ("hours_per_task" = Option<f64>, Query, description = "Hours that one task takes"),
    ("months" = Option<f64>, Query, description = "For how many months revenue that is kept counts; 1 if not given")),
    responses((status = 200, body = PerformanceRow)))]
pub(super) async fn performance(
    State(state): State<ApiState>,
    Path(campaign_id): Path<String>,
    params: Params,
) -> Answer<PerformanceRow> {
    let params = params.only(&COSTS)?;
    let costs = costs(&params)?;
    answer(&state, move |node| {
        node.program(&campaign_id)?;
        let counted = query(node).performance(&campaign_id)?;
        let lift = node.lift(&campaign_id, &counted, &costs)?;
        Ok(performance_row(campaign_id, counted, lift))
    })
    .await
}
