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
    let mut failures = Vec::new();
    for case in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (input, expected) = case.split_once(" ==> ").expect("input ==> codes");
        let input = input.trim();
        let text = input
            .strip_prefix("@account ")
            .or_else(|| input.strip_prefix("@filter "))
            .or_else(|| input.strip_prefix("@number "))
            .unwrap_or(input);
        let findings = match meaning(input) {
            Ok(found) => {
                failures.push(format!("{input} was accepted as {found}"));
                continue;
            }
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
        if found != expected {
            failures.push(format!("{input}\n  gives {found:?}\n  not   {expected:?}"));
        }
        for finding in findings {
            assert!(
                finding.help.is_some(),
                "{input}: {} has no help",
                finding.code
            );
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
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
        last("x") < "2026-03-01" ==> last("x") < date("2026-03-01T00:00:00")
    "#,
    );
}

#[test]
#[allow(clippy::too_many_lines)] // One table of cases, and nothing else.
fn canonical_conditions_read_back_as_they_are() {
    check(
        r#"
        plan == "pro"
        `first name` == "Ida"
        `and` == 1
        `account`.x == 1 ==> `account.x` == 1
        account.plan == "pro"
        account.count("x", 7d) > 1
        account.active_people("x") > 1
        account.people() > 3
        account.in("big")
        @account people() > 3
        @account active_people("opened") > 1
        @account active_people("opened", 7d, ago 7d) > 1
        event.total > 5
        größe > 1
        $price > 1
        a.b.c == true
        a == 1 and (b == 2 or c == 3)
        a == 1 and b == 2 or c == 3
        (a == 1 and b == 2) and c == 3 ==> a == 1 and b == 2 and c == 3
        a == 1 or (b == 2 or c == 3) ==> a == 1 or b == 2 or c == 3
        not (a == 1 and b == 2)
        not not a == 1
        a == 1 for 3d
        (a == 1 and b == 2) for 36h
        a == 1 and b == 2 for 3d
        not a == 1 for 3d
        not (a == 1 for 3d)
        a + b * c > 1
        (a + b) * c > 1
        a - (b - c) > 1
        a - b - c > 1
        a / b / c > 1
        a / (b / c) > 1
        -5 < a
        a > -5d
        -a > 5 ==> 0 - a > 5
        2 * -a > 5 ==> 2 * (0 - a) > 5
        a > 1_000 ==> a > 1000
        a > 0.5
        a >= 12.5% ==> a >= 0.125
        renewal_date > 2026-03-01 ==> renewal_date > date("2026-03-01T00:00:00")
        renewal_date > date("2026-03-01T10:00:00+02:00") ==> renewal_date > date("2026-03-01T08:00:00.000Z")
        renewal_date - now() < 30d
        now() - last("x") > 3d
        last("x") + 3d < now()
        since(a) > 1w ==> since(a) > 7d
        since(a) > 1mo ==> since(a) > 30d
        since(a) > 90s
        since(a) > 1500ms
        since(a) > 90m
        since(a) > 60m ==> since(a) > 1h
        since(a) > 1d12h ==> since(a) > 36h
        since(a) / until(b) > 2
        since(a) * 2 > 3d
        until(date("2026-03-01")) > 3d ==> until(date("2026-03-01T00:00:00")) > 3d
        sum("order", total, 30d) > 100
        sum("order", "total") > 100 ==> sum("order", total) > 100
        min("order", `net total`, 30d) > 100
        max("order", total) > 100
        average("order", total) > 100
        distinct("feature_used", feature, 30d) > 2
        first("order", total) > 5
        last("order", total, 30d) > 5
        last("order", code) == "x"
        last("order", 30d) < now()
        count("order", 30d, where total > 100 and not code in ["a", "b"]) >= 2
        count("order" where total > 100) >= 2 ==> count("order", where total > 100) >= 2
        count("order", where is_gift) >= 2 ==> count("order", where is_gift == true) >= 2
        count("order", 30d, ago 60d) >= 2
        count("o", where starts_with(code, "A") or contains(tags, "x") or known(note)) > 0
        a in [1, "x", true]
        a in ["it's", 'say "hi"', "back\\slash"] ==> a in ["it's", "say \"hi\"", "back\\slash"]
        true
        plan == "pro" or true
        usage("a.b") > 1 ==> usage.a.b > 1
        limit("api calls") > 1 ==> `limit.api calls` > 1
        account.usage("seats") > 1 ==> account.usage.seats > 1
        drop(account.count("x"), 7d) > 1 ==> (account.count("x", 7d, ago 7d) - account.count("x", 7d)) / account.count("x", 7d, ago 7d) > 1
        @filter total > 100 ==> event.total > 100
        @filter event.total > 100
        @filter code in ["x"] and gift ==> event.code in ["x"] and event.gift == true
        @number 5
    "#,
    );
    check(
        r#"
        @number mrr
        @number active_people(7d) / seats ==> active_people("*", 7d) / seats
        @number since(a) / 1d
        @number -mrr ==> 0 - mrr
        @number last("nps", score)
    "#,
    );
}

#[test]
#[allow(clippy::too_many_lines)] // One table of cases, and nothing else.
fn wrong_conditions_say_what_is_wrong_and_where() {
    check_wrong(
        r#"
        coutn("x") > 1 ==> unknown-function coutn
        foo("x") > 1 ==> unknown-function foo
        account.foo("x") > 1 ==> unknown-function account.foo
        plan = "pro" ==> single-equals =
        plan === "pro" ==> single-equals ===
        plan <> "pro" ==> single-equals <>
        a => 5 ==> single-equals =>
        a && b ==> symbolic-logic &&
        a || !b ==> symbolic-logic || | symbolic-logic !
        a = 1 && b = 2 ==> single-equals = | symbolic-logic && | single-equals =
        a AND b ==> keyword-case AND
        NOT a ==> keyword-case NOT
        plan in [pro, enterprise] ==> missing-quotes pro | missing-quotes enterprise
        plan in "pro" ==> in-without-list "pro"
        plan in ("pro") ==> in-without-list ("pro")
        plan in [] ==> empty-list []
        plan in [3d] ==> bad-list 3d
        count(order) > 1 ==> missing-quotes order
        count() > 1 ==> wrong-arguments count()
        count("") > 1 ==> empty-name ""
        count("*") > 1 ==> any-event "*"
        count(5) > 1 ==> missing-quotes 5
        count("x", 7) > 1 ==> bad-duration 7
        count("x", 7d, 8d) > 1 ==> wrong-arguments 8d
        count("x", total, 7d) > 1 ==> wrong-arguments total
        count("x", 0d) > 1 ==> bad-duration 0d
        count("x", -7d) > 1 ==> bad-duration -7d
        count("x", 4y) > 1 ==> bad-duration 4y
        count("x", 200y) > 1 ==> duration-too-long 200y
        count("x", ago 7d) > 1 ==> wrong-arguments count("x", ago 7d)
        count("x", where a > 1, where b > 1) > 1 ==> argument-twice where
        sum("order", 30d) > 1 ==> wrong-arguments sum("order", 30d)
        sum("order") > 1 ==> wrong-arguments sum("order")
        count("x") ==> not-a-condition count("x")
        "pro" ==> not-a-condition "pro"
        5 ==> not-a-condition 5
        a and 5 ==> not-a-condition 5
        since(a) ==> not-a-condition since(a)
        since(a) > 10 ==> type-mismatch since(a) > 10
        count("x") > "5" ==> type-mismatch count("x") > "5"
        count("x") == "many" ==> type-mismatch count("x") == "many"
        count("x") > 5d ==> type-mismatch count("x") > 5d
        last("x") > 5d ==> type-mismatch last("x") > 5d
        last("x") > "soon" ==> bad-date "soon"
        a > true ==> type-mismatch a > true
        a == ["x"] ==> type-mismatch a == ["x"]
        customer-tier == "gold" ==> type-mismatch customer-tier == "gold"
        "a" + 1 > 2 ==> type-mismatch "a" + 1
        last("x") + last("y") > now() ==> type-mismatch last("x") + last("y")
        count("x") in ["a"] ==> type-mismatch "a"
        since("session_started") > 3d ==> type-mismatch "session_started"
        since(count("x")) > 3d ==> type-mismatch count("x")
        since(5) > 3d ==> type-mismatch 5
        (a > 1) == true ==> condition-as-value (a > 1)
        (a > 1) + 1 > 2 ==> condition-as-value (a > 1)
        1 < x < 5 ==> chained-comparison <
        x between 1 ==> between-without-and x between 1
        count("x") between "a" and "b" ==> type-mismatch "a" | type-mismatch "b"
        a == null ==> null null
        a is empty ==> is-what empty
        health < 50 for ==> for-without-duration for
        health < 50 for 3 ==> for-without-duration for 3
        health < 50 for 0d ==> bad-duration 0d
        health < 50 for 4y ==> bad-duration 4y
        active_people(7d) > 1 ==> account-only active_people(7d)
        people() > 1 ==> account-only people()
        @account account.plan == "pro" ==> account-of-account account.plan
        @account account.count("x") > 1 ==> account-of-account account.count("x")
        account.account.plan == "pro" ==> account-of-account account.account.plan
        account.since(a) > 3d ==> scope-of-function account.since(a)
        account.drop(count("x"), 7d) > 1 ==> scope-of-function account.drop(count("x"), 7d)
        drop(count("x", 7d), 7d) > 1 ==> change-of-what count("x", 7d)
        drop(mrr, 7d) > 1 ==> change-of-what mrr
        drop(last("x"), 7d) > 1 ==> change-of-what last("x")
        drop(count("x")) > 1 ==> wrong-arguments drop(count("x"))
        drop(count("x"), 7) > 1 ==> bad-duration 7
        in(power) ==> missing-quotes power
        in("a", "b") ==> wrong-arguments in("a", "b")
        now > a ==> missing-parentheses now
        date("soon") > a ==> bad-date "soon"
        date(renewal_date) > a ==> bad-date renewal_date
        a > 2026-13-45 ==> bad-date 2026-13-45
        a > 7days ==> bad-number 7days
        a > 10x ==> bad-number 10x
        a > 1d5 ==> bad-number 1d5
        plan == "pro ==> unterminated-text "pro
        `plan == 1 ==> unterminated-text `plan == 1
        plan == “pro” and x = 1 ==> unexpected-character “pro” | single-equals =
        {{ plan }} == 1 ==> unexpected-character {{ plan }}
        plan. == 1 ==> bad-name plan.
        a == ==> unexpected
        == 1 ==> unexpected ==
        a == 1 b == 2 ==> unexpected b
        a == 1) ==> unexpected )
        (a == 1 ==> unclosed (
        count("x" ==> not-a-condition count("x" | unclosed (
        a == 1 and ==> unexpected
        and a ==> unexpected and
        a > 5 % ==> unexpected %
        a % 2 == 0 ==> unexpected %
        a contains 5d ==> type-mismatch 5d
        count("x") contains "a" ==> type-mismatch count("x")
        starts_with(name, 5) ==> type-mismatch 5
        starts_with(name) ==> wrong-arguments starts_with(name)
        known(a, b) ==> wrong-arguments known(a, b)
        known(a, where b) ==> wrong-arguments known(a, where b)
        count("x", where count("y") > 1) > 1 ==> aggregate-in-filter count("y")
        count("x", where in("seg")) > 1 ==> aggregate-in-filter in("seg")
        count("x", where since(a) > 1d) > 1 ==> time-in-filter since(a)
        count("x", where a == 1 for 3d) > 1 ==> time-in-filter a == 1 for 3d
        count("x", where account.plan == "pro") > 1 ==> account-in-filter account.plan
        @filter now() > a ==> time-in-filter now()
        @number plan == "pro" ==> not-a-number plan == "pro"
        @number since(a) ==> not-a-number since(a)
        @number "5" ==> not-a-number "5"
        coutn("x") > 1 and count(y) > 2 and z = 3 ==> unknown-function coutn | missing-quotes y | single-equals =
        (coutn("x") > 1 b) and sum("y") > 1 ==> unknown-function coutn | unexpected b | wrong-arguments sum("y")
    "#,
    );
}

#[test]
fn an_empty_text_is_no_condition() {
    for text in ["", "  ", "# only a comment"] {
        let findings = parse_condition(text, Audience::Person).expect_err(text);
        assert_eq!(findings[0].code, "empty-condition");
    }
}

#[test]
fn sizes_and_depths_are_bounded() {
    let code = |text: &str| parse_condition(text, Audience::Person).expect_err(&text[..20])[0].code;
    assert_eq!(code(&"a".repeat(20_000)), "condition-too-long");
    for opening in ["(", "not ", "-", "[", "count(", "a + (", "f(a, ["] {
        assert_eq!(code(&opening.repeat(16_000 / opening.len())), "too-deep");
    }
    for chain in ["a + ", "a / "] {
        assert_eq!(code(&format!("{}a > 1", chain.repeat(3_000))), "too-deep");
    }
    let long = vec!["a == 1"; 1_000].join(" and ");
    assert!(parse_condition(&long, Audience::Person).is_ok());
    let many = vec!["a = 1"; 1_000].join(" and ");
    let findings = parse_condition(&many, Audience::Person).expect_err("habits are errors");
    assert_eq!(findings.len(), tenure_core::lang::MAX_FINDINGS);
}

#[test]
fn a_finding_becomes_a_diagnostic_of_its_file() {
    let text = "plan = \"pro\"";
    let source = format!("# ü\nwhen: {text}\n");
    let offset = source.find(text).expect("it is there");
    let finding = &parse_condition(text, Audience::Person).expect_err("wrong")[0];
    let diagnostic = finding.diagnostic("a.yaml", &source, offset);
    assert_eq!((diagnostic.line, diagnostic.column), (2, 12));
    assert_eq!(&source[diagnostic.span.start..diagnostic.span.end], "=");
}
