//! Compiling a template once and rendering it for each recipient.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use liquid_core::parser;
use liquid_core::runtime::{Renderable, Runtime, RuntimeBuilder, Template as Liquid};
use serde::Serialize;
use thiserror::Error;

use super::language::{Escaping, Frame, Progress, Site, language};
use super::layout::{Layout, is_mjml, lay_out, restore, to_html};
use super::scan::{
    Kind, PIECE_MAX_BYTES, Piece, Scan, VariableUse, filter_names, first_filter, outside_quotes,
    scan, tag_name,
};
use super::source::{Part, Template, Variant};
use super::{Severity, TemplateProblem};
use crate::email::one_line;
use crate::html::{find_ignoring_case, to_text};
use crate::redact::redact_addresses;

/// Most bytes that one part of a message may become.
pub(super) const RENDERED_MAX_BYTES: usize = 1024 * 1024;

/// Whether a variable that the data lacks ends the rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strict {
    /// It does, unless `| default:` follows or only its existence is asked for. For sending.
    Yes,
    /// It is empty. For previews.
    No,
}

/// A finished message. Prints its sizes only.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// A whole HTML document.
    pub html: String,
    /// Plain text.
    pub text: String,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("subject_bytes", &self.subject.len())
            .field("html_bytes", &self.html.len())
            .field("text_bytes", &self.text.len())
            .finish()
    }
}

/// Why a template could not be rendered for this data. Holds names and places, no values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenderError {
    /// The data has no such variable.
    #[error(
        "line {line}, column {column}: unknown variable `{name}`; correct it or write `{name} | default: ...`"
    )]
    UnknownVariable {
        /// Its path.
        name: String,
        /// Line of its use in the file.
        line: usize,
        /// Column of its use.
        column: usize,
    },
    /// A filter or tag refused what it was given.
    #[error("line {line}, column {column}: {message}")]
    Liquid {
        /// What is wrong.
        message: String,
        /// Line in the file, or of the part's start where the place is not known.
        line: usize,
        /// Column in the file.
        column: usize,
    },
    /// What Liquid made of the data is not MJML.
    #[error("the rendered MJML is not valid: {message}")]
    Mjml {
        /// What is wrong.
        message: String,
    },
}

/// A template ready for use by any number of threads.
#[derive(Debug)]
pub struct CompiledTemplate {
    pub(super) default: CompiledVariant,
    variants: BTreeMap<String, CompiledVariant>,
    warnings: Vec<TemplateProblem>,
}

#[derive(Debug)]
pub(super) struct CompiledVariant {
    subject: CompiledPart,
    preheader: Option<CompiledPart>,
    body: CompiledPart,
    pub(super) lays_out_each_time: bool,
    text: Option<CompiledPart>,
}

#[derive(Debug)]
pub(super) struct CompiledPart {
    liquid: Liquid,
    /// Line and column of each piece.
    places: Vec<(usize, usize)>,
    uses: Vec<VariableUse>,
    start: (usize, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Html,
    Text,
    Json,
}

/// Compiles and renders in one go, for previews and tests of one message.
pub fn render(
    template: &Template,
    data: &serde_json::Value,
    language: Option<&str>,
    strict: Strict,
) -> Result<Rendered, Vec<TemplateProblem>> {
    let compiled = CompiledTemplate::compile(template)?;
    compiled.render(data, language, strict).map_err(|error| {
        let (line, column) = match &error {
            RenderError::UnknownVariable { line, column, .. }
            | RenderError::Liquid { line, column, .. } => (*line, *column),
            RenderError::Mjml { .. } => (1, 1),
        };
        vec![TemplateProblem {
            severity: Severity::Error,
            language: language.map(str::to_owned),
            message: error.to_string(),
            line,
            column,
            help: "correct the template, or give the data it needs".to_owned(),
        }]
    })
}

impl CompiledTemplate {
    /// Compiles all variants, or returns every problem found.
    pub fn compile(template: &Template) -> Result<Self, Vec<TemplateProblem>> {
        Self::compile_with(template, false)
    }

    pub(super) fn compile_with(
        template: &Template,
        lays_out_each_time: bool,
    ) -> Result<Self, Vec<TemplateProblem>> {
        let mut problems = Problems::default();
        let mut compiled = BTreeMap::new();
        for (language, variant) in template.all_variants() {
            problems.language = language.map(str::to_owned);
            let variant = problems.variant(variant, lays_out_each_time);
            compiled.insert(language.unwrap_or_default().to_owned(), variant);
        }
        let default = compiled.remove("").flatten();
        if template.default.is_none() {
            problems.language = None;
            let part = Part {
                text: String::new(),
                line: 1,
                column: 1,
            };
            let message = format!("`{}` has no file without a language", template.name);
            problems.push(
                &part,
                0,
                message,
                "add the default file, for languages that no variant fits".to_owned(),
            );
        }
        let has_errors = problems
            .found
            .iter()
            .any(|problem| problem.severity == Severity::Error);
        match default {
            Some(default) if !has_errors => Ok(Self {
                default,
                variants: compiled
                    .into_iter()
                    .filter_map(|(key, value)| Some((key, value?)))
                    .collect(),
                warnings: problems.found,
            }),
            _ => Err(problems.found),
        }
    }

    /// Problems that do not keep the template from working.
    pub fn warnings(&self) -> &[TemplateProblem] {
        &self.warnings
    }

    /// Renders for one recipient. `language` picks the variant: `de-AT`, else `de`, else the default.
    pub fn render(
        &self,
        data: &serde_json::Value,
        language: Option<&str>,
        strict: Strict,
    ) -> Result<Rendered, RenderError> {
        let variant = self.variant(language);
        let globals = liquid_core::to_object(data).unwrap_or_default();
        let subject = one_line(&variant.subject.render(&globals, strict)?);
        let mut html = variant.body.render(&globals, strict)?;
        if variant.lays_out_each_time {
            html = to_html(&html).map_err(|message| RenderError::Mjml { message })?;
        }
        let text = match &variant.text {
            Some(text) => text.render(&globals, strict)?,
            None => to_text(&html),
        };
        if let Some(preheader) = &variant.preheader {
            insert_preheader(&mut html, &preheader.render(&globals, strict)?);
        }
        Ok(Rendered {
            subject,
            html,
            text,
        })
    }

    fn variant(&self, language: Option<&str>) -> &CompiledVariant {
        let wanted = language
            .unwrap_or_default()
            .to_ascii_lowercase()
            .replace('_', "-");
        let mut key = wanted.as_str();
        while !key.is_empty() {
            if let Some(variant) = self.variants.get(key) {
                return variant;
            }
            key = key.rsplit_once('-').map_or("", |(shorter, _)| shorter);
        }
        &self.default
    }
}

impl CompiledPart {
    /// Compiles a text that stands by itself.
    pub(super) fn compile(text: &str, mode: Mode) -> Result<Self, Vec<TemplateProblem>> {
        let mut problems = Problems::default();
        let part = Part {
            text: text.to_owned(),
            line: 1,
            column: 1,
        };
        problems.part(&part, mode).ok_or(problems.found)
    }

    /// The variables it reads.
    pub(super) fn uses(&self) -> &[VariableUse] {
        &self.uses
    }

    pub(super) fn render(
        &self,
        globals: &liquid_core::Object,
        strict: Strict,
    ) -> Result<String, RenderError> {
        let runtime = Frame::new(RuntimeBuilder::new().set_globals(globals).build(), strict);
        let mut out = Capped(Vec::with_capacity(4 * 1024));
        match self.liquid.render_to(&mut out, &runtime) {
            Ok(()) => Ok(String::from_utf8_lossy(&out.0).into_owned()),
            Err(error) => {
                let mut progress = runtime.registers().get_mut::<Progress>();
                Err(self.explain(&error, progress.missing.take(), progress.site))
            }
        }
    }

    fn explain(
        &self,
        error: &liquid_core::Error,
        missing: Option<String>,
        site: Option<usize>,
    ) -> RenderError {
        let at = site.and_then(|index| self.places.get(index)).copied();
        let (message, _) = first_words(&error.to_string());
        let is_unknown = message.starts_with("unknown variable") || message.starts_with("Unknown ");
        match missing {
            Some(name) if is_unknown => {
                let (line, column) = at.or_else(|| self.place_of(&name)).unwrap_or(self.start);
                RenderError::UnknownVariable { name, line, column }
            }
            _ => {
                let (line, column) = at.unwrap_or(self.start);
                RenderError::Liquid {
                    message: redact_addresses(&message),
                    line,
                    column,
                }
            }
        }
    }

    fn place_of(&self, name: &str) -> Option<(usize, usize)> {
        let root = name.split('.').next();
        let exact = self.uses.iter().find(|used| used.path == name);
        let used = exact.or_else(|| {
            self.uses
                .iter()
                .find(|used| used.path.split('.').next() == root)
        })?;
        Some((used.line, used.column))
    }
}

/// Puts the preview text at the start of the body, where inboxes look for it and readers do not see it.
fn insert_preheader(html: &mut String, preheader: &str) {
    let body = find_ignoring_case(html, "<body");
    let at = body
        .and_then(|start| Some(start + html[start..].find('>')? + 1))
        .unwrap_or(0);
    let hidden = format!(
        "<div style=\"display:none;max-height:0;max-width:0;opacity:0;overflow:hidden;font-size:1px\">{preheader}</div>"
    );
    html.insert_str(at, &hidden);
}

/// Output that refuses to grow past its limit.
struct Capped(Vec<u8>);

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_MAX_BYTES {
            return Err(io::Error::other("the rendered message is over 1 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Problems {
    language: Option<String>,
    found: Vec<TemplateProblem>,
}

impl Problems {
    fn push(&mut self, part: &Part, offset: usize, message: String, help: String) {
        self.push_as(Severity::Error, part, offset, message, help);
    }

    fn push_as(
        &mut self,
        severity: Severity,
        part: &Part,
        offset: usize,
        message: String,
        help: String,
    ) {
        let (line, column) = part.position(offset);
        self.found.push(TemplateProblem {
            severity,
            language: self.language.clone(),
            message,
            line,
            column,
            help,
        });
    }

    fn variant(&mut self, variant: &Variant, lays_out_each_time: bool) -> Option<CompiledVariant> {
        let subject = self.part(&variant.subject, Mode::Text);
        let preheader = variant
            .preheader
            .as_ref()
            .map(|part| self.part(part, Mode::Html));
        let text = variant
            .text
            .as_ref()
            .map(|part| self.part(part, Mode::Text));
        let body = self.body(&variant.body, lays_out_each_time);
        let (body, lays_out_each_time) = body?;
        Some(CompiledVariant {
            subject: subject?,
            preheader: transpose(preheader)?,
            body,
            lays_out_each_time,
            text: transpose(text)?,
        })
    }

    fn part(&mut self, part: &Part, mode: Mode) -> Option<CompiledPart> {
        let scan = self.scan(part)?;
        let rewritten = rewrite(&part.text, &scan, mode);
        self.finish(part, scan, &rewritten)
    }

    fn body(&mut self, part: &Part, lays_out_each_time: bool) -> Option<(CompiledPart, bool)> {
        let scan = self.scan(part)?;
        if !is_mjml(&part.text) {
            let rewritten = rewrite(&part.text, &scan, Mode::Html);
            return Some((self.finish(part, scan, &rewritten)?, false));
        }
        let (layout, complaints) = lay_out(&part.text, &scan);
        for complaint in complaints {
            let severity = if complaint.is_doubtful {
                Severity::Warning
            } else {
                Severity::Error
            };
            let help = "see the MJML reference for what may stand where".to_owned();
            self.push_as(severity, part, complaint.offset, complaint.message, help);
        }
        match layout {
            Layout::Once(html) if !lays_out_each_time => {
                let rewritten = restore(&html, |index| {
                    let piece = scan.pieces.get(index);
                    piece.map_or_else(String::new, |piece| {
                        rewritten_piece(&part.text, piece, index, Mode::Html)
                    })
                });
                Some((self.finish(part, scan, &rewritten)?, false))
            }
            _ => {
                let rewritten = rewrite(&part.text, &scan, Mode::Html);
                Some((self.finish(part, scan, &rewritten)?, true))
            }
        }
    }

    /// Scans a part and checks it as written, so that problems show the author's own text and place.
    fn scan(&mut self, part: &Part) -> Option<Scan> {
        let found_before = self.found.len();
        let scan = scan(part);
        for mistake in &scan.mistakes {
            self.push(
                part,
                mistake.offset,
                mistake.message.clone(),
                mistake.help.clone(),
            );
        }
        for piece in scan
            .pieces
            .iter()
            .filter(|piece| piece.kind == Kind::Output && !piece.inner.is_empty())
            .filter(|piece| piece.range.len() <= PIECE_MAX_BYTES)
        {
            self.try_parse(part, piece.range.clone());
        }
        if self.found.len() == found_before {
            self.try_parse(part, 0..part.text.len());
        }
        (self.found.len() == found_before).then_some(scan)
    }

    fn try_parse(&mut self, part: &Part, range: std::ops::Range<usize>) {
        let text = &part.text[range.clone()];
        if let Err(error) = parser::parse(text, language()) {
            let (message, place) = first_words(&error.to_string());
            let offset = place.map_or(0, |(line, column)| offset_of(text, line, column));
            let help = "see the template reference for tags and filters".to_owned();
            self.push(part, range.start + offset, message, help);
        }
    }

    fn finish(&mut self, part: &Part, scan: Scan, rewritten: &str) -> Option<CompiledPart> {
        match parser::parse(rewritten, language()) {
            Ok(liquid) => Some(CompiledPart {
                liquid: Liquid::new(liquid),
                places: scan
                    .pieces
                    .iter()
                    .map(|piece| part.position(piece.inner.start))
                    .collect(),
                uses: scan.uses,
                start: (part.line, part.column),
            }),
            Err(error) => {
                let (message, _) = first_words(&error.to_string());
                self.push(part, 0, message, "simplify the expression".to_owned());
                None
            }
        }
    }
}

/// `None` stays absent, a failed part fails the whole.
#[expect(clippy::option_option, reason = "absent and failed are different")]
fn transpose(part: Option<Option<CompiledPart>>) -> Option<Option<CompiledPart>> {
    match part {
        None => Some(None),
        Some(part) => part.map(Some),
    }
}

fn rewrite(text: &str, scan: &Scan, mode: Mode) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut at = 0;
    for (index, piece) in scan.pieces.iter().enumerate() {
        out.push_str(&text[at..piece.range.start]);
        out.push_str(&rewritten_piece(text, piece, index, mode));
        at = piece.range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// The piece as it is run: outputs and assignments with their place and fallback, loops with their counter.
fn rewritten_piece(text: &str, piece: &Piece, index: usize, mode: Mode) -> String {
    let inner = &text[piece.inner.clone()];
    let left = if piece.trims_left { "{%-" } else { "{%" };
    let right = if piece.trims_right { "-%}" } else { "%}" };
    match (piece.kind, tag_name(inner)) {
        (Kind::Output, _) => {
            let site = site(inner, index, mode);
            format!(
                "{left} tenure_output {site} {} = {inner} {right}",
                on_nil(inner)
            )
        }
        (Kind::Tag, "assign") => {
            let (name, value) = inner["assign".len()..].split_once('=').unwrap_or(("", ""));
            let (name, value) = (name.trim(), value.trim());
            let site = site(value, index, Mode::Text);
            format!(
                "{left} tenure_assign {name} {site} {} = {value} {right}",
                on_nil(value)
            )
        }
        (Kind::Tag, "for") => format!("{left} {inner} {right}{{% tenure_step {right}"),
        _ => text[piece.range.clone()].to_owned(),
    }
}

fn site(expression: &str, index: usize, mode: Mode) -> usize {
    let escaping = match (mode, filter_names(expression).last()) {
        // `escape` last has done the work already, and `json` writes a whole JSON value.
        (Mode::Html, Some("raw" | "escape"))
        | (Mode::Json, Some("raw" | "json"))
        | (Mode::Text, _) => Escaping::None,
        (Mode::Html, _) => Escaping::Html,
        (Mode::Json, _) => Escaping::Json,
    };
    Site {
        index,
        escaping,
        is_optional: first_filter(expression) == Some("default"),
    }
    .pack()
}

/// The same filters on nothing, for when the variable is missing.
fn on_nil(expression: &str) -> String {
    let filters = outside_quotes(expression, '|')
        .first()
        .map_or("", |at| &expression[*at..]);
    format!("nil {filters}")
}

/// The gist of a Liquid error without the values it quotes, and its place if it has one.
fn first_words(error: &str) -> (String, Option<(usize, usize)>) {
    let place = error.split_once("--> ").and_then(|(_, rest)| {
        let (line, rest) = rest.split_once(':')?;
        let column = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some((line.trim().parse().ok()?, column.parse().ok()?))
    });
    let detail = error
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("= "));
    let first_line = error
        .lines()
        .next()
        .unwrap_or("")
        .trim_start_matches("liquid: ");
    let message = detail.unwrap_or(first_line);
    let named = ["requested filter=", "requested=", "tag="]
        .iter()
        .find_map(|key| {
            error
                .lines()
                .find_map(|line| line.trim_start().strip_prefix(key))
        });
    match named {
        Some(name) => (format!("{message} `{name}`"), place),
        None => (message.to_owned(), place),
    }
}

/// Byte offset of a line and column, both from 1.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let rest = &text[start.min(text.len())..];
    let within = rest
        .char_indices()
        .nth(column - 1)
        .map_or(rest.len(), |(offset, _)| offset);
    start + within
}
