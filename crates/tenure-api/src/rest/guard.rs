//! The guard of the JSON API: every operation is registered together with the scope that it
//! wants, which is what is enforced and what the OpenAPI document says; and what it changes is
//! written into the audit trail before it is answered.

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use parking_lot::Mutex;
use serde::Serialize;
use tenure_app::access::users::csrf_token;
use tenure_app::access::{Actor, Change, Principal, Scope, Scopes, secret};
use tenure_app::node::Node;
use tenure_core::id::SubjectId;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    AuthorizationCode, ClientCredentials, Flow, OAuth2, Scopes as DocumentedScopes,
    SecurityRequirement, SecurityScheme,
};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::{ask, query};
use crate::ApiState;
use crate::caller::{is_cross_site, origin, session_cookie, text};
use crate::problem::{Code, Problem};

/// Name of the security scheme in the OpenAPI document.
pub(super) const SCHEME: &str = "oauth2";
/// Where the JSON API begins.
const PREFIX: &str = "/api/v1";
/// What a session's requests that change something carry besides the cookie.
const CSRF_HEADER: &str = "x-csrf-token";

/// What the audit trail gets of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trail {
    /// An entry when it changed something: it is no GET, and its scope is not one to read with.
    Changes,
    /// An entry before it answers: it gives away personal data in bulk.
    Export,
    /// Nothing: the use case writes its own, in the commit of the change.
    Own,
}

/// Operations, each with its scope. There is no way to add one without.
pub(super) struct Guarded {
    router: OpenApiRouter<ApiState>,
    state: Option<ApiState>,
}

impl Guarded {
    /// No operation yet. Without a state there is only the document.
    pub(super) fn new(state: Option<&ApiState>) -> Self {
        Self {
            router: OpenApiRouter::new(),
            state: state.cloned(),
        }
    }

    /// Adds the operations of `routes!(...)`: whoever calls one needs `scope`, or gets a 403 that
    /// names it. What they change is written into the audit trail, with what the handler puts into
    /// [`Note`]. Methods of one path that want different scopes are added one by one.
    pub(super) fn routes(self, scope: Scope, routes: UtoipaMethodRouter<ApiState>) -> Self {
        self.add(scope, Trail::Changes, routes)
    }

    /// Likewise, for what gives away personal data in bulk: that is written down, too.
    pub(super) fn exports(self, scope: Scope, routes: UtoipaMethodRouter<ApiState>) -> Self {
        self.add(scope, Trail::Export, routes)
    }

    /// Likewise, for use cases that write their own entry, in the commit of the change.
    pub(super) fn own(self, scope: Scope, routes: UtoipaMethodRouter<ApiState>) -> Self {
        self.add(scope, Trail::Own, routes)
    }

    /// Likewise, for changes of who may do what: those write their own entry.
    pub(super) fn access(self, routes: UtoipaMethodRouter<ApiState>) -> Self {
        self.add(Scope::Admin, Trail::Own, routes)
    }

    fn add(
        self,
        scope: Scope,
        trail: Trail,
        (schemas, mut paths, methods): UtoipaMethodRouter<ApiState>,
    ) -> Self {
        for operation in paths.paths.values_mut().flat_map(operations) {
            let wanted = SecurityRequirement::new(SCHEME, [scope.as_str()]);
            operation.security = Some(vec![wanted]);
        }
        let methods = match &self.state {
            Some(state) => methods.route_layer(middleware::from_fn_with_state(
                (state.clone(), scope, trail),
                demand,
            )),
            None => methods,
        };
        Self {
            router: self.router.routes((schemas, paths, methods)),
            state: self.state,
        }
    }

    /// Router and document below `/api/v1`.
    pub(super) fn split(self) -> (axum::Router<ApiState>, OpenApi) {
        OpenApiRouter::new()
            .nest(PREFIX, self.router)
            .split_for_parts()
    }
}

/// The security scheme of the document: bearer tokens of the OAuth2 server, with every scope.
pub(super) fn scheme() -> SecurityScheme {
    let scopes = || {
        DocumentedScopes::from_iter(
            Scope::ALL.map(|scope| (scope.as_str().to_owned(), scope.about().to_owned())),
        )
    };
    SecurityScheme::OAuth2(OAuth2::new([
        Flow::ClientCredentials(ClientCredentials::new("/oauth/token", scopes())),
        Flow::AuthorizationCode(AuthorizationCode::new(
            "/oauth/authorize",
            "/oauth/token",
            scopes(),
        )),
    ]))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}

/// What a handler tells the audit trail about its change: what was there before, and what is there
/// now. Neither secrets nor addresses.
#[derive(Clone, Default)]
pub(super) struct Note(Arc<Mutex<(serde_json::Value, serde_json::Value)>>);

impl Note {
    /// Notes both.
    pub(super) fn change(&self, before: impl Serialize, after: impl Serialize) {
        *self.0.lock() = (
            serde_json::to_value(before).unwrap_or_default(),
            serde_json::to_value(after).unwrap_or_default(),
        );
    }
}

impl<S: Sync> FromRequestParts<S> for Note {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Who asks, for handlers that need to know.
pub(super) struct Who(pub(super) Actor);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let actor = parts.extensions.get::<Actor>().cloned();
        actor.map(Self).ok_or_else(no_token)
    }
}

async fn demand(
    State((state, scope, trail)): State<(ApiState, Scope, Trail)>,
    path: RawPathParams,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let principal = request.extensions().get::<Principal>().cloned();
    let principal = principal.ok_or_else(no_token)?;
    if !principal.may(scope) {
        return Err(Problem::missing_scope(scope));
    }
    if let Some(owner) = principal.own_accounts_of.clone() {
        let asked = Asked::of(&request, &path);
        check_own(&state, owner, asked).await?;
    }
    let actor = request
        .extensions()
        .get::<Actor>()
        .cloned()
        .ok_or_else(no_token)?;
    let (action, target) = named(&request);
    let reads = request.method() == Method::GET || scope.as_str().ends_with(":read");
    let note = Note::default();
    request.extensions_mut().insert(note.clone());
    if trail == Trail::Export {
        let change = Change::new(action, target).after(request.uri().query());
        record(&state, change, actor).await?;
        return Ok(next.run(request).await);
    }
    let response = next.run(request).await;
    if trail == Trail::Changes && !reads && response.status().is_success() {
        let (before, after) = std::mem::take(&mut *note.0.lock());
        let change = Change::new(action, target).before(before).after(after);
        record(&state, change, actor).await?;
    }
    Ok(response)
}

/// An operation's name, `POST /programs/{program}/pause`, and its path as it was called.
fn named(request: &Request) -> (String, String) {
    let matched = request.extensions().get::<MatchedPath>();
    let template = matched.map_or_else(|| request.uri().path(), MatchedPath::as_str);
    let short = |path: &str| path.strip_prefix(PREFIX).unwrap_or(path).to_owned();
    (
        format!("{} {}", request.method(), short(template)),
        short(request.uri().path()),
    )
}

async fn record(state: &ApiState, change: Change, actor: Actor) -> Result<(), Problem> {
    ask(state, move |node| Ok(node.record_audit(change, &actor)?)).await
}

/// What decides whether a request is about one's own customers.
struct Asked {
    /// It lists tasks of these owners.
    task_owners: Option<Vec<String>>,
    /// It is about this one.
    account: Option<String>,
    person: Option<String>,
    customer: Option<String>,
}

impl Asked {
    fn of(request: &Request, path: &RawPathParams) -> Self {
        let param = |name: &str| {
            let found = path.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.to_owned())
        };
        let route = request.extensions().get::<MatchedPath>();
        let lists_tasks = request.method() == Method::GET
            && route.is_some_and(|route| route.as_str() == "/api/v1/tasks");
        let query = request.uri().query().unwrap_or_default();
        let owners = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "owner")
            .map(|(_, owner)| owner.into_owned());
        Self {
            task_owners: lists_tasks.then(|| owners.collect()),
            account: param("account"),
            person: param("person"),
            customer: param("customer_id"),
        }
    }

    fn subject(&self, node: &Node) -> Option<SubjectId> {
        match self {
            Self {
                account: Some(id), ..
            } => id.parse().ok().map(SubjectId::Account),
            Self {
                person: Some(id), ..
            } => id.parse().ok().map(SubjectId::Person),
            Self {
                customer: Some(id), ..
            } => Some(SubjectId::Account(query(node).account_named(id))),
            _ => None,
        }
    }
}

/// Users who see only accounts of their own reach what is about one account or person of theirs,
/// and their own tasks; nothing that is about many.
async fn check_own(state: &ApiState, owner: String, asked: Asked) -> Result<(), Problem> {
    let refused = || {
        Problem::new(
            Code::NotYours,
            "your role reaches accounts of your own only, one at a time",
        )
    };
    if let Some(owners) = asked.task_owners {
        return if owners == [owner] {
            Ok(())
        } else {
            Err(refused().fix("add `owner` with your own name to the query"))
        };
    }
    let is_own = ask(state, move |node| {
        let Some(subject) = asked.subject(node) else {
            return Ok(false);
        };
        Ok(query(node).owner_of(subject)? == Some(owner))
    })
    .await?;
    if is_own { Ok(()) } else { Err(refused()) }
}

fn no_token() -> Problem {
    Problem::new(
        Code::Unauthorized,
        "there is no token: `Authorization: Bearer TOKEN`",
    )
}

/// Resolves who asks, once, for everything behind it: a bearer token, or the session of a browser.
pub(super) async fn authenticate(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let given = text(&parts.headers, header::AUTHORIZATION.as_str());
    let token = given
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let principal = match (token, given) {
        (Some((_, token)), _) => {
            let found = state.node.authenticate(token.trim());
            found.ok_or_else(|| {
                Problem::new(
                    Code::Unauthorized,
                    "the token is not this workspace's, or is over",
                )
            })?
        }
        (None, None) => by_session(&state, &parts).await?,
        (None, Some(_)) => return Err(no_token()),
    };
    let actor = Actor::of(&principal, origin(&parts));
    parts.extensions.insert(principal);
    parts.extensions.insert(actor);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

async fn by_session(state: &ApiState, parts: &Parts) -> Result<Principal, Problem> {
    let secret = session_cookie(&parts.headers).ok_or_else(no_token)?;
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        let token = text(&parts.headers, CSRF_HEADER).unwrap_or_default();
        if is_cross_site(&parts.headers, &state.issuer(&parts.headers))
            || !secret::same(token, &csrf_token(&secret))
        {
            return Err(Problem::new(
                Code::Unauthorized,
                "a session's request that changes something carries `X-CSRF-Token`",
            ));
        }
    }
    let random = Arc::clone(&state.random);
    let user = ask(state, move |node| {
        Ok(node.registrar(random.as_ref()).session(&secret)?)
    })
    .await?;
    let user = user.ok_or_else(|| Problem::new(Code::Unauthorized, "the session is over"))?;
    Ok(user.principal(Scopes::all()))
}
