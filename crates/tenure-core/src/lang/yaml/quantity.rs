//! Values with units: durations, fractions, times of day, weekdays, trait values.

use crate::lang::token::{TokenKind, tokens};
use crate::lang::yaml::node::{Kind, Node};
use crate::lang::yaml::reader::{Fields, Reader};
use crate::value::{MAX_TEXT_BYTES, Value};

/// Weekdays as written, with their ISO numbers.
const WEEKDAYS: [(&str, i8); 14] = [
    ("mon", 1),
    ("tue", 2),
    ("wed", 3),
    ("thu", 4),
    ("fri", 5),
    ("sat", 6),
    ("sun", 7),
    ("monday", 1),
    ("tuesday", 2),
    ("wednesday", 3),
    ("thursday", 4),
    ("friday", 5),
    ("saturday", 6),
    ("sunday", 7),
];

/// Milliseconds of a duration such as `36h`, if the text is one.
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    if text.len() > 40 {
        return None;
    }
    let (tokens, findings) = tokens(text);
    match (tokens.as_slice(), findings.as_slice()) {
        ([duration, _end], []) => match duration.kind {
            TokenKind::Duration(ms) => Some(ms),
            _ => None,
        },
        _ => None,
    }
}

impl Reader<'_> {
    /// A duration; zero is allowed only where `at_least_ms` is zero.
    pub(super) fn duration(&mut self, node: &Node, what: &str, at_least_ms: i64) -> Option<i64> {
        let text = self.text(node, what)?;
        match duration_ms(text) {
            Some(ms) if ms >= at_least_ms => Some(ms),
            Some(_) => {
                self.error(
                    "bad-duration",
                    node.span,
                    format!("{what} must be longer than nothing"),
                    "write for example `2d` or `36h`",
                );
                None
            }
            None => {
                self.error(
                    "bad-duration",
                    node.span,
                    format!("{what} is a duration, and `{}` is none", short(text)),
                    "write for example `2d`, `36h`, `30m` or `1d12h`",
                );
                None
            }
        }
    }

    pub(super) fn optional_duration(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
    ) -> Option<i64> {
        let node = fields.take(key)?;
        self.duration(node, &format!("`{key}`"), 1)
    }

    /// A fraction from 0 to below 1, written `5%` or `0.05`.
    pub(super) fn fraction(&mut self, node: &Node, what: &str) -> Option<f64> {
        let text = self.text(node, what)?;
        let fraction = match text.strip_suffix('%') {
            Some(percent) => percent
                .trim()
                .parse::<f64>()
                .ok()
                .map(|value| value / 100.0),
            None => text.parse::<f64>().ok(),
        };
        match fraction {
            Some(fraction) if (0.0..1.0).contains(&fraction) => Some(fraction),
            _ => {
                self.error(
                    "bad-fraction",
                    node.span,
                    format!(
                        "{what} is a share from 0% to below 100%, and `{}` is none",
                        short(text)
                    ),
                    "write for example `5%`",
                );
                None
            }
        }
    }

    pub(super) fn holdout(&mut self, fields: &mut Fields<'_>) -> f64 {
        fields
            .take("holdout")
            .and_then(|node| self.fraction(node, "`holdout`"))
            .unwrap_or(0.0)
    }

    /// A whole number in a range.
    pub(super) fn integer(
        &mut self,
        node: &Node,
        what: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let text = self.text(node, what)?;
        match text.parse::<i64>() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                self.error(
                    "bad-number",
                    node.span,
                    format!(
                        "{what} is a whole number from {} to {}",
                        range.start(),
                        range.end()
                    ),
                    "write the digits alone",
                );
                None
            }
        }
    }

    /// Minutes after midnight of `09:00`.
    pub(super) fn time_of_day(&mut self, node: &Node, what: &str) -> Option<u16> {
        let text = self.text(node, what)?;
        let minutes = text.split_once(':').and_then(|(hour, minute)| {
            let two_digits =
                |part: &str| part.len() <= 2 && part.chars().all(|c| c.is_ascii_digit());
            if !two_digits(hour) || minute.len() != 2 || !two_digits(minute) {
                return None;
            }
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        });
        if minutes.is_none() {
            self.error(
                "bad-time",
                node.span,
                format!("{what} is a time of day, and `{}` is none", short(text)),
                "write for example \"09:00\"; hours go from 00 to 23",
            );
        }
        minutes
    }

    /// One weekday or a list of them, as ISO numbers in order.
    pub(super) fn weekdays(&mut self, node: &Node) -> Vec<i8> {
        let single = std::slice::from_ref(node);
        let items = match &node.kind {
            Kind::Sequence(items) => items,
            _ => single,
        };
        let mut days: Vec<i8> = items
            .iter()
            .filter_map(|item| {
                let lower = item.text().unwrap_or_default().to_lowercase();
                if let Some((_, day)) = WEEKDAYS.iter().find(|(word, _)| *word == lower) {
                    return Some(*day);
                }
                self.choice(item, "a weekday", &WEEKDAYS[..7])
            })
            .collect();
        days.sort_unstable();
        days.dedup();
        days
    }

    /// The value of a trait; `None` for null, which removes the trait.
    pub(super) fn trait_value(&mut self, node: &Node) -> Option<Value> {
        match &node.kind {
            Kind::Scalar { text, plain } => {
                if text.len() > MAX_TEXT_BYTES {
                    self.error(
                        "value-too-long",
                        node.span,
                        format!("a text value has at most {MAX_TEXT_BYTES} bytes"),
                        "shorten it",
                    );
                }
                scalar_value(text, *plain)
            }
            Kind::Sequence(items) => Some(Value::List(
                items
                    .iter()
                    .filter_map(|item| self.trait_value(item))
                    .collect(),
            )),
            Kind::Mapping(_) => {
                self.error(
                    "wrong-shape",
                    node.span,
                    "a value is a text, a number, true, false or a list",
                    "write nested values with dotted names: `address.city: Berlin`",
                );
                None
            }
        }
    }

    /// Named values, nested ones with dotted names.
    pub(super) fn traits(&mut self, node: &Node, what: &str) -> Vec<(String, Option<Value>)> {
        let mut out = Vec::new();
        self.traits_into("", node, what, &mut out);
        out
    }

    fn traits_into(
        &mut self,
        prefix: &str,
        node: &Node,
        what: &str,
        out: &mut Vec<(String, Option<Value>)>,
    ) {
        let Kind::Mapping(entries) = &node.kind else {
            if !node.is_null() {
                self.error(
                    "wrong-shape",
                    node.span,
                    format!("{what} are a mapping of names to values"),
                    "write for example `{ plan: pro, mrr: 2000 }`",
                );
            }
            return;
        };
        for (key, value) in entries {
            let name = format!("{prefix}{}", key.name);
            if matches!(value.kind, Kind::Mapping(_)) {
                self.traits_into(&format!("{name}."), value, what, out);
            } else {
                let value = self.trait_value(value);
                out.push((name, value));
            }
        }
    }
}

/// A scalar by the core schema of YAML 1.2: only unquoted ones are anything but text.
fn scalar_value(text: &str, plain: bool) -> Option<Value> {
    if !plain {
        return Some(Value::text(text));
    }
    match text {
        "" | "~" | "null" => None,
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => Some(number(text).map_or_else(|| Value::text(text), Value::Number)),
    }
}

fn number(text: &str) -> Option<f64> {
    let digits = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.contains(|c: char| c.is_ascii_digit());
    let plain = text
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E'));
    if !digits || !plain {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A node as JSON.
pub(super) fn json(node: &Node) -> serde_json::Value {
    match &node.kind {
        Kind::Scalar { text, plain } => {
            scalar_value(text, *plain).map_or(serde_json::Value::Null, |value| value.to_json())
        }
        Kind::Sequence(items) => items.iter().map(json).collect(),
        Kind::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (key.name.clone(), json(value)))
            // By name, whether or not the JSON library keeps the order of insertion.
            .collect::<std::collections::BTreeMap<_, _>>()
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// The beginning of a text, for messages.
pub(super) fn short(text: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    let mut out: String = text.chars().take(SHOWN_CHARS).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}
