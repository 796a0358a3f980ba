//! E-mail templates: Liquid inside MJML or HTML, compiled once and rendered for many.
//!
//! What comes from customers is hostile: every output in HTML is escaped unless the author writes `| raw`, nothing
//! can break out of a header line, and loops and output are bounded. Liquid is evaluated once, so a value that looks
//! like Liquid or MJML stays text.

mod compile;
mod filters;
mod json;
mod language;
mod layout;
mod scan;
mod source;

pub use compile::{CompiledTemplate, RenderError, Rendered, Strict, render};
pub use json::{check_json, render_json};
pub use scan::VariableUse;
pub use source::{Part, Template, Variant};

use serde::Serialize;

/// How grave a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The template cannot be used.
    Error,
    /// The template works, but probably not as meant.
    Warning,
}

/// Something to put right in a template, at its place in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateProblem {
    /// How grave it is.
    pub severity: Severity,
    /// Language of the variant it is in; `None` for the default.
    pub language: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What to do about it.
    pub help: String,
}

/// Every problem of a template, errors and warnings, in file order.
pub fn check(template: &Template) -> Vec<TemplateProblem> {
    match CompiledTemplate::compile(template) {
        Ok(compiled) => compiled.warnings().to_vec(),
        Err(problems) => problems,
    }
}

#[cfg(test)]
mod tests;
