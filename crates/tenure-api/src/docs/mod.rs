//! Documents that the server serves of itself: the interactive page of its API, and a page for
//! each problem code. Nothing is loaded from elsewhere.

use std::fmt::Write;

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::problem::{Code, Problem};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// What there is to say about each problem code: a heading `## \`code\`` and text.
const PROBLEMS: &str = include_str!("../../../../docs/reference/problems.md");
/// Everything comes from this server, and nothing is inline.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The routes of the documents.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/docs", get(|| async { html(PAGE.to_owned()) }))
        .route("/docs/page.css", get(|| async { file("text/css", STYLE) }))
        .route(
            "/docs/page.js",
            get(|| async { file("text/javascript", SCRIPT) }),
        )
        .route("/docs/problems", get(|| async { html(all_problems()) }))
        .route("/docs/problems/{code}", get(problem))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let kind = format!("{kind}; charset=utf-8");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, text).into_response()
}

fn html(text: String) -> Response {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(text)).into_response()
}

async fn problem(Path(code): Path<String>) -> Result<Response, Problem> {
    let found = Code::ALL.into_iter().find(|known| known.parts().0 == code);
    let found = found.ok_or_else(|| Problem::not_found("problem", &code))?;
    Ok(html(page(&code, &section(found))))
}

fn all_problems() -> String {
    let sections: String = Code::ALL.into_iter().map(section).collect();
    page("Problems", &sections)
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · Tenure API</title><link rel=\"stylesheet\" href=\"/docs/page.css\"></head>\
         <body><header><h1>Tenure API</h1><a href=\"/docs\">operations</a>\
         <a href=\"/docs/problems\">problems</a></header>\
         <div class=\"columns\"><nav></nav><main>{body}</main></div></body></html>"
    )
}

fn section(code: Code) -> String {
    let (name, status, title, fix) = code.parts();
    let mut out = format!(
        "<section id=\"{name}\"><h2>{}</h2><p><code>{name}</code> · HTTP {}</p>",
        escaped(title),
        status.as_u16()
    );
    for paragraph in about(name) {
        let _ = write!(out, "<p>{}</p>", marked(paragraph));
    }
    let _ = write!(out, "<p>What to do: {}.</p></section>", marked(fix));
    out
}

/// The paragraphs about a code.
fn about(code: &str) -> impl Iterator<Item = &'static str> {
    let heading = format!("## `{code}`\n");
    let after = PROBLEMS
        .split_once(heading.as_str())
        .map_or("", |(_, text)| text);
    let text = after.split("\n## ").next().unwrap_or_default();
    text.split("\n\n")
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// Text with what stands in backticks as code.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(index, part)| match index % 2 {
            0 => escaped(part),
            _ => format!("<code>{}</code>", escaped(part)),
        })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_code_has_a_page_that_says_more_than_its_remedy() {
        for code in Code::ALL {
            let (name, _, _, _) = code.parts();
            assert!(
                about(name).next().is_some(),
                "docs/reference/problems.md lacks `{name}`"
            );
            assert!(section(code).contains("What to do"));
        }
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        for text in [PAGE, STYLE, SCRIPT] {
            assert!(!text.contains("http://") && !text.contains("https://"));
            assert!(!text.contains("//cdn") && !text.contains("@import"));
        }
        assert!(!PAGE.contains("<style") && !PAGE.contains(" style="));
    }

    #[test]
    fn marks_in_text_become_code_and_nothing_else_becomes_markup() {
        assert_eq!(marked("a `b<c>` & d"), "a <code>b&lt;c&gt;</code> &amp; d");
    }
}
