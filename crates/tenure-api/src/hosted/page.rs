//! The HTML of hosted pages: small, accessible, without script, light and dark.

use tenure_app::receipts::Preferences;

const STYLE: &str = "
:root{color-scheme:light dark;--text:#1c2733;--soft:#55616e;--page:#f4f6f8;--card:#fff;--line:#d5dbe1;--accent:#1857c4}
@media (prefers-color-scheme:dark){:root{--text:#e8edf2;--soft:#a5b1bd;--page:#12181f;--card:#1b232c;--line:#36424e;--accent:#8ab4ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:34rem;margin:8vh auto;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:12px}
h1{margin:0 0 .5rem;font-size:1.4rem}
p{margin:.5rem 0;color:var(--soft)}
fieldset{border:0;margin:1.5rem 0 0;padding:0}
legend{font-weight:600;padding:0}
label{display:flex;gap:.75rem;align-items:center;padding:.75rem 0;border-bottom:1px solid var(--line);cursor:pointer}
input[type=checkbox]{width:1.25rem;height:1.25rem;accent-color:var(--accent)}
.actions{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}
button{font:inherit;padding:.6rem 1.1rem;border-radius:8px;border:1px solid var(--accent);background:var(--accent);color:var(--card);cursor:pointer}
button.quiet{background:transparent;color:var(--text);border-color:var(--line)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.saved{padding:.6rem .9rem;border-left:4px solid var(--accent);background:var(--page);color:var(--text)}
";

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>"
    )
}

/// For links that are not ours, or too old.
pub(super) fn not_found() -> String {
    let body = "<h1>This link does not work</h1><p>It may have been cut off on its way. Open it \
                again from the message, or copy it whole.</p>";
    document("Link not found", body)
}

/// After a one-click unsubscribe.
pub(super) fn unsubscribed() -> String {
    document(
        "Unsubscribed",
        "<h1>You are unsubscribed</h1><p>You will get no more of these messages.</p>",
    )
}

/// The choices of a person.
pub(super) fn preferences(shown: &Preferences, saved: bool) -> String {
    let workspace = escape(&shown.workspace);
    let mut body = format!("<h1>Your e-mail choices</h1><p>Messages from {workspace}.</p>");
    if saved {
        body.push_str("<p class=\"saved\" role=\"status\">Your choices are saved.</p>");
    }
    body.push_str("<form method=\"post\"><fieldset><legend>Send me</legend>");
    for (topic, on) in &shown.topics {
        let checked = if *on { " checked" } else { "" };
        body.push_str(&format!(
            "<label><input type=\"checkbox\" name=\"topic\" value=\"{}\"{checked}> {}</label>",
            escape(&topic.name),
            escape(&topic.title),
        ));
    }
    if shown.topics.is_empty() {
        body.push_str("<p>There is nothing to choose from.</p>");
    }
    body.push_str(
        "</fieldset><p>Messages about your account itself, such as receipts, are always sent.</p>\
         <div class=\"actions\"><button>Save</button>\
         <button class=\"quiet\" name=\"refuse_all\" value=\"1\">Unsubscribe from everything</button></div></form>",
    );
    document("Your e-mail choices", &body)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// The fields of an `application/x-www-form-urlencoded` body, in order. What is not UTF-8 is left
/// out.
pub(super) fn fields(form: &[u8]) -> Vec<(String, String)> {
    let decode = |bytes: &[u8]| -> Option<String> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            match (first, tail) {
                (b'+', _) => out.push(b' '),
                (b'%', [high, low, after @ ..]) => {
                    let digit = |byte: &u8| char::from(*byte).to_digit(16);
                    out.push((digit(high)? * 16 + digit(low)?) as u8);
                    rest = after;
                }
                (byte, _) => out.push(*byte),
            }
        }
        String::from_utf8(out).ok()
    };
    let pairs = form
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    pairs
        .filter_map(|pair| {
            let at = pair
                .iter()
                .position(|byte| *byte == b'=')
                .unwrap_or(pair.len());
            let value = pair.get(at + 1..).unwrap_or_default();
            Some((decode(&pair[..at])?, decode(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tenure_core::define::TopicDef;
    use tenure_core::id::PersonId;

    use super::*;

    #[test]
    fn form_fields_are_decoded_and_broken_ones_left_out() {
        let fields = fields(b"topic=product-tips&topic=a%26b+c&bad=%zz&refuse_all=1");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            fields,
            [
                pair("topic", "product-tips"),
                pair("topic", "a&b c"),
                pair("refuse_all", "1")
            ]
        );
    }

    #[test]
    fn names_from_outside_cannot_become_markup() {
        let topic = TopicDef {
            name: "x\"><script>".into(),
            title: "<b>Tips</b>".into(),
            transactional: false,
            subscribed_by_default: true,
        };
        let shown = Preferences {
            person: PersonId(1),
            topics: vec![(topic, true)],
            all_refused: false,
            workspace: "<i>".into(),
            topic: None,
        };
        let page = preferences(&shown, false);
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("<i>"));
    }
}
