//! Sends calls over keep-alive connections, as fast as the server answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::body::{Batch, Kind, People, Times};
use crate::http::Connection;
use crate::mix::Mix;

/// How many connections send at once.
pub(crate) const CONNECTIONS: usize = 16;
/// How many calls go into a request.
pub(crate) const CALLS_PER_BATCH: u64 = 100;

/// Numbers the loads of this process, so that no message id is used twice.
static RUNS: AtomicU64 = AtomicU64::new(1);

/// What is to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Load<'a> {
    /// Where to.
    pub(crate) address: SocketAddr,
    /// With which key.
    pub(crate) write_key: &'a str,
    /// What the calls tell.
    pub(crate) kind: Kind,
    /// About whom.
    pub(crate) people: People,
    /// How many calls.
    pub(crate) call_count: u64,
    /// When they happened; `None` is now.
    pub(crate) times: Option<Times>,
}

/// How a load went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// Durable calls.
    pub(crate) call_count: u64,
    /// Requests that the server told to come back later.
    pub(crate) busy_count: u64,
    /// Length of one request, in bytes.
    pub(crate) request_bytes: usize,
}

impl Sent {
    /// Durable calls a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.call_count as f64 / self.took.as_secs_f64()
    }
}

impl Load<'_> {
    /// Sends everything and returns when the last answer is there.
    pub(crate) fn send(&self) -> Result<Sent> {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let batch_count = self.call_count.div_ceil(CALLS_PER_BATCH);
        let (next, busy) = (AtomicU64::new(0), AtomicU64::new(0));
        let started = Instant::now();
        let request_bytes = std::thread::scope(|scope| {
            let sender = |seed| {
                let (next, busy) = (&next, &busy);
                scope.spawn(move || self.send_share(run, seed, batch_count, next, busy))
            };
            let senders: Vec<_> = (0..CONNECTIONS as u64).map(sender).collect();
            let mut request_bytes = 0;
            for sender in senders {
                request_bytes = sender.join().map_err(|_| anyhow!("a sender failed"))??;
            }
            Ok::<usize, anyhow::Error>(request_bytes)
        })?;
        Ok(Sent {
            took: started.elapsed(),
            call_count: batch_count * CALLS_PER_BATCH,
            busy_count: busy.into_inner(),
            request_bytes,
        })
    }

    fn send_share(
        &self,
        run: u64,
        seed: u64,
        batch_count: u64,
        next: &AtomicU64,
        busy: &AtomicU64,
    ) -> Result<usize> {
        let mut connection = Connection::open(self.address)?;
        let mut batch = Batch::new(
            self.write_key,
            &self.kind,
            CALLS_PER_BATCH,
            self.times.is_some(),
            seed,
        );
        let mut mix = Mix::new((run << 8) + seed);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= batch_count {
                return Ok(batch.byte_count());
            }
            let request = batch.patch(
                run,
                number * CALLS_PER_BATCH,
                self.people,
                self.times.as_ref(),
                &mut mix,
            );
            send_until_taken(&mut connection, request, busy)?;
        }
    }
}

/// Sends a request again, as often and as late as the server asks, until it is taken.
pub(crate) fn send_until_taken(
    connection: &mut Connection,
    request: &[u8],
    busy: &AtomicU64,
) -> Result<()> {
    loop {
        let answer = connection.send(request)?;
        match answer.status {
            200 => return Ok(()),
            429 | 503 => {
                busy.fetch_add(1, Ordering::Relaxed);
                let wait_s = answer
                    .retry_after_s
                    .context("the server is busy but does not say until when")?;
                std::thread::sleep(Duration::from_secs(wait_s));
            }
            status => bail!(
                "a batch was refused with {status}: {}",
                String::from_utf8_lossy(&answer.body)
            ),
        }
    }
}
