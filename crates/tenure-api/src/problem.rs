//! Errors as problem documents (RFC 9457), and the one place that maps them to statuses.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tenure_app::access::Scope;
use tenure_app::error::AppError;
use tenure_core::diagnostic::Diagnostic;
use tenure_store::StoreError;

/// After how many seconds a sender that is turned away should come back.
const RETRY_AFTER_SECONDS: u32 = 1;

/// What went wrong, for programs (`code`) and for people (the rest).
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: String,
    fix: Option<String>,
    field: Option<String>,
    scope: Option<Scope>,
    retry_after_seconds: u32,
    diagnostics: Option<Vec<Diagnostic>>,
}

/// A problem as it is written.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemDocument {
    /// The page of the code on this server.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable code; see the reference.
    pub code: String,
    /// What kind of thing went wrong.
    pub title: String,
    /// What went wrong here.
    pub detail: String,
    /// What to do about it.
    pub fix: String,
    /// The field or parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The scope that the token lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What is wrong with definitions, each with its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub diagnostics: Option<Vec<Diagnostic>>,
}

/// The codes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// No or a wrong key or token.
    Unauthorized,
    /// The token lacks a scope.
    MissingScope,
    /// It is about somebody else's customers.
    NotYours,
    /// The body cannot be read.
    MalformedBody,
    /// A field or parameter is wrong.
    InvalidField,
    /// A query parameter nobody knows.
    UnknownParameter,
    /// Over a limit.
    TooLarge,
    /// A `Content-Encoding` or `Content-Type` that is not understood.
    UnsupportedEncoding,
    /// There is no such thing.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// Not in this state.
    Conflict,
    /// Changed by somebody else meanwhile.
    Stale,
    /// Definitions have problems.
    InvalidDefinitions,
    /// Too much waits.
    Busy,
    /// This client, or everybody about this customer, asks too much.
    RateLimited,
    /// An `Idempotency-Key` of another request.
    IdempotencyKeyReused,
    /// The answer held a secret, and is not given twice.
    SecretShown,
    /// Not open yet, or stopping.
    Unavailable,
    /// The disk is full or not writable.
    StorageUnwritable,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// Every code, for the reference.
    pub const ALL: [Self; 20] = [
        Self::Unauthorized,
        Self::MissingScope,
        Self::NotYours,
        Self::MalformedBody,
        Self::InvalidField,
        Self::UnknownParameter,
        Self::TooLarge,
        Self::UnsupportedEncoding,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::Stale,
        Self::InvalidDefinitions,
        Self::Busy,
        Self::RateLimited,
        Self::IdempotencyKeyReused,
        Self::SecretShown,
        Self::Unavailable,
        Self::StorageUnwritable,
        Self::Internal,
    ];

    /// Written form, status, title and the usual remedy.
    #[expect(clippy::too_many_lines, reason = "a table, one row a code")]
    pub fn parts(self) -> (&'static str, StatusCode, &'static str, &'static str) {
        match self {
            Self::Unauthorized => (
                "unauthorized",
                StatusCode::UNAUTHORIZED,
                "Not authorized",
                "send the token that `tenure init` printed, or make a new one with `tenure keys rotate`",
            ),
            Self::MissingScope => (
                "missing-scope",
                StatusCode::FORBIDDEN,
                "The token does not allow this",
                "use a token that has the scope named in `scope`",
            ),
            Self::NotYours => (
                "not-your-account",
                StatusCode::FORBIDDEN,
                "Not one of your accounts",
                "ask for an account whose `owner` you are, or somebody with another role",
            ),
            Self::MalformedBody => (
                "malformed-body",
                StatusCode::BAD_REQUEST,
                "The body cannot be read",
                "send valid JSON in UTF-8 as the reference describes it",
            ),
            Self::InvalidField => (
                "invalid-field",
                StatusCode::BAD_REQUEST,
                "A value is not right",
                "correct the field and send the request again",
            ),
            Self::UnknownParameter => (
                "unknown-parameter",
                StatusCode::BAD_REQUEST,
                "A query parameter is not known",
                "remove it, or use one of those named",
            ),
            Self::TooLarge => (
                "too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The request is too large",
                "send less at once",
            ),
            Self::UnsupportedEncoding => (
                "unsupported-encoding",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The encoding is not supported",
                "send JSON as it is or compressed with gzip",
            ),
            Self::NotFound => (
                "not-found",
                StatusCode::NOT_FOUND,
                "Not found",
                "check the name or id; the list it belongs to shows what there is",
            ),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The method is not allowed here",
                "see /api/v1/openapi.json for what each path takes",
            ),
            Self::Conflict => (
                "conflict",
                StatusCode::CONFLICT,
                "Not possible in the present state",
                "look at the present state and decide anew",
            ),
            Self::Stale => (
                "stale",
                StatusCode::PRECONDITION_FAILED,
                "Changed by somebody else meanwhile",
                "read the definitions again, look at what changed, then send your change with the new ETag",
            ),
            Self::InvalidDefinitions => (
                "invalid-definitions",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The definitions have problems",
                "correct the places named in `diagnostics`; nothing was changed",
            ),
            Self::Busy => (
                "busy",
                StatusCode::TOO_MANY_REQUESTS,
                "Too much is waiting",
                "send the same request again after the seconds of `Retry-After`",
            ),
            Self::RateLimited => (
                "rate-limited",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests",
                "wait for the seconds of `Retry-After`; `RateLimit-Policy` says what is allowed",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The key belongs to another request",
                "give each request a key of its own, and the same only to a repeat of it",
            ),
            Self::SecretShown => (
                "secret-shown",
                StatusCode::CONFLICT,
                "The answer held a secret, which is shown only once",
                "what was asked for is there: rotate its secret, or delete it and make another with a new key",
            ),
            Self::Unavailable => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "Not available now",
                "send the same request again in a moment",
            ),
            Self::StorageUnwritable => (
                "storage-unwritable",
                StatusCode::INSUFFICIENT_STORAGE,
                "The store cannot write",
                "free disk space or fix permissions of the data folder, then send the request again",
            ),
            Self::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong on the server",
                "send the request again; if it stays, look at the server's log",
            ),
        }
    }
}

impl Problem {
    /// A problem with the usual remedy of its code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            fix: None,
            field: None,
            scope: None,
            retry_after_seconds: RETRY_AFTER_SECONDS,
            diagnostics: None,
        }
    }

    /// Naming the field or parameter.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into()).filter(|field| !field.is_empty());
        self
    }

    /// With the seconds after which to come back.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = seconds;
        self
    }

    /// With a remedy of its own.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// There is no `what` of this name. Long names are cut.
    pub fn not_found(what: &str, name: &str) -> Self {
        let shown: String = name.chars().take(80).collect();
        Self::new(Code::NotFound, format!("there is no {what} `{shown}`"))
    }

    /// The caller's token does not have this scope.
    pub fn missing_scope(scope: Scope) -> Self {
        Self {
            scope: Some(scope),
            ..Self::new(
                Code::MissingScope,
                format!("this wants a token with the scope `{scope}`"),
            )
        }
    }

    /// A value of a field or parameter is wrong.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        let field = field.into();
        let reason = reason.into();
        let detail = if field.is_empty() {
            reason
        } else {
            format!("`{field}` {reason}")
        };
        Self::new(Code::InvalidField, detail).field(field)
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let detail = error.to_string();
        match error {
            AppError::Busy => Self::new(Code::Busy, detail),
            AppError::Stopping => Self::new(Code::Unavailable, detail),
            AppError::Definitions(diagnostics) => Self {
                diagnostics: Some(diagnostics),
                ..Self::new(Code::InvalidDefinitions, detail)
            },
            AppError::NotFound { what, name } => Self::not_found(what, &name),
            AppError::Stale { .. } => Self::new(Code::Stale, detail),
            AppError::Conflict(_) => Self::new(Code::Conflict, detail),
            AppError::Invalid { field, message } => {
                Self::new(Code::InvalidField, message).field(field)
            }
            AppError::Store(error) => Self::from(error.as_ref()),
        }
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::BadCursor(_) => Self::new(Code::InvalidField, error.to_string())
                .field("cursor")
                .fix("take `next_cursor` of the page before, or leave `cursor` out"),
            StoreError::Unwritable(_) => Self::new(Code::StorageUnwritable, error.to_string()),
            _ => {
                crate::telemetry::store_failed(error);
                Self::new(Code::Internal, "the store failed")
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<Problem> for ProblemDocument {
    fn from(problem: Problem) -> Self {
        let (code, status, title, fix) = problem.code.parts();
        Self {
            kind: format!("/docs/problems/{code}"),
            status: status.as_u16(),
            code: code.to_owned(),
            title: title.to_owned(),
            detail: problem.detail,
            fix: problem.fix.unwrap_or_else(|| fix.to_owned()),
            field: problem.field,
            scope: problem.scope.map(|scope| scope.to_string()),
            diagnostics: problem.diagnostics,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, status, _, _) = self.code.parts();
        let retry_after_seconds = self.retry_after_seconds;
        let scope = self.scope;
        let mut response = (status, Json(ProblemDocument::from(self))).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds));
        }
        if let Some(scope) = scope {
            // RFC 6750, section 3.1.
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
            headers.extend(
                HeaderValue::from_str(&challenge)
                    .ok()
                    .map(|challenge| (header::WWW_AUTHENTICATE, challenge)),
            );
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer, Basic realm=\"write key\""),
            );
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_reference_with_its_status() {
        let reference = include_str!("../../../docs/reference/http.md");
        for code in Code::ALL {
            let (name, status, _, _) = code.parts();
            let row = format!("| `{name}` | {} |", status.as_u16());
            assert!(reference.contains(&row), "{row}");
        }
    }
}
