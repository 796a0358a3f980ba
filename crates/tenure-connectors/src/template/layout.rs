//! MJML to HTML, once for all messages where that is safe.
//!
//! Laying out MJML costs nearly as much as all the rest of a rendering, so it is done at compile time: each piece of Liquid is
//! replaced by a marker, the MJML is laid out, and the markers in the HTML are replaced by the Liquid again. That gives
//! the same as Liquid first and MJML second only while a marker cannot change the layout. So it is done only when every
//! piece stands in text or raw content, in a link, image address, `alt` or `title`, or (control tags only) between the
//! sections of the body; and when afterwards each control tag is there exactly once and everything is in its old order.
//! Any other template is laid out anew for each message.

use mrml::prelude::parser::Error as MjmlError;
use mrml::prelude::render::RenderOptions;

use super::scan::{Kind, Piece, Scan};
use crate::html::{Token, tokens};

/// Most elements inside one another; the layout goes down with them. Elements without an end tag count as open.
const DEPTH_MAX: usize = 300;
const TOO_DEEP: &str = "more than 300 elements inside one another, or left open";
/// Start of a marker; `tnrq12q` stands for the thirteenth piece.
const MARKER: &str = "tnrq";
/// Elements whose content is passed through.
const CONTENT_ELEMENTS: [&str; 10] = [
    "mj-text",
    "mj-button",
    "mj-table",
    "mj-raw",
    "mj-title",
    "mj-preview",
    "mj-navbar-link",
    "mj-social-element",
    "mj-accordion-text",
    "mj-accordion-title",
];
/// All elements. The parser takes any other for plain HTML, so a slip of the pen would go unseen.
const ELEMENTS: [&str; 34] = [
    "mjml",
    "mj-accordion",
    "mj-accordion-element",
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-all",
    "mj-attributes",
    "mj-body",
    "mj-breakpoint",
    "mj-button",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-head",
    "mj-hero",
    "mj-image",
    "mj-navbar",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-section",
    "mj-social",
    "mj-social-element",
    "mj-spacer",
    "mj-style",
    "mj-table",
    "mj-text",
    "mj-title",
    "mj-wrapper",
    "mj-include",
];
/// Attributes that are passed through.
const CONTENT_ATTRIBUTES: [&str; 4] = ["href", "src", "alt", "title"];

/// What became of a body.
pub(super) enum Layout {
    /// HTML in which markers stand for Liquid.
    Once(String),
    /// Liquid first, then MJML, for each message.
    EachTime,
}

/// A complaint of the MJML parser.
pub(super) struct MjmlProblem {
    /// Byte offset in the source.
    pub(super) offset: usize,
    pub(super) message: String,
    /// Whether the complaint could come from branches of Liquid seen together that never occur together.
    pub(super) is_doubtful: bool,
}

/// Whether a body is MJML.
pub(super) fn is_mjml(text: &str) -> bool {
    let start = text.trim_start().get(..5);
    start.is_some_and(|start| start.eq_ignore_ascii_case("<mjml"))
}

/// Lays out finished MJML.
pub(super) fn to_html(mjml: &str) -> Result<String, String> {
    if is_too_deep(mjml) {
        return Err(TOO_DEEP.to_owned());
    }
    let parsed = mrml::parse(mjml).map_err(|error| describe(&error))?;
    parsed
        .element
        .render(&options())
        .map_err(|error| error.to_string())
}

/// Checks a body, and lays it out once if that is safe.
pub(super) fn lay_out(text: &str, scan: &Scan) -> (Layout, Vec<MjmlProblem>) {
    let all_marked = Marked::new(text, scan, |_, index| marker(index));
    let places = places(&all_marked.text, scan);
    let is_safe = !text.contains(MARKER) && !places.contains(&Place::Elsewhere);
    let marked = Marked::new(text, scan, |piece, index| match places[index] {
        Place::Content => marker(index),
        Place::BodyLevel => format!("<mj-raw>{}</mj-raw>", marker(index)),
        Place::Elsewhere if piece.kind == Kind::Output => marker(index),
        Place::Elsewhere => String::new(),
    });
    let mut problems = unknown_elements(&marked);
    if is_too_deep(&marked.text) {
        let message = TOO_DEEP.to_owned();
        problems.push(MjmlProblem {
            offset: 0,
            message,
            is_doubtful: false,
        });
        return (Layout::EachTime, problems);
    }
    let parsed = match mrml::parse(&marked.text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let problem = MjmlProblem {
                offset: marked.source_offset(error_offset(&error)),
                message: describe(&error),
                is_doubtful: !is_safe,
            };
            problems.push(problem);
            return (Layout::EachTime, problems);
        }
    };
    problems.extend(parsed.warnings.iter().map(|warning| MjmlProblem {
        offset: marked.source_offset(warning.span.start),
        message: warning.kind.to_string(),
        is_doubtful: true,
    }));
    let html = parsed.element.render(&options()).ok();
    let layout = match html.filter(|html| is_safe && keeps_order(html, scan)) {
        Some(html) => Layout::Once(html),
        None => Layout::EachTime,
    };
    (layout, problems)
}

/// No fonts are fetched from elsewhere: a recipient's reading is not told to third parties.
/// A template that wants one says so with `mj-font`.
fn options() -> RenderOptions {
    RenderOptions {
        fonts: std::collections::HashMap::new(),
        ..RenderOptions::default()
    }
}

fn is_too_deep(mjml: &str) -> bool {
    let mut depth = 0_usize;
    tokens(mjml).any(|token| {
        match token {
            Token::Start(tag) if !tag.is_self_closed => depth += 1,
            Token::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH_MAX
    })
}

fn unknown_elements(marked: &Marked) -> Vec<MjmlProblem> {
    tokens(&marked.text)
        .filter_map(|token| match token {
            Token::Start(tag) if tag.name.starts_with("mj") && !ELEMENTS.contains(&tag.name) => {
                Some(MjmlProblem {
                    offset: marked.source_offset(tag.range.start),
                    message: format!("there is no MJML element `{}`", tag.name),
                    is_doubtful: false,
                })
            }
            _ => None,
        })
        .collect()
}

/// Replaces each marker in laid-out HTML.
pub(super) fn restore(html: &str, mut liquid: impl FnMut(usize) -> String) -> String {
    let mut out = String::with_capacity(html.len() * 2);
    let mut rest = html;
    while let Some((before, index, after)) = next_marker(rest) {
        out.push_str(before);
        out.push_str(&liquid(index));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn marker(index: usize) -> String {
    format!("{MARKER}{index}q")
}

fn next_marker(text: &str) -> Option<(&str, usize, &str)> {
    let start = text.find(MARKER)?;
    let rest = &text[start + MARKER.len()..];
    let (number, after) = rest.split_once('q')?;
    Some((&text[..start], number.parse().ok()?, after))
}

fn markers(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, index, after)) = next_marker(rest) {
        found.push(index);
        rest = after;
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Passed through by the layout.
    Content,
    /// Between sections.
    BodyLevel,
    /// Where it could change the layout.
    Elsewhere,
}

fn places(marked: &str, scan: &Scan) -> Vec<Place> {
    let mut places = vec![Place::Elsewhere; scan.pieces.len()];
    let mut set = |text: &str, place: Place| {
        for index in markers(text) {
            if place == Place::Content
                || scan
                    .pieces
                    .get(index)
                    .is_some_and(|piece| piece.kind != Kind::Output)
            {
                places[index] = place;
            }
        }
    };
    let mut open: Vec<&str> = Vec::new();
    for token in tokens(marked) {
        let inner = open.last().copied().unwrap_or("");
        let is_content = CONTENT_ELEMENTS.contains(&inner);
        match token {
            Token::Text(text) if is_content => set(text, Place::Content),
            Token::Text(text) if inner == "mj-body" => set(text, Place::BodyLevel),
            Token::Start(tag) if is_content && !tag.name.starts_with("mj") => {
                set(&marked[tag.range.clone()], Place::Content);
            }
            Token::Start(tag) => {
                for attribute in &tag.attributes {
                    if CONTENT_ATTRIBUTES.contains(&attribute.name) {
                        set(attribute.value, Place::Content);
                    }
                }
                if tag.name.starts_with("mj") && !tag.is_self_closed {
                    open.push(tag.name);
                }
            }
            Token::End(name) if name == inner => {
                open.pop();
            }
            _ => {}
        }
    }
    places
}

/// Whether each control tag is there exactly once, and each output between the same tags as in the source.
fn keeps_order(html: &str, scan: &Scan) -> bool {
    let is_output = |index: usize| {
        scan.pieces
            .get(index)
            .is_some_and(|piece| piece.kind == Kind::Output)
    };
    let mut tags_before = vec![0; scan.pieces.len()];
    let mut tag_order = Vec::new();
    for (index, before) in tags_before.iter_mut().enumerate() {
        *before = tag_order.len();
        if !is_output(index) {
            tag_order.push(index);
        }
    }
    let mut seen = 0;
    for index in markers(html) {
        let Some(before) = tags_before.get(index) else {
            return false;
        };
        if *before != seen {
            return false;
        }
        seen += usize::from(!is_output(index));
    }
    seen == tag_order.len()
}

/// A text with its Liquid replaced, and the way back to offsets in the source.
struct Marked {
    text: String,
    /// Offset here, offset in the source, and whether what follows is a replacement.
    segments: Vec<(usize, usize, bool)>,
}

impl Marked {
    fn new(source: &str, scan: &Scan, mut replace: impl FnMut(&Piece, usize) -> String) -> Self {
        let mut marked = Self {
            text: String::with_capacity(source.len()),
            segments: Vec::new(),
        };
        let mut at = 0;
        for (index, piece) in scan.pieces.iter().enumerate() {
            marked.segments.push((marked.text.len(), at, false));
            marked.text.push_str(&source[at..piece.range.start]);
            marked
                .segments
                .push((marked.text.len(), piece.range.start, true));
            marked.text.push_str(&replace(piece, index));
            at = piece.range.end;
        }
        marked.segments.push((marked.text.len(), at, false));
        marked.text.push_str(&source[at..]);
        marked
    }

    fn source_offset(&self, offset: usize) -> usize {
        let (here, there, is_replaced) = self
            .segments
            .iter()
            .rev()
            .find(|(here, ..)| *here <= offset)
            .copied()
            .unwrap_or((0, 0, false));
        if is_replaced {
            there
        } else {
            there + (offset - here)
        }
    }
}

fn error_offset(error: &MjmlError) -> usize {
    match error {
        MjmlError::UnexpectedElement { position, .. }
        | MjmlError::UnexpectedToken { position, .. }
        | MjmlError::MissingAttribute { position, .. }
        | MjmlError::InvalidAttribute { position, .. }
        | MjmlError::InvalidFormat { position, .. }
        | MjmlError::IncludeLoaderError { position, .. } => position.start,
        _ => 0,
    }
}

fn describe(error: &MjmlError) -> String {
    match error {
        MjmlError::UnexpectedElement { .. } => "this element cannot stand here".to_owned(),
        MjmlError::UnexpectedToken { .. } => "this cannot stand here".to_owned(),
        MjmlError::MissingAttribute { name, .. } => format!("the attribute `{name}` is missing"),
        MjmlError::InvalidAttribute { .. } => "this attribute is not valid".to_owned(),
        MjmlError::InvalidFormat { .. } => "this is not well-formed".to_owned(),
        MjmlError::EndOfStream { .. } => "the file ends before its elements are closed".to_owned(),
        MjmlError::NoRootNode => "there is no `<mjml>` element".to_owned(),
        MjmlError::IncludeLoaderError { .. } => {
            "`mj-include` is not supported; a template is one file".to_owned()
        }
        MjmlError::ParserError { source, .. } => format!("not well-formed: {source}"),
        MjmlError::SizeLimit { .. } => "the file is too large".to_owned(),
    }
}
