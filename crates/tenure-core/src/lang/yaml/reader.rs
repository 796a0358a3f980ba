//! Reading typed fields out of mappings, with everything that is wrong on the way.

use crate::define::{Audience, Condition, Place};
use crate::diagnostic::{Diagnostic, Span};
use crate::expr::{Expr, Scope};
use crate::lang::check::{Wanted, checked};
use crate::lang::finding::Finding;
use crate::lang::nearest::did_you_mean;
use crate::lang::yaml::node::{Key, Kind, Node};
use crate::lang::yaml::reference::{Reference, Target, segments_of};

/// The most diagnostics kept about one file; more help nobody.
pub(super) const MAX_FILE_DIAGNOSTICS: usize = 200;
/// The longest name of a definition or step, in characters.
const MAX_NAME_CHARS: usize = 64;

/// Reads the definitions of one file.
pub(super) struct Reader<'a> {
    pub(super) file: usize,
    pub(super) path: &'a str,
    pub(super) source: &'a str,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) references: Vec<Reference>,
}

/// Whether a condition may read the event that brought the subject in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventScope {
    /// It may: the enrollment keeps the event's properties.
    Kept,
    /// There is no event, or it is not kept.
    None,
}

/// The entries of a mapping that are still to be read.
#[derive(Clone)]
pub(super) struct Fields<'n> {
    entries: &'n [(Key, Node)],
    known: Vec<&'static str>,
    pub(super) span: Span,
}

impl<'n> Fields<'n> {
    /// The value of a key; the key is known from now on. An empty value counts as absent.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.take_even_empty(name).filter(|node| !node.is_null())
    }

    /// The value of a key, even if nothing is written behind it.
    pub(super) fn take_even_empty(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        self.entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, node)| node)
    }

    /// Whether a key is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, _)| key.name == name)
    }

    /// The key's place, for complaints about it.
    pub(super) fn key_span(&self, name: &str) -> Span {
        self.entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map_or(self.span, |(key, _)| key.span)
    }

    /// The first key's place: where a definition that lacks something is underlined.
    pub(super) fn head(&self) -> Span {
        self.entries.first().map_or(self.span, |(key, node)| Span {
            start: key.span.start,
            end: match node.kind {
                Kind::Scalar { .. } => node.span.end.max(key.span.end),
                _ => key.span.end,
            },
        })
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: usize, path: &'a str, source: &'a str) -> Self {
        Self {
            file,
            path,
            source,
            errors: Vec::new(),
            warnings: Vec::new(),
            references: Vec::new(),
        }
    }

    pub(super) fn place(&self, span: Span) -> Place {
        Place {
            file: self.file,
            span,
        }
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.errors.len() < MAX_FILE_DIAGNOSTICS {
            self.errors
                .push(Diagnostic::error(code, self.path, self.source, span, message).help(help));
        }
    }

    pub(super) fn warn(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.warnings.len() < MAX_FILE_DIAGNOSTICS {
            self.warnings.push(
                Diagnostic::error(code, self.path, self.source, span, message)
                    .help(help)
                    .warning(),
            );
        }
    }

    /// The entries of a mapping; anything else is an error.
    pub(super) fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        help: &str,
    ) -> Option<Fields<'n>> {
        if let Kind::Mapping(entries) = &node.kind {
            return Some(Fields {
                entries,
                known: Vec::new(),
                span: node.span,
            });
        }
        self.error(
            "wrong-shape",
            node.span,
            format!("{what} is a mapping of keys to values"),
            help,
        );
        None
    }

    /// Reports the keys nobody asked for.
    pub(super) fn finish(&mut self, fields: &Fields<'_>, what: &str) {
        for (key, _) in fields.entries {
            if !key.name.is_empty() && !fields.known.contains(&key.name.as_str()) {
                let help = did_you_mean(&key.name, fields.known.iter().copied())
                    .unwrap_or_else(|| "remove it".into());
                self.error(
                    "unknown-key",
                    key.span,
                    format!("{what} has no key `{}`", key.name),
                    help,
                );
            }
        }
    }

    /// The items of a sequence; a single value counts as one item where `lenient`.
    pub(super) fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        if let Kind::Sequence(items) = &node.kind {
            return items;
        }
        self.error(
            "wrong-shape",
            node.span,
            format!("{what} is a list"),
            "begin each item with `- `, or put them into square brackets",
        );
        &[]
    }

    /// A scalar's text, not empty.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match node.text() {
            Some(text) if !text.trim().is_empty() => Some(text.trim()),
            Some(_) => {
                self.error(
                    "empty-value",
                    node.span,
                    format!("{what} is empty"),
                    "write a value, or remove the key",
                );
                None
            }
            None => {
                self.error(
                    "wrong-shape",
                    node.span,
                    format!("{what} is a single value"),
                    "put it into quotes if it has brackets or braces of its own",
                );
                None
            }
        }
    }

    /// A required field's text.
    pub(super) fn required<'n>(
        &mut self,
        fields: &mut Fields<'n>,
        key: &'static str,
        help: &str,
    ) -> Option<&'n Node> {
        let found = fields.take(key);
        if found.is_none() {
            let span = if fields.has(key) {
                fields.key_span(key)
            } else {
                fields.head()
            };
            self.error("missing-key", span, format!("`{key}` is missing"), help);
        }
        found
    }

    pub(super) fn optional_text(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
    ) -> Option<String> {
        let node = fields.take(key)?;
        self.text(node, &format!("`{key}`")).map(str::to_owned)
    }

    /// A name of a definition, topic or step: `[a-z0-9][a-z0-9_-]{0,63}`.
    pub(super) fn name(&mut self, node: &Node, what: &str) -> Option<String> {
        let name = self.text(node, what)?;
        let fits = name.chars().count() <= MAX_NAME_CHARS
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
        if fits {
            return Some(name.to_owned());
        }
        let better: String = name
            .to_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '_' {
                    c
                } else {
                    '-'
                }
            })
            .take(MAX_NAME_CHARS)
            .collect();
        self.error(
            "bad-name",
            node.span,
            format!("{what} has small letters, digits, `-` and `_`, at most {MAX_NAME_CHARS}"),
            format!("write for example `{}`", better.trim_matches(['-', '_'])),
        );
        None
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words = choices.iter().map(|(word, _)| *word);
        let help = did_you_mean(text, words).unwrap_or_default();
        self.error(
            "unknown-choice",
            node.span,
            format!("{what} is never `{text}`"),
            help,
        );
        None
    }

    pub(super) fn audience(&mut self, fields: &mut Fields<'_>) -> Audience {
        let choices = [("person", Audience::Person), ("account", Audience::Account)];
        fields
            .take("audience")
            .and_then(|node| self.choice(node, "an audience", &choices))
            .unwrap_or_default()
    }

    /// A condition; its findings are placed in the file, its segments are noted.
    pub(super) fn condition(
        &mut self,
        node: &Node,
        audience: Audience,
        event: EventScope,
    ) -> Option<Condition> {
        let condition = self.expression(node, audience, Wanted::Condition)?;
        if event == EventScope::None && reads_event(&condition.expr) {
            self.error(
                "no-event-here",
                node.span,
                "there is no event whose properties could be read here",
                "only `if`, branches and steps of a program see the event a subject entered by; a trait of this name is written in backticks",
            );
        }
        self.note_references(&condition.expr, audience, node.span);
        Some(condition)
    }

    /// Notes the segments an expression asks for.
    pub(super) fn note_references(&mut self, expr: &Expr, audience: Audience, span: Span) {
        let mut segments = Vec::new();
        segments_of(expr, &mut segments);
        for (scope, segment) in segments {
            let audience = if scope == Scope::Account {
                Audience::Account
            } else {
                audience
            };
            self.refer(Target::Segment(audience), &segment, span);
        }
    }

    /// A number or a duration; with whether it is a duration, if that is known.
    pub(super) fn measured(
        &mut self,
        node: &Node,
        audience: Audience,
    ) -> Option<(Condition, Option<bool>)> {
        self.typed(node, audience, Wanted::Measure)
    }

    /// A filter on an event's properties.
    pub(super) fn filter(&mut self, node: &Node) -> Option<Condition> {
        self.expression(node, Audience::Person, Wanted::Filter)
    }

    fn expression(&mut self, node: &Node, audience: Audience, wanted: Wanted) -> Option<Condition> {
        self.typed(node, audience, wanted).map(|(found, _)| found)
    }

    fn typed(
        &mut self,
        node: &Node,
        audience: Audience,
        wanted: Wanted,
    ) -> Option<(Condition, Option<bool>)> {
        let Some(text) = node.text() else {
            self.error(
                "wrong-shape",
                node.span,
                "a condition is a text",
                "write it in one line, or put it into quotes as a whole",
            );
            return None;
        };
        match checked(text, audience, wanted) {
            Ok(checked) => {
                for finding in &checked.warnings {
                    let diagnostic = self.placed(finding, node);
                    self.warnings.push(diagnostic.warning());
                }
                let condition = Condition {
                    text: text.to_owned(),
                    expr: checked.expr,
                    place: self.place(node.span),
                };
                Some((condition, checked.duration))
            }
            Err(findings) => {
                for finding in &findings {
                    let diagnostic = self.placed(finding, node);
                    if self.errors.len() < MAX_FILE_DIAGNOSTICS {
                        self.errors.push(diagnostic);
                    }
                }
                None
            }
        }
    }

    fn placed(&self, finding: &Finding, node: &Node) -> Diagnostic {
        let span = node.locate(self.source, finding.span);
        finding.diagnostic_at(self.path, self.source, span)
    }

    /// Notes that a name must exist.
    pub(super) fn refer(&mut self, target: Target, name: &str, span: Span) {
        self.references.push(Reference {
            target,
            name: name.to_owned(),
            place: self.place(span),
        });
    }

    /// A name that must exist.
    pub(super) fn reference(&mut self, node: &Node, target: Target, what: &str) -> Option<String> {
        let name = self.text(node, what)?.to_owned();
        self.refer(target, &name, node.span);
        Some(name)
    }
}

/// Whether an expression reads the triggering event outside aggregate filters.
pub(super) fn reads_event(expr: &Expr) -> bool {
    match expr {
        Expr::Trait(scope, _)
        | Expr::Aggregate(scope, _)
        | Expr::InSegment(scope, _)
        | Expr::Health(scope, _)
        | Expr::PeopleCount(scope) => *scope == Scope::Event,
        Expr::Literal(_) | Expr::Duration(_) | Expr::Instant(_) | Expr::Local(_) | Expr::Now => {
            false
        }
        Expr::Since(inner)
        | Expr::Until(inner)
        | Expr::Not(inner)
        | Expr::Known(inner)
        | Expr::Held(inner, _)
        | Expr::In(inner, _) => reads_event(inner),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(reads_event),
        Expr::Compare(_, left, right)
        | Expr::Contains(left, right)
        | Expr::StartsWith(left, right)
        | Expr::Arithmetic(_, left, right) => reads_event(left) || reads_event(right),
    }
}
