//! Text into tokens.

use jiff::civil::DateTime;

use crate::diagnostic::Span;
use crate::lang::MAX_DURATION_MS;
use crate::lang::finding::Finding;
use crate::lang::tree::Name;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp, parse_local};

/// Words with a meaning of their own; a trait of such a name is written in backticks.
pub(super) const KEYWORDS: [&str; 15] = [
    "and",
    "or",
    "not",
    "in",
    "between",
    "for",
    "where",
    "ago",
    "is",
    "true",
    "false",
    "contains",
    "starts_with",
    "null",
    "none",
];

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Number(f64),
    Duration(i64),
    Instant(Timestamp),
    Local(DateTime),
    Text(String),
    Name(Name),
    Symbol(&'static str),
    /// Something already reported.
    Bad,
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// Symbols, longer ones first.
const SYMBOLS: [&str; 17] = [
    "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")", "[", "]", ",", "%", ".",
];

/// What people write out of habit: as written, what it is taken for, and what to write.
const HABITS: [(&str, &str, &str, &str); 9] = [
    ("===", "==", "single-equals", "write `==`"),
    ("!==", "!=", "single-equals", "write `!=`"),
    ("<>", "!=", "single-equals", "write `!=`"),
    ("=>", ">=", "single-equals", "write `>=`"),
    ("=<", "<=", "single-equals", "write `<=`"),
    ("&&", "and", "symbolic-logic", "write `and`"),
    ("||", "or", "symbolic-logic", "write `or`"),
    ("=", "==", "single-equals", "write `==` to compare"),
    ("!", "not", "symbolic-logic", "write `not`"),
];

/// All tokens of a text, ending with [`TokenKind::End`], and what could not be read.
pub(super) fn tokens(text: &str) -> (Vec<Token>, Vec<Finding>) {
    let mut lexer = Lexer {
        text,
        at: 0,
        findings: Vec::new(),
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        let kind = lexer.next_kind();
        let end = kind == TokenKind::End;
        let span = Span {
            start,
            end: lexer.at,
        };
        tokens.push(Token { kind, span });
        if end {
            return (tokens, lexer.findings);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    findings: Vec<Finding>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn report(
        &mut self,
        code: &'static str,
        start: usize,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> TokenKind {
        let span = Span {
            start,
            end: self.at,
        };
        self.findings
            .push(Finding::new(code, span, message).help(help));
        TokenKind::Bad
    }

    fn skip_blank(&mut self) {
        while let Some(c) = self.peek() {
            if c == '#' {
                let line = self.rest().find('\n').unwrap_or(self.rest().len());
                self.at += line;
            } else if c.is_whitespace() {
                self.at += c.len_utf8();
            } else {
                return;
            }
        }
    }

    fn next_kind(&mut self) -> TokenKind {
        let Some(first) = self.peek() else {
            return TokenKind::End;
        };
        match first {
            '0'..='9' => self.number(),
            '"' | '\'' => self.text_literal(first),
            '`' => self.name(),
            c if starts_name(c) => self.name(),
            _ => self.symbol(first),
        }
    }

    fn symbol(&mut self, first: char) -> TokenKind {
        let start = self.at;
        for (written, taken, code, help) in HABITS {
            let rest = self.rest();
            if rest.starts_with(written) && !(written == "!" && rest.starts_with("!=")) {
                if written == "=" && rest.starts_with("==") {
                    continue;
                }
                self.at += written.len();
                self.report(code, start, format!("`{written}` means nothing here"), help);
                return match taken {
                    "and" | "or" | "not" => TokenKind::Name(Name {
                        parts: vec![taken.into()],
                        quoted: false,
                        second_quoted: false,
                    }),
                    symbol => TokenKind::Symbol(symbol),
                };
            }
        }
        for symbol in SYMBOLS {
            if self.rest().starts_with(symbol) {
                self.at += symbol.len();
                return TokenKind::Symbol(symbol);
            }
        }
        let (close, help) = match first {
            '“' | '”' | '„' => (&['”', '“'][..], "write straight quotes: \"text\""),
            '‘' | '’' | '‚' => (&['’', '‘'][..], "write straight quotes: 'text'"),
            '«' | '»' => (&['»', '«'][..], "write straight quotes: \"text\""),
            '{' | '}' => (
                &['}'][..],
                "conditions have no templates; name the trait as it is",
            ),
            _ => (&[][..], "remove it, or put text in quotes"),
        };
        self.at += first.len_utf8();
        // What such a pair encloses is one mistake, not several.
        if let Some((length, found)) = self.rest().char_indices().find(|(_, c)| close.contains(c)) {
            self.at += length + found.len_utf8();
            while first == '{' && self.peek() == Some('}') {
                self.at += 1;
            }
        }
        self.report(
            "unexpected-character",
            start,
            format!("`{}` cannot stand here", first.escape_debug()),
            help,
        )
    }

    fn text_literal(&mut self, quote: char) -> TokenKind {
        let start = self.at;
        if let Some(text) = self.quoted(quote) {
            return TokenKind::Text(text);
        }
        self.report(
            "unterminated-text",
            start,
            format!("the text that begins here has no closing {quote}"),
            format!("close it with {quote}"),
        )
    }

    /// Reads what stands between two `quote`s; a backslash takes the next character as it is.
    fn quoted(&mut self, quote: char) -> Option<String> {
        self.at += quote.len_utf8();
        let mut out = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            if c == quote {
                return Some(out);
            }
            if c == '\\' {
                let escaped = self.peek()?;
                self.at += escaped.len_utf8();
                out.push(escaped);
            } else {
                out.push(c);
            }
        }
        None
    }

    fn name(&mut self) -> TokenKind {
        let start = self.at;
        let quoted = self.peek() == Some('`');
        let mut second_quoted = false;
        let mut parts = Vec::new();
        loop {
            if self.peek() == Some('`') {
                second_quoted |= parts.len() == 1;
                let part_start = self.at;
                match self.quoted('`') {
                    Some(part) if !part.is_empty() => parts.push(part),
                    Some(_) => {
                        return self.report(
                            "bad-name",
                            part_start,
                            "a name cannot be empty",
                            "write the name of a trait between the backticks",
                        );
                    }
                    None => {
                        return self.report(
                            "unterminated-text",
                            part_start,
                            "the name that begins here has no closing backtick",
                            "close it with `",
                        );
                    }
                }
            } else {
                let length = self
                    .rest()
                    .find(|c: char| !continues_name(c))
                    .unwrap_or(self.rest().len());
                parts.push(self.rest()[..length].to_owned());
                self.at += length;
            }
            let mut following = self.rest().chars();
            let dot = following.next() == Some('.');
            let next = following.next();
            if dot && next.is_some_and(|c| continues_name(c) || c == '`') {
                self.at += 1;
            } else if dot {
                self.at += 1;
                return self.report(
                    "bad-name",
                    start,
                    "a name cannot end with a dot",
                    "name the property after the dot, or remove the dot",
                );
            } else {
                return TokenKind::Name(Name {
                    parts,
                    quoted,
                    second_quoted,
                });
            }
        }
    }

    fn number(&mut self) -> TokenKind {
        let start = self.at;
        if let Some(date) = self.date(start) {
            return date;
        }
        let mut total_ms = 0.0;
        loop {
            let number = self.digits();
            let unit_at = self.at;
            let length = self
                .rest()
                .find(|c: char| !c.is_alphabetic())
                .unwrap_or(self.rest().len());
            self.at += length;
            let unit = self.text[unit_at..self.at].to_owned();
            if unit.is_empty() {
                return self.plain_number(start, unit_at, number, total_ms);
            }
            let Some(unit_ms) = unit_ms(&unit) else {
                return self.report(
                    "bad-number",
                    start,
                    format!("`{}` is no number and no duration", &self.text[start..self.at]),
                    "durations end in s, m (minutes), h, d, w, mo (30 days) or y (365 days), such as `10d`",
                );
            };
            total_ms += number * unit_ms as f64;
            if total_ms > MAX_DURATION_MS as f64 {
                return self.report(
                    "duration-too-long",
                    start,
                    "a duration can be at most a hundred years",
                    "write a shorter one, or leave the window out to look at all time",
                );
            }
            if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
                return TokenKind::Duration(total_ms.round() as i64);
            }
        }
    }

    fn plain_number(&mut self, start: usize, end: usize, number: f64, before_ms: f64) -> TokenKind {
        if before_ms > 0.0 {
            let unit = self.text[start..end].to_owned();
            return self.report(
                "bad-number",
                start,
                format!("the last part of the duration `{unit}` has no unit"),
                "write for example `1d12h`",
            );
        }
        if !number.is_finite() {
            return self.report(
                "bad-number",
                start,
                "this number is too large",
                "write a smaller one",
            );
        }
        if self.rest().starts_with('%') {
            self.at += 1;
            return TokenKind::Number(number / 100.0);
        }
        TokenKind::Number(number)
    }

    /// Digits with an optional fraction; underscores between digits are for the eye.
    fn digits(&mut self) -> f64 {
        let start = self.at;
        let mut fraction = false;
        while let Some(c) = self.peek() {
            let next_is_digit = self
                .rest()
                .chars()
                .nth(1)
                .is_some_and(|next| next.is_ascii_digit());
            match c {
                '0'..='9' => {}
                '_' if next_is_digit => {}
                '.' if next_is_digit && !fraction => fraction = true,
                _ => break,
            }
            self.at += 1;
        }
        self.text[start..self.at]
            .replace('_', "")
            .parse()
            .unwrap_or(f64::INFINITY)
    }

    /// `2026-03-01`, optionally with `T10:00` or `T10:00:00Z`.
    fn date(&mut self, start: usize) -> Option<TokenKind> {
        let bytes = self.rest().as_bytes();
        let shaped = bytes.len() >= 10
            && bytes[..10].iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped || bytes.get(10).is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let mut length = 10;
        if bytes.get(10) == Some(&b'T') {
            let tail = bytes[10..]
                .iter()
                .position(|byte| !(byte.is_ascii_alphanumeric() || b":.+-".contains(byte)))
                .unwrap_or(bytes.len() - 10);
            length += tail;
        }
        self.at += length;
        let written = &self.text[start..self.at];
        if let Some(at) = parse_local(written) {
            return Some(TokenKind::Local(at));
        }
        Some(match Timestamp::parse(written) {
            Some(at) => TokenKind::Instant(at),
            None => self.report(
                "bad-date",
                start,
                format!("`{}` is no date", self.text[start..self.at].to_owned()),
                "write for example `2026-03-01` or `2026-03-01T10:00:00Z`",
            ),
        })
    }
}

/// Milliseconds of a duration's unit. A month is 30 days, a year 365.
pub(super) fn unit_ms(unit: &str) -> Option<i64> {
    Some(match unit {
        "ms" => 1,
        "s" => SECOND_MS,
        "m" | "min" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        "w" => 7 * DAY_MS,
        "mo" => 30 * DAY_MS,
        "y" => 365 * DAY_MS,
        _ => return None,
    })
}

pub(super) fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

pub(super) fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}
