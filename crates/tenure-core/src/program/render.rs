//! The smallest template language that will do for names, titles and URLs.
//!
//! `{{ path }}` is replaced by the value at a dotted path; filters follow with `|`:
//! `percent` (0.3 is `30%`), `round`, `default: "text"`. Paths start with `person`, `account`,
//! `event` or `program`; a bare name is looked up in the event first, then in the subject's
//! traits. Message bodies are rendered by the shell with full Liquid; this is for what the engine
//! must know when it decides.

use serde_json::Value as Json;

/// A value was missing; the path that had none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing(pub(crate) String);

/// What is rendered, which decides what becomes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A name: every value must be there.
    Name,
    /// A title for humans: a missing value reads `unknown`.
    Title,
    /// A URL: every value must be there, and all but unreserved characters are percent-encoded,
    /// so that a value can neither change the host nor add a parameter.
    Url,
}

/// Renders a template with `lookup` giving the value of a path.
pub(crate) fn render<'a>(
    template: &str,
    style: Style,
    lookup: impl Fn(&str) -> Option<&'a Json>,
) -> Result<String, Missing> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, inside, after)) = next_hole(rest) {
        out.push_str(before);
        match (evaluate(inside, &lookup), style) {
            (Ok(value), Style::Url) => push_url_encoded(&mut out, &value),
            (Ok(value), _) => out.push_str(&value),
            (Err(_), Style::Title) => out.push_str("unknown"),
            (Err(missing), _) => return Err(missing),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Checks a template before it runs; an error names what is not understood.
pub(crate) fn check(template: &str) -> Result<(), String> {
    let mut rest = template;
    while let Some((_, inside, after)) = next_hole(rest) {
        for filter in inside.split('|').skip(1) {
            let name = filter.split(':').next().unwrap_or_default().trim();
            if !["percent", "round", "default"].contains(&name) {
                return Err(format!("there is no filter `{name}` here"));
            }
        }
        rest = after;
    }
    match rest.find("{{") {
        Some(_) => Err("a `{{` is not closed".into()),
        None => Ok(()),
    }
}

/// Looks a dotted path up in nested JSON objects; keys that contain dots themselves match too.
pub(crate) fn walk<'a>(json: &'a Json, path: &str) -> Option<&'a Json> {
    if let Some(found) = json.get(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(at, _)| {
        let inner = json.get(&path[..at])?;
        walk(inner, &path[at + 1..])
    })
}

fn next_hole(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (inside, after) = rest.split_once("}}")?;
    Some((before, inside, after))
}

fn evaluate<'a>(
    inside: &str,
    lookup: &impl Fn(&str) -> Option<&'a Json>,
) -> Result<String, Missing> {
    let mut parts = inside.split('|').map(str::trim);
    let path = parts.next().unwrap_or_default();
    let mut value = lookup(path).filter(|json| !json.is_null()).cloned();
    for filter in parts {
        let (name, argument) = filter.split_once(':').unwrap_or((filter, ""));
        value = match (name.trim(), value) {
            ("percent", Some(json)) => Some(percent(&json)),
            ("round", Some(json)) => Some(round(&json)),
            ("default", None) => Some(Json::from(argument.trim().trim_matches(['"', '\'']))),
            (_, value) => value,
        };
    }
    match value {
        None => Err(Missing(path.into())),
        Some(Json::String(text)) => Ok(text),
        Some(other) => Ok(other.to_string()),
    }
}

fn percent(json: &Json) -> Json {
    json.as_f64().map_or_else(
        || json.clone(),
        |number| Json::from(format!("{}%", (number * 100.0).round())),
    )
}

fn round(json: &Json) -> Json {
    json.as_f64().map_or_else(
        || json.clone(),
        |number| Json::from(format!("{}", number.round())),
    )
}

fn push_url_encoded(out: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_render(template: &str, expected: Result<&str, &str>) {
        let data = serde_json::json!({
            "account": {"name": "Example & Co", "drop": 0.345, "address.city": "Köln",
                        "address": {"street": "Main"}},
        });
        let got = render(template, Style::Name, |path| walk(&data, path));
        let expected = expected
            .map(String::from)
            .map_err(|path| Missing(path.into()));
        assert_eq!(got, expected, "{template}");
    }

    #[test]
    fn values_filters_and_missing_paths_render_as_documented() {
        check_render("plain", Ok("plain"));
        check_render("Call {{ account.name }}!", Ok("Call Example & Co!"));
        check_render(
            "{{account.drop|percent}} of {{ account.drop | round }}",
            Ok("35% of 0"),
        );
        check_render("{{ account.address.city }}", Ok("Köln"));
        check_render("{{ account.address.street }}", Ok("Main"));
        check_render("{{ account.plan | default: \"free\" }}", Ok("free"));
        check_render("{{ account.plan }}", Err("account.plan"));
        check_render("open {{ account.name", Ok("open {{ account.name"));
    }

    #[test]
    fn a_value_cannot_break_out_of_its_place_in_a_url() {
        let data = serde_json::json!({"x": "@example.com/?a=ö&b"});
        let url = render("https://api.example.com/{{ x }}", Style::Url, |path| {
            walk(&data, path)
        });
        let expected = "https://api.example.com/%40example.com%2F%3Fa%3D%C3%B6%26b";
        assert_eq!(url.unwrap(), expected);
    }

    #[test]
    fn unknown_filters_and_open_braces_are_found_beforehand() {
        assert!(check("{{ a | shout }}").unwrap_err().contains("shout"));
        assert!(check("{{ a").unwrap_err().contains("closed"));
        assert_eq!(check("{{ a | percent }} {{ b | default: \"x\" }}"), Ok(()));
    }
}
