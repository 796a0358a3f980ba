//! Builds the console (`web/`) for embedding, when it changed and where there is Node.js.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::setup;

/// Folders of `web/` that hold no source.
const BUILT: [&str; 4] = ["node_modules", "dist", "test-results", "playwright-report"];
/// What the console is made of besides its own folder.
const API: &str = "docs/reference/generated/openapi.json";

/// Builds the console. Without Node.js it says so, and the binary is built without.
pub(crate) fn build(root: &Path) -> Result<()> {
    if !setup::succeeds("npm", &["--version"]) {
        println!("console: there is no Node.js, so the binary will be without the console");
        return Ok(());
    }
    let web = root.join("web");
    if is_current(root, &web)? {
        return Ok(());
    }
    setup::install_console_packages(root)?;
    let status = Command::new("npm")
        .args(["run", "--silent", "build"])
        .current_dir(&web)
        .stdin(Stdio::null())
        .status()
        .context("cannot run npm")?;
    if !status.success() {
        bail!("the console was not built: {status}");
    }
    Ok(())
}

/// Whether nothing is newer than what was built.
fn is_current(root: &Path, web: &Path) -> Result<bool> {
    let Ok(built) = std::fs::metadata(web.join("dist/index.html")) else {
        return Ok(false);
    };
    let sources = newest(web)?.max(std::fs::metadata(root.join(API))?.modified()?);
    Ok(sources <= built.modified()?)
}

/// When the newest source was changed.
fn newest(folder: &Path) -> Result<SystemTime> {
    let mut found = SystemTime::UNIX_EPOCH;
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path: PathBuf = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".gen.ts") || BUILT.contains(&name.as_str()) {
            continue;
        }
        let changed = if entry.file_type()?.is_dir() {
            newest(&path)?
        } else {
            entry.metadata()?.modified()?
        };
        found = found.max(changed);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_of_a_source_asks_for_a_new_build() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (root, web) = (folder.path(), folder.path().join("web"));
        for path in [
            API,
            "web/src/main.tsx",
            "web/dist/index.html",
            "web/node_modules/x.js",
        ] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().context("every path here has a folder")?)?;
            std::fs::write(path, "")?;
        }
        let touch = |path: &str, at_s: u64| -> Result<()> {
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(at_s);
            let file = std::fs::File::options().write(true).open(root.join(path))?;
            Ok(file.set_modified(at)?)
        };
        touch(API, 10)?;
        touch("web/src/main.tsx", 20)?;
        touch("web/node_modules/x.js", 90)?;
        touch("web/dist/index.html", 30)?;
        assert!(is_current(root, &web)?);
        touch("web/src/main.tsx", 40)?;
        assert!(!is_current(root, &web)?);
        touch("web/dist/index.html", 50)?;
        touch(API, 60)?;
        assert!(!is_current(root, &web)?);
        Ok(())
    }
}
