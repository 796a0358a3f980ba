//! `tenure enrollments`.

use anyhow::Result;
use clap::Subcommand;

use super::listing::{Listed, list};
use crate::output::Column;

/// `tenure enrollments`
#[derive(Debug, Subcommand)]
pub(crate) enum Enrollments {
    /// List passages through programs, newest first
    #[command(
        after_help = "Examples:\n  tenure enrollments list --program onboarding --status active"
    )]
    List {
        /// Of this program
        #[arg(long)]
        program: Option<String>,
        /// Of this person or account (its id)
        #[arg(long)]
        subject: Option<String>,
        /// With this status, for example active, completed, exited
        #[arg(long)]
        status: Option<String>,
        /// At this step
        #[arg(long)]
        step: Option<String>,
        /// Only those that are, or were until they ended, in a hold-out (or, with false, the others)
        #[arg(long, num_args = 0..=1, default_missing_value = "true")]
        held_out: Option<bool>,
        #[command(flatten)]
        listed: Listed,
    },
}

const COLUMNS: &[Column] = &[
    Column {
        title: "ID",
        pointers: &["/id"],
    },
    Column {
        title: "PROGRAM",
        pointers: &["/program"],
    },
    Column {
        title: "VERSION",
        pointers: &["/version"],
    },
    Column {
        title: "SUBJECT",
        pointers: &["/subject"],
    },
    Column {
        title: "STATUS",
        pointers: &["/status"],
    },
    Column {
        title: "STEP",
        pointers: &["/step"],
    },
    Column {
        title: "ENTERED",
        pointers: &["/entered_at"],
    },
];

/// Runs the command.
pub(crate) fn run(command: &Enrollments) -> Result<()> {
    let Enrollments::List {
        program,
        subject,
        status,
        step,
        held_out,
        listed,
    } = command;
    let held_out = held_out.map(|flag| flag.to_string());
    let filters = [
        ("program", program.as_ref()),
        ("subject", subject.as_ref()),
        ("status", status.as_ref()),
        ("step", step.as_ref()),
        ("held_out", held_out.as_ref()),
    ];
    let when_empty =
        "no such enrollments; `tenure programs preview NAME` shows who would enter a program";
    list(listed, "enrollments", &filters, COLUMNS, when_empty)
}
