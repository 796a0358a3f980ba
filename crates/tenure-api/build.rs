//! Lists the built console (`web/dist`) for embedding. Where it was not built, the list is empty
//! and the server serves a page that says how to get it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = manifest.join("../../web/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    collect(&dist, &mut files)?;
    files.sort();
    let mut list = "&[\n".to_owned();
    for path in files.iter().filter(|path| !is_compressed(path)) {
        let name = path.strip_prefix(&dist).unwrap_or(path);
        let name = name.to_string_lossy().replace('\\', "/");
        let (brotli, gzip) = (variant(path, "br", &files), variant(path, "gz", &files));
        let bytes = format!("include_bytes!({:?})", path.display().to_string());
        let line =
            format!("Asset {{ path: {name:?}, bytes: {bytes}, brotli: {brotli}, gzip: {gzip} }},");
        // Writing to a string does not fail.
        let _ = writeln!(list, "{line}");
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("console_assets.rs"), list)
}

/// Every file below a folder, apart from hidden ones.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() {
            collect(&path, files)?;
        } else if !hidden {
            files.push(path);
        }
    }
    Ok(())
}

fn is_compressed(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending == "br" || ending == "gz")
}

/// The compressed file beside `path`, as an expression.
fn variant(path: &Path, ending: &str, files: &[PathBuf]) -> String {
    let wanted = format!("{}.{ending}", path.display());
    if files.iter().any(|file| file.as_os_str() == &*wanted) {
        format!("Some(include_bytes!({wanted:?}))")
    } else {
        "None".to_owned()
    }
}
