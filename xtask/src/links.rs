//! Relative links of the documents must lead somewhere, and ARCHITECTURE.md must stay readable in one sitting.

use std::path::Path;

use anyhow::Result;

use crate::tree;

/// The longest ARCHITECTURE.md that people still read to the end, in lines.
const ARCHITECTURE_LINES_MAX: usize = 250;

/// Checks every Markdown file of the repository.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in tree::files(root, &["md"])? {
        let text = std::fs::read_to_string(&path)?;
        let shown = tree::shown(root, &path);
        let folder = path.parent().unwrap_or(root);
        for target in relative_targets(&text) {
            if !folder.join(&target).exists() {
                problems.push(format!("{shown}: the link to `{target}` leads nowhere"));
            }
        }
        if shown == "ARCHITECTURE.md" && text.lines().count() > ARCHITECTURE_LINES_MAX {
            problems.push(format!(
                "{shown}: more than {ARCHITECTURE_LINES_MAX} lines: move detail to docs/internals"
            ));
        }
    }
    Ok(problems)
}

/// The targets of inline links, without anchors, outside code blocks; web addresses and pure anchors are left out.
fn relative_targets(text: &str) -> Vec<String> {
    let mut in_code = false;
    let mut targets = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if !in_code {
            targets.extend(line_targets(line));
        }
    }
    targets
}

fn line_targets(line: &str) -> impl Iterator<Item = String> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default().trim())
        .filter(|target| {
            !target.is_empty() && !target.contains(':') && !target.contains(char::is_whitespace)
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_targets_are_followed() {
        let text = "[a](docs/a.md#part) [b](https://example.com) [c](#here)\n```\n[d](gone.md)\n```\n![e](e.png)";
        assert_eq!(relative_targets(text), ["docs/a.md", "e.png"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_reported() -> Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(
            folder.path().join("README.md"),
            "[here](README.md) [there](missing.md)",
        )?;
        let problems = check(folder.path())?;
        assert_eq!(
            problems,
            ["README.md: the link to `missing.md` leads nowhere"]
        );
        Ok(())
    }
}
