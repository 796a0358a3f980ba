//! Batches for `/v1/batch`, serialised once; only message ids, user ids and times are written anew for each request.

use std::fmt::Write as _;
use std::ops::Range;

use tenure_core::time::Timestamp;

use crate::definitions::EVENT_NAMES;
use crate::http::request;
use crate::mix::Mix;

const ID_MARK: &str = "@@@@@@@@@@@@@@@@";
const USER_MARK: &str = "#######";
const TIME_MARK: &str = "2000-01-01T00:00:00.000Z";

/// What the calls of a load tell.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Events of all names, in equal parts.
    AnyEvent,
    /// Events of one name.
    Event(&'static str),
    /// A profile: an address, a name, a plan, and these traits as JSON members.
    Identify(String),
}

/// Which people the calls are about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum People {
    /// Anybody of so many.
    Any(u64),
    /// Each in turn, from this one on.
    Each(u64),
}

/// When calls happened: spread evenly, in the order of their numbers.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    /// From when until when.
    pub(crate) range: Range<Timestamp>,
    /// Over how many calls.
    pub(crate) call_count: u64,
}

impl Times {
    /// When the call of this number happened.
    pub(crate) fn of(&self, number: u64) -> Timestamp {
        let span_ms = self.range.end.since_ms(self.range.start) as u64;
        self.range
            .start
            .plus_ms((span_ms * number / self.call_count.max(1)) as i64)
    }
}

/// A request whose ids can be patched in place.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    request: Vec<u8>,
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    id: usize,
    users: Vec<usize>,
    time: Option<usize>,
}

impl Batch {
    /// A batch of so many calls; `timed` calls say when they happened.
    pub(crate) fn new(
        write_key: &str,
        kind: &Kind,
        call_count: u64,
        timed: bool,
        seed: u64,
    ) -> Self {
        let mut mix = Mix::new(seed);
        let mut body = format!(r#"{{"writeKey":"{write_key}","batch":["#);
        for at in 0..call_count {
            if at > 0 {
                body.push(',');
            }
            write_call(&mut body, kind, timed, &mut mix);
        }
        body.push_str("]}");
        let request = request("POST", "/v1/batch", None, body.as_bytes());
        let slots = slots_of(&request, call_count as usize);
        Self { request, slots }
    }

    /// Writes ids, people and times of the calls numbered `first..`, and gives the request.
    pub(crate) fn patch(
        &mut self,
        run: u64,
        first: u64,
        people: People,
        times: Option<&Times>,
        mix: &mut Mix,
    ) -> &[u8] {
        for (at, slot) in self.slots.iter().enumerate() {
            let number = first + at as u64;
            write_hex(
                &mut self.request[slot.id..slot.id + ID_MARK.len()],
                (run << 40) | number,
            );
            let user = match people {
                People::Any(count) => mix.below(count),
                People::Each(from) => from + number,
            };
            for offset in &slot.users {
                write_decimal(&mut self.request[*offset..*offset + USER_MARK.len()], user);
            }
            if let (Some(offset), Some(times)) = (slot.time, times) {
                let text = with_milliseconds(&times.of(number).to_string());
                self.request[offset..offset + TIME_MARK.len()].copy_from_slice(text.as_bytes());
            }
        }
        &self.request
    }

    /// Length of one request, in bytes.
    pub(crate) fn byte_count(&self) -> usize {
        self.request.len()
    }
}

fn write_call(body: &mut String, kind: &Kind, timed: bool, mix: &mut Mix) {
    let time = if timed {
        format!(r#""timestamp":"{TIME_MARK}","#)
    } else {
        String::new()
    };
    let number = mix.next();
    let name = match kind {
        Kind::AnyEvent => EVENT_NAMES[(number % EVENT_NAMES.len() as u64) as usize],
        Kind::Event(name) => name,
        Kind::Identify(traits) => {
            let comma = if traits.is_empty() { "" } else { "," };
            let _ = write!(
                body,
                r#"{{"type":"identify","messageId":"bench-{ID_MARK}","userId":"user-{USER_MARK}",{time}"traits":{{"email":"user-{USER_MARK}@example.com","first_name":"Ada","plan":"pro"{comma}{traits}}}}}"#
            );
            return;
        }
    };
    let _ = write!(
        body,
        r#"{{"type":"track","messageId":"bench-{ID_MARK}","userId":"user-{USER_MARK}","event":"{name}",{time}"properties":{{"feature":"feature-{:02}","total":{},"path":"/reports/weekly","title":"Weekly report of the team","source":"web"}},"context":{{"library":{{"name":"bench","version":"1.0.0"}},"locale":"en-GB"}}}}"#,
        (number >> 8) & 15,
        (number >> 16) & 127
    );
}

/// Where the marks are. Calls are in order, and each begins with its message id.
fn slots_of(request: &[u8], call_count: usize) -> Vec<Slot> {
    let mut slots: Vec<Slot> = Vec::with_capacity(call_count);
    let mut at = 0;
    while at < request.len() {
        let rest = &request[at..];
        if rest.starts_with(ID_MARK.as_bytes()) {
            slots.push(Slot {
                id: at,
                ..Slot::default()
            });
            at += ID_MARK.len();
            continue;
        }
        if let Some(slot) = slots.last_mut() {
            if rest.starts_with(USER_MARK.as_bytes()) {
                slot.users.push(at);
            } else if rest.starts_with(TIME_MARK.as_bytes()) {
                slot.time = Some(at);
            }
        }
        at += 1;
    }
    slots
}

fn write_hex(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

fn write_decimal(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The same instant with exactly three digits after the second.
fn with_milliseconds(text: &str) -> String {
    let text = text.trim_end_matches('Z');
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{seconds}.{fraction:0<3}Z")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn calls(request: &[u8]) -> Vec<Value> {
        let text = std::str::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{head}"
        );
        let body: Value = serde_json::from_str(body).unwrap();
        body["batch"].as_array().unwrap().clone()
    }

    #[test]
    fn patched_batches_are_valid_json_with_ids_of_their_own() {
        let mut batch = Batch::new("wk_test", &Kind::AnyEvent, 3, false, 1);
        let mut mix = Mix::new(2);
        let first = calls(batch.patch(1, 0, People::Each(0), None, &mut mix));
        let second = calls(batch.patch(1, 3, People::Each(0), None, &mut mix));
        let ids: Vec<&str> = first
            .iter()
            .chain(&second)
            .map(|call| call["messageId"].as_str().unwrap())
            .collect();
        assert_eq!(ids[5], "bench-0000010000000005");
        assert_eq!(
            ids.iter().collect::<std::collections::BTreeSet<_>>().len(),
            6
        );
        assert_eq!(second[2]["userId"], "user-0000005");
    }

    #[test]
    fn a_profile_carries_the_same_person_in_id_and_address() {
        let mut batch = Batch::new(
            "wk_test",
            &Kind::Identify("\"seats\":5".into()),
            2,
            false,
            1,
        );
        let calls = calls(batch.patch(0, 0, People::Each(41), None, &mut Mix::new(2)));
        assert_eq!(calls[1]["userId"], "user-0000042");
        assert_eq!(calls[1]["traits"]["email"], "user-0000042@example.com");
        assert_eq!(calls[1]["traits"]["seats"], 5);
    }

    #[test]
    fn times_are_spread_evenly_and_have_milliseconds() {
        let start = Timestamp::parse("2026-03-02T09:00:00Z").unwrap();
        let times = Times {
            range: start..start.plus_ms(1_000),
            call_count: 4,
        };
        let mut batch = Batch::new("wk_test", &Kind::Event("order_placed"), 2, true, 1);
        let calls = calls(batch.patch(0, 2, People::Any(5), Some(&times), &mut Mix::new(2)));
        assert_eq!(calls[0]["timestamp"], "2026-03-02T09:00:00.500Z");
        assert_eq!(calls[1]["timestamp"], "2026-03-02T09:00:00.750Z");
    }
}
