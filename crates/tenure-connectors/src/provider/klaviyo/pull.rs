//! Reading profiles and events in the order in which they changed or happened.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{EVENTS, Klaviyo, data, flat};
use crate::provider::ask::Ask;
use crate::provider::call::{CallKind, Page, PulledCall, message_id};
use crate::provider::fault::Fault;
use crate::provider::mapping::{Record, StreamMapping};
use crate::provider::time::{format_ms, parse_ms};
use crate::provider::watermark::Watermark;

/// Records a page.
const PAGE_RECORDS: &str = "100";

pub(super) fn pull(
    klaviyo: &Klaviyo,
    stream: &str,
    cursor: Option<&str>,
    now_ms: i64,
) -> Result<Page, Fault> {
    let mapping = klaviyo
        .mapping
        .stream(super::PROFILES)
        .ok_or_else(|| Fault::Unsupported {
            reason: "the mapping has no [profiles]".into(),
        })?;
    let mark = Watermark::parse(cursor)?;
    let order = if stream == EVENTS {
        "datetime"
    } else {
        "updated"
    };
    // The filter leaves its instant out, and records may share one.
    let filter = format!("greater-than({order},{})", format_ms(mark.since_ms - 1));
    let mut pairs = vec![
        ("filter", filter.as_str()),
        ("sort", order),
        ("page[size]", PAGE_RECORDS),
    ];
    if stream == EVENTS {
        pairs.push(("include", "metric,profile"));
    }
    if let Some(after) = &mark.after {
        pairs.push(("page[cursor]", after));
    }
    let body = klaviyo
        .link
        .call(&Ask::get(format!("/api/{stream}")).query(&pairs), now_ms)?;
    let included = included(&body);
    let (mut calls, mut last_ms) = (Vec::new(), None);
    for record in data(&body)? {
        let at = record["attributes"][order].as_str().and_then(parse_ms);
        let at_ms = at.ok_or_else(|| Fault::lacks(order))?;
        last_ms = last_ms.max(Some(at_ms));
        if stream == EVENTS {
            calls.extend(event(klaviyo, mapping, record, at_ms, &included));
        } else {
            calls.extend(profile(klaviyo, mapping, record, at_ms)?);
        }
    }
    let after = body["links"]["next"].as_str().and_then(next_cursor);
    let more = after.is_some();
    Ok(Page {
        calls,
        cursor: mark.counted(last_ms, after, now_ms).text(),
        more,
    })
}

fn id(record: &Value) -> Result<&str, Fault> {
    record["id"].as_str().ok_or_else(|| Fault::lacks("id"))
}

fn profile(
    klaviyo: &Klaviyo,
    mapping: &StreamMapping,
    record: &Value,
    changed_at_ms: i64,
) -> Result<Vec<PulledCall>, Fault> {
    let fields = flat(&record["attributes"]);
    let record = Record {
        connector: &klaviyo.name,
        stream: super::PROFILES,
        id: id(record)?,
        changed_at_ms,
        fields: &fields,
    };
    Ok(mapping.calls(record, CallKind::Identify))
}

/// An event of a profile and metric that came with it.
fn event(
    klaviyo: &Klaviyo,
    mapping: &StreamMapping,
    record: &Value,
    occurred_at_ms: i64,
    included: &BTreeMap<(&str, &str), &Value>,
) -> Option<PulledCall> {
    let related = |kind: &str| {
        let id = record["relationships"][kind]["data"]["id"].as_str()?;
        included.get(&(kind, id)).copied()
    };
    let who = mapping.who(&flat(related("profile")?));
    if who.user_id.is_none() && who.email.is_none() {
        return None;
    }
    let properties = &record["attributes"]["event_properties"];
    Some(PulledCall {
        message_id: message_id(&klaviyo.name, EVENTS, id(record).ok()?, "", ""),
        kind: CallKind::Track,
        who,
        event: related("metric")?["name"].as_str()?.to_owned(),
        occurred_at_ms: Some(occurred_at_ms),
        fields: properties.as_object().cloned().unwrap_or_default(),
        only_if_missing: false,
    })
}

/// Attributes of what came along, by kind and id.
fn included(body: &Value) -> BTreeMap<(&str, &str), &Value> {
    let entries = body["included"].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| {
            let key = (entry["type"].as_str()?, entry["id"].as_str()?);
            Some((key, &entry["attributes"]))
        })
        .collect()
}

/// The cursor in the address of the next page.
fn next_cursor(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let pair = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| matches!(*name, "page[cursor]" | "page%5Bcursor%5D"))?;
    Some(decode(pair.1))
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_read_out_of_the_next_pages_address() {
        let url = "https://a.klaviyo.com/api/profiles?page%5Bsize%5D=1&page%5Bcursor%5D=bmV4%3D%zz";
        assert_eq!(next_cursor(url).as_deref(), Some("bmV4=%zz"));
        assert_eq!(next_cursor("https://a.klaviyo.com/api/profiles"), None);
    }
}
