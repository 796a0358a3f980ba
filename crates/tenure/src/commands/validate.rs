//! `tenure validate`: everything that is wrong with definitions and templates, without a server.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use tenure_app::bodies::check_bodies;
use tenure_app::catalog::Catalog;
use tenure_core::define::SourceFile;
use tenure_core::diagnostic::{Diagnostic, Severity};
use tenure_core::id::Salt;
use tenure_core::plan::Plan;

use super::apply::diagnostic_text;
use crate::failure::Shown;
use crate::files;
use crate::output;

/// Check definitions and templates without a server. Names are looked up among the given files, so give all of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure validate programs
  tenure validate programs/renewal.yaml programs/policy.yaml --json")]
pub(crate) struct Validate {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The plan of some files, and what is worth a look or wrong.
pub(crate) struct Checked {
    /// The plan; none when anything is wrong.
    pub(crate) plan: Option<Plan>,
    /// Everything found.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// How many definitions and templates there are.
    pub(crate) counts: (usize, usize),
}

/// Checks files as a whole workspace.
pub(crate) fn check(files: Vec<files::File>) -> Checked {
    let files: Vec<SourceFile> = files.into_iter().map(SourceFile::from).collect();
    let (catalog, _) = Catalog::default().with_files(&files, false, 1);
    let (_, mut diagnostics) = catalog.templates();
    let (definitions, warnings) = match catalog.parse() {
        Ok((definitions, warnings)) => {
            diagnostics.extend(check_bodies(&definitions));
            (true, warnings)
        }
        Err(problems) => (false, problems),
    };
    diagnostics.extend(warnings);
    // Nothing here is ever stored or sent, so any salt does.
    let compiled = definitions.then(|| catalog.compile(1, Salt([0; 32]), &BTreeSet::new(), &[]));
    let plan = match compiled {
        Some(Ok(plan)) => Some(plan),
        Some(Err(problems)) => {
            diagnostics.extend(problems);
            None
        }
        None => None,
    };
    let is_broken = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    let counts = (catalog.documents.len(), catalog.templates.len());
    Checked {
        plan: plan.filter(|_| !is_broken),
        diagnostics,
        counts,
    }
}

/// Runs the command.
pub(crate) fn run(args: &Validate) -> Result<()> {
    let checked = check(files::collect(&args.paths)?);
    if args.json {
        output::json(&json!({ "data": checked.diagnostics, "valid": checked.plan.is_some() }));
    } else {
        show(&checked.diagnostics);
    }
    if checked.plan.is_none() {
        return Err(Shown.into());
    }
    if !args.json {
        let (definition_count, template_count) = checked.counts;
        output::line(format!(
            "{definition_count} definition(s) and {template_count} template(s) are valid"
        ));
    }
    Ok(())
}

/// Shows diagnostics on standard error.
pub(crate) fn show(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        let value = serde_json::to_value(diagnostic).unwrap_or(Value::Null);
        eprintln!("{}", diagnostic_text(&value));
    }
    let errors = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .count();
    if errors > 0 {
        eprintln!("error: {errors} problem(s)");
    }
}
