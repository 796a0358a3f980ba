//! `tenure templates`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::definitions::COLUMNS;
use super::listing::{Asking, Filter, Listed, act, list};
use crate::client::{Client, path_part};
use crate::output;

/// `tenure templates`
#[derive(Debug, Subcommand)]
pub(crate) enum Templates {
    /// List templates in force, with their languages
    #[command(after_help = "Examples:\n  tenure templates list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Render a template with sample data; prints subject line and text
    #[command(
        after_help = "Examples:\n  tenure templates preview welcome --data sample.json\n  tenure templates preview welcome --html welcome.html"
    )]
    Preview {
        /// Its name
        template: String,
        /// File with a JSON object {person, account, event, program}
        #[arg(long, value_name = "FILE")]
        data: Option<PathBuf>,
        /// Write the HTML part into this file
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Send a template with sample data to somebody of the team, now
    #[command(after_help = "Examples:\n  tenure templates test welcome --to dana@example.com")]
    Test {
        /// Its name
        template: String,
        /// Address of somebody of the team
        #[arg(long)]
        to: String,
        /// File with a JSON object {person, account, event, program}
        #[arg(long, value_name = "FILE")]
        data: Option<PathBuf>,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Runs the command.
pub(crate) fn run(command: &Templates) -> Result<()> {
    match command {
        Templates::List { listed } => {
            let kind = "template".to_owned();
            let filters: [Filter<'_>; 1] = [("kind", Some(&kind))];
            let when_empty =
                "no templates; put .mjml files beside the programs and `tenure apply` them";
            list(listed, "definitions", &filters, COLUMNS, when_empty)
        }
        Templates::Preview {
            template,
            data,
            html,
            asking,
        } => {
            let body = json!({ "data": sample(data.as_ref())? });
            let path = format!("templates/{}/preview", path_part(template));
            let rendered = Client::new(&asking.remote)?.post(&path, &body)?;
            if let Some(file) = html {
                let text = rendered["html"].as_str().unwrap_or_default();
                std::fs::write(file, text)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
            if asking.json {
                output::json(&rendered);
            } else {
                let part = |name: &str| rendered[name].as_str().unwrap_or_default().to_owned();
                output::line(format!("Subject: {}\n", part("subject")));
                output::line(part("text").trim_end());
            }
            Ok(())
        }
        Templates::Test {
            template,
            to,
            data,
            asking,
        } => act(
            asking,
            &format!("templates/{}/test-send", path_part(template)),
            &json!({ "to": to, "data": sample(data.as_ref())? }),
            "the mail server took it",
        ),
    }
}

/// Sample data of a file; an empty object without one.
fn sample(file: Option<&PathBuf>) -> Result<Value> {
    let Some(file) = file else {
        return Ok(json!({}));
    };
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}
