//! Connectors of a workspace: how they are set up, when they are pulled, what is pushed, and lists at providers that
//! are kept in step with segments.
//!
//! What is pulled goes in like anything a sender tells: as calls with ids of their own, through the log writer. The
//! cursor of a stream is kept after its page is durable, so a crash repeats a page and loses none, and a repeat is
//! recognised. Each connector works on a thread of its own, so one that hangs holds up no other, and after a failure it
//! pauses for longer and longer.
//!
//! Secrets are not kept with the rest: they are sealed, and asked for by the connector's name when it is opened.

mod config;
mod lists;
mod outage;
mod pull;
mod push;
mod run;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::{Condvar, Mutex, RwLock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tenure_connectors::provider::{Connector, Network, Setup, describe, open};
use tenure_core::id::Salt;
use tenure_store::row::Record;
use tenure_store::{Batch, Store};

use crate::access::{Actor, Change};
use crate::breakers::Breakers;
use crate::clock::Clock;
use crate::error::AppError;
use crate::live::Live;
use crate::query::Query;
use crate::records::{self, all, value};
use crate::writer::WriterHandle;

pub use tenure_connectors::provider::{Mode, Need, kinds};

pub use config::{Config, ListBinding, MAX_CONNECTORS};
pub(crate) use outage::BREAKER_PREFIX;

pub use lists::{Followed, ListProgress};
pub use pull::{PullFrom, Pulled, StreamProgress};
pub use push::{PUSH_SUBJECTS_MAX, PushReport, PushRequest, PushRow};

/// Collection of what connectors are set up as.
const CONFIGS: &str = "connector";

/// Secrets of connectors.
pub trait ConnectorSecrets: Send + Sync {
    /// The secret settings of a connector, by name. The error is for people and holds no secret.
    fn of(&self, connector: &str) -> Result<BTreeMap<String, String>, String>;
}

struct NoSecrets;

impl ConnectorSecrets for NoSecrets {
    fn of(&self, _connector: &str) -> Result<BTreeMap<String, String>, String> {
        Ok(BTreeMap::new())
    }
}

/// The connectors of a node.
pub struct Connectors {
    store: Arc<dyn Store>,
    writer: WriterHandle,
    clock: Arc<dyn Clock>,
    live: Arc<Live>,
    salt: Salt,
    network: Network,
    secrets: RwLock<Arc<dyn ConnectorSecrets>>,
    breakers: Arc<Breakers>,
    /// Opened ones, which know their rate and their token.
    opened: Mutex<BTreeMap<String, Arc<dyn Connector>>>,
    /// What somebody works on: a stream, or the lists of a connector.
    in_hand: Mutex<BTreeSet<String>>,
    /// One change of a set-up at a time.
    changing: Mutex<()>,
    stopping: AtomicBool,
    rest: (Mutex<()>, Condvar),
}

/// A connector and how it fares.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// How it is set up.
    pub config: Config,
    /// Its streams.
    pub streams: Vec<(String, StreamProgress)>,
    /// Its lists.
    pub lists: ListProgress,
}

impl Connectors {
    /// The connectors of a workspace; nothing works yet.
    pub fn open(
        (store, writer, clock): (Arc<dyn Store>, WriterHandle, Arc<dyn Clock>),
        live: Arc<Live>,
        salt: Salt,
        network: Network,
    ) -> Result<Self, AppError> {
        let connectors = Self {
            store,
            writer,
            clock,
            live,
            salt,
            network,
            secrets: RwLock::new(Arc::new(NoSecrets)),
            breakers: Arc::default(),
            opened: Mutex::default(),
            in_hand: Mutex::default(),
            changing: Mutex::default(),
            stopping: AtomicBool::new(false),
            rest: (Mutex::default(), Condvar::new()),
        };
        connectors.follow_segments()?;
        Ok(connectors)
    }

    /// Where secrets come from.
    pub fn use_secrets(&self, secrets: Arc<dyn ConnectorSecrets>) {
        *self.secrets.write() = secrets;
        self.opened.lock().clear();
    }

    /// Takes a connector of this name that was opened elsewhere, as the simulator and tests do. It is used until the
    /// set-up changes.
    pub fn take_opened(&self, name: &str, connector: Arc<dyn Connector>) {
        self.opened.lock().insert(name.to_owned(), connector);
    }

    /// All connectors, by name.
    pub fn list(&self) -> Result<Vec<Standing>, AppError> {
        let configs: Vec<Config> = all(self.store.as_ref(), CONFIGS, "")?;
        configs
            .into_iter()
            .map(|config| self.standing(config))
            .collect()
    }

    /// One connector.
    pub fn show(&self, name: &str) -> Result<Standing, AppError> {
        self.standing(self.config(name)?)
    }

    fn standing(&self, config: Config) -> Result<Standing, AppError> {
        let streams = config
            .streams()
            .into_iter()
            .map(|stream| {
                let progress = self.progress(&config.name, stream)?;
                Ok((stream.to_owned(), progress))
            })
            .collect::<Result<_, AppError>>()?;
        Ok(Standing {
            streams,
            lists: self.list_progress(&config.name)?,
            config,
        })
    }

    /// Sets a connector up, in the place of one of that name. Members of segments that are newly bound to a list are
    /// queued for it.
    pub fn set(&self, config: &Config, by: &Actor) -> Result<(), AppError> {
        config.check()?;
        let _changing = self.changing.lock();
        let before: Option<Config> = self.kept_one(CONFIGS, &config.name)?;
        if before.is_none() && self.store.record_count(CONFIGS)? >= MAX_CONNECTORS as u64 {
            return Err(AppError::Conflict(format!(
                "there are {MAX_CONNECTORS} connectors already; remove one first"
            )));
        }
        let _hand = self.take_hand(&format!("{}/lists", config.name))?;
        self.bind(before.as_ref(), config)?;
        let change = Change::new("connector.set", &config.name)
            .before(json!(before))
            .after(json!(config));
        let record = self.record(CONFIGS, &config.name, config);
        self.opened.lock().remove(&config.name);
        self.commit(Batch {
            records: vec![record],
            audit: vec![change.by(by)],
            ..Batch::default()
        })?;
        self.follow_segments()?;
        self.rest.1.notify_all();
        Ok(())
    }

    /// Forgets a connector, how far it came and what waits for it. Nothing changes at the provider.
    pub fn remove(&self, name: &str, by: &Actor) -> Result<(), AppError> {
        let _changing = self.changing.lock();
        let config = self.config(name)?;
        let sealed = secrets::sealed_name(name);
        let mut batch = Batch {
            records_removed: vec![
                (CONFIGS.into(), name.into()),
                (
                    crate::access::seal::COLLECTION.into(),
                    sealed.as_str().into(),
                ),
            ],
            audit: vec![
                Change::new("connector.remove", name)
                    .before(json!(config))
                    .by(by),
            ],
            ..Batch::default()
        };
        for collection in [pull::PROGRESS, lists::CHANGES, lists::PROGRESS] {
            let keys = self.keys(collection, &format!("{name}/"))?;
            let removed = keys.into_iter().map(|key| (collection.into(), key));
            batch.records_removed.extend(removed);
        }
        self.opened.lock().remove(name);
        self.commit(batch)?;
        self.follow_segments()
    }

    /// Asks the provider whether it lets us in; what it says, or why not.
    pub fn test(&self, name: &str) -> Result<Result<String, String>, AppError> {
        let connector = self.connector(name)?;
        let tested = connector.test(self.clock.now().0);
        Ok(tested.map_err(|fault| fault.to_string()))
    }

    /// With what Twilio signs what it reports to a connector.
    pub(crate) fn twilio_token(&self, name: &str) -> Result<String, AppError> {
        let unknown = || AppError::NotFound {
            what: "Twilio connector",
            name: name.chars().take(80).collect(),
        };
        if self.config(name)?.kind != "twilio" {
            return Err(unknown());
        }
        let mut secrets = self.secrets.read().of(name).map_err(AppError::Conflict)?;
        secrets.remove("auth_token").ok_or_else(unknown)
    }

    fn config(&self, name: &str) -> Result<Config, AppError> {
        self.kept_one(CONFIGS, name)?
            .ok_or_else(|| AppError::NotFound {
                what: "connector",
                name: name.chars().take(80).collect(),
            })
    }

    /// The connector of this name, opened.
    fn connector(&self, name: &str) -> Result<Arc<dyn Connector>, AppError> {
        if let Some(opened) = self.opened.lock().get(name) {
            return Ok(Arc::clone(opened));
        }
        let config = self.config(name)?;
        let mut settings = config.settings.clone();
        let secrets = self.secrets.read().of(name).map_err(AppError::Conflict)?;
        settings.extend(secrets);
        let setup = Setup {
            name,
            settings: &settings,
            mapping: config.mapping.as_deref(),
            network: self.network,
        };
        let opened = open(&config.kind, setup)
            .map_err(|error| AppError::Conflict(format!("connector `{name}`: {error}")))?;
        let opened: Arc<dyn Connector> = Arc::from(opened);
        self.opened
            .lock()
            .insert(name.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    /// The connector that carries a channel of programs: the one of that name, else the only one of a kind that does.
    /// The error is for people.
    pub(crate) fn of_channel(&self, channel: &str) -> Result<Arc<dyn Connector>, String> {
        let named = self.connector(channel);
        if let Ok(named) = &named
            && named.description().channel == Some(channel)
        {
            return Ok(Arc::clone(named));
        }
        let configs: Vec<Config> =
            all(self.store.as_ref(), CONFIGS, "").map_err(|error| error.to_string())?;
        let carries = |config: &&Config| {
            describe(&config.kind).is_some_and(|kind| kind.channel == Some(channel))
        };
        let mut carriers = configs.iter().filter(carries);
        match (carriers.next(), carriers.next()) {
            (Some(only), None) => self
                .connector(&only.name)
                .map_err(|error| error.to_string()),
            (None, _) => {
                let kinds: Vec<&str> = kinds()
                    .filter(|kind| kind.channel == Some(channel))
                    .map(|kind| kind.kind)
                    .collect();
                Err(format!(
                    "no connector carries {channel}; set one up of the kind {}",
                    kinds.join(" or ")
                ))
            }
            (Some(_), Some(_)) => Err(format!(
                "several connectors carry {channel}; name the one to use `{channel}`"
            )),
        }
    }

    /// Takes a piece of work, if nobody has it.
    fn take_hand(&self, work: &str) -> Result<Hand<'_>, AppError> {
        if !self.in_hand.lock().insert(work.to_owned()) {
            return Err(AppError::Conflict(format!(
                "`{work}` is under way already; try again when it is done"
            )));
        }
        Ok(Hand {
            connectors: self,
            work: work.to_owned(),
        })
    }

    fn query(&self) -> Query<'_> {
        Query::new(self.store.as_ref(), &self.salt)
    }

    fn commit(&self, batch: Batch) -> Result<(), AppError> {
        self.writer.commit(batch, Vec::new())
    }

    fn record<T: Serialize>(&self, collection: &str, key: &str, value: &T) -> Record {
        records::record(collection, key, self.clock.now(), value)
    }

    fn kept_one<T: DeserializeOwned>(
        &self,
        collection: &str,
        key: &str,
    ) -> Result<Option<T>, AppError> {
        let row = self.store.record(collection, key)?;
        Ok(row.map(|row| value(&row)).transpose()?)
    }

    fn keys(&self, collection: &str, prefix: &str) -> Result<Vec<Box<str>>, AppError> {
        let mut keys = Vec::new();
        records::each(self.store.as_ref(), collection, prefix, |record| {
            keys.push(record.key.clone());
            Ok(())
        })?;
        Ok(keys)
    }
}

/// A piece of work that somebody has.
struct Hand<'a> {
    connectors: &'a Connectors,
    work: String,
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        self.connectors.in_hand.lock().remove(&self.work);
    }
}
