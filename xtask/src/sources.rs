//! Rules about source files: length, names, unfinished code and sleeping tests.
//!
//! The length of functions is clippy's business (`too-many-lines-threshold` in the `clippy.toml` files).

use std::path::Path;

use anyhow::Result;

use crate::tree;

/// A Rust file longer than this many lines fails the check.
const FILE_LINES_MAX: usize = 800;
/// A Rust file longer than this many lines is listed, so that it is split before it fails.
const FILE_LINES_NOTED: usize = 400;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "models", "helpers", "manager"];

// Written in two halves so that this file passes its own check.
const UNFINISHED: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];
const IGNORED_TEST: &str = concat!("#[ign", "ore");
const THREAD_SLEEP: &str = concat!("thread::", "sleep");

/// What the check of the sources found.
pub(crate) struct Findings {
    /// Broken rules, one line each.
    pub(crate) problems: Vec<String>,
    /// Files over the noted length but under the limit.
    pub(crate) long_files: Vec<String>,
}

/// Checks every source file of the repository.
pub(crate) fn check(root: &Path) -> Result<Findings> {
    let mut findings = Findings {
        problems: Vec::new(),
        long_files: Vec::new(),
    };
    for path in tree::files(root, &["rs", "py", "mjs", "js", "ts", "tsx", "sql"])? {
        let text = std::fs::read_to_string(&path)?;
        let shown = tree::shown(root, &path);
        findings.problems.extend(name_problem(&shown));
        findings.problems.extend(unfinished_lines(&shown, &text));
        if path.extension().is_some_and(|extension| extension == "rs") {
            findings.problems.extend(test_problems(&shown, &text));
            measure(&shown, text.lines().count(), &mut findings);
        }
    }
    Ok(findings)
}

fn measure(shown: &str, line_count: usize, findings: &mut Findings) {
    if line_count > FILE_LINES_MAX {
        let problem =
            format!("{shown}: {line_count} lines, the limit is {FILE_LINES_MAX}: split it by noun");
        findings.problems.push(problem);
    } else if line_count > FILE_LINES_NOTED {
        findings
            .long_files
            .push(format!("{shown}: {line_count} lines"));
    }
}

fn name_problem(shown: &str) -> Option<String> {
    let word = shown
        .split('/')
        .map(|part| part.split_once('.').map_or(part, |(stem, _)| stem))
        .find(|stem| EMPTY_NAMES.contains(stem))?;
    Some(format!(
        "{shown}: `{word}` says nothing about what is inside: name the file after its noun"
    ))
}

fn unfinished_lines(shown: &str, text: &str) -> Vec<String> {
    let marked = |line: &str| UNFINISHED.into_iter().find(|mark| has_word(line, mark));
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| marked(line).map(|mark| (index + 1, mark)))
        .map(|(number, mark)| {
            format!("{shown}:{number}: `{mark}`: finish it, or file an issue and take the mark out")
        })
        .collect()
}

/// Whether `word` stands in `line` with no letter, digit or underscore directly around it.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |character: Option<char>| {
        character.is_some_and(|found| found.is_alphanumeric() || found == '_')
    };
    line.match_indices(word).any(|(start, _)| {
        !is_part(line[..start].chars().next_back())
            && !is_part(line[start + word.len()..].chars().next())
    })
}

/// Ignored tests anywhere, sleeping in test code. Test code is a file under `tests/` or what follows `#[cfg(test)]`,
/// which the house style puts at the end of a file.
fn test_problems(shown: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut in_tests = shown
        .split('/')
        .any(|part| part == "tests" || part == "tests.rs");
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        in_tests |= line.trim_start().starts_with("#[cfg(test)]");
        if line.contains(IGNORED_TEST) {
            problems.push(format!(
                "{shown}:{number}: an ignored test protects nothing: make it run or delete it"
            ));
        }
        if in_tests && line.contains(THREAD_SLEEP) {
            problems.push(format!("{shown}:{number}: a test that sleeps is slow and flaky: pass the time as an argument"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_noted_first_and_refused_later() {
        let mut findings = Findings {
            problems: Vec::new(),
            long_files: Vec::new(),
        };
        measure("a.rs", FILE_LINES_NOTED, &mut findings);
        assert!(findings.problems.is_empty() && findings.long_files.is_empty());
        measure("b.rs", FILE_LINES_MAX, &mut findings);
        assert_eq!(findings.long_files, ["b.rs: 800 lines"]);
        measure("c.rs", FILE_LINES_MAX + 1, &mut findings);
        assert_eq!(findings.problems.len(), 1);
    }

    #[test]
    fn a_name_that_says_nothing_is_refused_for_files_and_folders() {
        assert!(name_problem("crates/tenure-app/src/utils.rs").is_some());
        assert!(name_problem("web/src/helpers/dates.ts").is_some());
        assert!(name_problem("web/src/models.test.ts").is_some());
        assert!(name_problem("crates/tenure-core/src/health/score.rs").is_none());
    }

    #[test]
    fn marks_of_unfinished_code_are_found_as_whole_words() {
        let text = format!("fine\n// {} later\n", UNFINISHED[0]);
        assert_eq!(unfinished_lines("a.rs", &text).len(), 1);
        assert!(unfinished_lines("a.rs", &text)[0].starts_with("a.rs:2:"));
        let longer = format!(
            "let {}_COUNT = 1; // a {}S list",
            UNFINISHED[0], UNFINISHED[0]
        );
        assert!(unfinished_lines("a.rs", &longer).is_empty());
    }

    #[test]
    fn sleeping_is_refused_in_tests_and_allowed_elsewhere() {
        let line = format!("std::{THREAD_SLEEP}(delay);\n");
        assert!(test_problems("crates/x/src/a.rs", &line).is_empty());
        assert_eq!(test_problems("crates/x/tests/a.rs", &line).len(), 1);
        assert_eq!(
            test_problems(
                "crates/x/src/a.rs",
                &format!("#[cfg(test)]\nmod tests {{\n{line}}}")
            )
            .len(),
            1
        );
    }

    #[test]
    fn ignored_tests_are_refused() {
        assert_eq!(
            test_problems("crates/x/src/a.rs", &format!("{IGNORED_TEST} = \"slow\"]")).len(),
            1
        );
    }
}
