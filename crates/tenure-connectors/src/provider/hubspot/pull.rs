//! Reading contacts and companies in the order in which they changed.

use serde_json::{Value, json};

use super::{COMPANIES, HubSpot, changed_field, results};
use crate::provider::ask::Ask;
use crate::provider::call::{CallKind, Page};
use crate::provider::fault::Fault;
use crate::provider::mapping::Record;
use crate::provider::time::parse_ms;
use crate::provider::watermark::Watermark;

/// Records a page, at most 200.
const PAGE_RECORDS: usize = 100;

pub(super) fn pull(
    hubspot: &HubSpot,
    stream: &str,
    cursor: Option<&str>,
    now_ms: i64,
) -> Result<Page, Fault> {
    let mapping = hubspot
        .mapping
        .stream(stream)
        .ok_or_else(|| Fault::Unsupported {
            reason: format!("the mapping has no [{stream}]"),
        })?;
    let mark = Watermark::parse(cursor)?;
    let changed = changed_field(stream);
    let mut properties = mapping.wanted();
    properties.push(changed);
    let ask = Ask::post(
        format!("/crm/v3/objects/{stream}/search"),
        json!({
            "filterGroups": [{ "filters": [{
                "propertyName": changed, "operator": "GTE", "value": mark.since_ms.to_string(),
            }] }],
            "sorts": [{ "propertyName": changed, "direction": "ASCENDING" }],
            "properties": properties,
            "limit": PAGE_RECORDS,
            "after": mark.after.as_deref().unwrap_or("0"),
        }),
    );
    let body = hubspot.link.call(&ask, now_ms)?;
    let kind = if stream == COMPANIES {
        CallKind::Group
    } else {
        CallKind::Identify
    };
    let (mut calls, mut last_ms) = (Vec::new(), None);
    for result in results(&body)? {
        let record = read(hubspot, stream, result)?;
        last_ms = last_ms.max(Some(record.changed_at_ms));
        calls.extend(mapping.calls(record, kind));
    }
    let after = body["paging"]["next"]["after"].as_str().map(str::to_owned);
    let more = after.is_some();
    let mark = mark.counted(last_ms, after, now_ms);
    Ok(Page {
        calls,
        cursor: mark.text(),
        more,
    })
}

fn read<'a>(hubspot: &'a HubSpot, stream: &'a str, result: &'a Value) -> Result<Record<'a>, Fault> {
    let id = result["id"].as_str().ok_or_else(|| Fault::lacks("id"))?;
    let fields = result["properties"]
        .as_object()
        .ok_or_else(|| Fault::lacks("properties"))?;
    let changed_at_ms = fields
        .get(changed_field(stream))
        .or_else(|| result.get("updatedAt"))
        .and_then(|at| parse_ms(at.as_str()?))
        .ok_or_else(|| Fault::lacks(changed_field(stream)))?;
    Ok(Record {
        connector: &hubspot.name,
        stream,
        id,
        changed_at_ms,
        fields,
    })
}
