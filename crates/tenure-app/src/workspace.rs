//! The workspace: its secrets and the keys that open it.

use serde::{Deserialize, Serialize};
use tenure_core::id::{Id, Salt, WorkspaceId};
use tenure_store::{Batch, Store, StoreError};

use crate::error::AppError;

/// Name of the setting that keeps it.
const SETTING: &str = "workspace";
/// How many random bytes make a workspace.
pub const ENTROPY_BYTES: usize = 160;

/// What is kept about a workspace. Keys are kept as hashes only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name, for people.
    pub name: String,
    salt: [u8; 32],
    link_secret: [u8; 32],
    write_key_hashes: Vec<[u8; 32]>,
    token_hashes: Vec<[u8; 32]>,
}

/// What is shown once, when a workspace is created.
#[derive(Debug, Clone, Serialize)]
pub struct Credentials {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// For sending events.
    pub write_key: String,
    /// For everything else.
    pub api_token: String,
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Workspace {
    /// Creates the workspace of an empty store from random bytes.
    pub fn create(
        store: &dyn Store,
        name: &str,
        entropy: &[u8; ENTROPY_BYTES],
    ) -> Result<Credentials, AppError> {
        if store.setting(SETTING)?.is_some() {
            return Err(AppError::Conflict(
                "there is a workspace here already".into(),
            ));
        }
        let write_key = format!("wk_{}", hex(&entropy[..20]));
        let api_token = format!("tok_{}", hex(&entropy[20..52]));
        let workspace = Self {
            id: WorkspaceId::from_bits(u128::from_be_bytes(array(&entropy[52..68]))),
            name: name.to_owned(),
            salt: array(&entropy[68..100]),
            link_secret: array(&entropy[100..132]),
            write_key_hashes: vec![hash(&write_key)],
            token_hashes: vec![hash(&api_token)],
        };
        workspace.save(store)?;
        Ok(Credentials {
            workspace_id: workspace.id,
            write_key,
            api_token,
        })
    }

    /// The workspace of a store.
    pub fn open(store: &dyn Store) -> Result<Self, AppError> {
        let bytes = store.setting(SETTING)?.ok_or_else(|| {
            AppError::Conflict(
                "there is no workspace here yet; create it with `tenure init`".into(),
            )
        })?;
        let workspace = serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::Damaged(format!("workspace settings: {error}")))?;
        Ok(workspace)
    }

    fn save(&self, store: &dyn Store) -> Result<(), AppError> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        store.commit(&Batch {
            settings: vec![(SETTING.into(), bytes)],
            ..Batch::default()
        })?;
        Ok(())
    }

    /// Replaces the keys; the old ones open nothing any more.
    pub fn rotate(
        &mut self,
        store: &dyn Store,
        entropy: &[u8; ENTROPY_BYTES],
    ) -> Result<Credentials, AppError> {
        let write_key = format!("wk_{}", hex(&entropy[..20]));
        let api_token = format!("tok_{}", hex(&entropy[20..52]));
        self.write_key_hashes = vec![hash(&write_key)];
        self.token_hashes = vec![hash(&api_token)];
        self.save(store)?;
        Ok(Credentials {
            workspace_id: self.id,
            write_key,
            api_token,
        })
    }

    /// What ids and stable hashes are keyed with.
    pub fn salt(&self) -> Salt {
        Salt(self.salt)
    }

    /// What links in messages are signed with.
    pub fn link_secret(&self) -> &[u8; 32] {
        &self.link_secret
    }

    /// Whether a key may send events.
    pub fn opens_ingest(&self, key: &str) -> bool {
        matches(&self.write_key_hashes, key)
    }

    /// Whether a token may use the API.
    pub fn opens_api(&self, token: &str) -> bool {
        matches(&self.token_hashes, token)
    }
}

fn hash(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

/// Compares hashes, in constant time.
fn matches(known: &[[u8; 32]], secret: &str) -> bool {
    let given = blake3::hash(secret.as_bytes());
    known.iter().fold(false, |found, known| {
        found | (given == blake3::Hash::from_bytes(*known))
    })
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}
