//! From a request's body to calls, and to a report of what is wrong.

use serde::Serialize;
use tenure_app::call::Call;

use super::call::{Circumstances, Fault, Kind, call_of, instant};
use super::limits::IngestLimits;
use super::wire::{Items, RawBatch, RawCall, Scalar, syntax_reason};

/// A call of a batch that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Rejected {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// The field that is wrong, with dots into objects; empty when it is the call as a whole.
    pub field: String,
    /// What is wrong and what to do.
    pub reason: String,
}

/// What a body holds.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed {
    /// Calls that can be taken, in order.
    pub calls: Vec<Call>,
    /// Calls that cannot.
    pub rejected: Vec<Rejected>,
    /// The write key in the body.
    pub write_key: Option<String>,
}

/// Why nothing of a body can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyFault {
    /// It is not what it should be.
    Malformed(Fault),
    /// It holds too much.
    TooLarge(Fault),
}

/// Reads the body of a single call.
pub fn parse_call(
    body: &str,
    kind: Kind,
    limits: &IngestLimits,
    cx: &Circumstances<'_>,
) -> Result<Parsed, BodyFault> {
    if body.len() > limits.event_bytes {
        return Err(BodyFault::TooLarge(too_large(limits.event_bytes)));
    }
    let raw: RawCall<'_> = serde_json::from_str(body).map_err(|error| malformed(&error))?;
    let write_key = write_key(&raw.write_key);
    let call = call_of(&raw, kind, cx).map_err(BodyFault::Malformed)?;
    Ok(Parsed {
        calls: vec![call],
        rejected: Vec::new(),
        write_key,
    })
}

/// Reads the body of a batch: `{"batch": [...]}`.
pub fn parse_batch(
    body: &str,
    limits: &IngestLimits,
    cx: &Circumstances<'_>,
) -> Result<Parsed, BodyFault> {
    let raw: RawBatch<'_> = serde_json::from_str(body).map_err(|error| malformed(&error))?;
    let ((Items::List(items), _) | (Items::Missing, Items::List(items))) = (&raw.batch, &raw.calls)
    else {
        let reason = "must be a list of calls: {\"batch\": [...]}";
        return Err(BodyFault::Malformed(Fault::new("batch", reason)));
    };
    if items.len() > limits.batch_events {
        let reason = format!(
            "has {} calls, more than the {} a request may hold; send them in several requests",
            items.len(),
            limits.batch_events
        );
        return Err(BodyFault::TooLarge(Fault::new("batch", reason)));
    }
    let cx = Circumstances {
        sent_at: instant("sentAt", &raw.sent_at).map_err(BodyFault::Malformed)?,
        ..*cx
    };
    let mut parsed = Parsed {
        calls: Vec::with_capacity(items.len()),
        rejected: Vec::new(),
        write_key: write_key(&raw.write_key),
    };
    for (index, item) in items.iter().enumerate() {
        match parse_item(item.get(), limits, &cx) {
            Ok(call) => parsed.calls.push(call),
            Err(fault) => parsed.rejected.push(Rejected {
                index,
                field: fault.field.into_owned(),
                reason: fault.reason,
            }),
        }
    }
    Ok(parsed)
}

/// Whether a body of our own API marks its calls as history.
pub fn says_historical(body: &str) -> Result<bool, BodyFault> {
    let raw: RawBatch<'_> = serde_json::from_str(body).map_err(|error| malformed(&error))?;
    match raw.historical {
        Scalar::Missing | Scalar::Other("true") => Ok(true),
        Scalar::Other("false") => Ok(false),
        _ => Err(BodyFault::Malformed(Fault::new(
            "historical",
            "must be true or false",
        ))),
    }
}

fn parse_item(text: &str, limits: &IngestLimits, cx: &Circumstances<'_>) -> Result<Call, Fault> {
    if text.len() > limits.event_bytes {
        return Err(too_large(limits.event_bytes));
    }
    let raw: RawCall<'_> =
        serde_json::from_str(text).map_err(|error| Fault::new("", syntax_reason(&error)))?;
    let kind = Kind::of(&raw)?;
    call_of(&raw, kind, cx)
}

fn too_large(limit_bytes: usize) -> Fault {
    Fault::new(
        "",
        format!("is larger than the {limit_bytes} bytes a call may have; send less with it"),
    )
}

fn malformed(error: &serde_json::Error) -> BodyFault {
    BodyFault::Malformed(Fault::new("", syntax_reason(error)))
}

fn write_key(scalar: &Scalar<'_>) -> Option<String> {
    match scalar {
        Scalar::Text(text) if !text.is_empty() => Some(text.clone().into_owned()),
        _ => None,
    }
}
