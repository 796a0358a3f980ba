//! Users, applications, tokens, signing keys.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use tenure_app::access::clients::{ClientWithSecret, NewClient, ROTATION_GRACE_MS};
use tenure_app::access::users::{NewUser, UserChange};
use tenure_app::access::{Client, Registrar, Role, Scopes, Token, User};

use super::guard::Who;
use super::params::{Input, Nothing, Params};
use super::{Answer, Done, Rows, answer};
use crate::ApiState;
use crate::problem::Problem;

/// Runs a change of who may do what.
async fn change<T: Send + 'static>(
    state: &ApiState,
    run: impl FnOnce(&Registrar<'_>) -> Result<T, Problem> + Send + 'static,
) -> Answer<T> {
    let random = Arc::clone(&state.random);
    answer(state, move |node| run(&node.registrar(random.as_ref()))).await
}

fn scopes(text: &str) -> Result<Scopes, Problem> {
    text.parse()
        .map_err(|error| Problem::invalid("scopes", format!("is not right: {error}")))
}

fn all<T>(data: Vec<T>) -> Rows<T> {
    Rows {
        data,
        next_cursor: None,
    }
}

/// An application.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ClientRow {
    /// `client_id` of OAuth.
    id: String,
    name: String,
    /// The most it may be given, with spaces between.
    scopes: String,
    redirect_uris: Vec<String>,
    /// It can keep no secret.
    public: bool,
    created_at: String,
    /// `client_secret` of OAuth; shown only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<Client> for ClientRow {
    fn from(client: Client) -> Self {
        Self {
            public: client.is_public(),
            id: client.id,
            name: client.name,
            scopes: client.scopes.to_string(),
            redirect_uris: client.redirect_uris,
            created_at: client.created_at.to_string(),
            secret: None,
        }
    }
}

impl From<ClientWithSecret> for ClientRow {
    fn from(made: ClientWithSecret) -> Self {
        Self {
            secret: made.secret,
            ..made.client.into()
        }
    }
}

/// Applications.
#[utoipa::path(get, path = "/clients", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    operation_id = "list_clients", responses((status = 200, body = Rows<ClientRow>)))]
pub(super) async fn clients(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<ClientRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        let clients = node.access().clients().into_iter();
        Ok(all(clients.map(ClientRow::from).collect()))
    })
    .await
}

/// An application to add.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientInput {
    /// Name for people; the consent page shows it.
    name: String,
    /// The most it may be given, with spaces between.
    scopes: String,
    /// Where codes may be sent; without any it only acts by itself.
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// It can keep no secret.
    #[serde(default)]
    public: bool,
}

/// Adds an application; its secret is shown only now.
#[utoipa::path(post, path = "/clients", request_body = ClientInput, operation_id = "create_client", responses((status = 200, body = ClientRow)))]
pub(super) async fn create_client(
    State(state): State<ApiState>,
    Who(by): Who,
    Input(input): Input<ClientInput>,
) -> Answer<ClientRow> {
    let new = NewClient {
        scopes: scopes(&input.scopes)?,
        name: input.name,
        redirect_uris: input.redirect_uris,
        public: input.public,
    };
    change(&state, move |registrar| {
        Ok(registrar.create_client(new, &by)?.into())
    })
    .await
}

/// How a secret is rotated.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotationInput {
    /// For how long the old secret goes on, in milliseconds; a day when left out.
    #[schema(minimum = 0, maximum = 2_592_000_000_u64)]
    grace_ms: Option<u32>,
}

/// Gives an application a new secret; the old one goes on for a while.
#[utoipa::path(post, path = "/clients/{client}/rotate-secret", params(("client" = String, Path)), request_body = RotationInput,
    operation_id = "rotate_client_secret", responses((status = 200, body = ClientRow)))]
pub(super) async fn rotate_client(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Who(by): Who,
    Input(input): Input<RotationInput>,
) -> Answer<ClientRow> {
    let grace_ms = input.grace_ms.map_or(ROTATION_GRACE_MS, i64::from);
    change(&state, move |registrar| {
        Ok(registrar.rotate_client(&id, grace_ms, &by)?.into())
    })
    .await
}

/// Removes an application; what it was given opens nothing from now on.
#[utoipa::path(delete, path = "/clients/{client}", params(("client" = String, Path)), operation_id = "delete_client", responses((status = 200, body = Done)))]
pub(super) async fn delete_client(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Who(by): Who,
) -> Answer<Done> {
    change(&state, move |registrar| {
        registrar.delete_client(&id, &by)?;
        Ok(Done {})
    })
    .await
}

/// An API token.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TokenRow {
    id: String,
    name: String,
    scopes: String,
    created_at: String,
    /// The token itself; shown only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl From<Token> for TokenRow {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes.to_string(),
            created_at: token.created_at.to_string(),
            token: None,
        }
    }
}

/// API tokens. The one of `tenure init` is not among them.
#[utoipa::path(get, path = "/tokens", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    operation_id = "list_tokens", responses((status = 200, body = Rows<TokenRow>)))]
pub(super) async fn tokens(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<TokenRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        let tokens = node.access().tokens().into_iter();
        Ok(all(tokens.map(TokenRow::from).collect()))
    })
    .await
}

/// A token to make.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenInput {
    /// Name for people.
    name: String,
    /// What it allows, with spaces between.
    scopes: String,
}

/// Makes an API token; it is shown only now.
#[utoipa::path(post, path = "/tokens", request_body = TokenInput, operation_id = "create_token", responses((status = 200, body = TokenRow)))]
pub(super) async fn create_token(
    State(state): State<ApiState>,
    Who(by): Who,
    Input(input): Input<TokenInput>,
) -> Answer<TokenRow> {
    let scopes = scopes(&input.scopes)?;
    change(&state, move |registrar| {
        let (token, secret) = registrar.create_token(&input.name, scopes, &by)?;
        Ok(TokenRow {
            token: Some(secret),
            ..token.into()
        })
    })
    .await
}

/// Takes an API token back.
#[utoipa::path(delete, path = "/tokens/{token}", params(("token" = String, Path)), operation_id = "delete_token", responses((status = 200, body = Done)))]
pub(super) async fn delete_token(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Who(by): Who,
) -> Answer<Done> {
    change(&state, move |registrar| {
        registrar.delete_token(&id, &by)?;
        Ok(Done {})
    })
    .await
}

/// Somebody who logs in to Tenure.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct UserRow {
    id: String,
    email: String,
    name: String,
    #[schema(value_type = String)]
    role: Role,
    /// As whom accounts and tasks name them in `owner`.
    owner: String,
    active: bool,
    one_time_codes: bool,
    created_at: String,
}

impl From<User> for UserRow {
    fn from(user: User) -> Self {
        Self {
            one_time_codes: user.has_one_time_codes(),
            id: user.id,
            email: user.email,
            name: user.name,
            role: user.role,
            owner: user.owner,
            active: user.active,
            created_at: user.created_at.to_string(),
        }
    }
}

/// Users.
#[utoipa::path(get, path = "/users", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    operation_id = "list_users", responses((status = 200, body = Rows<UserRow>)))]
pub(super) async fn users(State(state): State<ApiState>, params: Params) -> Answer<Rows<UserRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        let users = node.access().users().into_iter();
        Ok(all(users.map(UserRow::from).collect()))
    })
    .await
}

/// A user to add.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserInput {
    email: String,
    name: String,
    /// `owner`, `admin`, `manager`, `marketer`, `csm`, `analyst` or `developer`.
    #[schema(value_type = String)]
    role: Role,
    /// At least twelve characters.
    password: Option<String>,
    /// As whom accounts and tasks name them; the address when left out.
    owner: Option<String>,
}

/// Adds a user.
#[utoipa::path(post, path = "/users", request_body = UserInput, operation_id = "create_user", responses((status = 200, body = UserRow)))]
pub(super) async fn create_user(
    State(state): State<ApiState>,
    Who(by): Who,
    Input(input): Input<UserInput>,
) -> Answer<UserRow> {
    let new = NewUser {
        email: input.email,
        name: input.name,
        role: input.role,
        password: input.password,
        owner: input.owner,
    };
    change(&state, move |registrar| {
        Ok(registrar.create_user(new, &by)?.into())
    })
    .await
}

/// What to change of a user; what is left out stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPatch {
    name: Option<String>,
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    owner: Option<String>,
    active: Option<bool>,
    /// Ends their sessions.
    password: Option<String>,
    /// True: no one-time code is asked for any more.
    #[serde(default)]
    clear_one_time_codes: bool,
}

/// Changes a user.
#[utoipa::path(patch, path = "/users/{user}", params(("user" = String, Path)), request_body = UserPatch, operation_id = "change_user", responses((status = 200, body = UserRow)))]
pub(super) async fn change_user(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Who(by): Who,
    Input(input): Input<UserPatch>,
) -> Answer<UserRow> {
    let wanted = UserChange {
        name: input.name,
        role: input.role,
        owner: input.owner,
        active: input.active,
        password: input.password,
        clear_one_time: input.clear_one_time_codes,
    };
    change(&state, move |registrar| {
        Ok(registrar.change_user(&id, wanted, &by)?.into())
    })
    .await
}

/// Removes a user.
#[utoipa::path(delete, path = "/users/{user}", params(("user" = String, Path)), operation_id = "delete_user", responses((status = 200, body = Done)))]
pub(super) async fn delete_user(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Who(by): Who,
) -> Answer<Done> {
    change(&state, move |registrar| {
        registrar.delete_user(&id, &by)?;
        Ok(Done {})
    })
    .await
}

/// The key that access tokens are signed with from now on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct KeyRow {
    /// Its `kid` in `/oauth/jwks`.
    id: String,
}

/// Replaces the key that access tokens are signed with; the old one is published for another day.
#[utoipa::path(post, path = "/signing-keys/rotate", operation_id = "rotate_signing_key", responses((status = 200, body = KeyRow)))]
pub(super) async fn rotate_key(
    State(state): State<ApiState>,
    Who(by): Who,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<KeyRow> {
    change(&state, move |registrar| {
        Ok(KeyRow {
            id: registrar.rotate_key(&by)?,
        })
    })
    .await
}
