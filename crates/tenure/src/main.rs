//! The `tenure` command: the only binary, and the place where everything is put together.

mod cli;
mod client;
mod commands;
mod demo;
mod failure;
mod files;
mod import;
mod job;
mod logins;
mod output;
mod passwords;
mod server;
mod settings;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Nobody but the owner may read what is written: it holds personal data and keys.
#[cfg(unix)]
fn keep_private() {
    use rustix::fs::Mode;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

#[cfg(not(unix))]
fn keep_private() {}

fn main() -> ExitCode {
    keep_private();
    failure::report(commands::run(cli::Cli::parse().command))
}
