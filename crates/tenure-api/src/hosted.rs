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
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use tenure_app::receipts::{Preferences, WebHit};

use crate::ApiState;
use crate::page::escape;
use crate::problem::Problem;
use crate::rest::ask;

/// A transparent picture of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// How the pages look; a file of its own, so that the pages allow no inline styles.
const STYLE: &str = include_str!("hosted.css");
/// Where [`STYLE`] is; the number changes with it.
const STYLE_PATH: &str = "/hosted-1.css";
/// For how long a browser may keep the style: a day, in seconds.
const STYLE_CACHE: &str = "public, max-age=86400";
/// What a page may load: its style. Nothing runs, nothing is framed.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The picture beside good news.
const TICK: &str = "<svg aria-hidden=\"true\" width=\"20\" height=\"20\" viewBox=\"0 0 20 20\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" stroke-linecap=\"round\" stroke-linejoin=\"round\"><path d=\"M4 10.5l4 4 8-9\"/></svg>";

/// The routes for the end customer.
pub(crate) fn routes(state: ApiState) -> Router {
    Router::new()
        .route(STYLE_PATH, get(style))
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

async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, STYLE_CACHE),
    ];
    (headers, STYLE).into_response()
}

async fn unsubscribe(
    State(state): State<ApiState>,
    Path(token): Path<String>,
    RawForm(_): RawForm,
) -> Result<Response, Problem> {
    let asked = token.clone();
    let sender = ask(&state, move |node| {
        let done = node.unsubscribe(&asked)?;
        Ok(done.then(|| node.workspace_name().to_owned()))
    })
    .await?;
    let Some(sender) = sender else {
        return Ok(gone());
    };
    let body = format!(
        "<p role=\"status\" class=\"notice\">{TICK}You are unsubscribed.</p>\
         <p>You will get no more of these messages. It may take a moment until those that are \
         on their way have arrived.</p>\
         <p class=\"foot\">Was it a mistake, or is it about other messages? \
         <a href=\"/p/{}\">Choose what you get</a>.</p>",
        escape(&token)
    );
    Ok(document("Unsubscribed", Some(&sender), &body))
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
        let body = form(&preferences, &token, saved);
        document(
            "Your e-mail preferences",
            Some(&preferences.workspace),
            &body,
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
    let sender = escape(&shown.workspace);
    let _ = write!(
        out,
        "<p class=\"lead\">Choose what {sender} may send you. Messages you need, such as receipts, come in any case.</p>"
    );
    if saved {
        let _ = write!(out, "<p role=\"status\" class=\"notice\">{TICK}Saved.</p>");
    }
    if shown.all_refused {
        out.push_str(
            "<p class=\"notice plain\">You get none of these now. Switch one on to get it again.</p>",
        );
    }
    let _ = write!(
        out,
        "<form method=\"post\" action=\"/p/{}\"><fieldset><legend>Topics</legend>",
        escape(token)
    );
    for (topic, on) in &shown.topics {
        let checked = if *on { " checked" } else { "" };
        let _ = write!(
            out,
            "<label class=\"topic\"><span>{}</span>\
             <input type=\"checkbox\" role=\"switch\" name=\"topic\" value=\"{}\"{checked}></label>",
            escape(&topic.title),
            escape(&topic.name)
        );
    }
    out.push_str("</fieldset><div class=\"actions\"><button type=\"submit\">Save</button>");
    if !shown.all_refused {
        out.push_str(
            "<button type=\"submit\" class=\"quiet\" name=\"none\" value=\"1\">Unsubscribe from everything</button>",
        );
    }
    out.push_str("</div></form>");
    out
}

fn gone() -> Response {
    let page = document(
        "This link is not valid",
        None,
        "<p class=\"lead\">It may be cut off, or too old. Open the link in the latest message \
         again, or answer that message and ask to be taken off the list.</p>",
    );
    (StatusCode::NOT_FOUND, page).into_response()
}

/// A page of `sender`, where that may be told.
fn document(title: &str, sender: Option<&str>, body: &str) -> Response {
    let sender = sender.map_or_else(String::new, |sender| {
        let initial: String = sender
            .chars()
            .take(1)
            .flat_map(char::to_uppercase)
            .collect();
        format!(
            "<p class=\"sender\"><span class=\"mark\" aria-hidden=\"true\">{}</span>{}</p>",
            escape(&initial),
            escape(sender)
        )
    });
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"{STYLE_PATH}\"></head>\
         <body><main>{sender}<h1>{title}</h1>{body}</main></body></html>"
    );
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, Html(html)).into_response()
}
