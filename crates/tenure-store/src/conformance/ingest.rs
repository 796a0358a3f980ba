//! Repeats and identities.

use tenure_core::id::{AccountId, EventId, PersonId};
use tenure_core::time::Timestamp;

use super::sample::{chunk, commit};
use super::{Fresh, walk};
use crate::{Batch, DEDUP_RETENTION_MS, Store, row};

fn append_ids(store: &dyn Store, at: i64, ids: &[u128]) {
    let batch = Batch {
        chunk: Some(chunk(store.log_end().unwrap() + 1, 1, at)),
        seen: ids.iter().map(|id| EventId(*id)).collect(),
        ..Batch::default()
    };
    commit(store, &batch);
}

fn seen(store: &dyn Store, ids: &[u128]) -> Vec<bool> {
    let ids: Vec<_> = ids.iter().map(|id| EventId(*id)).collect();
    store.seen(&ids).unwrap()
}

pub fn event_ids_are_recognised_after_their_commit_and_after_reopening(fresh: &mut dyn Fresh) {
    // Neighbours, and ids that agree in their upper or lower half: only the same id is a repeat.
    let ids = [1, 2, 5 << 64, 5 << 64 | 9, u128::MAX];
    let others = [0, 3, 4 << 64, 9, 6 << 64 | 9, u128::MAX - 1];
    assert_eq!(seen(fresh.store(), &ids), [false; 5]);
    append_ids(fresh.store(), 100, &ids[..3]);
    append_ids(fresh.store(), 101, &ids[2..]);
    for _ in 0..2 {
        assert_eq!(seen(fresh.store(), &ids), [true; 5]);
        assert_eq!(seen(fresh.store(), &others), [false; 6]);
        assert_eq!(
            seen(fresh.store(), &[1, 3, 1, 2]),
            [true, false, true, true]
        );
        fresh.reopen();
    }
    assert_eq!(seen(fresh.store(), &[]), [false; 0]);
}

pub fn event_ids_without_a_chunk_are_refused(fresh: &mut dyn Fresh) {
    let batch = Batch {
        seen: vec![EventId(1)],
        ..Batch::default()
    };
    assert!(fresh.store().commit(&batch).is_err());
    assert_eq!(seen(fresh.store(), &[1]), [false]);
}

pub fn event_ids_are_kept_for_the_whole_retention(fresh: &mut dyn Fresh) {
    let received_at = 1_000;
    append_ids(fresh.store(), received_at, &[1, 2]);
    append_ids(fresh.store(), received_at + 500, &[2]);
    let store = fresh.store();
    store
        .maintain(Timestamp(received_at + DEDUP_RETENTION_MS))
        .unwrap();
    assert_eq!(seen(store, &[1, 2]), [true, true]);
    // What is seen again counts from then on.
    store
        .maintain(Timestamp(received_at + 500 + DEDUP_RETENTION_MS))
        .unwrap();
    assert_eq!(seen(store, &[2]), [true]);
}

pub fn the_last_binding_of_an_identity_counts(fresh: &mut dyn Fresh) {
    let bind = |store: &dyn Store, bindings: &[(u128, u128)]| {
        let identities = bindings.iter().map(|(key, id)| (*key, PersonId(*id)));
        let batch = Batch {
            identities: identities.collect(),
            ..Batch::default()
        };
        commit(store, &batch);
    };
    bind(fresh.store(), &[(1, 10), (2, 20), (1, 11)]);
    bind(fresh.store(), &[(2, 22)]);
    fresh.reopen();
    let found = fresh.store().identities(&[2, 3, 1, 2]).unwrap();
    let expected = [Some(22), None, Some(11), Some(22)];
    assert_eq!(found, expected.map(|id| id.map(PersonId)));
}

fn in_account(account: u128) -> row::Person {
    row::Person {
        account: Some(AccountId(account)),
        merged_into: None,
    }
}

fn put_persons(store: &dyn Store, persons: &[(u128, row::Person)]) {
    let persons = persons.iter().map(|(id, person)| (PersonId(*id), *person));
    let batch = Batch {
        persons: persons.collect(),
        ..Batch::default()
    };
    commit(store, &batch);
}

pub fn persons_keep_their_last_account_and_merge(fresh: &mut dyn Fresh) {
    let merged = row::Person {
        account: None,
        merged_into: Some(PersonId(2)),
    };
    let alone = row::Person::default();
    put_persons(
        fresh.store(),
        &[(1, in_account(7)), (2, in_account(8)), (1, merged)],
    );
    put_persons(fresh.store(), &[(3, alone)]);
    fresh.reopen();
    let ids = [3, 1, 4, 2].map(PersonId);
    assert_eq!(
        fresh.store().persons(&ids).unwrap(),
        [Some(alone), Some(merged), None, Some(in_account(8))]
    );
}

pub fn people_of_an_account_are_those_that_are_there_now(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let all: Vec<_> = (1..=10).map(|id| (id, in_account(7))).collect();
    put_persons(store, &all);
    let merged = row::Person {
        account: Some(AccountId(7)),
        merged_into: Some(PersonId(1)),
    };
    put_persons(
        store,
        &[(4, in_account(8)), (6, merged), (11, in_account(7))],
    );
    let people = walk(
        |page| store.people_of(AccountId(7), page).unwrap(),
        PersonId::to_string,
    );
    assert_eq!(people, [1, 2, 3, 5, 7, 8, 9, 10, 11].map(PersonId));
}
