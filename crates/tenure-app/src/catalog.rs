//! The catalogue: the definitions and templates in force, as documents, and their plan.
//!
//! Applying files replaces the documents of the same kind and name and keeps the others, so that
//! a team can apply one program without sending everything. What is in force is kept with every
//! published plan, so any version can be compiled again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tenure_connectors::template::{Severity, Template, check};
use tenure_core::define::{Definitions, ProgramDef, SourceFile};
use tenure_core::diagnostic::{Diagnostic, Span};
use tenure_core::id::Salt;
use tenure_core::lang;
use tenure_core::log::{OnPublish, PlanVersion};
use tenure_core::plan::{Plan, PlanSources};
use tenure_store::row::PlanRow;
use tenure_store::{Store, StoreError};

/// Kinds of definition documents, by their first key.
pub const KINDS: [&str; 6] = ["segment", "signal", "health", "program", "policy", "test"];
/// The endings of template files.
const TEMPLATE_ENDINGS: [&str; 4] = [".mjml", ".html", ".liquid", ".txt"];

/// One YAML document: a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// `segment`, `signal`, `program`, `policy` or `test`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The file it came from.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The plan in which it last changed.
    pub version: PlanVersion,
}

/// One template file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateFile {
    /// Template name.
    pub name: String,
    /// Language of this variant; `None` is the default.
    pub language: Option<String>,
    /// The file it came from.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Everything in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Definitions.
    pub documents: Vec<Document>,
    /// Templates.
    pub templates: Vec<TemplateFile>,
    /// Older versions of programs that may still have enrollments.
    pub retired: Vec<(String, PlanVersion)>,
    /// What becomes of enrollments of the programs that changed with this plan.
    pub on_publish: Vec<(Box<str>, OnPublish)>,
}

/// What applying files would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// `kind name` of new documents and templates.
    pub added: Vec<String>,
    /// Of changed ones.
    pub changed: Vec<String>,
    /// Of removed ones.
    pub removed: Vec<String>,
    /// Of those given but the same as in force.
    pub unchanged: Vec<String>,
}

impl Changes {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

impl Catalog {
    /// Reads the catalogue kept with a plan.
    pub fn from_row(row: &PlanRow) -> Result<Self, StoreError> {
        serde_json::from_slice(&row.sources).map_err(|error| {
            StoreError::Damaged(format!("plan {} cannot be read: {error}", row.version))
        })
    }

    /// The catalogue that was published last; an empty one before the first.
    pub fn in_force(store: &dyn Store) -> Result<Self, StoreError> {
        let rows = store.plans()?;
        let last = rows.last().map(Self::from_row).transpose()?;
        Ok(last.unwrap_or_default())
    }

    /// As kept with a plan.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The catalogue with files applied as plan `version`. With `prune`, what the files do not
    /// hold is removed.
    #[must_use]
    pub fn with_files(
        &self,
        files: &[SourceFile],
        prune: bool,
        version: PlanVersion,
    ) -> (Self, Changes) {
        let mut changes = Changes::default();
        let mut next = if prune { Self::default() } else { self.clone() };
        next.retired.clone_from(&self.retired);
        next.on_publish.clear();
        for file in files {
            match template_name(&file.path) {
                Some((name, language)) => {
                    next.put_template(self, file, name, language, &mut changes);
                }
                None => {
                    for document in documents_of(file, version) {
                        next.put_document(self, document, &mut changes);
                    }
                }
            }
        }
        for known in &self.documents {
            if !next
                .documents
                .iter()
                .any(|new| (&new.kind, &new.name) == (&known.kind, &known.name))
            {
                changes
                    .removed
                    .push(format!("{} {}", known.kind, known.name));
            }
        }
        for known in &self.templates {
            if !next
                .templates
                .iter()
                .any(|new| (&new.name, &new.language) == (&known.name, &known.language))
            {
                changes.removed.push(format!(
                    "template {}",
                    label(&known.name, known.language.as_deref())
                ));
            }
        }
        (next, changes)
    }

    fn put_document(&mut self, old: &Self, mut document: Document, changes: &mut Changes) {
        let same =
            |known: &&Document| (&known.kind, &known.name) == (&document.kind, &document.name);
        let label = format!("{} {}", document.kind, document.name);
        match old.documents.iter().find(same) {
            Some(known) if known.text.trim() == document.text.trim() => {
                document.version = known.version;
                changes.unchanged.push(label);
            }
            Some(_) => changes.changed.push(label),
            None => changes.added.push(label),
        }
        let place = self.documents.iter().position(|known| same(&known));
        match place {
            Some(at) => self.documents[at] = document,
            None => self.documents.push(document),
        }
    }

    fn put_template(
        &mut self,
        old: &Self,
        file: &SourceFile,
        name: String,
        language: Option<String>,
        changes: &mut Changes,
    ) {
        let same = |known: &&TemplateFile| known.name == name && known.language == language;
        let text = format!("template {}", label(&name, language.as_deref()));
        match old.templates.iter().find(same) {
            Some(known) if known.text == file.text => changes.unchanged.push(text),
            Some(_) => changes.changed.push(text),
            None => changes.added.push(text),
        }
        let place = self.templates.iter().position(|known| same(&known));
        let template = TemplateFile {
            name,
            language,
            path: file.path.clone(),
            text: file.text.clone(),
        };
        match place {
            Some(at) => self.templates[at] = template,
            None => self.templates.push(template),
        }
    }

    /// The definitions, parsed: warnings beside them, or everything that is wrong.
    pub fn parse(&self) -> Result<(Definitions, Vec<Diagnostic>), Vec<Diagnostic>> {
        let mut names: Vec<String> = self
            .templates
            .iter()
            .map(|template| template.name.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        // Documents of one file are read together: a test belongs to the program beside it, and
        // lines count from the file's start.
        let mut files: BTreeMap<&str, Vec<&Document>> = BTreeMap::new();
        for document in &self.documents {
            files.entry(&document.path).or_default().push(document);
        }
        let files = files.into_iter().map(|(path, documents)| {
            let texts: Vec<&str> = documents
                .iter()
                .map(|document| document.text.as_str())
                .collect();
            SourceFile {
                path: path.to_owned(),
                text: texts.join("---\n"),
            }
        });
        lang::parse_definitions(files.collect(), &names)
    }

    /// Checks the templates.
    pub fn templates(&self) -> (Vec<Template>, Vec<Diagnostic>) {
        let mut templates: Vec<Template> = Vec::new();
        let mut findings = Vec::new();
        let mut files: Vec<&TemplateFile> = self.templates.iter().collect();
        files.sort_by_key(|file| (&file.name, &file.language));
        for file in files {
            match Template::parse(&file.name, file.language.as_deref(), &file.text) {
                Ok(template) => match templates.last_mut() {
                    Some(last) if last.name == template.name => {
                        *last = last.clone().merge(template);
                    }
                    _ => templates.push(template),
                },
                Err(problems) => {
                    findings.extend(problems.iter().map(|problem| problem_at(file, problem)));
                }
            }
        }
        for template in &templates {
            let problems = check(template);
            let errors = problems
                .iter()
                .filter(|problem| problem.severity == Severity::Error);
            findings.extend(errors.map(|problem| {
                let file = self
                    .templates
                    .iter()
                    .find(|file| file.name == template.name && file.language == problem.language);
                problem_at(file.unwrap_or(&self.templates[0]), problem)
            }));
        }
        (templates, findings)
    }

    /// Version of each program: the plan in which it last changed.
    pub fn program_versions(&self) -> BTreeMap<String, PlanVersion> {
        self.documents
            .iter()
            .filter(|document| document.kind == "program")
            .map(|document| (document.name.clone(), document.version))
            .collect()
    }

    /// Compiles the plan. `rows` are all published plans, for retired programs.
    pub fn compile(
        &self,
        version: PlanVersion,
        salt: Salt,
        paused: &BTreeSet<String>,
        rows: &[PlanRow],
    ) -> Result<Plan, Vec<Diagnostic>> {
        let (current, _) = self.parse()?;
        Plan::compile(PlanSources {
            version,
            salt,
            current,
            program_versions: self.program_versions(),
            retired: self.retired_programs(rows),
            paused: paused.clone(),
        })
    }

    fn retired_programs(&self, rows: &[PlanRow]) -> Vec<(PlanVersion, ProgramDef)> {
        let mut programs = Vec::new();
        for (name, version) in &self.retired {
            let definitions = rows
                .iter()
                .find(|row| row.version == *version)
                .and_then(|row| Self::from_row(row).ok())
                .and_then(|catalog| catalog.parse().ok());
            let program = definitions.and_then(|(definitions, _)| {
                definitions
                    .programs
                    .into_iter()
                    .find(|program| program.name == *name)
            });
            programs.extend(program.map(|program| (*version, program)));
        }
        programs
    }
}

fn problem_at(
    file: &TemplateFile,
    problem: &tenure_connectors::template::TemplateProblem,
) -> Diagnostic {
    Diagnostic {
        severity: tenure_core::diagnostic::Severity::Error,
        code: "template",
        message: problem.message.clone(),
        help: Some(problem.help.clone()),
        file: file.path.clone(),
        span: Span::default(),
        line: problem.line,
        column: problem.column,
    }
}

fn label(name: &str, language: Option<&str>) -> String {
    language.map_or_else(|| name.to_owned(), |language| format!("{name}.{language}"))
}

/// The template name and language of a file path, if it is a template: `dir/welcome.de.mjml` is
/// the German variant of `welcome`.
pub fn template_name(path: &str) -> Option<(String, Option<String>)> {
    let file = path.rsplit(['/', '\\']).next()?;
    let ending = TEMPLATE_ENDINGS
        .iter()
        .find(|ending| file.ends_with(*ending))?;
    let stem = &file[..file.len() - ending.len()];
    match stem.split_once('.') {
        Some((name, language)) => Some((name.into(), Some(language.into()))),
        None => Some((stem.into(), None)),
    }
}

/// Cuts a file at its `---` lines; a document's kind and name are its first key and value.
/// What is no document of ours is kept as kind `unknown`, so that the parser can complain.
fn documents_of(file: &SourceFile, version: PlanVersion) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut text = String::new();
    for line in file.text.split_inclusive('\n').chain(["---"]) {
        if line.trim_end() != "---" {
            text.push_str(line);
            continue;
        }
        if !text.ends_with('\n') && !text.is_empty() {
            text.push('\n');
        }
        let source = std::mem::take(&mut text);
        let head = source
            .lines()
            .find(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .and_then(|line| line.split_once(':'));
        if let Some((kind, name)) = head {
            let name = name
                .split(" #")
                .next()
                .unwrap_or(name)
                .trim()
                .trim_matches(['"', '\'']);
            documents.push(Document {
                kind: kind.trim().to_owned(),
                name: name.to_owned(),
                path: file.path.clone(),
                text: source,
                version,
            });
        } else if !source.trim().is_empty()
            && source
                .lines()
                .any(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
        {
            documents.push(Document {
                kind: "unknown".into(),
                name: String::new(),
                path: file.path.clone(),
                text: source,
                version,
            });
        }
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile {
            path: path.into(),
            text: text.into(),
        }
    }

    #[test]
    fn applying_a_file_replaces_its_documents_and_keeps_the_others() {
        let first = [file(
            "a.yaml",
            "segment: a\nwhen: x\n---\nsegment: b\nwhen: y\n",
        )];
        let (one, changes) = Catalog::default().with_files(&first, false, 1);
        assert_eq!(changes.added, ["segment a", "segment b"]);
        let second = [
            file("b.yaml", "# better\nsegment: b\nwhen: z\n"),
            file("t/welcome.de.mjml", "x"),
        ];
        let (two, changes) = one.with_files(&second, false, 2);
        assert_eq!(changes.changed, ["segment b"]);
        assert_eq!(changes.added, ["template welcome.de"]);
        assert!(changes.removed.is_empty());
        let versions: Vec<_> = two
            .documents
            .iter()
            .map(|document| document.version)
            .collect();
        assert_eq!(versions, [1, 2]);
    }

    #[test]
    fn pruning_removes_what_the_files_do_not_hold() {
        let first = [file(
            "a.yaml",
            "segment: a\nwhen: x\n---\nsegment: b\nwhen: y\n",
        )];
        let (one, _) = Catalog::default().with_files(&first, false, 1);
        let (two, changes) = one.with_files(&[file("a.yaml", "segment: a\nwhen: x\n")], true, 2);
        assert_eq!(changes.removed, ["segment b"]);
        assert_eq!(changes.unchanged, ["segment a"]);
        assert_eq!(two.documents[0].version, 1);
    }

    #[test]
    fn a_template_file_names_its_template_and_language() {
        assert_eq!(
            template_name("x/welcome.mjml"),
            Some(("welcome".into(), None))
        );
        assert_eq!(
            template_name("welcome.de-AT.mjml"),
            Some(("welcome".into(), Some("de-AT".into())))
        );
        assert_eq!(template_name("programs/a.yaml"), None);
    }
}
