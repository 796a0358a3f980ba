//! The registrar: changes who may do what. It writes through the log writer of a node, or, for
//! commands while no node runs, to the store itself.

use tenure_core::time::Timestamp;
use tenure_store::row::Record;
use tenure_store::{Batch, Store};

use super::audit::{Actor, Chain, Change};
use super::directory::{Access, Directory, collection};
use super::secret::Random;
use crate::error::AppError;
use crate::records::value;
use crate::writer::WriterHandle;

/// Changes who may do what, as of one instant.
pub struct Registrar<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) access: &'a Access,
    pub(super) random: &'a dyn Random,
    pub(super) now: Timestamp,
    /// Whom access tokens are for: this workspace.
    pub(super) audience: String,
    pub(super) writer: Option<&'a WriterHandle>,
}

impl<'a> Registrar<'a> {
    /// The registrar of a store that no node serves.
    pub fn offline(
        store: &'a dyn Store,
        access: &'a Access,
        random: &'a dyn Random,
        now: Timestamp,
    ) -> Self {
        Self {
            store,
            access,
            random,
            now,
            audience: String::new(),
            writer: None,
        }
    }

    /// The registrar of a node.
    pub(crate) fn online(
        (store, access): (&'a dyn Store, &'a Access),
        writer: &'a WriterHandle,
        random: &'a dyn Random,
        now: Timestamp,
        audience: String,
    ) -> Self {
        Self {
            store,
            access,
            random,
            now,
            audience,
            writer: Some(writer),
        }
    }

    /// Writes, and forgets what is over.
    pub(super) fn commit(&self, mut batch: Batch) -> Result<(), AppError> {
        let passing = collection::PASSING.map(|name| (name.into(), self.now));
        batch.records_expired.extend(passing);
        if let Some(writer) = self.writer {
            return writer.commit(batch, Vec::new());
        }
        Chain::default().link(self.store, &mut batch.audit, self.now)?;
        Ok(self.store.commit(&batch)?)
    }

    /// Writes a record with its entry in the audit trail, then brings the memory up to date.
    pub(super) fn put(
        &self,
        record: Record,
        change: Change,
        by: &Actor,
        remember: impl FnOnce(&mut Directory),
    ) -> Result<(), AppError> {
        self.commit(Batch {
            records: vec![record],
            audit: vec![change.by(by)],
            ..Batch::default()
        })?;
        remember(&mut self.access.directory.write());
        Ok(())
    }

    /// Takes a record out, likewise.
    pub(super) fn take(
        &self,
        (collection, key): (&'static str, &str),
        change: Change,
        by: &Actor,
        forget: impl FnOnce(&mut Directory),
    ) -> Result<(), AppError> {
        self.commit(Batch {
            records_removed: vec![(collection.into(), key.into())],
            audit: vec![change.by(by)],
            ..Batch::default()
        })?;
        forget(&mut self.access.directory.write());
        Ok(())
    }

    /// What is kept under a key, if its time is not over.
    pub(super) fn passing<T: serde::de::DeserializeOwned>(
        &self,
        collection: &'static str,
        key: &str,
    ) -> Result<Option<T>, AppError> {
        let record = self.store.record(collection, key)?;
        let current = record.filter(|record| record.at > self.now);
        Ok(current.map(|record| value(&record)).transpose()?)
    }
}

/// Checks a name for people.
pub(super) fn check_name(name: &str) -> Result<(), AppError> {
    /// The most bytes of a name.
    const NAME_BYTES: usize = 200;
    if name.trim().is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
        return Err(AppError::Invalid {
            field: "name".into(),
            message: format!("must be 1 to {NAME_BYTES} bytes of text on one line"),
        });
    }
    Ok(())
}
