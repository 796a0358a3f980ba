//! Pages and links for the end customer: tracked links, one-click unsubscribe, preferences.
//!
//! A GET never unsubscribes anybody: security gateways open every link.

use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts, Path, RawForm, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tenure_app::receipts::{Preferences, WebHit};

use crate::ApiState;
use crate::page::{document, escape};
use crate::problem::Problem;
use crate::rest::ask;

/// A transparent picture of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// The routes for the end customer.
pub(crate) fn routes(state: ApiState) -> Router {
    Router::new()
        .route("/t/c/{token}", get(click))
        .route("/t/o/{token}", get(open))
        .route("/t/h/{token}", get(hidden))
        .route("/u/{token}", get(page).post(unsubscribe))
        .route("/p/{token}", get(page))
        .route("/p/{token}", post(save))
        .with_state(state)
}

/// Who asked, as the web server saw it.
struct Visitor {
    method: Method,
    user_agent: String,
    client: String,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let text = |name: &str| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(address)| address.ip().to_string());
        // Behind a proxy every peer is the proxy.
        let client = text("x-forwarded-for").map(str::to_owned).or(peer);
        Ok(Self {
            method: parts.method.clone(),
            user_agent: text("user-agent").unwrap_or_default().to_owned(),
            client: client.unwrap_or_default(),
        })
    }
}

impl Visitor {
    fn hit(&self) -> WebHit<'_> {
        WebHit {
            method: self.method.as_str(),
            user_agent: &self.user_agent,
            client: &self.client,
        }
    }
}

async fn click(
    State(state): State<ApiState>,
    Path(token): Path<String>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let url = ask(&state, move |node| {
        Ok(node.record_click(&token, visitor.hit())?)
    })
    .await?;
    let target = url.and_then(|url| HeaderValue::from_str(&url).ok());
    let Some(target) = target else {
        return Ok(gone());
    };
    let headers = [
        (header::LOCATION, target),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((StatusCode::FOUND, headers).into_response())
}

async fn open(
    State(state): State<ApiState>,
    Path(token): Path<String>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let token = token
        .strip_suffix(".gif")
        .map(str::to_owned)
        .unwrap_or(token);
    // A picture is given also for a token that is not ours: a broken image helps nobody.
    ask(&state, move |node| {
        Ok(node.record_open(&token, visitor.hit())?)
    })
    .await?;
    let headers = [
        (header::CONTENT_TYPE, "image/gif"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, PIXEL).into_response())
}

async fn hidden(
    State(state): State<ApiState>,
    Path(token): Path<String>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    ask(&state, move |node| {
        Ok(node.record_hidden(&token, visitor.hit())?)
    })
    .await?;
    Ok(gone())
}

async fn unsubscribe(
    State(state): State<ApiState>,
    Path(token): Path<String>,
    RawForm(_): RawForm,
) -> Result<Response, Problem> {
    let done = ask(&state, move |node| Ok(node.unsubscribe(&token)?)).await?;
    if !done {
        return Ok(gone());
    }
    Ok(document(
        "Unsubscribed",
        "<p role=\"status\">You are unsubscribed. You will get no more of these messages.</p>",
    ))
}

async fn page(
    State(state): State<ApiState>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    show(&state, token, false).await
}

async fn show(state: &ApiState, token: String, saved: bool) -> Result<Response, Problem> {
    let asked = token.clone();
    let preferences = ask(state, move |node| Ok(node.preferences(&asked)?)).await?;
    Ok(preferences.map_or_else(gone, |preferences| {
        document(
            "Your e-mail preferences",
            &form(&preferences, &token, saved),
        )
    }))
}

async fn save(
    State(state): State<ApiState>,
    Path(token): Path<String>,
    RawForm(form): RawForm,
) -> Result<Response, Problem> {
    let pairs: Vec<(String, String)> = form_pairs(&form);
    let refuse_all = pairs.iter().any(|(name, _)| name == "none");
    let wanted: Vec<String> = pairs
        .into_iter()
        .filter(|(name, _)| name == "topic")
        .map(|(_, topic)| topic)
        .collect();
    let asked = token.clone();
    let ours = ask(&state, move |node| {
        Ok(node.save_preferences(&asked, &wanted, refuse_all)?)
    })
    .await?;
    if !ours {
        return Ok(gone());
    }
    show(&state, token, true).await
}

/// Pairs of a form; what cannot be read is no pair.
fn form_pairs(form: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(form);
    let uri = format!("/?{text}").parse();
    let query = uri
        .ok()
        .and_then(|uri| axum::extract::Query::try_from_uri(&uri).ok());
    query
        .map(|axum::extract::Query(pairs)| pairs)
        .unwrap_or_default()
}

fn form(shown: &Preferences, token: &str, saved: bool) -> String {
    let mut out = String::new();
    if saved {
        out.push_str("<p role=\"status\"><strong>Saved.</strong></p>");
    }
    let _ = write!(
        out,
        "<form method=\"post\" action=\"/p/{0}\"><fieldset><legend>What {1} may send you</legend>",
        escape(token),
        escape(&shown.workspace)
    );
    for (topic, on) in &shown.topics {
        let checked = if *on { " checked" } else { "" };
        let _ = write!(
            out,
            "<label><input type=\"checkbox\" name=\"topic\" value=\"{}\"{checked}> {}</label>",
            escape(&topic.name),
            escape(&topic.title)
        );
    }
    let all = if shown.all_refused { " checked" } else { "" };
    let _ = write!(
        out,
        "<label><input type=\"checkbox\" name=\"none\" value=\"1\"{all}> Nothing at all</label></fieldset>\
         <button type=\"submit\">Save</button></form>"
    );
    out
}

fn gone() -> Response {
    let page = document(
        "Not found",
        "<p>This link is not valid, or not valid any more.</p>",
    );
    (StatusCode::NOT_FOUND, page).into_response()
}
