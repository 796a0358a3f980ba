//! `tenure login` and `tenure logout`: OAuth 2.0 for the command line (RFC 8252).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::Value;

use super::users::seed;
use crate::client::{DEFAULT_URL, agent};
use crate::logins::{Login, Logins, request};
use crate::output;

/// `client_id` of the command line; every server knows it.
const CLIENT_ID: &str = "tenure-cli";
/// Most bytes of a request of the browser that are looked at.
const REQUEST_BYTES_MAX: u64 = 16 * 1024;
/// Most time for a browser to send its request once it has connected.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Log in to a server: later commands need no --token. Without a browser, give an application's
/// id and secret (`tenure clients create`). The login is kept in a file that only you can read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure login --url https://tenure.example.com
  tenure login --client-id cli_abc --client-secret-file secret.txt")]
pub(crate) struct LogIn {
    /// Address of the server
    #[arg(long, env = "TENURE_URL", default_value = DEFAULT_URL)]
    url: String,
    /// Scopes to ask for, with commas or spaces between; all that you may have when left out
    #[arg(long)]
    scopes: Option<String>,
    /// Application to act as, instead of a user
    #[arg(long, requires = "client_secret_file")]
    client_id: Option<String>,
    /// File that holds the application's secret
    #[arg(long, requires = "client_id")]
    client_secret_file: Option<PathBuf>,
}

/// Forget a login, and take its tokens back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure logout
  tenure logout --url https://tenure.example.com")]
pub(crate) struct LogOut {
    /// Address of the server
    #[arg(long, env = "TENURE_URL", default_value = DEFAULT_URL)]
    url: String,
}

/// What a server says about its OAuth.
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: String,
}

/// Runs `tenure login`.
pub(crate) fn run(args: &LogIn) -> Result<()> {
    let url = args.url.trim_end_matches('/');
    let agent = agent();
    let metadata = discover(&agent, url)?;
    let scope = args.scopes.as_ref().map(|scopes| scopes.replace(',', " "));
    let login = match (&args.client_id, &args.client_secret_file) {
        (Some(id), Some(file)) => as_client(&agent, &metadata, id, file, scope)?,
        _ => as_user(&agent, &metadata, scope.as_deref())?,
    };
    let logins = Logins::open(true)?;
    logins
        .context("the login cannot be kept")?
        .put(url, login)?;
    output::line(format!("logged in at {url}"));
    Ok(())
}

/// Runs `tenure logout`.
pub(crate) fn run_logout(args: &LogOut) -> Result<()> {
    let url = args.url.trim_end_matches('/');
    let login = Logins::open(false)?
        .map(|mut logins| logins.take(url))
        .transpose()?
        .flatten();
    let Some(login) = login else {
        output::line(format!("you were not logged in at {url}"));
        return Ok(());
    };
    let agent = agent();
    // The login is forgotten also when the server is away: its tokens end by themselves.
    if let Ok(metadata) = discover(&agent, url) {
        let token = login.refresh_token.as_ref().unwrap_or(&login.access_token);
        let mut form = vec![("client_id", login.client_id.as_str()), ("token", token)];
        form.extend(
            login
                .client_secret
                .as_deref()
                .map(|secret| ("client_secret", secret)),
        );
        drop(agent.post(&metadata.revocation_endpoint).send_form(form));
    }
    output::line(format!("logged out at {url}"));
    Ok(())
}

fn discover(agent: &ureq::Agent, url: &str) -> Result<Metadata> {
    let address = format!("{url}/.well-known/oauth-authorization-server");
    let mut response = agent.get(&address).call().with_context(|| {
        format!(
            "no server answers at {url}: start one with `tenure serve`, or name another with --url"
        )
    })?;
    let found: Value = response
        .body_mut()
        .read_json()
        .with_context(|| format!("{url} does not answer like Tenure: check --url"))?;
    let text = |name: &str| {
        let value = found[name].as_str().map(str::to_owned);
        value.with_context(|| format!("{url} does not say its `{name}`: check --url"))
    };
    Ok(Metadata {
        issuer: text("issuer")?,
        authorization_endpoint: text("authorization_endpoint")?,
        token_endpoint: text("token_endpoint")?,
        revocation_endpoint: text("revocation_endpoint")?,
    })
}

fn login(metadata: &Metadata, client_id: &str, scope: Option<&str>) -> Login {
    Login {
        token_endpoint: metadata.token_endpoint.clone(),
        client_id: client_id.to_owned(),
        client_secret: None,
        scope: scope.map(str::to_owned),
        access_token: String::new(),
        expires_at_ms: 0,
        refresh_token: None,
    }
}

fn as_client(
    agent: &ureq::Agent,
    metadata: &Metadata,
    id: &str,
    secret_file: &std::path::Path,
    scope: Option<String>,
) -> Result<Login> {
    let secret = std::fs::read_to_string(secret_file)
        .with_context(|| format!("cannot read {}", secret_file.display()))?;
    let secret = secret.trim().to_owned();
    let login = Login {
        client_secret: Some(secret.clone()),
        ..login(metadata, id, scope.as_deref())
    };
    let mut form = vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", id.to_owned()),
        ("client_secret", secret),
    ];
    form.extend(scope.map(|scope| ("scope", scope)));
    request(agent, &login, &form)
}

/// Sends the user's browser to the server, and waits for it to come back with a code.
fn as_user(agent: &ureq::Agent, metadata: &Metadata, scope: Option<&str>) -> Result<Login> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen for the browser")?;
    let redirect_uri = format!("http://{}/callback", listener.local_addr()?);
    let (verifier, state) = (
        URL_SAFE_NO_PAD.encode(seed()?),
        URL_SAFE_NO_PAD.encode(seed()?),
    );
    let hash = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(hash);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("redirect_uri", &redirect_uri)
        .append_pair("state", &state)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if let Some(scope) = scope {
        query.append_pair("scope", scope);
    }
    output::line(format!(
        "Open this address in a browser on this machine:\n\n  {}?{}\n",
        metadata.authorization_endpoint,
        query.finish()
    ));
    let answer = wait(&listener)?;
    let get = |name: &str| answer.get(name).map_or("", String::as_str);
    ensure!(
        get("state") == state,
        "the answer is not to this login; run `tenure login` again"
    );
    ensure!(
        get("iss") == metadata.issuer,
        "the answer comes from another server; check --url"
    );
    if !get("error").is_empty() {
        bail!(
            "the login was refused: {} {}",
            get("error"),
            get("error_description")
        );
    }
    let form = [
        ("grant_type", "authorization_code".to_owned()),
        ("client_id", CLIENT_ID.to_owned()),
        ("code", get("code").to_owned()),
        ("redirect_uri", redirect_uri),
        ("code_verifier", verifier),
    ];
    request(agent, &login(metadata, CLIENT_ID, scope), &form)
}

/// The parameters with which the browser comes to `/callback`. Whatever else comes is told that
/// there is nothing.
fn wait(listener: &TcpListener) -> Result<BTreeMap<String, String>> {
    loop {
        let (stream, _) = listener
            .accept()
            .context("the browser cannot be waited for")?;
        if let Some(answer) = read(&stream) {
            return Ok(answer);
        }
    }
}

fn read(stream: &TcpStream) -> Option<BTreeMap<String, String>> {
    stream.set_read_timeout(Some(REQUEST_TIMEOUT)).ok()?;
    let mut lines = BufReader::new(stream.take(REQUEST_BYTES_MAX)).lines();
    let first = lines.next()?.ok()?;
    // The rest of the head is read, so that the browser does not see a reset.
    for line in lines {
        if line.ok()?.is_empty() {
            break;
        }
    }
    let query = first
        .strip_prefix("GET /callback?")
        .and_then(|rest| rest.split_once(' '))
        .map(|(query, _)| query);
    let (status, text) = match query {
        Some(_) => (
            "200 OK",
            "You may close this window and go back to the terminal.",
        ),
        None => ("404 Not Found", "There is nothing here."),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    let mut stream = stream;
    stream.write_all(answer.as_bytes()).ok()?;
    let pairs = form_urlencoded::parse(query?.as_bytes());
    Some(pairs.into_owned().collect())
}
