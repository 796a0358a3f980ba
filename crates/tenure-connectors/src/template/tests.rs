use serde_json::json;

use super::*;

fn template(front: &str, body: &str) -> Template {
    Template::parse("t", None, &format!("---\n{front}\n---\n{body}")).unwrap()
}

fn html(body: &str, data: &serde_json::Value) -> String {
    let template = template("subject: s", body);
    CompiledTemplate::compile(&template)
        .unwrap()
        .render(data, None, Strict::Yes)
        .unwrap()
        .html
}

fn problems(body: &str) -> Vec<(usize, usize, String)> {
    check(&template("subject: s", body))
        .into_iter()
        .map(|problem| (problem.line, problem.column, problem.message))
        .collect()
}

const MJML: &str = "<mjml><mj-head><mj-title>{{ account.name }}</mj-title></mj-head><mj-body>\
    {% if person.is_new %}<mj-section><mj-column><mj-text>Welcome {{ person.name }}</mj-text></mj-column></mj-section>{% endif %}\
    <mj-section><mj-column><mj-text>{% for f in features %}<b>{{ f.name }}</b>, {% endfor %}</mj-text>\
    <mj-button href=\"https://example.com/{{ account.id }}?n={{ person.name | url_encode }}\">Open</mj-button>\
    </mj-column></mj-section></mj-body></mjml>";

fn mjml_data() -> serde_json::Value {
    json!({
        "account": {"name": "A&B", "id": 7},
        "person": {"name": "<script>\"x\"", "is_new": true},
        "features": [{"name": "one"}, {"name": "{{ two }}"}],
    })
}

#[test]
fn what_customers_supply_is_escaped_in_html_and_not_in_text() {
    let template = template(
        "subject: Hi {{ name }}\npreheader: For {{ name }}\ntext: |\n  Dear {{ name }}",
        "<p title=\"{{ name }}\">{{ name }} {{ name | raw }}</p>",
    );
    let compiled = CompiledTemplate::compile(&template).unwrap();
    let rendered = compiled
        .render(&json!({"name": "<b>\"A\" & 'B'"}), None, Strict::Yes)
        .unwrap();
    let escaped = "&lt;b&gt;&quot;A&quot; &amp; &#39;B&#39;";
    assert!(rendered.html.contains(&format!(
        "<p title=\"{escaped}\">{escaped} <b>\"A\" & 'B'</p>"
    )));
    assert!(rendered.html.contains(&format!(">For {escaped}</div>")));
    assert_eq!(rendered.subject, "Hi <b>\"A\" & 'B'");
    assert_eq!(rendered.text.trim(), "Dear <b>\"A\" & 'B'");
}

#[test]
fn no_line_break_reaches_the_subject() {
    let template = template("subject: Hi {{ name }}", "x");
    let compiled = CompiledTemplate::compile(&template).unwrap();
    let data = json!({"name": "Eve\r\nBcc: x@example.com"});
    let rendered = compiled.render(&data, None, Strict::Yes).unwrap();
    assert_eq!(rendered.subject, "Hi Eve Bcc: x@example.com");
}

#[test]
fn a_value_that_looks_like_liquid_stays_text() {
    assert_eq!(
        html("{{ a }}", &json!({"a": "{{ b }}{% if %}"})),
        "{{ b }}{% if %}"
    );
}

#[test]
fn an_unknown_variable_is_refused_with_its_name_and_place() {
    for (body, name, line, column) in [
        ("\n<p>{{ acount.name }}</p>", "acount.name", 5, 7),
        ("é {{ account.nam | upcase }}", "account.nam", 4, 6),
        ("{% if plan == 'pro' %}x{% endif %}", "plan", 4, 7),
        ("{% for x in things %}{% endfor %}", "things", 4, 13),
        ("{{ account.name | append: suffix }}", "suffix", 4, 4),
        ("{% assign a = nothing | upcase %}", "nothing", 4, 4),
        ("{% for x in list %}{{ x.b }}{% endfor %}", "x.b", 4, 23),
    ] {
        let template = template("subject: s", body);
        let compiled = CompiledTemplate::compile(&template).unwrap();
        let data = json!({"account": {"name": "A"}, "list": [{"a": 1}]});
        let error = compiled.render(&data, None, Strict::Yes).unwrap_err();
        assert_eq!(
            error,
            RenderError::UnknownVariable {
                name: name.to_owned(),
                line,
                column
            },
            "{body}"
        );
        compiled
            .render(&data, None, Strict::No)
            .unwrap_or_else(|error| panic!("{body}: {error}"));
    }
}

#[test]
fn a_default_or_a_test_for_existence_makes_a_variable_optional() {
    let data = json!({"known": null, "items": [{}]});
    for (body, out) in [
        (
            "{{ person.first_name | default: \"friend\" | upcase }}",
            "FRIEND",
        ),
        (
            "{% assign n = person.first_name | default: 'friend' %}{{ n }}",
            "friend",
        ),
        ("{% if person.first_name %}yes{% else %}no{% endif %}", "no"),
        ("{{ known | default: 'x' }}", "x"),
        ("{{ known }}", ""),
        (
            "{% for i in items %}{{ i.name | default: '?' }}{% endfor %}",
            "?",
        ),
        ("a {{- ' b ' -}} c", "a b c"),
        ("a {{- known -}} c", "ac"),
        ("{{ true }} {{ 'a|b' | upcase }}", "true A|B"),
        ("{{ '<b>' | escape }}", "&lt;b&gt;"),
    ] {
        assert_eq!(html(body, &data), out, "{body}");
    }
}

#[test]
fn every_problem_is_reported_at_once_and_in_place() {
    let found = problems("{{ a | shout }}\n{{ b | date }}\n{% include 'x' %}\n  {{ }}\n{{ c");
    let places: Vec<_> = found
        .iter()
        .map(|(line, column, _)| (*line, *column))
        .collect();
    for place in [(4, 1), (5, 1), (6, 1), (7, 3), (8, 1)] {
        assert!(places.contains(&place), "{place:?} in {found:?}");
    }
    assert!(
        found
            .iter()
            .any(|(_, _, message)| message.contains("shout")),
        "{found:?}"
    );
}

#[test]
fn an_unclosed_block_and_broken_mjml_are_found_when_a_template_is_applied() {
    assert_eq!(problems("{% if a %}").len(), 1);
    let found = problems("<mjml><mj-body>\n<mj-sektion></mj-sektion></mj-body></mjml>");
    assert_eq!((found[0].0, found[0].1), (5, 1), "{found:?}");
    let found = problems("<mjml><mj-body>{{ a }}<mj-section>");
    assert!(!found.is_empty());
}

#[test]
fn laying_out_once_gives_what_laying_out_each_time_gives() {
    let template = template("subject: s", MJML);
    let once = CompiledTemplate::compile_with(&template, false).unwrap();
    let each = CompiledTemplate::compile_with(&template, true).unwrap();
    assert!(!once.default.lays_out_each_time && each.default.lays_out_each_time);
    for is_new in [true, false] {
        let mut data = mjml_data();
        data["person"]["is_new"] = json!(is_new);
        let once = once.render(&data, None, Strict::Yes).unwrap();
        let each = each.render(&data, None, Strict::Yes).unwrap();
        assert_eq!(once, each);
        assert_eq!(once.html.contains("Welcome"), is_new);
        assert!(!once.html.contains("<script>") && !once.html.contains("tnrq"));
    }
}

#[test]
fn liquid_that_could_change_the_layout_is_laid_out_each_time() {
    for body in [
        "<mjml><mj-body><mj-section><mj-column width=\"{{ w }}\"><mj-text>x</mj-text></mj-column></mj-section></mj-body></mjml>",
        "<mjml><mj-body><mj-section>{% if w %}<mj-column><mj-text>x</mj-text></mj-column>{% endif %}<mj-column><mj-text>y</mj-text></mj-column></mj-section></mj-body></mjml>",
    ] {
        let template = template("subject: s", body);
        let compiled = CompiledTemplate::compile(&template).unwrap();
        assert!(compiled.default.lays_out_each_time, "{body}");
        compiled
            .render(&json!({"w": "50%"}), None, Strict::Yes)
            .unwrap();
    }
}

#[test]
fn variables_are_listed_without_loop_and_assigned_names() {
    let body = "{{ account.name | append: person.plan }}{% for f in account.features limit: 3 %}{{ f.name }}{{ forloop.index }}{% endfor %}\
        {% assign x = mrr | times: 2 %}{{ x }}{{ 'literal.text' }}{% raw %}{{ no }}{% endraw %}{% comment %}{{ no }}{% endcomment %}\
        {{ items[0].price }}{% if a.b and c contains 'd' %}{% endif %}";
    let template = template("subject: \"{{ subject_line }}\"", body);
    let names: Vec<_> = template.variables().into_iter().collect();
    let expected = [
        "a.b",
        "account.features",
        "account.name",
        "c",
        "items",
        "mrr",
        "person.plan",
        "subject_line",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_nearest_language_variant_is_used() {
    let file = |language, subject: &str| {
        Template::parse("t", language, &format!("---\nsubject: {subject}\n---\nx")).unwrap()
    };
    let template = file(Some("de"), "Hallo")
        .merge(file(None, "Hello"))
        .merge(file(Some("pt-BR"), "Oi"));
    let compiled = CompiledTemplate::compile(&template).unwrap();
    for (language, subject) in [
        (Some("de"), "Hallo"),
        (Some("de-AT"), "Hallo"),
        (Some("pt_BR"), "Oi"),
        (Some("pt"), "Hello"),
        (Some("fr"), "Hello"),
        (None, "Hello"),
    ] {
        assert_eq!(
            compiled
                .render(&json!({}), language, Strict::Yes)
                .unwrap()
                .subject,
            subject,
            "{language:?}"
        );
    }
    assert!(
        check(&file(Some("de"), "Hallo"))
            .iter()
            .any(|problem| problem.message.contains("without a language"))
    );
}

#[test]
fn loops_and_output_are_bounded() {
    let list: Vec<u32> = (0..200).collect();
    let nested = "{% for a in l %}{% for b in l %}{% endfor %}{% endfor %}";
    let big = "{% for a in l %}{{ t }}{% endfor %}";
    let doubling =
        "{% assign x = 'xxxxxxxx' %}{% for a in l %}{% assign x = x | append: x %}{% endfor %}";
    let data = json!({"l": list, "t": "x".repeat(10_000)});
    for body in [nested, big, doubling] {
        let compiled = CompiledTemplate::compile(&template("subject: s", body)).unwrap();
        let error = compiled.render(&data, None, Strict::Yes).unwrap_err();
        assert!(matches!(error, RenderError::Liquid { .. }), "{error:?}");
    }
    assert_eq!(
        problems("{% for i in (1..100000000) %}{% endfor %}").len(),
        1
    );
    assert_eq!(problems("{% for i in (1..n) %}{% endfor %}").len(), 1);
}

#[test]
fn nesting_without_end_is_refused_before_it_exhausts_the_stack() {
    let brackets = format!("{{{{ {}1{} }}}}", "a[".repeat(900), "]".repeat(900));
    let longer = format!("{{{{ {}1{} }}}}", "a[".repeat(90_000), "]".repeat(90_000));
    assert_eq!(problems(&longer).len(), 1);
    for body in [
        brackets,
        "{% if a %}".repeat(300),
        format!("<mjml><mj-body>{}", "<b>".repeat(50_000)),
    ] {
        assert!(!problems(&body).is_empty());
    }
    let body = "<mjml><mj-body><mj-section padding=\"{{ p }}\"><mj-column><mj-text>{{ x | raw }}</mj-text></mj-column></mj-section></mj-body></mjml>";
    let compiled = CompiledTemplate::compile(&template("subject: s", body)).unwrap();
    let error = compiled
        .render(
            &json!({"p": "1px", "x": "<b>".repeat(50_000)}),
            None,
            Strict::Yes,
        )
        .unwrap_err();
    assert!(matches!(error, RenderError::Mjml { .. }));
}

#[test]
fn filters_for_retention_mail_format_numbers_and_dates() {
    let data = json!({"rate": 0.1256, "mrr": 12345.5, "renews": "2026-03-01T23:30:00Z"});
    for (body, out) in [
        ("{{ rate | percent }} {{ rate | percent: 1 }}", "13% 12.6%"),
        (
            "{{ mrr | money: 'EUR' }} {{ mrr | money: '$', 0 }}",
            "12,345.50 EUR 12,346 $",
        ),
        (
            "{{ renews | date: '%d %B %Y' }} {{ renews | date: '%d %B', 'Europe/Vienna' }}",
            "01 March 2026 02 March",
        ),
    ] {
        assert_eq!(html(body, &data), out, "{body}");
    }
}

#[test]
fn an_error_names_the_place_and_no_value() {
    let compiled =
        CompiledTemplate::compile(&template("subject: s", "{{ email | percent }}")).unwrap();
    let error = compiled
        .render(&json!({"email": "anna@example.com"}), None, Strict::Yes)
        .unwrap_err();
    assert!(!error.to_string().contains("anna"), "{error}");
    assert!(
        matches!(
            error,
            RenderError::Liquid {
                line: 4,
                column: 4,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn front_matter_mistakes_are_named_by_line() {
    for (source, line, word) in [
        ("<p>x</p>", 1, "front matter"),
        ("---\nfrom: a@example.com\n---\nx", 1, "subject"),
        ("---\nsubject: a\nsubjet: b\n---\nx", 3, "subjet"),
        ("---\nsubject: a\nsubject: b\n---\nx", 3, "twice"),
    ] {
        let problems = Template::parse("t", None, source).unwrap_err();
        assert!(
            problems
                .iter()
                .any(|problem| problem.line == line && problem.message.contains(word)),
            "{problems:?}"
        );
    }
}

#[test]
fn without_a_text_part_one_is_made_from_the_html() {
    let template = template("subject: s\npreheader: hidden words", MJML);
    let rendered = render(&template, &mjml_data(), None, Strict::Yes).unwrap();
    assert!(
        rendered.text.contains("Welcome <script>\"x\""),
        "{}",
        rendered.text
    );
    assert!(
        rendered
            .text
            .contains("Open (https://example.com/7?n=%3Cscript%3E%22x%22)"),
        "{}",
        rendered.text
    );
    assert!(!rendered.text.contains("hidden words"));
    assert!(rendered.html.contains("hidden words"));
}
