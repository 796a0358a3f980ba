//! Records of the shell, and decisions in the order of their commits.

use tenure_core::decision::Decision;
use tenure_core::id::PersonId;
use tenure_core::time::Timestamp;

use super::sample::{account, commit, decision, person};
use super::{Fresh, walk};
use crate::batch::Erased;
use crate::query::{DecisionFilter, RecordFilter, instant_cursor};
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

/// Decisions of twelve subjects by three programs, with instants in no order and of few values.
fn scattered(from: u64, until: u64) -> Vec<Decision> {
    let decisions = (from..until).map(|number| {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        Decision {
            subject: match mixed % 12 {
                other @ 0..=2 => account(other.into()),
                other => person(other.into()),
            },
            program: ["a", "b", "c"][(mixed / 12 % 3) as usize].into(),
            ..decision(u128::from(mixed) << 8, (mixed / 36 % 50) as i64)
        }
    });
    decisions.collect()
}

fn commit_decisions(store: &dyn Store, decisions: Vec<Decision>) {
    let batch = Batch {
        decisions,
        ..Batch::default()
    };
    commit(store, &batch);
}

fn listed(store: &dyn Store, filter: &DecisionFilter) -> Vec<Decision> {
    walk(
        |page| store.decisions(filter, page).unwrap(),
        |row| instant_cursor(row.at, row.id),
    )
}

fn assert_listed(store: &dyn Store, mut all: Vec<Decision>) {
    all.sort_by_key(|row| std::cmp::Reverse((row.at, row.id)));
    all.dedup_by_key(|row| (row.at, row.id));
    let subjects = [None, Some(person(5)), Some(person(0)), Some(account(1))];
    for subject in subjects {
        for program in [None, Some("a"), Some("c"), Some("none")] {
            let filter = DecisionFilter {
                subject,
                program: program.map(Into::into),
                outcome: None,
            };
            let wanted = all.iter().filter(|row| filter.admits(row));
            let wanted: Vec<Decision> = wanted.cloned().collect();
            assert_eq!(listed(store, &filter), wanted);
        }
    }
    assert_eq!(store.check().unwrap(), [""; 0]);
}

pub fn decisions_are_found_whatever_the_order_of_their_instants(fresh: &mut dyn Fresh) {
    // Commits of many sizes, of which some tell again what was told.
    for (from, until) in [(0, 150), (150, 151), (140, 160), (160, 300), (0, 301)] {
        commit_decisions(fresh.store(), scattered(from, until));
        assert_listed(fresh.store(), scattered(0, until));
    }
    fresh.reopen();
    assert_listed(fresh.store(), scattered(0, 301));
    commit_decisions(fresh.store(), scattered(300, 350));
    assert_listed(fresh.store(), scattered(0, 350));
}

pub fn decisions_about_the_erased_stay_without_the_person(fresh: &mut dyn Fresh) {
    let until = Timestamp(30);
    let redacted = |decisions: Vec<Decision>| -> Vec<Decision> {
        let left = decisions.into_iter().map(|decision| {
            let is_erased = decision.subject == person(5) && decision.at <= until;
            if is_erased {
                decision.redacted()
            } else {
                decision
            }
        });
        left.collect()
    };
    commit_decisions(fresh.store(), scattered(0, 200));
    let before = fresh.store().decisions_from(0, 1_000).unwrap();
    let batch = Batch {
        decisions: scattered(180, 250),
        erased: vec![Erased {
            person: PersonId(5),
            until,
            until_position: 0,
        }],
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    assert_listed(fresh.store(), redacted(scattered(0, 250)));
    fresh.reopen();
    let store = fresh.store();
    assert_listed(store, redacted(scattered(0, 250)));
    let after = store.decisions_from(0, before.len()).unwrap();
    let places = |all: &[(u64, Decision)]| -> Vec<_> {
        let places = all.iter().map(|(number, row)| (*number, row.at, row.id));
        places.collect()
    };
    assert_eq!(places(&after), places(&before), "numbers and places stay");
    commit_decisions(store, scattered(250, 300));
    let late = scattered(250, 300);
    assert_listed(store, [redacted(scattered(0, 250)), late].concat());
}
