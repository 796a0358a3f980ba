//! Records: values kept as JSON in named collections of the store.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tenure_core::time::Timestamp;
use tenure_store::query::{MAX_PAGE_ROWS, RecordFilter};
use tenure_store::row::Record;
use tenure_store::{Page, Store, StoreError};

/// A record of a value.
pub(crate) fn record(collection: &str, key: &str, at: Timestamp, value: &impl Serialize) -> Record {
    Record {
        collection: collection.into(),
        key: key.into(),
        at,
        bytes: serde_json::to_vec(value).unwrap_or_default(),
    }
}

/// What a record holds.
pub(crate) fn value<T: DeserializeOwned>(record: &Record) -> Result<T, StoreError> {
    serde_json::from_slice(&record.bytes)
        .map_err(|error| StoreError::Damaged(format!("a record of {}: {error}", record.collection)))
}

/// Looks at every record of a collection whose key begins with `prefix`, in the order of the keys.
pub(crate) fn each(
    store: &dyn Store,
    collection: &str,
    prefix: &str,
    mut look: impl FnMut(&Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let filter = RecordFilter {
        collection: collection.into(),
        prefix: prefix.into(),
        descending: false,
    };
    let mut page = Page {
        after: None,
        limit: MAX_PAGE_ROWS,
    };
    loop {
        let records = store.records(&filter, &page)?;
        let Some(last) = records.last() else {
            return Ok(());
        };
        page.after = Some(last.key.to_string());
        records.iter().try_for_each(&mut look)?;
    }
}

/// What every such record holds.
pub(crate) fn all<T: DeserializeOwned>(
    store: &dyn Store,
    collection: &str,
    prefix: &str,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    each(store, collection, prefix, |record| {
        found.push(value(record)?);
        Ok(())
    })?;
    Ok(found)
}
