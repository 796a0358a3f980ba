//! `tenure completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::output;

/// Print the completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure completions bash  # > /etc/bash_completion.d/tenure")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(args: &Completions) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tenure", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
}
