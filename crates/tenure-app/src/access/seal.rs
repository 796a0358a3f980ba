//! Secrets of connectors, sealed at rest: AES-256-GCM under a key that is never in the store.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenure_store::{Batch, Store};

use super::audit::{Actor, Change};
use super::directory::collection;
use super::registrar::Registrar;
use super::secret::{Random, digest};
use crate::error::AppError;
use crate::records::{self, record, value};

/// Collection of sealed secrets.
pub(crate) const COLLECTION: &str = collection::SECRET;
/// Most bytes of a secret.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// The key that seals. Its text may be anything long and random; the key is derived from it.
pub struct SealingKey {
    id: String,
    key: LessSafeKey,
}

impl SealingKey {
    /// The fewest characters of a key's text.
    pub const TEXT_CHARS_MIN: usize = 32;

    /// From the operator's text; `None` if it is too short to be a key.
    pub fn derive(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.chars().count() < Self::TEXT_CHARS_MIN {
            return None;
        }
        let bytes = blake3::derive_key("tenure 2026-11 sealed secrets", text.as_bytes());
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).ok()?);
        // Tells keys apart, and nothing about them.
        let id = digest(&format!("key id {}", blake3::hash(&bytes).to_hex()))[..16].to_owned();
        Some(Self { id, key })
    }

    /// Seals a secret under a name: it opens only under the same name.
    pub fn seal(&self, name: &str, secret: &[u8], random: &dyn Random) -> Option<Sealed> {
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&random.draw()[..NONCE_LEN]);
        let mut bytes = secret.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name.as_bytes()),
                &mut bytes,
            )
            .ok()?;
        Some(Sealed {
            key: self.id.clone(),
            nonce,
            bytes,
        })
    }

    /// Opens what this key sealed under this name.
    pub fn open(&self, name: &str, sealed: &Sealed) -> Option<Vec<u8>> {
        let mut bytes = sealed.bytes.clone();
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut bytes)
            .ok()?;
        Some(opened.to_vec())
    }
}

/// A sealed secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    key: String,
    nonce: [u8; NONCE_LEN],
    bytes: Vec<u8>,
}

fn closed(name: &str) -> AppError {
    AppError::Conflict(format!(
        "the secret `{name}` was sealed with another key; start with that key in TENURE_SECRET_KEY, or set the secret anew"
    ))
}

/// The secret of this name, if there is one.
pub fn read(store: &dyn Store, key: &SealingKey, name: &str) -> Result<Option<Vec<u8>>, AppError> {
    let Some(record) = store.record(collection::SECRET, name)? else {
        return Ok(None);
    };
    let sealed: Sealed = value(&record)?;
    key.open(name, &sealed)
        .map(Some)
        .ok_or_else(|| closed(name))
}

impl Registrar<'_> {
    /// Keeps a secret under a name, in the place of what was there.
    pub fn keep_secret(
        &self,
        key: &SealingKey,
        name: &str,
        secret: &[u8],
        by: &Actor,
    ) -> Result<(), AppError> {
        if secret.len() > SECRET_BYTES_MAX {
            return Err(AppError::Invalid {
                field: "secret".into(),
                message: format!("must have at most {SECRET_BYTES_MAX} bytes"),
            });
        }
        let sealed = key
            .seal(name, secret, self.random)
            .ok_or_else(|| closed(name))?;
        let record = record(collection::SECRET, name, self.now, &sealed);
        self.put(record, Change::new("secret.set", name), by, |_| ())
    }

    /// Forgets a secret.
    pub fn forget_secret(&self, name: &str, by: &Actor) -> Result<(), AppError> {
        let change = Change::new("secret.forget", name);
        self.take((collection::SECRET, name), change, by, |_| ())
    }

    /// Seals every secret with a new key, all or none; answers how many there are.
    pub fn reseal(
        &self,
        old: &SealingKey,
        new: &SealingKey,
        by: &Actor,
    ) -> Result<usize, AppError> {
        let _changing = self.access.changing.lock();
        let mut records = Vec::new();
        for name in names(self.store)? {
            let secret = match read(self.store, old, &name) {
                // A run that was cut off after its commit is done when it is run again.
                Err(_) if read(self.store, new, &name).is_ok() => continue,
                read => read?,
            };
            let sealed = secret.and_then(|secret| new.seal(&name, &secret, self.random));
            let sealed = sealed.ok_or_else(|| closed(&name))?;
            records.push(record(collection::SECRET, &name, self.now, &sealed));
        }
        let count = records.len();
        let change = Change::new("secret.reseal", "all").after(json!({"secret_count": count}));
        self.commit(Batch {
            records,
            audit: vec![change.by(by)],
            ..Batch::default()
        })?;
        Ok(count)
    }
}

/// Names of the secrets there are.
pub fn names(store: &dyn Store) -> Result<Vec<String>, AppError> {
    let mut names = Vec::new();
    records::each(store, collection::SECRET, "", |record| {
        names.push(record.key.to_string());
        Ok(())
    })?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use tenure_core::time::Timestamp;
    use tenure_store::memory::MemoryStore;

    use super::super::directory::Access;
    use super::super::secret::Seeded;
    use super::*;

    fn key(text: &str) -> SealingKey {
        SealingKey::derive(&text.repeat(32)).unwrap()
    }

    #[test]
    fn a_sealed_secret_opens_only_with_its_key_under_its_name_and_untouched() {
        let random = Seeded::new(b"seed");
        let sealed = key("a").seal("hubspot", b"s3cret", &random).unwrap();
        assert_eq!(key("a").open("hubspot", &sealed).unwrap(), b"s3cret");
        assert_eq!(key("b").open("hubspot", &sealed), None);
        assert_eq!(key("a").open("klaviyo", &sealed), None);
        let mut touched = sealed.clone();
        touched.bytes[0] ^= 1;
        assert_eq!(key("a").open("hubspot", &touched), None);
        assert_ne!(
            key("a").seal("hubspot", b"s3cret", &random).unwrap().bytes,
            sealed.bytes
        );
        assert!(SealingKey::derive("short").is_none());
    }

    #[test]
    fn secrets_are_sealed_anew_with_a_new_key() {
        let (store, random) = (MemoryStore::new(), Seeded::new(b"seed"));
        let access = Access::open(&store).unwrap();
        let registrar = Registrar::offline(&store, &access, &random, Timestamp(1_000));
        let (old, new, by) = (key("o"), key("n"), Actor::command());
        for name in ["hubspot", "klaviyo"] {
            registrar
                .keep_secret(&old, name, name.as_bytes(), &by)
                .unwrap();
        }
        assert_eq!(registrar.reseal(&old, &new, &by).unwrap(), 2);
        assert_eq!(read(&store, &new, "klaviyo").unwrap().unwrap(), b"klaviyo");
        assert!(read(&store, &old, "klaviyo").is_err());
        // Again, as after a crash: nothing is left to do, and nothing is lost.
        assert_eq!(registrar.reseal(&old, &new, &by).unwrap(), 0);
        assert!(registrar.reseal(&old, &old, &by).is_err());
        registrar.forget_secret("klaviyo", &by).unwrap();
        assert_eq!(read(&store, &new, "klaviyo").unwrap(), None);
    }
}
