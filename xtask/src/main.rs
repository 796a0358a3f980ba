//! Repository chores that are too much for a Makefile line: checks of the house rules, of licences, the generated
//! reference, and the installation of what the end-to-end tests need.

mod console;
mod edges;
mod licences;
mod links;
mod reference;
mod setup;
mod sources;
mod tree;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo run -p xtask -- COMMAND

  tidy          check crate edges, file sizes, names, unfinished code and document links
  licences      check the licence and the source of every dependency against deny.toml
  gen           write docs/reference from the built binary
  gen --check   fail when docs/reference differs from what the built binary would write
  setup         install what the end-to-end tests need (browser, Python and Node packages)
  console       build the console for embedding, when it changed and where there is Node.js";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let root = tree::workspace_root();
    match words.as_slice() {
        ["tidy"] => tidy(&root),
        ["licences"] => report("licences", &licences::check(&root)?),
        ["gen"] => reference::write(&root),
        ["gen", "--check"] => report("gen --check", &reference::check(&root)?),
        ["setup"] => setup::run(&root),
        ["console"] => console::build(&root),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("unknown command `{}`\n{USAGE}", args.join(" ")),
    }
}

fn tidy(root: &std::path::Path) -> Result<()> {
    let mut problems = edges::check(root)?;
    let sources = sources::check(root)?;
    for long in &sources.long_files {
        println!("note: {long}");
    }
    problems.extend(sources.problems);
    problems.extend(links::check(root)?);
    report("tidy", &problems)
}

/// Prints every problem, then fails once: a reader wants the whole list, not the first entry.
fn report(check: &str, problems: &[String]) -> Result<()> {
    for problem in problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        println!("{check}: ok");
        Ok(())
    } else {
        bail!("{check}: {} problem(s)", problems.len())
    }
}
