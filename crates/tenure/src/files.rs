//! Definition and template files on disk.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use tenure_core::define::SourceFile;

use crate::failure::Usage;

/// Endings of definition files.
const DEFINITION_ENDINGS: [&str; 2] = ["yaml", "yml"];
/// Endings of template files.
const TEMPLATE_ENDINGS: [&str; 4] = ["mjml", "html", "liquid", "txt"];
/// Folders that hold something else: import mappings.
const OTHER_FOLDERS: [&str; 1] = ["mappings"];

/// A file as the API takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct File {
    /// Path as shown in diagnostics.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl From<File> for SourceFile {
    fn from(file: File) -> Self {
        Self {
            path: file.path,
            text: file.text,
        }
    }
}

/// All definition and template files of the given files and folders, in order of their paths. Hidden files and folders
/// named `mappings` are left out.
pub(crate) fn collect(paths: &[PathBuf]) -> Result<Vec<File>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut found)?;
        } else if path.is_file() {
            found.push(path.clone());
        } else {
            return Err(Usage(format!("{} does not exist", path.display())).into());
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        let places = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let endings = DEFINITION_ENDINGS
            .iter()
            .chain(&TEMPLATE_ENDINGS)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        return Err(Usage(format!(
            "no definition or template files in {places} (looked for {endings})"
        ))
        .into());
    }
    found.iter().map(|path| read(path)).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with('.') || (path.is_dir() && OTHER_FOLDERS.contains(&name)) {
            continue;
        }
        if path.is_dir() {
            walk(&path, found)?;
        } else if is_ours(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_ours(path: &Path) -> bool {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    DEFINITION_ENDINGS.contains(&ending) || TEMPLATE_ENDINGS.contains(&ending)
}

fn read(path: &Path) -> Result<File> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {} as UTF-8 text", path.display()))?;
    let path = path.strip_prefix("./").unwrap_or(path);
    Ok(File {
        path: path.to_string_lossy().replace('\\', "/"),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_for_definitions_and_templates_only() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "b.yaml",
            "a.yml",
            "templates/x.de.mjml",
            "notes.md",
            ".hidden/c.yaml",
            "mappings/m.yaml",
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let files = collect(&[folder.path().to_owned()]).unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|file| file.path.rsplit_once('/').unwrap().1)
            .collect();
        assert_eq!(names, ["a.yml", "b.yaml", "x.de.mjml"]);
    }

    #[test]
    fn a_path_that_is_not_there_is_called_wrongly() {
        let error = collect(&[PathBuf::from("no/such/place")]).unwrap_err();
        assert!(error.is::<Usage>());
    }
}
