//! Every instant at which an answer could flip.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::expr::Expr;
use crate::log::{Body, Entry};
use crate::plan::parts;
use crate::time::{DAY_MS, Timestamp, zone};
use crate::value::Value;

use super::Moment;

/// Constants of expressions.
#[derive(Default)]
struct Constants {
    /// By how much time may be shifted: windows, durations.
    shifts_ms: BTreeSet<i64>,
    /// How long conditions must hold.
    dwells_ms: BTreeSet<i64>,
    instants: BTreeSet<i64>,
    locals: Vec<DateTime>,
}

impl Constants {
    fn of(expr: &Expr, out: &mut Self) {
        match expr {
            Expr::Duration(ms) => {
                out.shifts_ms.insert(*ms);
            }
            Expr::Instant(at) => {
                out.instants.insert(at.0);
            }
            Expr::Local(at) => out.locals.push(*at),
            Expr::Held(_, for_ms) => {
                out.dwells_ms.insert(*for_ms);
            }
            Expr::Aggregate(_, aggregate) => {
                if let Some(window) = aggregate.window {
                    out.shifts_ms.insert(window.offset_ms);
                    out.shifts_ms.insert(window.length_ms + window.offset_ms);
                }
            }
            _ => {}
        }
        for part in parts(expr) {
            Self::of(part, out);
        }
    }
}

/// The zones by whose clock anybody may read a date.
fn zones(entries: &[Entry<'_>], policy: &str) -> Vec<TimeZone> {
    let mut names = BTreeSet::from(["UTC".to_owned(), policy.to_owned()]);
    for entry in entries {
        let Body::Profile(profile) = &entry.body else {
            continue;
        };
        let told = profile
            .traits
            .iter()
            .filter(|(name, _)| &**name == "timezone");
        names.extend(told.filter_map(|(_, value)| Some(value.as_ref()?.as_text()?.to_owned())));
    }
    names.iter().filter_map(|name| zone(name)).collect()
}

/// `midnights` says whether anything is asked that changes with the day.
pub(super) fn moments(
    entries: &[Entry<'_>],
    policy_zone: &str,
    exprs: &[&Expr],
    end: Timestamp,
    midnights: bool,
) -> Vec<Moment> {
    let zones = zones(entries, policy_zone);
    let mut constants = Constants::default();
    for expr in exprs {
        Constants::of(expr, &mut constants);
    }
    let mut bases = constants.instants.clone();
    for zone in &zones {
        let locals = constants.locals.iter();
        bases.extend(locals.filter_map(|at| Some(Timestamp::of_local(*at, zone)?.0)));
    }
    for entry in entries {
        bases.insert(entry.received_at.0);
        told_at(entry, &zones, &mut bases);
    }
    let mut instants = bases.clone();
    for base in &bases {
        for shift in &constants.shifts_ms {
            instants.insert(base + shift);
            instants.insert(base - shift);
        }
    }
    // A dwell begins at any of these; a dwell of a dwell begins when another ends.
    for _ in 0..2 {
        let begun: Vec<i64> = instants.iter().copied().collect();
        for dwell in &constants.dwells_ms {
            instants.extend(begun.iter().map(|at| at + dwell));
        }
    }
    let start = entries.first().map_or(end.0, |entry| entry.received_at.0);
    if midnights {
        let days = start.div_euclid(DAY_MS)..=end.0.div_euclid(DAY_MS);
        instants.extend(days.map(|day| day * DAY_MS));
    }
    let inside = |at: &i64| *at > start && *at <= end.0;
    let mut out = BTreeSet::new();
    // Each instant, the one just before it, and the one just after: `>` flips a millisecond after
    // `>=`.
    for at in instants
        .iter()
        .flat_map(|at| [at - 1, *at, at + 1])
        .filter(inside)
    {
        let known = entries.partition_point(|entry| entry.received_at.0 < at);
        out.insert(Moment {
            at: Timestamp(at),
            known,
        });
    }
    for (place, entry) in entries.iter().enumerate() {
        out.insert(Moment {
            at: entry.received_at,
            known: place + 1,
        });
    }
    out.into_iter().collect()
}

fn told_at(entry: &Entry<'_>, zones: &[TimeZone], bases: &mut BTreeSet<i64>) {
    let mut tell = |value: &Value| {
        if value.as_text().is_some() {
            let told = zones
                .iter()
                .map(|zone| value.as_instant_in(|| zone.clone()));
            bases.extend(told.flatten().map(|at| at.0));
        }
    };
    match &entry.body {
        Body::Event(event) => {
            if let Ok(serde_json::Value::Object(json)) = serde_json::from_str(&event.properties) {
                json.values()
                    .filter_map(Value::from_json)
                    .for_each(|value| tell(&value));
            }
            bases.insert(event.occurred_at.0);
        }
        Body::Profile(profile) => {
            let values = profile
                .traits
                .iter()
                .filter_map(|(_, value)| value.as_ref());
            values.for_each(tell);
        }
        _ => {}
    }
}
