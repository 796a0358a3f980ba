//! One file a command. Each is thin: read the arguments, ask one thing, print.

pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod backtest;
pub(crate) mod backup;
pub(crate) mod breakers;
pub(crate) mod clients;
pub(crate) mod completions;
pub(crate) mod connectors;
pub(crate) mod dead_letters;
pub(crate) mod definitions;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod enrollments;
pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod listing;
pub(crate) mod login;
pub(crate) mod messages;
pub(crate) mod programs;
pub(crate) mod restore;
pub(crate) mod results;
pub(crate) mod risk;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod suppressions;
pub(crate) mod templates;
pub(crate) mod test;
pub(crate) mod topics;
pub(crate) mod users;
pub(crate) mod validate;
pub(crate) mod webhooks;
pub(crate) mod why;

use anyhow::Result;

use crate::cli::Command;

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Apply(args) => apply::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Results(args) => results::run(&args),
        Command::Risk(args) => risk::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Backtest(args) => backtest::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Erase(args) => erase::run(&args),
        Command::People(args) => listing::people(&args),
        Command::Accounts(args) => listing::accounts(&args),
        Command::Segments(args) => listing::segments(&args),
        Command::Members(args) => listing::members(&args),
        Command::Programs(args) => programs::run(&args),
        Command::Enrollments(args) => enrollments::run(&args),
        Command::Messages(args) => messages::run(&args),
        Command::Decisions(args) => listing::decisions(&args),
        Command::Tasks(args) => listing::tasks(&args),
        Command::Connectors(args) => connectors::run(&args),
        Command::Suppressions(args) => suppressions::run(&args),
        Command::Consent(args) => suppressions::consent(&args),
        Command::Definitions(args) => definitions::run(&args),
        Command::Templates(args) => templates::run(&args),
        Command::DeadLetters(args) => dead_letters::run(&args),
        Command::Topics(args) => topics::run(&args),
        Command::Webhooks(args) => webhooks::run(&args),
        Command::Breakers(args) => breakers::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Login(args) => login::run(&args),
        Command::Logout(args) => login::run_logout(&args),
        Command::Users(args) => users::run(&args),
        Command::Clients(args) => clients::run(&args),
        Command::Tokens(args) => clients::run_tokens(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Secrets(args) => secrets::run(&args),
        Command::Settings(args) => settings::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Completions(args) => {
            completions::run(&args);
            Ok(())
        }
    }
}
