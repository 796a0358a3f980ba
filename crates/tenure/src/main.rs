//! The `tenure` command: the only binary, and the place where everything is put together.

mod cli;
mod client;
mod commands;
mod demo;
mod export;
mod failure;
mod files;
mod import;
mod logins;
mod output;
mod server;
mod settings;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    failure::report(commands::run(cli::Cli::parse().command))
}
