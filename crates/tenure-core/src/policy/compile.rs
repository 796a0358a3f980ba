//! From a written policy to a checked one.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use super::{MAX_REMEMBERED_SENDS, Policy, quiet};
use crate::define::Definitions;
use crate::diagnostic::Diagnostic;
use crate::time::zone;

/// Checks the policy of a set of definitions; every problem becomes a diagnostic, and what is
/// wrong is left out of the result.
pub fn compile(definitions: &Definitions, diagnostics: &mut Vec<Diagnostic>) -> Policy {
    let def = &definitions.policy;
    let mut report = |code, message: String, help: &str| {
        diagnostics.push(definitions.error_at(&def.place, code, message).help(help));
    };
    let known_zone = zone(&def.timezone);
    if known_zone.is_none() {
        let message = format!("there is no time zone `{}`", def.timezone);
        report(
            "unknown-timezone",
            message,
            "use an IANA name such as `Europe/Berlin`",
        );
    }
    let mut names = BTreeSet::new();
    for topic in &def.topics {
        if !names.insert(topic.name.as_str()) {
            let message = format!("the topic `{}` is defined twice", topic.name);
            report("duplicate-topic", message, "remove one of the two");
        }
    }
    for cap in &def.caps {
        if cap.within_ms <= 0 || cap.at_most as usize > MAX_REMEMBERED_SENDS {
            let message = format!("a cap of {} messages cannot be kept", cap.at_most);
            report(
                "cap-out-of-range",
                message,
                "allow at most 1000 messages in a time longer than zero",
            );
        }
    }
    if def.quiet_hours.as_ref().is_some_and(quiet::never_ends) {
        let message = "these quiet hours never end, so no marketing message could ever be sent";
        report(
            "endless-quiet-hours",
            message.into(),
            "leave some hours of some day out",
        );
    }
    if !(0.0..1.0).contains(&def.holdout) {
        let message = format!("a hold-out of {} leaves nobody to treat", def.holdout);
        report(
            "holdout-out-of-range",
            message,
            "use a fraction of at least 0% and below 100%",
        );
    }
    Policy {
        zone: known_zone.unwrap_or(TimeZone::UTC),
        from: def.from.clone(),
        topics: def.topics.clone(),
        caps: def.caps.clone(),
        quiet_hours: def
            .quiet_hours
            .clone()
            .filter(|quiet| !quiet::never_ends(quiet)),
        holdout: def.holdout,
    }
}
