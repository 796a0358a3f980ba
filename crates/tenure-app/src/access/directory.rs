//! What is known of users, applications, tokens and keys: few things that every request asks for,
//! so they are all in memory and written through.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tenure_core::time::Timestamp;
use tenure_store::{Store, StoreError};

use super::role::Role;
use super::scope::Scopes;
use super::users::SESSION_MS;
use crate::records::{all, each, value};

/// Collections of records.
pub(super) mod collection {
    pub(crate) const TOKEN: &str = "access.token";
    pub(crate) const CLIENT: &str = "access.client";
    pub(crate) const USER: &str = "access.user";
    pub(crate) const SESSION: &str = "access.session";
    pub(crate) const CODE: &str = "access.code";
    pub(crate) const GRANT: &str = "access.grant";
    pub(crate) const REFRESH: &str = "access.refresh";
    pub(crate) const KEY: &str = "access.key";
    pub(crate) const REVOKED: &str = "access.revoked";
    pub(crate) const SECRET: &str = "access.secret";

    /// Those whose rows are over at their instant.
    pub(crate) const PASSING: [&str; 5] = [SESSION, CODE, GRANT, REFRESH, REVOKED];
}

/// An API token with scopes of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What it allows.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    pub(super) hash: String,
}

/// An application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// Name for people; the consent page shows it.
    pub name: String,
    /// The most it may be given.
    pub scopes: Scopes,
    /// Where codes may be sent. Without any it only acts by itself (client credentials).
    pub redirect_uris: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Hashes of its secrets with the instant each ends at; none for a public client.
    pub(super) secrets: Vec<(String, Option<Timestamp>)>,
}

impl Client {
    /// Whether it can keep no secret: a program on somebody's machine or in a browser.
    pub fn is_public(&self) -> bool {
        self.secrets.is_empty()
    }
}

/// Somebody who logs in to Tenure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Id.
    pub id: String,
    /// Address they sign in with, in lower case.
    pub email: String,
    /// Name for people.
    pub name: String,
    /// What they are.
    pub role: Role,
    /// As whom accounts and tasks name them in `owner`.
    pub owner: String,
    /// Whether they may sign in.
    pub active: bool,
    /// When they were added.
    pub created_at: Timestamp,
    /// Argon2id, in the PHC form; none for who only signs in elsewhere.
    pub(super) password: Option<String>,
    /// Secret of one-time codes, and the last time step that was used.
    pub(super) one_time: Option<OneTime>,
    /// Wrong passwords in a row.
    pub(super) failure_count: u32,
    /// Until when no password is looked at.
    pub(super) locked_until: Option<Timestamp>,
    /// Sessions and tokens from before are over.
    pub(super) valid_from: Timestamp,
}

impl User {
    /// Whether a one-time code is wanted besides the password.
    pub fn has_one_time_codes(&self) -> bool {
        self.one_time.as_ref().is_some_and(|codes| codes.confirmed)
    }
}

/// One-time codes of a user (RFC 6238).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OneTime {
    pub(super) secret: [u8; 20],
    /// They count only after a first right code.
    pub(super) confirmed: bool,
    pub(super) last_step: u64,
}

/// A key that access tokens are signed with.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SigningKey {
    pub(super) id: String,
    pub(super) seed: [u8; 32],
    pub(super) created_at: Timestamp,
}

/// Everything in memory.
#[derive(Default)]
pub(super) struct Directory {
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) clients: BTreeMap<String, Client>,
    pub(super) users: BTreeMap<String, User>,
    /// By age, the newest last.
    pub(super) keys: Vec<SigningKey>,
    /// Ids of access tokens and grants that were taken back, with when they would have ended.
    pub(super) revoked: BTreeMap<String, Timestamp>,
}

/// Who may do what, as far as it is in memory.
pub struct Access {
    pub(super) directory: RwLock<Directory>,
    /// One change at a time: what is checked is still so when it is written.
    pub(super) changing: Mutex<()>,
    /// How many passwords are being looked at.
    pub(super) hashing_count: AtomicUsize,
    /// For how long a session lasts, by the node's clock.
    pub(super) session_ms: AtomicI64,
}

impl Access {
    /// Reads what the store has.
    pub fn open(store: &dyn Store) -> Result<Self, StoreError> {
        let mut directory = Directory::default();
        for token in all::<Token>(store, collection::TOKEN, "")? {
            directory.tokens.insert(token.id.clone(), token);
        }
        for client in all::<Client>(store, collection::CLIENT, "")? {
            directory.clients.insert(client.id.clone(), client);
        }
        for user in all::<User>(store, collection::USER, "")? {
            directory.users.insert(user.id.clone(), user);
        }
        directory.keys = all::<SigningKey>(store, collection::KEY, "")?;
        directory.keys.sort_by_key(|key| key.created_at);
        each(store, collection::REVOKED, "", |record| {
            directory.revoked.insert(value(record)?, record.at);
            Ok(())
        })?;
        Ok(Self {
            directory: RwLock::new(directory),
            changing: Mutex::new(()),
            hashing_count: AtomicUsize::new(0),
            session_ms: AtomicI64::new(SESSION_MS),
        })
    }
}
