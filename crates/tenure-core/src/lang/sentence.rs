//! An expression as an English sentence, for pages, decisions and `tenure why`.

use jiff::civil::{DateTime, Time};

use crate::expr::{Aggregate, Comparison, Expr, Function, Operator, Scope, Window};
use crate::health::HealthField;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::value::Value;

/// The expression in words: `plan is pro or enterprise and fewer than 3 report_created in the last
/// 7 days`. It has no capital letter and no full stop, so that it fits into a longer sentence.
pub fn sentence(expr: &Expr) -> String {
    Words { filter: false }.condition(expr)
}

/// A duration in words: `7 days`, `36 hours`.
pub fn duration_words(ms: i64) -> String {
    for (unit, unit_ms) in [
        ("day", DAY_MS),
        ("hour", HOUR_MS),
        ("minute", MINUTE_MS),
        ("second", SECOND_MS),
    ] {
        if ms % unit_ms == 0 {
            let count = ms / unit_ms;
            let plural = if count == 1 { "" } else { "s" };
            return format!("{count} {unit}{plural}");
        }
    }
    format!("{ms} milliseconds")
}

struct Words {
    /// Whether the words are about an event, whose properties need no owner.
    filter: bool,
}

impl Words {
    fn condition(&self, expr: &Expr) -> String {
        match expr {
            Expr::And(parts) => {
                let parts: Vec<String> = parts
                    .iter()
                    .map(|part| self.grouped(part, matches!(part, Expr::Or(_))))
                    .collect();
                parts.join(" and ")
            }
            Expr::Or(parts) => {
                let long = parts.iter().any(|part| matches!(part, Expr::And(_)));
                let parts: Vec<String> = parts.iter().map(|part| self.condition(part)).collect();
                parts.join(if long { ", or " } else { " or " })
            }
            Expr::Not(inner) => self.negated(inner),
            Expr::Held(inner, ms) => {
                let group = matches!(**inner, Expr::And(_) | Expr::Or(_));
                format!(
                    "{} for at least {}",
                    self.grouped(inner, group),
                    duration_words(*ms)
                )
            }
            Expr::Compare(comparison, left, right) => self.comparison(*comparison, left, right),
            Expr::In(value, values) => {
                format!("{} is {}", self.noun(value), alternatives(values, "or"))
            }
            Expr::Contains(whole, part) => {
                format!("{} contains {}", self.noun(whole), self.noun(part))
            }
            Expr::StartsWith(whole, part) => {
                format!("{} starts with {}", self.noun(whole), self.noun(part))
            }
            Expr::Known(value) => format!("{} is known", self.noun(value)),
            Expr::InSegment(Scope::Account, segment) => format!("the account is in {segment}"),
            Expr::InSegment(_, segment) => format!("is in {segment}"),
            Expr::Literal(Value::Bool(true)) => "always".into(),
            Expr::Literal(Value::Bool(false)) => "never".into(),
            other => self.noun(other),
        }
    }

    fn grouped(&self, expr: &Expr, group: bool) -> String {
        let words = self.condition(expr);
        if group { format!("({words})") } else { words }
    }

    fn negated(&self, inner: &Expr) -> String {
        match inner {
            Expr::Known(value) => format!("{} is unknown", self.noun(value)),
            Expr::InSegment(Scope::Account, segment) => format!("the account is not in {segment}"),
            Expr::InSegment(_, segment) => format!("is not in {segment}"),
            Expr::In(value, values) if values.len() == 1 => {
                format!("{} is not {}", self.noun(value), alternatives(values, "or"))
            }
            Expr::In(value, values) => format!(
                "{} is neither {}",
                self.noun(value),
                alternatives(values, "nor")
            ),
            Expr::Contains(whole, part) => {
                format!("{} does not contain {}", self.noun(whole), self.noun(part))
            }
            Expr::StartsWith(whole, part) => format!(
                "{} does not start with {}",
                self.noun(whole),
                self.noun(part)
            ),
            Expr::Compare(Comparison::Equal, left, right)
                if **right == Expr::Literal(Value::Bool(true)) =>
            {
                format!("{} is not true", self.noun(left))
            }
            other => format!("not ({})", self.condition(other)),
        }
    }

    fn comparison(&self, comparison: Comparison, left: &Expr, right: &Expr) -> String {
        match (left, right) {
            (Expr::Aggregate(scope, aggregate), Expr::Literal(Value::Number(number)))
                if aggregate.function == Function::Count =>
            {
                counted(comparison, *scope, aggregate, *number)
            }
            (Expr::Since(at), Expr::Duration(ms)) => format!(
                "{} {} since {}",
                amount(comparison),
                duration_words(*ms),
                self.noun(at)
            ),
            (Expr::Until(at), Expr::Duration(ms)) => format!(
                "{} {} until {}",
                amount(comparison),
                duration_words(*ms),
                self.noun(at)
            ),
            (Expr::Arithmetic(Operator::Divide, ..), Expr::Literal(Value::Number(ratio))) => {
                format!("{} {} {}", self.noun(left), is(comparison), percent(*ratio))
            }
            _ if is_instant(left) || is_instant(right) => format!(
                "{} {} {}",
                self.noun(left),
                is_when(comparison),
                self.noun(right)
            ),
            _ => format!(
                "{} {} {}",
                self.noun(left),
                is(comparison),
                self.noun(right)
            ),
        }
    }

    fn noun(&self, expr: &Expr) -> String {
        match expr {
            Expr::Literal(value) => value_words(value),
            Expr::Duration(ms) => duration_words(*ms),
            Expr::Instant(at) => at.to_string(),
            Expr::Local(at) => local_words(*at),
            Expr::Trait(Scope::Account, name) => format!("the account's {name}"),
            Expr::Trait(Scope::Event, name) if !self.filter => format!("the event's {name}"),
            Expr::Trait(_, name) => name.to_string(),
            Expr::Aggregate(scope, aggregate) => aggregate_words(*scope, aggregate),
            Expr::Now => "now".into(),
            Expr::Since(at) => format!("the time since {}", self.noun(at)),
            Expr::Until(at) => format!("the time until {}", self.noun(at)),
            Expr::Arithmetic(operator, left, right) => self.arithmetic(*operator, left, right),
            Expr::PeopleCount(Scope::Account) => "the account's number of people".into(),
            Expr::PeopleCount(_) => "the number of people".into(),
            Expr::Health(scope, field) => health_words(*scope, *field),
            other => format!("({})", self.condition(other)),
        }
    }

    fn arithmetic(&self, operator: Operator, left: &Expr, right: &Expr) -> String {
        if let Some(words) = change(operator, left, right) {
            return words;
        }
        let side = |expr: &Expr| match expr {
            Expr::Arithmetic(..) => format!("({})", self.noun(expr)),
            _ => self.noun(expr),
        };
        let word = match operator {
            Operator::Add => "plus",
            Operator::Subtract => "minus",
            Operator::Multiply => "times",
            Operator::Divide => "divided by",
        };
        format!("{} {word} {}", side(left), side(right))
    }
}

/// `the account's health zone`.
fn health_words(scope: Scope, field: HealthField) -> String {
    let words = match field {
        HealthField::Score => "health".to_owned(),
        HealthField::Zone => "health zone".to_owned(),
        HealthField::Coverage => "the share of health that has data".to_owned(),
        HealthField::Trend(days) => format!("the change of health over {days} days"),
    };
    match (scope, field) {
        (Scope::Account, HealthField::Score | HealthField::Zone) => {
            format!("the account's {words}")
        }
        (Scope::Account, _) => format!("{words} at the account"),
        _ => words,
    }
}

/// `fewer than 3 report_created in the last 7 days`.
fn counted(comparison: Comparison, scope: Scope, aggregate: &Aggregate, number: f64) -> String {
    let events = events(scope, aggregate);
    let number_text = Value::Number(number).to_string();
    let none = matches!(
        (comparison, number_text.as_str()),
        (Comparison::Equal | Comparison::LessOrEqual, "0")
    );
    let some = matches!(
        (comparison, number_text.as_str()),
        (Comparison::Greater, "0") | (Comparison::GreaterOrEqual, "1")
    );
    if none {
        let ever = if aggregate.window.is_none() {
            " ever"
        } else {
            ""
        };
        return format!("no {events}{ever}");
    }
    if some {
        return format!("at least one {events}");
    }
    let amount = match comparison {
        Comparison::Less => "fewer than",
        other => amount(other),
    };
    format!("{amount} {number_text} {events}")
}

fn aggregate_words(scope: Scope, aggregate: &Aggregate) -> String {
    let events = events(scope, aggregate);
    let property = aggregate.property.as_deref().unwrap_or("value");
    match aggregate.function {
        Function::Count => format!("the number of {events}"),
        Function::Sum => format!("the sum of {property} of {events}"),
        Function::Min => format!("the smallest {property} of {events}"),
        Function::Max => format!("the largest {property} of {events}"),
        Function::Average => format!("the average {property} of {events}"),
        Function::Distinct => format!("the number of different {property} of {events}"),
        Function::ActivePeople if &*aggregate.event == "*" => {
            let whose = if scope == Scope::Account {
                "the account's number of active people"
            } else {
                "the number of active people"
            };
            format!("{whose}{}", when(aggregate))
        }
        Function::ActivePeople => format!("the number of people with {events}"),
        Function::First | Function::Last => {
            let which = if aggregate.function == Function::First {
                "first"
            } else {
                "last"
            };
            match &aggregate.property {
                Some(property) => format!("the {property} of the {which} {events}"),
                None => format!("the {which} {events}"),
            }
        }
    }
}

/// What `drop` and `rise` were replaced by, as they were meant.
fn change(operator: Operator, difference: &Expr, before: &Expr) -> Option<String> {
    let (Operator::Divide, Expr::Arithmetic(Operator::Subtract, first, second)) =
        (operator, difference)
    else {
        return None;
    };
    let (word, present) = if **first == *before {
        ("drop", second)
    } else if **second == *before {
        ("rise", first)
    } else {
        return None;
    };
    let (Expr::Aggregate(scope, now), Expr::Aggregate(_, earlier)) = (&**present, before) else {
        return None;
    };
    let length_ms = now.window?.length_ms;
    let earlier = earlier.window?;
    (earlier.offset_ms == length_ms && earlier.length_ms == length_ms).then(|| {
        format!(
            "the {word} of {} against the {} before",
            aggregate_words(*scope, now),
            duration_words(length_ms)
        )
    })
}

/// `order where total is more than 100 in the last 30 days`.
fn events(scope: Scope, aggregate: &Aggregate) -> String {
    let mut words = aggregate.event.to_string();
    if scope == Scope::Account {
        words.push_str(" at the account");
    }
    words.push_str(&when(aggregate));
    words
}

/// ` where total is more than 100, in the last 30 days`.
fn when(aggregate: &Aggregate) -> String {
    let mut words = String::new();
    if let Some(filter) = &aggregate.filter {
        let filter = Words { filter: true }.condition(filter);
        words = format!(" where {filter}");
        if aggregate.window.is_some() {
            words.push(',');
        }
    }
    if let Some(window) = aggregate.window {
        words.push_str(&within(window));
    }
    words
}

fn within(window: Window) -> String {
    let length = duration_words(window.length_ms);
    match window.offset_ms {
        0 => format!(" in the last {length}"),
        offset_ms if offset_ms == window.length_ms => {
            format!(" in the {length} before the last {length}")
        }
        offset_ms => format!(
            " in the {length} that ended {} ago",
            duration_words(offset_ms)
        ),
    }
}

fn is_instant(expr: &Expr) -> bool {
    match expr {
        Expr::Instant(_) | Expr::Local(_) | Expr::Now => true,
        Expr::Aggregate(_, aggregate) => {
            matches!(aggregate.function, Function::First | Function::Last)
                && aggregate.property.is_none()
        }
        _ => false,
    }
}

fn is(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "is",
        Comparison::NotEqual => "is not",
        Comparison::Less => "is less than",
        Comparison::LessOrEqual => "is at most",
        Comparison::Greater => "is more than",
        Comparison::GreaterOrEqual => "is at least",
    }
}

fn is_when(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "is",
        Comparison::NotEqual => "is not",
        Comparison::Less => "is before",
        Comparison::LessOrEqual => "is not after",
        Comparison::Greater => "is after",
        Comparison::GreaterOrEqual => "is not before",
    }
}

fn amount(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "exactly",
        Comparison::NotEqual => "not exactly",
        Comparison::Less => "less than",
        Comparison::LessOrEqual => "at most",
        Comparison::Greater => "more than",
        Comparison::GreaterOrEqual => "at least",
    }
}

/// A ratio as a percentage, rounded to what the eye can use.
fn percent(ratio: f64) -> String {
    let rounded = (ratio * 100.0 * 1e6).round() / 1e6;
    format!("{rounded}%")
}

fn value_words(value: &Value) -> String {
    match value {
        Value::Text(text) if text.is_empty() => "empty".into(),
        Value::Text(text) if text.contains(char::is_whitespace) => format!("\"{text}\""),
        Value::List(values) => alternatives(values, "and"),
        other => other.to_string(),
    }
}

/// `a, b or c`.
fn alternatives(values: &[Value], word: &str) -> String {
    let words: Vec<String> = values.iter().map(value_words).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, [only])) => format!("{only} {word} {last}"),
        Some((last, others)) if word == "nor" => format!("{} nor {last}", others.join(" nor ")),
        Some((last, others)) => format!("{} {word} {last}", others.join(", ")),
        None => "nothing".into(),
    }
}

fn local_words(at: DateTime) -> String {
    if at.time() == Time::midnight() {
        at.date().to_string()
    } else {
        at.to_string()
    }
}
