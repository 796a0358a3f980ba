//! The demo: a data folder with twelve months of a company's history, the programs that come with Tenure, and a thread
//! that lets its customers go on living.

mod clock;
mod outbox;
mod player;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use tenure_app::access::secret::{self, Seeded};
use tenure_app::access::users::{NewUser, SESSION_MS};
use tenure_app::access::{Actor, Role};
use tenure_app::clock::Clock;
use tenure_app::publish::PublishRequest;
use tenure_core::define::SourceFile;

use crate::commands::init;
use crate::output;
use crate::server::{Server, SystemClock, asked_to_stop, logs};
use crate::settings::{SettingFlags, Settings};
use clock::FastClock;
use outbox::Outbox;
use player::Player;

/// The programs that come with Tenure.
static PROGRAMS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../programs");

/// Whom the demo is signed in to as.
const OWNER_EMAIL: &str = "dana@example.com";
/// Length of the owner's password: 96 random bits.
const PASSWORD_CHARS: usize = 16;

/// What a demo is to be like.
pub(crate) struct Demo {
    /// Data folder; a temporary one without it.
    pub(crate) folder: Option<PathBuf>,
    /// Accounts of the company.
    pub(crate) account_count: u32,
    /// How many times faster than real time its customers act.
    pub(crate) speed: f64,
    /// Any number; another seed is another company.
    pub(crate) seed: u64,
    /// Settings of the server.
    pub(crate) flags: SettingFlags,
}

/// Runs a demo until it is asked to stop.
pub(crate) fn run(demo: &Demo) -> Result<()> {
    let temporary = match demo.folder {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new()
                .prefix("tenure-demo-")
                .tempdir()
                .context("cannot make a temporary folder")?,
        ),
    };
    let data = match (&demo.folder, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(folder)) => folder.path().to_owned(),
        (None, None) => PathBuf::from("demo"),
    };
    let credentials = init::create(&data, tenure_sim::demo::VENDOR_NAME)?;
    let outbox = data.join("outbox");
    // Whatever the environment says: nothing of a demo may reach a real mail server.
    let flags = demo
        .flags
        .clone()
        .or("log_level", "warn")
        .or("outbox_dir", outbox.display().to_string());
    let settings = Settings::load(&data, &flags)?.without("smtp_url");
    logs::start(&settings)?;
    let clock = Arc::new(FastClock::new(SystemClock.now(), demo.speed));
    let server = Server::open(&data, &settings, Arc::<FastClock>::clone(&clock))?;
    publish(&server)?;
    // A working day of whoever looks at the demo, not of its customers.
    let session_ms = (SESSION_MS as f64 * demo.speed.max(1.0)) as i64;
    server.node().access().set_session_ms(session_ms);
    let password = add_owner(&server)?;
    let player = Player::load(server.node(), demo.seed, demo.account_count)?;
    clock.start();
    greet(
        &server,
        &credentials.write_key,
        &credentials.api_token,
        &password,
        &outbox,
    );
    let stopping = Arc::new(AtomicBool::new(false));
    let living = player.live(Arc::clone(&stopping), Outbox::new(outbox));
    let served = server.run(asked_to_stop());
    stopping.store(true, Ordering::Relaxed);
    // A player that failed has said so; the server's own end is what counts.
    let _ = living.join();
    served
}

fn publish(server: &Server) -> Result<()> {
    let mut files = Vec::new();
    collect(&PROGRAMS, &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let request = PublishRequest {
        files,
        author: "demo".to_owned(),
        ..PublishRequest::default()
    };
    server
        .node()
        .publish(&request)
        .context("the programs that come with Tenure cannot be published")?;
    Ok(())
}

fn collect(folder: &Dir<'_>, files: &mut Vec<SourceFile>) {
    for file in folder.files() {
        let ending = file
            .path()
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        if let (true, Some(text)) = (["yaml", "mjml"].contains(&ending), file.contents_utf8()) {
            files.push(SourceFile {
                path: format!("programs/{}", file.path().display()),
                text: text.to_owned(),
            });
        }
    }
    for inner in folder
        .dirs()
        .filter(|inner| !inner.path().ends_with("mappings"))
    {
        collect(inner, files);
    }
}

/// Adds somebody to sign in to the console as; gives the password.
fn add_owner(server: &Server) -> Result<String> {
    let random = Seeded::new(&crate::commands::users::seed()?);
    let password = secret::secret("", &random)[..PASSWORD_CHARS].to_owned();
    let owner = NewUser {
        email: OWNER_EMAIL.to_owned(),
        name: "Dana Osei".to_owned(),
        role: Role::Owner,
        password: Some(password.clone()),
        owner: Some("dana".to_owned()),
    };
    server
        .node()
        .registrar(&random)
        .create_user(owner, &Actor::command())
        .context("the owner of the demo company cannot be added")?;
    Ok(password)
}

fn greet(server: &Server, write_key: &str, token: &str, password: &str, outbox: &Path) {
    let url = server.url();
    output::line(format!(
        "\nThe demo company lives at {url}\n\n  sign in as  {OWNER_EMAIL}\n  password    {password}\n\n  export TENURE_URL={url}\n  export TENURE_TOKEN={token}\n  tenure accounts list\n  tenure programs list\n\n\
         write key  {write_key}\ne-mails    {}\n\nStop with Ctrl-C. E-mails as they leave:\n",
        outbox.display()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_that_come_with_tenure_are_valid_and_hold_no_mapping() {
        let mut files = Vec::new();
        collect(&PROGRAMS, &mut files);
        assert!(
            files
                .iter()
                .any(|file| file.path == "programs/onboarding.yaml")
        );
        assert!(files.iter().all(|file| !file.path.contains("mappings")));
    }
}
