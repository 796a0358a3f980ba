//! Reading leads that changed, and activities.
//!
//! Marketo gives a token for "since this instant", and a token for the next page with every answer; tokens stay valid.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ACTIVITIES, LEADS, Marketo, result};
use crate::provider::ask::Ask;
use crate::provider::call::{CallKind, Page, PulledCall, message_id};
use crate::provider::fault::Fault;
use crate::provider::item::Who;
use crate::provider::mapping::{Record, StreamMapping, text_of};
use crate::provider::time::parse_ms;

/// From when on everything is read when there is no cursor.
const BEGINNING: &str = "2000-01-01T00:00:00Z";

pub(super) fn pull(
    marketo: &Marketo,
    stream: &str,
    cursor: Option<&str>,
    now_ms: i64,
) -> Result<Page, Fault> {
    let mapping = marketo
        .mapping
        .stream(LEADS)
        .ok_or_else(|| Fault::Unsupported {
            reason: "the mapping has no [leads]".into(),
        })?;
    let token = match cursor {
        Some(token) => token.to_owned(),
        None => first_token(marketo, now_ms)?,
    };
    let fields = mapping.wanted().join(",");
    let ask = match stream {
        ACTIVITIES => Ask::get("/rest/v1/activities.json").query(&[
            ("nextPageToken", &token),
            ("activityTypeIds", &marketo.activity_types),
        ]),
        _ => Ask::get("/rest/v1/activities/leadchanges.json")
            .query(&[("nextPageToken", &token), ("fields", &fields)]),
    };
    let body = marketo.link.call(&ask, now_ms)?;
    let found = result(&body)?;
    let leads = leads(marketo, mapping, found, now_ms)?;
    let calls = if stream == ACTIVITIES {
        activities(marketo, mapping, found, &leads)?
    } else {
        changed_leads(marketo, mapping, &leads)?
    };
    let next = body["nextPageToken"].as_str();
    let next = next.ok_or_else(|| Fault::lacks("nextPageToken"))?;
    Ok(Page {
        calls,
        cursor: next.to_owned(),
        more: body["moreResult"] == true,
    })
}

fn first_token(marketo: &Marketo, now_ms: i64) -> Result<String, Fault> {
    let ask =
        Ask::get("/rest/v1/activities/pagingtoken.json").query(&[("sinceDatetime", BEGINNING)]);
    let body = marketo.link.call(&ask, now_ms)?;
    let token = body["nextPageToken"].as_str();
    token
        .map(str::to_owned)
        .ok_or_else(|| Fault::lacks("nextPageToken"))
}

/// The leads that these activities are about, by id.
fn leads(
    marketo: &Marketo,
    mapping: &StreamMapping,
    activities: &[Value],
    now_ms: i64,
) -> Result<BTreeMap<String, Value>, Fault> {
    let ids: BTreeSet<String> = activities
        .iter()
        .filter_map(|activity| text_of(&activity["leadId"]))
        .collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<String> = ids.into_iter().collect();
    let mut fields = mapping.wanted();
    fields.extend(["id", "updatedAt"]);
    let ask = Ask::get("/rest/v1/leads.json").query(&[
        ("filterType", "id"),
        ("filterValues", &ids.join(",")),
        ("fields", &fields.join(",")),
    ]);
    let body = marketo.link.call(&ask, now_ms)?;
    Ok(result(&body)?
        .iter()
        .filter_map(|lead| Some((text_of(&lead["id"])?, lead.clone())))
        .collect())
}

fn changed_leads(
    marketo: &Marketo,
    mapping: &StreamMapping,
    leads: &BTreeMap<String, Value>,
) -> Result<Vec<PulledCall>, Fault> {
    let mut calls = Vec::new();
    for (id, lead) in leads {
        let fields = lead.as_object().ok_or_else(|| Fault::lacks("result"))?;
        let changed_at_ms = lead["updatedAt"].as_str().and_then(parse_ms);
        let record = Record {
            connector: &marketo.name,
            stream: LEADS,
            id,
            changed_at_ms: changed_at_ms.ok_or_else(|| Fault::lacks("updatedAt"))?,
            fields,
        };
        calls.extend(mapping.calls(record, CallKind::Identify));
    }
    Ok(calls)
}

fn activities(
    marketo: &Marketo,
    mapping: &StreamMapping,
    found: &[Value],
    leads: &BTreeMap<String, Value>,
) -> Result<Vec<PulledCall>, Fault> {
    let mut calls = Vec::new();
    for activity in found {
        let lead = text_of(&activity["leadId"]).and_then(|id| leads.get(&id));
        let who = lead.and_then(|lead| Some(mapping.who(lead.as_object()?)));
        let Some(who) = who.filter(|who: &Who| who.user_id.is_some() || who.email.is_some()) else {
            continue;
        };
        let id = text_of(&activity["marketoGUID"]).or_else(|| text_of(&activity["id"]));
        let id = id.ok_or_else(|| Fault::lacks("marketoGUID"))?;
        let at = activity["activityDate"].as_str().and_then(parse_ms);
        let mut call = PulledCall {
            message_id: message_id(&marketo.name, ACTIVITIES, &id, "", ""),
            kind: CallKind::Track,
            who,
            event: event_name(&activity["activityTypeId"]),
            occurred_at_ms: Some(at.ok_or_else(|| Fault::lacks("activityDate"))?),
            fields: serde_json::Map::new(),
            only_if_missing: false,
        };
        if let Some(value) = text_of(&activity["primaryAttributeValue"]) {
            call.fields.insert("subject".into(), Value::from(value));
        }
        calls.push(call);
    }
    Ok(calls)
}

/// Names of the usual kinds of activities; others are named by their number.
fn event_name(kind: &Value) -> String {
    let Some(kind) = kind.as_u64() else {
        return "marketo_activity".into();
    };
    let name = match kind {
        1 => "web_page_visited",
        2 => "form_filled_out",
        3 => "link_clicked",
        6 => "email_sent",
        7 => "email_delivered",
        8 => "email_bounced",
        9 => "email_unsubscribed",
        10 => "email_opened",
        11 => "email_clicked",
        13 => "data_value_changed",
        46 => "interesting_moment",
        other => return format!("marketo_activity_{other}"),
    };
    format!("marketo_{name}")
}
