//! The OAuth 2.0 authorization server on the wire: token, revocation, introspection, metadata,
//! keys; and the pages on which users sign in and allow applications something.

mod form;
mod pages;
mod setup;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tenure_app::access::oauth::{Issued, OAuthError};
use tenure_app::access::{Client, Scope};
use tenure_app::error::AppError;
use tenure_app::node::Node;

use crate::ApiState;
use crate::caller::{Caller, text};
use form::{Form, credentials};
pub(crate) use pages::{cookie as session_cookie, signed_in};
pub use setup::SetUp;

/// The routes. None of them is under the guard of the JSON API: each sees to its own.
pub(crate) fn routes(state: ApiState) -> Router {
    Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/oauth/jwks", get(keys))
        .route("/oauth/token", post(token))
        .route("/oauth/revoke", post(revoke))
        .route("/oauth/introspect", post(introspect))
        .merge(pages::routes())
        .merge(setup::routes())
        .with_state(state)
}

/// RFC 8414. The same document serves clients that look for OpenID Connect's.
async fn metadata(State(_): State<ApiState>, caller: Caller) -> Json<Value> {
    let issuer = caller.issuer;
    let at = |path: &str| format!("{issuer}{path}");
    let methods = ["client_secret_basic", "client_secret_post"];
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "jwks_uri": at("/oauth/jwks"),
        "revocation_endpoint": at("/oauth/revoke"),
        "introspection_endpoint": at("/oauth/introspect"),
        "scopes_supported": Scope::ALL.map(Scope::as_str),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": methods,
        "authorization_response_iss_parameter_supported": true,
        "service_documentation": "https://github.com/tenure-dev/tenure",
    }))
}

async fn keys(State(state): State<ApiState>) -> Response {
    let set = state.node.access().key_set();
    let headers = [(header::CACHE_CONTROL, "public, max-age=300")];
    (headers, Json(set)).into_response()
}

async fn token(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let issued = with_client(&state, &headers, &body, move |node, state, client, form| {
        grant(node, state, &client, &form, &caller.issuer)
    })
    .await?;
    let fresh = [
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ];
    Ok((fresh, Json(issued)).into_response())
}

fn grant(
    node: &Node,
    state: &ApiState,
    client: &Client,
    form: &Form,
    issuer: &str,
) -> Result<Issued, OAuthError> {
    let registrar = node.registrar(state.random.as_ref());
    match form.need("grant_type", "grant_type is missing")? {
        "client_credentials" => registrar.client_credentials(client, form.get("scope"), issuer),
        "authorization_code" => registrar.redeem_code(
            client,
            form.need("code", "code is missing")?,
            form.get("redirect_uri"),
            form.get("code_verifier"),
            issuer,
        ),
        "refresh_token" => registrar.refresh(
            client,
            form.need("refresh_token", "refresh_token is missing")?,
            form.get("scope"),
            issuer,
        ),
        _ => Err(OAuthError::UnsupportedGrantType),
    }
}

/// RFC 7009: also a token that nobody knows is answered 200.
async fn revoke(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    with_client(&state, &headers, &body, |node, state, client, form| {
        let token = form.need("token", "token is missing")?;
        Ok(node
            .registrar(state.random.as_ref())
            .revoke(&client, token)?)
    })
    .await?;
    Ok(StatusCode::OK)
}

/// RFC 7662.
async fn introspect(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let found = with_client(&state, &headers, &body, |node, state, client, form| {
        if client.is_public() {
            return Err(OAuthError::InvalidClient);
        }
        let token = form.need("token", "token is missing")?;
        Ok(node
            .registrar(state.random.as_ref())
            .introspect(&client, token)?)
    })
    .await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(found)).into_response())
}

/// Reads the form, finds out which application sent it, and runs a use case off the async threads.
async fn with_client<T: Send + 'static>(
    state: &ApiState,
    headers: &HeaderMap,
    body: &[u8],
    run: impl FnOnce(&Node, &ApiState, Client, Form) -> Result<T, OAuthError> + Send + 'static,
) -> Result<T, Refusal> {
    let form = Form::parse(body)?;
    let (id, secret) = credentials(headers, &form)?;
    let basic = text(headers, header::AUTHORIZATION.as_str()).is_some();
    let state = state.clone();
    let ran = tokio::task::spawn_blocking(move || {
        let registrar = state.node.registrar(state.random.as_ref());
        let client = registrar.authenticate_client(&id, secret.as_deref())?;
        run(&state.node, &state, client, form)
    })
    .await;
    let ran = ran.unwrap_or(Err(OAuthError::Server(AppError::Stopping)));
    ran.map_err(|error| Refusal { error, basic })
}

/// An error of RFC 6749, section 5.2.
struct Refusal {
    error: OAuthError,
    /// The client used Basic authorization, and is challenged in kind.
    basic: bool,
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self {
            error,
            basic: false,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self.error {
            OAuthError::InvalidClient => StatusCode::UNAUTHORIZED,
            OAuthError::Server(AppError::Busy | AppError::Stopping) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            OAuthError::Server(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let told = match &self.error {
            OAuthError::Server(error) => {
                crate::telemetry::oauth_failed(error);
                "the server failed; try again".to_owned()
            }
            error => error.to_string(),
        };
        let body = json!({"error": self.error.code(), "error_description": told});
        let mut response =
            (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
        if self.basic && status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"oauth\""),
            );
        }
        response
    }
}
