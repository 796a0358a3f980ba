//! `Idempotency-Key` on every POST (draft-ietf-httpapi-idempotency-key-header): the same key from
//! the same client gives the same answer for a day, and does the thing once.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tenure_app::idempotency::{Claim, KeptAnswer, Settled};

use super::ask;
use crate::ApiState;
use crate::problem::{Code, Problem};

/// Name of the header.
const HEADER: &str = "idempotency-key";
/// Tells that an answer was kept, and nothing was done now.
const REPLAYED: &str = "idempotency-replayed";
/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;
/// Fields of answers whose text is shown only once.
const ONCE_SHOWN: [&str; 2] = ["secret", "token"];
/// Largest answer kept, in bytes; no answer to a POST comes near.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Does a POST once per key.
pub(super) async fn once(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = request.headers().get(HEADER).cloned();
    // An import is a file of any size, and known again by its content.
    let is_import = request.uri().path() == "/api/v1/imports";
    let Some(key) = key.filter(|_| *request.method() == Method::POST && !is_import) else {
        return Ok(next.run(request).await);
    };
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, crate::BODY_BYTES)
        .await
        .map_err(|_| Problem::new(Code::TooLarge, "the body is too large or was cut off"))?;
    let key = name_of(&key, parts.headers.get(header::AUTHORIZATION))?;
    let request_hash = hash(&[parts.uri.to_string().as_bytes(), &bytes]);
    let claimed = (key.clone(), request_hash.clone());
    let claim = ask(&state, move |node| {
        Ok(node.claim_key(&claimed.0, &claimed.1)?)
    })
    .await?;
    match claim {
        Claim::Fresh => {}
        Claim::Done(answer) => return Ok(replayed(answer)),
        Claim::Withheld => {
            let detail = "the request with this `Idempotency-Key` was done, and its answer held a secret that is shown only once";
            return Err(Problem::new(Code::SecretShown, detail));
        }
        Claim::OtherRequest => {
            let detail = "this `Idempotency-Key` was used with another path or body";
            return Err(Problem::new(Code::IdempotencyKeyReused, detail));
        }
        Claim::UnderWay => {
            let detail = "a request with this `Idempotency-Key` is under way";
            return Err(Problem::new(Code::Conflict, detail).fix("wait for its answer"));
        }
        Claim::CutOff => {
            let detail =
                "the request with this `Idempotency-Key` was cut off by a stop of the server";
            let fix = "look whether it was done, and if not, send it with a new key";
            return Err(Problem::new(Code::Conflict, detail).fix(fix));
        }
    }
    // Somebody who hangs up must not leave the key claimed, so this goes on without them.
    let request = Request::from_parts(parts, Body::from(bytes));
    let done = tokio::spawn(run(state, next, request, key, request_hash));
    done.await
        .unwrap_or_else(|_| Err(Problem::new(Code::Internal, "the request failed")))
}

async fn run(
    state: ApiState,
    next: Next,
    request: Request,
    key: String,
    request_hash: String,
) -> Result<Response, Problem> {
    let response = next.run(request).await;
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_ANSWER_BYTES).await.unwrap_or_default();
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let answer = KeptAnswer {
        status: parts.status.as_u16(),
        content_type: content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    let settled = match answer {
        _ if !was_taken(parts.status) => Settled::Not,
        answer if has_secret(&answer.body) => Settled::Secret,
        answer => Settled::Answered(answer),
    };
    ask(&state, move |node| {
        Ok(node.settle_key(&key, &request_hash, settled)?)
    })
    .await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Whether an answer shows a new secret.
fn has_secret(body: &str) -> bool {
    let parsed: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    ONCE_SHOWN.iter().any(|field| parsed[*field].is_string())
}

/// Whether a request was looked at, rather than turned away to come back.
fn was_taken(status: StatusCode) -> bool {
    !matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
    )
}

/// What a key is kept under: clients do not see each other's.
fn name_of(key: &HeaderValue, client: Option<&HeaderValue>) -> Result<String, Problem> {
    let text = key.as_bytes();
    if text.is_empty() || text.len() > MAX_KEY_BYTES {
        let reason = format!("must be 1 to {MAX_KEY_BYTES} bytes");
        return Err(Problem::invalid("Idempotency-Key", reason));
    }
    Ok(hash(&[client.map_or(&[][..], HeaderValue::as_bytes), text]))
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

fn replayed(answer: KeptAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let body: Bytes = answer.body.into();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&answer.content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
