//! A forgiving reader of HTML: enough to find links, to place a pixel and to make a text part. Never fails, never
//! looks back, and works in time linear in its input.

mod text;

pub(crate) use text::to_text;

use std::borrow::Cow;
use std::ops::Range;

/// One piece of a document. Ranges are byte offsets into it.
#[derive(Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Text(&'a str),
    Start(Tag<'a>),
    End(&'a str),
    /// A comment, a declaration, or the content of `<style>` and `<script>`.
    Other,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Tag<'a> {
    pub(crate) name: &'a str,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) range: Range<usize>,
    pub(crate) is_self_closed: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    /// As written, with its character references.
    pub(crate) value: &'a str,
    /// Of the value with its quotes, if it has any.
    pub(crate) range: Range<usize>,
}

impl<'a> Tag<'a> {
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

/// Reads `html` from front to back.
pub(crate) struct Tokens<'a> {
    html: &'a str,
    at: usize,
    /// Set after the start tag of an element whose content is not markup.
    raw_until: Option<&'static str>,
}

pub(crate) fn tokens(html: &str) -> Tokens<'_> {
    Tokens {
        html,
        at: 0,
        raw_until: None,
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let html = self.html;
        let rest = &html[self.at..];
        if rest.is_empty() {
            return None;
        }
        if let Some(end_tag) = self.raw_until.take() {
            self.at += find_ignoring_case(rest, end_tag).unwrap_or(rest.len());
            return Some(Token::Other);
        }
        if let Some(token) = self.markup(rest) {
            return Some(token);
        }
        // Text up to the next `<` that could start markup; a `<` here itself is text.
        let length = rest.as_bytes()[1..]
            .iter()
            .position(|byte| *byte == b'<')
            .map_or(rest.len(), |offset| offset + 1);
        let length = ceil_char_boundary(rest, length);
        self.at += length;
        Some(Token::Text(&rest[..length]))
    }
}

impl<'a> Tokens<'a> {
    fn markup(&mut self, rest: &'a str) -> Option<Token<'a>> {
        if let Some(comment) = rest.strip_prefix("<!--") {
            self.at += comment
                .find("-->")
                .map_or(rest.len(), |end| end + "<!---->".len());
            return Some(Token::Other);
        }
        if rest.starts_with("<!") || rest.starts_with("<?") {
            self.at += rest.find('>').map_or(rest.len(), |end| end + 1);
            return Some(Token::Other);
        }
        if let Some(after) = rest.strip_prefix("</") {
            let end = after.find('>')?;
            let name = after[..end].trim();
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return None;
            }
            self.at += end + 3;
            return Some(Token::End(name));
        }
        let is_tag =
            rest.starts_with('<') && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic());
        if !is_tag {
            return None;
        }
        let tag = read_tag(self.html, self.at)?;
        self.at = tag.range.end;
        for (name, end_tag) in [("style", "</style"), ("script", "</script")] {
            if tag.name.eq_ignore_ascii_case(name) && !tag.is_self_closed {
                self.raw_until = Some(end_tag);
            }
        }
        Some(Token::Start(tag))
    }
}

fn read_tag(html: &str, start: usize) -> Option<Tag<'_>> {
    let bytes = html.as_bytes();
    let mut at = start + 1;
    let name_start = at;
    while at < bytes.len() && !is_space(bytes[at]) && !matches!(bytes[at], b'>' | b'/') {
        at += 1;
    }
    let name = &html[name_start..at];
    let mut attributes = Vec::new();
    let mut is_self_closed = false;
    while at < bytes.len() {
        match bytes[at] {
            b'>' => {
                return Some(Tag {
                    name,
                    attributes,
                    range: start..at + 1,
                    is_self_closed,
                });
            }
            b'/' => {
                is_self_closed = true;
                at += 1;
            }
            byte if is_space(byte) => at += 1,
            _ => {
                is_self_closed = false;
                let (attribute, after) = read_attribute(html, at)?;
                attributes.push(attribute);
                at = after;
            }
        }
    }
    None
}

fn read_attribute(html: &str, start: usize) -> Option<(Attribute<'_>, usize)> {
    let bytes = html.as_bytes();
    let skip_space = |mut at: usize| {
        while at < bytes.len() && is_space(bytes[at]) {
            at += 1;
        }
        at
    };
    let mut at = start;
    while at < bytes.len() && !is_space(bytes[at]) && !matches!(bytes[at], b'=' | b'>' | b'/') {
        at += 1;
    }
    if at == start {
        // A stray `=`: take it as a name, so that reading goes on.
        at += 1;
    }
    let name = &html[start..at];
    let equals = skip_space(at);
    if bytes.get(equals) != Some(&b'=') || name == "=" {
        return Some((
            Attribute {
                name,
                value: "",
                range: at..at,
            },
            at,
        ));
    }
    let value_start = skip_space(equals + 1);
    let quote = *bytes.get(value_start)?;
    if matches!(quote, b'"' | b'\'') {
        let length = bytes[value_start + 1..]
            .iter()
            .position(|byte| *byte == quote)?;
        let end = value_start + 1 + length;
        let value = &html[value_start + 1..end];
        return Some((
            Attribute {
                name,
                value,
                range: value_start..end + 1,
            },
            end + 1,
        ));
    }
    let mut end = value_start;
    while end < bytes.len() && !is_space(bytes[end]) && bytes[end] != b'>' {
        end += 1;
    }
    let value = &html[value_start..end];
    Some((
        Attribute {
            name,
            value,
            range: value_start..end,
        },
        end,
    ))
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

fn ceil_char_boundary(text: &str, mut at: usize) -> usize {
    while at < text.len() && !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// Where `needle` (ASCII) first occurs in `text`, in any case.
pub(crate) fn find_ignoring_case(text: &str, needle: &str) -> Option<usize> {
    text.as_bytes()
        .windows(needle.len())
        .position(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
}

/// Text made safe for HTML content and for quoted attribute values.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
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
    Cow::Owned(out)
}

/// Resolves numeric character references and the handful of named ones that mail uses; others stay as they are.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    const REFERENCE_MAX_BYTES: usize = 10;
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest
            .bytes()
            .take(REFERENCE_MAX_BYTES)
            .position(|byte| byte == b';');
        if let Some((c, end)) = end.and_then(|end| Some((reference(&rest[1..end])?, end))) {
            out.push(c);
            rest = &rest[end + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "copy" => '©',
        "euro" => '€',
        "zwnj" => '\u{200c}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn attributes_are_found_in_every_way_of_writing_them() {
        let html = r#"<a class=x HREF='https://example.com/?a=1&amp;b=2' disabled data-n = "1">"#;
        let Some(Token::Start(tag)) = tokens(html).next() else {
            panic!()
        };
        assert_eq!(
            tag.attribute("href").unwrap().value,
            "https://example.com/?a=1&amp;b=2"
        );
        assert_eq!(tag.attribute("data-n").unwrap().value, "1");
        assert_eq!(tag.attribute("disabled").unwrap().value, "");
        assert_eq!(&html[tag.attribute("class").unwrap().range.clone()], "x");
    }

    #[test]
    fn links_in_comments_and_styles_are_not_markup() {
        let html = "<!-- <a href=x> --><style>a > b{}<a></style><p>";
        let names: Vec<_> = tokens(html)
            .filter_map(|token| match token {
                Token::Start(tag) => Some(tag.name),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["style", "p"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(html in "[<>/a-c='\" &;!é-]{0,80}") {
            prop_assert!(tokens(&html).count() <= html.len());
            let _ = to_text(&html);
        }

        #[test]
        fn escaping_can_be_undone(text in ".{0,60}") {
            let escaped = escape(&text).into_owned();
            prop_assert_eq!(unescape(&escaped).into_owned(), text);
        }
    }
}
