//! Reading accounts and contacts in the order in which they changed.

use serde::{Deserialize, Serialize};

use super::{ACCOUNTS, Salesforce, path, quoted, records};
use crate::provider::ask::Ask;
use crate::provider::call::{CallKind, Page};
use crate::provider::fault::Fault;
use crate::provider::mapping::Record;
use crate::provider::time::{format_ms, parse_ms};

/// Records a page.
const PAGE_RECORDS: usize = 200;
/// How long a transaction may take to become visible, in milliseconds: what changed since is left to a later pull, so
/// that nothing older appears behind the place that was read up to.
const SETTLE_MS: i64 = 60_000;

/// The last record that was read: when it changed, and which it is among those that changed in the same instant.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    changed_at_ms: i64,
    id: String,
}

pub(super) fn pull(
    salesforce: &Salesforce,
    stream: &str,
    cursor: Option<&str>,
    now_ms: i64,
) -> Result<Page, Fault> {
    let mapping = salesforce
        .mapping
        .stream(stream)
        .ok_or_else(|| Fault::Unsupported {
            reason: format!("the mapping has no [{stream}]"),
        })?;
    let mut place = read_cursor(cursor)?;
    let mut fields = mapping.wanted();
    fields.extend(["Id", "SystemModstamp"]);
    fields.sort_unstable();
    fields.dedup();
    let query = format!(
        "SELECT {} FROM {stream} WHERE {} AND SystemModstamp <= {} ORDER BY SystemModstamp, Id LIMIT {PAGE_RECORDS}",
        fields.join(", "),
        place.condition(),
        format_ms(now_ms - SETTLE_MS),
    );
    let ask = Ask::get(path("query")).query(&[("q", &query)]);
    let body = salesforce.link.call(&ask, now_ms)?;
    let kind = if stream == ACCOUNTS {
        CallKind::Group
    } else {
        CallKind::Identify
    };
    let mut calls = Vec::new();
    let found = records(&body)?;
    for record in found {
        let fields = record.as_object().ok_or_else(|| Fault::lacks("records"))?;
        let id = record["Id"].as_str().ok_or_else(|| Fault::lacks("Id"))?;
        let changed_at_ms = record["SystemModstamp"].as_str().and_then(parse_ms);
        let changed_at_ms = changed_at_ms.ok_or_else(|| Fault::lacks("SystemModstamp"))?;
        place = Place {
            changed_at_ms,
            id: id.to_owned(),
        };
        let record = Record {
            connector: &salesforce.name,
            stream,
            id,
            changed_at_ms,
            fields,
        };
        calls.extend(mapping.calls(record, kind));
    }
    Ok(Page {
        calls,
        cursor: serde_json::json!(place).to_string(),
        more: found.len() == PAGE_RECORDS,
    })
}

fn read_cursor(cursor: Option<&str>) -> Result<Place, Fault> {
    let Some(text) = cursor else {
        return Ok(Place::default());
    };
    serde_json::from_str(text).map_err(|_| Fault::Unsupported {
        reason: "the kept cursor is not one of this stream's; pull it from the start".into(),
    })
}

impl Place {
    fn condition(&self) -> String {
        let at = format_ms(self.changed_at_ms);
        if self.id.is_empty() {
            return format!("SystemModstamp >= {at}");
        }
        let id = quoted(&self.id);
        format!("(SystemModstamp > {at} OR (SystemModstamp = {at} AND Id > {id}))")
    }
}
