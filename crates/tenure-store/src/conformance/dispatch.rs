//! The outbox.

use tenure_core::effect::MessageIntent;
use tenure_core::id::{MessageId, PersonId, SuppressionId};
use tenure_core::time::Timestamp;

use super::sample::{commit, message, sent};
use super::{Fresh, walk};
use crate::batch::MessageUpdate;
use crate::query::{RefusalFilter, instant_cursor};
use crate::row::{MessageState, Refusal, RefusalKind};
use crate::{Batch, Store};

fn decide(store: &dyn Store, messages: Vec<MessageIntent>) {
    let batch = Batch {
        messages,
        ..Batch::default()
    };
    commit(store, &batch);
}

fn update(store: &dyn Store, updates: Vec<MessageUpdate>) {
    let batch = Batch {
        dispatched: updates,
        ..Batch::default()
    };
    commit(store, &batch);
}

fn due(store: &dyn Store, now: i64, except: &[u128], limit: usize) -> Vec<u128> {
    let except: Vec<_> = except.iter().map(|id| MessageId(*id)).collect();
    let due = store
        .due_messages("email", Timestamp(now), &except, limit)
        .unwrap();
    assert!(due.iter().all(|row| row.state == MessageState::Pending));
    due.iter().map(|row| row.intent.id.0).collect()
}

fn pending_again(id: u128, at: i64, due_at: i64) -> MessageUpdate {
    MessageUpdate {
        state: MessageState::Pending,
        due_at: Some(Timestamp(due_at)),
        reason: Some("451 try later".into()),
        ..sent(id, at)
    }
}

pub fn a_message_decided_again_is_left_as_it_is(fresh: &mut dyn Fresh) {
    decide(fresh.store(), vec![message(1, 100), message(1, 100)]);
    update(fresh.store(), vec![sent(1, 110)]);
    let changed = MessageIntent {
        program: "other".into(),
        ..message(1, 100)
    };
    decide(fresh.store(), vec![changed, message(2, 100)]);
    fresh.reopen();
    let store = fresh.store();
    let found = store.message(MessageId(1)).unwrap().unwrap();
    assert_eq!(found.intent, message(1, 100));
    assert_eq!(found.state, MessageState::Sent);
    let new = store.message(MessageId(2)).unwrap().unwrap();
    assert_eq!(new.state, MessageState::Pending);
    assert_eq!((new.state_at, new.due_at), (Timestamp(100), Timestamp(100)));
    assert_eq!((new.attempt_count, new.reason), (0, None));
    assert_eq!(store.message(MessageId(3)).unwrap(), None);
}

pub fn due_messages_come_oldest_first_then_by_id(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let all = [(5, 300), (4, 100), (3, 100), (2, 200), (1, 401)];
    decide(
        store,
        all.iter().map(|(id, at)| message(*id, *at)).collect(),
    );
    assert_eq!(due(store, 400, &[], 10), [3, 4, 2, 5]);
    assert_eq!(due(store, 400, &[], 3), [3, 4, 2]);
    assert_eq!(due(store, 99, &[], 3), [0; 0]);
    // Only pending ones are due, at the time they have now.
    update(store, vec![sent(3, 400), pending_again(4, 400, 350)]);
    assert_eq!(due(store, 400, &[], 10), [2, 5, 4]);
}

pub fn each_channel_has_its_own_messages_due(fresh: &mut dyn Fresh) {
    let text = MessageIntent {
        channel: "sms".into(),
        ..message(2, 90)
    };
    decide(fresh.store(), vec![message(1, 100), text]);
    fresh.reopen();
    let store = fresh.store();
    let due = |channel| {
        store
            .due_messages(channel, Timestamp(100), &[], 10)
            .unwrap()
    };
    let ids = |channel| -> Vec<u128> { due(channel).iter().map(|row| row.intent.id.0).collect() };
    assert_eq!((ids("email"), ids("sms")), (vec![1], vec![2]));
    assert_eq!(ids("slack"), [0; 0]);
    let next = |channel| store.next_message_due(channel, Timestamp(0)).unwrap();
    assert_eq!(next("email"), Some(Timestamp(100)));
    assert_eq!(next("sms"), Some(Timestamp(90)));
}

pub fn the_address_an_attempt_went_to_is_remembered_by_its_key(fresh: &mut dyn Fresh) {
    decide(fresh.store(), vec![message(1, 100)]);
    let attempt = MessageUpdate {
        state: MessageState::Sending,
        sent_to: Some(u128::MAX - 7),
        ..sent(1, 110)
    };
    let forget = MessageUpdate {
        forget: true,
        ..sent(1, 120)
    };
    update(fresh.store(), vec![attempt, forget]);
    fresh.reopen();
    let found = fresh.store().message(MessageId(1)).unwrap().unwrap();
    assert_eq!(found.sent_to, Some(u128::MAX - 7));
    assert_eq!(&*found.intent.to, "");
}

pub fn messages_named_in_except_are_left_out(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    decide(store, (1..=6).map(|id| message(id, 100)).collect());
    assert_eq!(due(store, 100, &[1, 2, 4, 99], 2), [3, 5]);
    assert_eq!(due(store, 100, &[1, 2, 3, 4, 5, 6], 2), [0; 0]);
}

pub fn an_update_changes_what_it_names(fresh: &mut dyn Fresh) {
    // Decided and dispatched in one batch, the update finds its message.
    let batch = Batch {
        messages: vec![message(1, 100)],
        dispatched: vec![pending_again(1, 105, 160)],
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    let found = fresh.store().message(MessageId(1)).unwrap().unwrap();
    assert_eq!(found.state, MessageState::Pending);
    assert_eq!(
        (found.state_at, found.due_at),
        (Timestamp(105), Timestamp(160))
    );
    assert_eq!(found.reason.as_deref(), Some("451 try later"));
    let delivered = MessageUpdate {
        state: MessageState::Delivered,
        attempt_count: 2,
        ..sent(1, 170)
    };
    update(fresh.store(), vec![sent(1, 165), delivered]);
    fresh.reopen();
    let found = fresh.store().message(MessageId(1)).unwrap().unwrap();
    assert_eq!(found.state, MessageState::Delivered);
    assert_eq!(
        (found.state_at, found.due_at),
        (Timestamp(170), Timestamp(160))
    );
    assert_eq!((found.attempt_count, found.reason), (2, None));
    assert_eq!(found.intent, message(1, 100));
}

pub fn a_forgotten_message_has_no_address_and_no_data(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let intent = MessageIntent {
        data: r#"{"person":{"name":"Jo"}}"#.into(),
        ..message(1, 100)
    };
    decide(store, vec![intent.clone()]);
    let forget = MessageUpdate {
        forget: true,
        ..sent(1, 110)
    };
    update(store, vec![forget]);
    let found = store.message(MessageId(1)).unwrap().unwrap();
    let expected = MessageIntent {
        to: "".into(),
        data: "".into(),
        ..intent
    };
    assert_eq!(found.intent, expected);
    // It stays so when it changes again, or is decided again by a replay.
    decide(store, vec![message(1, 100)]);
    update(store, vec![sent(1, 120)]);
    let found = store.message(MessageId(1)).unwrap().unwrap();
    assert_eq!((&*found.intent.to, &*found.intent.data), ("", ""));
}

pub fn an_update_of_an_unknown_message_does_nothing(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    update(store, vec![sent(1, 100)]);
    assert_eq!(store.message(MessageId(1)).unwrap(), None);
    assert_eq!(store.message_counts().unwrap(), []);
}

pub fn the_next_due_time_is_that_of_a_pending_message(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    assert_eq!(store.next_message_due("email", Timestamp(0)).unwrap(), None);
    decide(
        store,
        vec![message(1, 100), message(2, 200), message(3, 300)],
    );
    update(store, vec![sent(2, 210)]);
    let next = |now| store.next_message_due("email", Timestamp(now)).unwrap();
    assert_eq!(next(0), Some(Timestamp(100)));
    assert_eq!(next(100), Some(Timestamp(300)));
    assert_eq!(next(300), None);
}

fn refusal(kind: RefusalKind, person: Option<u128>, at: i64, reason: &str) -> Refusal {
    Refusal {
        kind,
        person: person.map(PersonId),
        topic: (kind == RefusalKind::Topic).then(|| "news".into()),
        at: Timestamp(at),
        reason: reason.into(),
    }
}

fn suppress(store: &dyn Store, changes: Vec<(u128, Option<Refusal>)>) {
    let batch = Batch {
        suppressions: changes,
        ..Batch::default()
    };
    commit(store, &batch);
}

pub fn suppressions_are_set_and_lifted(fresh: &mut dyn Fresh) {
    let address = |reason| Some(refusal(RefusalKind::Address, None, 1, reason));
    suppress(
        fresh.store(),
        vec![
            (1, address("bounced")),
            (2, address("complained")),
            (3, address("x")),
        ],
    );
    suppress(
        fresh.store(),
        vec![(1, address("by hand")), (2, None), (4, None)],
    );
    fresh.reopen();
    let found = fresh.store().suppressions(&[4, 3, 2, 1]).unwrap();
    let expected = [None, Some("x"), None, Some("by hand")];
    assert_eq!(found, expected.map(|reason| reason.map(Into::into)));
}

pub fn refusals_are_paged_newest_first_and_filtered(fresh: &mut dyn Fresh) {
    let all = [
        (1, refusal(RefusalKind::Address, Some(7), 100, "bounced")),
        (2, refusal(RefusalKind::Topic, Some(7), 300, "unsubscribed")),
        (3, refusal(RefusalKind::Address, None, 300, "by hand")),
        (4, refusal(RefusalKind::Address, Some(8), 200, "bounced")),
    ];
    let changes = all.clone().map(|(key, refusal)| (key, Some(refusal)));
    suppress(fresh.store(), changes.to_vec());
    fresh.reopen();
    let store = fresh.store();
    let with = |filter: RefusalFilter| -> Vec<u128> {
        let rows = walk(
            |page| store.refusals(&filter, page).unwrap(),
            |(id, refusal)| instant_cursor(refusal.at, id),
        );
        for (id, refusal) in &rows {
            assert_eq!(store.refusal(*id).unwrap().as_ref(), Some(refusal));
        }
        rows.iter().map(|(id, _)| id.0).collect()
    };
    assert_eq!(with(RefusalFilter::default()), [3, 2, 4, 1]);
    let kind = Some(RefusalKind::Address);
    let person = Some(PersonId(7));
    let addresses = RefusalFilter { kind, person: None };
    assert_eq!(with(addresses), [3, 4, 1]);
    assert_eq!(with(RefusalFilter { kind: None, person }), [2, 1]);
    assert_eq!(with(RefusalFilter { kind, person }), [1]);
    assert_eq!(store.refusal(SuppressionId(9)).unwrap(), None);
}
