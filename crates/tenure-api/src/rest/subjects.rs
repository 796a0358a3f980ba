//! People, accounts and segments.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenure_app::node::Node;
use tenure_app::query::Listed;
use tenure_core::define::{Audience, SegmentDef};
use tenure_core::id::{AccountId, PersonId, SubjectId};
use tenure_core::lang::sentence;
use tenure_core::log::IdentifierKind;
use tenure_core::subject::SubjectState;

use super::guard::Note;
use super::params::{Input, Params, one_more};
use super::rows::{AccountRow, PersonRow, TimelineRow};
use super::sparse::Fields;
use super::{Answer, Done, Rows, answer, query};
use crate::ApiState;
use crate::problem::Problem;

pub(super) fn known(node: &Node, subject: SubjectId) -> Result<SubjectState, Problem> {
    let what = if subject.person().is_some() {
        "person"
    } else {
        "account"
    };
    let state = query(node).subject(subject)?;
    let mut state = state.ok_or_else(|| Problem::not_found(what, &subject.to_string()))?;
    if let Some(plan) = node.live().plan() {
        let names = plan.segments.iter().map(|segment| segment.name.as_ref());
        let segments = query(node).segments_of(state.id, names)?;
        state.segments = segments.into_iter().map(Into::into).collect();
    }
    Ok(state)
}

/// Fields of a person's row.
const PERSON_FIELDS: &[&str] = &[
    "id",
    "user_id",
    "user_ids",
    "anonymous_ids",
    "emails",
    "account",
    "traits",
    "segments",
    "consents",
    "suppressed",
    "created_at",
    "seen_at",
];
/// Fields of an account's row.
const ACCOUNT_FIELDS: &[&str] = &[
    "id",
    "external_id",
    "traits",
    "segments",
    "health_zone",
    "health_score",
    "created_at",
    "seen_at",
];

/// Members of a segment, as subjects, in id order.
fn of_segment(
    node: &Node,
    segment: &str,
    audience: Audience,
    page: &tenure_store::Page,
) -> Result<Listed<SubjectState>, Problem> {
    let plan = node.live().plan();
    let found = plan.as_ref().and_then(|plan| plan.segment(segment));
    let found = found.ok_or_else(|| Problem::not_found("segment", segment))?;
    if found.audience != audience {
        return Err(Problem::invalid(
            "segment",
            "holds subjects of another kind",
        ));
    }
    let rows = node.store().members(segment, &one_more(page))?;
    let listed = Listed::cut(rows, page.limit, |member| member.subject.to_string());
    let mut states = Vec::with_capacity(listed.rows.len());
    for member in &listed.rows {
        states.extend(query(node).subject(member.subject)?);
    }
    Ok(Listed {
        rows: states,
        next: listed.next,
    })
}

pub(super) fn person_id(text: &str) -> Result<PersonId, Problem> {
    text.parse().map_err(|_| Problem::not_found("person", text))
}

pub(super) fn account_id(text: &str) -> Result<AccountId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("account", text))
}

/// People: all, of an account, or by a name.
#[utoipa::path(get, path = "/people", params(
    ("user_id" = Option<String>, Query), ("anonymous_id" = Option<String>, Query), ("email" = Option<String>, Query),
    ("account" = Option<String>, Query, description = "Id or external id"),
    ("segment" = Option<String>, Query, description = "Only members of this segment"),
    ("fields" = Option<String>, Query, description = "Only these fields, such as `id,user_id,traits.plan`"),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<PersonRow>)))]
pub(super) async fn people(State(state): State<ApiState>, params: Params) -> Answer<Rows<Value>> {
    let params = params.only(&[
        "user_id",
        "anonymous_id",
        "email",
        "account",
        "segment",
        "fields",
        "cursor",
        "limit",
    ])?;
    let page = params.page()?;
    let fields = Fields::of(&params, PERSON_FIELDS)?;
    answer(&state, move |node| {
        for (name, kind) in [
            ("user_id", IdentifierKind::UserId),
            ("anonymous_id", IdentifierKind::AnonymousId),
            ("email", IdentifierKind::Email),
        ] {
            if let Some(text) = params.text(name) {
                let found = query(node).person_named(kind, &text)?;
                let found = found
                    .map(|id| known(node, SubjectId::Person(id)))
                    .transpose();
                // A name that is bound before anything is stored of the person yet.
                let rows = found
                    .ok()
                    .flatten()
                    .into_iter()
                    .map(|state| fields.pick(&PersonRow::from(state)))
                    .collect();
                return Ok(Listed { rows, next: None }.into());
            }
        }
        let listed = match (params.text("account"), params.text("segment")) {
            (Some(_), Some(_)) => {
                let reason = "and `account` cannot be given together";
                return Err(Problem::invalid("segment", reason));
            }
            (None, Some(segment)) => of_segment(node, &segment, Audience::Person, &page)?,
            (Some(text), None) => {
                let account = text
                    .parse()
                    .unwrap_or_else(|_| query(node).account_named(&text));
                query(node).people_of(account, &page)?
            }
            (None, None) => query(node).subjects(Audience::Person, &page)?,
        };
        Ok(listed
            .map(|state| fields.pick(&PersonRow::from(state)))
            .into())
    })
    .await
}

/// One person.
#[utoipa::path(get, path = "/people/{person}", params(("person" = String, Path)), responses((status = 200, body = PersonRow)))]
pub(super) async fn person(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<PersonRow> {
    params.only(&[])?;
    let id = person_id(&id)?;
    answer(&state, move |node| {
        known(node, SubjectId::Person(id)).map(PersonRow::from)
    })
    .await
}

/// What happened to a person, the latest first.
#[utoipa::path(get, path = "/people/{person}/timeline", params(("person" = String, Path),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<TimelineRow>)))]
pub(super) async fn person_timeline(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<Rows<TimelineRow>> {
    timeline(&state, SubjectId::Person(person_id(&id)?), params).await
}

/// Accounts: all, or by external id.
#[utoipa::path(get, path = "/accounts", params(("external_id" = Option<String>, Query),
    ("segment" = Option<String>, Query, description = "Only members of this segment"),
    ("fields" = Option<String>, Query, description = "Only these fields, such as `id,external_id,traits.plan`"),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<AccountRow>)))]
pub(super) async fn accounts(State(state): State<ApiState>, params: Params) -> Answer<Rows<Value>> {
    let params = params.only(&["external_id", "segment", "fields", "cursor", "limit"])?;
    let page = params.page()?;
    let fields = Fields::of(&params, ACCOUNT_FIELDS)?;
    answer(&state, move |node| {
        if let Some(text) = params.text("external_id") {
            let id = SubjectId::Account(query(node).account_named(&text));
            let found = query(node)
                .subject(id)?
                .map(|_| known(node, id))
                .transpose()?;
            let rows = found
                .into_iter()
                .map(|state| fields.pick(&AccountRow::from(state)))
                .collect();
            return Ok(Listed { rows, next: None }.into());
        }
        let listed = match params.text("segment") {
            Some(segment) => of_segment(node, &segment, Audience::Account, &page)?,
            None => query(node).subjects(Audience::Account, &page)?,
        };
        Ok(listed
            .map(|state| fields.pick(&AccountRow::from(state)))
            .into())
    })
    .await
}

/// One account.
#[utoipa::path(get, path = "/accounts/{account}", params(("account" = String, Path)), responses((status = 200, body = AccountRow)))]
pub(super) async fn account(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<AccountRow> {
    params.only(&[])?;
    let id = account_id(&id)?;
    answer(&state, move |node| {
        known(node, SubjectId::Account(id)).map(AccountRow::from)
    })
    .await
}

/// What happened to an account and its people, the latest first.
#[utoipa::path(get, path = "/accounts/{account}/timeline", params(("account" = String, Path),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<TimelineRow>)))]
pub(super) async fn account_timeline(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<Rows<TimelineRow>> {
    timeline(&state, SubjectId::Account(account_id(&id)?), params).await
}

async fn timeline(
    state: &ApiState,
    subject: SubjectId,
    params: Params,
) -> Answer<Rows<TimelineRow>> {
    let params = params.only(&["cursor", "limit"])?;
    let page = params.page()?;
    let before = params.parsed("cursor")?;
    answer(state, move |node| {
        let subject = known(node, subject)?.id;
        let listed = query(node).timeline(subject, before, page.limit)?;
        Ok(listed.map(TimelineRow::from).into())
    })
    .await
}

/// A person's choice.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// The topic; without one, all marketing.
    topic: Option<String>,
    /// Whether the person wants it.
    subscribed: bool,
}

/// Notes a person's choice about a topic, or about all marketing.
#[utoipa::path(post, path = "/people/{person}/consent", params(("person" = String, Path)), request_body = Choice, responses((status = 200, body = Done)))]
pub(super) async fn consent(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    note: Note,
    Input(choice): Input<Choice>,
) -> Answer<Done> {
    let id = person_id(&id)?;
    answer(&state, move |node| {
        known(node, SubjectId::Person(id))?;
        node.consent(id, choice.topic.as_deref(), choice.subscribed)?;
        note.change(
            (),
            json!({"topic": choice.topic, "subscribed": choice.subscribed}),
        );
        Ok(Done {})
    })
    .await
}

/// Whether anything may go to a person's address.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Suppression {
    /// True: nothing goes to the address any more.
    suppressed: bool,
    /// Why.
    reason: Option<String>,
}

/// Suppresses a person's address, or lifts that.
#[utoipa::path(post, path = "/people/{person}/suppress", params(("person" = String, Path)), request_body = Suppression, responses((status = 200, body = Done)))]
pub(super) async fn suppress(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    note: Note,
    Input(wish): Input<Suppression>,
) -> Answer<Done> {
    let id = person_id(&id)?;
    answer(&state, move |node| {
        known(node, SubjectId::Person(id))?;
        node.suppress(
            id,
            wish.suppressed,
            wish.reason.as_deref().unwrap_or("by hand"),
        )?;
        note.change((), json!({"suppressed": wish.suppressed}));
        Ok(Done {})
    })
    .await
}

/// A segment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SegmentRow {
    name: String,
    about: String,
    #[schema(value_type = String)]
    audience: Audience,
    /// The condition as written.
    when: String,
    /// The condition in words.
    sentence: String,
    member_count: u64,
}

fn segment_rows(node: &Node) -> Result<Vec<SegmentRow>, Problem> {
    let counts = node.store().member_counts()?;
    let plan = node.live().plan();
    let segments = plan.iter().flat_map(|plan| &plan.definitions.segments);
    let row = |segment: &SegmentDef| SegmentRow {
        name: segment.name.clone(),
        about: segment.about.clone(),
        audience: segment.audience,
        when: segment.when.text.clone(),
        sentence: sentence(&segment.when.expr),
        member_count: counts
            .iter()
            .find(|(name, _)| **name == *segment.name)
            .map_or(0, |(_, count)| *count),
    };
    Ok(segments.map(row).collect())
}

/// Segments with the number of their members.
#[utoipa::path(get, path = "/segments", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<SegmentRow>)))]
pub(super) async fn segments(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<SegmentRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        Ok(Rows {
            data: segment_rows(node)?,
            next_cursor: None,
        })
    })
    .await
}

/// One segment.
#[utoipa::path(get, path = "/segments/{segment}", params(("segment" = String, Path)), responses((status = 200, body = SegmentRow)))]
pub(super) async fn segment(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    params: Params,
) -> Answer<SegmentRow> {
    params.only(&[])?;
    answer(&state, move |node| {
        let found = segment_rows(node)?.into_iter().find(|row| row.name == name);
        found.ok_or_else(|| Problem::not_found("segment", &name))
    })
    .await
}

/// A member of a segment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MemberRow {
    subject: String,
    since: String,
}

/// Who is in a segment now, in id order.
#[utoipa::path(get, path = "/segments/{segment}/members", params(("segment" = String, Path),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<MemberRow>)))]
pub(super) async fn members(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    params: Params,
) -> Answer<Rows<MemberRow>> {
    let page = params.only(&["cursor", "limit"])?.page()?;
    answer(&state, move |node| {
        if !segment_rows(node)?.iter().any(|row| row.name == name) {
            return Err(Problem::not_found("segment", &name));
        }
        let rows = node.store().members(&name, &one_more(&page))?;
        let listed = Listed::cut(rows, page.limit, |member| member.subject.to_string());
        let row = |member: tenure_store::row::Member| MemberRow {
            subject: member.subject.to_string(),
            since: member.since.to_string(),
        };
        Ok(listed.map(row).into())
    })
    .await
}
