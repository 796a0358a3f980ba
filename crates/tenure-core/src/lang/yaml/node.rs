//! YAML as a tree with places: what the readers of definitions look at.
//!
//! It is built from the parser's events rather than from a loaded document, so that aliases are
//! refused before anything is copied, and duplicate keys are seen.

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::diagnostic::{Diagnostic, Span};
use crate::lang::yaml::mask::mask;
use crate::lang::yaml::reader::MAX_FILE_DIAGNOSTICS;

/// The deepest nesting of a definition file.
const MAX_YAML_DEPTH: usize = 64;
/// The most keys of one mapping.
const MAX_KEYS: usize = 1_000;
/// The most broken documents after which reading a file goes on.
const MAX_BROKEN_DOCUMENTS: usize = 20;
/// The most documents of one file.
const MAX_DOCUMENTS: usize = 2_000;

/// A node of a document.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Its bytes in the file.
    pub(super) span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A scalar as text, and whether it was written without quotes.
    Scalar { text: String, plain: bool },
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in order.
    Mapping(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) span: Span,
}

impl Node {
    /// Whether nothing was written.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The scalar's text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The place in the file of a part of this scalar's text.
    pub(super) fn locate(&self, source: &str, part: Span) -> Span {
        let Some(text) = self.text() else {
            return self.span;
        };
        let written = &source[self.span.start..self.span.end];
        if text == written {
            return Span {
                start: self.span.start + part.start,
                end: self.span.start + part.end,
            };
        }
        let place = |offset| self.span.start + written_offset(text, written, offset);
        Span {
            start: place(part.start),
            end: place(part.end).max(place(part.start)),
        }
    }
}

/// Where byte `offset` of a scalar's text stands in the way it was written, with quotes, escapes,
/// folded lines and indentation.
fn written_offset(text: &str, written: &str, offset: usize) -> usize {
    let mut at = written
        .char_indices()
        .find(|(_, c)| !matches!(c, '"' | '\'' | '|' | '>'))
        .map_or(0, |(at, _)| at);
    for (index, wanted) in text.char_indices() {
        while let Some(c) = written[at..].chars().next() {
            let blank = wanted.is_whitespace() && c.is_whitespace();
            if c == wanted || blank {
                break;
            }
            at += c.len_utf8();
        }
        if index >= offset {
            return at;
        }
        at += written[at..].chars().next().map_or(0, char::len_utf8);
    }
    at
}

/// The documents of a file; what is wrong with its form goes to `diagnostics`.
pub(super) fn documents(path: &str, source: &str, diagnostics: &mut Vec<Diagnostic>) -> Vec<Node> {
    let mut documents = Vec::new();
    let mut from = 0;
    for _ in 0..MAX_BROKEN_DOCUMENTS {
        let Some(broken_at) = read(path, source, from, &mut documents, diagnostics) else {
            break;
        };
        // What follows the broken document is looked at too, so that its errors show now.
        match source[broken_at..].find("\n---") {
            Some(next) => from = broken_at + next + 1,
            None => break,
        }
    }
    documents
}

/// Reads documents from `from` on; gives the place of what stopped it.
fn read(
    path: &str,
    source: &str,
    from: usize,
    documents: &mut Vec<Node>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<usize> {
    let rest = &source[from..];
    let masked = mask(rest);
    let mut builder = Builder {
        path,
        source,
        from,
        covered: &masked.covered,
        offsets: rest.char_indices().map(|(at, _)| at).collect(),
        open: Vec::new(),
        documents,
        diagnostics,
    };
    let mut parser = Parser::new_from_str(&masked.text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((Event::StreamEnd, _)) => return None,
            Ok((event, span)) => {
                let place = Span {
                    start: builder.offset(span.start.index()),
                    end: builder.offset(span.end.index()),
                };
                if !builder.take(event, place) {
                    return Some(place.start);
                }
            }
            Err(error) => {
                let at = builder.offset(error.marker().index());
                let length = source[at..]
                    .find(char::is_whitespace)
                    .unwrap_or(source.len() - at);
                builder.report(
                    "bad-yaml",
                    Span {
                        start: at,
                        end: at + length,
                    },
                    format!("this is no YAML: {}", error.info()),
                    "check the indentation, and put values with `: `, ` #` or a leading quote into quotes as a whole",
                );
                return Some(at);
            }
        }
    }
    None
}

/// A collection whose end has not come yet.
enum Open {
    Sequence(Span, Vec<Node>),
    Mapping(Span, Vec<(Key, Node)>, Option<Key>),
}

struct Builder<'a> {
    path: &'a str,
    source: &'a str,
    from: usize,
    covered: &'a [Span],
    /// Byte offset of each character: the parser counts characters.
    offsets: Vec<usize>,
    open: Vec<Open>,
    documents: &'a mut Vec<Node>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Builder<'_> {
    fn offset(&self, index: usize) -> usize {
        self.offsets
            .get(index)
            .map_or(self.source.len(), |at| at + self.from)
    }

    fn report(&mut self, code: &'static str, span: Span, message: impl Into<String>, help: &str) {
        if self.diagnostics.len() < MAX_FILE_DIAGNOSTICS {
            self.diagnostics
                .push(Diagnostic::error(code, self.path, self.source, span, message).help(help));
        }
    }

    /// Takes an event in; false when nothing more can be read.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::Alias(_) => return self.refuse_alias(span),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return self.refuse_alias(span);
            }
            Event::Scalar(text, style, ..) => {
                let node = self.scalar(&text, style, span);
                self.add(node);
            }
            Event::SequenceStart(..) => self.open.push(Open::Sequence(span, Vec::new())),
            Event::MappingStart(..) => self.open.push(Open::Mapping(span, Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            _ => {}
        }
        if self.open.len() > MAX_YAML_DEPTH {
            self.report(
                "too-deep",
                span,
                format!("the file is nested deeper than {MAX_YAML_DEPTH} levels"),
                "split the program, or enroll into another one",
            );
            return false;
        }
        if self.has_too_many_keys() || self.documents.len() > MAX_DOCUMENTS {
            self.report(
                "file-too-large",
                span,
                format!(
                    "a mapping has at most {MAX_KEYS} keys, a file at most {MAX_DOCUMENTS} documents"
                ),
                "split the file; files are read together",
            );
            return false;
        }
        true
    }

    fn refuse_alias(&mut self, span: Span) -> bool {
        self.report(
            "no-aliases",
            span,
            "definitions have no anchors and aliases",
            "write the value out; shared conditions belong into a segment",
        );
        false
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span) -> Node {
        let relative = span.start.saturating_sub(self.from);
        if let Ok(found) = self
            .covered
            .binary_search_by_key(&relative, |covered| covered.start)
        {
            let covered = self.covered[found];
            let span = Span {
                start: covered.start + self.from,
                end: covered.end + self.from,
            };
            let text = self.source[span.start..span.end].to_owned();
            return Node {
                kind: Kind::Scalar { text, plain: true },
                span,
            };
        }
        let plain = style == ScalarStyle::Plain;
        let written = &self.source[span.start..span.end];
        let end = span.start + written.trim_end().len();
        Node {
            kind: Kind::Scalar {
                text: text.to_owned(),
                plain,
            },
            span: Span {
                start: span.start,
                end,
            },
        }
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(Open::Sequence(_, items)) => items.push(node),
            Some(Open::Mapping(_, _, None)) => self.add_key(node),
            Some(Open::Mapping(_, entries, key)) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                }
            }
        }
    }

    fn add_key(&mut self, node: Node) {
        let Some(Open::Mapping(_, entries, key)) = self.open.last_mut() else {
            return;
        };
        let span = node.span;
        let name = match node.kind {
            Kind::Scalar { text, .. } => text,
            Kind::Sequence(_) | Kind::Mapping(_) => String::new(),
        };
        let twice = entries.iter().any(|(known, _)| known.name == name);
        let unnamed = name.is_empty();
        *key = Some(Key {
            name: name.clone(),
            span,
        });
        if unnamed {
            self.report(
                "bad-key",
                span,
                "a key is a name, not a list or mapping",
                "put values that begin with a bracket or brace into quotes",
            );
        } else if twice {
            self.report(
                "duplicate-key",
                span,
                format!("`{name}` is given twice"),
                "remove one of them",
            );
        }
    }

    /// Whether the mapping being read has more keys than anybody writes; looking each of them up
    /// among the others would take long.
    fn has_too_many_keys(&self) -> bool {
        matches!(self.open.last(), Some(Open::Mapping(_, entries, _)) if entries.len() > MAX_KEYS)
    }

    fn close(&mut self, end: Span) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let node = match open {
            Open::Sequence(span, items) => Node {
                span: stretch(span, items.last().map(|item| item.span), end),
                kind: Kind::Sequence(items),
            },
            Open::Mapping(span, entries, _) => Node {
                span: stretch(
                    span,
                    entries.last().map(|(key, value)| Span {
                        start: key.span.start,
                        end: value.span.end.max(key.span.end),
                    }),
                    end,
                ),
                kind: Kind::Mapping(entries),
            },
        };
        self.add(node);
    }
}

/// From the beginning of a collection to its closing bracket, or to its last part when it has none.
fn stretch(start: Span, last: Option<Span>, end: Span) -> Span {
    let bracket = if end.end > end.start { end.end } else { 0 };
    let last = last.map_or(start.end, |span| span.end);
    Span {
        start: start.start,
        end: bracket.max(last).max(start.start),
    }
}
