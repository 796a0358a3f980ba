//! The text part of a message, made from its HTML.

use super::{Token, tokens, unescape};

/// Elements that start on a line of their own.
const BLOCKS: [&str; 21] = [
    "p",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "table",
    "tr",
    "blockquote",
    "pre",
    "section",
    "article",
    "header",
    "footer",
    "hr",
    "center",
];
/// Blocks with an empty line around them.
const PARAGRAPHS: [&str; 11] = [
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "blockquote",
    "hr",
];
/// Elements without an end tag.
const VOID: [&str; 9] = [
    "br", "img", "hr", "meta", "link", "input", "col", "wbr", "area",
];

/// Plain text for `html`: a line a block, links as `text (url)`, images as their `alt`, list items with a dash.
/// Hidden elements and the head are left out.
pub(crate) fn to_text(html: &str) -> String {
    let mut writer = Writer::default();
    for token in tokens(html) {
        match token {
            Token::Text(text) => writer.text(text),
            Token::Start(tag) => writer.start(&tag),
            Token::End(name) => writer.end(&name.to_ascii_lowercase()),
            Token::Other => {}
        }
    }
    writer.out.trim().to_owned() + "\n"
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Line ends owed before the next text.
    breaks_owed: usize,
    space_owed: bool,
    /// Name and depth of the element being left out.
    hidden: Option<(String, usize)>,
    /// Target of the open link, and where its text started.
    link: Option<(String, usize)>,
}

impl Writer {
    fn text(&mut self, raw: &str) {
        if self.hidden.is_some() {
            return;
        }
        let text = unescape(raw);
        for c in text.chars() {
            if c.is_whitespace() || c == '\u{a0}' {
                self.space_owed = true;
            } else if !is_invisible(c) {
                self.push(c);
            }
        }
    }

    fn push(&mut self, c: char) {
        if self.breaks_owed > 0 {
            if !self.out.is_empty() {
                self.out.extend(std::iter::repeat_n('\n', self.breaks_owed));
            }
        } else if self.space_owed && !self.out.is_empty() {
            self.out.push(' ');
        }
        self.breaks_owed = 0;
        self.space_owed = false;
        self.out.push(c);
    }

    fn start(&mut self, tag: &super::Tag<'_>) {
        let name = tag.name.to_ascii_lowercase();
        let is_void = tag.is_self_closed || VOID.contains(&name.as_str());
        if let Some((hidden, depth)) = &mut self.hidden {
            *depth += usize::from(*hidden == name && !is_void);
            return;
        }
        if !is_void && (name == "head" || is_hidden(tag)) {
            self.hidden = Some((name, 1));
            return;
        }
        self.block(&name);
        match name.as_str() {
            "br" => self.breaks_owed += 1,
            "li" => {
                self.push('-');
                self.space_owed = true;
            }
            "td" | "th" => self.space_owed = true,
            "img" => {
                if let Some(alt) = tag.attribute("alt") {
                    self.text(alt.value);
                }
            }
            "a" => {
                let target = tag
                    .attribute("href")
                    .map(|href| unescape(href.value).trim().to_owned());
                self.link = target.map(|target| (target, self.out.len()));
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if let Some((hidden, depth)) = &mut self.hidden {
            if hidden == name {
                *depth -= 1;
                if *depth == 0 {
                    self.hidden = None;
                }
            }
            return;
        }
        if name == "a" {
            self.close_link();
        }
        self.block(name);
    }

    fn close_link(&mut self) {
        let Some((target, text_start)) = self.link.take() else {
            return;
        };
        let shown = self.out.get(text_start..).unwrap_or("").trim().to_owned();
        let bare = target.strip_prefix("mailto:").unwrap_or(&target);
        if target.is_empty() || target.starts_with('#') || shown == bare {
            return;
        }
        self.space_owed = true;
        let suffix = if shown.is_empty() {
            bare.to_owned()
        } else {
            format!("({bare})")
        };
        for c in suffix.chars().filter(|c| !c.is_control()) {
            self.push(c);
        }
    }

    fn block(&mut self, name: &str) {
        if BLOCKS.contains(&name) {
            let breaks = if PARAGRAPHS.contains(&name) { 2 } else { 1 };
            self.breaks_owed = self.breaks_owed.max(breaks);
            self.space_owed = false;
        }
    }
}

fn is_hidden(tag: &super::Tag<'_>) -> bool {
    tag.attribute("style").is_some_and(|style| {
        let style: String = style.value.chars().filter(|c| !c.is_whitespace()).collect();
        style.to_ascii_lowercase().contains("display:none")
    })
}

/// Characters that only pad the preview in an inbox.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{ad}' | '\u{34f}'
    )
}

#[cfg(test)]
mod tests {
    use super::to_text;

    #[test]
    fn html_becomes_readable_text_with_its_links() {
        for (html, text) in [
            (
                "<p>Hello  <b>Anna</b>,</p><p>bye</p>",
                "Hello Anna,\n\nbye\n",
            ),
            (
                r#"See <a href="https://example.com/?a=1&amp;b=2">the report</a>."#,
                "See the report (https://example.com/?a=1&b=2).\n",
            ),
            (
                r#"<a href="https://example.com">https://example.com</a>"#,
                "https://example.com\n",
            ),
            (
                r#"<a href="https://example.com"><img alt="Logo" src=x></a>"#,
                "Logo (https://example.com)\n",
            ),
            ("<ul><li>one</li><li>two</li></ul>", "- one\n- two\n"),
            ("a<br>b<br/>c", "a\nb\nc\n"),
            (
                "<head><title>T</title></head><div style='display: none'>pre<div>x</div></div>body",
                "body\n",
            ),
            ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2\n"),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }
}
