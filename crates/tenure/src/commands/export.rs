//! `tenure export`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use serde_json::Value;
use tenure_store_sqlite::{Options, SqliteStore};

use crate::client::{Client, Remote};
use crate::failure::Usage;
use tenure_transfer::export::{Sink, Wanted, What, each_line, write};

/// Export events or profiles. With --data, from the folder of a stopped server; else from the running server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure export --data ./data --what events --out events.jsonl
  tenure export --what people
  tenure export --format parquet --out events.parquet")]
pub(crate) struct Export {
    /// Data folder of a server that is stopped
    #[arg(long)]
    data: Option<PathBuf>,
    /// What to export
    #[arg(long, default_value = "events", value_parser = kinds())]
    what: What,
    /// The segment, with `--what members`
    #[arg(long, required_if_eq("what", "members"))]
    segment: Option<String>,
    /// In which form
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// File to write; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// Forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values
    Csv,
    /// Apache Parquet; needs --out
    Parquet,
}

fn kinds() -> impl TypedValueParser<Value = What> {
    let names = PossibleValuesParser::new(What::ALL.map(What::name));
    names.map(|name| {
        let found = What::ALL.into_iter().find(|what| what.name() == name);
        found.unwrap_or(What::Events)
    })
}

impl Export {
    fn wanted(&self) -> Wanted {
        Wanted {
            what: self.what,
            segment: self.segment.clone(),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Export) -> Result<()> {
    let mut sink = open_sink(args)?;
    let written = match &args.data {
        Some(data) => {
            let store = SqliteStore::open(data, Options::default())
                .with_context(|| format!("cannot open {}", data.display()))?;
            write(&store, &args.wanted(), &mut sink, &mut |_| Ok(()))
        }
        None => download(args, &mut sink),
    };
    let result = written.and_then(|count| sink.finish().map(|()| count));
    match result {
        Ok(count) => {
            eprintln!("{count} row(s)");
            Ok(())
        }
        // Whoever reads (`| head`) has seen enough.
        Err(error) if is_closed_pipe(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

fn open_sink(args: &Export) -> Result<Sink<'static>> {
    let file = match &args.out {
        Some(path) => {
            let file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Some(BufWriter::new(file))
        }
        None => None,
    };
    match (args.format, file) {
        (Format::Jsonl, Some(file)) => Ok(Sink::jsonl(file)),
        (Format::Jsonl, None) => Ok(Sink::jsonl(BufWriter::new(std::io::stdout()))),
        (Format::Csv, Some(file)) => Sink::csv(args.what, file),
        (Format::Csv, None) => Sink::csv(args.what, BufWriter::new(std::io::stdout())),
        (Format::Parquet, Some(file)) => Sink::parquet(args.what, file),
        (Format::Parquet, None) => Err(Usage(
            "a Parquet file is not for the terminal: name a file with --out".to_owned(),
        )
        .into()),
    }
}

fn download(args: &Export, sink: &mut Sink<'_>) -> Result<u64> {
    let client = Client::new(&args.remote)?;
    if matches!(args.what, What::Messages | What::Decisions) {
        let rows = client.rows(args.what.name(), &[], None)?;
        let count = rows.len() as u64;
        rows.into_iter().try_for_each(|row| sink.add(row))?;
        return Ok(count);
    }
    let user_ids = match args.what {
        What::Events => user_ids(&client)?,
        _ => HashMap::new(),
    };
    let mut count = 0;
    each_line(stream(&client, args.what)?, |mut row| {
        if args.what == What::Events {
            complete_event(&mut row, &user_ids);
        }
        count += 1;
        sink.add(row)
    })?;
    Ok(count)
}

fn stream(client: &Client, what: What) -> Result<impl BufRead + use<>> {
    let query = [("what", what.name().to_owned())];
    Ok(BufReader::new(client.stream("export", &query)?))
}

/// The user id of each person by the person's id.
fn user_ids(client: &Client) -> Result<HashMap<String, Value>> {
    let mut known = HashMap::new();
    each_line(stream(client, What::People)?, |row| {
        if let (Some(id), true) = (row["id"].as_str(), row["user_id"].is_string()) {
            known.insert(id.to_owned(), row["user_id"].clone());
        }
        Ok(())
    })?;
    Ok(known)
}

/// An event of the API's timeline as an exported event: the same fields as an export of a data folder.
fn complete_event(row: &mut Value, user_ids: &HashMap<String, Value>) {
    let user_id = row["person"]
        .as_str()
        .and_then(|person| user_ids.get(person))
        .cloned();
    if let Some(fields) = row.as_object_mut() {
        fields.remove("kind");
        if let Some(at) = fields.remove("at") {
            fields.insert("occurred_at".to_owned(), at);
        }
        fields.insert("user_id".to_owned(), user_id.unwrap_or(Value::Null));
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io_error = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io_error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_of_a_server_has_the_fields_of_an_event_of_a_folder() {
        let user_ids = HashMap::from([("per_1".to_owned(), json!("u1"))]);
        let mut row = json!({"position": 1, "kind": "event", "at": "2026-01-01T00:00:00.000Z", "person": "per_1"});
        complete_event(&mut row, &user_ids);
        let expected = json!({"position": 1, "occurred_at": "2026-01-01T00:00:00.000Z", "person": "per_1", "user_id": "u1"});
        assert_eq!(row, expected);
    }
}
