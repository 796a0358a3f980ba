//! Lists: order, pages, filters, counts.

use tenure_core::decision::{Decision, Outcome};
use tenure_core::define::Audience;
use tenure_core::effect::TaskIntent;
use tenure_core::effect::{EnrollmentChange, EnrollmentStatus, MembershipChange, MessageIntent};
use tenure_core::id::{DecisionId, MessageId, PersonId, SubjectId, TaskId};
use tenure_core::time::Timestamp;

use super::sample::{
    account, commit, commit_states, decision, enrollment, message, person, sent, state, task,
};
use super::{Fresh, walk};
use crate::batch::TaskUpdate;
use crate::query::{
    DecisionFilter, EnrollmentFilter, MAX_PAGE_ROWS, MessageFilter, TaskFilter, instant_cursor,
};
use crate::row::{DeadLetter, EnrollmentCount, Message, MessageState, Task};
use crate::{Batch, Page, Store, StoreError};

/// Rows with many equal times, in an order that is neither that of times nor of ids.
const PLACES: [(u128, i64); 9] = [
    (7, 100),
    (1 << 127, 100),
    (3, 200),
    (9, 200),
    (1, 200),
    (8, 50),
    (2, 300),
    (6, 200),
    (4, -10),
];
const NEWEST_FIRST: [u128; 9] = [2, 9, 6, 3, 1, 1 << 127, 7, 8, 4];

fn message_cursor(row: &Message) -> String {
    instant_cursor(row.intent.decided_at, row.intent.id)
}

fn ids_of(messages: &[Message]) -> Vec<u128> {
    messages.iter().map(|row| row.intent.id.0).collect()
}

fn messages(store: &dyn Store, filter: &MessageFilter) -> Vec<u128> {
    let found = walk(|page| store.messages(filter, page).unwrap(), message_cursor);
    ids_of(&found)
}

pub fn messages_are_paged_newest_first(fresh: &mut dyn Fresh) {
    let batch = Batch {
        messages: PLACES.map(|(id, at)| message(id, at)).to_vec(),
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    fresh.reopen();
    let found = messages(fresh.store(), &MessageFilter::default());
    assert_eq!(found, NEWEST_FIRST);
}

pub fn messages_are_filtered(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let of = |id, to: Option<u128>, subject, program: &str| MessageIntent {
        person: to.map(PersonId),
        subject,
        program: program.into(),
        ..message(id, 100)
    };
    let batch = Batch {
        messages: vec![
            of(1, Some(1), person(1), "a"),
            of(2, Some(1), account(1), "a"),
            of(3, Some(2), account(1), "b"),
            of(4, None, account(1), "b"),
        ],
        dispatched: vec![sent(2, 110), sent(4, 110)],
        ..Batch::default()
    };
    commit(store, &batch);
    let with = |change: &dyn Fn(&mut MessageFilter)| {
        let mut filter = MessageFilter::default();
        change(&mut filter);
        messages(store, &filter)
    };
    assert_eq!(with(&|filter| filter.person = Some(PersonId(1))), [2, 1]);
    assert_eq!(with(&|filter| filter.subject = Some(account(1))), [4, 3, 2]);
    assert_eq!(with(&|filter| filter.program = Some("b".into())), [4, 3]);
    assert_eq!(with(&|filter| filter.program = Some("c".into())), [0; 0]);
    let sent_ones = with(&|filter| filter.state = Some(MessageState::Sent));
    assert_eq!(sent_ones, [4, 2]);
    let pending = with(&|filter| filter.state = Some(MessageState::Pending));
    assert_eq!(pending, [3, 1]);
    let all = with(&|filter| {
        filter.state = Some(MessageState::Sent);
        filter.program = Some("a".into());
        filter.person = Some(PersonId(1));
        filter.subject = Some(account(1));
    });
    assert_eq!(all, [2]);
}

pub fn messages_are_counted_by_state(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let batch = Batch {
        messages: (1..=5).map(|id| message(id, 100)).collect(),
        dispatched: vec![sent(1, 110), sent(2, 110), sent(9, 110)],
        ..Batch::default()
    };
    commit(store, &batch);
    commit(store, &batch);
    assert_eq!(
        store.message_counts().unwrap(),
        [(MessageState::Pending, 3), (MessageState::Sent, 2)]
    );
    let batch = Batch {
        dispatched: (3..=5).map(|id| sent(id, 120)).collect(),
        ..Batch::default()
    };
    commit(store, &batch);
    assert_eq!(store.message_counts().unwrap(), [(MessageState::Sent, 5)]);
}

fn decisions(store: &dyn Store, filter: &DecisionFilter) -> Vec<u128> {
    let found = walk(
        |page| store.decisions(filter, page).unwrap(),
        |row| instant_cursor(row.at, row.id),
    );
    found.iter().map(|row| row.id.0).collect()
}

pub fn decisions_are_recorded_once_and_paged_newest_first(fresh: &mut dyn Fresh) {
    let batch = Batch {
        decisions: PLACES.map(|(id, at)| decision(id, at)).to_vec(),
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    let mut changed = batch;
    for decision in &mut changed.decisions {
        decision.reason = "told again".into();
    }
    commit(fresh.store(), &changed);
    fresh.reopen();
    let store = fresh.store();
    assert_eq!(decisions(store, &DecisionFilter::default()), NEWEST_FIRST);
    let first = Page {
        after: None,
        limit: 1,
    };
    let newest = store.decisions(&DecisionFilter::default(), &first).unwrap();
    assert_eq!(newest, [decision(2, 300)]);
}

pub fn decisions_are_filtered(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let of = |id, subject, program: &str, outcome| Decision {
        subject,
        program: program.into(),
        outcome,
        ..decision(id, 100)
    };
    let batch = Batch {
        decisions: vec![
            of(1, person(1), "a", Outcome::Sent),
            of(2, person(1), "b", Outcome::NoConsent),
            of(3, account(1), "b", Outcome::Sent),
        ],
        ..Batch::default()
    };
    commit(store, &batch);
    let with = |subject: Option<SubjectId>, program: Option<&str>, outcome: Option<&str>| {
        let filter = DecisionFilter {
            subject,
            program: program.map(Into::into),
            outcome: outcome.map(Into::into),
        };
        decisions(store, &filter)
    };
    assert_eq!(with(Some(person(1)), None, None), [2, 1]);
    assert_eq!(with(Some(account(1)), None, None), [3]);
    assert_eq!(with(None, Some("b"), None), [3, 2]);
    assert_eq!(with(None, None, Some("no_consent")), [2]);
    assert_eq!(with(Some(person(1)), Some("a"), Some("sent")), [1]);
    assert_eq!(with(Some(person(1)), Some("b"), Some("sent")), [0; 0]);
}

fn enroll(store: &dyn Store, enrollments: Vec<EnrollmentChange>) {
    let batch = Batch {
        enrollments,
        ..Batch::default()
    };
    commit(store, &batch);
}

fn enrollments(store: &dyn Store, filter: &EnrollmentFilter) -> Vec<EnrollmentChange> {
    walk(
        |page| store.enrollments(filter, page).unwrap(),
        |row| instant_cursor(row.entered_at, row.id),
    )
}

pub fn the_last_change_of_an_enrollment_counts(fresh: &mut dyn Fresh) {
    let done = EnrollmentChange {
        step: None,
        status: EnrollmentStatus::Completed,
        at: Timestamp(300),
        ..enrollment(1, 100)
    };
    let waiting = EnrollmentChange {
        step: Some("wait".into()),
        version: 2,
        key: Some("order-7".into()),
        ..enrollment(2, 100)
    };
    // Also when more than the place changes: the subject was merged into another.
    let merged = EnrollmentChange {
        subject: person(9),
        ..enrollment(3, 100)
    };
    enroll(
        fresh.store(),
        vec![enrollment(1, 100), done.clone(), enrollment(2, 100)],
    );
    enroll(fresh.store(), vec![enrollment(3, 100)]);
    enroll(fresh.store(), vec![waiting.clone(), merged.clone()]);
    fresh.reopen();
    let found = enrollments(fresh.store(), &EnrollmentFilter::default());
    assert_eq!(found, [merged, waiting, done]);
}

pub fn enrollments_are_paged_and_filtered(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    enroll(store, PLACES.map(|(id, at)| enrollment(id, at)).to_vec());
    let ids = |filter: &EnrollmentFilter| -> Vec<u128> {
        enrollments(store, filter)
            .iter()
            .map(|row| row.id.0)
            .collect()
    };
    assert_eq!(ids(&EnrollmentFilter::default()), NEWEST_FIRST);
    let ended = EnrollmentChange {
        step: None,
        status: EnrollmentStatus::Goal,
        held_out: true,
        ..enrollment(3, 200)
    };
    let elsewhere = EnrollmentChange {
        subject: person(5),
        program: "other".into(),
        step: Some("ask".into()),
        ..enrollment(20, 200)
    };
    enroll(store, vec![ended, elsewhere]);
    let with = |change: &dyn Fn(&mut EnrollmentFilter)| {
        let mut filter = EnrollmentFilter::default();
        change(&mut filter);
        ids(&filter)
    };
    assert_eq!(with(&|filter| filter.subject = Some(person(5))), [20]);
    assert_eq!(with(&|filter| filter.program = Some("other".into())), [20]);
    let goal = with(&|filter| filter.status = Some(EnrollmentStatus::Goal));
    assert_eq!(goal, [3]);
    assert_eq!(with(&|filter| filter.step = Some("ask".into())), [20]);
    assert_eq!(with(&|filter| filter.held_out = Some(true)), [3]);
    let treated = with(&|filter| {
        filter.program = Some("welcome".into());
        filter.held_out = Some(false);
    });
    assert_eq!(treated, [2, 9, 6, 1, 1 << 127, 7, 8, 4]);
    let active = with(&|filter| {
        filter.subject = Some(person(1));
        filter.program = Some("welcome".into());
        filter.status = Some(EnrollmentStatus::Active);
        filter.step = Some("hello".into());
    });
    assert_eq!(active, [2, 9, 6, 1, 1 << 127, 7, 8, 4]);
}

pub fn enrollments_are_counted_by_where_they_stand(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let count = |version, status, step: Option<&str>, count| EnrollmentCount {
        program: "welcome".into(),
        version,
        status,
        step: step.map(Into::into),
        count,
    };
    enroll(store, (1..=4).map(|id| enrollment(id, 100)).collect());
    let waits = |id| EnrollmentChange {
        step: Some("wait".into()),
        ..enrollment(id, 100)
    };
    let ended = EnrollmentChange {
        step: None,
        status: EnrollmentStatus::Exited,
        ..enrollment(4, 100)
    };
    let newer = EnrollmentChange {
        version: 2,
        ..enrollment(3, 100)
    };
    enroll(store, vec![waits(1), waits(2), ended, newer.clone()]);
    enroll(store, vec![newer]);
    assert_eq!(
        store.enrollment_counts().unwrap(),
        [
            count(1, EnrollmentStatus::Active, Some("wait"), 2),
            count(1, EnrollmentStatus::Exited, None, 1),
            count(2, EnrollmentStatus::Active, Some("hello"), 1),
        ]
    );
}

fn tasks(store: &dyn Store, filter: &TaskFilter) -> Vec<Task> {
    walk(
        |page| store.tasks(filter, page).unwrap(),
        |row| instant_cursor(row.intent.created_at, row.intent.id),
    )
}

fn complete(id: u128, at: Option<i64>) -> TaskUpdate {
    TaskUpdate {
        id: TaskId(id),
        completed_at: at.map(Timestamp),
        outcome: at.map(|_| "they stay".into()),
    }
}

pub fn tasks_are_created_once_completed_and_reopened(fresh: &mut dyn Fresh) {
    let create = |updates: Vec<TaskUpdate>| Batch {
        tasks: vec![task(1, 100), task(2, 100)],
        task_updates: updates,
        ..Batch::default()
    };
    commit(
        fresh.store(),
        &create(vec![complete(1, Some(200)), complete(2, Some(200))]),
    );
    commit(
        fresh.store(),
        &create(vec![complete(2, None), complete(3, Some(1))]),
    );
    fresh.reopen();
    let open = Task {
        intent: task(2, 100),
        completed_at: None,
        outcome: None,
    };
    let done = Task {
        intent: task(1, 100),
        completed_at: Some(Timestamp(200)),
        outcome: Some("they stay".into()),
    };
    let found = tasks(fresh.store(), &TaskFilter::default());
    assert_eq!(found, [open, done]);
}

pub fn tasks_are_paged_and_filtered(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let other = TaskIntent {
        owner: None,
        subject: person(5),
        ..task(20, 400)
    };
    let mut all = PLACES.map(|(id, at)| task(id, at)).to_vec();
    all.push(other);
    let batch = Batch {
        tasks: all,
        task_updates: vec![complete(2, Some(500)), complete(20, Some(500))],
        ..Batch::default()
    };
    commit(store, &batch);
    let with = |change: &dyn Fn(&mut TaskFilter)| -> Vec<u128> {
        let mut filter = TaskFilter::default();
        change(&mut filter);
        tasks(store, &filter)
            .iter()
            .map(|row| row.intent.id.0)
            .collect()
    };
    let sams = with(&|filter| filter.owner = Some("sam".into()));
    assert_eq!(sams, NEWEST_FIRST);
    assert_eq!(with(&|filter| filter.subject = Some(person(5))), [20]);
    assert_eq!(with(&|filter| filter.open = Some(false)), [20, 2]);
    assert_eq!(with(&|filter| filter.open = Some(true)), NEWEST_FIRST[1..]);
    let people = with(&|filter| filter.audience = Some(Audience::Person));
    assert_eq!(people, [20]);
    let accounts = with(&|filter| filter.audience = Some(Audience::Account));
    assert_eq!(accounts, NEWEST_FIRST);
    let both = with(&|filter| {
        filter.owner = Some("sam".into());
        filter.open = Some(false);
    });
    assert_eq!(both, [2]);
}

fn change(segment: &str, subject: SubjectId, entered: bool, at: i64) -> MembershipChange {
    MembershipChange {
        segment: segment.into(),
        subject,
        entered,
        at: Timestamp(at),
    }
}

fn change_members(store: &dyn Store, memberships: Vec<MembershipChange>) {
    let batch = Batch {
        memberships,
        ..Batch::default()
    };
    commit(store, &batch);
}

fn members(store: &dyn Store, segment: &str) -> Vec<(SubjectId, i64)> {
    let found = walk(
        |page| store.members(segment, page).unwrap(),
        |row| row.subject.to_string(),
    );
    let found = found.into_iter();
    found.map(|row| (row.subject, row.since.0)).collect()
}

pub fn the_last_change_of_a_membership_counts(fresh: &mut dyn Fresh) {
    change_members(
        fresh.store(),
        vec![
            change("big", person(1), true, 100),
            change("big", person(1), false, 110),
            change("big", person(2), true, 100),
            change("big", person(3), false, 100),
            change("big", person(4), true, 100),
            change("small", person(1), true, 100),
            change("gone", person(1), true, 100),
        ],
    );
    change_members(
        fresh.store(),
        vec![
            change("big", person(4), false, 120),
            change("big", person(4), true, 130),
            change("gone", person(1), false, 130),
        ],
    );
    // Told again by a replay.
    change_members(fresh.store(), vec![change("big", person(2), true, 100)]);
    fresh.reopen();
    let store = fresh.store();
    assert_eq!(members(store, "big"), [(person(2), 100), (person(4), 130)]);
    assert_eq!(members(store, "gone"), []);
    assert_eq!(
        store.member_counts().unwrap(),
        [("big".into(), 2), ("small".into(), 1)]
    );
}

pub fn members_are_paged_in_id_order(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let subjects = [
        person(9),
        account(5),
        person(2),
        account(1 << 120),
        person(7),
    ];
    let changes = subjects.map(|subject| change("big", subject, true, 100));
    change_members(store, changes.to_vec());
    let mut sorted = subjects.map(|subject| (subject, 100));
    sorted.sort_unstable();
    assert_eq!(members(store, "big"), sorted);
}

pub fn subjects_are_paged_by_kind_and_counted(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    assert_eq!(store.subject_counts().unwrap(), (0, 0));
    let people = [3, 1 << 127, 9, 1, 4].map(person);
    let accounts = [2, 8, 1 << 127].map(account);
    let all = people.iter().chain(&accounts);
    commit_states(
        store,
        all.map(|subject| state(*subject, account(2), None))
            .collect(),
    );
    let found = |audience| -> Vec<SubjectId> {
        let rows = walk(
            |page| store.subjects(audience, page).unwrap(),
            |row| row.subject.to_string(),
        );
        rows.iter().map(|row| row.subject).collect()
    };
    assert_eq!(found(Audience::Person), [1, 3, 4, 9, 1 << 127].map(person));
    assert_eq!(found(Audience::Account), accounts);
    assert_eq!(store.subject_counts().unwrap(), (3, 5));
}

pub fn dead_letters_are_numbered_paged_and_removed(fresh: &mut dyn Fresh) {
    let letter = |position, at| DeadLetter {
        id: 0,
        position,
        at: Timestamp(at),
        reason: "cannot be decoded".into(),
    };
    let batch = Batch {
        dead_letters: vec![
            letter(5, 200),
            letter(6, 100),
            letter(7, 200),
            letter(8, 300),
        ],
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    let list = |store: &dyn Store| {
        walk(
            |page| store.dead_letters(page).unwrap(),
            |row| instant_cursor(row.at, row.id),
        )
    };
    let found = list(fresh.store());
    let positions: Vec<_> = found.iter().map(|row| row.position).collect();
    assert_eq!(positions, [8, 7, 5, 6]);
    assert_eq!(&*found[0].reason, "cannot be decoded");
    let newest = found[0].id;
    let batch = Batch {
        dead_letters_removed: vec![newest, found[3].id, 999],
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    fresh.reopen();
    assert_eq!(list(fresh.store()), found[1..3]);
    // A number is never given twice: an operator may still hold the old one.
    let batch = Batch {
        dead_letters: vec![letter(9, 400)],
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    assert!(list(fresh.store())[0].id > newest);
}

pub fn a_page_goes_on_where_it_was_though_rows_were_added(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let decide = |places: &[(u128, i64)]| {
        let batch = Batch {
            messages: places.iter().map(|(id, at)| message(*id, *at)).collect(),
            ..Batch::default()
        };
        commit(store, &batch);
    };
    decide(&[(2, 100), (4, 100), (6, 100), (8, 100)]);
    let page = |after: Option<String>| {
        let page = Page { after, limit: 2 };
        store.messages(&MessageFilter::default(), &page).unwrap()
    };
    let first = page(None);
    assert_eq!(ids_of(&first), [8, 6]);
    decide(&[(9, 200), (7, 100), (5, 100)]);
    let after = Some(message_cursor(&first[1]));
    assert_eq!(ids_of(&page(after)), [5, 4]);
    // A cursor is a place: it need not be that of a row that is there.
    let after = instant_cursor(Timestamp(100), MessageId(3));
    assert_eq!(ids_of(&page(Some(after))), [2]);
}

pub fn a_cursor_of_another_list_is_refused(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let page = |after: String| Page {
        after: Some(after),
        limit: 10,
    };
    let is_refused = |answer: Result<usize, StoreError>| {
        assert!(matches!(answer, Err(StoreError::BadCursor(_))));
    };
    let messages = |after: &str| {
        let rows = store.messages(&MessageFilter::default(), &page(after.into()));
        rows.map(|rows| rows.len())
    };
    for wrong in ["", "x", "5", "5:", ":", "5:per_1", "five:msg_0"] {
        is_refused(messages(wrong));
    }
    is_refused(messages(&instant_cursor(Timestamp(1), DecisionId(1))));
    let members = store.members("big", &page(MessageId(1).to_string()));
    is_refused(members.map(|rows| rows.len()));
    let letters = store.dead_letters(&page(instant_cursor(Timestamp(1), MessageId(1))));
    is_refused(letters.map(|rows| rows.len()));
}

pub fn a_page_is_never_longer_than_the_most_rows(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let row_count = MAX_PAGE_ROWS as u128 + 5;
    change_members(
        store,
        (0..row_count)
            .map(|id| change("big", person(id), true, 100))
            .collect(),
    );
    let page = |limit| {
        let page = Page { after: None, limit };
        store.members("big", &page).unwrap().len()
    };
    assert_eq!(page(usize::MAX), MAX_PAGE_ROWS);
    assert_eq!(page(0), 0);
}
