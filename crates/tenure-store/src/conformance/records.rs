//! Records of the shell, and decisions in the order of their commits.

use tenure_core::time::Timestamp;

use super::sample::{commit, decision};
use super::{Fresh, walk};
use crate::query::RecordFilter;
use crate::row::Record;
use crate::{Batch, Store};

fn record(collection: &str, key: &str, at: i64) -> Record {
    Record {
        collection: collection.into(),
        key: key.into(),
        at: Timestamp(at),
        bytes: format!("{collection} {key} {at}").into_bytes(),
    }
}

fn put(store: &dyn Store, records: Vec<Record>) {
    let batch = Batch {
        records,
        ..Batch::default()
    };
    commit(store, &batch);
}

fn keys(store: &dyn Store, prefix: &str, descending: bool) -> Vec<String> {
    let filter = RecordFilter {
        collection: "a".into(),
        prefix: prefix.into(),
        descending,
    };
    let found = walk(
        |page| store.records(&filter, page).unwrap(),
        |record| record.key.to_string(),
    );
    found.iter().map(|record| record.key.to_string()).collect()
}

pub fn a_record_is_replaced_taken_out_and_expired(fresh: &mut dyn Fresh) {
    put(
        fresh.store(),
        vec![record("a", "1", 10), record("a", "2", 20)],
    );
    put(
        fresh.store(),
        vec![record("a", "1", 30), record("b", "1", 5)],
    );
    fresh.reopen();
    let store = fresh.store();
    assert_eq!(store.record("a", "1").unwrap(), Some(record("a", "1", 30)));
    assert_eq!(store.record("a", "3").unwrap(), None);
    assert_eq!(store.record_count("a").unwrap(), 2);
    let batch = Batch {
        records_removed: vec![("a".into(), "1".into()), ("a".into(), "9".into())],
        records_expired: vec![("a".into(), Timestamp(20))],
        ..Batch::default()
    };
    commit(store, &batch);
    assert_eq!(keys(store, "", false), ["2"]);
    let batch = Batch {
        records_expired: vec![("a".into(), Timestamp(21))],
        ..Batch::default()
    };
    commit(store, &batch);
    assert_eq!(store.record_count("a").unwrap(), 0);
    assert_eq!(store.record("b", "1").unwrap(), Some(record("b", "1", 5)));
}

pub fn records_are_paged_by_key_in_both_directions(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let all = ["x/2", "x/1", "y/1", "x/3", "x", "w"];
    put(store, all.iter().map(|key| record("a", key, 1)).collect());
    put(store, vec![record("b", "x/9", 1)]);
    assert_eq!(keys(store, "x/", false), ["x/1", "x/2", "x/3"]);
    assert_eq!(keys(store, "x/", true), ["x/3", "x/2", "x/1"]);
    assert_eq!(
        keys(store, "", false),
        ["w", "x", "x/1", "x/2", "x/3", "y/1"]
    );
    assert_eq!(keys(store, "z", false), [""; 0]);
}

pub fn decisions_are_numbered_in_the_order_of_their_commits(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    assert_eq!(store.decision_end().unwrap(), 0);
    for decisions in [
        vec![decision(5, 300), decision(1, 100)],
        vec![],
        // A replay makes what is there, and a late one has an early time.
        vec![decision(1, 100), decision(2, 50), decision(5, 300)],
        vec![decision(9, 400)],
    ] {
        let batch = Batch {
            decisions,
            ..Batch::default()
        };
        commit(store, &batch);
    }
    fresh.reopen();
    let store = fresh.store();
    assert_eq!(store.decision_end().unwrap(), 4);
    let numbered = |after, limit| -> Vec<(u64, u128)> {
        let found = store.decisions_from(after, limit).unwrap();
        found
            .iter()
            .map(|(number, decision)| (*number, decision.id.0))
            .collect()
    };
    assert_eq!(numbered(0, 10), [(1, 5), (2, 1), (3, 2), (4, 9)]);
    assert_eq!(numbered(1, 2), [(2, 1), (3, 2)]);
    assert_eq!(numbered(4, 10), []);
}
