//! Properties: any expression survives its canonical text, and no text breaks the parsers.

use proptest::prelude::*;
use tenure_core::define::{Audience, SourceFile};
use tenure_core::expr::{Aggregate, Comparison, Expr, Function, Operator, Scope, Window};
use tenure_core::lang::{
    canonical, parse_condition, parse_definitions, parse_filter, parse_number, sentence,
};
use tenure_core::time::{MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp};
use tenure_core::value::Value;

fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        "[a-z_]{1,8}".prop_map(Into::into),
        "\\PC{1,6}".prop_map(Into::into),
        prop::sample::select(vec![
            "and",
            "or",
            "not",
            "now",
            "a.b",
            "account.x",
            "`",
            "\\",
            "\"",
            "a..b"
        ])
        .prop_map(Into::into),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::Number),
        text().prop_map(Value::Text),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<i32>().prop_map(f64::from),
        -1e6..1e6,
        prop::num::f64::NORMAL,
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ])
}

fn window() -> impl Strategy<Value = Option<Window>> {
    let window = (
        1..90_000_000_000i64,
        prop_oneof![Just(0), 1..90_000_000_000i64],
    );
    prop::option::of(window.prop_map(|(length_ms, offset_ms)| Window {
        length_ms,
        offset_ms,
    }))
}

/// A function with whether it reads a property.
fn function() -> impl Strategy<Value = (Function, bool)> {
    prop::sample::select(vec![
        (Function::Count, false),
        (Function::Sum, true),
        (Function::Min, true),
        (Function::Max, true),
        (Function::Average, true),
        (Function::Distinct, true),
    ])
}

fn scope() -> impl Strategy<Value = Scope> {
    prop::sample::select(vec![Scope::Own, Scope::Account])
}

/// Numbers in a person's condition.
fn quantity(scopes: &BoxedStrategy<Scope>, aggregates: bool) -> BoxedStrategy<Expr> {
    let leaf = prop_oneof![
        number().prop_map(|number| Expr::Literal(Value::Number(number))),
        (scopes.clone(), text()).prop_map(|(scope, name)| Expr::Trait(scope, name)),
    ];
    let leaf = if aggregates {
        prop_oneof![leaf, aggregate()].boxed()
    } else {
        leaf.boxed()
    };
    leaf.prop_recursive(3, 8, 2, |inner| {
        let operator = prop::sample::select(vec![
            Operator::Add,
            Operator::Subtract,
            Operator::Multiply,
            Operator::Divide,
        ]);
        (operator, inner.clone(), inner).prop_map(|(operator, left, right)| {
            Expr::Arithmetic(operator, Box::new(left), Box::new(right))
        })
    })
    .boxed()
}

fn aggregate() -> impl Strategy<Value = Expr> {
    let filter = prop::option::of(condition(&Just(Scope::Event).boxed(), false));
    (scope(), function(), text(), text(), window(), filter).prop_map(
        |(scope, (function, reads), event, property, window, filter)| {
            let aggregate = Aggregate {
                function,
                event: event.replace('*', "x").into(),
                property: reads.then_some(property),
                window,
                filter: filter.map(Box::new),
            };
            Expr::Aggregate(scope, Box::new(aggregate))
        },
    )
}

fn instant() -> impl Strategy<Value = Expr> {
    prop_oneof![
        (MIN_TIMESTAMP.0..MAX_TIMESTAMP.0).prop_map(|ms| Expr::Instant(Timestamp(ms))),
        (1970..2500_i16, 1..=12_i8, 1..=28_i8, 0..24_i8).prop_map(|(year, month, day, hour)| {
            Expr::Local(jiff::civil::date(year, month, day).at(hour, 30, 0, 0))
        }),
        Just(Expr::Now),
    ]
}

fn condition(scopes: &BoxedStrategy<Scope>, aggregates: bool) -> BoxedStrategy<Expr> {
    let named = (scopes.clone(), text())
        .prop_map(|(scope, name)| Expr::Trait(scope, name))
        .boxed();
    let compared = (
        comparison(),
        quantity(scopes, aggregates),
        quantity(scopes, aggregates),
    )
        .prop_map(|(comparison, left, right)| {
            Expr::Compare(comparison, Box::new(left), Box::new(right))
        });
    let plain = prop_oneof![
        compared,
        (named.clone(), prop::collection::vec(value(), 1..4))
            .prop_map(|(name, values)| Expr::In(Box::new(name), values)),
        (named.clone(), text()).prop_map(|(name, part)| Expr::Contains(
            Box::new(name),
            Box::new(Expr::Literal(Value::Text(part)))
        )),
        (named.clone(), text()).prop_map(|(name, part)| Expr::StartsWith(
            Box::new(name),
            Box::new(Expr::Literal(Value::Text(part)))
        )),
        named.clone().prop_map(|name| Expr::Known(Box::new(name))),
        any::<bool>().prop_map(|flag| Expr::Literal(Value::Bool(flag))),
    ];
    let timed = prop_oneof![
        (scope(), text()).prop_map(|(scope, name)| Expr::InSegment(scope, name)),
        Just(Expr::Compare(
            Comparison::Greater,
            Box::new(Expr::PeopleCount(Scope::Account)),
            Box::new(Expr::Literal(Value::Number(1.0)))
        )),
        (comparison(), instant(), any::<i32>()).prop_map(|(comparison, at, ms)| Expr::Compare(
            comparison,
            Box::new(Expr::Since(Box::new(at))),
            Box::new(Expr::Duration(i64::from(ms)))
        )),
        (comparison(), instant(), named).prop_map(|(comparison, at, name)| Expr::Compare(
            comparison,
            Box::new(at),
            Box::new(name)
        )),
    ];
    let leaf = if aggregates {
        prop_oneof![plain, timed].boxed()
    } else {
        plain.boxed()
    };
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let several = prop::collection::vec(inner.clone(), 2..4);
        let both = prop_oneof![
            several.clone().prop_map(|parts| flat(parts, true)),
            several.prop_map(|parts| flat(parts, false)),
            inner.clone().prop_map(|inner| Expr::Not(Box::new(inner))),
        ];
        if aggregates {
            let held = (inner, 1..90_000_000_000i64)
                .prop_map(|(inner, ms)| Expr::Held(Box::new(inner), ms));
            prop_oneof![both, held].boxed()
        } else {
            both.boxed()
        }
    })
    .boxed()
}

/// An `and` or `or` whose parts are not the same again, as the parser gives them.
fn flat(parts: Vec<Expr>, all: bool) -> Expr {
    let parts = parts.into_iter().flat_map(|part| match part {
        Expr::And(inner) if all => inner,
        Expr::Or(inner) if !all => inner,
        other => vec![other],
    });
    if all {
        Expr::And(parts.collect())
    } else {
        Expr::Or(parts.collect())
    }
}

/// Texts made of the language's own pieces reach deeper than random letters.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "and",
        "or",
        "not",
        "(",
        ")",
        "[",
        "]",
        ",",
        "in",
        "between",
        "for",
        "3d",
        "7",
        "\"x\"",
        "count(",
        "sum(",
        "drop(",
        "since(",
        "where",
        "ago",
        "==",
        "=",
        "<",
        ">=",
        "-",
        "/",
        "%",
        "account.",
        "a",
        "b.c",
        "is",
        "known",
        "null",
        "contains",
        "`",
        "\"",
        "{{",
        "2026-01-01",
        "30%",
        "&&",
        "!",
        "now()",
        "true",
        "event.x",
        "ü",
        ".",
        "in(",
        "\n",
        "#",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

fn yaml() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "program: p\n",
        "segment: s\n",
        "test: t\n",
        "policy: d\n",
        "enter: ",
        "{ event: e }\n",
        "{ when: count(\"x\", 7d) > 1, again: never }\n",
        "steps:\n",
        "  - ",
        "    ",
        "send: email\n",
        "wait: 2d\n",
        "branch:\n",
        "if: a\n",
        "else:\n",
        "---\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "\n",
        "\"",
        "'",
        "|\n",
        ">\n",
        "#",
        "&a ",
        "*a",
        "ü",
        "!!str ",
        "? ",
        "\t",
        "when: ",
        "in(\"s\")",
        "then: ",
        "given: ",
        "history: ",
        "{ at: 1d, expect: entered }",
        "topics: ",
        "\r\n",
        "\u{feff}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Reads a text as everything; what is found must stand inside the text, at whole characters.
fn read_as_everything(text: &str) {
    let results = [
        parse_condition(text, Audience::Person),
        parse_condition(text, Audience::Account),
        parse_filter(text),
        parse_number(text, Audience::Account),
    ];
    for result in results {
        match result {
            Ok(expr) => assert!(!sentence(&expr).is_empty()),
            Err(findings) => {
                assert!(!findings.is_empty());
                for finding in findings {
                    assert!(text.get(finding.span.start..finding.span.end).is_some());
                }
            }
        }
    }
}

fn read_definitions(text: String) {
    let source = text.clone();
    let files = vec![SourceFile {
        path: "a.yaml".into(),
        text,
    }];
    if let Err(errors) = parse_definitions(files, &[]) {
        for error in errors {
            assert!(
                source.get(error.span.start..error.span.end).is_some(),
                "{error}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_condition_survives_its_canonical_text(expr in condition(&scope().boxed(), true)) {
        let text = canonical(&expr);
        let parsed = parse_condition(&text, Audience::Person);
        prop_assert_eq!(parsed.as_ref(), Ok(&expr), "{}", text);
        prop_assert_eq!(canonical(&parsed.unwrap()), text);
        prop_assert!(!sentence(&expr).is_empty());
    }

    #[test]
    fn a_filter_survives_its_canonical_text(expr in condition(&Just(Scope::Event).boxed(), false)) {
        let text = canonical(&expr);
        let parsed = parse_filter(&text);
        prop_assert_eq!(parsed.as_ref(), Ok(&expr), "{}", text);
    }

    #[test]
    fn no_text_breaks_the_condition_parser(text in "\\PC{0,80}") {
        read_as_everything(&text);
    }

    #[test]
    fn no_mixture_of_its_own_pieces_breaks_the_condition_parser(text in pieces()) {
        read_as_everything(&text);
    }

    #[test]
    fn no_text_breaks_the_definition_reader(text in "[\\PC\n]{0,120}") {
        read_definitions(text);
    }

    #[test]
    fn no_mixture_of_its_own_pieces_breaks_the_definition_reader(text in yaml()) {
        read_definitions(text);
    }
}
