//! What `tenure login` keeps: one login a server, in a file that only its owner can read.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A token is renewed so many milliseconds before it is over.
const RENEW_EARLY_MS: u64 = 30_000;

/// A login at one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) token_endpoint: String,
    pub(crate) client_id: String,
    /// Of an application that acts by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    pub(crate) access_token: String,
    pub(crate) expires_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Logins {
    path: PathBuf,
    /// Held while the file is used: a refresh token must not be used by two processes.
    _lock: File,
    by_url: BTreeMap<String, Login>,
}

impl Logins {
    /// Opens the file of this user, and keeps other processes from it until it is dropped. `None`
    /// when nobody ever logged in, unless `create`.
    pub(crate) fn open(create: bool) -> Result<Option<Self>> {
        let Some(folder) = folder() else {
            if create {
                bail!("there is no home folder to keep a login in: set HOME or XDG_CONFIG_HOME");
            }
            return Ok(None);
        };
        let path = folder.join("logins.json");
        if !create && !path.exists() {
            return Ok(None);
        }
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = private(&folder.join("logins.lock"))?;
        lock.lock().context("cannot lock the logins")?;
        let logins = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| {
                format!(
                    "{} is not readable; remove it and log in again",
                    path.display()
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Ok(Some(Self {
            path,
            _lock: lock,
            by_url: logins,
        }))
    }

    /// Keeps a login.
    pub(crate) fn put(&mut self, url: &str, login: Login) -> Result<()> {
        self.by_url.insert(url.to_owned(), login);
        self.save()
    }

    /// Forgets a login.
    pub(crate) fn take(&mut self, url: &str) -> Result<Option<Login>> {
        let login = self.by_url.remove(url);
        self.save()?;
        Ok(login)
    }

    /// A token for a server that is good now; renewed if need be.
    pub(crate) fn token(&mut self, url: &str, agent: &ureq::Agent) -> Result<Option<String>> {
        let Some(login) = self.by_url.get(url).cloned() else {
            return Ok(None);
        };
        if now_ms() + RENEW_EARLY_MS < login.expires_at_ms {
            return Ok(Some(login.access_token));
        }
        let mut form = vec![("client_id", login.client_id.clone())];
        match (&login.client_secret, &login.refresh_token) {
            (Some(secret), _) => {
                form.push(("grant_type", "client_credentials".to_owned()));
                form.push(("client_secret", secret.clone()));
                form.extend(login.scope.clone().map(|scope| ("scope", scope)));
            }
            (None, Some(token)) => {
                form.push(("grant_type", "refresh_token".to_owned()));
                form.push(("refresh_token", token.clone()));
            }
            (None, None) => return Ok(None),
        }
        let renewed = request(agent, &login, &form)?;
        let token = renewed.access_token.clone();
        self.put(url, renewed)?;
        Ok(Some(token))
    }

    /// Writes beside the file and renames, so that a crash leaves the old or the new one.
    fn save(&self) -> Result<()> {
        let new = self.path.with_extension("new");
        drop(std::fs::remove_file(&new));
        let text = serde_json::to_string_pretty(&self.by_url)?;
        let written = private(&new)
            .and_then(|mut file| {
                Ok(file
                    .write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())?)
            })
            .and_then(|()| Ok(std::fs::rename(&new, &self.path)?));
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Asks for a token with a form; the login with what was given.
pub(crate) fn request(
    agent: &ureq::Agent,
    login: &Login,
    form: &[(&str, String)],
) -> Result<Login> {
    let pairs = form.iter().map(|(name, value)| (*name, value.as_str()));
    let mut response = agent
        .post(&login.token_endpoint)
        .send_form(pairs)
        .with_context(|| format!("{} does not answer", login.token_endpoint))?;
    let status = response.status().as_u16();
    let answer: Value = response
        .body_mut()
        .read_json()
        .context("the answer is not what an OAuth server answers")?;
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    let Some(access_token) = text("access_token").filter(|_| status == 200) else {
        bail!(
            "the server gives no token: {}; log in again with `tenure login`",
            text("error_description")
                .or_else(|| text("error"))
                .unwrap_or_else(|| status.to_string())
        );
    };
    let expires_in_s = answer["expires_in"].as_u64().unwrap_or_default();
    Ok(Login {
        access_token,
        expires_at_ms: now_ms() + expires_in_s * 1_000,
        refresh_token: text("refresh_token").or_else(|| login.refresh_token.clone()),
        ..login.clone()
    })
}

fn private(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

fn folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("tenure"))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
