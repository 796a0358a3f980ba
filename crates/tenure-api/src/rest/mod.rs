//! The JSON API under `/api/v1`: handlers extract, call one use case and map the answer.

mod access;
mod audit;
mod backtest;
mod breakers;
mod connectors;
mod customer;
mod dead_letters;
mod definitions;
mod erasure;
mod exports;
mod flow;
mod guard;
mod health;
mod idempotency;
mod imports;
mod jobs;
mod params;
mod performance;
mod person_export;
mod programs;
mod records;
mod refusals;
mod risk;
mod rows;
mod signals;
mod sparse;
mod subjects;
mod suppressions;
mod tasks;
mod topics;
mod transfer;
mod webhooks;
mod workspace;

use std::sync::Arc;

use axum::http::header;
use axum::middleware;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tenure_app::access::Scope;
use tenure_app::node::Node;
use tenure_app::query::{Listed, Query};
use utoipa::openapi::OpenApi;
use utoipa_axum::routes;

use crate::ApiState;
use crate::problem::{Code, Problem};
use guard::Guarded;

pub(crate) use flow::Flow;
pub use flow::FlowLimits;

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

/// Every operation with the scope that it wants.
fn documented(state: Option<&ApiState>) -> Guarded {
    let groups = [
        subject_operations,
        program_operations,
        record_operations,
        definition_operations,
        access_operations,
        connecting,
        long_work,
        extending,
        telling,
    ];
    let empty = Guarded::new(state);
    groups
        .into_iter()
        .fold(empty, |guarded, group| group(guarded))
}

/// The workspace, its people, accounts and segments.
fn subject_operations(guarded: Guarded) -> Guarded {
    guarded
        .routes(Scope::ProfilesRead, routes!(workspace::show))
        .routes(Scope::DefinitionsRead, routes!(workspace::backfill))
        .routes(Scope::DefinitionsRead, routes!(workspace::plans))
        .routes(Scope::ProfilesRead, routes!(subjects::people))
        .routes(Scope::ProfilesRead, routes!(subjects::person))
        .routes(Scope::ProfilesRead, routes!(subjects::person_timeline))
        .routes(Scope::ProfilesWrite, routes!(subjects::consent))
        .routes(Scope::ProfilesWrite, routes!(subjects::suppress))
        .routes(Scope::ProfilesRead, routes!(subjects::accounts))
        .routes(Scope::ProfilesRead, routes!(subjects::account))
        .routes(Scope::ProfilesRead, routes!(subjects::account_timeline))
        .routes(Scope::ProfilesRead, routes!(health::account_health))
        .routes(Scope::ProfilesRead, routes!(health::account_health_history))
        .routes(Scope::ProfilesRead, routes!(health::person_health))
        .routes(Scope::ProfilesWrite, routes!(health::rate))
        .routes(Scope::ProfilesRead, routes!(health::person_health_history))
        .routes(Scope::ProfilesRead, routes!(subjects::segments))
        .routes(Scope::ProfilesRead, routes!(subjects::segment))
        .routes(Scope::ProfilesRead, routes!(subjects::members))
}

/// Programs, and what they did.
fn program_operations(guarded: Guarded) -> Guarded {
    guarded
        .routes(Scope::DefinitionsRead, routes!(programs::list))
        .routes(Scope::DefinitionsRead, routes!(programs::show))
        .routes(Scope::DefinitionsWrite, routes!(programs::pause))
        .routes(Scope::DefinitionsWrite, routes!(programs::resume))
        .routes(Scope::DefinitionsRead, routes!(programs::preview))
        .routes(Scope::MessagesWrite, routes!(programs::enroll))
        .routes(Scope::MessagesWrite, routes!(programs::remove))
        .routes(Scope::MessagesWrite, routes!(programs::broadcast))
        .routes(Scope::MessagesRead, routes!(records::enrollments))
        .routes(Scope::MessagesRead, routes!(records::decisions))
        .routes(Scope::MessagesRead, routes!(records::why))
        .routes(Scope::MessagesRead, routes!(records::messages))
        .routes(Scope::MessagesRead, routes!(records::message_counts))
        .routes(Scope::MessagesRead, routes!(records::message))
        .routes(Scope::MessagesRead, routes!(records::message_preview))
        .routes(Scope::MessagesWrite, routes!(records::resend))
        .routes(Scope::MessagesWrite, routes!(records::cancel))
}

/// What people and operators work through.
fn record_operations(guarded: Guarded) -> Guarded {
    guarded
        .routes(Scope::ProfilesRead, routes!(tasks::tasks))
        .routes(Scope::ProfilesRead, routes!(tasks::task))
        .routes(Scope::ProfilesWrite, routes!(tasks::assign))
        .routes(Scope::ProfilesWrite, routes!(tasks::snooze))
        .routes(Scope::ProfilesWrite, routes!(tasks::complete))
        .routes(Scope::ProfilesWrite, routes!(tasks::reopen))
        .routes(Scope::ProfilesRead, routes!(suppressions::list))
        .routes(Scope::ProfilesWrite, routes!(suppressions::add))
        .routes(Scope::ProfilesWrite, routes!(suppressions::remove))
        .routes(Scope::ProfilesRead, routes!(suppressions::refused_topics))
        .routes(Scope::Admin, routes!(dead_letters::list))
        .routes(Scope::Admin, routes!(dead_letters::replay_all))
        .routes(Scope::Admin, routes!(dead_letters::discard_all))
        .routes(Scope::Admin, routes!(dead_letters::show))
        .routes(Scope::Admin, routes!(dead_letters::replay))
        .routes(Scope::Admin, routes!(dead_letters::discard))
        .routes(Scope::ProfilesWrite, routes!(transfer::import))
        .exports(Scope::ProfilesRead, routes!(transfer::export))
        .routes(Scope::MessagesWrite, routes!(transfer::bounces))
}

/// Definitions, and trying them.
fn definition_operations(guarded: Guarded) -> Guarded {
    guarded
        .routes(Scope::DefinitionsRead, routes!(definitions::list))
        .routes(Scope::DefinitionsRead, routes!(definitions::validate))
        .routes(Scope::DefinitionsRead, routes!(definitions::diff))
        .routes(Scope::DefinitionsRead, routes!(definitions::audience))
        .routes(Scope::DefinitionsWrite, routes!(backtest::run))
        .routes(Scope::DefinitionsWrite, routes!(definitions::apply))
        .routes(Scope::DefinitionsRead, routes!(definitions::show))
        .routes(Scope::DefinitionsWrite, routes!(definitions::delete))
        .routes(
            Scope::DefinitionsRead,
            routes!(definitions::template_preview),
        )
        .routes(Scope::MessagesWrite, routes!(definitions::test_send))
}

/// Who may do what, and who did.
fn access_operations(guarded: Guarded) -> Guarded {
    guarded
        .access(routes!(access::clients, access::create_client))
        .access(routes!(access::rotate_client))
        .access(routes!(access::delete_client))
        .access(routes!(access::tokens, access::create_token))
        .access(routes!(access::delete_token))
        .access(routes!(access::users, access::create_user))
        .access(routes!(access::change_user, access::delete_user))
        .access(routes!(access::rotate_key))
        .access(routes!(audit::list))
        .access(routes!(audit::verified))
        .exports(Scope::Admin, routes!(audit::export))
}

/// Lists, exports, and the operations for customer-success systems.
fn extending(guarded: Guarded) -> Guarded {
    guarded
        .exports(Scope::Admin, routes!(transfer::backup))
        .exports(Scope::ProfilesRead, routes!(transfer::member_stream))
        .routes(Scope::DefinitionsRead, routes!(signals::signals))
        .routes(Scope::DefinitionsRead, routes!(signals::templates))
        .exports(Scope::Admin, routes!(person_export::export))
        .routes(Scope::CsMarketingWrite, routes!(customer::trigger))
        .routes(Scope::CsMarketingRead, routes!(performance::performance))
        .routes(Scope::CsRetentionRead, routes!(customer::risk))
        .routes(Scope::CsRetentionWrite, routes!(customer::start_recovery))
        .routes(Scope::CsRetentionRead, routes!(customer::recovery))
        .routes(Scope::CsExpansionRead, routes!(customer::opportunity))
        .routes(Scope::CsExpansionWrite, routes!(customer::start_campaign))
}

/// What other systems are told, and how.
fn telling(guarded: Guarded) -> Guarded {
    guarded
        .routes(Scope::ProfilesRead, routes!(topics::list))
        .routes(Scope::ProfilesRead, routes!(topics::read))
        .routes(Scope::Admin, routes!(webhooks::list))
        .routes(Scope::Admin, routes!(webhooks::create))
        .routes(Scope::Admin, routes!(webhooks::show))
        .routes(Scope::Admin, routes!(webhooks::update))
        .routes(Scope::Admin, routes!(webhooks::remove))
        .routes(Scope::Admin, routes!(webhooks::enable))
        .routes(Scope::Admin, routes!(webhooks::disable))
        .routes(Scope::Admin, routes!(webhooks::rotate))
        .routes(Scope::Admin, routes!(webhooks::test))
        .routes(Scope::Admin, routes!(webhooks::replay))
        .routes(Scope::Admin, routes!(webhooks::skip))
        .routes(Scope::Admin, routes!(webhooks::deliveries))
        .routes(Scope::Admin, routes!(breakers::list))
        .routes(Scope::Admin, routes!(breakers::reset))
}

/// What takes longer than a request.
fn long_work(guarded: Guarded) -> Guarded {
    guarded
        .routes(Scope::DefinitionsRead, routes!(jobs::list))
        .routes(Scope::DefinitionsRead, routes!(jobs::show))
        .own(Scope::DefinitionsWrite, routes!(jobs::cancel))
        .routes(Scope::CsRetentionRead, routes!(risk::show))
        .own(Scope::DefinitionsWrite, routes!(risk::train))
        .own(Scope::DefinitionsWrite, routes!(backtest::start))
        .own(Scope::Admin, routes!(erasure::erase))
        .own(Scope::ProfilesWrite, routes!(imports::start))
        .routes(Scope::ProfilesRead, routes!(imports::list))
        .routes(Scope::ProfilesRead, routes!(imports::show))
        .routes(Scope::ProfilesRead, routes!(imports::errors))
        .routes(Scope::ProfilesRead, routes!(imports::report))
        .own(Scope::ProfilesRead, routes!(exports::start))
        .routes(Scope::ProfilesRead, routes!(exports::show))
        .exports(Scope::ProfilesRead, routes!(exports::download))
}

/// The operations on connectors.
fn connecting(guarded: Guarded) -> Guarded {
    guarded
        .routes(Scope::DefinitionsRead, routes!(connectors::list_kinds))
        .routes(Scope::DefinitionsRead, routes!(connectors::list))
        .routes(Scope::Admin, routes!(connectors::set))
        .routes(Scope::DefinitionsRead, routes!(connectors::show))
        .routes(Scope::Admin, routes!(connectors::remove))
        .own(Scope::Admin, routes!(connectors::set_secret))
        .routes(Scope::Admin, routes!(connectors::test))
        .routes(Scope::ProfilesWrite, routes!(connectors::pull))
        .routes(Scope::Admin, routes!(connectors::push))
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
    components.add_security_scheme(guard::SCHEME, guard::scheme());
    refusals::describe(&mut api);
    api
}

/// The OpenAPI document, from the code.
pub(crate) fn openapi() -> OpenApi {
    let (_, api) = documented(None).split();
    document(api)
}

/// The routes of the JSON API.
pub(crate) fn routes(state: &ApiState) -> Router {
    crate::long_work::add_kinds(state);
    let (router, api) = documented(Some(state)).split();
    let api: Arc<str> = document(api).to_json().unwrap_or_default().into();
    let protected = router
        .route_layer(middleware::from_fn_with_state(
            state.clone(),
            idempotency::once,
        ))
        .route_layer(middleware::from_fn_with_state(state.clone(), flow::control))
        .route_layer(middleware::from_fn_with_state(
            state.clone(),
            guard::authenticate,
        ))
        .with_state(state.clone());
    let serve = move || async move {
        (
            [(header::CONTENT_TYPE, "application/json")],
            api.to_string(),
        )
    };
    protected.route("/api/v1/openapi.json", get(serve))
}
