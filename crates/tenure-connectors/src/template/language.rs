//! The dialect of Liquid that templates are written in, and the frame they run in.
//!
//! Before parsing, each `{{ path | filters }}` is rewritten to `{% tenure_output SITE nil | filters = path | filters %}`.
//! The tag knows its place (for errors), its mode (escaped or not) and what to do when `path` is missing: run the
//! filters on nil where that is allowed, so that `default` works, and refuse otherwise.

use std::io::Write;
use std::sync::OnceLock;

use liquid_core::error::Result;
use liquid_core::model::{KString, KStringCow, ScalarCow, Value, ValueCow, ValueView};
use liquid_core::parser::{FilterChain, ParseTag, TagReflection, TagTokenIter};
use liquid_core::runtime::{PartialStore, Registers, Renderable, Runtime, Variable};
use liquid_core::{Error, Language};
use liquid_lib::stdlib;

use super::compile::Strict;
use super::filters;
use crate::html::escape;

/// Most loop turns in one rendering, nested loops counted together.
pub(super) const LOOP_STEPS_MAX: usize = 10_000;
/// Longest text that `assign` may hold, in bytes.
const ASSIGNED_MAX_BYTES: usize = 64 * 1024;

/// What a rendering keeps beside its output.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The output being written, for the place of an error.
    pub(super) site: Option<usize>,
    /// The variable that was looked up in vain.
    pub(super) missing: Option<String>,
    loop_steps: usize,
    is_lenient: bool,
}

/// The language. Built once: it holds no state.
pub(super) fn language() -> &'static Language {
    static LANGUAGE: OnceLock<Language> = OnceLock::new();
    LANGUAGE.get_or_init(|| {
        let mut language = Language::empty();
        let blocks = &mut language.blocks;
        blocks.register("if".to_owned(), stdlib::IfBlock.into());
        blocks.register("unless".to_owned(), stdlib::UnlessBlock.into());
        blocks.register("case".to_owned(), stdlib::CaseBlock.into());
        blocks.register("for".to_owned(), stdlib::ForBlock.into());
        blocks.register("comment".to_owned(), stdlib::CommentBlock.into());
        blocks.register("raw".to_owned(), stdlib::RawBlock.into());
        let tags = &mut language.tags;
        // Only for checking a template as it was written; what is run has `tenure_assign` in its place.
        tags.register("assign".to_owned(), stdlib::AssignTag.into());
        tags.register("break".to_owned(), stdlib::BreakTag.into());
        tags.register("continue".to_owned(), stdlib::ContinueTag.into());
        tags.register(
            "tenure_output".to_owned(),
            OutputTag { stores: false }.into(),
        );
        tags.register(
            "tenure_assign".to_owned(),
            OutputTag { stores: true }.into(),
        );
        tags.register("tenure_step".to_owned(), StepTag.into());
        filters::register(&mut language.filters);
        language
    })
}

/// How a value is made harmless where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escaping {
    None,
    /// For text and attribute values of HTML.
    Html,
    /// For the inside of a JSON string.
    Json,
}

/// What the number in a rewritten output says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) index: usize,
    pub(super) escaping: Escaping,
    pub(super) is_optional: bool,
}

impl Site {
    pub(super) fn pack(self) -> usize {
        let escaping = match self.escaping {
            Escaping::None => 0,
            Escaping::Html => 2,
            Escaping::Json => 4,
        };
        self.index * 8 + escaping + usize::from(self.is_optional)
    }

    fn unpack(number: usize) -> Self {
        Self {
            index: number / 8,
            escaping: match number & 6 {
                2 => Escaping::Html,
                4 => Escaping::Json,
                _ => Escaping::None,
            },
            is_optional: number & 1 != 0,
        }
    }
}

/// `tenure_output SITE fallback = chain`, and `tenure_assign name SITE fallback = chain`.
#[derive(Debug, Clone, Copy)]
struct OutputTag {
    stores: bool,
}

impl TagReflection for OutputTag {
    fn tag(&self) -> &'static str {
        if self.stores {
            "tenure_assign"
        } else {
            "tenure_output"
        }
    }

    fn description(&self) -> &'static str {
        "writes or keeps a value"
    }
}

impl ParseTag for OutputTag {
    fn parse(
        &self,
        mut tokens: TagTokenIter<'_>,
        options: &Language,
    ) -> Result<Box<dyn Renderable>> {
        let name = if self.stores {
            let name = tokens.expect_next("a name expected")?;
            Some(KString::from_ref(name.expect_identifier().into_result()?))
        } else {
            None
        };
        let site = tokens
            .expect_next("a place expected")?
            .expect_literal()
            .into_result()?;
        let number = site
            .as_scalar()
            .and_then(|site| site.to_integer())
            .unwrap_or(0);
        let fallback = tokens
            .expect_next("a value expected")?
            .expect_filter_chain(options)
            .into_result()?;
        tokens
            .expect_next("`=` expected")?
            .expect_str("=")
            .into_result()?;
        let value = tokens.expect_next("a value expected")?;
        let variable = liquid_core::parser::parse_variable(value.as_str().trim()).ok();
        let written = value
            .as_str()
            .split('|')
            .next()
            .unwrap_or("")
            .trim()
            .to_owned();
        let chain = value.expect_filter_chain(options).into_result()?;
        tokens.expect_nothing()?;
        Ok(Box::new(Output {
            name,
            site: Site::unpack(usize::try_from(number).unwrap_or(0)),
            variable: variable.filter(|_| !is_literal(&written)),
            written,
            fallback,
            chain,
        }))
    }

    fn reflection(&self) -> &dyn TagReflection {
        self
    }
}

/// The grammar reads `true`, `nil` and the like as literals, where the variable parser would see a name.
fn is_literal(word: &str) -> bool {
    matches!(word, "true" | "false" | "nil" | "null" | "empty" | "blank")
}

#[derive(Debug)]
struct Output {
    name: Option<KString>,
    site: Site,
    variable: Option<Variable>,
    /// The variable as the author wrote it.
    written: String,
    fallback: FilterChain,
    chain: FilterChain,
}

impl Output {
    fn value<'s>(&'s self, runtime: &'s dyn Runtime) -> Result<ValueCow<'s>> {
        let Some(variable) = &self.variable else {
            return self.chain.evaluate(runtime);
        };
        let path = variable.try_evaluate(runtime);
        let is_known = path
            .as_ref()
            .is_some_and(|path| runtime.try_get(path).is_some());
        if is_known {
            return self.chain.evaluate(runtime);
        }
        let mut progress = runtime.registers().get_mut::<Progress>();
        if !self.site.is_optional && !progress.is_lenient {
            progress.missing = Some(self.written.clone());
            return Err(Error::with_msg("unknown variable"));
        }
        drop(progress);
        self.fallback.evaluate(runtime)
    }
}

impl Renderable for Output {
    fn render_to(&self, writer: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        runtime.registers().get_mut::<Progress>().site = Some(self.site.index);
        let value = self.value(runtime)?;
        if let Some(name) = &self.name {
            let is_long = value
                .as_scalar()
                .is_some_and(|scalar| scalar.to_kstr().len() > ASSIGNED_MAX_BYTES);
            if is_long {
                return Err(Error::with_msg("an assigned text is over 64 KiB"));
            }
            runtime.set_global(name.clone(), value.into_owned());
        } else {
            let text = value.render().to_string();
            let text = match self.site.escaping {
                Escaping::None => text.into(),
                Escaping::Html => escape(&text),
                Escaping::Json => escape_json(&text).into(),
            };
            writer
                .write_all(text.as_bytes())
                .map_err(|error| Error::with_msg(error.to_string()))?;
        }
        runtime.registers().get_mut::<Progress>().site = None;
        Ok(())
    }
}

/// What stands between the quotation marks of a JSON string.
fn escape_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Counts one turn of a loop.
#[derive(Debug, Clone, Copy)]
struct StepTag;

impl TagReflection for StepTag {
    fn tag(&self) -> &'static str {
        "tenure_step"
    }

    fn description(&self) -> &'static str {
        "counts loop turns"
    }
}

impl ParseTag for StepTag {
    fn parse(&self, mut tokens: TagTokenIter<'_>, _: &Language) -> Result<Box<dyn Renderable>> {
        tokens.expect_nothing()?;
        Ok(Box::new(Self))
    }

    fn reflection(&self) -> &dyn TagReflection {
        self
    }
}

impl Renderable for StepTag {
    fn render_to(&self, _: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        let mut progress = runtime.registers().get_mut::<Progress>();
        progress.loop_steps += 1;
        if progress.loop_steps > LOOP_STEPS_MAX {
            return Err(Error::with_msg(format!(
                "loops take more than {LOOP_STEPS_MAX} turns"
            )));
        }
        Ok(())
    }
}

/// The frame a template runs in: remembers what was missing, and in lenient mode gives nil for it.
pub(super) struct Frame<R> {
    parent: R,
    strict: Strict,
}

impl<R: Runtime> Frame<R> {
    pub(super) fn new(parent: R, strict: Strict) -> Self {
        parent.registers().get_mut::<Progress>().is_lenient = strict == Strict::No;
        Self { parent, strict }
    }
}

impl<R: Runtime> Runtime for Frame<R> {
    fn partials(&self) -> &dyn PartialStore {
        self.parent.partials()
    }

    fn name(&self) -> Option<liquid_core::model::KStringRef<'_>> {
        self.parent.name()
    }

    fn roots(&self) -> std::collections::BTreeSet<KStringCow<'_>> {
        self.parent.roots()
    }

    fn try_get(&self, path: &[ScalarCow<'_>]) -> Option<ValueCow<'_>> {
        self.parent.try_get(path)
    }

    fn get(&self, path: &[ScalarCow<'_>]) -> Result<ValueCow<'_>> {
        let found = self.parent.get(path);
        if found.is_err() {
            if self.strict == Strict::No {
                return Ok(ValueCow::Owned(Value::Nil));
            }
            let words: Vec<String> = path.iter().map(|part| part.to_kstr().to_string()).collect();
            self.registers().get_mut::<Progress>().missing = Some(words.join("."));
        }
        found
    }

    fn set_global(&self, name: KString, value: Value) -> Option<Value> {
        self.parent.set_global(name, value)
    }

    fn set_index(&self, name: KString, value: Value) -> Option<Value> {
        self.parent.set_index(name, value)
    }

    fn get_index<'a>(&'a self, name: &str) -> Option<ValueCow<'a>> {
        self.parent.get_index(name)
    }

    fn registers(&self) -> &Registers {
        self.parent.registers()
    }
}
