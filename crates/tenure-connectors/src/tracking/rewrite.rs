//! Putting tracked links, the hidden link and the pixel into a message.

use super::token::{LinkSigner, Purpose, TrackedLink, is_web_address};
use crate::html::{Tag, Token, escape, find_ignoring_case, tokens, unescape};

/// Most links of one message that are tracked; further ones stay as they are.
const LINKS_MAX_COUNT: usize = 1_000;
/// Longest URL that is tracked, in bytes; a longer one would make a token that mail programs may cut.
const URL_MAX_BYTES: usize = 2_000;

/// What to put into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracking<'a> {
    /// Where Tenure's public pages are, such as `https://t.example.com`.
    pub base_url: &'a str,
    /// Whether links are rewritten, and the hidden link added.
    pub clicks: bool,
    /// Whether the pixel is added.
    pub opens: bool,
    /// Starts of links that stay as they are, such as those of unsubscribe and preference pages.
    pub untracked_prefixes: &'a [&'a str],
}

/// A message with its tracking in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The document.
    pub html: String,
    /// How many links are tracked; the traffic of the message is judged by it.
    pub link_count: usize,
}

/// Rewrites the `href` of each `<a>` and `<area>` that leads to a web page to `{base}/t/c/{token}`, and adds a link that
/// people cannot see (`/t/h/`) and a pixel (`/t/o/`).
///
/// Left alone: other schemes, links on untracked prefixes and on `{base}` itself, and those with
/// `data-tenure-track="off"`.
pub fn track(
    html: &str,
    message_id: &str,
    signer: &LinkSigner,
    tracking: &Tracking<'_>,
) -> Tracked {
    let base = tracking.base_url.trim_end_matches('/');
    let mut out = String::with_capacity(html.len() + 4 * 1024);
    let mut copied = 0;
    let targets = if tracking.clicks {
        tracked_targets(html, base, tracking.untracked_prefixes)
    } else {
        Vec::new()
    };
    let link_count = targets.len();
    for (link_index, (range, url)) in targets.into_iter().enumerate() {
        let token = signer.seal_click(&TrackedLink {
            message_id: message_id.to_owned(),
            link_index,
            link_count,
            url,
        });
        out.push_str(&html[copied..range.start]);
        out.extend(["\"", &escape(base), "/t/c/", &token, "\""]);
        copied = range.end;
    }
    out.push_str(&html[copied..]);
    let at = last_body_end(&out);
    out.insert_str(at, &hidden_parts(base, message_id, signer, tracking));
    Tracked {
        html: out,
        link_count,
    }
}

fn tracked_targets(
    html: &str,
    base: &str,
    untracked: &[&str],
) -> Vec<(std::ops::Range<usize>, String)> {
    tokens(html)
        .filter_map(|token| match token {
            Token::Start(tag) => tracked_target(&tag, base, untracked),
            _ => None,
        })
        .take(LINKS_MAX_COUNT)
        .collect()
}

fn tracked_target(
    tag: &Tag<'_>,
    base: &str,
    untracked: &[&str],
) -> Option<(std::ops::Range<usize>, String)> {
    let is_link = tag.name.eq_ignore_ascii_case("a") || tag.name.eq_ignore_ascii_case("area");
    let is_off = tag
        .attribute("data-tenure-track")
        .is_some_and(|attribute| attribute.value.eq_ignore_ascii_case("off"));
    if !is_link || is_off {
        return None;
    }
    let href = tag.attribute("href")?;
    let url = unescape(href.value).trim().to_owned();
    let is_ours = url
        .strip_prefix(base)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    let is_untracked = untracked
        .iter()
        .any(|prefix| !prefix.is_empty() && url.starts_with(prefix));
    let is_tracked =
        is_web_address(&url) && url.len() <= URL_MAX_BYTES && !is_ours && !is_untracked;
    is_tracked.then(|| (href.range.clone(), url))
}

fn hidden_parts(
    base: &str,
    message_id: &str,
    signer: &LinkSigner,
    tracking: &Tracking<'_>,
) -> String {
    let base = escape(base);
    let mut parts = String::new();
    if tracking.clicks {
        let token = signer.seal(Purpose::Hidden, &[message_id]);
        let attributes = "style=\"display:none\" aria-hidden=\"true\" tabindex=\"-1\"";
        parts.extend([
            "<a href=\"",
            &base,
            "/t/h/",
            &token,
            "\" ",
            attributes,
            "></a>",
        ]);
    }
    if tracking.opens {
        let token = signer.seal(Purpose::Open, &[message_id]);
        let attributes = "width=\"1\" height=\"1\" alt=\"\" style=\"border:0\"";
        parts.extend([
            "<img src=\"",
            &base,
            "/t/o/",
            &token,
            ".gif\" ",
            attributes,
            ">",
        ]);
    }
    parts
}

/// Before the last `</body>`, or at the end.
fn last_body_end(html: &str) -> usize {
    let mut end = html.len();
    let mut from = 0;
    while let Some(offset) = find_ignoring_case(&html[from..], "</body") {
        end = from + offset;
        from = end + 1;
    }
    end
}
