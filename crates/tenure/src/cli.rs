//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    apply, audit, backtest, backup, breakers, clients, completions, connectors, dead_letters,
    definitions, demo, diff, doctor, enrollments, erase, export, generate, health, import, init,
    keys, listing, login, messages, programs, restore, results, risk, secrets, serve, settings,
    suppressions, templates, test, topics, users, validate, webhooks, why,
};

/// Tenure: the customer retention engine that proves itself.
#[derive(Debug, Parser)]
#[command(
    name = "tenure",
    version,
    about,
    arg_required_else_help = true,
    after_help = "\
Begin with:
  tenure demo                              a living demo company, to look around
  tenure init --data ./data                a workspace of your own
  tenure serve --data ./data               the server for it

Exit codes: 0 all is well, 1 a problem was found, 2 called wrongly."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a data folder with a workspace and its keys
    Init(init::Init),
    /// Serve a data folder: tracking API, JSON API, engine and dispatch
    Serve(serve::Serve),
    /// Start a temporary server with a demo company that keeps living
    Demo(demo::Demo),
    /// Publish definitions and templates to a server
    Apply(apply::Apply),
    /// Show what `apply` would change
    Diff(diff::Diff),
    /// Check definitions and templates without a server
    Validate(validate::Validate),
    /// Run the tests that stand beside programs, with time travel
    Test(test::Test),
    /// Test definitions on the past: precision, recall, lead time
    Backtest(backtest::Backtest),
    /// Show what a program really changed, against its hold-out
    Results(results::Results),
    /// Learn churn risk from your own log, and show how good it is
    Risk(risk::Risk),
    /// Explain what a program decided about somebody
    Why(why::Why),
    /// Show the health of an account or a person, with its reasons
    Health(health::Health),
    /// Import history from CSV or JSONL
    Import(import::Import),
    /// Export events and profiles
    Export(export::Export),
    /// List and show people
    #[command(subcommand)]
    People(listing::People),
    /// Erase a person and all that was told about them
    Erase(erase::Erase),
    /// List and show accounts
    #[command(subcommand)]
    Accounts(listing::Accounts),
    /// List and show segments
    #[command(subcommand)]
    Segments(listing::Segments),
    /// List who is in a segment
    #[command(subcommand)]
    Members(listing::Members),
    /// List, preview and steer programs
    #[command(subcommand)]
    Programs(programs::Programs),
    /// List passages through programs
    #[command(subcommand)]
    Enrollments(enrollments::Enrollments),
    /// List messages; resend or cancel one
    #[command(subcommand)]
    Messages(messages::Messages),
    /// List what programs decided, with reasons
    #[command(subcommand)]
    Decisions(listing::Decisions),
    /// List work for humans
    #[command(subcommand)]
    Tasks(listing::Tasks),
    /// Set up, test, pull and push connectors to CRM, marketing, support and chat systems
    #[command(subcommand)]
    Connectors(connectors::Connectors),
    /// List, add and remove addresses nothing may go to
    #[command(subcommand)]
    Suppressions(suppressions::Suppressions),
    /// Note what a person wants: a topic, or any marketing
    Consent(suppressions::Consent),
    /// List, show and remove definitions in force
    #[command(subcommand)]
    Definitions(definitions::Definitions),
    /// List, preview and try templates
    #[command(subcommand)]
    Templates(templates::Templates),
    /// List, replay and discard what was given up
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// List and follow topics: what happened, for other systems
    #[command(subcommand)]
    Topics(topics::Topics),
    /// List and steer the endpoints that topics are pushed to
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),
    /// List circuit breakers; close one
    #[command(subcommand)]
    Breakers(breakers::Breakers),
    /// Make new keys for a workspace
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Log in to a server, for later commands
    Login(login::LogIn),
    /// Forget a login
    Logout(login::LogOut),
    /// List, add and change users
    #[command(subcommand)]
    Users(users::Users),
    /// List and add applications (OAuth 2.0 clients)
    #[command(subcommand)]
    Clients(clients::Clients),
    /// List and make API tokens
    #[command(subcommand)]
    Tokens(clients::Tokens),
    /// List, verify and export the audit trail
    #[command(subcommand)]
    Audit(audit::Audit),
    /// List and reseal the secrets of connectors
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// Show the settings in force and where each comes from
    Settings(settings::ShowSettings),
    /// Look for what is wrong with a server or a data folder
    Doctor(doctor::Doctor),
    /// Copy the data of a running or stopped server into one file
    Backup(backup::Backup),
    /// Make a data folder from a backup
    Restore(restore::Restore),
    /// Write the reference documents
    Generate(generate::Generate),
    /// Print a completion script for a shell
    Completions(completions::Completions),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
        let path = format!("{path} {}", command.get_name());
        if command.get_subcommands().next().is_none() {
            found.push((
                path.clone(),
                command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            ));
        }
        for sub in command.get_subcommands() {
            leaves(sub, &path, found);
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example_that_parses_as_a_call_of_it() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        for (path, help) in found {
            let path = path.trim();
            let example = help
                .lines()
                .map(str::trim)
                .find(|line| line.starts_with(path));
            let example = example.unwrap_or_else(|| panic!("`{path}` has no example: {help}"));
            let words = example
                .split_once("  #")
                .map_or(example, |(words, _)| words)
                .split_whitespace();
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("the example of `{path}` does not parse: {error}");
            }
        }
    }
}
