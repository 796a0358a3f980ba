//! The tree into an expression: names get their scope, types are checked, sugar is replaced.

use crate::define::Audience;
use crate::diagnostic::Span;
use crate::expr::{Comparison, Expr, Operator, Scope};
use crate::health::HealthField;
use crate::lang::finding::Finding;
use crate::lang::nearest::did_you_mean;
use crate::lang::parse::parse;
use crate::lang::tree::{Name, Node, NodeKind};
use crate::lang::{MAX_CONDITION_DEPTH, MAX_FINDINGS, MAX_WINDOW_MS};
use crate::time::{Timestamp, parse_local};
use crate::value::Value;

/// Parses and checks a condition about subjects of `audience`. All that is wrong is found at once.
pub fn parse_condition(text: &str, audience: Audience) -> Result<Expr, Vec<Finding>> {
    checked(text, audience, Wanted::Condition).map(|checked| checked.expr)
}

/// Parses and checks a filter on an event's properties: bare names are properties; aggregates,
/// segments and the present time are refused, because a filter looks at the event alone.
pub fn parse_filter(text: &str) -> Result<Expr, Vec<Finding>> {
    checked(text, Audience::Person, Wanted::Filter).map(|checked| checked.expr)
}

/// Parses and checks a number about subjects of `audience`, such as `active_people(7d) / seats`.
pub fn parse_number(text: &str, audience: Audience) -> Result<Expr, Vec<Finding>> {
    checked(text, audience, Wanted::Number).map(|checked| checked.expr)
}

/// What a text is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Condition,
    Filter,
    Number,
    /// A number or a duration.
    Measure,
}

/// A checked text.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) expr: Expr,
    /// Of a measure: whether it is a duration (else a number); `None` where only the value of a
    /// trait can tell.
    pub(super) duration: Option<bool>,
    /// What is allowed but probably not meant.
    pub(super) warnings: Vec<Finding>,
}

pub(super) fn checked(
    text: &str,
    audience: Audience,
    wanted: Wanted,
) -> Result<Checked, Vec<Finding>> {
    let (node, mut findings) = parse(text);
    let hopeless = |one: &Finding| matches!(one.code, "too-deep" | "condition-too-long");
    if findings.iter().any(hopeless) {
        // What was cut off there would only give false alarms.
        findings.retain(hopeless);
        return Err(findings);
    }
    let mut checker = Checker {
        audience,
        filter: wanted == Wanted::Filter,
        findings,
        warnings: Vec::new(),
    };
    let (expr, found) = match wanted {
        Wanted::Condition | Wanted::Filter => (checker.condition(&node), Type::Condition),
        Wanted::Number => (checker.number(&node), Type::Number),
        Wanted::Measure => checker.measure(&node),
    };
    if checker.findings.is_empty() && depth(&expr) > MAX_CONDITION_DEPTH {
        checker.findings.push(
            Finding::new(
                "too-deep",
                node.span,
                format!("the condition is nested deeper than {MAX_CONDITION_DEPTH} levels"),
            )
            .help("split it into segments and combine them with in(\"…\")"),
        );
    }
    if checker.findings.is_empty() {
        return Ok(Checked {
            expr,
            duration: match found {
                Type::Any | Type::Quantity => None,
                other => Some(other == Type::Duration),
            },
            warnings: checker.warnings,
        });
    }
    checker
        .findings
        .sort_by_key(|finding| (finding.span.start, finding.span.end));
    checker.findings.truncate(MAX_FINDINGS);
    Err(checker.findings)
}

/// What is known about a value before any subject is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// A trait or property: anything.
    Any,
    Number,
    /// A number, a duration or an instant: arithmetic over traits.
    Quantity,
    Duration,
    Instant,
    Text,
    Flag,
    List,
    /// True, false or unknown; not a value.
    Condition,
}

impl Type {
    fn words(self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Number => "a number",
            Self::Quantity => "a number or a time",
            Self::Duration => "a duration",
            Self::Instant => "an instant",
            Self::Text => "a text",
            Self::Flag => "true or false",
            Self::List => "a list",
            Self::Condition => "a condition",
        }
    }
}

/// An expression and what is known about it.
pub(super) type Typed = (Expr, Type);

/// Stands for what was already reported.
pub(super) const NOTHING: Typed = (Expr::Now, Type::Any);

pub(super) struct Checker {
    pub(super) audience: Audience,
    /// Whether the names are properties of an event.
    pub(super) filter: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

impl Checker {
    pub(super) fn report(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings
            .push(Finding::new(code, span, message).help(help));
    }

    /// An expression that is true, false or unknown. A bare value holds when it is the flag true.
    pub(super) fn condition(&mut self, node: &Node) -> Expr {
        let (expr, found) = self.value(node);
        match found {
            Type::Condition | Type::Flag => expr,
            Type::Any if matches!(node.kind, NodeKind::Bad) => expr,
            Type::Any => Expr::Compare(
                Comparison::Equal,
                Box::new(expr),
                Box::new(Expr::Literal(Value::Bool(true))),
            ),
            other => {
                self.report(
                    "not-a-condition",
                    node.span,
                    format!("this is {}, not a condition", other.words()),
                    "compare it with something, for example `count(\"order\", 7d) > 0`",
                );
                expr
            }
        }
    }

    fn number(&mut self, node: &Node) -> Expr {
        let (expr, found) = self.value(node);
        if !matches!(found, Type::Any | Type::Number | Type::Quantity) {
            self.report(
                "not-a-number",
                node.span,
                format!("this is {}, not a number", found.words()),
                "divide two durations, or count something, to get a number",
            );
        }
        expr
    }

    fn measure(&mut self, node: &Node) -> Typed {
        let (expr, found) = self.value(node);
        if !matches!(
            found,
            Type::Any | Type::Number | Type::Quantity | Type::Duration
        ) {
            self.report(
                "not-a-number",
                node.span,
                format!("this is {}, not a number", found.words()),
                "count something, divide two numbers, or write `since(…)` for a duration",
            );
        }
        (expr, found)
    }

    /// A value that may be compared; conditions are refused.
    fn operand(&mut self, node: &Node) -> Typed {
        let (expr, found) = self.value(node);
        if found == Type::Condition {
            self.report(
                "condition-as-value",
                node.span,
                "a condition is no value to compare or to compute with",
                "combine conditions with `and`, `or` and `not`",
            );
            return NOTHING;
        }
        (expr, found)
    }

    pub(super) fn value(&mut self, node: &Node) -> Typed {
        let condition = |expr| (expr, Type::Condition);
        match &node.kind {
            NodeKind::Bad => NOTHING,
            NodeKind::Number(number) => (Expr::Literal(Value::Number(*number)), Type::Number),
            NodeKind::Text(text) => (Expr::Literal(Value::text(text.as_str())), Type::Text),
            NodeKind::Flag(flag) => (Expr::Literal(Value::Bool(*flag)), Type::Flag),
            NodeKind::Duration(ms) => (Expr::Duration(*ms), Type::Duration),
            NodeKind::Instant(at) => (Expr::Instant(*at), Type::Instant),
            NodeKind::Local(at) => (Expr::Local(*at), Type::Instant),
            NodeKind::List(items) => {
                let values = items.iter().filter_map(|item| self.literal(item)).collect();
                (Expr::Literal(Value::List(values)), Type::List)
            }
            NodeKind::Name(name) => self.name(name, node.span),
            NodeKind::Call(name, arguments) => self.call(name, arguments, node.span),
            NodeKind::Negative(inner) => self.negative(inner),
            NodeKind::Not(inner) => condition(Expr::Not(Box::new(self.condition(inner)))),
            NodeKind::And(parts) => condition(self.conjunction(parts)),
            NodeKind::Or(parts) => condition(self.disjunction(parts)),
            NodeKind::Compare(comparison, left, right) => {
                condition(self.compare(*comparison, left, right, node.span))
            }
            NodeKind::Arithmetic(operator, left, right) => {
                self.arithmetic(*operator, left, right, node.span)
            }
            NodeKind::In(value, list) => condition(self.in_list(value, list)),
            NodeKind::Between(value, low, high) => condition(self.between(value, low, high)),
            NodeKind::Contains(whole, part) => condition(self.contains(whole, part)),
            NodeKind::StartsWith(whole, part) => condition(self.starts_with(whole, part)),
            NodeKind::Known(value) => condition(Expr::Known(Box::new(self.operand(value).0))),
            NodeKind::Held(inner, length) => condition(self.held(inner, length, node.span)),
        }
    }

    /// The parts of an `and`; sugar that is itself an `and` (`between`) dissolves in it.
    fn conjunction(&mut self, nodes: &[Node]) -> Expr {
        let mut parts = Vec::with_capacity(nodes.len());
        for node in nodes {
            match self.condition(node) {
                Expr::And(inner) => parts.extend(inner),
                other => parts.push(other),
            }
        }
        Expr::And(parts)
    }

    fn disjunction(&mut self, nodes: &[Node]) -> Expr {
        Expr::Or(nodes.iter().map(|node| self.condition(node)).collect())
    }

    fn name(&mut self, name: &Name, span: Span) -> Typed {
        let (scope, name) = self.scope(name, span);
        if scope == Scope::Own && !name.quoted && name.parts == ["now"] {
            self.report(
                "missing-parentheses",
                span,
                "`now` is a function",
                "write `now()`",
            );
        }
        if scope != Scope::Event && !name.quoted && name.parts[0] == "health" {
            return self.health(scope, &name, span);
        }
        (Expr::Trait(scope, name.dotted().into()), Type::Any)
    }

    /// `health` and what can be asked of it.
    fn health(&mut self, scope: Scope, name: &Name, span: Span) -> Typed {
        let asked = name.parts[1..].join(".");
        let field = if asked.is_empty() {
            Some(HealthField::Score)
        } else {
            let mut known = HealthField::NAMES.into_iter();
            known
                .find(|(known, _)| *known == asked)
                .map(|(_, field)| field)
        };
        let Some(field) = field else {
            let names = HealthField::NAMES.map(|(name, _)| name);
            let help = did_you_mean(&asked, names).unwrap_or_else(|| {
                format!(
                    "health has {}; a trait of this name is written in backticks",
                    names.join(", ")
                )
            });
            self.report(
                "unknown-health",
                span,
                format!("health has no `{asked}`"),
                help,
            );
            return NOTHING;
        };
        let found = match field {
            HealthField::Zone => Type::Text,
            _ => Type::Number,
        };
        (Expr::Health(scope, field), found)
    }

    /// Whose value a name means, and the name without its scope.
    pub(super) fn scope(&mut self, name: &Name, span: Span) -> (Scope, Name) {
        if let Some(rest) = name.without("event") {
            return (Scope::Event, rest);
        }
        let Some(rest) = name.without("account") else {
            let own = if self.filter {
                Scope::Event
            } else {
                Scope::Own
            };
            return (own, name.clone());
        };
        if self.filter {
            self.report(
                "account-in-filter",
                span,
                "a filter looks at the event's properties alone",
                format!(
                    "move `{}` out of the filter; a property of this name is written `{1}{0}{1}`",
                    name.dotted(),
                    '`'
                ),
            );
        } else if self.audience == Audience::Account {
            self.report(
                "account-of-account",
                span,
                "the condition is about the account already",
                format!("write `{}`", rest.dotted()),
            );
        } else if rest.without("account").is_some() {
            self.report(
                "account-of-account",
                span,
                "an account has no account",
                format!("write `{}`", rest.dotted()),
            );
        }
        (Scope::Account, rest)
    }

    fn negative(&mut self, inner: &Node) -> Typed {
        let (expr, found) = self.operand(inner);
        let zero = match found {
            Type::Any | Type::Number | Type::Quantity => Expr::Literal(Value::Number(0.0)),
            Type::Duration => Expr::Duration(0),
            other => {
                self.report(
                    "type-mismatch",
                    inner.span,
                    format!("{} has no negative", other.words()),
                    "only numbers and durations do",
                );
                return NOTHING;
            }
        };
        let kind = if found == Type::Duration {
            Type::Duration
        } else {
            Type::Number
        };
        let expr = Expr::Arithmetic(Operator::Subtract, Box::new(zero), Box::new(expr));
        (expr, kind)
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left_node: &Node,
        right_node: &Node,
        span: Span,
    ) -> Expr {
        let left = self.operand(left_node);
        let right = self.operand(right_node);
        let (left, right) = self.align(left, right, left_node, right_node);
        if !comparable(comparison, left.1, right.1) {
            self.report(
                "type-mismatch",
                span,
                format!(
                    "{} cannot be compared with {}",
                    left.1.words(),
                    right.1.words()
                ),
                mismatch_help(comparison, left.1, right.1, left_node),
            );
        }
        self.warn_of_unquoted(comparison, left_node, right_node);
        Expr::Compare(comparison, Box::new(left.0), Box::new(right.0))
    }

    /// `plan == pro` is allowed, since `pro` may be a trait; but it seldom is.
    fn warn_of_unquoted(&mut self, comparison: Comparison, left: &Node, right: &Node) {
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if let (true, NodeKind::Name(_), NodeKind::Name(name)) = (equality, &left.kind, &right.kind)
            && name.parts.len() == 1
            && !name.quoted
        {
            let word = name.dotted();
            self.warnings.push(
                Finding::new(
                    "compares-traits",
                    right.span,
                    format!("`{word}` is read as the name of a trait"),
                )
                .help(format!("if the text is meant, write \"{word}\"")),
            );
        }
    }

    /// A text literal beside an instant is read as a date.
    fn align(
        &mut self,
        left: Typed,
        right: Typed,
        left_node: &Node,
        right_node: &Node,
    ) -> (Typed, Typed) {
        match (left.1, right.1) {
            (Type::Instant, Type::Text) => {
                let right = self.instant(right, right_node);
                (left, right)
            }
            (Type::Text, Type::Instant) => (self.instant(left, left_node), right),
            _ => (left, right),
        }
    }

    /// An instant, or anything that may turn out to be one.
    pub(super) fn instant(&mut self, typed: Typed, node: &Node) -> Typed {
        let (expr, found) = typed;
        match (&expr, found) {
            (_, Type::Any | Type::Instant | Type::Quantity) => (expr, found),
            (Expr::Literal(Value::Text(text)), _) => {
                if let Some(at) = parse_local(text) {
                    return (Expr::Local(at), Type::Instant);
                }
                if let Some(at) = Timestamp::parse(text) {
                    return (Expr::Instant(at), Type::Instant);
                }
                self.report(
                    "bad-date",
                    node.span,
                    format!("\"{text}\" is no date"),
                    "write for example `2026-03-01` or `2026-03-01T10:00:00Z`",
                );
                NOTHING
            }
            _ => {
                self.report(
                    "type-mismatch",
                    node.span,
                    format!("an instant is wanted here, and this is {}", found.words()),
                    "give a date, a trait holding one, or `last(\"event\")`",
                );
                NOTHING
            }
        }
    }

    fn arithmetic(
        &mut self,
        operator: Operator,
        left_node: &Node,
        right_node: &Node,
        span: Span,
    ) -> Typed {
        let (left, left_type) = self.operand(left_node);
        let (right, right_type) = self.operand(right_node);
        let kind = result(operator, left_type, right_type).unwrap_or_else(|| {
            self.report(
                "type-mismatch",
                span,
                format!(
                    "{} and {} cannot be {}",
                    left_type.words(),
                    right_type.words(),
                    match operator {
                        Operator::Add => "added",
                        Operator::Subtract => "subtracted",
                        Operator::Multiply => "multiplied",
                        Operator::Divide => "divided",
                    }
                ),
                "numbers go with numbers, durations with durations and instants",
            );
            Type::Any
        });
        (
            Expr::Arithmetic(operator, Box::new(left), Box::new(right)),
            kind,
        )
    }

    fn in_list(&mut self, value_node: &Node, list_node: &Node) -> Expr {
        let (value, found) = self.operand(value_node);
        let NodeKind::List(items) = &list_node.kind else {
            if !matches!(list_node.kind, NodeKind::Bad) {
                self.report(
                    "in-without-list",
                    list_node.span,
                    "`in` wants a list in square brackets",
                    "write for example `plan in [\"pro\", \"enterprise\"]`; whether a list trait holds a value is `contains(tags, \"vip\")`",
                );
            }
            return value;
        };
        if items.is_empty() {
            self.report(
                "empty-list",
                list_node.span,
                "nothing is in an empty list",
                "name the values, or remove the condition",
            );
        }
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let Some(literal) = self.literal(item) else {
                continue;
            };
            let kind = type_of(&literal);
            if !comparable(Comparison::Equal, found, kind) {
                self.report(
                    "type-mismatch",
                    item.span,
                    format!("{} is never equal to {}", found.words(), kind.words()),
                    mismatch_help(Comparison::Equal, found, kind, value_node),
                );
            }
            values.push(literal);
        }
        Expr::In(Box::new(value), values)
    }

    /// A literal inside a list.
    fn literal(&mut self, node: &Node) -> Option<Value> {
        match &node.kind {
            NodeKind::Number(number) => Some(Value::Number(*number)),
            NodeKind::Text(text) => Some(Value::text(text.as_str())),
            NodeKind::Flag(flag) => Some(Value::Bool(*flag)),
            NodeKind::Bad => None,
            NodeKind::Name(name) => {
                let name = name.dotted();
                self.report(
                    "missing-quotes",
                    node.span,
                    format!("`{name}` is a name, and a list holds values"),
                    format!("write \"{name}\""),
                );
                None
            }
            _ => {
                self.report(
                    "bad-list",
                    node.span,
                    "a list holds texts, numbers, true and false",
                    "compare with `==` and combine with `or` instead",
                );
                None
            }
        }
    }

    fn between(&mut self, value: &Node, low: &Node, high: &Node) -> Expr {
        let from = self.compare(Comparison::GreaterOrEqual, value, low, low.span);
        // The value was checked above: its findings are not wanted twice.
        let (findings, warnings) = (self.findings.len(), self.warnings.len());
        let (value_again, found) = self.operand(value);
        self.findings.truncate(findings);
        self.warnings.truncate(warnings);
        let bound = self.operand(high);
        let (left, bound) = self.align((value_again, found), bound, value, high);
        if !comparable(Comparison::LessOrEqual, left.1, bound.1) {
            self.report(
                "type-mismatch",
                high.span,
                format!(
                    "{} cannot be compared with {}",
                    left.1.words(),
                    bound.1.words()
                ),
                mismatch_help(Comparison::LessOrEqual, left.1, bound.1, value),
            );
        }
        let until = Expr::Compare(Comparison::LessOrEqual, Box::new(left.0), Box::new(bound.0));
        Expr::And(vec![from, until])
    }

    pub(super) fn contains(&mut self, whole_node: &Node, part_node: &Node) -> Expr {
        let (whole, whole_type) = self.operand(whole_node);
        let (part, part_type) = self.operand(part_node);
        if !matches!(whole_type, Type::Any | Type::Text | Type::List) {
            self.wants_text(whole_node, whole_type);
        }
        if matches!(part_type, Type::Duration | Type::Instant | Type::List) {
            self.wants_text(part_node, part_type);
        }
        Expr::Contains(Box::new(whole), Box::new(part))
    }

    pub(super) fn starts_with(&mut self, whole_node: &Node, part_node: &Node) -> Expr {
        let (whole, whole_type) = self.operand(whole_node);
        let (part, part_type) = self.operand(part_node);
        for (node, found) in [(whole_node, whole_type), (part_node, part_type)] {
            if !matches!(found, Type::Any | Type::Text) {
                self.wants_text(node, found);
            }
        }
        Expr::StartsWith(Box::new(whole), Box::new(part))
    }

    fn wants_text(&mut self, node: &Node, found: Type) {
        self.report(
            "type-mismatch",
            node.span,
            format!("a text is wanted here, and this is {}", found.words()),
            "give a trait holding text, or a text in quotes",
        );
    }

    pub(super) fn known(&mut self, node: &Node) -> Expr {
        Expr::Known(Box::new(self.operand(node).0))
    }

    fn held(&mut self, inner: &Node, length: &Node, span: Span) -> Expr {
        if self.filter {
            self.report(
                "time-in-filter",
                span,
                "a filter looks at one event and cannot hold for a time",
                "move `for` out of the filter",
            );
        }
        let inner = self.condition(inner);
        let ms = self.span_ms(length).unwrap_or(1);
        Expr::Held(Box::new(inner), ms)
    }

    /// A duration literal usable as a window or dwell.
    pub(super) fn span_ms(&mut self, node: &Node) -> Option<i64> {
        let (message, help) = match &node.kind {
            NodeKind::Duration(ms) if (1..=MAX_WINDOW_MS).contains(ms) => return Some(*ms),
            NodeKind::Duration(ms) if *ms <= 0 => {
                ("this must be longer than nothing", "write for example `7d`")
            }
            NodeKind::Duration(_) => (
                "this is longer than three years",
                "leave it out to look at all time, or write at most `156w`",
            ),
            NodeKind::Number(_) => (
                "a duration is wanted, and this number has no unit",
                "write for example `7d` or `36h`",
            ),
            NodeKind::Bad => return None,
            _ => (
                "a duration is wanted here",
                "write for example `7d` or `36h`; it must be a literal",
            ),
        };
        self.report("bad-duration", node.span, message, help);
        None
    }
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::Flag,
        Value::Number(_) => Type::Number,
        Value::Text(_) => Type::Text,
        Value::List(_) => Type::List,
    }
}

fn comparable(comparison: Comparison, left: Type, right: Type) -> bool {
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    match (left, right) {
        (Type::List | Type::Condition, _) | (_, Type::List | Type::Condition) => false,
        (Type::Any | Type::Flag, Type::Flag) | (Type::Flag, Type::Any) => equality,
        (Type::Any, _) | (_, Type::Any) => true,
        (Type::Quantity, other) | (other, Type::Quantity) => matches!(
            other,
            Type::Number | Type::Duration | Type::Instant | Type::Quantity
        ),
        (left, right) => left == right,
    }
}

/// What arithmetic gives, or `None` when it makes no sense.
fn result(operator: Operator, left: Type, right: Type) -> Option<Type> {
    use Operator::{Add, Divide, Multiply, Subtract};
    use Type::{Any, Condition, Duration, Flag, Instant, List, Number, Quantity, Text};
    Some(match (operator, left, right) {
        (_, Text | Flag | List | Condition, _) | (_, _, Text | Flag | List | Condition) => {
            return None;
        }
        (_, Number, Number) | (Divide, Duration, Duration) => Number,
        (Add | Subtract, Duration, Duration)
        | (Multiply | Divide, Duration, Number)
        | (Multiply, Number, Duration)
        | (Subtract, Instant, Instant) => Duration,
        (Add | Subtract, Instant, Duration) | (Add, Duration, Instant) => Instant,
        (_, Any | Quantity, _) | (_, _, Any | Quantity) => Quantity,
        _ => return None,
    })
}

fn mismatch_help(comparison: Comparison, left: Type, right: Type, left_node: &Node) -> String {
    let dashed = matches!(
        &left_node.kind,
        NodeKind::Arithmetic(Operator::Subtract, first, second)
            if matches!((&first.kind, &second.kind), (NodeKind::Name(_), NodeKind::Name(_)))
    );
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    match (left, right) {
        (Type::Quantity | Type::Number, Type::Text) if dashed => {
            "a trait with a dash in its name is written in backticks: `customer-tier`".into()
        }
        (Type::Duration, Type::Number) | (Type::Number, Type::Duration) => {
            "durations have a unit: write for example `10d`".into()
        }
        (Type::Number, Type::Text) | (Type::Text, Type::Number) => {
            "text is never read as a number: write the number without quotes".into()
        }
        (Type::List, _) | (_, Type::List) => {
            "ask for one of several values with `in […]`, and for a value in a list trait with `contains(tags, \"vip\")`".into()
        }
        (Type::Flag, _) | (_, Type::Flag) if !equality => {
            "true and false are only compared with `==` and `!=`".into()
        }
        (Type::Instant, Type::Duration) | (Type::Duration, Type::Instant) => {
            "write `since(…)` for the time from an instant to now, `until(…)` for the time to it"
                .into()
        }
        _ => "compare values of one kind".into(),
    }
}

/// How deep an expression is nested; a list counts as a level.
pub(super) fn depth(expr: &Expr) -> usize {
    let below = match expr {
        Expr::Literal(Value::List(_)) => 1,
        Expr::Literal(_)
        | Expr::Duration(_)
        | Expr::Instant(_)
        | Expr::Local(_)
        | Expr::Trait(..)
        | Expr::Now
        | Expr::InSegment(..)
        | Expr::Health(..)
        | Expr::PeopleCount(_) => 0,
        Expr::Aggregate(_, aggregate) => aggregate.filter.as_deref().map_or(0, depth),
        Expr::In(inner, _) => depth(inner).max(1),
        Expr::Since(inner)
        | Expr::Until(inner)
        | Expr::Not(inner)
        | Expr::Known(inner)
        | Expr::Held(inner, _) => depth(inner),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().map(depth).max().unwrap_or(0),
        Expr::Compare(_, left, right)
        | Expr::Contains(left, right)
        | Expr::StartsWith(left, right)
        | Expr::Arithmetic(_, left, right) => depth(left).max(depth(right)),
    };
    below + 1
}
