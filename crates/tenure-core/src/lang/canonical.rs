//! The one text form of an expression, for comparing and for stable keys.

use crate::expr::{Aggregate, Comparison, Expr, Operator, Scope};
use crate::lang::call::function_name;
use crate::lang::token::{KEYWORDS, continues_name, starts_name};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::value::Value;

/// The expression as text that parses back to an equal expression (in a condition for the same
/// audience, or as a filter when it is one). Equal expressions have equal texts.
pub fn canonical(expr: &Expr) -> String {
    let mut out = String::new();
    Printer { filter: false }.print(expr, 0, &mut out);
    out
}

/// The canonical text of a filter, where bare names are the event's properties.
pub(super) fn canonical_filter(expr: &Expr) -> String {
    let mut out = String::new();
    Printer { filter: true }.print(expr, 0, &mut out);
    out
}

/// A name as written: in backticks unless it is plain.
pub(super) fn name_text(name: &str) -> String {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    let plain = first.starts_with(starts_name)
        && !KEYWORDS.contains(&first)
        && !["account", "event", "health", "now"].contains(&first)
        && std::iter::once(first)
            .chain(parts)
            .all(|part| !part.is_empty() && part.chars().all(continues_name));
    if plain {
        return name.to_owned();
    }
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A text in double quotes.
pub(super) fn text_literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A duration in the largest unit that divides it.
pub(super) fn duration_text(ms: i64) -> String {
    for (unit, unit_ms) in [
        ("d", DAY_MS),
        ("h", HOUR_MS),
        ("m", MINUTE_MS),
        ("s", SECOND_MS),
    ] {
        if ms % unit_ms == 0 {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{ms}ms")
}

pub(super) fn comparison_text(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

struct Printer {
    filter: bool,
}

/// How tightly the outermost operator of an expression binds; the numbers are the parser's.
fn tightness(expr: &Expr) -> u8 {
    match expr {
        Expr::Or(_) => 1,
        Expr::And(_) => 2,
        Expr::Held(..) => 3,
        Expr::Not(_) => 4,
        Expr::Compare(..) | Expr::In(..) => 5,
        Expr::Arithmetic(Operator::Add | Operator::Subtract, ..) => 6,
        Expr::Arithmetic(..) => 7,
        _ => 9,
    }
}

impl Printer {
    /// Prints, in parentheses when the place wants something that binds tighter.
    fn print(&self, expr: &Expr, wanted: u8, out: &mut String) {
        if tightness(expr) < wanted {
            out.push('(');
            self.bare(expr, out);
            out.push(')');
        } else {
            self.bare(expr, out);
        }
    }

    fn bare(&self, expr: &Expr, out: &mut String) {
        match expr {
            Expr::Literal(value) => literal(value, out),
            Expr::Duration(ms) => out.push_str(&duration_text(*ms)),
            Expr::Instant(at) => {
                out.push_str("date(\"");
                out.push_str(&at.to_string());
                out.push_str("\")");
            }
            Expr::Local(at) => {
                out.push_str("date(\"");
                out.push_str(&at.to_string());
                out.push_str("\")");
            }
            Expr::Trait(scope, name) => {
                self.scope(*scope, out);
                out.push_str(&name_text(name));
            }
            Expr::Aggregate(scope, aggregate) => {
                self.scope(*scope, out);
                print_aggregate(aggregate, out);
            }
            Expr::Now => out.push_str("now()"),
            Expr::Since(at) => self.call("since", &[at], out),
            Expr::Until(at) => self.call("until", &[at], out),
            Expr::Known(value) => self.call("known", &[value], out),
            Expr::Contains(whole, part) => self.call("contains", &[whole, part], out),
            Expr::StartsWith(whole, part) => self.call("starts_with", &[whole, part], out),
            Expr::Not(inner) => {
                out.push_str("not ");
                self.print(inner, 4, out);
            }
            Expr::And(parts) => self.list(parts, " and ", 3, out),
            Expr::Or(parts) => self.list(parts, " or ", 2, out),
            Expr::Compare(comparison, left, right) => {
                self.binary(left, comparison_text(*comparison), right, (6, 6), out);
            }
            Expr::Arithmetic(operator, left, right) => {
                let (symbol, sides) = match operator {
                    Operator::Add => ("+", (6, 7)),
                    Operator::Subtract => ("-", (6, 7)),
                    Operator::Multiply => ("*", (7, 8)),
                    Operator::Divide => ("/", (7, 8)),
                };
                self.binary(left, symbol, right, sides, out);
            }
            Expr::In(value, values) => {
                self.print(value, 6, out);
                out.push_str(" in ");
                literal_list(values, out);
            }
            Expr::InSegment(scope, segment) => {
                self.scope(*scope, out);
                out.push_str("in(");
                out.push_str(&text_literal(segment));
                out.push(')');
            }
            Expr::Held(inner, ms) => {
                self.print(inner, 3, out);
                out.push_str(" for ");
                out.push_str(&duration_text(*ms));
            }
            Expr::PeopleCount(scope) => {
                self.scope(*scope, out);
                out.push_str("people()");
            }
            Expr::Health(scope, field) => {
                self.scope(*scope, out);
                out.push_str(field.text());
            }
        }
    }

    fn scope(&self, scope: Scope, out: &mut String) {
        match scope {
            Scope::Account => out.push_str("account."),
            Scope::Event if !self.filter => out.push_str("event."),
            Scope::Own | Scope::Event => {}
        }
    }

    fn list(&self, parts: &[Expr], between: &str, wanted: u8, out: &mut String) {
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                out.push_str(between);
            }
            self.print(part, wanted, out);
        }
    }

    fn binary(&self, left: &Expr, symbol: &str, right: &Expr, sides: (u8, u8), out: &mut String) {
        self.print(left, sides.0, out);
        out.push(' ');
        out.push_str(symbol);
        out.push(' ');
        self.print(right, sides.1, out);
    }

    fn call(&self, name: &str, arguments: &[&Expr], out: &mut String) {
        out.push_str(name);
        out.push('(');
        for (at, argument) in arguments.iter().enumerate() {
            if at > 0 {
                out.push_str(", ");
            }
            self.print(argument, 0, out);
        }
        out.push(')');
    }
}

fn print_aggregate(aggregate: &Aggregate, out: &mut String) {
    out.push_str(function_name(aggregate.function));
    out.push('(');
    out.push_str(&text_literal(&aggregate.event));
    if let Some(property) = &aggregate.property {
        out.push_str(", ");
        out.push_str(&name_text(property));
    }
    if let Some(window) = aggregate.window {
        out.push_str(", ");
        out.push_str(&duration_text(window.length_ms));
        if window.offset_ms != 0 {
            out.push_str(", ago ");
            out.push_str(&duration_text(window.offset_ms));
        }
    }
    if let Some(filter) = &aggregate.filter {
        out.push_str(", where ");
        out.push_str(&canonical_filter(filter));
    }
    out.push(')');
}

fn literal(value: &Value, out: &mut String) {
    match value {
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        // Zero has one text, though it has two bit patterns.
        Value::Number(number) if *number == 0.0 => out.push('0'),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Text(text) => out.push_str(&text_literal(text)),
        Value::List(values) => literal_list(values, out),
    }
}

fn literal_list(values: &[Value], out: &mut String) {
    out.push('[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        literal(value, out);
    }
    out.push(']');
}
