//! What customer-success systems ask and tell about one customer.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenure_app::customer::{
    Considered, Known, Recommended, Recovery, RecoveryState, Risk, RiskOrigin, Standing,
    StartRecovery, Targets, Trigger, TriggerKind, Triggered,
};
use tenure_core::id::RecoveryId;
use tenure_core::time::Timestamp;

use super::params::{Input, Params};
use super::rows::DecisionRow;
use super::{Answer, answer};
use crate::ApiState;
use crate::problem::{Code, Problem};

/// The longest note or name, in bytes.
const TEXT_BYTES: usize = 2_000;
/// The largest properties of a trigger, in bytes.
const PROPERTIES_BYTES: usize = 32 * 1024;

/// A number that may not be known.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Figure {
    /// Null when it is not known.
    value: Option<f64>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Known<f64>> for Figure {
    fn from(known: Known<f64>) -> Self {
        Self {
            value: known.value,
            reason: known.reason,
        }
    }
}

impl Figure {
    pub(super) fn unknown(reason: &str) -> Self {
        Known::not(reason).into()
    }
}

/// A time that may not be known.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Instant {
    /// Null when it is not known.
    value: Option<String>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Known<Timestamp>> for Instant {
    fn from(known: Known<Timestamp>) -> Self {
        Self {
            value: known.value.map(|at| at.to_string()),
            reason: known.reason,
        }
    }
}

/// What a statement rests on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Origin {
    /// `rule` or `model`.
    kind: &'static str,
    name: String,
    version: String,
    /// Measured quality; null with a reason as long as nothing is measured.
    quality: Figure,
}

fn rule(name: &'static str, version: u32) -> Origin {
    Origin {
        kind: "rule",
        name: name.to_owned(),
        version: version.to_string(),
        quality: Figure::unknown("a rule; no model is trained on this workspace's history yet"),
    }
}

/// What a customer-success system reports.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TriggerBody {
    #[serde(rename = "type")]
    kind: TriggerWord,
    /// Repeats of an id are recorded once.
    message_id: Option<String>,
    /// When it happened (RFC 3339); now unless told.
    occurred_at: Option<String>,
    /// What conditions and templates may use.
    #[serde(default)]
    #[schema(value_type = Object)]
    properties: Map<String, Value>,
}

/// Kinds of trigger.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TriggerWord {
    /// The health crossed a threshold: the event `cs_health_breach`.
    HealthBreach,
    /// A milestone was reached: the event `cs_milestone_reached`.
    Milestone,
    /// The customer may take part in a campaign: the event `cs_campaign_eligible`.
    Eligibility,
}

impl From<TriggerWord> for TriggerKind {
    fn from(word: TriggerWord) -> Self {
        match word {
            TriggerWord::HealthBreach => Self::HealthBreach,
            TriggerWord::Milestone => Self::Milestone,
            TriggerWord::Eligibility => Self::Eligibility,
        }
    }
}

/// What one program made of a trigger.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ConsideredRow {
    program: String,
    /// Whether the trigger led to a decision.
    decided: bool,
    /// The last decision's outcome; null when the program never decided about the customer.
    outcome: Option<&'static str>,
    /// In words.
    reason: String,
    /// What it decided now, in order; without a new decision, the last one of before.
    decisions: Vec<DecisionRow>,
}

impl From<Considered> for ConsideredRow {
    fn from(considered: Considered) -> Self {
        Self {
            program: considered.program,
            decided: considered.decided,
            outcome: considered.decisions.last().map(|row| row.outcome.as_str()),
            reason: considered.reason,
            decisions: considered
                .decisions
                .into_iter()
                .map(DecisionRow::from)
                .collect(),
        }
    }
}

/// What became of a trigger.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TriggerRow {
    customer_id: String,
    account: String,
    event: String,
    /// The message id was known: nothing was recorded.
    repeated: bool,
    recorded_at: Option<String>,
    /// Whether the engine has applied it; else ask `GET /decisions` a little later.
    evaluated: bool,
    /// Every program in force, by name.
    programs: Vec<ConsideredRow>,
}

fn shown(customer_id: String, triggered: Triggered) -> TriggerRow {
    TriggerRow {
        customer_id,
        account: triggered.account.to_string(),
        event: triggered.event.to_string(),
        repeated: triggered.repeated,
        recorded_at: triggered.recorded_at.map(|at| at.to_string()),
        evaluated: triggered.evaluated,
        programs: triggered
            .programs
            .into_iter()
            .map(ConsideredRow::from)
            .collect(),
    }
}

fn instant(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let parse = |text| {
        Timestamp::parse(text).ok_or_else(|| Problem::invalid(field, "is not an RFC 3339 time"))
    };
    text.map(parse).transpose()
}

fn short(field: &str, text: Option<&String>, most_bytes: usize) -> Result<(), Problem> {
    match text {
        Some(text) if text.is_empty() || text.len() > most_bytes => Err(Problem::invalid(
            field,
            format!("must have 1 to {most_bytes} bytes"),
        )),
        _ => Ok(()),
    }
}

/// Records what a customer-success system reports, evaluates it at once, and tells what every
/// program decided.
#[utoipa::path(post, path = "/cs-marketing/triggers/{customer_id}", params(("customer_id" = String, Path, description = "The account's external id")),
    request_body = TriggerBody, responses((status = 200, body = TriggerRow)))]
pub(super) async fn trigger(
    State(state): State<ApiState>,
    Path(customer_id): Path<String>,
    Input(body): Input<TriggerBody>,
) -> Answer<TriggerRow> {
    short("message_id", body.message_id.as_ref(), 256)?;
    let trigger = Trigger {
        kind: body.kind.into(),
        message_id: body.message_id,
        occurred_at: instant("occurred_at", body.occurred_at.as_deref())?,
        properties: body.properties,
    };
    let size = Value::Object(trigger.properties.clone()).to_string().len();
    if size > PROPERTIES_BYTES {
        let detail = format!("`properties` have {size} bytes, over {PROPERTIES_BYTES}");
        return Err(Problem::new(Code::TooLarge, detail).field("properties"));
    }
    let fallback = state.ingest.unique_id();
    answer(&state, move |node| {
        let triggered = node.trigger(&customer_id, &trigger, fallback)?;
        Ok(shown(customer_id, triggered))
    })
    .await
}

/// Something that speaks for leaving.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ReasonRow {
    reason: String,
    /// Out of 100.
    weight: u32,
}

/// A program that fits now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RecommendedRow {
    program: String,
    about: String,
    reason: String,
}

fn recommended(found: Vec<Recommended>) -> Vec<RecommendedRow> {
    found
        .into_iter()
        .map(|one| RecommendedRow {
            program: one.program,
            about: one.about,
            reason: one.reason,
        })
        .collect()
}

/// The risk of a customer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RiskRow {
    customer_id: String,
    account: String,
    /// `healthy`, `watch` or `at_risk`: by the probability against the rate of all, else by health; null when nothing is known of the customer's use.
    level: Option<&'static str>,
    level_reason: Option<String>,
    churn_probability: Figure,
    /// Within how many days; null without a probability.
    horizon_days: Option<u32>,
    reasons: Vec<ReasonRow>,
    /// Programs whose entry holds for the customer now, in order.
    recommended_interventions: Vec<RecommendedRow>,
    monthly_revenue_at_stake: Figure,
    /// Probability times revenue of a month.
    expected_revenue_impact: Figure,
    renewal_at: Instant,
    origin: Origin,
}

/// What the statement on risk rests on, and the learned probability with its horizon.
fn risk_origin(origin: RiskOrigin) -> (Origin, Option<(f64, u32)>) {
    match origin {
        RiskOrigin::Model(learned) => {
            let said = (learned.score.probability, learned.horizon_days);
            let origin = Origin {
                kind: "model",
                name: "churn".to_owned(),
                version: learned.score.version.to_string(),
                quality: Known::is(learned.roc_auc.0).into(),
            };
            (origin, Some(said))
        }
        RiskOrigin::Health(definition) => {
            let origin = Origin {
                kind: "rule",
                name: format!("health:{definition}"),
                version: "1".to_owned(),
                quality: Figure::unknown("health is not measured here; backtest it"),
            };
            (origin, None)
        }
        RiskOrigin::Rule(version) => (rule("use-signals-renewal", version), None),
    }
}

impl From<(String, Risk)> for RiskRow {
    fn from((customer_id, risk): (String, Risk)) -> Self {
        let unlearned = "no churn model serves; a rule names a level, not a probability";
        let (origin, said) = risk_origin(risk.origin);
        let expected = match (said, risk.monthly_revenue.value) {
            (Some((probability, _)), Some(revenue)) => Known::is(probability * revenue),
            (Some(_), None) => Known::not("the account has no trait `mrr`"),
            (None, _) => Known::not(unlearned),
        };
        Self {
            customer_id,
            account: risk.account.to_string(),
            level: risk.standing.value.map(Standing::as_str),
            level_reason: risk.standing.reason,
            churn_probability: match said {
                Some((probability, _)) => Known::is(probability).into(),
                None => Figure::unknown(unlearned),
            },
            horizon_days: said.map(|(_, days)| days),
            reasons: risk
                .reasons
                .into_iter()
                .map(|one| ReasonRow {
                    reason: one.text,
                    weight: one.weight,
                })
                .collect(),
            recommended_interventions: recommended(risk.recommended),
            monthly_revenue_at_stake: risk.monthly_revenue.into(),
            expected_revenue_impact: expected.into(),
            renewal_at: risk.renewal_at.into(),
            origin,
        }
    }
}

/// The risk of a customer, with reasons and what to do.
#[utoipa::path(get, path = "/cs-retention/risk/{customer_id}", params(("customer_id" = String, Path, description = "The account's external id")),
    responses((status = 200, body = RiskRow)))]
pub(super) async fn risk(
    State(state): State<ApiState>,
    Path(customer_id): Path<String>,
    params: Params,
) -> Answer<RiskRow> {
    params.only(&[])?;
    answer(&state, move |node| {
        let risk = node.risk(&customer_id)?;
        Ok((customer_id, risk).into())
    })
    .await
}

/// A save campaign that is run.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecoveryBody {
    /// The account's external id.
    customer_id: String,
    /// The program that is run, if one is.
    campaign_id: Option<String>,
    /// Ask the program to take the account.
    #[serde(default)]
    enroll: bool,
    /// Who runs it.
    owner: Option<String>,
    /// What is done, in a few words.
    note: Option<String>,
}

/// A save campaign as it was confirmed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RecoveryRow {
    id: String,
    customer_id: String,
    account: String,
    campaign_id: Option<String>,
    owner: Option<String>,
    note: Option<String>,
    started_at: String,
}

impl From<Recovery> for RecoveryRow {
    fn from(recovery: Recovery) -> Self {
        Self {
            id: recovery.id.to_string(),
            customer_id: recovery.customer,
            account: recovery.account.to_string(),
            campaign_id: recovery.program,
            owner: recovery.owner,
            note: recovery.note,
            started_at: recovery.started_at.to_string(),
        }
    }
}

/// Confirms that a save campaign is run for a customer.
#[utoipa::path(post, path = "/cs-retention/recovery", request_body = RecoveryBody, responses((status = 200, body = RecoveryRow)))]
pub(super) async fn start_recovery(
    State(state): State<ApiState>,
    Input(body): Input<RecoveryBody>,
) -> Answer<RecoveryRow> {
    short("owner", body.owner.as_ref(), TEXT_BYTES)?;
    short("note", body.note.as_ref(), TEXT_BYTES)?;
    let start = StartRecovery {
        customer: body.customer_id,
        program: body.campaign_id,
        enroll: body.enroll,
        owner: body.owner,
        note: body.note,
    };
    answer(&state, move |node| Ok(node.start_recovery(&start)?.into())).await
}

/// A week of a recovery.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct WeekRow {
    /// Weeks since the start; negative before it.
    week: i64,
    event_count: u64,
    person_count: u64,
}

/// Something that was reached.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MilestoneRow {
    /// `first_use`, `use_back_to_before` or `goal_reached`.
    milestone: &'static str,
    at: String,
}

/// How a recovery goes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TrajectoryRow {
    #[serde(flatten)]
    recovery: RecoveryRow,
    /// Four weeks before the start, and up to half a year since.
    weeks: Vec<WeekRow>,
    /// Events of a week before the start, on average.
    baseline_events_per_week: Figure,
    /// Health since the start.
    health_change: Figure,
    milestones: Vec<MilestoneRow>,
    /// `under_way`, `recovered` or `lost`.
    outcome: &'static str,
    outcome_reason: String,
}

impl From<RecoveryState> for TrajectoryRow {
    fn from(state: RecoveryState) -> Self {
        Self {
            recovery: state.recovery.into(),
            weeks: state
                .weeks
                .into_iter()
                .map(|week| WeekRow {
                    week: week.week,
                    event_count: week.event_count,
                    person_count: week.person_count,
                })
                .collect(),
            baseline_events_per_week: state.baseline.into(),
            health_change: Figure::unknown("no history of health is kept for this customer"),
            milestones: state
                .milestones
                .into_iter()
                .map(|(milestone, at)| MilestoneRow {
                    milestone,
                    at: at.to_string(),
                })
                .collect(),
            outcome: state.outcome.as_str(),
            outcome_reason: state.reason,
        }
    }
}

/// How a recovery goes: use since the start, what was reached, and how it ended.
#[utoipa::path(get, path = "/cs-retention/recovery/{id}", params(("id" = String, Path)), responses((status = 200, body = TrajectoryRow)))]
pub(super) async fn recovery(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<TrajectoryRow> {
    params.only(&[])?;
    let parsed = id.parse();
    let id: RecoveryId = parsed.map_err(|_| Problem::not_found("recovery", &id))?;
    answer(&state, move |node| Ok(node.recovery(id)?.into())).await
}

/// How much of a limit is used.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct LimitRow {
    limit: String,
    used: f64,
}

/// Use against limits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct LimitsRow {
    value: Option<Vec<LimitRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Whether something is so, where that is known.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Flag {
    value: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Names, where they are known.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Names {
    value: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The readiness of a customer to grow.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OpportunityRow {
    customer_id: String,
    account: String,
    /// Milestones reached out of those planned.
    value_realised: Figure,
    usage_of_limits: LimitsRow,
    /// People active in thirty days out of the seats.
    seats_in_use: Figure,
    active_person_count: u64,
    active_person_count_before: u64,
    executive_engagement: Flag,
    renewal_at: Instant,
    monthly_revenue: Figure,
    expected_revenue: Figure,
    /// Products that similar accounts adopted.
    adjacent_products: Names,
    recommended_programs: Vec<RecommendedRow>,
    origin: Origin,
}

/// The readiness of a customer to grow, part by part.
#[utoipa::path(get, path = "/cs-expansion/opportunities/{customer_id}", params(("customer_id" = String, Path, description = "The account's external id")),
    responses((status = 200, body = OpportunityRow)))]
pub(super) async fn opportunity(
    State(state): State<ApiState>,
    Path(customer_id): Path<String>,
    params: Params,
) -> Answer<OpportunityRow> {
    params.only(&[])?;
    answer(&state, move |node| {
        let found = node.opportunity(&customer_id)?;
        let limits = found.usage_of_limits;
        let limit = |(limit, used)| LimitRow { limit, used };
        Ok(OpportunityRow {
            customer_id,
            account: found.account.to_string(),
            value_realised: found.value_realised.into(),
            usage_of_limits: LimitsRow {
                value: limits
                    .value
                    .map(|rows| rows.into_iter().map(limit).collect()),
                reason: limits.reason,
            },
            seats_in_use: found.seats_in_use.into(),
            active_person_count: found.active_people.0,
            active_person_count_before: found.active_people.1,
            executive_engagement: Flag {
                value: found.executive_engagement.value,
                reason: found.executive_engagement.reason,
            },
            renewal_at: found.renewal_at.into(),
            monthly_revenue: found.monthly_revenue.into(),
            expected_revenue: Figure::unknown("no expansion model is trained"),
            adjacent_products: Names {
                value: None,
                reason: Some("products of accounts are not compared yet".to_owned()),
            },
            recommended_programs: recommended(found.recommended),
            origin: rule("expansion-parts", 1),
        })
    })
    .await
}

/// An expansion program to start.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CampaignBody {
    /// The program's name.
    campaign_id: String,
    /// Accounts by external id; or `segment`.
    customers: Option<Vec<String>>,
    /// The present members of a segment; or `customers`.
    segment: Option<String>,
    /// What templates may use as `event`.
    #[serde(default)]
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

/// What was started.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CampaignRow {
    campaign_id: String,
    /// How many were asked to enter; each answer is a decision of its own.
    asked_count: u64,
    /// Customers nobody knows.
    unknown: Vec<String>,
    /// Where conversions are attributed.
    performance: String,
}

/// Starts an expansion program for accounts or a segment.
#[utoipa::path(post, path = "/cs-expansion/campaigns", request_body = CampaignBody, responses((status = 200, body = CampaignRow)))]
pub(super) async fn start_campaign(
    State(state): State<ApiState>,
    Input(body): Input<CampaignBody>,
) -> Answer<CampaignRow> {
    let targets = match (body.customers, body.segment) {
        (Some(customers), None) if !customers.is_empty() => Targets::Customers(customers),
        (None, Some(segment)) => Targets::Segment(segment),
        _ => {
            let reason = "or `segment` is required, one of the two";
            return Err(Problem::invalid("customers", reason));
        }
    };
    answer(&state, move |node| {
        let started = node.start_campaign(&body.campaign_id, &targets, &body.data)?;
        Ok(CampaignRow {
            performance: format!("/api/v1/cs-marketing/performance/{}", started.program),
            campaign_id: started.program,
            asked_count: started.asked_count,
            unknown: started.unknown,
        })
    })
    .await
}
