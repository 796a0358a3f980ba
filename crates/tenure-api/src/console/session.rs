//! The console's session as JSON: who is signed in, signing in and out, one-time codes. The cookie
//! is the one of the sign-in page, which scripts cannot read; what changes something carries the
//! token that only this server's pages can ask for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenure_app::access::secret::same;
use tenure_app::access::users::{SESSION_MS, SignInFault, csrf_token};
use tenure_app::access::{Actor, Scope, Scopes, User};

use crate::ApiState;
use crate::caller::{Caller, text};
use crate::oauth::{session_cookie, signed_in};
use crate::problem::{Code, Problem};
use crate::rest::ask;

/// Carries the token of a session.
const CSRF_HEADER: &str = "x-csrf-token";

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/console/session", get(show).post(sign_in).delete(sign_out))
        .route("/console/session/codes", post(begin_codes))
        .route("/console/session/codes/confirm", post(confirm_codes))
}

/// A user as their own console sees them.
#[derive(Serialize)]
struct Shown {
    id: String,
    name: String,
    email: String,
    role: String,
    /// As whom accounts name them.
    owner: String,
    one_time_codes: bool,
    /// They reach accounts of their own only.
    own_accounts_only: bool,
    scopes: Vec<&'static str>,
    csrf: String,
}

impl Shown {
    fn new(user: &User, secret: &str) -> Self {
        Self {
            id: user.id.clone(),
            name: user.name.clone(),
            email: user.email.clone(),
            role: user.role.as_str().to_owned(),
            owner: user.owner.clone(),
            one_time_codes: user.has_one_time_codes(),
            own_accounts_only: user.role.own_accounts_only(),
            scopes: user.role.scopes().iter().map(Scope::as_str).collect(),
            csrf: csrf_token(secret),
        }
    }
}

const FRESH: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Who is signed in; `user` is null when nobody is.
async fn show(State(state): State<ApiState>, caller: Caller) -> Result<Response, Problem> {
    let session = signed_in(&state, &caller).await?;
    let user = session.map(|(user, secret)| Shown::new(&user, &secret));
    Ok((FRESH, Json(json!({ "user": user }))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    email: String,
    password: String,
    code: Option<String>,
}

async fn sign_in(
    State(state): State<ApiState>,
    caller: Caller,
    Json(given): Json<Credentials>,
) -> Result<Response, Problem> {
    if caller.cross_site {
        return Err(from_elsewhere());
    }
    let secure = caller.issuer.starts_with("https://");
    let random = Arc::clone(&state.random);
    let signed = ask(&state, move |node| {
        let registrar = node.registrar(random.as_ref());
        let code = given.code.as_deref().filter(|code| !code.is_empty());
        Ok(registrar.sign_in(&given.email, &given.password, code, caller.origin))
    })
    .await?;
    match signed {
        Ok(signed) => {
            let user = Shown::new(&signed.user, &signed.secret);
            let cookie = session_cookie(&signed.secret, SESSION_MS / 1_000, secure);
            let mut response = (FRESH, Json(json!({ "user": user }))).into_response();
            let set = cookie.map(|cookie| (header::SET_COOKIE, cookie));
            response.headers_mut().extend(set);
            Ok(response)
        }
        Err(SignInFault::Server(error)) => Err(error.into()),
        Err(fault) => Ok(refused(&fault)),
    }
}

/// Why signing in failed: a word for the form, and a sentence.
fn refused(fault: &SignInFault) -> Response {
    let (status, word) = match fault {
        SignInFault::Locked => (StatusCode::TOO_MANY_REQUESTS, "locked"),
        SignInFault::OneTimeCode => (StatusCode::UNAUTHORIZED, "one-time-code"),
        SignInFault::Wrong | SignInFault::Server(_) => (StatusCode::UNAUTHORIZED, "wrong"),
    };
    let body = json!({ "fault": word, "detail": fault.to_string() });
    (status, FRESH, Json(body)).into_response()
}

async fn sign_out(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (_, secret) = meant(&state, &caller, &headers).await?;
    let random = Arc::clone(&state.random);
    ask(&state, move |node| {
        Ok(node.registrar(random.as_ref()).sign_out(&secret)?)
    })
    .await?;
    let gone = session_cookie("", 0, caller.issuer.starts_with("https://"));
    let mut response = (FRESH, Json(json!({ "user": null }))).into_response();
    let set = gone.map(|cookie| (header::SET_COOKIE, cookie));
    response.headers_mut().extend(set);
    Ok(response)
}

/// A key for an authenticator; codes are asked for after the first right one.
async fn begin_codes(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (user, _) = meant(&state, &caller, &headers).await?;
    let actor = Actor::of(&user.principal(Scopes::all()), caller.origin);
    let random = Arc::clone(&state.random);
    let key = ask(&state, move |node| {
        let registrar = node.registrar(random.as_ref());
        Ok(registrar.begin_one_time(&user.id, &actor)?)
    })
    .await?;
    Ok((FRESH, Json(json!({ "key": key }))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneTimeCode {
    code: String,
}

async fn confirm_codes(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    Json(given): Json<OneTimeCode>,
) -> Result<Response, Problem> {
    let (user, _) = meant(&state, &caller, &headers).await?;
    let actor = Actor::of(&user.principal(Scopes::all()), caller.origin);
    let random = Arc::clone(&state.random);
    ask(&state, move |node| {
        let registrar = node.registrar(random.as_ref());
        Ok(registrar.confirm_one_time(&user.id, given.code.trim(), &actor)?)
    })
    .await?;
    Ok((FRESH, Json(json!({}))).into_response())
}

/// The user of a request that they sent themselves.
async fn meant(
    state: &ApiState,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<(User, String), Problem> {
    let session = signed_in(state, caller).await?;
    let (user, secret) =
        session.ok_or_else(|| Problem::new(Code::Unauthorized, "the session is over"))?;
    let token = text(headers, CSRF_HEADER).unwrap_or_default();
    if caller.cross_site || !same(token, &csrf_token(&secret)) {
        return Err(from_elsewhere());
    }
    Ok((user, secret))
}

fn from_elsewhere() -> Problem {
    Problem::new(
        Code::Unauthorized,
        "a session's request that changes something comes from the console and carries `X-CSRF-Token`",
    )
}
