//! The reference tells the truth: its examples parse, its table names the codes.

use std::collections::BTreeSet;
use std::path::Path;

use tenure_core::define::{Audience, SourceFile};
use tenure_core::lang::{canonical, parse_condition, parse_definitions, sentence};

const REFERENCE: &str = include_str!("../../../docs/reference/language.md");

/// The fenced blocks whose first line is `kind`.
fn blocks(kind: &str) -> Vec<&'static str> {
    let opening = format!("```{kind}\n");
    REFERENCE
        .split(opening.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect()
}

#[test]
fn every_condition_of_the_reference_parses_and_survives_its_canonical_text() {
    for (kind, audience, least) in [
        ("condition person", Audience::Person, 12),
        ("condition account", Audience::Account, 15),
    ] {
        let lines: Vec<&str> = blocks(kind).into_iter().flat_map(str::lines).collect();
        assert!(lines.len() >= least, "{kind}: {}", lines.len());
        for line in lines {
            let expr = match parse_condition(line, audience) {
                Ok(expr) => expr,
                Err(findings) => panic!("{line}\n{findings:#?}"),
            };
            assert_eq!(
                parse_condition(&canonical(&expr), audience),
                Ok(expr),
                "{line}"
            );
        }
    }
}

#[test]
fn every_definition_of_the_reference_is_read() {
    let found = blocks("tenure");
    assert!(found.len() >= 4);
    for text in found {
        let file = SourceFile {
            path: "language.md".into(),
            text: text.into(),
        };
        if let Err(errors) = parse_definitions(vec![file], &[]) {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{text}\n{}", lines.join("\n"));
        }
    }
}

/// Hyphenated literals of the sources that are no codes of diagnostics.
const NO_CODES: [&str; 2] = ["e-mails", "global-holdout"];

/// The sources of this crate, without their tests.
#[expect(
    clippy::disallowed_methods,
    reason = "the core reads no files, its tests may"
)]
fn sources(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            out.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        }
    }
}

fn is_code(text: &str) -> bool {
    let worded = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    text.split('-').all(worded)
}

#[test]
fn the_reference_lists_the_codes_of_all_diagnostics_and_no_others() {
    let mut text = String::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut text,
    );
    let literals: BTreeSet<&str> = text
        .lines()
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(|literal| is_code(literal) && !NO_CODES.contains(literal))
        .collect();
    let table = REFERENCE.split("## Diagnostics").nth(1).unwrap();
    let first_cells = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let documented: BTreeSet<&str> = first_cells
        .flat_map(|cell| cell.split('`'))
        .filter(|code| is_code(code))
        .collect();
    let codes = literals.iter().filter(|literal| literal.contains('-'));
    let missing: Vec<_> = codes.filter(|code| !documented.contains(*code)).collect();
    assert_eq!(
        missing,
        Vec::<&&str>::new(),
        "not in the table of docs/reference/language.md"
    );
    let stale: Vec<_> = documented.difference(&literals).collect();
    assert_eq!(
        stale,
        Vec::<&&str>::new(),
        "in the table, but nothing reports it"
    );
}

#[test]
fn conditions_read_as_sentences() {
    for (text, expected) in [
        (
            "plan in [\"pro\", \"enterprise\"] and count(\"report_created\", 7d) < 3",
            "plan is pro or enterprise and fewer than 3 report_created in the last 7 days",
        ),
        (
            "since(last(\"x\")) >= 10d",
            "at least 10 days since the last x",
        ),
        (
            "until(renewal_date) <= 36h",
            "at most 36 hours until renewal_date",
        ),
        ("never(\"x\")", "no x ever"),
        ("never(\"x\", 1d)", "no x in the last 1 day"),
        ("account.count(\"x\") > 0", "at least one x at the account"),
        (
            "drop(count(\"x\"), 7d) >= 30%",
            "the drop of the number of x in the last 7 days against the 7 days before is at least 30%",
        ),
        (
            "count(\"o\", 30d, where total > 100) >= 2",
            "at least 2 o where total is more than 100, in the last 30 days",
        ),
        (
            "usage(\"a\") / limit(\"a\") >= 80%",
            "usage.a divided by limit.a is at least 80%",
        ),
        ("a == 1 for 3d", "a is 1 for at least 3 days"),
        (
            "in(\"vip\") and not in(\"old\")",
            "is in vip and is not in old",
        ),
        ("plan not in [\"a\", \"b\"]", "plan is neither a nor b"),
        ("not is_admin", "is_admin is not true"),
        ("plan is unknown", "plan is unknown"),
        (
            "(a == 1 or b == 2) and c == 3",
            "(a is 1 or b is 2) and c is 3",
        ),
        (
            "a == 1 and b == 2 or c == 3",
            "a is 1 and b is 2, or c is 3",
        ),
        ("account.plan == \"pro\"", "the account's plan is pro"),
        (
            "last(\"x\") < 2026-03-01",
            "the last x is before 2026-03-01",
        ),
        (
            "account.active_people(7d) > 3",
            "the account's number of active people in the last 7 days is more than 3",
        ),
    ] {
        let expr = parse_condition(text, Audience::Person).expect(text);
        assert_eq!(sentence(&expr), expected, "{text}");
    }
}
