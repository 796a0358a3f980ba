//! States, timelines and plans.

use std::collections::BTreeMap;

use tenure_core::id::{RootId, SubjectId};
use tenure_core::log::Position;
use tenure_core::time::Timestamp;

use super::Fresh;
use super::sample::{account, commit, commit_checkpoint, commit_states, person, state};
use crate::batch::Checkpoint;
use crate::{Batch, Store, row};

pub fn progress_and_settings_survive_reopening(fresh: &mut dyn Fresh) {
    assert_eq!(fresh.store().progress().unwrap(), row::Progress::default());
    let mark = |position, at| row::Mark {
        position,
        at: Timestamp(at),
    };
    let batch = Batch {
        settings: vec![("a".into(), vec![1]), ("b".into(), Vec::new())],
        applied: Some(mark(9, 900)),
        checkpoint: Some(Checkpoint {
            mark: mark(5, 500),
            ..Checkpoint::default()
        }),
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    let batch = Batch {
        settings: vec![("a".into(), vec![2])],
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    fresh.reopen();
    let progress = fresh.store().progress().unwrap();
    assert_eq!(progress.applied, mark(9, 900));
    assert_eq!(progress.checkpoint, mark(5, 500));
    assert_eq!(fresh.store().setting("a").unwrap(), Some(vec![2]));
    assert_eq!(fresh.store().setting("b").unwrap(), Some(Vec::new()));
    assert_eq!(fresh.store().setting("c").unwrap(), None);
}

fn states_of(store: &dyn Store, roots: &[SubjectId]) -> Vec<row::State> {
    let roots: Vec<_> = roots.iter().map(|root| RootId(*root)).collect();
    store.states(&roots).unwrap()
}

pub fn states_are_found_by_root_and_by_subject(fresh: &mut dyn Fresh) {
    let company = state(account(1), account(1), None);
    let member = state(person(9), account(1), Some(50));
    let alone = state(person(2), person(2), None);
    let states = vec![alone.clone(), member.clone(), company.clone()];
    commit_states(fresh.store(), states);
    fresh.reopen();
    let store = fresh.store();
    assert_eq!(
        states_of(store, &[account(1)]),
        [company.clone(), member.clone()]
    );
    // However often and in whatever order roots are named.
    assert_eq!(
        states_of(store, &[person(2), account(1), person(2), person(3)]),
        [company, member.clone(), alone]
    );
    assert_eq!(states_of(store, &[]), []);
    assert_eq!(store.state(person(9)).unwrap(), Some(member));
    assert_eq!(store.state(person(3)).unwrap(), None);
}

pub fn a_state_under_a_new_root_replaces_the_old_one(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    commit_states(store, vec![state(person(1), person(1), Some(10))]);
    let moved = row::State {
        bytes: vec![5; 2_000],
        ..state(person(1), account(1), Some(20))
    };
    commit_states(store, vec![moved.clone()]);
    assert_eq!(states_of(store, &[person(1)]), []);
    assert_eq!(states_of(store, &[account(1)]), [moved]);
    assert_eq!(
        store.waking(Timestamp(100), 10).unwrap(),
        [(Timestamp(20), RootId(account(1)))]
    );
    assert_eq!(store.roots(0, 10).unwrap(), [RootId(account(1))]);
    assert_eq!(store.subject_counts().unwrap(), (0, 1));
}

pub fn removed_subjects_are_gone(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let kept = state(person(2), account(1), None);
    commit_states(
        store,
        vec![state(person(1), account(1), Some(10)), kept.clone()],
    );
    let checkpoint = Checkpoint {
        removed: vec![person(1), person(3)],
        ..Checkpoint::default()
    };
    commit_checkpoint(store, checkpoint);
    assert_eq!(store.state(person(1)).unwrap(), None);
    assert_eq!(states_of(store, &[account(1)]), [kept]);
    assert_eq!(store.waking(Timestamp(100), 10).unwrap(), []);
    assert_eq!(store.subject_counts().unwrap(), (0, 1));
}

pub fn roots_wake_in_order_of_their_earliest_subject(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    commit_states(
        store,
        vec![
            state(person(1), account(1), Some(30)),
            state(person(2), account(1), Some(10)),
            state(person(3), person(3), Some(20)),
            state(person(4), person(4), Some(20)),
            state(person(5), person(5), None),
            state(person(6), person(6), Some(41)),
            state(person(7), person(7), Some(-5)),
        ],
    );
    let expected = [
        (-5, person(7)),
        (10, account(1)),
        (20, person(3)),
        (20, person(4)),
    ];
    let expected = expected.map(|(at, root)| (Timestamp(at), RootId(root)));
    assert_eq!(store.waking(Timestamp(40), 10).unwrap(), expected);
    assert_eq!(store.waking(Timestamp(40), 3).unwrap(), expected[..3]);
    assert_eq!(store.waking(Timestamp(-6), 3).unwrap(), []);
    // A state that is written again with another or no wake-up leaves its old one behind.
    commit_states(
        store,
        vec![
            state(person(2), account(1), Some(40)),
            state(person(3), person(3), None),
        ],
    );
    let expected = [(-5, person(7)), (20, person(4)), (30, account(1))];
    let expected = expected.map(|(at, root)| (Timestamp(at), RootId(root)));
    assert_eq!(store.waking(Timestamp(40), 10).unwrap(), expected);
}

pub fn roots_are_listed_by_their_bits(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let big = u128::MAX - 1;
    commit_states(
        store,
        vec![
            state(person(5), account(7), None),
            state(person(6), account(7), None),
            state(person(3), person(3), None),
            state(account(1 << 100), account(1 << 100), None),
            state(person(big), person(big), None),
        ],
    );
    let all = [person(3), account(7), account(1 << 100), person(big)].map(RootId);
    assert_eq!(store.roots(0, 10).unwrap(), all);
    assert_eq!(store.roots(3, 10).unwrap(), all);
    assert_eq!(store.roots(4, 2).unwrap(), all[1..3]);
    assert_eq!(store.roots(big, 10).unwrap(), all[3..]);
    assert_eq!(store.roots(u128::MAX, 10).unwrap(), []);
}

/// A small generator (Knuth's MMIX), so that adapters get the same sequence.
fn next(seed: &mut u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

fn expect_timeline(store: &dyn Store, subject: SubjectId, ascending: &[Position]) {
    let newest: Vec<_> = ascending.iter().rev().copied().collect();
    let whole = store.timeline(subject, None, usize::MAX).unwrap();
    assert_eq!(whole, newest, "timeline of {subject}");
    let mut paged = Vec::new();
    loop {
        let before = paged.last().copied();
        let page = store.timeline(subject, before, 7).unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, newest, "pages of the timeline of {subject}");
}

pub fn timelines_are_complete_over_checkpoints(fresh: &mut dyn Fresh) {
    let mut expected: BTreeMap<u128, Vec<Position>> = BTreeMap::new();
    let (mut seed, mut position) = (1, 0);
    for round in 0..60 {
        let mut timelines: BTreeMap<u128, Vec<Position>> = BTreeMap::new();
        for _ in 0..next(&mut seed) % 40 {
            position += 1 + next(&mut seed) % 300;
            let subject = u128::from(next(&mut seed) % 5);
            timelines.entry(subject).or_default().push(position);
            expected.entry(subject).or_default().push(position);
        }
        // Some subjects have a state that is written, some one that is not, some none.
        let states = (0..3).filter(|subject| (round + subject) % 3 == 0);
        let checkpoint = Checkpoint {
            states: states
                .map(|subject| state(person(subject), person(subject), None))
                .collect(),
            timelines: timelines
                .into_iter()
                .map(|(subject, positions)| (person(subject), positions))
                .collect(),
            ..Checkpoint::default()
        };
        commit_checkpoint(fresh.store(), checkpoint);
        if round == 30 {
            fresh.reopen();
        }
    }
    for (subject, positions) in &expected {
        assert!(positions.len() > 150, "the test has long timelines");
        expect_timeline(fresh.store(), person(*subject), positions);
    }
    expect_timeline(fresh.store(), person(99), &[]);
}

pub fn a_joined_timeline_has_the_positions_of_both_in_order(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let odd: Vec<Position> = (0..200).map(|number| number * 2 + 1).collect();
    let even: Vec<Position> = (1..150).map(|number| number * 2).collect();
    let checkpoint = Checkpoint {
        states: vec![
            state(person(1), person(1), None),
            state(person(2), person(2), None),
        ],
        timelines: vec![(person(1), odd.clone()), (person(2), even.clone())],
        ..Checkpoint::default()
    };
    commit_checkpoint(store, checkpoint);
    // The merge's own entry is about both; it is in the joined timeline once.
    let checkpoint = Checkpoint {
        removed: vec![person(1)],
        timelines: vec![(person(1), vec![500]), (person(2), vec![499, 500])],
        timelines_joined: vec![(person(1), person(2))],
        ..Checkpoint::default()
    };
    commit_checkpoint(store, checkpoint);
    let mut both = [odd, even, vec![499, 500]].concat();
    both.sort_unstable();
    expect_timeline(store, person(1), &[]);
    expect_timeline(store, person(2), &both);
    // It goes on, and may be joined again in a chain.
    let checkpoint = Checkpoint {
        timelines: vec![(person(2), vec![600])],
        timelines_joined: vec![(person(2), person(3)), (person(3), person(4))],
        ..Checkpoint::default()
    };
    commit_checkpoint(store, checkpoint);
    both.push(600);
    expect_timeline(store, person(2), &[]);
    expect_timeline(store, person(3), &[]);
    expect_timeline(store, person(4), &both);
}

pub fn a_timeline_outlives_its_state(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let with_state = |positions: &[Position]| Checkpoint {
        states: vec![state(person(1), person(1), None)],
        timelines: vec![(person(1), positions.to_vec())],
        ..Checkpoint::default()
    };
    commit_checkpoint(store, with_state(&[1, 2]));
    let checkpoint = Checkpoint {
        removed: vec![person(1)],
        timelines: vec![(person(1), vec![3])],
        ..Checkpoint::default()
    };
    commit_checkpoint(store, checkpoint);
    expect_timeline(store, person(1), &[1, 2, 3]);
    commit_checkpoint(store, with_state(&[4, 5]));
    expect_timeline(store, person(1), &[1, 2, 3, 4, 5]);
}

pub fn plans_are_kept_as_first_published(fresh: &mut dyn Fresh) {
    let plan = |version, author: &str| row::PlanRow {
        version,
        published_at: Timestamp(i64::from(version)),
        author: author.into(),
        sources: vec![1, 2, 3],
    };
    for plan in [plan(1, "ada"), plan(2, "bob"), plan(1, "eve")] {
        let batch = Batch {
            plan: Some(plan),
            ..Batch::default()
        };
        commit(fresh.store(), &batch);
    }
    fresh.reopen();
    let plans = fresh.store().plans().unwrap();
    assert_eq!(plans, [plan(1, "ada"), plan(2, "bob")]);
}
