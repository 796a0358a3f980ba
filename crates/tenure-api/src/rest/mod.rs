//! The JSON API under `/api/v1`: handlers extract, call one use case and map the answer.

mod definitions;
mod params;
mod programs;
mod records;
mod rows;
mod subjects;
mod suppressions;
mod tasks;
mod transfer;
mod workspace;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tenure_app::node::Node;
use tenure_app::query::{Listed, Query};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ApiState;
use crate::problem::{Code, Problem};

/// A part of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Rows<T> {
    /// The rows.
    pub(crate) data: Vec<T>,
    /// Give it as `cursor` to get the next part; null when this is the last.
    pub(crate) next_cursor: Option<String>,
}

impl<T> From<Listed<T>> for Rows<T> {
    fn from(listed: Listed<T>) -> Self {
        Self {
            data: listed.rows,
            next_cursor: listed.next,
        }
    }
}

/// That it was done.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct Done {}

/// What most handlers answer.
pub(crate) type Answer<T> = Result<Json<T>, Problem>;

/// Runs a use case off the async threads: it may wait for the disk.
pub(crate) async fn ask<T: Send + 'static>(
    state: &ApiState,
    run: impl FnOnce(&Arc<Node>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let node = Arc::clone(&state.node);
    let ran = tokio::task::spawn_blocking(move || run(&node)).await;
    ran.unwrap_or_else(|_| Err(Problem::new(Code::Internal, "the request failed")))
}

/// Like [`ask`], with the answer as JSON.
pub(crate) async fn answer<T: Send + 'static>(
    state: &ApiState,
    run: impl FnOnce(&Arc<Node>) -> Result<T, Problem> + Send + 'static,
) -> Answer<T> {
    ask(state, run).await.map(Json)
}

/// The views of a node.
pub(crate) fn query(node: &Node) -> Query<'_> {
    Query::new(node.store().as_ref(), node.salt())
}

fn documented() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(workspace::show))
        .routes(routes!(workspace::backfill))
        .routes(routes!(workspace::plans))
        .routes(routes!(subjects::people))
        .routes(routes!(subjects::person))
        .routes(routes!(subjects::person_timeline))
        .routes(routes!(subjects::consent))
        .routes(routes!(subjects::suppress))
        .routes(routes!(subjects::accounts))
        .routes(routes!(subjects::account))
        .routes(routes!(subjects::account_timeline))
        .routes(routes!(subjects::segments))
        .routes(routes!(subjects::segment))
        .routes(routes!(subjects::members))
        .routes(routes!(programs::list))
        .routes(routes!(programs::show))
        .routes(routes!(programs::pause))
        .routes(routes!(programs::resume))
        .routes(routes!(programs::preview))
        .routes(routes!(programs::enroll))
        .routes(routes!(programs::remove))
        .routes(routes!(programs::broadcast))
        .routes(routes!(records::enrollments))
        .routes(routes!(records::decisions))
        .routes(routes!(records::why))
        .routes(routes!(records::messages))
        .routes(routes!(records::message_counts))
        .routes(routes!(records::message))
        .routes(routes!(records::message_preview))
        .routes(routes!(records::resend))
        .routes(routes!(records::cancel))
        .routes(routes!(tasks::tasks))
        .routes(routes!(tasks::task))
        .routes(routes!(tasks::assign))
        .routes(routes!(tasks::snooze))
        .routes(routes!(tasks::complete))
        .routes(routes!(tasks::reopen))
        .routes(routes!(suppressions::list, suppressions::add))
        .routes(routes!(suppressions::remove))
        .routes(routes!(suppressions::refused_topics))
        .routes(routes!(records::dead_letters))
        .routes(routes!(records::replay))
        .routes(routes!(definitions::list))
        .routes(routes!(definitions::validate))
        .routes(routes!(definitions::diff))
        .routes(routes!(definitions::apply))
        .routes(routes!(definitions::show, definitions::delete))
        .routes(routes!(definitions::template_preview))
        .routes(routes!(definitions::test_send))
        .routes(routes!(transfer::import))
        .routes(routes!(transfer::export))
        .routes(routes!(transfer::bounces))
        .routes(routes!(transfer::backup))
}

fn document(mut api: OpenApi) -> OpenApi {
    "Tenure".clone_into(&mut api.info.title);
    env!("CARGO_PKG_VERSION").clone_into(&mut api.info.version);
    api.info.description = Some(
        "The JSON API of a Tenure server. Lists answer `{\"data\": [...], \"next_cursor\": ...}`; \
         errors are `application/problem+json` with a stable `code`."
            .to_owned(),
    );
    // The defaults describe the library, not us.
    api.info.contact = None;
    let mut license = utoipa::openapi::License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    api.info.license = Some(license);
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(
        "token",
        SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
    );
    api.security = Some(vec![utoipa::openapi::SecurityRequirement::new(
        "token",
        Vec::<String>::new(),
    )]);
    api
}

/// The OpenAPI document, from the code.
pub(crate) fn openapi() -> OpenApi {
    let (_, api) = OpenApiRouter::new()
        .nest("/api/v1", documented())
        .split_for_parts();
    document(api)
}

/// The routes of the JSON API.
pub(crate) fn routes(state: &ApiState) -> Router {
    let (router, api) = OpenApiRouter::new()
        .nest("/api/v1", documented())
        .split_for_parts();
    let api: Arc<str> = document(api).to_json().unwrap_or_default().into();
    let protected = router
        .route_layer(middleware::from_fn_with_state(state.clone(), require_token))
        .with_state(state.clone());
    let serve = move || async move {
        (
            [(header::CONTENT_TYPE, "application/json")],
            api.to_string(),
        )
    };
    protected.route("/api/v1/openapi.json", get(serve))
}

async fn require_token(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = given
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match token {
        Some((_, token)) if state.node.check_token(token.trim()) => Ok(next.run(request).await),
        Some(_) => Err(Problem::new(
            Code::Unauthorized,
            "the token is not this workspace's",
        )),
        None => Err(Problem::new(
            Code::Unauthorized,
            "there is no token: `Authorization: Bearer TOKEN`",
        )),
    }
}
