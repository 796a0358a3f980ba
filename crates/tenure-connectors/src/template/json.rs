//! JSON bodies with Liquid in them.

use serde_json::Value as Json;

use super::Severity;
use super::compile::{CompiledPart, Mode, Strict};

/// Deepest nesting of a body that is looked through for Liquid.
const DEPTH_MAX: usize = 32;

/// Renders a body for `data`; the result is one JSON document whatever the data holds.
///
/// A body that is JSON as it stands keeps its shape, and Liquid runs inside its texts. Any other
/// body is Liquid as a whole: values are escaped for the inside of a JSON string, `| json` writes a
/// whole value, and the result must be JSON. Unknown variables are an error unless a `default`
/// follows. Errors name places and variables, never values.
pub fn render_json(body: &str, data: &Json) -> Result<String, String> {
    let globals = liquid_core::to_object(data).unwrap_or_default();
    if let Ok(shape) = serde_json::from_str::<Json>(body) {
        return Ok(fill(shape, &globals, DEPTH_MAX)?.to_string());
    }
    let text = render(body, Mode::Json, &globals)?;
    let json: Json = serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("the rendered body is not JSON at line {line}, column {column}")
    })?;
    Ok(json.to_string())
}

/// What is wrong with a body before any data is known: Liquid that cannot be read, and variables
/// that no data can hold, since its outermost names are `roots`. Each problem says where, counted
/// from the start of the text it is in.
pub fn check_json(body: &str, roots: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    match serde_json::from_str::<Json>(body) {
        Ok(shape) => check_texts(&shape, roots, DEPTH_MAX, &mut problems),
        Err(_) => check_part(body, Mode::Json, roots, &mut problems),
    }
    problems
}

fn check_texts(json: &Json, roots: &[&str], depth_left: usize, problems: &mut Vec<String>) {
    let Some(deeper) = depth_left.checked_sub(1) else {
        return problems.push(too_deep());
    };
    match json {
        Json::String(text) if text.contains('{') => {
            check_part(text, Mode::Text, roots, problems);
        }
        Json::Array(items) => {
            for item in items {
                check_texts(item, roots, deeper, problems);
            }
        }
        Json::Object(fields) => {
            for field in fields.values() {
                check_texts(field, roots, deeper, problems);
            }
        }
        _ => {}
    }
}

fn check_part(text: &str, mode: Mode, roots: &[&str], problems: &mut Vec<String>) {
    let compiled = match CompiledPart::compile(text, mode) {
        Ok(compiled) => compiled,
        Err(found) => {
            let errors = found.iter().filter(|one| one.severity == Severity::Error);
            return problems.extend(errors.map(|one| {
                let (line, column) = (one.line, one.column);
                format!("line {line}, column {column}: {}", one.message)
            }));
        }
    };
    for used in compiled.uses().iter().filter(|used| !used.is_optional) {
        let root = used.path.split('.').next().unwrap_or_default();
        if !roots.contains(&root) {
            let (line, column, path) = (used.line, used.column, &used.path);
            problems.push(format!(
                "line {line}, column {column}: unknown variable `{path}`: what is known here begins with one of {}",
                roots.join(", ")
            ));
        }
    }
}

fn too_deep() -> String {
    format!("the body is nested deeper than {DEPTH_MAX}")
}

fn fill(json: Json, globals: &liquid_core::Object, depth_left: usize) -> Result<Json, String> {
    let deeper = depth_left.checked_sub(1).ok_or_else(too_deep)?;
    match json {
        Json::String(text) if text.contains('{') => {
            Ok(Json::from(render(&text, Mode::Text, globals)?))
        }
        Json::Array(items) => items
            .into_iter()
            .map(|item| fill(item, globals, deeper))
            .collect(),
        Json::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| Ok((name, fill(value, globals, deeper)?)))
            .collect::<Result<_, String>>()
            .map(Json::Object),
        other => Ok(other),
    }
}

fn render(text: &str, mode: Mode, globals: &liquid_core::Object) -> Result<String, String> {
    let compiled = CompiledPart::compile(text, mode).map_err(|problems| {
        problems.first().map_or_else(
            || "the body is not valid Liquid".to_owned(),
            |problem| {
                let (line, column) = (problem.line, problem.column);
                format!("line {line}, column {column}: {}", problem.message)
            },
        )
    })?;
    compiled
        .render(globals, Strict::Yes)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(body: &str, expected: &Json) {
        let data =
            json!({"name": "Ann \"A\" \\ Ö\n", "seats": 3, "tags": ["a", "b"], "is_on": true});
        let rendered = render_json(body, &data).unwrap();
        assert_eq!(
            serde_json::from_str::<Json>(&rendered).unwrap(),
            *expected,
            "{body}"
        );
    }

    #[test]
    fn liquid_runs_inside_the_texts_of_a_json_body() {
        check(
            r#"{"text": "Hi {{ name }}", "n": 1, "x": [{"y": "{{ plan | default: \"free\" }}"}]}"#,
            &json!({"text": "Hi Ann \"A\" \\ Ö\n", "n": 1, "x": [{"y": "free"}]}),
        );
    }

    #[test]
    fn values_in_a_free_body_are_escaped_and_whole_values_are_written_by_json() {
        check(
            r#"{"text": "Hi {{ name }}", "seats": {{ seats }}, "tags": {{ tags | json }}, "on": {{ is_on }}, "n": {{ name | json }}}"#,
            &json!({"text": "Hi Ann \"A\" \\ Ö\n", "seats": 3, "tags": ["a", "b"], "on": true,
                    "n": "Ann \"A\" \\ Ö\n"}),
        );
    }

    #[test]
    fn a_body_that_does_not_become_json_is_refused_without_its_values() {
        let data = json!({"name": "secret"});
        let error = render_json("{\"a\": {{ name }}}", &data).unwrap_err();
        assert!(
            error.contains("not JSON") && !error.contains("secret"),
            "{error}"
        );
        let error = render_json("{\"a\": \"{{ nobody }}\"}", &data).unwrap_err();
        assert!(error.contains("nobody"), "{error}");
        assert!(render_json("{\"a\": \"{{ name\"}", &data).is_err());
    }

    #[test]
    fn a_body_is_checked_before_there_is_data() {
        let problems = |body: &str| check_json(body, &["person", "event"]);
        for good in [
            r#"{"a": "{{ person.name }}", "b": ["{{ event.x | default: 1 }}"], "c": 1}"#,
            r#"{"a": {{ event.items | json }}}"#,
            r#"{"a": "{% for one in event.items %}{{ one.name }}{% endfor %}"}"#,
            r#"{"a": "{{ plan | default: 'free' }}"}"#,
        ] {
            assert_eq!(problems(good), Vec::<String>::new(), "{good}");
        }
        let found = problems(r#"{"a": {"b": ["Hi {{ acount.name }}"]}}"#);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("line 1, column ") && found[0].contains("`acount.name`"),
            "{found:?}"
        );
        assert!(problems(r#"{"a": {{ nobody | json }}}"#)[0].contains("nobody"));
        assert!(!problems(r#"{"a": "{{ person.name"}"#).is_empty());
        assert!(!problems(r#"{"a": "{{ person.name | shout }}"}"#).is_empty());
    }

    proptest! {
        #[test]
        fn no_value_can_break_out_of_its_text(value in "\\PC{0,40}|.{0,40}") {
            let data = json!({"v": value});
            let expected = json!({"a": value, "b": 1});
            for body in [r#"{"a": "{{ v }}", "b": 1}"#, r#"{"a": "{{ v }}", "b": {{ 1 }}}"#] {
                let rendered = render_json(body, &data).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Json>(&rendered).unwrap(), &expected);
            }
        }
    }
}
