//! `tenure connectors`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::listing::{Asking, Listed, act, list};
use crate::client::{Client, path_part};
use crate::output::{self, Column};
use crate::passwords;

/// `tenure connectors`
#[derive(Debug, Subcommand)]
pub(crate) enum Connectors {
    /// List connectors with how they fare
    #[command(after_help = "Examples:\n  tenure connectors list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// List the kinds of connectors there are
    #[command(after_help = "Examples:\n  tenure connectors kinds --json")]
    Kinds {
        #[command(flatten)]
        listed: Listed,
    },
    /// Set a connector up, in the place of one of that name
    #[command(
        after_help = "Examples:\n  tenure connectors add crm --kind hubspot --mapping crm.toml --pull-every-s 300\n  tenure connectors add mail --kind klaviyo --list at-risk=Y6nRLr"
    )]
    Add(Box<Add>),
    /// Forget a connector; nothing changes at the provider
    #[command(after_help = "Examples:\n  tenure connectors remove crm")]
    Remove {
        /// Which
        name: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Set a secret of a connector: it is asked for, or read from standard input or a file. The server seals it
    #[command(
        after_help = "Examples:\n  tenure connectors secret crm token\n  tenure connectors secret crm token --file token.txt\n  tenure connectors secret crm token --forget"
    )]
    Secret {
        /// Which connector
        name: String,
        /// Which of its kind's secret settings
        setting: String,
        /// File that holds it, instead of asking or reading standard input
        #[arg(long)]
        file: Option<PathBuf>,
        /// Forget it
        #[arg(long, conflicts_with = "file")]
        forget: bool,
        #[command(flatten)]
        asking: Asking,
    },
    /// Ask the provider whether it lets us in and has what is mapped
    #[command(after_help = "Examples:\n  tenure connectors test crm")]
    Test {
        /// Which
        name: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Pull pages of a stream now
    #[command(
        after_help = "Examples:\n  tenure connectors pull crm contacts --pages 100\n  tenure connectors pull crm contacts --from-start"
    )]
    Pull {
        /// Which
        name: String,
        /// Which stream
        stream: String,
        /// Begin at the beginning; what came before is recognised
        #[arg(long)]
        from_start: bool,
        /// At most so many pages
        #[arg(long, default_value_t = 1)]
        pages: usize,
        #[command(flatten)]
        asking: Asking,
    },
    /// Bring people or accounts to the provider now
    #[command(
        after_help = "Examples:\n  tenure connectors push crm --segment at-risk --dry-run --json\n  tenure connectors push crm --accounts"
    )]
    Push(Box<Push>),
}

/// `tenure connectors add`
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Its name: small letters, digits and `-`
    name: String,
    /// What it connects to
    #[arg(long)]
    kind: String,
    /// A setting that is no secret
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// File that says which field is which trait
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Pull it every so many seconds
    #[arg(long, value_name = "SECONDS")]
    pull_every_s: Option<u32>,
    /// Keep a list in step with a segment
    #[arg(long = "list", value_name = "SEGMENT=LIST")]
    lists: Vec<String>,
    #[command(flatten)]
    asking: Asking,
}

/// `tenure connectors push`
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// Which
    name: String,
    /// Members of this segment only
    #[arg(long)]
    segment: Option<String>,
    /// Accounts, not people
    #[arg(long, conflicts_with = "segment")]
    accounts: bool,
    /// Only say what would be written
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    asking: Asking,
}

const COLUMNS: &[Column] = &[
    Column {
        title: "NAME",
        pointers: &["/name"],
    },
    Column {
        title: "KIND",
        pointers: &["/kind"],
    },
    Column {
        title: "PULLED",
        pointers: &["/streams/0/pulled_at"],
    },
    Column {
        title: "FAILURE",
        pointers: &["/streams/0/failure", "/list_progress/failure"],
    },
];

const KIND_COLUMNS: &[Column] = &[
    Column {
        title: "KIND",
        pointers: &["/kind"],
    },
    Column {
        title: "TITLE",
        pointers: &["/title"],
    },
];

/// Subjects of one part of a push.
const PUSH_PART: usize = 500;

/// Runs the command.
pub(crate) fn run(command: &Connectors) -> Result<()> {
    match command {
        Connectors::List { listed } => list(
            listed,
            "connectors",
            &[],
            COLUMNS,
            "no connectors: set one up with `tenure connectors add`",
        ),
        Connectors::Kinds { listed } => {
            list(listed, "connectors/kinds", &[], KIND_COLUMNS, "no kinds")
        }
        Connectors::Add(add) => run_add(add),
        Connectors::Remove { name, asking } => run_remove(name, asking),
        Connectors::Secret {
            name,
            setting,
            file,
            forget,
            asking,
        } => {
            let secret = (!forget).then(|| passwords::secret(file.as_deref()));
            act(
                asking,
                &format!("connectors/{}/secrets", path_part(name)),
                &json!({ "setting": setting, "value": secret.transpose()? }),
                &format!(
                    "{name}: {setting} is {}",
                    if *forget { "forgotten" } else { "set" }
                ),
            )
        }
        Connectors::Test { name, asking } => run_test(name, asking),
        Connectors::Pull {
            name,
            stream,
            from_start,
            pages,
            asking,
        } => act(
            asking,
            &format!("connectors/{}/pull", path_part(name)),
            &json!({ "stream": stream, "from_start": from_start, "pages": pages }),
            &format!("{name}: pulled {stream}"),
        ),
        Connectors::Push(push) => run_push(push),
    }
}

fn run_add(add: &Add) -> Result<()> {
    let mapping = add.mapping.as_ref().map(|path| {
        std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the mapping {}", path.display()))
    });
    let settings: BTreeMap<&str, &str> = pairs(&add.settings, "--set")?.into_iter().collect();
    let lists: Vec<_> = pairs(&add.lists, "--list")?
        .into_iter()
        .map(|(segment, list)| json!({ "segment": segment, "list": list }))
        .collect();
    let body = json!({
        "name": add.name, "kind": add.kind, "settings": settings, "mapping": mapping.transpose()?,
        "pull_every_s": add.pull_every_s, "lists": lists,
    });
    let answer = Client::new(&add.asking.remote)?.post("connectors", &body)?;
    if add.asking.json {
        output::json(&answer);
    } else {
        output::line(format!(
            "{name} is set up; give its secrets with `tenure connectors secret {name} SETTING`, then run `tenure connectors test {name}`",
            name = add.name
        ));
    }
    Ok(())
}

fn pairs<'a>(texts: &'a [String], flag: &str) -> Result<Vec<(&'a str, &'a str)>> {
    texts
        .iter()
        .map(|text| {
            text.split_once('=')
                .with_context(|| format!("{flag} {text}: write a name, `=` and a value"))
        })
        .collect()
}

fn run_remove(name: &str, asking: &Asking) -> Result<()> {
    let path = format!("connectors/{}", path_part(name));
    let answer = Client::new(&asking.remote)?.delete(&path)?;
    if asking.json {
        output::json(&answer);
    } else {
        output::line(format!("{name} is forgotten"));
    }
    Ok(())
}

fn run_test(name: &str, asking: &Asking) -> Result<()> {
    let path = format!("connectors/{}/test", path_part(name));
    let answer = Client::new(&asking.remote)?.post(&path, &json!({}))?;
    if asking.json {
        output::json(&answer);
    }
    let detail = answer["detail"].as_str().unwrap_or_default();
    if answer["is_fine"] != true {
        bail!("{name}: {detail}");
    }
    if !asking.json {
        output::line(format!("{name}: {detail}"));
    }
    Ok(())
}

fn run_push(push: &Push) -> Result<()> {
    let client = Client::new(&push.asking.remote)?;
    let path = format!("connectors/{}/push", path_part(&push.name));
    let (mut cursor, mut counts) = (None, BTreeMap::<String, u64>::new());
    loop {
        let body = json!({
            "segment": push.segment, "audience": if push.accounts { "account" } else { "person" },
            "dry_run": push.dry_run, "limit": PUSH_PART, "cursor": cursor,
        });
        let answer = client.post(&path, &body)?;
        if push.asking.json {
            output::json(&answer);
        }
        for (name, value) in answer.as_object().into_iter().flatten() {
            if let (true, Some(count)) = (name.ends_with("_count"), value.as_u64()) {
                *counts.entry(name.clone()).or_default() += count;
            }
        }
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if !push.asking.json {
        output::detail(&json!(counts), false);
    }
    Ok(())
}
