//! The guard of the JSON API: every operation is registered together with the scope that it
//! wants, which is what is enforced and what the OpenAPI document says.

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tenure_app::access::{Principal, Scope};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ClientCredentials, Flow, OAuth2, Scopes as DocumentedScopes, SecurityRequirement,
    SecurityScheme,
};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::ApiState;
use crate::problem::{Code, Problem};

/// Name of the security scheme in the OpenAPI document.
pub(super) const SCHEME: &str = "oauth2";

/// Operations, each with its scope. There is no way to add one without.
pub(super) struct Guarded(OpenApiRouter<ApiState>);

impl Guarded {
    /// No operation yet.
    pub(super) fn new() -> Self {
        Self(OpenApiRouter::new())
    }

    /// Adds the operations of `routes!(...)`: whoever calls one needs `scope`, or gets a 403 that
    /// names it. Methods of one path that want different scopes are added one by one.
    pub(super) fn routes(
        self,
        scope: Scope,
        (schemas, mut paths, methods): UtoipaMethodRouter<ApiState>,
    ) -> Self {
        for operation in paths.paths.values_mut().flat_map(operations) {
            let wanted = SecurityRequirement::new(SCHEME, [scope.as_str()]);
            operation.security = Some(vec![wanted]);
        }
        let methods = methods.route_layer(middleware::from_fn(move |request, next| {
            demand(scope, request, next)
        }));
        Self(self.0.routes((schemas, paths, methods)))
    }

    /// Router and document below `/api/v1`.
    pub(super) fn split(self) -> (axum::Router<ApiState>, OpenApi) {
        OpenApiRouter::new()
            .nest("/api/v1", self.0)
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
    SecurityScheme::OAuth2(OAuth2::new([Flow::ClientCredentials(
        ClientCredentials::new("/oauth/token", scopes()),
    )]))
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

async fn demand(scope: Scope, request: Request, next: Next) -> Response {
    match request.extensions().get::<Principal>() {
        Some(principal) if principal.may(scope) => next.run(request).await,
        Some(_) => Problem::missing_scope(scope).into_response(),
        None => Problem::new(Code::Unauthorized, "there is no token").into_response(),
    }
}

/// Resolves who asks, once, for everything behind it.
pub(super) async fn authenticate(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = given
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else {
        return Err(Problem::new(
            Code::Unauthorized,
            "there is no token: `Authorization: Bearer TOKEN`",
        ));
    };
    let principal = state
        .node
        .authenticate(token.trim())
        .ok_or_else(|| Problem::new(Code::Unauthorized, "the token is not this workspace's"))?;
    request.extensions_mut().insert(principal);
    Ok(next.run(request).await)
}
