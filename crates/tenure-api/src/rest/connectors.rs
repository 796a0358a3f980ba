//! Connectors: how they are set up and fare, and what they are asked to do at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenure_app::access::{Actor, Origin, Principal};
use tenure_app::connectors::{
    Config, ListBinding, Mode, Need, PUSH_SUBJECTS_MAX, PullFrom, PushRequest, Standing, kinds,
};
use tenure_core::define::Audience;
use tenure_store::Page;

use super::guard::Who;
use super::params::{Input, Nothing, Params};
use super::{Answer, Done, Rows, answer};
use crate::ApiState;
use crate::problem::Problem;

/// Most pages of one pull.
const PAGES_MAX: usize = 100;

/// A kind of connector.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct KindRow {
    kind: &'static str,
    title: &'static str,
    /// What can be pulled.
    streams: Vec<&'static str>,
    /// What can be pushed.
    pushes: Vec<&'static str>,
    settings: Vec<KindSetting>,
    /// The mapping that it has when none is given, as TOML.
    mapping: &'static str,
}

/// A setting of a kind of connector.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct KindSetting {
    name: &'static str,
    is_secret: bool,
    is_required: bool,
    default: Option<&'static str>,
    about: &'static str,
}

/// A connector, how it is set up and how it fares. Without secrets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ConnectorRow {
    name: String,
    kind: String,
    settings: BTreeMap<String, String>,
    /// Its own mapping, as TOML; null when it has its kind's.
    mapping: Option<String>,
    /// How often it is pulled, in seconds; null when only by hand.
    pull_every_s: Option<u32>,
    lists: Vec<ListRow>,
    streams: Vec<StreamRow>,
    list_progress: ListProgressRow,
}

/// A list at the provider that holds the people of a segment.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListRow {
    segment: String,
    /// The provider's id of it.
    list: String,
}

/// How far a stream is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct StreamRow {
    stream: String,
    pulled_at: Option<String>,
    accepted_count: u64,
    duplicate_count: u64,
    refused_count: u64,
    /// Failures since the last page.
    failure_count: u32,
    failure: Option<String>,
    due_at: Option<String>,
    /// Whether the provider had more when it was asked last.
    more: bool,
}

/// How lists fare.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ListProgressRow {
    moved_count: u64,
    refused_count: u64,
    refusal: Option<String>,
    failure_count: u32,
    failure: Option<String>,
    due_at: Option<String>,
}

impl From<Standing> for ConnectorRow {
    fn from(standing: Standing) -> Self {
        let (config, lists) = (standing.config, standing.lists);
        let time = |at: Option<tenure_core::time::Timestamp>| at.map(|at| at.to_string());
        Self {
            name: config.name,
            kind: config.kind,
            settings: config.settings,
            mapping: config.mapping,
            pull_every_s: config.pull_every_s,
            lists: config
                .lists
                .into_iter()
                .map(|ListBinding { segment, list }| ListRow { segment, list })
                .collect(),
            streams: standing
                .streams
                .into_iter()
                .map(|(stream, progress)| StreamRow {
                    stream,
                    pulled_at: time(progress.pulled_at),
                    accepted_count: progress.accepted_count,
                    duplicate_count: progress.duplicate_count,
                    refused_count: progress.refused_count,
                    failure_count: progress.failure_count,
                    failure: progress.failure,
                    due_at: time(progress.due_at),
                    more: progress.more,
                })
                .collect(),
            list_progress: ListProgressRow {
                moved_count: lists.moved_count,
                refused_count: lists.refused_count,
                refusal: lists.refusal,
                failure_count: lists.failure_count,
                failure: lists.failure,
                due_at: time(lists.due_at),
            },
        }
    }
}

/// Kinds of connectors, with their settings.
#[utoipa::path(get, path = "/connectors/kinds", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<KindRow>)))]
pub(super) async fn list_kinds(params: Params) -> Answer<Rows<KindRow>> {
    params.only(&["cursor", "limit"])?;
    let rows = kinds().map(|known| KindRow {
        kind: known.kind,
        title: known.title,
        streams: known.streams.to_vec(),
        pushes: known.pushes.to_vec(),
        settings: known
            .settings
            .iter()
            .map(|setting| KindSetting {
                name: setting.name,
                is_secret: setting.is_secret,
                is_required: setting.need == Need::Required,
                default: match setting.need {
                    Need::Default(value) => Some(value),
                    _ => None,
                },
                about: setting.about,
            })
            .collect(),
        mapping: known.mapping,
    });
    Ok(axum::Json(Rows {
        data: rows.collect(),
        next_cursor: None,
    }))
}

/// Connectors with how they fare.
#[utoipa::path(get, path = "/connectors", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<ConnectorRow>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<ConnectorRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        let standings = node.connectors().list()?;
        Ok(Rows {
            data: standings.into_iter().map(ConnectorRow::from).collect(),
            next_cursor: None,
        })
    })
    .await
}

/// One connector.
#[utoipa::path(get, path = "/connectors/{name}", params(("name" = String, Path)), responses((status = 200, body = ConnectorRow)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    params: Params,
) -> Answer<ConnectorRow> {
    params.only(&[])?;
    answer(&state, move |node| {
        Ok(node.connectors().show(&name)?.into())
    })
    .await
}

/// How a connector is to be set up.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectorBody {
    /// Its name: small letters, digits and `-`.
    name: String,
    /// One of the kinds.
    kind: String,
    /// Settings that are no secrets; those are set on their own, and sealed.
    #[serde(default)]
    settings: BTreeMap<String, String>,
    /// A mapping as TOML; its kind's without one.
    #[serde(default)]
    mapping: Option<String>,
    /// How often it is pulled, in seconds; only by hand without it.
    #[serde(default)]
    pull_every_s: Option<u32>,
    /// Lists to keep in step with segments.
    #[serde(default)]
    lists: Vec<ListRow>,
}

/// Sets a connector up, in the place of one of that name.
#[utoipa::path(post, path = "/connectors", request_body = ConnectorBody, responses((status = 200, body = ConnectorRow)))]
pub(super) async fn set(
    State(state): State<ApiState>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
    params: Params,
    Input(body): Input<ConnectorBody>,
) -> Answer<ConnectorRow> {
    params.only(&[])?;
    let by = actor(&principal, &headers);
    answer(&state, move |node| {
        let name = body.name.clone();
        let lists = body.lists.into_iter();
        let config = Config {
            name: body.name,
            kind: body.kind,
            settings: body.settings,
            mapping: body.mapping,
            pull_every_s: body.pull_every_s,
            lists: lists
                .map(|ListRow { segment, list }| ListBinding { segment, list })
                .collect(),
        };
        node.connectors().set(&config, &by)?;
        Ok(node.connectors().show(&name)?.into())
    })
    .await
}

/// A secret setting of a connector.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectorSecretBody {
    /// Which: a setting of its kind that is a secret.
    setting: String,
    /// What it is; null to forget it. It is sealed, and never shown again.
    value: Option<String>,
}

/// Sets a secret of a connector, or forgets it.
#[utoipa::path(post, path = "/connectors/{name}/secrets", params(("name" = String, Path)), request_body = ConnectorSecretBody,
    operation_id = "set_connector_secret", responses((status = 200, body = Done)))]
pub(super) async fn set_secret(
    State(state): State<ApiState>,
    Who(by): Who,
    Path(name): Path<String>,
    params: Params,
    Input(body): Input<ConnectorSecretBody>,
) -> Answer<Done> {
    params.only(&[])?;
    let random = Arc::clone(&state.random);
    answer(&state, move |node| {
        let target = (name.as_str(), body.setting.as_str());
        node.set_connector_secret(target, body.value, random.as_ref(), &by)?;
        Ok(Done::default())
    })
    .await
}

/// Forgets a connector; nothing changes at the provider.
#[utoipa::path(delete, path = "/connectors/{name}", params(("name" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn remove(
    State(state): State<ApiState>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
    Path(name): Path<String>,
    params: Params,
) -> Answer<Done> {
    params.only(&[])?;
    let by = actor(&principal, &headers);
    answer(&state, move |node| {
        node.connectors().remove(&name, &by)?;
        Ok(Done::default())
    })
    .await
}

/// Whether a provider lets us in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TestRow {
    is_fine: bool,
    /// What was reached, or why not.
    detail: String,
}

/// Asks the provider whether it lets us in and has what is mapped.
#[utoipa::path(post, path = "/connectors/{name}/test", params(("name" = String, Path)), responses((status = 200, body = TestRow)))]
pub(super) async fn test(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    params: Params,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<TestRow> {
    params.only(&[])?;
    answer(&state, move |node| {
        let tested = node.connectors().test(&name)?;
        Ok(TestRow {
            is_fine: tested.is_ok(),
            detail: tested.unwrap_or_else(|why_not| why_not),
        })
    })
    .await
}

/// What to pull.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PullBody {
    /// Which stream.
    stream: String,
    /// From the beginning, and not from where it stands.
    #[serde(default)]
    from_start: bool,
    /// At most so many pages, 100 at most; one without it.
    #[serde(default)]
    pages: Option<usize>,
}

/// What a pull brought.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PulledRow {
    page_count: u64,
    accepted_count: u64,
    duplicate_count: u64,
    refused_count: u64,
    /// Whether the provider has more.
    more: bool,
    /// Why it ended early.
    failure: Option<String>,
}

/// Pulls pages of a stream now.
#[utoipa::path(post, path = "/connectors/{name}/pull", params(("name" = String, Path)), request_body = PullBody,
    responses((status = 200, body = PulledRow)))]
pub(super) async fn pull(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    params: Params,
    Input(body): Input<PullBody>,
) -> Answer<PulledRow> {
    params.only(&[])?;
    let pages = body.pages.unwrap_or(1);
    if !(1..=PAGES_MAX).contains(&pages) {
        return Err(Problem::invalid(
            "pages",
            format!("must be 1 to {PAGES_MAX}"),
        ));
    }
    answer(&state, move |node| {
        let start = if body.from_start {
            PullFrom::Beginning
        } else {
            PullFrom::Cursor
        };
        let pulled = node.connectors().pull(&name, &body.stream, pages, start)?;
        Ok(PulledRow {
            page_count: pulled.page_count,
            accepted_count: pulled.accepted_count,
            duplicate_count: pulled.duplicate_count,
            refused_count: pulled.refused_count,
            more: pulled.more,
            failure: pulled.failure,
        })
    })
    .await
}

/// What to push.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PushBody {
    /// Members of this segment; everybody without one.
    #[serde(default)]
    segment: Option<String>,
    /// `person` or `account`, when no segment says it; people without it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    audience: Option<Audience>,
    /// Only say what would be written.
    #[serde(default)]
    dry_run: bool,
    /// At most so many subjects, 1000 at most; 100 without it.
    #[serde(default)]
    limit: Option<usize>,
    /// `next_cursor` of the part before.
    #[serde(default)]
    cursor: Option<String>,
}

/// What came of a push.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PushedRow {
    accepted_count: usize,
    rejected_count: usize,
    later_count: usize,
    unknown_count: usize,
    skipped_count: usize,
    would_write_count: usize,
    /// Subject by subject: `subject` and `pushed`.
    #[schema(value_type = Vec<Object>)]
    data: Vec<Value>,
    /// Give it as `cursor` to push the next part.
    next_cursor: Option<String>,
}

/// Brings a part of the people or accounts to the provider now, or says what would be brought.
#[utoipa::path(post, path = "/connectors/{name}/push", params(("name" = String, Path)), request_body = PushBody,
    responses((status = 200, body = PushedRow)))]
pub(super) async fn push(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    params: Params,
    Input(body): Input<PushBody>,
) -> Answer<PushedRow> {
    params.only(&[])?;
    let limit = body.limit.unwrap_or(100);
    if !(1..=PUSH_SUBJECTS_MAX).contains(&limit) {
        let message = format!("must be 1 to {PUSH_SUBJECTS_MAX}");
        return Err(Problem::invalid("limit", message));
    }
    let request = PushRequest {
        segment: body.segment,
        audience: body.audience.unwrap_or(Audience::Person),
        mode: if body.dry_run {
            Mode::DryRun
        } else {
            Mode::Write
        },
        page: Page {
            after: body.cursor,
            limit,
        },
    };
    answer(&state, move |node| {
        let report = node.connectors().push(&name, &request)?;
        Ok(PushedRow {
            accepted_count: report.accepted_count,
            rejected_count: report.rejected_count,
            later_count: report.later_count,
            unknown_count: report.unknown_count,
            skipped_count: report.skipped_count,
            would_write_count: report.would_write_count,
            data: report.rows.iter().map(|row| json!(row)).collect(),
            next_cursor: report.next_cursor,
        })
    })
    .await
}

fn actor(principal: &Principal, headers: &HeaderMap) -> Actor {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = Origin::new(None, text("x-forwarded-for"), text("user-agent"));
    Actor::of(principal, origin)
}
