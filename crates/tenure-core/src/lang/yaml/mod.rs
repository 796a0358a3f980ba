//! Definitions in YAML.
//!
//! Each document of a file is one definition; its first key says which kind it is. Files are read
//! one by one ([`reader`]), then the names between them are checked ([`reference`]). Everything
//! that is wrong anywhere is reported at once.

mod cron;
mod health;
mod mask;
mod node;
mod policy;
mod program;
mod quantity;
mod reader;
mod reference;
mod scenario;
mod segment;
mod step;

use crate::define::{Audience, Definitions, SourceFile};
use crate::diagnostic::{Diagnostic, Span};
use crate::lang::nearest::did_you_mean;
use crate::lang::yaml::node::{Kind, Node, documents};
use crate::lang::yaml::reader::Reader;
use crate::lang::yaml::reference::{Known, Reference};

pub use step::{MAX_STEP_NESTING, MAX_STEPS};

/// The largest definition file, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

const KINDS: [&str; 6] = ["segment", "signal", "health", "policy", "program", "test"];

/// Reads and checks a whole set of definitions.
///
/// `templates` names the e-mail templates that exist; when it is empty, names of templates are
/// not checked. Gives the definitions and warnings, or else all errors and warnings, by file and
/// place.
pub fn parse_definitions(
    files: Vec<SourceFile>,
    templates: &[String],
) -> Result<(Definitions, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut set = Set {
        definitions: Definitions {
            templates: templates.to_vec(),
            ..Definitions::default()
        },
        known: Known::default(),
        references: Vec::new(),
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    for (index, file) in files.iter().enumerate() {
        set.read(index, file);
    }
    set.definitions.files = files;
    let mut errors = set.errors;
    reference::check(&set.definitions, &set.references, &set.known, &mut errors);
    if errors.is_empty() {
        return Ok((set.definitions, set.warnings));
    }
    errors.extend(set.warnings);
    let order = |path: &str| {
        let files = &set.definitions.files;
        files.iter().position(|file| file.path == path)
    };
    errors.sort_by_key(|one| (order(&one.file), one.span.start, one.span.end));
    Err(errors)
}

/// What was read so far.
struct Set {
    definitions: Definitions,
    known: Known,
    references: Vec<Reference>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Set {
    fn read(&mut self, index: usize, file: &SourceFile) {
        if file.text.len() > MAX_FILE_BYTES {
            self.errors.push(
                Diagnostic::error(
                    "file-too-large",
                    &file.path,
                    "",
                    Span::default(),
                    format!(
                        "the file has {} bytes; at most {MAX_FILE_BYTES} are read",
                        file.text.len()
                    ),
                )
                .help("split it; files are read together"),
            );
            return;
        }
        let mut reader = Reader::new(index, &file.path, &file.text);
        let documents = documents(&file.path, &file.text, &mut reader.errors);
        let programs_before = self.known.names.len();
        let tests_before = self.definitions.tests.len();
        for document in &documents {
            self.document(&mut reader, document);
        }
        let programs = self.known.names[programs_before..]
            .iter()
            .filter(|(kind, ..)| *kind == "program")
            .count();
        for test in &self.definitions.tests[tests_before..] {
            if test.program.is_none() && programs != 1 {
                reader.error(
                    "which-program",
                    test.place.span,
                    format!("the test does not say which program it is about, and its file has {programs}"),
                    "add `program: NAME`",
                );
            }
        }
        self.errors.append(&mut reader.errors);
        self.warnings.append(&mut reader.warnings);
        self.references.append(&mut reader.references);
    }

    fn document(&mut self, reader: &mut Reader<'_>, document: &Node) {
        if document.is_null() {
            return;
        }
        let help = "begin with `program: NAME`, `segment: NAME`, `signal: NAME`, `health: NAME`, `policy: NAME` or `test: SENTENCE`";
        let Some(fields) = reader.fields(document, "a definition", help) else {
            return;
        };
        let kind = first_kind(document);
        let Some(kind) = kind else {
            let first = match &document.kind {
                Kind::Mapping(entries) => entries.first().map(|(key, _)| key.name.as_str()),
                _ => None,
            };
            let suggestion = first.and_then(|first| did_you_mean(first, KINDS));
            reader.error(
                "unknown-kind",
                fields.head(),
                "this definition does not say what it is",
                suggestion.unwrap_or_else(|| help.into()),
            );
            return;
        };
        self.note(reader, document, kind);
        match kind {
            "segment" => self.definitions.segments.extend(reader.segment(fields)),
            "signal" => self.definitions.signals.extend(reader.signal(fields)),
            "health" => self.definitions.health.extend(reader.health(fields)),
            "program" => self.definitions.programs.extend(reader.program(fields)),
            "test" => self.definitions.tests.extend(reader.test(fields)),
            _ => {
                self.known.policies.push(reader.place(fields.head()));
                let policy = reader.policy(fields);
                if self.known.policies.len() == 1 {
                    self.definitions.policy = policy;
                }
            }
        }
    }

    /// Notes the name of a definition, even if the rest of it cannot be read.
    fn note(&mut self, reader: &Reader<'_>, document: &Node, kind: &'static str) {
        let Kind::Mapping(entries) = &document.kind else {
            return;
        };
        let value = |name: &str| {
            entries
                .iter()
                .find(|(key, _)| key.name == name)
                .map(|(key, node)| {
                    (
                        node.text().unwrap_or_default().trim().to_owned(),
                        key.span,
                        node.span,
                    )
                })
        };
        if let Some((name, key, node)) = value(kind) {
            let audience = match value("audience") {
                Some((audience, ..)) if audience == "account" => Audience::Account,
                _ => Audience::Person,
            };
            let place = reader.place(Span {
                start: key.start,
                end: node.end.max(key.end),
            });
            if kind != "policy" {
                self.known.names.push((kind, name, audience, place));
            }
        }
    }
}

fn first_kind(document: &Node) -> Option<&'static str> {
    let Kind::Mapping(entries) = &document.kind else {
        return None;
    };
    // A test may name the program it is about, in any order.
    if entries.iter().any(|(key, _)| key.name == "test") {
        return Some("test");
    }
    entries
        .iter()
        .find_map(|(key, _)| KINDS.into_iter().find(|kind| *kind == key.name))
}
