//! Definitions and templates.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponseParts, ResponseParts};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenure_app::access::Actor;
use tenure_app::commands::Rendered;
use tenure_app::node::Node;
use tenure_app::publish::{Preview, Publication, PublishRequest};
use tenure_core::define::SourceFile;
use tenure_core::log::OnPublish;

use super::guard::{Note, Who};
use super::params::{Input, Params};
use super::{Answer, answer, ask};
use crate::ApiState;
use crate::problem::{Code, Problem};

/// Who is noted as the author of a plan.
fn author(by: &Actor) -> String {
    format!("{} {}", by.kind, by.id)
}

/// Tells the audit trail which plan came after which, and what changed in between.
fn note_plan(note: &Note, node: &Node, published: &Publication) -> Result<(), Problem> {
    let plans = node.store().plans()?;
    let before = plans
        .iter()
        .rev()
        .find(|plan| plan.version < published.version);
    note.change(
        json!({"plan": before.map(|plan| plan.version)}),
        json!({"plan": published.version, "changes": &published.preview.changes}),
    );
    Ok(())
}

/// Everything in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DefinitionsRow {
    /// The plan's number; 0 before the first publication.
    version: u32,
    data: Vec<DefinitionRow>,
    next_cursor: Option<String>,
}

/// A definition or template.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DefinitionRow {
    /// `segment`, `signal`, `health`, `program`, `policy`, `test` or `template`.
    kind: String,
    name: String,
    /// Language of a template's variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// The file it came from.
    path: String,
    text: String,
    /// The plan in which it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
}

/// All definitions and templates in force.
#[utoipa::path(get, path = "/definitions", params(("kind" = Option<String>, Query),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = DefinitionsRow)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    params: Params,
) -> Result<(Tag, Json<DefinitionsRow>), Problem> {
    let params = params.only(&["kind", "cursor", "limit"])?;
    let kind = params.text("kind");
    let found = ask(&state, move |node| {
        rows(node, |row| {
            kind.as_ref().is_none_or(|kind| *kind == row.kind)
        })
    })
    .await?;
    Ok((Tag(found.version), Json(found)))
}

/// One definition, or all languages of one template.
#[utoipa::path(get, path = "/definitions/{kind}/{name}", params(("kind" = String, Path), ("name" = String, Path)), responses((status = 200, body = DefinitionsRow)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Path((kind, name)): Path<(String, String)>,
    params: Params,
) -> Result<(Tag, Json<DefinitionsRow>), Problem> {
    params.only(&[])?;
    let found = ask(&state, move |node| {
        let found = rows(node, |row| row.kind == kind && row.name == name)?;
        if found.data.is_empty() {
            return Err(Problem::not_found("definition", &format!("{kind} {name}")));
        }
        Ok(found)
    })
    .await?;
    Ok((Tag(found.version), Json(found)))
}

/// The entity tag of everything in force: the plan's number. `If-Match` with it makes a change
/// fail when somebody else published meanwhile.
pub(super) struct Tag(u32);

impl IntoResponseParts for Tag {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        if let Ok(tag) = HeaderValue::from_str(&format!("\"plan-{}\"", self.0)) {
            parts.headers_mut().insert(header::ETAG, tag);
        }
        Ok(parts)
    }
}

/// The plan that `If-Match` names.
fn expected(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let Some(tag) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let tag = tag.to_str().unwrap_or_default().trim();
    if tag == "*" {
        return Ok(None);
    }
    let number = tag
        .strip_prefix("\"plan-")
        .and_then(|rest| rest.strip_suffix('"'));
    number
        .and_then(|number| number.parse().ok())
        .map(Some)
        .ok_or_else(|| {
            Problem::new(
                Code::Stale,
                "`If-Match` is not an ETag of these definitions",
            )
        })
}

fn rows(node: &Node, wanted: impl Fn(&DefinitionRow) -> bool) -> Result<DefinitionsRow, Problem> {
    let version = node.store().plans()?.last().map_or(0, |row| row.version);
    let catalog = node.catalog()?;
    let documents = catalog.documents.into_iter().map(|document| DefinitionRow {
        kind: document.kind,
        name: document.name,
        language: None,
        path: document.path,
        text: document.text,
        version: Some(document.version),
    });
    let templates = catalog.templates.into_iter().map(|template| DefinitionRow {
        kind: "template".to_owned(),
        name: template.name,
        language: template.language,
        path: template.path,
        text: template.text,
        version: None,
    });
    Ok(DefinitionsRow {
        version,
        data: documents.chain(templates).filter(wanted).collect(),
        next_cursor: None,
    })
}

/// Files to publish.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Definition (`.yaml`) and template files.
    #[schema(value_type = Vec<Object>)]
    files: Vec<SourceFile>,
    /// Remove what the files do not hold.
    #[serde(default)]
    prune: bool,
    /// Per changed program: `keep`, `migrate` or `exit` for its running enrollments.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    on_publish: BTreeMap<String, OnPublish>,
    /// Only say what would change.
    #[serde(default)]
    dry_run: bool,
}

impl From<Change> for PublishRequest {
    fn from(change: Change) -> Self {
        Self {
            files: change.files,
            prune: change.prune,
            on_publish: change.on_publish,
            ..Self::default()
        }
    }
}

/// What was published, or would be.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Applied {
    /// Published.
    Published(Publication),
    /// Only looked at.
    Preview {
        /// What would change.
        preview: Preview,
    },
}

/// Checks files and says what they would change.
#[utoipa::path(post, path = "/definitions/validate", request_body = Change, responses((status = 200, body = Object), (status = 422, body = crate::problem::ProblemDocument)))]
pub(super) async fn validate(
    State(state): State<ApiState>,
    Input(files): Input<Change>,
) -> Answer<Preview> {
    answer(&state, move |node| Ok(node.validate(&files.into())?)).await
}

/// Files, and the segment among them to look at.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AudienceQuestion {
    /// Definition (`.yaml`) files.
    #[schema(value_type = Vec<Object>)]
    files: Vec<SourceFile>,
    /// Name of a segment.
    segment: String,
}

/// Who would be in a segment now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AudienceRow {
    /// Subjects that were looked at.
    checked_count: u64,
    /// Whether those were all there are.
    complete: bool,
    /// Those that match; null when the condition reads events that are kept only from its
    /// publication on.
    matching_count: Option<u64>,
    /// Ids of some of them.
    sample: Vec<String>,
}

/// Counts who would be in a segment if files were published, and changes nothing.
#[utoipa::path(post, path = "/definitions/audience", request_body = AudienceQuestion, responses((status = 200, body = AudienceRow), (status = 422, body = crate::problem::ProblemDocument)))]
pub(super) async fn audience(
    State(state): State<ApiState>,
    Input(question): Input<AudienceQuestion>,
) -> Answer<AudienceRow> {
    answer(&state, move |node| {
        let request = PublishRequest {
            files: question.files,
            ..PublishRequest::default()
        };
        let found = node.count_audience(&request, &question.segment)?;
        Ok(AudienceRow {
            checked_count: found.checked_count,
            complete: found.complete,
            matching_count: found.matching_count,
            sample: found.sample.iter().map(ToString::to_string).collect(),
        })
    })
    .await
}

/// Says what files would change.
#[utoipa::path(post, path = "/definitions/diff", request_body = Change, responses((status = 200, body = Object), (status = 422, body = crate::problem::ProblemDocument)))]
pub(super) async fn diff(
    State(state): State<ApiState>,
    Input(files): Input<Change>,
) -> Answer<Preview> {
    answer(&state, move |node| Ok(node.validate(&files.into())?)).await
}

/// Publishes files, all or nothing.
#[utoipa::path(post, path = "/definitions/apply", params(("If-Match" = Option<String>, Header, description = "An ETag of `GET /definitions`")), request_body = Change, responses((status = 200, body = Object), (status = 412, body = crate::problem::ProblemDocument), (status = 422, body = crate::problem::ProblemDocument)))]
pub(super) async fn apply(
    State(state): State<ApiState>,
    headers: HeaderMap,
    note: Note,
    Who(by): Who,
    Input(files): Input<Change>,
) -> Answer<Applied> {
    let dry_run = files.dry_run;
    let if_version = expected(&headers)?;
    answer(&state, move |node| {
        let request = PublishRequest {
            if_version,
            author: author(&by),
            ..files.into()
        };
        if dry_run {
            let preview = node.validate(&request)?;
            return Ok(Applied::Preview { preview });
        }
        let published = node.publish(&request)?;
        note_plan(&note, node, &published)?;
        Ok(Applied::Published(published))
    })
    .await
}

/// Removes a definition or template.
#[utoipa::path(delete, path = "/definitions/{kind}/{name}", params(("kind" = String, Path), ("name" = String, Path)), responses((status = 200, body = Object)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Path((kind, name)): Path<(String, String)>,
    headers: HeaderMap,
    note: Note,
    Who(by): Who,
) -> Answer<Publication> {
    let if_version = expected(&headers)?;
    answer(&state, move |node| {
        let request = PublishRequest {
            removed: vec![(kind, name)],
            if_version,
            author: author(&by),
            ..PublishRequest::default()
        };
        let published = node.publish(&request)?;
        note_plan(&note, node, &published)?;
        Ok(published)
    })
    .await
}

/// Data for a template.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample {
    /// `{person, account, event, program}` as a program would give it.
    #[serde(default)]
    #[schema(value_type = Object)]
    data: Value,
}

/// Renders a template with sample data.
#[utoipa::path(post, path = "/templates/{template}/preview", params(("template" = String, Path)), request_body = Sample, responses((status = 200, body = Object)))]
pub(super) async fn template_preview(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    Input(sample): Input<Sample>,
) -> Answer<Rendered> {
    answer(&state, move |node| {
        Ok(node.render_template(&name, &sample.data)?)
    })
    .await
}

/// A test send.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestSend {
    /// Address of somebody of the team.
    to: String,
    #[serde(default)]
    #[schema(value_type = Object)]
    data: Value,
}

/// What the mail server said.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TestSent {
    response: String,
}

/// Sends a template with sample data to somebody of the team.
#[utoipa::path(post, path = "/templates/{template}/test-send", params(("template" = String, Path)), request_body = TestSend, responses((status = 200, body = TestSent)))]
pub(super) async fn test_send(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    Input(body): Input<TestSend>,
) -> Answer<TestSent> {
    answer(&state, move |node| {
        Ok(TestSent {
            response: node.test_send(&name, &body.to, &body.data)?,
        })
    })
    .await
}
