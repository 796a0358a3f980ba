//! The threads of a channel: one looks for what is due, the others send.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tenure_core::id::MessageId;
use tenure_core::time::Timestamp;
use tenure_store::row::Message;

use super::{Dispatcher, Passage};
use crate::error::AppError;
use crate::telemetry;

/// How many messages are looked up at once.
const LOOK_UP: usize = 256;
/// How long it rests at most when nothing is due, in milliseconds.
const REST_MS: i64 = 30_000;
/// How long it rests after a failure of the store, in milliseconds.
const AFTER_FAILURE_MS: i64 = 500;

/// A channel with its own threads.
struct Lane {
    dispatcher: Arc<Dispatcher>,
    channel: &'static str,
    /// Messages some thread has in hand.
    in_hand: Mutex<HashSet<MessageId>>,
}

/// Starts one thread that feeds and `threads` that send.
pub(super) fn start(
    dispatcher: &Arc<Dispatcher>,
    channel: &'static str,
    threads: usize,
) -> Result<Vec<JoinHandle<()>>, AppError> {
    let lane = Arc::new(Lane {
        dispatcher: Arc::clone(dispatcher),
        channel,
        in_hand: Mutex::default(),
    });
    let (sender, receiver) = sync_channel::<Message>(threads);
    let receiver = Arc::new(Mutex::new(receiver));
    let mut handles = Vec::with_capacity(threads + 1);
    for number in 0..threads {
        let (lane, receiver) = (Arc::clone(&lane), Arc::clone(&receiver));
        let name = format!("send-{channel}-{number}");
        handles.push(spawn(name, move || send(&lane, &receiver))?);
    }
    let name = format!("due-{channel}");
    handles.push(spawn(name, move || feed(&lane, &sender))?);
    Ok(handles)
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, AppError> {
    std::thread::Builder::new()
        .name(name)
        .spawn(run)
        .map_err(|error| AppError::Conflict(format!("no thread to send with: {error}")))
}

fn send(lane: &Lane, queue: &Mutex<Receiver<Message>>) {
    let dispatcher = &lane.dispatcher;
    loop {
        let Ok(message) = queue.lock().recv() else {
            return;
        };
        if !dispatcher.stopping()
            && let Err(error) = dispatcher.carry(&message)
        {
            telemetry::dispatch_failed(&error);
        }
        lane.in_hand.lock().remove(&message.intent.id);
        dispatcher.live.outbox_grew();
    }
}

fn feed(lane: &Lane, queue: &SyncSender<Message>) {
    let dispatcher = &lane.dispatcher;
    let mut seen = 0;
    while !dispatcher.stopping() {
        let rest_ms = match feed_once(lane, queue) {
            Ok(rest_ms) => rest_ms,
            Err(error) => {
                telemetry::dispatch_failed(&error);
                AFTER_FAILURE_MS
            }
        };
        if rest_ms > 0 {
            seen = dispatcher
                .live
                .wait_for_outbox(seen, Duration::from_millis(rest_ms as u64));
        }
    }
}

/// Hands out what is due; answers for how long there is nothing to do, in milliseconds.
fn feed_once(lane: &Lane, queue: &SyncSender<Message>) -> Result<i64, AppError> {
    let dispatcher = &lane.dispatcher;
    let now = dispatcher.clock.now();
    let passage = dispatcher.passage(lane.channel, now);
    let in_hand: Vec<MessageId> = lane.in_hand.lock().iter().copied().collect();
    let limit = match passage {
        Passage::Open => LOOK_UP,
        // What is under way will tell; until then no further attempt.
        Passage::Probe if in_hand.is_empty() => 1,
        Passage::Probe => return Ok(REST_MS),
        Passage::Shut(until) => return Ok(until.since_ms(now).max(1)),
    };
    let due = dispatcher
        .store
        .due_messages(lane.channel, now, &in_hand, limit)?;
    if due.is_empty() {
        let next = dispatcher.store.next_message_due(lane.channel, now)?;
        return Ok(rest_until(next, now));
    }
    for message in due {
        lane.in_hand.lock().insert(message.intent.id);
        if queue.send(message).is_err() {
            return Ok(REST_MS);
        }
    }
    Ok(0)
}

fn rest_until(next: Option<Timestamp>, now: Timestamp) -> i64 {
    next.map_or(REST_MS, |at| at.since_ms(now).clamp(1, REST_MS))
}
