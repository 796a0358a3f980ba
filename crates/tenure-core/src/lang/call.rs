//! Function calls: names, arguments, and what each is replaced by.

use crate::define::Audience;
use crate::diagnostic::Span;
use crate::expr::{Aggregate, Comparison, Expr, Function, Operator, Scope, Window};
use crate::lang::check::{Checker, NOTHING, Type, Typed};
use crate::lang::nearest::nearest;
use crate::lang::tree::{Arguments, Name, Node, NodeKind};
use crate::time::Timestamp;
use crate::value::Value;

/// Every function with an example of its use.
pub(super) const FUNCTIONS: [(&str, &str); 23] = [
    ("count", "count(\"order\", 30d, where total > 100)"),
    ("sum", "sum(\"order\", total, 30d)"),
    ("min", "min(\"order\", total, 30d)"),
    ("max", "max(\"order\", total, 30d)"),
    ("average", "average(\"order\", total, 30d)"),
    ("distinct", "distinct(\"feature_used\", feature, 30d)"),
    ("active_people", "active_people(30d)"),
    ("first", "first(\"signed_up\")"),
    ("last", "last(\"session_started\")"),
    ("never", "never(\"invited_teammate\")"),
    ("since", "since(last(\"session_started\"))"),
    ("until", "until(renewal_date)"),
    ("drop", "drop(count(\"session_started\"), 7d)"),
    ("rise", "rise(count(\"session_started\"), 7d)"),
    ("in", "in(\"power-users\")"),
    ("known", "known(plan)"),
    ("contains", "contains(tags, \"vip\")"),
    ("starts_with", "starts_with(name, \"A\")"),
    ("usage", "usage(\"api_calls\")"),
    ("limit", "limit(\"api_calls\")"),
    ("people", "people()"),
    ("now", "now()"),
    ("date", "date(\"2026-03-01T10:00:00Z\")"),
];

/// The name of any event, for counting active people.
const ANY_EVENT: &str = "*";

/// Whether a function reads a property of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Nothing,
    Property,
    Either,
}

fn aggregate_function(name: &str) -> Option<(Function, Reads)> {
    Some(match name {
        "count" => (Function::Count, Reads::Nothing),
        "sum" => (Function::Sum, Reads::Property),
        "min" => (Function::Min, Reads::Property),
        "max" => (Function::Max, Reads::Property),
        "average" => (Function::Average, Reads::Property),
        "distinct" => (Function::Distinct, Reads::Property),
        "active_people" => (Function::ActivePeople, Reads::Nothing),
        "first" => (Function::First, Reads::Either),
        "last" => (Function::Last, Reads::Either),
        _ => return None,
    })
}

fn example(name: &str) -> String {
    FUNCTIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or_else(String::new, |(_, example)| {
            format!("write for example `{example}`")
        })
}

impl Checker {
    pub(super) fn call(&mut self, name: &Name, arguments: &Arguments, span: Span) -> Typed {
        let (scope, short) = self.scope(name, span);
        let function = short.dotted();
        if let Some((kind, reads)) = aggregate_function(&function) {
            if self.refused_in_filter(&function, span) {
                return NOTHING;
            }
            return match self.aggregate(scope, kind, reads, arguments, span) {
                Some(aggregate) => typed_aggregate(scope, aggregate),
                None => NOTHING,
            };
        }
        if function == "now" && self.refused_in_filter(&function, span) {
            return NOTHING;
        }
        match function.as_str() {
            "never" | "drop" | "rise" | "in" | "people" | "since" | "until"
                if self.refused_in_filter(&function, span) =>
            {
                NOTHING
            }
            "never" => self.never(scope, arguments, span),
            "drop" | "rise" => self.change(&function, scope, arguments, span),
            "in" => self.in_segment(scope, arguments, span),
            "people" => self.people(scope, arguments, span),
            "usage" | "limit" => self.metered(&function, scope, arguments, span),
            _ if self.unscoped(scope, &function, span) => NOTHING,
            "since" | "until" => self.relative(&function, arguments, span),
            "known" => match self.exactly::<1>("known", arguments, span) {
                Some([value]) => (self.known(value), Type::Condition),
                None => NOTHING,
            },
            "contains" => match self.exactly::<2>("contains", arguments, span) {
                Some([whole, part]) => (self.contains(whole, part), Type::Condition),
                None => NOTHING,
            },
            "starts_with" => match self.exactly::<2>("starts_with", arguments, span) {
                Some([whole, part]) => (self.starts_with(whole, part), Type::Condition),
                None => NOTHING,
            },
            "now" => {
                self.exactly::<0>("now", arguments, span);
                (Expr::Now, Type::Instant)
            }
            "date" => self.date(arguments, span),
            _ => self.unknown_function(name, span),
        }
    }

    fn unknown_function(&mut self, name: &Name, span: Span) -> Typed {
        let written = name.dotted();
        let known = FUNCTIONS.iter().map(|(known, _)| *known);
        let help = match nearest(&written, known) {
            Some(near) => format!("did you mean `{near}`? {}", example(near)),
            None => "the reference lists all functions; a trait needs no parentheses".into(),
        };
        let at = Span {
            start: span.start,
            end: (span.start + written.len()).min(span.end),
        };
        self.report(
            "unknown-function",
            at,
            format!("there is no function `{written}`"),
            help,
        );
        NOTHING
    }

    /// Reports a function that needs more than the event itself inside a filter.
    fn refused_in_filter(&mut self, function: &str, span: Span) -> bool {
        if self.filter {
            let (code, message) = match function {
                "since" | "until" | "now" => (
                    "time-in-filter",
                    "a filter looks at the event alone, not at the present time",
                ),
                _ => (
                    "aggregate-in-filter",
                    "a filter looks at one event's properties alone",
                ),
            };
            self.report(
                code,
                span,
                message,
                format!("move `{function}(…)` out of the filter"),
            );
        }
        self.filter
    }

    /// Reports `account.since(…)`: only what reads the account itself has a scope.
    fn unscoped(&mut self, scope: Scope, function: &str, span: Span) -> bool {
        let own = if self.filter {
            Scope::Event
        } else {
            Scope::Own
        };
        let known = FUNCTIONS.iter().any(|(known, _)| *known == function);
        if scope == own || !known {
            return false;
        }
        self.report(
            "scope-of-function",
            span,
            format!("`{function}` is the same for everybody"),
            format!("put the scope inside: `{function}(account.…)`"),
        );
        true
    }

    /// The arguments, if there are exactly `N` and none with a label.
    fn exactly<'a, const N: usize>(
        &mut self,
        function: &str,
        arguments: &'a Arguments,
        span: Span,
    ) -> Option<&'a [Node; N]> {
        if arguments.filter.is_none()
            && arguments.ago.is_none()
            && let Ok(exact) = <&[Node; N]>::try_from(arguments.plain.as_slice())
        {
            return Some(exact);
        }
        let found = arguments.plain.len();
        let message = if found == N {
            format!("`{function}` knows no `where` and no `ago`")
        } else {
            format!("`{function}` takes {N}, not {found} arguments")
        };
        self.report("wrong-arguments", span, message, example(function));
        None
    }

    /// A text literal; a bare name gets a hint at its missing quotes.
    fn quoted(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.kind {
            NodeKind::Text(text) if !text.is_empty() => Some(text.clone()),
            NodeKind::Text(_) => {
                self.report(
                    "empty-name",
                    node.span,
                    format!("{what} has a name"),
                    "write it between the quotes",
                );
                None
            }
            NodeKind::Name(name) => {
                let name = name.dotted();
                self.report(
                    "missing-quotes",
                    node.span,
                    format!("{what} is written in quotes"),
                    format!("write \"{name}\""),
                );
                None
            }
            NodeKind::Bad => None,
            _ => {
                self.report(
                    "missing-quotes",
                    node.span,
                    format!("{what} is wanted here, in quotes"),
                    "write for example \"session_started\"",
                );
                None
            }
        }
    }

    fn aggregate(
        &mut self,
        scope: Scope,
        function: Function,
        reads: Reads,
        arguments: &Arguments,
        span: Span,
    ) -> Option<Aggregate> {
        let people = function == Function::ActivePeople;
        if people && self.person_only(scope, "active_people", span) {
            return None;
        }
        let mut rest = arguments.plain.iter().peekable();
        let event = if people
            && !matches!(
                rest.peek().map(|node| &node.kind),
                Some(NodeKind::Text(_) | NodeKind::Name(_))
            ) {
            ANY_EVENT.to_owned()
        } else if let Some(node) = rest.next() {
            let event = self.quoted(node, "the name of an event")?;
            if event == ANY_EVENT && !people {
                self.report(
                    "any-event",
                    node.span,
                    "only `active_people` looks at any event",
                    "name the event",
                );
            }
            event
        } else {
            self.wrong_aggregate(function, span, "the name of the event is missing");
            return None;
        };
        let property = self.property(function, reads, &mut rest, span);
        let window = self.window(function, rest, arguments.ago.as_deref(), span);
        let filter = arguments.filter.as_deref().map(|node| self.filter(node));
        Some(Aggregate {
            function,
            event: event.into(),
            property: property.map(Into::into),
            window,
            filter: filter.map(Box::new),
        })
    }

    fn wrong_aggregate(&mut self, function: Function, span: Span, message: &str) {
        self.report(
            "wrong-arguments",
            span,
            message,
            example(function_name(function)),
        );
    }

    fn property<'a>(
        &mut self,
        function: Function,
        reads: Reads,
        rest: &mut std::iter::Peekable<impl Iterator<Item = &'a Node>>,
        span: Span,
    ) -> Option<String> {
        let named = |node: &&Node| match &node.kind {
            NodeKind::Name(name) => Some(name.dotted()),
            NodeKind::Text(text) => Some(text.clone()),
            _ => None,
        };
        let found = rest.peek().and_then(named);
        let at = rest.peek().map_or(span, |node| node.span);
        if found.is_some() {
            rest.next();
        }
        match (reads, &found) {
            (Reads::Property, None) => self.wrong_aggregate(
                function,
                span,
                &format!("`{}` wants the property it reads", function_name(function)),
            ),
            (Reads::Nothing, Some(_)) => self.wrong_aggregate(
                function,
                at,
                &format!("`{}` reads no property", function_name(function)),
            ),
            (_, Some(name)) if name.is_empty() => {
                self.wrong_aggregate(function, at, "a property has a name");
            }
            _ => {}
        }
        found
    }

    fn window<'a>(
        &mut self,
        function: Function,
        mut rest: impl Iterator<Item = &'a Node>,
        ago: Option<&Node>,
        span: Span,
    ) -> Option<Window> {
        let length = rest.next();
        if let Some(extra) = rest.next() {
            self.wrong_aggregate(
                function,
                extra.span,
                &format!("`{}` has too many arguments", function_name(function)),
            );
        }
        let length_ms = length.and_then(|node| self.span_ms(node));
        let offset_ms = ago.and_then(|node| self.span_ms(node));
        if length.is_none() && ago.is_some() {
            self.wrong_aggregate(function, span, "`ago` wants a window before it");
        }
        Some(Window {
            length_ms: length_ms?,
            offset_ms: offset_ms.unwrap_or(0),
        })
    }

    fn filter(&mut self, node: &Node) -> Expr {
        let outside = std::mem::replace(&mut self.filter, true);
        let filter = self.condition(node);
        self.filter = outside;
        filter
    }

    /// Reports what only accounts have in a person's own scope.
    fn person_only(&mut self, scope: Scope, function: &str, span: Span) -> bool {
        let refused = scope == Scope::Own && self.audience == Audience::Person;
        if refused {
            self.report(
                "account-only",
                span,
                format!("`{function}` is about an account, and this condition is about a person"),
                format!("write `account.{function}(…)` for the person's account"),
            );
        }
        refused
    }

    fn never(&mut self, scope: Scope, arguments: &Arguments, span: Span) -> Typed {
        let Some(aggregate) =
            self.aggregate(scope, Function::Count, Reads::Nothing, arguments, span)
        else {
            return NOTHING;
        };
        let expr = Expr::Compare(
            Comparison::Equal,
            Box::new(Expr::Aggregate(scope, Box::new(aggregate))),
            Box::new(Expr::Literal(Value::Number(0.0))),
        );
        (expr, Type::Condition)
    }

    /// `drop(count("x"), 7d)`: `(before - now) / before`; `rise`: `(now - before) / before`.
    fn change(&mut self, name: &str, outer: Scope, arguments: &Arguments, span: Span) -> Typed {
        if self.unscoped(outer, name, span) {
            return NOTHING;
        }
        let Some([inner, length]) = self.exactly::<2>(name, arguments, span) else {
            return NOTHING;
        };
        let length_ms = self.span_ms(length);
        let aggregate = match &inner.kind {
            NodeKind::Call(function, arguments) => {
                let (scope, short) = self.scope(function, inner.span);
                aggregate_function(&short.dotted())
                    .filter(|(kind, _)| !matches!(kind, Function::First | Function::Last))
                    .and_then(|(kind, reads)| {
                        Some((
                            scope,
                            self.aggregate(scope, kind, reads, arguments, inner.span)?,
                        ))
                    })
            }
            _ => None,
        };
        let Some((scope, aggregate)) = aggregate.filter(|(_, found)| found.window.is_none()) else {
            if self
                .findings
                .iter()
                .all(|one| one.span.start < inner.span.start || one.span.end > inner.span.end)
            {
                self.report(
                    "change-of-what",
                    inner.span,
                    format!("`{name}` compares an aggregate without a window over two windows"),
                    example(name),
                );
            }
            return NOTHING;
        };
        let Some(length_ms) = length_ms else {
            return NOTHING;
        };
        let over = |offset_ms| {
            let window = Some(Window {
                length_ms,
                offset_ms,
            });
            Box::new(Expr::Aggregate(
                scope,
                Box::new(Aggregate {
                    window,
                    ..aggregate.clone()
                }),
            ))
        };
        let (present, before) = (over(0), over(length_ms));
        let difference = if name == "drop" {
            Expr::Arithmetic(Operator::Subtract, before.clone(), present)
        } else {
            Expr::Arithmetic(Operator::Subtract, present, before.clone())
        };
        let expr = Expr::Arithmetic(Operator::Divide, Box::new(difference), before);
        (expr, Type::Number)
    }

    fn in_segment(&mut self, scope: Scope, arguments: &Arguments, span: Span) -> Typed {
        let Some([node]) = self.exactly::<1>("in", arguments, span) else {
            return NOTHING;
        };
        match self.quoted(node, "the name of a segment") {
            Some(segment) => (Expr::InSegment(scope, segment.into()), Type::Condition),
            None => NOTHING,
        }
    }

    fn people(&mut self, scope: Scope, arguments: &Arguments, span: Span) -> Typed {
        if self.person_only(scope, "people", span)
            || self.exactly::<0>("people", arguments, span).is_none()
        {
            return NOTHING;
        }
        (Expr::PeopleCount(scope), Type::Number)
    }

    fn metered(&mut self, name: &str, scope: Scope, arguments: &Arguments, span: Span) -> Typed {
        let Some([node]) = self.exactly::<1>(name, arguments, span) else {
            return NOTHING;
        };
        match self.quoted(node, "the name of what is metered") {
            Some(what) => (
                Expr::Trait(scope, format!("{name}.{what}").into()),
                Type::Any,
            ),
            None => NOTHING,
        }
    }

    fn relative(&mut self, name: &str, arguments: &Arguments, span: Span) -> Typed {
        let Some([node]) = self.exactly::<1>(name, arguments, span) else {
            return NOTHING;
        };
        if let NodeKind::Text(text) = &node.kind
            && Timestamp::parse(text).is_none()
        {
            self.report(
                "type-mismatch",
                node.span,
                format!("`{name}` wants an instant, and this is a text"),
                format!("for the last event of this name write `{name}(last(\"{text}\"))`"),
            );
            return NOTHING;
        }
        let typed = self.value(node);
        let (at, _) = self.instant(typed, node);
        let expr = if name == "since" {
            Expr::Since(Box::new(at))
        } else {
            Expr::Until(Box::new(at))
        };
        (expr, Type::Duration)
    }

    fn date(&mut self, arguments: &Arguments, span: Span) -> Typed {
        let Some([node]) = self.exactly::<1>("date", arguments, span) else {
            return NOTHING;
        };
        if matches!(node.kind, NodeKind::Name(_)) {
            self.report(
                "bad-date",
                node.span,
                "`date` reads a date in quotes; a trait holding one needs no function",
                "write the trait alone, or `date(\"2026-03-01\")`",
            );
            return NOTHING;
        }
        let typed = self.value(node);
        self.instant(typed, node)
    }
}

fn typed_aggregate(scope: Scope, aggregate: Aggregate) -> Typed {
    let kind = match (aggregate.function, &aggregate.property) {
        (Function::First | Function::Last, None) => Type::Instant,
        (Function::First | Function::Last, Some(_)) => Type::Any,
        _ => Type::Number,
    };
    (Expr::Aggregate(scope, Box::new(aggregate)), kind)
}

/// The name a function is written with.
pub(super) fn function_name(function: Function) -> &'static str {
    match function {
        Function::Count => "count",
        Function::Sum => "sum",
        Function::Min => "min",
        Function::Max => "max",
        Function::Average => "average",
        Function::Distinct => "distinct",
        Function::ActivePeople => "active_people",
        Function::First => "first",
        Function::Last => "last",
    }
}
