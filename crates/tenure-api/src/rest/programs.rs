//! Programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tenure_app::node::Node;
use tenure_app::query::ProgramCounts;
use tenure_core::define::{Audience, Entry, ProgramDef};
use tenure_core::id::SubjectId;
use tenure_core::lang::sentence;
use tenure_core::plan::Plan;

use super::guard::Note;
use super::params::{Input, Params};
use super::{Answer, Done, Rows, answer, query};
use crate::ApiState;
use crate::problem::{Code, Problem};

/// A program with its enrollments.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ProgramRow {
    name: String,
    about: String,
    #[schema(value_type = String)]
    audience: Audience,
    /// The plan in which it last changed.
    version: u32,
    paused: bool,
    /// How a subject enters, in words.
    enter: String,
    topic: Option<String>,
    holdout: f64,
    /// Enrollments by status, all versions.
    counts: BTreeMap<String, u64>,
    /// Active enrollments by step.
    steps: Vec<StepRow>,
}

/// How many stand at a step.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StepHeadcountRow)]
pub(super) struct StepRow {
    version: u32,
    step: String,
    count: u64,
}

fn enter_words(entry: &Entry) -> String {
    match entry {
        Entry::When { condition, .. } => format!("when {}", sentence(&condition.expr)),
        Entry::Event {
            event,
            filter: None,
        } => format!("when `{event}` happens"),
        Entry::Event {
            event,
            filter: Some(filter),
        } => format!("when `{event}` happens where {}", sentence(&filter.expr)),
        Entry::Segment { segment, .. } => format!("on entering the segment `{segment}`"),
        Entry::Signal(signal) => format!("when the signal `{signal}` fires"),
        Entry::Schedule(cron) => format!("on the schedule `{cron}`"),
        Entry::Date { property, .. } => format!("at a time relative to the date `{property}`"),
        Entry::Api => "by API or by hand".to_owned(),
        Entry::Broadcast(segment) => format!("once, the members of `{segment}`"),
    }
}

fn row(plan: &Plan, program: &ProgramDef, counts: Option<&ProgramCounts>) -> ProgramRow {
    let version = plan
        .programs
        .iter()
        .find(|known| known.current && *known.name == *program.name);
    let word = |status| match serde_json::to_value(status) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    };
    let statuses = counts.iter().flat_map(|counts| &counts.statuses);
    let steps = counts.iter().flat_map(|counts| &counts.steps);
    ProgramRow {
        name: program.name.clone(),
        about: program.about.clone(),
        audience: program.audience,
        version: version.map_or(plan.version, |program| program.version),
        paused: plan.paused.contains(&program.name),
        enter: enter_words(&program.enter),
        topic: program.topic.clone(),
        holdout: program.holdout,
        counts: statuses
            .map(|(status, count)| (word(status), *count))
            .collect(),
        steps: steps
            .map(|((version, step), count)| StepRow {
                version: *version,
                step: step.to_string(),
                count: *count,
            })
            .collect(),
    }
}

fn rows(node: &Node) -> Result<Vec<ProgramRow>, Problem> {
    let counts = query(node).program_counts()?;
    let plan = node.live().plan();
    let programs = plan.iter().flat_map(|plan| {
        plan.definitions
            .programs
            .iter()
            .map(move |program| (plan, program))
    });
    Ok(programs
        .map(|(plan, program)| row(plan, program, counts.get(program.name.as_str())))
        .collect())
}

/// Programs with their enrollments.
#[utoipa::path(get, path = "/programs", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<ProgramRow>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<ProgramRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        Ok(Rows {
            data: rows(node)?,
            next_cursor: None,
        })
    })
    .await
}

/// One program.
#[utoipa::path(get, path = "/programs/{program}", params(("program" = String, Path)), responses((status = 200, body = ProgramRow)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    params: Params,
) -> Answer<ProgramRow> {
    params.only(&[])?;
    answer(&state, move |node| {
        let found = rows(node)?.into_iter().find(|row| row.name == name);
        found.ok_or_else(|| Problem::not_found("program", &name))
    })
    .await
}

/// Stops a program from acting.
#[utoipa::path(post, path = "/programs/{program}/pause", params(("program" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn pause(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    note: Note,
) -> Answer<Done> {
    act(&state, move |node| set_paused(node, &name, true, &note)).await
}

fn set_paused(node: &Node, program: &str, paused: bool, note: &Note) -> Result<(), Problem> {
    let plan = node.live().plan();
    let before = plan.is_some_and(|plan| plan.paused.contains(program));
    node.pause(program, paused)?;
    note.change(json!({"paused": before}), json!({"paused": paused}));
    Ok(())
}

/// Lets a paused program go on.
#[utoipa::path(post, path = "/programs/{program}/resume", params(("program" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn resume(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    note: Note,
) -> Answer<Done> {
    act(&state, move |node| set_paused(node, &name, false, &note)).await
}

/// Does something that has no answer but that it was done.
pub(super) async fn act(
    state: &ApiState,
    run: impl FnOnce(&Arc<Node>) -> Result<(), Problem> + Send + 'static,
) -> Answer<Done> {
    answer(state, |node| run(node).map(|()| Done {})).await
}

/// Who would enter a program now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PreviewRow {
    program: String,
    /// How a subject enters, in words.
    enter: String,
    /// Subjects that were looked at.
    checked_count: u64,
    /// Whether those were all there are.
    complete: bool,
    /// Those for which the entry holds now, in the sense of `note`; null when entry hangs on
    /// something that happens.
    matching_count: Option<u64>,
    /// What is counted, or why nothing can be.
    note: &'static str,
    /// Of these, those inside already.
    inside_count: u64,
    /// Ids of some who match and are not inside.
    sample: Vec<String>,
}

/// Shows who would enter a program now, and changes nothing.
#[utoipa::path(post, path = "/programs/{program}/preview", params(("program" = String, Path)), responses((status = 200, body = PreviewRow)))]
pub(super) async fn preview(
    State(state): State<ApiState>,
    Path(name): Path<String>,
) -> Answer<PreviewRow> {
    answer(&state, move |node| {
        let definition = node.program(&name)?;
        let plan = node
            .live()
            .plan()
            .ok_or_else(|| Problem::new(Code::Unavailable, "the engine is not open yet"))?;
        let program = plan
            .programs
            .iter()
            .find(|known| known.current && *known.name == *name);
        let program = program.ok_or_else(|| Problem::not_found("program", &name))?;
        let found = query(node).prospects(&plan, program)?;
        Ok(PreviewRow {
            enter: enter_words(&definition.enter),
            program: name,
            checked_count: found.checked_count,
            complete: found.complete,
            matching_count: found.matching_count,
            note: found.note,
            inside_count: found.inside_count,
            sample: found.sample.iter().map(ToString::to_string).collect(),
        })
    })
    .await
}

/// Who is to enter.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Enrolling {
    /// A person's or account's id.
    subject: String,
    /// Key of a keyed enrollment.
    key: Option<String>,
    /// What templates may use as `event`.
    #[serde(default)]
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

fn subject_id(text: &str) -> Result<SubjectId, Problem> {
    text.parse().map_err(|_| {
        Problem::invalid(
            "subject",
            "is not the id of a person (per_…) or account (acc_…)",
        )
    })
}

/// Puts a subject into a program.
#[utoipa::path(post, path = "/programs/{program}/enroll", params(("program" = String, Path)), request_body = Enrolling, responses((status = 200, body = Done)))]
pub(super) async fn enroll(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    note: Note,
    Input(body): Input<Enrolling>,
) -> Answer<Done> {
    let subject = subject_id(&body.subject)?;
    act(&state, move |node| {
        node.enroll(&name, subject, body.key, &body.data)?;
        note.change(
            (),
            json!({"subject": subject.to_string(), "enrolled": true}),
        );
        Ok(())
    })
    .await
}

/// Who is to leave.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Removing {
    /// A person's or account's id.
    subject: String,
}

/// Takes a subject out of a program.
#[utoipa::path(post, path = "/programs/{program}/remove", params(("program" = String, Path)), request_body = Removing, responses((status = 200, body = Done)))]
pub(super) async fn remove(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    note: Note,
    Input(body): Input<Removing>,
) -> Answer<Done> {
    let subject = subject_id(&body.subject)?;
    act(&state, move |node| {
        node.program(&name)?;
        node.remove(&name, subject)?;
        note.change(
            (),
            json!({"subject": subject.to_string(), "enrolled": false}),
        );
        Ok(())
    })
    .await
}

/// To how many a broadcast goes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct BroadcastRow {
    member_count: u64,
}

/// To whom a broadcast goes.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Broadcasting {
    /// Another segment of the same audience than the program's own.
    segment: Option<String>,
}

/// Sends a broadcast to the members its segment has now.
#[utoipa::path(post, path = "/programs/{program}/broadcast", params(("program" = String, Path)), request_body = Broadcasting, responses((status = 200, body = BroadcastRow)))]
pub(super) async fn broadcast(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    note: Note,
    Input(body): Input<Broadcasting>,
) -> Answer<BroadcastRow> {
    answer(&state, move |node| {
        let member_count = node.broadcast(&name, body.segment.as_deref())?;
        note.change(
            (),
            json!({"member_count": member_count, "segment": body.segment}),
        );
        Ok(BroadcastRow { member_count })
    })
    .await
}
