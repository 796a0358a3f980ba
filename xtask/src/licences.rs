//! Licences and sources of all dependencies, against the lists in `deny.toml`.
//!
//! `deny.toml` is the format of cargo-deny, which those who have it can run for its advisories as well; this check
//! reads the same lists and needs nothing but cargo.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use toml::Table;

/// The rules of `deny.toml`, as far as this check applies them.
struct Rules {
    allowed: Vec<String>,
    exceptions: Vec<Exception>,
    banned: Vec<String>,
}

/// More licences for one crate, each for a reason written in `deny.toml`.
struct Exception {
    package: String,
    allowed: Vec<String>,
}

/// Every dependency whose licence, source or name the rules refuse.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let path = root.join("deny.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let rules = parse_rules(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let metadata = read_metadata(root)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let mut problems: Vec<String> = packages
        .iter()
        .flat_map(|package| problems_of(package, &rules))
        .collect();
    problems.extend(unused_exceptions(packages, &rules));
    Ok(problems)
}

fn read_metadata(root: &Path) -> Result<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn parse_rules(text: &str) -> Result<Rules> {
    let table: Table = text.parse()?;
    let licenses = table.get("licenses").context("[licenses] is missing")?;
    let exceptions = entries(licenses.get("exceptions"))
        .map(|entry| Exception {
            package: crate_name(entry),
            allowed: strings(entry.get("allow")),
        })
        .collect();
    let banned = entries(table.get("bans").and_then(|bans| bans.get("deny")))
        .map(crate_name)
        .collect();
    Ok(Rules {
        allowed: strings(licenses.get("allow")),
        exceptions,
        banned,
    })
}

fn entries(value: Option<&toml::Value>) -> impl Iterator<Item = &toml::Value> {
    value.and_then(toml::Value::as_array).into_iter().flatten()
}

fn strings(value: Option<&toml::Value>) -> Vec<String> {
    entries(value)
        .filter_map(toml::Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn crate_name(entry: &toml::Value) -> String {
    entry
        .get("crate")
        .and_then(toml::Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn problems_of(package: &Value, rules: &Rules) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(source) = package["source"].as_str() else {
        return Vec::new(); // A member of this workspace.
    };
    let shown = format!("{name} {}", package["version"].as_str().unwrap_or_default());
    let mut problems = Vec::new();
    if !source.starts_with("registry+") {
        problems.push(format!(
            "{shown}: comes from {source}: only published crates may be used"
        ));
    }
    if rules.banned.iter().any(|banned| banned == name) {
        problems.push(format!(
            "{shown}: is banned in deny.toml; `cargo tree -i {name}` shows who brings it in"
        ));
    }
    problems.extend(licence_problem(
        &shown,
        name,
        package["license"].as_str(),
        rules,
    ));
    problems
}

fn licence_problem(
    shown: &str,
    name: &str,
    licence: Option<&str>,
    rules: &Rules,
) -> Option<String> {
    let Some(licence) = licence else {
        return Some(format!(
            "{shown}: declares no licence: replace it, or name it in deny.toml with the reason"
        ));
    };
    let exceptions = rules
        .exceptions
        .iter()
        .filter(|exception| exception.package == name);
    let extra: Vec<&str> = exceptions
        .flat_map(|exception| &exception.allowed)
        .map(String::as_str)
        .collect();
    let is_allowed =
        |id: &str| extra.contains(&id) || rules.allowed.iter().any(|allowed| allowed == id);
    match is_satisfied(licence, &is_allowed) {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "{shown}: licence `{licence}` is not in the allow-list of deny.toml"
        )),
        Err(error) => Some(format!(
            "{shown}: cannot read the licence `{licence}`: {error}"
        )),
    }
}

/// An exception for a crate that is no longer used would silently excuse its return.
fn unused_exceptions(packages: &[Value], rules: &Rules) -> Vec<String> {
    let is_used = |name: &str| packages.iter().any(|package| package["name"] == name);
    rules
        .exceptions
        .iter()
        .filter(|exception| !is_used(&exception.package))
        .map(|exception| {
            format!(
                "deny.toml: the exception for {} is not needed any more",
                exception.package
            )
        })
        .collect()
}

/// Whether an SPDX expression can be met with allowed licences alone. AND binds tighter than OR; the older form
/// `MIT/Apache-2.0` means OR. See the SPDX specification, annex on licence expressions.
fn is_satisfied(expression: &str, is_allowed: &dyn Fn(&str) -> bool) -> Result<bool> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        words: &words,
        is_allowed,
    };
    let satisfied = parser.any_of()?;
    match parser.words {
        [] => Ok(satisfied),
        [word, ..] => bail!("unexpected `{word}`"),
    }
}

struct Parser<'a> {
    words: &'a [&'a str],
    is_allowed: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    fn any_of(&mut self) -> Result<bool> {
        let mut satisfied = self.all_of()?;
        while self.take("OR") {
            satisfied |= self.all_of()?;
        }
        Ok(satisfied)
    }

    fn all_of(&mut self) -> Result<bool> {
        let mut satisfied = self.one()?;
        while self.take("AND") {
            satisfied &= self.one()?;
        }
        Ok(satisfied)
    }

    fn one(&mut self) -> Result<bool> {
        if self.take("(") {
            let satisfied = self.any_of()?;
            if !self.take(")") {
                bail!("a parenthesis is not closed");
            }
            return Ok(satisfied);
        }
        let licence = self.licence()?;
        if self.take("WITH") {
            let exception = self.licence()?;
            return Ok((self.is_allowed)(&format!("{licence} WITH {exception}")));
        }
        Ok((self.is_allowed)(licence))
    }

    fn licence(&mut self) -> Result<&'a str> {
        let Some((word, rest)) = self.words.split_first() else {
            bail!("it ends too early")
        };
        if matches!(*word, "AND" | "OR" | "WITH" | ")") {
            bail!("`{word}` stands where a licence should");
        }
        self.words = rest;
        Ok(word)
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.words.first() == Some(&wanted);
        if found {
            self.words = &self.words[1..];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULES: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
        exceptions = [{ crate = "roots", allow = ["CDLA-Permissive-2.0"] }]
        [bans]
        deny = [{ crate = "openssl" }]
    "#;

    fn found(package: &Value) -> Vec<String> {
        problems_of(package, &parse_rules(RULES).expect("the rules parse"))
    }

    fn package(name: &str, license: &str) -> Value {
        json!({ "name": name, "version": "1.0.0", "source": "registry+https://example.com", "license": license })
    }

    #[test]
    fn expressions_are_read_as_spdx_says() {
        let is_mit = |id: &str| id == "MIT";
        let cases = [
            ("MIT", true),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("MIT/GPL-3.0", true),
            ("GPL-3.0 AND Zlib OR MIT", true),
            ("GPL-3.0 AND (Zlib OR MIT)", false),
            ("(MIT OR Zlib) AND MIT", true),
        ];
        for (expression, expected) in cases {
            assert_eq!(
                is_satisfied(expression, &is_mit).ok(),
                Some(expected),
                "{expression}"
            );
        }
    }

    #[test]
    fn broken_expressions_are_errors() {
        for expression in ["", "MIT OR", "(MIT", "MIT Zlib", "AND MIT"] {
            assert!(
                is_satisfied(expression, &|_| true).is_err(),
                "{expression:?}"
            );
        }
    }

    #[test]
    fn a_licence_outside_the_list_and_a_missing_one_are_refused() {
        assert!(found(&package("a", "MIT OR Apache-2.0")).is_empty());
        assert!(found(&package("a", "Apache-2.0 WITH LLVM-exception")).is_empty());
        assert_eq!(found(&package("a", "GPL-3.0-only")).len(), 1);
        let without =
            json!({ "name": "a", "version": "1.0.0", "source": "registry+https://example.com" });
        assert_eq!(found(&without).len(), 1);
    }

    #[test]
    fn an_exception_holds_for_its_crate_only() {
        assert!(found(&package("roots", "CDLA-Permissive-2.0")).is_empty());
        assert_eq!(found(&package("other", "CDLA-Permissive-2.0")).len(), 1);
    }

    #[test]
    fn an_exception_that_nothing_needs_is_reported() {
        let rules = parse_rules(RULES).expect("the rules parse");
        assert_eq!(unused_exceptions(&[package("a", "MIT")], &rules).len(), 1);
        assert!(unused_exceptions(&[package("roots", "MIT")], &rules).is_empty());
    }

    #[test]
    fn banned_crates_and_crates_from_elsewhere_are_refused_and_members_are_not_looked_at() {
        assert_eq!(found(&package("openssl", "MIT")).len(), 1);
        let elsewhere = json!({ "name": "a", "version": "1.0.0", "source": "git+https://example.com/a", "license": "MIT" });
        assert_eq!(found(&elsewhere).len(), 1);
        assert!(found(&json!({ "name": "tenure", "version": "1.0.0", "source": null })).is_empty());
    }
}
