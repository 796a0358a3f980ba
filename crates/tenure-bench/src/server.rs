//! The server under measurement, in its own process.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::definitions;
use crate::http::{Connection, request};

/// How long a server may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_mins(5);
/// How often something is looked at that the server does not tell by itself.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long the server may take to do what it was asked.
const WORK_TIMEOUT: Duration = Duration::from_mins(15);
/// Most connections to the mail server, unless the settings say otherwise.
pub(crate) const SMTP_CONNECTIONS: u32 = 8;
/// How long a server may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_mins(2);

/// A data folder with its keys.
#[derive(Debug)]
pub(crate) struct Workspace {
    binary: PathBuf,
    folder: PathBuf,
    /// For sending events.
    pub(crate) write_key: String,
    token: String,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From the start of the process until it said that it was ready.
    pub(crate) ready_after: Duration,
    token: String,
    control: Option<Connection>,
}

impl Workspace {
    /// Creates a workspace in a new folder, with the binary itself.
    pub(crate) fn create(binary: &Path, folder: &Path) -> Result<Self> {
        let made = Command::new(binary)
            .args(["init", "--json", "--data"])
            .arg(folder)
            .output();
        let made = made.with_context(|| {
            format!(
                "cannot run {}; build it with `make build`",
                binary.display()
            )
        })?;
        if !made.status.success() {
            bail!(
                "`tenure init` failed: {}",
                String::from_utf8_lossy(&made.stderr)
            );
        }
        let keys: Value =
            serde_json::from_slice(&made.stdout).context("`tenure init --json` printed no JSON")?;
        let key = |name: &str| {
            keys[name]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("`tenure init` gave no {name}"))
        };
        Ok(Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            write_key: key("write_key")?,
            token: key("api_token")?,
        })
    }

    /// Starts a server on it and waits until it is ready.
    pub(crate) fn serve(&self, smtp_url: Option<&str>) -> Result<Server> {
        let address = free_address()?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.with_extension("log"))?;
        let mut command = Command::new(&self.binary);
        command
            .args(["serve", "--listen", &address.to_string(), "--data"])
            .arg(&self.folder);
        command
            .env("TENURE_LOG_LEVEL", "warn")
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(url) = smtp_url {
            command.env("TENURE_SMTP_URL", url);
        }
        let started = Instant::now();
        let process = command.spawn().context("cannot start the server")?;
        let mut server = Server {
            process,
            address,
            ready_after: Duration::ZERO,
            token: self.token.clone(),
            control: None,
        };
        server.wait_until_ready(started)?;
        Ok(server)
    }

    /// Size of the data folder, in bytes.
    pub(crate) fn byte_count(&self) -> Result<u64> {
        let mut byte_count = 0;
        for entry in std::fs::read_dir(&self.folder)? {
            byte_count += entry?.metadata()?.len();
        }
        Ok(byte_count)
    }
}

impl Server {
    fn wait_until_ready(&mut self, started: Instant) -> Result<()> {
        let ask = request("GET", "/readyz", None, b"");
        while started.elapsed() < READY_TIMEOUT {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server ended with {status}; its log is beside its data folder");
            }
            let answer =
                Connection::open(self.address).and_then(|mut connection| connection.send(&ask));
            if answer.is_ok_and(|answer| answer.status == 200) {
                self.ready_after = started.elapsed();
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!(
            "the server was not ready after {} s",
            READY_TIMEOUT.as_secs()
        )
    }

    /// The token of the JSON API.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Asks the JSON API, below `/api/v1/`.
    pub(crate) fn get(&mut self, path: &str) -> Result<Value> {
        self.call("GET", &format!("/api/v1/{path}"), b"")
    }

    /// Tells the JSON API, below `/api/v1/`.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.call(
            "POST",
            &format!("/api/v1/{path}"),
            body.to_string().as_bytes(),
        )
    }

    fn call(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Value> {
        let ask = request(method, path, Some(&self.token), body);
        let answer = self
            .control()?
            .send(&ask)
            .with_context(|| format!("{method} {path}"))?;
        answer.json().with_context(|| format!("{method} {path}"))
    }

    fn control(&mut self) -> Result<&mut Connection> {
        match &mut self.control {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(Connection::open(self.address)?)),
        }
    }

    /// Publishes definitions and waits until they have read the past; answers how long that took, from the request on.
    pub(crate) fn apply(&mut self, files: &[definitions::File]) -> Result<Duration> {
        let files: Vec<Value> = files
            .iter()
            .map(|file| json!({ "path": file.path, "text": file.text }))
            .collect();
        let started = Instant::now();
        self.post(
            "definitions/apply",
            &json!({ "files": files, "prune": false, "on_publish": {} }),
        )?;
        self.wait_for("the backfill", |server| {
            Ok(server.get("backfill")?["done"] != Value::Bool(false))
        })?;
        Ok(started.elapsed())
    }

    /// Waits until the engine has applied the whole log.
    pub(crate) fn wait_until_applied(&mut self) -> Result<()> {
        self.wait_for("the engine", |server| {
            let lag = server.get("workspace")?["lag"].as_u64();
            Ok(lag.context("the API gave no `lag`")? == 0)
        })
    }

    /// Waits until something holds.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let started = Instant::now();
        while !holds(self)? {
            if started.elapsed() > WORK_TIMEOUT {
                bail!("{what} did not finish within {} s", WORK_TIMEOUT.as_secs());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Memory in use now, in MiB.
    pub(crate) fn rss_mb(&self) -> Result<f64> {
        self.status_mb("VmRSS:")
    }

    /// The most memory that was ever in use, in MiB.
    pub(crate) fn peak_rss_mb(&self) -> Result<f64> {
        self.status_mb("VmHWM:")
    }

    fn status_mb(&self, name: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kilobytes.with_context(|| format!("/proc has no {name}"))? / 1_024.0)
    }

    /// Processor time used since the start of the process, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        /// Linux counts in hundredths of a second.
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
        let fields = fields.context("/proc has no statistics of the server")?;
        // utime and stime are the 14th and 15th fields; the first two are gone with the name.
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|field| field.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = self.process.id().to_string();
        let asked = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .context("cannot run `kill`")?;
        let started = Instant::now();
        while asked.success() && started.elapsed() < STOP_TIMEOUT {
            if self.process.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!(
            "the server did not stop within {} s",
            STOP_TIMEOUT.as_secs()
        )
    }
}

impl Drop for Server {
    /// A measurement that fails must not leave a server behind.
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
