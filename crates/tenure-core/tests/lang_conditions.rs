//! Conditions: what each text means, and what is said about wrong ones.

use tenure_core::define::Audience;
use tenure_core::lang::{canonical, parse_condition, parse_filter, parse_number};

/// Each line: a condition and the canonical form of what it means; `@account`, `@filter` and
/// `@number` in front say what it is parsed as.
fn meaning(line: &str) -> Result<String, Vec<tenure_core::lang::Finding>> {
    let parsed = if let Some(text) = line.strip_prefix("@account ") {
        parse_condition(text, Audience::Account)
    } else if let Some(text) = line.strip_prefix("@filter ") {
        parse_filter(text)
    } else if let Some(text) = line.strip_prefix("@number ") {
        parse_number(text, Audience::Account)
    } else {
        parse_condition(line, Audience::Person)
    };
    parsed.map(|expr| canonical(&expr))
}

/// Checks lines of `input => expected`.
fn check(cases: &str) {
    let mut count = 0;
    for case in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (input, expected) = case.split_once(" ==> ").unwrap_or((case, ""));
        let input = input.trim();
        let expected = match expected.trim() {
            "" => input
                .trim_start_matches('@')
                .split_once(' ')
                .map_or(input, |(mode, rest)| {
                    if ["account", "filter", "number"].contains(&mode) {
                        rest
                    } else {
                        input
                    }
                }),
            other => other,
        };
        match meaning(input) {
            Ok(found) => assert_eq!(found, expected, "for {input}"),
            Err(findings) => panic!("{input}\n{findings:#?}"),
        }
        count += 1;
    }
    assert!(count > 0, "no cases");
}

/// Checks lines of `input => code@place, code@place`, where the place is the text found wrong.
fn check_wrong(cases: &str) {
    for case in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (input, expected) = case.split_once(" ==> ").expect("input ==> codes");
        let input = input.trim();
        let text = input
            .strip_prefix("@account ")
            .or_else(|| input.strip_prefix("@filter "))
            .or_else(|| input.strip_prefix("@number "))
            .unwrap_or(input);
        let findings = match meaning(input) {
            Ok(found) => panic!("{input} was accepted as {found}"),
            Err(findings) => findings,
        };
        let found: Vec<String> = findings
            .iter()
            .map(|finding| {
                format!(
                    "{} {}",
                    finding.code,
                    &text[finding.span.start..finding.span.end]
                )
                .trim()
                .to_owned()
            })
            .collect();
        let expected: Vec<&str> = expected.split(" | ").map(str::trim).collect();
        assert_eq!(found, expected, "for {input}\n{findings:#?}");
        for finding in findings {
            assert!(
                finding.help.is_some(),
                "{input}: {} has no help",
                finding.code
            );
        }
    }
}

#[test]
fn the_examples_of_the_design_parse() {
    check(
        r#"
        plan in ["pro", "enterprise"] and count("report_created", 7d) < 3
        since(last("session_started")) >= 10d
        drop(count("session_started"), 7d) >= 30%  # 7 days against the 7 before ==> (count("session_started", 7d, ago 7d) - count("session_started", 7d)) / count("session_started", 7d, ago 7d) >= 0.3
        @account active_people(30d) / seats >= 90% ==> active_people("*", 30d) / seats >= 0.9
        usage("api_calls") / limit("api_calls") >= 80% ==> usage.api_calls / limit.api_calls >= 0.8
        health < 50 and mrr >= 1000
        health.zone == "at_risk" for 3d
        until(renewal_date) <= 90d
        never("invited_teammate") and since(first("signed_up")) > 14d ==> count("invited_teammate") == 0 and since(first("signed_up")) > 14d
        nps.latest <= 6
        in("power-users") and not in("on-legacy-plan")
        count("order", 30d, where total > 100) >= 2
        account.health < 50
    "#,
    );
}

#[test]
fn sugar_is_replaced() {
    check(
        r#"
        is_admin ==> is_admin == true
        not is_admin ==> not is_admin == true
        score between 1 and 5 ==> score >= 1 and score <= 5
        score between 1 and 5 and vip ==> score >= 1 and score <= 5 and vip == true
        score not between 1 and 5 ==> not (score >= 1 and score <= 5)
        plan is known ==> known(plan)
        plan is unknown ==> not known(plan)
        plan is not known ==> not known(plan)
        plan is not unknown ==> known(plan)
        tags contains "vip" ==> contains(tags, "vip")
        tags not contains "vip" ==> not contains(tags, "vip")
        name starts_with "A" ==> starts_with(name, "A")
        plan not in ["free"] ==> not plan in ["free"]
        rise(count("order"), 7d) > 1 ==> (count("order", 7d) - count("order", 7d, ago 7d)) / count("order", 7d, ago 7d) > 1
        never("order", 30d, where total > 5) ==> count("order", 30d, where total > 5) == 0
        last("x") < "2026-03-01" ==> last("x") < date("2026-03-01T00:00:00.000Z")
    "#,
    );
}
