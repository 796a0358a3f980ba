//! The console: a web application inside the binary. Its files are embedded when they were built
//! (`make console`); its sessions are the ones of the sign-in page.

mod session;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::ApiState;
use crate::caller::text;
use crate::page;
use crate::problem::{Code, Problem};

/// A file of the console, as Vite built it.
struct Asset {
    path: &'static str,
    bytes: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// All files; none where the console was not built.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/console_assets.rs"));

/// Files by path, each with its entity tag.
static BY_PATH: LazyLock<BTreeMap<&'static str, (&'static Asset, String)>> = LazyLock::new(|| {
    let tag = |asset: &Asset| format!("\"{}\"", &blake3::hash(asset.bytes).to_hex()[..32]);
    ASSETS
        .iter()
        .map(|asset| (asset.path, (asset, tag(asset))))
        .collect()
});

/// The page that every address of the console begins with.
const INDEX: &str = "index.html";
/// Files below it carry a hash of their content in their names, so they never change.
const HASHED: &str = "assets/";
/// What is not the console's: there a wrong path is a problem document.
const RESERVED: [&str; 10] = [
    "api/",
    "v1/",
    "docs/",
    "oauth/",
    "console/",
    "t/",
    "u/",
    "p/",
    "assets/",
    ".well-known/",
];
/// Only own scripts run, and only this server is asked. Styles may stand in attributes: the
/// component library and previews of e-mails set them there.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// The routes of the console that are not files.
pub(crate) fn routes(state: ApiState) -> Router {
    session::routes().with_state(state)
}

/// What no other route takes: a file of the console, or the page that draws all its addresses.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if !matches!(method, Method::GET | Method::HEAD) {
        return nothing_here();
    }
    if let Some((asset, tag)) = BY_PATH.get(path) {
        return file(asset, tag, &headers);
    }
    if !is_page(path, &headers) {
        return nothing_here();
    }
    match BY_PATH.get(INDEX) {
        Some((asset, tag)) => file(asset, tag, &headers),
        None => missing(),
    }
}

fn nothing_here() -> Response {
    Problem::new(Code::NotFound, "there is nothing at this path").into_response()
}

/// Whether somebody opened an address of the console in a browser.
fn is_page(path: &str, headers: &HeaderMap) -> bool {
    let reserved = RESERVED
        .iter()
        .any(|prefix| path.starts_with(prefix) || path == prefix.trim_end_matches('/'));
    let wants_html =
        text(headers, header::ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/html"));
    path.is_empty() || (!reserved && wants_html)
}

/// A build without Node has no console, and says so.
fn missing() -> Response {
    page::document(
        "Tenure is running",
        "<p>This build has no console. With Node.js 20 or newer, <code>make console</code> and then <code>make build</code> \
         put it in; released binaries have it.</p><p>All that Tenure does can be done with the command line \
         (<code>tenure --help</code>) and the <a href=\"/docs\">API</a>.</p>",
    )
}

/// A file, in the smallest form that the browser takes; nothing when it has it already.
fn file(asset: &Asset, tag: &str, headers: &HeaderMap) -> Response {
    let (encoding, bytes) = encoded(asset, text(headers, header::ACCEPT_ENCODING.as_str()));
    let cache = if asset.path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = text(headers, header::IF_NONE_MATCH.as_str()).is_some_and(|tags| {
        tags.split(',')
            .any(|known| known.trim().trim_start_matches("W/") == tag)
    });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        bytes.into_response()
    };
    let out = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            out.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, media_type(asset.path));
    set(header::CACHE_CONTROL, cache);
    // Weak: one tag for every encoding of the same content.
    set(header::ETAG, &format!("W/{tag}"));
    set(header::VARY, "accept-encoding");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    if let (Some(encoding), false) = (encoding, known) {
        set(header::CONTENT_ENCODING, encoding);
    }
    response
}

fn encoded(asset: &Asset, accepted: Option<&str>) -> (Option<&'static str>, &'static [u8]) {
    let takes = |name: &str| {
        accepted.is_some_and(|text| {
            text.split(',')
                .filter_map(|part| part.split(';').next())
                .any(|part| part.trim() == name)
        })
    };
    match (asset.brotli, asset.gzip) {
        (Some(bytes), _) if takes("br") => (Some("br"), bytes),
        (_, Some(bytes)) if takes("gzip") => (Some("gzip"), bytes),
        _ => (None, asset.bytes),
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ASSET: Asset = Asset {
        path: "assets/app-1a2b.js",
        bytes: b"plain",
        brotli: Some(b"br"),
        gzip: Some(b"gz"),
    };

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = header::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    #[test]
    fn a_browser_gets_the_smallest_form_that_it_takes() {
        for (accepted, encoding) in [
            (Some("gzip, deflate, br"), Some("br")),
            (Some("gzip;q=1.0"), Some("gzip")),
            (Some("identity"), None),
            (None, None),
        ] {
            assert_eq!(encoded(&ASSET, accepted).0, encoding);
        }
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let response = file(&ASSET, "\"x\"", &headers(&[("if-none-match", "W/\"x\"")]));
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        let response = file(&ASSET, "\"x\"", &headers(&[("accept-encoding", "br")]));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-encoding"], "br");
        assert!(
            response.headers()["cache-control"]
                .to_str()
                .is_ok_and(|text| text.contains("immutable"))
        );
    }

    #[test]
    fn only_addresses_of_the_console_are_drawn_by_it() {
        let browser = headers(&[("accept", "text/html,application/xhtml+xml")]);
        for path in ["", "accounts", "accounts/acc_1", "programs/onboarding"] {
            assert!(is_page(path, &browser), "{path}");
        }
        for path in [
            "api/v1/nothing",
            "v1/nothing",
            "docs/x",
            "oauth/x",
            "assets/gone.js",
        ] {
            assert!(!is_page(path, &browser), "{path}");
        }
        assert!(!is_page(
            "accounts",
            &headers(&[("accept", "application/json")])
        ));
    }
}
