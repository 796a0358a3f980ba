//! The set-up of a server that nobody can sign in to yet: whoever has the one-time code, which
//! stands on the server's terminal and in a file of its data folder, makes the first user.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tenure_app::access::secret::{digest, same};
use tenure_app::access::users::{FirstUser, SESSION_MS};

use super::pages::cookie;
use crate::ApiState;
use crate::caller::Caller;
use crate::problem::{Code, Problem};
use crate::rest::ask;

/// What opens the set-up.
pub struct SetUp {
    code_hash: String,
    /// Called once there is a user.
    done: Box<dyn Fn() + Send + Sync>,
}

impl SetUp {
    /// The set-up that `code` opens; `done` is called once it is over.
    pub fn new(code: &str, done: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            code_hash: digest(code),
            done: Box::new(done),
        }
    }
}

/// Whether somebody has to set the server up.
#[derive(Debug, Serialize)]
struct Shown {
    needed: bool,
}

/// The first user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    code: String,
    email: String,
    name: String,
    password: String,
}

pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/api/v1/setup", get(show).post(set_up))
}

async fn show(State(state): State<ApiState>) -> Response {
    let needed = state.setup.is_some() && !state.node.access().has_users();
    (no_store(), Json(Shown { needed })).into_response()
}

async fn set_up(
    State(state): State<ApiState>,
    caller: Caller,
    body: Bytes,
) -> Result<Response, Problem> {
    if caller.cross_site {
        return Err(Problem::new(
            Code::Unauthorized,
            "the request comes from another site",
        ));
    }
    // The parser's words name fields and quote no text of them.
    let wanted: Wanted = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(Code::MalformedBody, error.to_string()))?;
    let setup = state.setup.clone().ok_or_else(over)?;
    if state.node.access().has_users() {
        return Err(over());
    }
    if !same(&digest(wanted.code.trim()), &setup.code_hash) {
        return Err(Problem::new(
            Code::Unauthorized,
            "the set-up code is wrong",
        )
        .fix("take the code from the terminal of `tenure serve`, or from `setup-code` in the data folder"));
    }
    let secure = caller.issuer.starts_with("https://");
    let random = Arc::clone(&state.random);
    let signed = ask(&state, move |node| {
        let first = FirstUser {
            email: wanted.email,
            name: wanted.name,
            password: wanted.password,
        };
        let registrar = node.registrar(random.as_ref());
        Ok(registrar.set_up(first, caller.origin)?)
    })
    .await?;
    (setup.done)();
    let mut response = (
        StatusCode::CREATED,
        no_store(),
        Json(Shown { needed: false }),
    )
        .into_response();
    let set = cookie(&signed.secret, SESSION_MS / 1_000, secure);
    let set = set.map(|cookie| (header::SET_COOKIE, cookie));
    response.headers_mut().extend(set);
    Ok(response)
}

fn no_store() -> [(header::HeaderName, &'static str); 1] {
    [(header::CACHE_CONTROL, "no-store")]
}

fn over() -> Problem {
    Problem::new(Code::Conflict, "this server is set up already")
        .fix("sign in; an owner adds further users")
}
