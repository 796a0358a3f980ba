//! Pages without script: one frame, one style, a strict content security policy.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:10vh auto;padding:0 1rem}\
fieldset{border:1px solid #8888;border-radius:.5rem;margin:1rem 0}label{display:block;padding:.4rem 0}\
input:not([type=checkbox]){font:inherit;display:block;width:100%;box-sizing:border-box;padding:.5rem}\
button{font:inherit;padding:.5rem 1rem;border-radius:.4rem;border:1px solid #8888;cursor:pointer}\
button:focus-visible,input:focus-visible{outline:3px solid Highlight;outline-offset:2px}";

/// A page with this title and body, whose texts were escaped.
pub(crate) fn document(title: &str, body: &str) -> Response {
    document_with_forms_to(title, body, "")
}

/// Likewise; a form's answer may also lead to this origin.
pub(crate) fn document_with_forms_to(title: &str, body: &str, origin: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>{body}</main></body></html>"
    );
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {origin}; base-uri 'none'; frame-ancestors 'none'"
    );
    let policy =
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, Html(html)).into_response()
}

/// Text as it may stand in HTML, also within quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
