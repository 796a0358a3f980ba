//! Finds the Liquid in a template: where it is, which variables it reads, and what is not allowed.

use std::collections::BTreeSet;
use std::ops::Range;

use super::source::Part;

/// Most elements of a `(1..n)` range.
pub(super) const RANGE_MAX_COUNT: i64 = 1_000;
/// Most blocks inside one another, since parsing and rendering go down with them.
const DEPTH_MAX: usize = 50;
/// Longest piece of Liquid, in bytes.
pub(super) const PIECE_MAX_BYTES: usize = 2_000;
/// Tags that templates may use. No includes: a template is one file, and reads no other.
const TAGS: [&str; 16] = [
    "if",
    "elsif",
    "else",
    "endif",
    "unless",
    "endunless",
    "case",
    "when",
    "endcase",
    "for",
    "endfor",
    "break",
    "continue",
    "assign",
    "comment",
    "raw",
];
/// Words of expressions that are no variables.
const WORDS: [&str; 12] = [
    "true", "false", "nil", "null", "empty", "blank", "and", "or", "contains", "in", "reversed",
    "not",
];

/// One use of a variable of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    /// Path from the root, such as `account.name`, up to the first computed or numbered index.
    pub path: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Whether it may be missing: `| default:` comes first, or only its existence is asked for.
    pub is_optional: bool,
}

/// What a piece of Liquid is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{{ ... }}`
    Output,
    /// `{% ... %}`
    Tag,
    /// A whole `{% raw %}` or `{% comment %}` block.
    Verbatim,
}

/// A piece of Liquid in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    /// With its delimiters.
    pub(super) range: Range<usize>,
    /// Without delimiters, whitespace marks and surrounding space.
    pub(super) inner: Range<usize>,
    pub(super) trims_left: bool,
    pub(super) trims_right: bool,
}

/// A mistake found while scanning, at a byte offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) offset: usize,
    pub(super) message: String,
    pub(super) help: String,
}

#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) pieces: Vec<Piece>,
    pub(super) uses: Vec<VariableUse>,
    pub(super) mistakes: Vec<Mistake>,
}

/// Reads one part of a template.
pub(super) fn scan(part: &Part) -> Scan {
    let mut scan = Scan {
        pieces: pieces(&part.text),
        ..Scan::default()
    };
    scan.check_depth(&part.text);
    let locals = locals(&part.text, &scan.pieces);
    for piece in scan.pieces.clone() {
        let inner = &part.text[piece.inner.clone()];
        if piece.kind == Kind::Verbatim {
            continue;
        }
        scan.check_closed(&part.text, &piece);
        if piece.range.len() > PIECE_MAX_BYTES {
            continue;
        }
        let (expression_at, keyword) = match piece.kind {
            Kind::Tag => {
                let keyword = tag_name(inner);
                scan.check_tag(&piece, keyword, inner);
                (keyword.len(), keyword)
            }
            _ => (0, ""),
        };
        let is_optional = first_filter(inner) == Some("default");
        let asks_existence =
            matches!(keyword, "if" | "elsif" | "unless") && is_bare_test(&inner[expression_at..]);
        for (path, at) in variable_paths(&inner[expression_at..]) {
            let root = path.split('.').next().unwrap_or(&path);
            if locals.contains(root) {
                continue;
            }
            let (line, column) = part.position(piece.inner.start + expression_at + at);
            scan.uses.push(VariableUse {
                path,
                line,
                column,
                is_optional: is_optional || asks_existence,
            });
        }
    }
    scan
}

impl Scan {
    fn mistake(&mut self, offset: usize, message: impl Into<String>, help: impl Into<String>) {
        self.mistakes.push(Mistake {
            offset,
            message: message.into(),
            help: help.into(),
        });
    }

    fn check_closed(&mut self, text: &str, piece: &Piece) {
        let end = if piece.kind == Kind::Output {
            "}}"
        } else {
            "%}"
        };
        let is_closed = text[piece.range.clone()].ends_with(end) && piece.range.len() >= 4;
        if piece.range.len() > PIECE_MAX_BYTES {
            self.mistake(
                piece.range.start,
                "longer than 2 000 bytes",
                "split it with `assign`",
            );
        }
        if !is_closed {
            self.mistake(
                piece.range.start,
                format!("not closed by `{end}`"),
                format!("add `{end}`"),
            );
        } else if piece.inner.is_empty() {
            self.mistake(
                piece.range.start,
                "nothing between the braces",
                "name a variable, or delete the braces",
            );
        }
    }

    fn check_depth(&mut self, text: &str) {
        let mut depth = 0_usize;
        let mut too_deep = None;
        for piece in self.pieces.iter().filter(|piece| piece.kind == Kind::Tag) {
            match tag_name(&text[piece.inner.clone()]) {
                "if" | "unless" | "case" | "for" => depth += 1,
                "endif" | "endunless" | "endcase" | "endfor" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > DEPTH_MAX {
                too_deep = too_deep.or(Some(piece.range.start));
            }
        }
        if let Some(offset) = too_deep {
            self.mistake(
                offset,
                format!("more than {DEPTH_MAX} blocks inside one another"),
                "simplify the template",
            );
        }
    }

    fn check_tag(&mut self, piece: &Piece, keyword: &str, inner: &str) {
        if !TAGS.contains(&keyword) {
            let help = "use if, elsif, else, unless, case, when, for, break, continue, assign, comment or raw";
            self.mistake(piece.range.start, format!("unknown tag `{keyword}`"), help);
        }
        if keyword == "for"
            && let Some(open) = inner.find('(')
        {
            let count = range_count(&inner[open..]);
            if count.is_none_or(|count| count > RANGE_MAX_COUNT) {
                let help = format!(
                    "write two numbers at most {RANGE_MAX_COUNT} apart, or loop over a list"
                );
                self.mistake(
                    piece.inner.start + open,
                    "the range is too long or not two whole numbers",
                    help,
                );
            }
        }
    }
}

fn range_count(text: &str) -> Option<i64> {
    let inside = text.strip_prefix('(')?.split_once(')')?.0;
    let (first, last) = inside.split_once("..")?;
    let (first, last) = (
        first.trim().parse::<i64>().ok()?,
        last.trim().parse::<i64>().ok()?,
    );
    last.checked_sub(first)
}

/// Name of the tag whose inner text this is.
pub(super) fn tag_name(inner: &str) -> &str {
    let end = inner
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(inner.len());
    &inner[..end]
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(start) = next_opening(text, at) {
        let piece = read_piece(text, start);
        at = piece.range.end;
        let name = tag_name(&text[piece.inner.clone()]).to_owned();
        let is_verbatim = piece.kind == Kind::Tag && matches!(name.as_str(), "raw" | "comment");
        if !is_verbatim {
            pieces.push(piece);
            continue;
        }
        let end = end_of_block(text, at, &format!("end{name}"));
        pieces.push(Piece {
            kind: Kind::Verbatim,
            range: start..end,
            inner: start..end,
            ..piece
        });
        at = end;
    }
    pieces
}

fn next_opening(text: &str, from: usize) -> Option<usize> {
    let rest = &text.as_bytes()[from..];
    let offset = rest
        .windows(2)
        .position(|pair| pair == b"{{" || pair == b"{%")?;
    Some(from + offset)
}

fn read_piece(text: &str, start: usize) -> Piece {
    let bytes = text.as_bytes();
    let is_output = bytes[start + 1] == b'{';
    let closing: &[u8] = if is_output { b"}}" } else { b"%}" };
    let mut at = start + 2;
    let mut quote = None;
    while at < bytes.len() && !(quote.is_none() && bytes[at..].starts_with(closing)) {
        match (quote, bytes[at]) {
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
        at += 1;
    }
    let end = (at + 2).min(text.len());
    let mut inner = start + 2..at;
    let trims_left = text[inner.clone()].starts_with('-');
    inner.start += usize::from(trims_left);
    let trims_right = text[inner.clone()].ends_with('-');
    inner.end -= usize::from(trims_right);
    let body = &text[inner.clone()];
    inner.start += body.len() - body.trim_start().len();
    inner.end = inner.start + body.trim().len();
    Piece {
        kind: if is_output { Kind::Output } else { Kind::Tag },
        range: start..end,
        inner,
        trims_left,
        trims_right,
    }
}

fn end_of_block(text: &str, from: usize, end_tag: &str) -> usize {
    let mut at = from;
    while let Some(start) = next_opening(text, at) {
        let piece = read_piece(text, start);
        if piece.kind == Kind::Tag && tag_name(&text[piece.inner.clone()]) == end_tag {
            return piece.range.end;
        }
        // Content need not be Liquid, so reading goes on right behind the braces.
        at = start + 2;
    }
    text.len()
}

/// Names that the template itself makes.
fn locals<'a>(text: &'a str, pieces: &[Piece]) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::from(["forloop"]);
    for piece in pieces.iter().filter(|piece| piece.kind == Kind::Tag) {
        let mut words = text[piece.inner.clone()].split(|c: char| c.is_whitespace() || c == '=');
        if matches!(words.next(), Some("for" | "assign")) {
            names.extend(words.find(|word| !word.is_empty()));
        }
    }
    names
}

/// The name of the first filter in an expression.
pub(super) fn first_filter(inner: &str) -> Option<&str> {
    filter_names(inner).next()
}

/// Names of the filters in an expression, in order.
pub(super) fn filter_names(inner: &str) -> impl Iterator<Item = &str> {
    outside_quotes(inner, '|')
        .into_iter()
        .map(|at| tag_name(inner[at + 1..].trim_start()))
}

/// Byte offsets of `wanted` outside of string literals.
pub(super) fn outside_quotes(text: &str, wanted: char) -> Vec<usize> {
    let mut quote = None;
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        match quote {
            None if c == wanted => found.push(at),
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
    }
    found
}

fn is_bare_test(expression: &str) -> bool {
    let words: Vec<&str> = expression.split_whitespace().collect();
    !words.iter().any(|word| {
        matches!(
            *word,
            "==" | "!=" | "<" | ">" | "<=" | ">=" | "<>" | "contains"
        )
    })
}

/// Paths of variables in an expression, each with its byte offset.
fn variable_paths(expression: &str) -> Vec<(String, usize)> {
    let mut paths = Vec::new();
    let mut at = 0;
    let mut after_pipe = false;
    while let Some(c) = expression[at..].chars().next() {
        if c == '"' || c == '\'' {
            let length = expression[at + 1..]
                .find(c)
                .map_or(expression.len() - at, |end| end + 2);
            at += length;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let (path, end) = read_path(expression, at);
            let is_keyword_argument = expression[end..].trim_start().starts_with(':');
            if !after_pipe && !is_keyword_argument && !WORDS.contains(&path.as_str()) {
                paths.push((path, at));
            }
            after_pipe = false;
            at = end;
        } else if c.is_ascii_digit() {
            at += expression[at..]
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(expression.len() - at);
        } else {
            after_pipe = c == '|' || (after_pipe && c.is_whitespace());
            at += c.len_utf8();
        }
    }
    paths
}

/// The path that starts at `at`, up to the first index that is not a name, and where reading goes on.
fn read_path(expression: &str, at: usize) -> (String, usize) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut end = at;
    loop {
        end += expression[end..]
            .find(|c| !is_name(c))
            .unwrap_or(expression.len() - end);
        let rest = &expression[end..];
        let goes_on = rest.starts_with('.')
            && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !goes_on {
            break;
        }
        end += 1;
    }
    let path = expression[at..end].to_owned();
    // Names behind a computed index belong to the path too, but say nothing about the data's top.
    let mut resume = end;
    if expression[end..].starts_with('[')
        && let Some(close) = expression[end..].find(']')
    {
        let tail = &expression[end + close + 1..];
        let tail_length = tail
            .find(|c| !(is_name(c) || c == '.'))
            .unwrap_or(tail.len());
        let index = &expression[end + 1..end + close];
        if index.starts_with(['"', '\'']) || index.chars().all(|c| c.is_ascii_digit()) {
            resume = end + close + 1 + tail_length;
        }
    }
    (path, resume)
}
