//! The figures: beside their targets on a page, and as JSON for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// One figure: its key, what it says, its target, and whether more is better.
struct Row {
    key: &'static str,
    about: &'static str,
    target: f64,
    is_rate: bool,
}

const fn rate(key: &'static str, about: &'static str, target: f64) -> Row {
    Row {
        key,
        about,
        target,
        is_rate: true,
    }
}

const fn cost(key: &'static str, about: &'static str, target: f64) -> Row {
    Row {
        key,
        about,
        target,
        is_rate: false,
    }
}

const ROWS: [Row; 14] = [
    rate(
        "ingest_eps",
        "(a) durable events a second over HTTP",
        100_000.0,
    ),
    rate(
        "processed_eps",
        "(b) events a second until lag is zero",
        60_000.0,
    ),
    cost("latency_ms_p50", "(c) POST to SMTP DATA, p50, ms", 50.0),
    cost("latency_ms_p95", "(c) POST to SMTP DATA, p95, ms", 50.0),
    cost("latency_ms_p99", "(c) POST to SMTP DATA, p99, ms", 50.0),
    cost(
        "flip_delay_ms_p99",
        "(d) due time to recorded change, p99, ms",
        1_000.0,
    ),
    cost(
        "backfill_seconds",
        "(e) a new condition over stored events, s",
        10.0,
    ),
    rate(
        "broadcast_per_second",
        "(f) mails a second of a broadcast",
        1_500.0,
    ),
    rate(
        "resume_per_second",
        "(g) waiting enrollments resumed a second",
        20_000.0,
    ),
    cost(
        "rss_mb_1m",
        "(h) memory with a million people, MiB",
        1_024.0,
    ),
    cost(
        "start_seconds_1m",
        "(h) start with a million people, s",
        2.0,
    ),
    cost("idle_rss_mb", "(h) memory when idle, MiB", 60.0),
    cost(
        "read_account_ms_p99",
        "(i) data of an account page, p99, ms",
        50.0,
    ),
    cost(
        "read_segment_ms_p99",
        "(i) a page of a large segment, p99, ms",
        50.0,
    ),
];

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    values: BTreeMap<&'static str, f64>,
    notes: Vec<String>,
    told: BTreeMap<&'static str, f64>,
    told_notes: usize,
}

impl Figures {
    /// Notes a figure.
    pub(crate) fn set(&mut self, key: &'static str, value: f64) {
        self.values.insert(key, value);
    }

    /// Notes how it was measured.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// What was set and noted since it was last asked, to be shown while the rest is measured.
    pub(crate) fn news(&mut self) -> Vec<String> {
        let fresh = self.values.iter();
        let fresh = fresh.filter(|(key, value)| self.told.get(*key) != Some(value));
        let mut lines: Vec<String> = fresh
            .map(|(key, value)| format!("{key} = {}", shown(*value)))
            .collect();
        lines.extend(self.notes[self.told_notes..].iter().cloned());
        self.told.clone_from(&self.values);
        self.told_notes = self.notes.len();
        lines
    }

    /// All keys there are; null for what was not measured.
    pub(crate) fn to_json(&self) -> Value {
        let value = |row: &Row| {
            self.values
                .get(row.key)
                .map_or(Value::Null, |value| (value * 100.0).round().into())
        };
        let hundredths = |value: Value| {
            value
                .as_f64()
                .map_or(Value::Null, |value| (value / 100.0).into())
        };
        let pairs = ROWS
            .iter()
            .map(|row| (row.key.to_owned(), hundredths(value(row))));
        Value::Object(pairs.collect::<Map<String, Value>>())
    }

    /// A page for people.
    pub(crate) fn to_text(&self, machine: &str) -> String {
        let mut text = format!("{machine}\n\n| | reached | target | |\n|---|---:|---:|---|\n");
        for row in ROWS.iter().filter(|row| self.values.contains_key(row.key)) {
            let value = self.values[row.key];
            let is_met = if row.is_rate {
                value >= row.target
            } else {
                value <= row.target
            };
            let verdict = if is_met { "met" } else { "missed" };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {verdict} |",
                row.about,
                shown(value),
                shown(row.target)
            );
        }
        text.push('\n');
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }
}

/// Three digits are enough.
fn shown(value: f64) -> String {
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

/// The machine this runs on, in one line.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory_kb: f64 = field(&read("/proc/meminfo"), "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0.0);
    format!(
        "{} core(s) of {}, {:.0} GiB of memory, Linux {}; load generator, mail sink and server share them",
        cores,
        field(&read("/proc/cpuinfo"), "model name"),
        memory_kb / 1_048_576.0,
        read("/proc/sys/kernel/osrelease").trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_every_key_and_null_for_what_was_not_measured() {
        let mut figures = Figures::default();
        figures.set("latency_ms_p99", 12.3456);
        let json = figures.to_json();
        assert_eq!(json.as_object().unwrap().len(), 14);
        assert_eq!(json["latency_ms_p99"], 12.35);
        assert_eq!(json["idle_rss_mb"], Value::Null);
    }

    #[test]
    fn news_are_told_once() {
        let mut figures = Figures::default();
        figures.set("ingest_eps", 120_000.0);
        figures.note("(a) quick".into());
        assert_eq!(figures.news(), ["ingest_eps = 120000", "(a) quick"]);
        figures.set("idle_rss_mb", 34.5);
        assert_eq!(figures.news(), ["idle_rss_mb = 34.5"]);
        assert!(figures.news().is_empty());
    }

    #[test]
    fn the_page_says_what_was_missed() {
        let mut figures = Figures::default();
        figures.set("ingest_eps", 120_000.0);
        figures.set("idle_rss_mb", 61.0);
        let text = figures.to_text("one machine");
        assert!(text.contains("| 120000 | 100000 | met |"), "{text}");
        assert!(text.contains("| 61.0 | 60.0 | missed |"), "{text}");
        assert!(!text.contains("backfill"), "{text}");
    }
}
