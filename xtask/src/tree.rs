//! The repository's files as the checks see them: the working tree, without build output and installed packages.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders that hold no source of ours. Hidden folders are skipped as well, except `.ci`.
const SKIPPED_FOLDERS: [&str; 5] = [
    "target",
    "node_modules",
    "__pycache__",
    "tenure-data",
    "dist",
];

/// The folder of the workspace, found at compile time, so that the command works from any working directory.
pub(crate) fn workspace_root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where cargo and this tool put their output.
pub(crate) fn target_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// All files below `folder` whose extension is one of `extensions`, in a stable order.
pub(crate) fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(folder, extensions, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            if !is_skipped(&name) {
                collect(&path, extensions, found)?;
            }
        } else if has_extension(&path, extensions) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_skipped(name: &str) -> bool {
    SKIPPED_FOLDERS.contains(&name) || (name.starts_with('.') && name != ".ci")
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .is_some_and(|found| extensions.iter().any(|wanted| found == *wanted))
}

/// `path` as it is written in messages: relative to the workspace, with forward slashes.
pub(crate) fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_output_and_installed_packages_are_not_listed() -> Result<()> {
        let folder = tempfile::tempdir()?;
        for path in [
            "src/a.rs",
            "target/debug/b.rs",
            "web/node_modules/x/c.rs",
            ".git/d.rs",
            "src/e.txt",
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().context("every path here has a folder")?)?;
            std::fs::write(path, "")?;
        }
        let found = files(folder.path(), &["rs"])?;
        let shown: Vec<String> = found
            .iter()
            .map(|path| shown(folder.path(), path))
            .collect();
        assert_eq!(shown, ["src/a.rs"]);
        Ok(())
    }
}
