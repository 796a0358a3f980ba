//! Conditions inside braces.
//!
//! YAML ends an unquoted value inside `{ … }` at the first comma, bracket or brace, so that
//! `{ when: count("order", 7d) >= 10, within: 30d }` would not mean what it says. Before the YAML
//! parser sees a file, unquoted values of such mappings whose own brackets balance are covered
//! with harmless letters, one for each character; afterwards they are read from the source again.

use crate::diagnostic::Span;

/// A source with covered values.
pub(super) struct Masked {
    /// As many characters as the source, in the same lines.
    pub(super) text: String,
    /// The covered bytes of the source, in order.
    pub(super) covered: Vec<Span>,
}

/// Covers the values inside braces that YAML would cut.
pub(super) fn mask(source: &str) -> Masked {
    let mut scanner = Scanner {
        source,
        at: 0,
        covered: Vec::new(),
    };
    scanner.blocks();
    let mut text = String::with_capacity(source.len());
    let mut from = 0;
    for span in &scanner.covered {
        text.push_str(&source[from..span.start]);
        text.extend(
            source[span.start..span.end]
                .chars()
                .map(|c| if c == '\n' || c == '\r' { c } else { 'x' }),
        );
        from = span.end;
    }
    text.push_str(&source[from..]);
    Masked {
        text,
        covered: scanner.covered,
    }
}

struct Scanner<'a> {
    source: &'a str,
    at: usize,
    covered: Vec<Span>,
}

impl Scanner<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.source.as_bytes().get(at).copied()
    }

    fn ends_token(&self, at: usize) -> bool {
        self.byte(at).is_none_or(|byte| byte.is_ascii_whitespace())
    }

    /// Whether a `#` here begins a comment.
    fn is_comment(&self, at: usize) -> bool {
        self.byte(at) == Some(b'#')
            && at
                .checked_sub(1)
                .and_then(|before| self.byte(before))
                .is_none_or(|byte| byte.is_ascii_whitespace())
    }

    fn line_end(&self, from: usize) -> usize {
        self.source.as_bytes()[from..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(self.source.len(), |length| from + length)
    }

    /// What stands outside braces: only the beginnings of values are looked at.
    fn blocks(&mut self) {
        let mut line_start = 0;
        let mut value_start = true;
        while let Some(byte) = self.byte(self.at) {
            match byte {
                b'\n' => {
                    self.at += 1;
                    line_start = self.at;
                    value_start = true;
                }
                _ if byte.is_ascii_whitespace() => self.at += 1,
                b'#' if self.is_comment(self.at) => self.at = self.line_end(self.at),
                b'"' | b'\'' if value_start => {
                    self.at = self.quoted_end(self.at);
                    value_start = false;
                }
                b'{' | b'[' if value_start => {
                    self.flow();
                    value_start = false;
                }
                b'|' | b'>' if value_start => self.literal_block(line_start),
                b'-' if value_start && self.ends_token(self.at + 1) => self.at += 1,
                b':' if self.ends_token(self.at + 1) => {
                    self.at += 1;
                    value_start = true;
                }
                _ => {
                    self.at += 1;
                    value_start = false;
                }
            }
        }
    }

    /// Skips a `|` or `>` text: the following lines that are indented more than its own line.
    fn literal_block(&mut self, line_start: usize) {
        let indent = self.indent(line_start);
        self.at = self.line_end(self.at);
        while self.at < self.source.len() {
            let next = self.at + 1;
            let end = self.line_end(next.min(self.source.len()));
            let blank = self.source[next.min(end)..end].trim().is_empty();
            if !blank && self.indent(next) <= indent {
                return;
            }
            self.at = end;
        }
    }

    fn indent(&self, line_start: usize) -> usize {
        self.source.as_bytes()[line_start.min(self.source.len())..]
            .iter()
            .take_while(|byte| **byte == b' ')
            .count()
    }

    /// One after the quote that closes the one at `at`; the end of the source if none does.
    fn quoted_end(&self, at: usize) -> usize {
        let bytes = self.source.as_bytes();
        let quote = bytes[at];
        let mut at = at + 1;
        while at < bytes.len() {
            if bytes[at] == b'\\' && quote == b'"' {
                at += 2;
                continue;
            }
            if bytes[at] == quote {
                return at + 1;
            }
            at += 1;
        }
        bytes.len()
    }

    /// A whole `{ … }` or `[ … ]`.
    fn flow(&mut self) {
        let mut open = Vec::new();
        // Whether a value of a mapping begins here.
        let mut value_start = false;
        let mut item_start = true;
        while let Some(byte) = self.byte(self.at) {
            match byte {
                _ if byte.is_ascii_whitespace() => {
                    self.at += 1;
                    continue;
                }
                b'#' if self.is_comment(self.at) => {
                    self.at = self.line_end(self.at);
                    continue;
                }
                b'{' | b'[' if item_start || value_start => {
                    open.push(byte);
                    self.at += 1;
                    (item_start, value_start) = (true, false);
                    continue;
                }
                b'}' | b']' => {
                    open.pop();
                    self.at += 1;
                    if open.is_empty() {
                        return;
                    }
                }
                b',' => {
                    self.at += 1;
                    (item_start, value_start) = (true, false);
                    continue;
                }
                b'"' | b'\'' if item_start || value_start => self.at = self.quoted_end(self.at),
                b':' if open.last() == Some(&b'{') && self.ends_token(self.at + 1) => {
                    self.at += 1;
                    (item_start, value_start) = (false, true);
                    continue;
                }
                _ if value_start => self.plain_value(),
                _ => self.at += 1,
            }
            (item_start, value_start) = (false, false);
        }
    }

    /// An unquoted value of a mapping in braces: covered when YAML would cut it.
    fn plain_value(&mut self) {
        let start = self.at;
        let Some(end) = self.balanced_end(start) else {
            self.at += 1;
            return;
        };
        let value = self.source[start..end].trim_end();
        if value.contains([',', '[', ']', '{', '}', '"', '\'', '#']) {
            self.covered.push(Span {
                start,
                end: start + value.len(),
            });
        }
        self.at = end;
    }

    /// Where the value that begins at `start` ends: at a comma or closing bracket that is not
    /// inside its own brackets or quotes. `None` if its brackets do not balance.
    fn balanced_end(&self, start: usize) -> Option<usize> {
        let bytes = self.source.as_bytes();
        let mut open = Vec::new();
        let mut at = start;
        while at < bytes.len() {
            match bytes[at] {
                b'"' | b'\'' if at == start || !bytes[at - 1].is_ascii_alphanumeric() => {
                    at = self.quoted_end(at);
                    continue;
                }
                b'(' => open.push(b')'),
                b'[' => open.push(b']'),
                b'{' => open.push(b'}'),
                b',' | b']' | b'}' if open.is_empty() => return Some(at),
                b'#' if self.is_comment(at) => return open.is_empty().then_some(at),
                close @ (b')' | b']' | b'}') if open.pop() != Some(close) => return None,
                _ => {}
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(source: &str) -> Vec<&str> {
        let masked = mask(source);
        assert_eq!(masked.text.chars().count(), source.chars().count());
        masked
            .covered
            .iter()
            .map(|span| &source[span.start..span.end])
            .collect()
    }

    #[test]
    fn conditions_in_braces_are_covered_whole() {
        assert_eq!(
            covered("goal: { when: count(\"order\", 7d) >= 10, within: 30d }"),
            ["count(\"order\", 7d) >= 10"]
        );
        assert_eq!(
            covered("- { if: plan in [\"pro\", 'ö'], to: x }\n- { a: b }"),
            ["plan in [\"pro\", 'ö']"]
        );
    }

    #[test]
    fn what_yaml_reads_right_is_left_alone() {
        for source in [
            "title: \"a { b: c(1, 2) }\"",
            "text: |\n  { when: f(1, 2) }\nnext: 1",
            "when: f(1, 2) # { a: f(1, 2) }",
            "title: Call {{ name, x: y }}",
            "{ a: [1, 2], b: {c: d}, e: \"x, y\" }",
            "{ a: f(1, 2 }",
        ] {
            assert_eq!(covered(source), Vec::<&str>::new(), "{source}");
        }
    }
}
