//! Topics: read as a page, as a long poll, or as a stream of server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use tenure_app::access::{Principal, Scope};
use tenure_app::topics::{MAX_RECORDS, Portion, Topic};
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use super::params::Params;
use super::{Answer, Rows, answer, ask};
use crate::ApiState;
use crate::problem::{Code, Problem};

/// Longest wait of a long poll, in seconds.
const MAX_WAIT_SECONDS: u64 = 30;
/// How often somebody who waits looks again.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a stream is silent at most.
const BEAT_EVERY: Duration = Duration::from_secs(15);
/// How many records one read of a stream gives.
const STREAM_RECORDS: usize = 100;

/// A topic.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TopicRow {
    name: String,
    about: String,
    /// Position of the last thing that could belong to it.
    end_position: u64,
}

/// A part of a topic.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TopicPart {
    /// CloudEvents 1.0, in order.
    #[schema(value_type = Vec<Object>)]
    data: Vec<Value>,
    /// Give it as `after` to go on. It grows also when nothing was found.
    next_position: u64,
    /// Where the topic ends now; when it equals `next_position`, this was all.
    end_position: u64,
}

impl From<Portion> for TopicPart {
    fn from(portion: Portion) -> Self {
        let records = portion.records.into_iter();
        Self {
            data: records.map(|record| record.event).collect(),
            next_position: portion.next,
            end_position: portion.end,
        }
    }
}

/// Every topic there is.
#[utoipa::path(get, path = "/topics", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<TopicRow>)))]
pub(super) async fn list(State(state): State<ApiState>, params: Params) -> Answer<Rows<TopicRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        let rows = Topic::ALL.map(|topic| {
            Ok(TopicRow {
                name: topic.as_str().to_owned(),
                about: topic.about().to_owned(),
                end_position: node.topics().end(topic.source())?,
            })
        });
        Ok(Rows {
            data: rows.into_iter().collect::<Result<_, Problem>>()?,
            next_cursor: None,
        })
    })
    .await
}

/// Where and how much to read.
#[derive(Debug, Clone)]
struct Reading {
    topic: Topic,
    after: u64,
    limit: usize,
    wait: Duration,
}

/// What happened, after a position. With `wait`, the answer comes when there is something, at the
/// latest after so many seconds. With `Accept: text/event-stream`, a stream of server-sent events
/// that goes on after `Last-Event-ID`.
#[utoipa::path(get, path = "/topics/{topic}", params(
    ("topic" = String, Path, description = "One of those that `GET /topics` lists"),
    ("after" = Option<String>, Query, description = "Position after which to begin: a number, or `latest`; 0 without"),
    ("limit" = Option<usize>, Query), ("wait" = Option<u64>, Query, description = "Seconds, at most 30")),
    responses((status = 200, body = TopicPart)))]
pub(super) async fn read(
    State(state): State<ApiState>,
    Extension(principal): Extension<Principal>,
    Path(topic): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    let topic: Topic = topic
        .parse()
        .map_err(|_| Problem::not_found("topic", &topic))?;
    let is_of_messages = matches!(topic, Topic::Decisions | Topic::Messages);
    if is_of_messages && !principal.may(Scope::MessagesRead) {
        return Err(Problem::missing_scope(Scope::MessagesRead));
    }
    let params = params.only(&["after", "limit", "wait"])?;
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let after = match last
        .map(str::to_owned)
        .or_else(|| params.text("after"))
        .as_deref()
    {
        None => 0,
        Some("latest") => ask(&state, move |node| Ok(node.topics().end(topic.source())?)).await?,
        Some(text) => text
            .parse()
            .map_err(|_| Problem::invalid("after", "must be a position or `latest`"))?,
    };
    let reading = Reading {
        topic,
        after,
        limit: params.page()?.limit.min(MAX_RECORDS),
        wait: wait_of(&params)?,
    };
    let wants_stream = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"));
    if wants_stream {
        return stream(state, reading);
    }
    let portion = poll(&state, reading).await?;
    Ok(axum::Json(TopicPart::from(portion)).into_response())
}

fn wait_of(params: &Params) -> Result<Duration, Problem> {
    let seconds = params.parsed::<u64>("wait")?.unwrap_or(0);
    if seconds > MAX_WAIT_SECONDS {
        let reason = format!("must be at most {MAX_WAIT_SECONDS} seconds");
        return Err(Problem::invalid("wait", reason));
    }
    Ok(Duration::from_secs(seconds))
}

/// Reads until there is something, or the time is over.
async fn poll(state: &ApiState, mut reading: Reading) -> Result<Portion, Problem> {
    let deadline = Instant::now() + reading.wait;
    loop {
        let asked = reading.clone();
        let portion = ask(state, move |node| {
            let source = asked.topic.source();
            let topics = node.topics();
            Ok(topics.read(source, &[asked.topic], asked.after, asked.limit)?)
        })
        .await?;
        if !portion.records.is_empty() {
            return Ok(portion);
        }
        reading.after = portion.next;
        loop {
            if portion.next < portion.end && Instant::now() < deadline {
                break;
            }
            if Instant::now() >= deadline || state.node.stopping() {
                return Ok(portion);
            }
            tokio::time::sleep(LOOK_EVERY).await;
            if grew(state, reading.topic, portion.end).await? {
                break;
            }
        }
    }
}

async fn grew(state: &ApiState, topic: Topic, end: u64) -> Result<bool, Problem> {
    let now = ask(state, move |node| Ok(node.topics().end(topic.source())?)).await?;
    Ok(now > end)
}

fn stream(state: ApiState, reading: Reading) -> Result<Response, Problem> {
    let seat = std::sync::Arc::clone(&state.followers)
        .try_acquire_owned()
        .map_err(|_| Problem::new(Code::Busy, "too many streams are open"))?;
    let (sender, receiver) = channel(STREAM_RECORDS);
    tokio::spawn(async move {
        follow(&state, reading, &sender).await;
        drop(seat);
    });
    Ok(Sse::new(ReceiverStream::new(receiver)).into_response())
}

/// Sends records as they come, until the reader is gone, the node stops or the store fails; the
/// reader then comes back with the last id it saw.
async fn follow(
    state: &ApiState,
    mut reading: Reading,
    sender: &Sender<Result<Event, Infallible>>,
) {
    reading.limit = STREAM_RECORDS;
    reading.wait = BEAT_EVERY;
    while !state.node.stopping() {
        let polled = tokio::select! {
            polled = poll(state, reading.clone()) => polled,
            () = sender.closed() => return,
        };
        let Ok(portion) = polled else { return };
        let is_silent = portion.records.is_empty();
        for record in portion.records {
            let event = Event::default()
                .id(record.position.to_string())
                .data(record.event.to_string());
            if sender.send(Ok(event)).await.is_err() {
                return;
            }
        }
        // Also what was looked through in vain need not be looked through again.
        let beat = Event::default()
            .id(portion.next.to_string())
            .comment("beat");
        if is_silent && sender.send(Ok(beat)).await.is_err() {
            return;
        }
        reading.after = portion.next;
    }
}
