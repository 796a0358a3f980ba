//! Pages and links that recipients of messages open: tracked links, one-click unsubscribe
//! (RFC 8058) and the preference page.
//!
//! What a token says is trusted only after its signature was checked. A GET never changes a
//! choice: link scanners open every link.

mod page;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Path, RawForm, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use tenure_app::error::AppError;
use tenure_app::node::Node;
use tenure_app::receipts::WebHit;

use crate::problem::Problem;

/// The largest form or report taken, in bytes.
const FORM_MAX_BYTES: usize = 64 * 1024;

/// A transparent GIF of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// The routes of hosted pages.
pub fn routes(node: Arc<Node>) -> Router {
    Router::new()
        .route("/t/c/{token}", get(click))
        .route("/t/o/{token}", get(open))
        .route("/t/h/{token}", get(hidden))
        .route("/u/{token}", get(preferences).post(one_click))
        .route("/p/{token}", get(preferences).post(save))
        .layer(axum::extract::DefaultBodyLimit::max(FORM_MAX_BYTES))
        .layer(axum::middleware::map_response(private))
        .with_state(node)
        .route(
            "/t/{*rest}",
            post(|| async { StatusCode::METHOD_NOT_ALLOWED }),
        )
}

/// Pages about one person are not kept by anybody and do not tell where they were.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    response
}

/// Who asked, owned, so that it can go to a blocking thread.
struct Visitor {
    method: Method,
    user_agent: String,
    client: String,
}

impl Visitor {
    fn new(method: Method, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let forwarded = text("x-forwarded-for")
            .split(',')
            .next()
            .unwrap_or_default()
            .trim();
        let client = match (forwarded, peer) {
            ("", Some(ConnectInfo(peer))) => peer.ip().to_string(),
            (forwarded, _) => forwarded.to_owned(),
        };
        Self {
            method,
            user_agent: text("user-agent").to_owned(),
            client,
        }
    }

    fn hit(&self) -> WebHit<'_> {
        WebHit {
            method: self.method.as_str(),
            user_agent: &self.user_agent,
            client: &self.client,
        }
    }
}

async fn blocking<T: Send + 'static>(
    node: Arc<Node>,
    work: impl FnOnce(&Node) -> Result<T, AppError> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(move || work(&node)).await {
        Ok(result) => result.map_err(Problem::from),
        Err(_) => Err(Problem::from(AppError::Stopping)),
    }
}

fn gone() -> Response {
    (StatusCode::NOT_FOUND, Html(page::not_found())).into_response()
}

async fn click(
    State(node): State<Arc<Node>>,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, Problem> {
    let visitor = Visitor::new(method, &headers, &extensions);
    let target = blocking(node, move |node| node.record_click(&token, visitor.hit())).await?;
    Ok(match target {
        Some(url) => Redirect::to(&url).into_response(),
        None => gone(),
    })
}

async fn open(
    State(node): State<Arc<Node>>,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, Problem> {
    let visitor = Visitor::new(method, &headers, &extensions);
    let token = token.trim_end_matches(".gif").to_owned();
    blocking(node, move |node| node.record_open(&token, visitor.hit())).await?;
    // A stranger's token gets the same picture: the answer says nothing.
    Ok(([(header::CONTENT_TYPE, "image/gif")], PIXEL).into_response())
}

async fn hidden(
    State(node): State<Arc<Node>>,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, Problem> {
    let visitor = Visitor::new(method, &headers, &extensions);
    blocking(node, move |node| node.record_hidden(&token, visitor.hit())).await?;
    Ok(gone())
}

/// RFC 8058: the mail program posts `List-Unsubscribe=One-Click`; it is done without a question.
async fn one_click(
    State(node): State<Arc<Node>>,
    Path(token): Path<String>,
    RawForm(form): RawForm,
) -> Result<Response, Problem> {
    if !form.starts_with(b"List-Unsubscribe=One-Click") {
        return save(State(node), Path(token), RawForm(form)).await;
    }
    let ours = blocking(node, move |node| node.unsubscribe(&token)).await?;
    Ok(if ours {
        Html(page::unsubscribed()).into_response()
    } else {
        gone()
    })
}

async fn preferences(
    State(node): State<Arc<Node>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let shown = blocking(node, move |node| node.preferences(&token)).await?;
    Ok(shown.map_or_else(gone, |shown| {
        Html(page::preferences(&shown, false)).into_response()
    }))
}

async fn save(
    State(node): State<Arc<Node>>,
    Path(token): Path<String>,
    RawForm(form): RawForm,
) -> Result<Response, Problem> {
    let fields = page::fields(&form);
    let all = fields.iter().any(|(name, _)| name == "refuse_all");
    let wanted: Vec<String> = fields
        .into_iter()
        .filter(|(name, _)| name == "topic")
        .map(|(_, value)| value)
        .collect();
    let shown = blocking(node, move |node| {
        if !node.save_preferences(&token, &wanted, all)? {
            return Ok(None);
        }
        node.preferences(&token)
    })
    .await?;
    Ok(shown.map_or_else(gone, |shown| {
        Html(page::preferences(&shown, true)).into_response()
    }))
}
