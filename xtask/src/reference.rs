//! The generated part of the documentation: `docs/reference/generated`, written by the built binary from its own code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Where the reference lives. Everything in this folder is generated.
const REFERENCE: &str = "docs/reference/generated";

/// Writes the reference anew, so that pages of things that are gone go as well.
pub(crate) fn write(root: &Path) -> Result<()> {
    let reference = root.join(REFERENCE);
    let fresh = generate(root)?;
    if reference.exists() {
        std::fs::remove_dir_all(&reference)?;
    }
    for (path, content) in &fresh {
        let path = reference.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&reference))?;
        std::fs::write(path, content)?;
    }
    println!("gen: {} file(s) in {REFERENCE}", fresh.len());
    Ok(())
}

/// What differs between the stored reference and the one that the built binary writes.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let fresh = generate(root)?;
    let stored = read_files(&root.join(REFERENCE))?;
    Ok(differences(&stored, &fresh))
}

/// Runs the binary's generator into a fresh folder and reads what it wrote.
fn generate(root: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let binary = binary_path(root);
    if !binary.exists() {
        bail!(
            "{} does not exist: run `make build` first",
            binary.display()
        );
    }
    let folder = crate::tree::target_folder(root).join("xtask-reference");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let status = Command::new(&binary)
        .arg("generate")
        .arg("--out")
        .arg(&folder)
        .current_dir(root)
        .status()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    if !status.success() {
        bail!("`{} generate` failed with {status}", binary.display());
    }
    read_files(&folder)
}

fn binary_path(root: &Path) -> PathBuf {
    let built = || crate::tree::target_folder(root).join("release/tenure");
    std::env::var_os("TENURE_BIN").map_or_else(built, PathBuf::from)
}

/// Every file below `folder` by its relative path.
fn read_files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        if !current.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&current)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = crate::tree::shown(folder, &path);
                files.insert(name, std::fs::read(&path)?);
            }
        }
    }
    Ok(files)
}

fn differences(
    stored: &BTreeMap<String, Vec<u8>>,
    fresh: &BTreeMap<String, Vec<u8>>,
) -> Vec<String> {
    let remedy = "run `make build gen` and commit the result";
    let mut problems = Vec::new();
    for (path, content) in fresh {
        match stored.get(path) {
            None => problems.push(format!("{REFERENCE}/{path} is missing: {remedy}")),
            Some(old) if old != content => {
                problems.push(format!("{REFERENCE}/{path} is out of date: {remedy}"));
            }
            Some(_) => {}
        }
    }
    let gone = stored.keys().filter(|path| !fresh.contains_key(*path));
    problems
        .extend(gone.map(|path| format!("{REFERENCE}/{path} is no longer generated: {remedy}")));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        entries
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn missing_changed_and_leftover_pages_are_all_reported() {
        let stored = files(&[("same.md", "1"), ("old.md", "1"), ("changed.md", "1")]);
        let fresh = files(&[("same.md", "1"), ("new.md", "1"), ("changed.md", "2")]);
        let found = differences(&stored, &fresh);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found
                .iter()
                .any(|problem| problem.contains("new.md is missing"))
        );
        assert!(
            found
                .iter()
                .any(|problem| problem.contains("changed.md is out of date"))
        );
        assert!(
            found
                .iter()
                .any(|problem| problem.contains("old.md is no longer generated"))
        );
        assert!(differences(&fresh, &fresh).is_empty());
    }

    #[test]
    fn files_are_read_with_paths_relative_to_their_folder() -> Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir_all(folder.path().join("functions"))?;
        std::fs::write(folder.path().join("functions/count.md"), "count")?;
        assert_eq!(
            read_files(folder.path())?,
            files(&[("functions/count.md", "count")])
        );
        assert!(read_files(&folder.path().join("missing"))?.is_empty());
        Ok(())
    }
}
