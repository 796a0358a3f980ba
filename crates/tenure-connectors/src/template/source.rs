//! Template files: front matter and body, one file a language.

use std::collections::BTreeMap;

use super::scan::{VariableUse, scan};
use super::{Severity, TemplateProblem};

/// A piece of a template file and where it starts there, so that problems can be shown in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The text as written.
    pub text: String,
    /// Line of its first character, from 1.
    pub line: usize,
    /// Column of its first character, from 1.
    pub column: usize,
}

impl Part {
    /// Line and column, both from 1, of the byte `offset` of the text.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let breaks = before.matches('\n').count();
        let last_line = before.rsplit('\n').next().unwrap_or("");
        let first_column = if breaks == 0 { self.column } else { 1 };
        (self.line + breaks, first_column + last_line.chars().count())
    }
}

/// A template in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Subject line, with Liquid.
    pub subject: Part,
    /// Preview text shown behind the subject in an inbox, with Liquid.
    pub preheader: Option<Part>,
    /// MJML or HTML, with Liquid.
    pub body: Part,
    /// Text part, with Liquid; made from the HTML if absent.
    pub text: Option<Part>,
}

/// A template in all its languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Name by which programs refer to it.
    pub name: String,
    /// Author, if not the workspace's default.
    pub from: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// Used when no other variant fits; `None` until a file without a language is merged in.
    pub default: Option<Variant>,
    /// By language, in lower case (`de`, `de-at`).
    pub variants: BTreeMap<String, Variant>,
}

impl Template {
    /// Reads one template file. `language` is that of the file name (`welcome.de.mjml`), `None` for the default one.
    ///
    /// ```text
    /// ---
    /// subject: Your week, {{ person.first_name | default: "friend" }}
    /// preheader: What changed
    /// from: Ada <ada@example.com>
    /// ---
    /// <mjml>...</mjml>
    /// ```
    pub fn parse(
        name: &str,
        language: Option<&str>,
        source: &str,
    ) -> Result<Self, Vec<TemplateProblem>> {
        let language = language.map(str::to_ascii_lowercase);
        let mut front = FrontMatter::default();
        let body = front.read(source);
        let (subject, body) = match (front.subject, body) {
            (Some(subject), Some(body)) if front.problems.is_empty() => (subject, body),
            (subject, body) => {
                let mut problems = front.problems;
                if body.is_none() {
                    let help = "start the file with `---`, then `subject: ...`, then `---`";
                    problems.push(problem(1, 1, "no front matter", help));
                } else if subject.is_none() {
                    problems.push(problem(
                        1,
                        1,
                        "no subject",
                        "add a line `subject: ...` to the front matter",
                    ));
                }
                for problem in &mut problems {
                    problem.language.clone_from(&language);
                }
                return Err(problems);
            }
        };
        let variant = Variant {
            subject,
            preheader: front.preheader,
            body,
            text: front.text,
        };
        let mut template = Self {
            name: name.to_owned(),
            from: front.from.map(|part| part.text),
            reply_to: front.reply_to.map(|part| part.text),
            default: None,
            variants: BTreeMap::new(),
        };
        match language {
            None => template.default = Some(variant),
            Some(language) => {
                template.variants.insert(language, variant);
            }
        }
        Ok(template)
    }

    /// Joins the files of one template. What `other` says wins, except that `from` and `reply_to` of the default stay.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        let other_leads = self.default.is_none() && other.default.is_some();
        let (first, second) = if other_leads {
            ((other.from, other.reply_to), (self.from, self.reply_to))
        } else {
            ((self.from, self.reply_to), (other.from, other.reply_to))
        };
        self.from = first.0.or(second.0);
        self.reply_to = first.1.or(second.1);
        self.default = other.default.or(self.default);
        self.variants.extend(other.variants);
        self
    }

    /// Paths of all variables read from the data in any variant, such as `account.name`. Loop variables and assigned
    /// names are not among them.
    pub fn variables(&self) -> std::collections::BTreeSet<String> {
        self.variable_uses()
            .into_iter()
            .map(|(_, used)| used.path)
            .collect()
    }

    /// Each use of such a variable with the language of its variant.
    pub fn variable_uses(&self) -> Vec<(Option<&str>, VariableUse)> {
        let mut uses = Vec::new();
        for (language, variant) in self.all_variants() {
            for part in variant.parts() {
                uses.extend(scan(part).uses.into_iter().map(|used| (language, used)));
            }
        }
        uses
    }

    pub(super) fn all_variants(&self) -> impl Iterator<Item = (Option<&str>, &Variant)> {
        let others = self
            .variants
            .iter()
            .map(|(language, variant)| (Some(language.as_str()), variant));
        self.default
            .iter()
            .map(|variant| (None, variant))
            .chain(others)
    }
}

impl Variant {
    fn parts(&self) -> impl Iterator<Item = &Part> {
        [
            Some(&self.subject),
            self.preheader.as_ref(),
            Some(&self.body),
            self.text.as_ref(),
        ]
        .into_iter()
        .flatten()
    }
}

#[derive(Default)]
struct FrontMatter {
    subject: Option<Part>,
    preheader: Option<Part>,
    text: Option<Part>,
    from: Option<Part>,
    reply_to: Option<Part>,
    problems: Vec<TemplateProblem>,
}

impl FrontMatter {
    /// Fills the fields and returns the body, or `None` if there is no front matter.
    fn read(&mut self, source: &str) -> Option<Part> {
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        let mut lines = source.split_inclusive('\n').enumerate().peekable();
        if lines.next()?.1.trim_end() != "---" {
            return None;
        }
        let mut offset = source.split_inclusive('\n').next()?.len();
        while let Some((index, line)) = lines.next() {
            offset += line.len();
            if line.trim_end() == "---" {
                return Some(Part {
                    text: source[offset..].to_owned(),
                    line: index + 2,
                    column: 1,
                });
            }
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut block = String::new();
            if line.trim_end().ends_with(": |") {
                while let Some((_, next)) = lines.peek() {
                    if !next.starts_with(' ') && !next.trim().is_empty() {
                        break;
                    }
                    offset += next.len();
                    block.push_str(
                        next.strip_prefix("  ")
                            .unwrap_or(next.trim_start_matches(' ')),
                    );
                    lines.next();
                }
                self.field(line.trim_end().trim_end_matches(" |"), index, Some(block));
            } else {
                self.field(line.trim_end(), index, None);
            }
        }
        None
    }

    fn field(&mut self, line: &str, index: usize, block: Option<String>) {
        let Some((key, value)) = line.split_once(':') else {
            let help = "write `key: value`, or `text: |` with indented lines below";
            self.problems
                .push(problem(index + 1, 1, "not a `key: value` line", help));
            return;
        };
        let trimmed = value.trim();
        let unquoted = ['"', '\'']
            .into_iter()
            .find_map(|quote| {
                let inner = trimmed.strip_prefix(quote)?.strip_suffix(quote)?;
                (!inner.contains(quote)).then_some(inner)
            })
            .unwrap_or(trimmed);
        // The value is a piece of the line, so its place follows from the lengths before it.
        let before =
            line.len() - value.trim_start().len() + usize::from(unquoted.len() < trimmed.len());
        let part = match block {
            Some(text) => Part {
                text,
                line: index + 2,
                column: 3,
            },
            None => Part {
                text: unquoted.to_owned(),
                line: index + 1,
                column: line
                    .get(..before)
                    .map_or(1, |head| head.chars().count() + 1),
            },
        };
        let slot = match key.trim() {
            "subject" => &mut self.subject,
            "preheader" => &mut self.preheader,
            "text" => &mut self.text,
            "from" => &mut self.from,
            "reply_to" => &mut self.reply_to,
            other => {
                let help = "known are `subject`, `preheader`, `from`, `reply_to` and `text`";
                self.problems.push(problem(
                    index + 1,
                    1,
                    &format!("unknown key `{other}`"),
                    help,
                ));
                return;
            }
        };
        if slot.replace(part).is_some() {
            let message = format!("`{}` is given twice", key.trim());
            self.problems
                .push(problem(index + 1, 1, &message, "keep one of them"));
        }
    }
}

fn problem(line: usize, column: usize, message: &str, help: &str) -> TemplateProblem {
    TemplateProblem {
        severity: Severity::Error,
        language: None,
        message: message.to_owned(),
        line,
        column,
        help: help.to_owned(),
    }
}
