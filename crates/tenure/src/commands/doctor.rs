//! `tenure doctor`: looks for what is wrong, and says what to do.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use tenure_store::Store;
use tenure_store_sqlite::{Options, SqliteStore};

use crate::client::{Client, Remote};
use crate::failure::Shown;
use crate::output;
use crate::server::{check_mail, free_bytes, readable_bytes};
use crate::settings::{SettingFlags, Settings};

/// More log entries than this waiting for the engine are worth a look.
const LAG_ENTRIES_NOTED: f64 = 10_000.0;
/// Less room than this on the disk of the data is a problem, in bytes: 1 GB.
const FREE_BYTES_MIN: u64 = 1_000_000_000;
/// A clock further off than this makes times wrong, in seconds.
const CLOCK_SKEW_S_MAX: i64 = 5;

/// Look for what is wrong. With --data, in the data folder of a stopped server: store, mail
/// server, disk. Else with the running server: reachable, token, ready, lag, clock, disk.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure doctor
  tenure doctor --data ./data")]
pub(crate) struct Doctor {
    /// Data folder of a server that is stopped
    #[arg(long)]
    data: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One thing looked at: what was found, or what is wrong and what to do.
struct Finding {
    what: &'static str,
    result: Result<String, String>,
}

/// Runs the command.
pub(crate) fn run(args: &Doctor) -> Result<()> {
    let findings = match &args.data {
        Some(data) => of_folder(data),
        None => of_server(&args.remote)?,
    };
    let problem_count = findings
        .iter()
        .filter(|finding| finding.result.is_err())
        .count();
    if args.json {
        let rows: Vec<Value> = findings.iter().map(row).collect();
        output::json(&json!({ "data": rows, "problems": problem_count }));
    } else {
        for finding in &findings {
            let (sign, text) = match &finding.result {
                Ok(text) => ("ok     ", text),
                Err(text) => ("PROBLEM", text),
            };
            output::line(format!("{sign}  {}: {text}", finding.what));
        }
    }
    if problem_count > 0 {
        Err(Shown.into())
    } else {
        Ok(())
    }
}

fn row(finding: &Finding) -> Value {
    let (Ok(text) | Err(text)) = &finding.result;
    json!({ "what": finding.what, "ok": finding.result.is_ok(), "detail": text })
}

fn of_folder(data: &Path) -> Vec<Finding> {
    let store = SqliteStore::open(data, Options::default())
        .map_err(|error| error.to_string())
        .and_then(|store| {
            let found = store.check().map_err(|error| error.to_string())?;
            if found.is_empty() {
                Ok("consistent".to_owned())
            } else {
                Err(format!("{}; restore the last backup", found.join("; ")))
            }
        });
    let settings = Settings::load(data, &SettingFlags::default());
    let mail = match &settings {
        Ok(settings) => check_mail(settings).map_err(|error| format!("{error:#}")),
        Err(_) => Err("not looked at: the settings are not right".to_owned()),
    };
    let settings = settings
        .map(|_| "valid".to_owned())
        .map_err(|error| format!("{error:#}"));
    vec![
        Finding {
            what: "settings",
            result: settings,
        },
        Finding {
            what: "store",
            result: store,
        },
        Finding {
            what: "mail",
            result: mail,
        },
        Finding {
            what: "access",
            result: access(data),
        },
        Finding {
            what: "disk",
            result: free_bytes(data)
                .map_err(|error| format!("cannot be asked: {error}"))
                .and_then(disk),
        },
    ]
}

fn of_server(remote: &Remote) -> Result<Vec<Finding>> {
    let client = Client::new(remote)?;
    let (status, date, _) = match client.probe("/healthz") {
        Ok(answer) => answer,
        Err(error) => {
            return Ok(vec![Finding {
                what: "server",
                result: Err(error.to_string()),
            }]);
        }
    };
    let server = if status == 200 {
        Ok(client.url().to_owned())
    } else {
        Err(format!("/healthz answers {status}; check --url"))
    };
    let token = client
        .get("programs", &[("limit", "1".to_owned())])
        .map(|_| "accepted".to_owned())
        .map_err(|error| error.to_string());
    let ready = match client.probe("/readyz") {
        Ok((200, _, _)) => Ok("ready".to_owned()),
        Ok((_, _, text)) => Err(format!("not ready: {}", text.trim())),
        Err(error) => Err(error.to_string()),
    };
    let metrics = match client.probe("/metrics") {
        Ok((200, _, text)) => Ok(text),
        Ok((status, _, _)) => Err(format!("/metrics answers {status}")),
        Err(error) => Err(error.to_string()),
    };
    let lag = metrics.clone().and_then(|text| lag(&text));
    let disk = metrics.and_then(|text| match gauge(&text, "tenure_disk_free_bytes") {
        Some(free) => disk(free as u64),
        None => Ok("the server does not tell".to_owned()),
    });
    let clock = clock(date.as_deref(), jiff::Timestamp::now().as_second());
    Ok(vec![
        Finding {
            what: "server",
            result: server,
        },
        Finding {
            what: "token",
            result: token,
        },
        Finding {
            what: "readiness",
            result: ready,
        },
        Finding {
            what: "lag",
            result: lag,
        },
        Finding {
            what: "clock",
            result: clock,
        },
        Finding {
            what: "disk",
            result: disk,
        },
    ])
}

fn gauge(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(' ')?;
        value.trim().parse().ok()
    })
}

/// Permissions of everybody but the owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Whether others on this machine can look into the folder. It holds personal data and keys.
#[cfg(unix)]
fn access(data: &Path) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::fs::metadata(data).map_err(|error| format!("cannot be asked: {error}"))?;
    let open_to_others = folder.permissions().mode() & OTHERS;
    if open_to_others == 0 {
        return Ok("only for its owner".to_owned());
    }
    Err(format!(
        "others on this machine may look into {0}, which holds personal data and keys; `chmod 700 {0}`",
        data.display()
    ))
}

#[cfg(not(unix))]
fn access(_: &Path) -> Result<String, String> {
    Ok("not looked at on this system".to_owned())
}

fn disk(free: u64) -> Result<String, String> {
    let room = readable_bytes(free);
    if free >= FREE_BYTES_MIN {
        return Ok(format!("{room} free"));
    }
    Err(format!(
        "only {room} are free where the data is; delete old backups and files of the outbox folder, or move the \
         data folder to a larger disk. When it is full nothing is lost, but nothing new is taken"
    ))
}

fn lag(metrics: &str) -> Result<String, String> {
    match gauge(metrics, "tenure_lag_entries") {
        None => Ok("nothing was processed yet".to_owned()),
        Some(value) if value <= LAG_ENTRIES_NOTED => Ok(format!("{value} entries")),
        Some(value) => Err(format!(
            "{value} log entries wait for the engine; if that number does not fall, give the server more CPU time"
        )),
    }
}

fn clock(date: Option<&str>, now_s: i64) -> Result<String, String> {
    let Some(server) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) else {
        return Ok("the server does not tell its time".to_owned());
    };
    let skew_s = server.timestamp().as_second() - now_s;
    if skew_s.abs() <= CLOCK_SKEW_S_MAX {
        Ok(format!("within {CLOCK_SKEW_S_MAX} s of this machine's"))
    } else {
        Err(format!(
            "the server's clock is {skew_s} s off this machine's; synchronise both (NTP)"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_a_problem() {
        let date = "Thu, 01 Jan 2026 00:00:00 GMT";
        assert!(clock(Some(date), 1_767_225_602).is_ok());
        assert!(
            clock(Some(date), 1_767_225_700)
                .unwrap_err()
                .contains("-100 s")
        );
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_a_problem_with_a_remedy() {
        assert_eq!(disk(5_000_000_000).unwrap(), "5.0 GB free");
        let problem = disk(3_000_000).unwrap_err();
        assert!(problem.contains("3.0 MB") && problem.contains("larger disk"));
    }

    #[test]
    fn a_great_lag_is_a_problem_and_none_is_not() {
        assert_eq!(
            lag("# HELP x\ntenure_lag_entries 12\n").unwrap(),
            "12 entries"
        );
        assert!(lag("tenure_lag_entries 1000000\n").is_err());
        assert!(lag("").is_ok());
    }
}
