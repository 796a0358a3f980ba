//! `tenure generate`: the reference documents, from the code itself.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::output;
use crate::settings::FILE_NAME;
use crate::settings::table::SETTINGS;

/// Write the reference documents: commands, settings and the OpenAPI document.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure generate --out docs/reference
  tenure generate --out docs/reference --check")]
pub(crate) struct Generate {
    /// Folder to write to
    #[arg(long)]
    out: PathBuf,
    /// Write nothing; fail when a document is not up to date
    #[arg(long)]
    check: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Generate) -> Result<()> {
    for (name, text) in documents() {
        let path = args.out.join(name);
        if args.check {
            if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                bail!(
                    "{} is not up to date: run `tenure generate --out {}`",
                    path.display(),
                    args.out.display()
                );
            }
        } else {
            std::fs::create_dir_all(&args.out)?;
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            output::line(path.display().to_string());
        }
    }
    Ok(())
}

fn documents() -> Vec<(&'static str, String)> {
    vec![
        ("cli.md", commands()),
        ("openapi.json", openapi()),
        ("settings.md", settings()),
    ]
}

fn openapi() -> String {
    let mut text = tenure_api::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn settings() -> String {
    let mut text = format!(
        "# Settings\n\nA flag beats the environment, which beats `{FILE_NAME}` in the data folder, which beats the default. \
         `tenure settings` shows the values in force and where each comes from. Secrets may stand in a file: \
         `TENURE_<NAME>_FILE` in the environment, `<name>_file` in `{FILE_NAME}`, `--<name>-file` as a flag.\n\n\
         | setting | environment | form | default | meaning |\n|---|---|---|---|---|\n"
    );
    for setting in SETTINGS {
        let default = setting
            .default
            .map_or_else(String::new, |default| format!("`{default}`"));
        let form = if setting.is_secret {
            "secret".to_owned()
        } else {
            setting.form()
        };
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {form} | {default} | {} |",
            setting.name,
            setting.variable(),
            setting.about
        );
    }
    text
}

fn commands() -> String {
    let mut text = "# Commands\n".to_owned();
    let mut root = Cli::command();
    root.build();
    for command in root
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        describe(command, "tenure", &mut text);
    }
    text
}

fn describe(command: &clap::Command, parent: &str, text: &mut String) {
    let path = format!("{parent} {}", command.get_name());
    let subcommands: Vec<_> = command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
        .collect();
    if !subcommands.is_empty() {
        for sub in subcommands {
            describe(sub, &path, text);
        }
        return;
    }
    // The help must not depend on the environment of whoever generates it.
    let help = command
        .clone()
        .bin_name(&path)
        .term_width(100)
        .mut_args(|arg| arg.hide_env_values(true))
        .render_long_help();
    let help: Vec<String> = help
        .to_string()
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    let _ = write!(
        text,
        "\n## {path}\n\n```text\n{}\n```\n",
        help.join("\n").trim_end()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_and_every_command_is_in_the_reference() {
        let settings = settings();
        assert!(
            SETTINGS
                .iter()
                .all(|setting| settings.contains(&setting.variable()))
        );
        let commands = commands();
        assert!(
            commands.contains("\n## tenure programs pause\n")
                && commands.contains("\n## tenure serve\n")
        );
    }
}
