//! The HTTP client of the commands that talk to a running server.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::logins::Logins;

/// Where a server listens unless told otherwise.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// Most time for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most time for one answer of the API.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(5);
/// Largest answer read at once, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Rows asked for in one page.
const PAGE_ROWS: usize = 200;

/// Which server, and the right to talk to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Remote {
    /// Address of the server.
    #[arg(long, env = "TENURE_URL", default_value = DEFAULT_URL, help_heading = "Server")]
    pub(crate) url: String,
    /// API token, as printed by `tenure init`.
    #[arg(
        long,
        env = "TENURE_TOKEN",
        hide_env_values = true,
        help_heading = "Server"
    )]
    pub(crate) token: Option<String>,
    /// File that holds the API token.
    #[arg(
        long,
        env = "TENURE_TOKEN_FILE",
        conflicts_with = "token",
        help_heading = "Server"
    )]
    pub(crate) token_file: Option<PathBuf>,
}

/// What went wrong between the command and the server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody answers.
    #[error(
        "no server answers at {url} ({reason}): start one with `tenure serve`, or name another with --url or TENURE_URL"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The token is not right, or none was given.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// Too much waits on the server.
    #[error("the server is busy; try again in {retry_after_s} s")]
    Busy {
        /// After so many seconds.
        retry_after_s: u64,
    },
    /// The server refused.
    #[error("{0}")]
    Refused(Problem),
    /// The answer is not what Tenure answers.
    #[error("{url} does not answer like Tenure ({reason}): check --url")]
    Strange {
        /// Where.
        url: String,
        /// In what way.
        reason: String,
    },
}

/// A `problem+json` answer.
#[derive(Debug)]
pub(crate) struct Problem {
    /// HTTP status.
    pub(crate) status: u16,
    /// The whole document.
    pub(crate) body: Value,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let field = |name: &str| self.body[name].as_str().filter(|text| !text.is_empty());
        let title = field("title").unwrap_or("the server refused");
        let code = field("code").map_or_else(|| self.status.to_string(), str::to_owned);
        write!(f, "{title} [{code}]")?;
        for (prefix, name) in [("\n  ", "detail"), ("\n  fix: ", "fix")] {
            if let Some(text) = field(name) {
                write!(f, "{prefix}{text}")?;
            }
        }
        Ok(())
    }
}

/// A connection to one server. Cheap to clone; threads may share it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    url: String,
    token: Option<String>,
}

impl Client {
    /// A client for the server of the arguments. Connects to nothing yet.
    pub(crate) fn new(remote: &Remote) -> Result<Self> {
        let token = match (&remote.token, &remote.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the token file {}", path.display()))?;
                Some(text.trim().to_owned())
            }
            (None, None) => None,
        };
        let agent = agent();
        let url = remote.url.trim_end_matches('/').to_owned();
        let token = match token {
            Some(token) => Some(token),
            None => Logins::open(false)?
                .map(|mut logins| logins.token(&url, &agent))
                .transpose()?
                .flatten(),
        };
        Ok(Self { agent, url, token })
    }

    /// Address of the server.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `GET` below `/api/v1`, with a query.
    pub(crate) fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, ClientError> {
        let mut response = self.open(path, query)?;
        self.read(&mut response)
    }

    /// `POST` of a JSON body below `/api/v1`.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let url = self.address(path);
        let mut request = self.agent.post(&url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request
            .send_json(body)
            .map_err(|error| self.unreachable(&error))?;
        let mut response = self.accept(response)?;
        self.read(&mut response)
    }

    /// `PATCH` of a JSON body below `/api/v1`.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let mut request = self.agent.patch(self.address(path));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let sent = request.send_json(body);
        let response = sent.map_err(|error| self.unreachable(&error))?;
        let mut response = self.accept(response)?;
        self.read(&mut response)
    }

    /// `DELETE` below `/api/v1`.
    pub(crate) fn delete(&self, path: &str) -> Result<Value, ClientError> {
        let mut request = self.agent.delete(self.address(path));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        let mut response = self.accept(response)?;
        self.read(&mut response)
    }

    /// All rows of a list, or as many as wanted, page by page.
    pub(crate) fn rows(
        &self,
        path: &str,
        query: &[(&str, String)],
        limit: Option<usize>,
    ) -> Result<Vec<Value>, ClientError> {
        let wanted = limit.unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        let mut cursor: Option<String> = None;
        while rows.len() < wanted {
            let mut query = query.to_vec();
            query.push(("limit", (wanted - rows.len()).min(PAGE_ROWS).to_string()));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page = self.get(path, &query)?;
            let Some(data) = page["data"].as_array() else {
                return Err(self.strange("the list has no `data`"));
            };
            rows.extend(data.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        rows.truncate(wanted);
        Ok(rows)
    }

    /// The body of a `GET` below `/api/v1` as a stream.
    pub(crate) fn stream(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<impl Read + use<>, ClientError> {
        Ok(self.open(path, query)?.into_body().into_reader())
    }

    /// Status and `Date` header of a `GET` outside the API, without a token.
    pub(crate) fn probe(&self, path: &str) -> Result<(u16, Option<String>, String), ClientError> {
        let url = format!("{}{path}", self.url);
        let mut response = self
            .agent
            .get(&url)
            .call()
            .map_err(|error| self.unreachable(&error))?;
        let date = response
            .headers()
            .get("date")
            .and_then(|date| date.to_str().ok())
            .map(str::to_owned);
        let status = response.status().as_u16();
        Ok((
            status,
            date,
            response.body_mut().read_to_string().unwrap_or_default(),
        ))
    }

    fn open(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<ureq::http::Response<ureq::Body>, ClientError> {
        let url = self.address(path);
        let mut request = self.agent.get(&url);
        for (name, value) in query {
            request = request.query(*name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        self.accept(response)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.url)
    }

    fn accept(
        &self,
        mut response: ureq::http::Response<ureq::Body>,
    ) -> Result<ureq::http::Response<ureq::Body>, ClientError> {
        let status = response.status().as_u16();
        match status {
            200..=299 => Ok(response),
            401 => Err(ClientError::Unauthorized(match self.token {
                Some(_) => {
                    "the server does not accept this token: check --token or TENURE_TOKEN; `tenure keys rotate --data DIR` makes a new one"
                }
                None => {
                    "the server wants a token: log in with `tenure login`, or give the `api_token` that `tenure init` printed with --token or TENURE_TOKEN"
                }
            })),
            429 => {
                let header = response
                    .headers()
                    .get("retry-after")
                    .and_then(|value| value.to_str().ok());
                Err(ClientError::Busy {
                    retry_after_s: header.and_then(|text| text.parse().ok()).unwrap_or(1),
                })
            }
            _ => match self.read(&mut response) {
                Ok(body) if body.is_object() => Err(ClientError::Refused(Problem { status, body })),
                _ => Err(self.strange(&format!("it answered {status}"))),
            },
        }
    }

    fn read(&self, response: &mut ureq::http::Response<ureq::Body>) -> Result<Value, ClientError> {
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let text = body
            .read_to_string()
            .map_err(|error| self.unreachable(&error))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| self.strange("the answer is not JSON"))
    }

    fn unreachable(&self, error: &ureq::Error) -> ClientError {
        ClientError::Unreachable {
            url: self.url.clone(),
            reason: error.to_string(),
        }
    }

    fn strange(&self, reason: &str) -> ClientError {
        ClientError::Strange {
            url: self.url.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// What speaks HTTP for the commands.
pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(ANSWER_TIMEOUT))
        .http_status_as_error(false)
        .user_agent(concat!("tenure/", env!("CARGO_PKG_VERSION")))
        .build();
    config.into()
}

/// One part of a path, with what would end it escaped.
pub(crate) fn path_part(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_with_its_code_detail_and_fix() {
        let body = serde_json::json!({"title": "Not found", "code": "not-found", "detail": "no program `x`", "fix": "see `tenure programs list`"});
        let shown = Problem { status: 404, body }.to_string();
        assert_eq!(
            shown,
            "Not found [not-found]\n  no program `x`\n  fix: see `tenure programs list`"
        );
    }

    #[test]
    fn a_path_part_cannot_leave_its_place() {
        assert_eq!(path_part("a/b?c=ö"), "a%2Fb%3Fc%3D%C3%B6");
    }

    #[test]
    fn nobody_listening_is_said_with_the_remedy() {
        // Port 9 (discard) of this machine: nobody listens there, and nothing may.
        let remote = Remote {
            url: "http://127.0.0.1:9".to_owned(),
            token: None,
            token_file: None,
        };
        let error = Client::new(&remote)
            .unwrap()
            .get("people", &[])
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("no server answers at http://127.0.0.1:9"),
            "{text}"
        );
        assert!(text.contains("tenure serve"), "{text}");
    }
}
