//! Which crate may name which: the arrows of ARCHITECTURE.md, checked against the manifests.
//!
//! Development dependencies are free (tests may build on an adapter), normal and build dependencies are not.

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

const ADAPTERS: [&str; 2] = ["tenure-store-sqlite", "tenure-store-postgres"];

/// The workspace crates, and the workspace crates that each may depend on.
const EDGES: [(&str, &[&str]); 10] = [
    ("tenure-core", &[]),
    ("tenure-store", &["tenure-core"]),
    ("tenure-store-sqlite", &["tenure-core", "tenure-store"]),
    ("tenure-store-postgres", &["tenure-core", "tenure-store"]),
    ("tenure-connectors", &["tenure-core"]),
    ("tenure-learn", &[]),
    (
        "tenure-app",
        &[
            "tenure-core",
            "tenure-store",
            "tenure-connectors",
            "tenure-learn",
        ],
    ),
    (
        "tenure-api",
        &[
            "tenure-core",
            "tenure-store",
            "tenure-app",
            "tenure-transfer",
        ],
    ),
    (
        "tenure-transfer",
        &["tenure-core", "tenure-store", "tenure-app"],
    ),
    ("xtask", &[]),
];

/// Crates that put the others together and may therefore name an adapter.
const COMPOSERS: [&str; 3] = ["tenure", "tenure-sim", "tenure-bench"];

/// The binary is where everything ends: no crate may build on it.
const BINARY: &str = "tenure";

/// Outside crates that only the named workspace crates may use, because fencing them is what those crates are for.
const FENCES: [(&str, &[&str]); 7] = [
    ("axum", &["tenure-api", "tenure", "tenure-bench"]),
    ("lettre", &["tenure-connectors"]),
    ("liquid", &["tenure-connectors"]),
    ("mrml", &["tenure-connectors"]),
    ("parquet", &["tenure-transfer"]),
    ("rusqlite", &["tenure-store-sqlite"]),
    ("sqlx", &["tenure-store-postgres"]),
];

/// Outside crates that bring a clock, randomness, threads or the network, and so have no place in the pure core.
const IMPURE: [&str; 13] = [
    "async-trait",
    "chrono",
    "fastrand",
    "futures",
    "getrandom",
    "parking_lot",
    "rand",
    "rayon",
    "reqwest",
    "time",
    "tokio",
    "tracing",
    "ureq",
];

/// One manifest, as far as this check reads it.
struct Manifest {
    name: String,
    table: Table,
}

/// Every forbidden dependency edge of the workspace, one line each.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for manifest in read_manifests(root)? {
        problems.extend(problems_of(&manifest));
    }
    Ok(problems)
}

fn read_manifests(root: &Path) -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    let crates = root.join("crates");
    let mut paths: Vec<_> = std::fs::read_dir(&crates)
        .with_context(|| format!("cannot list {}", crates.display()))?
        .map(|entry| Ok(entry?.path().join("Cargo.toml")))
        .collect::<Result<_>>()?;
    paths.push(root.join("xtask/Cargo.toml"));
    paths.sort();
    for path in paths.iter().filter(|path| path.exists()) {
        let text = std::fs::read_to_string(path)?;
        manifests.push(parse(&text).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(manifests)
}

fn parse(text: &str) -> Result<Manifest> {
    let table: Table = text.parse()?;
    let name = table
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(Value::as_str)
        .context("the manifest has no package name")?;
    Ok(Manifest {
        name: name.to_owned(),
        table,
    })
}

fn problems_of(manifest: &Manifest) -> Vec<String> {
    let name = manifest.name.as_str();
    let mut problems = Vec::new();
    for (dependency, spec) in dependencies(&manifest.table, &["dependencies", "build-dependencies"])
    {
        problems.extend(edge_problem(name, dependency));
        problems.extend(fence_problem(name, dependency));
        problems.extend(version_problem(name, dependency, spec));
    }
    for (dependency, spec) in dependencies(&manifest.table, &["dev-dependencies"]) {
        problems.extend(version_problem(name, dependency, spec));
    }
    problems
}

/// The entries of the named dependency sections, also of those under `[target.'cfg(..)']`.
fn dependencies<'a>(table: &'a Table, sections: &[&str]) -> Vec<(&'a str, &'a Value)> {
    let targets = table.get("target").and_then(Value::as_table);
    let per_target = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    std::iter::once(table)
        .chain(per_target)
        .flat_map(|table| sections.iter().filter_map(|section| table.get(*section)))
        .filter_map(Value::as_table)
        .flat_map(Table::iter)
        .map(|(name, spec)| (package_name(name, spec), spec))
        .collect()
}

/// A renamed dependency counts under the name of the package it stands for.
fn package_name<'a>(name: &'a str, spec: &'a Value) -> &'a str {
    spec.get("package").and_then(Value::as_str).unwrap_or(name)
}

fn edge_problem(from: &str, to: &str) -> Option<String> {
    if !is_ours(to) {
        return None;
    }
    if to == BINARY {
        return Some(format!(
            "{from} depends on the binary `{BINARY}`: move what it needs into a library crate"
        ));
    }
    if COMPOSERS.contains(&from) {
        return None;
    }
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == from) else {
        return Some(format!(
            "{from} has no row in EDGES (xtask/src/edges.rs): add one with what it may depend on"
        ));
    };
    if allowed.contains(&to) {
        return None;
    }
    let remedy = if ADAPTERS.contains(&to) {
        "only the binary, the simulator and dev-dependencies name an adapter; use the port in tenure-store"
    } else {
        "dependencies point from the shell to the core; turn the edge round or use a port"
    };
    Some(format!("{from} may not depend on {to}: {remedy}"))
}

fn is_ours(name: &str) -> bool {
    name == BINARY || name.starts_with("tenure-") || name == "xtask"
}

fn fence_problem(from: &str, to: &str) -> Option<String> {
    if from == "tenure-core" && IMPURE.contains(&to) {
        return Some(format!(
            "tenure-core is pure and may not depend on {to}: pass what it gives as an argument"
        ));
    }
    let (_, allowed) = FENCES.iter().find(|(fenced, _)| *fenced == to)?;
    (!allowed.contains(&from)).then(|| {
        format!(
            "{from} may not depend on {to}, which is fenced in {}",
            allowed.join(", ")
        )
    })
}

/// Versions and paths live in the root manifest, so that one library has one version in the workspace.
fn version_problem(from: &str, to: &str, spec: &Value) -> Option<String> {
    let inherited = spec.get("workspace").and_then(Value::as_bool) == Some(true);
    (!inherited).then(|| {
        format!("{from}: write `{to}.workspace = true` and keep its version in the root Cargo.toml")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(manifest: &str) -> Vec<String> {
        problems_of(&parse(manifest).expect("the manifest parses"))
    }

    fn package(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}")
    }

    #[test]
    fn an_edge_against_the_arrows_is_reported() {
        let found = problems(&package(
            "tenure-core",
            "[dependencies]\ntenure-store.workspace = true\n",
        ));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("tenure-core may not depend on tenure-store"),
            "{found:?}"
        );
    }

    #[test]
    fn an_adapter_is_named_by_composers_and_tests_only() {
        let dependency = "[dependencies]\ntenure-store-sqlite.workspace = true\n";
        assert_eq!(
            problems(&package("tenure", dependency)),
            Vec::<String>::new()
        );
        assert_eq!(
            problems(&package("tenure-sim", dependency)),
            Vec::<String>::new()
        );
        assert!(problems(&package("tenure-app", dependency))[0].contains("adapter"));
        let in_tests = "[dev-dependencies]\ntenure-store-sqlite.workspace = true\n";
        assert_eq!(
            problems(&package("tenure-app", in_tests)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_target_section_and_a_rename_do_not_hide_an_edge() {
        let target = "[target.'cfg(unix)'.dependencies]\ntenure-app.workspace = true\n";
        assert!(problems(&package("tenure-store", target))[0].contains("tenure-app"));
        let renamed = "[dependencies]\nshell = { workspace = true, package = \"tenure-app\" }\n";
        assert!(problems(&package("tenure-store", renamed))[0].contains("tenure-app"));
    }

    #[test]
    fn nothing_builds_on_the_binary() {
        let found = problems(&package(
            "tenure-sim",
            "[dependencies]\ntenure.workspace = true\n",
        ));
        assert!(found[0].contains("binary"), "{found:?}");
    }

    #[test]
    fn a_crate_without_a_row_is_reported() {
        let found = problems(&package(
            "tenure-billing",
            "[dependencies]\ntenure-core.workspace = true\n",
        ));
        assert!(found[0].contains("no row in EDGES"), "{found:?}");
    }

    #[test]
    fn the_core_takes_no_clock_and_fenced_crates_stay_inside() {
        assert!(
            problems(&package(
                "tenure-core",
                "[dependencies]\ntokio.workspace = true\n"
            ))[0]
                .contains("pure")
        );
        assert!(
            problems(&package(
                "tenure-app",
                "[dependencies]\nrusqlite.workspace = true\n"
            ))[0]
                .contains("fenced")
        );
        let inside = package(
            "tenure-store-sqlite",
            "[dependencies]\nrusqlite.workspace = true\n",
        );
        assert_eq!(problems(&inside), Vec::<String>::new());
    }

    #[test]
    fn a_version_outside_the_root_manifest_is_reported() {
        let found = problems(&package(
            "tenure-app",
            "[dev-dependencies]\ninsta = \"1\"\n",
        ));
        assert!(found[0].contains("insta.workspace = true"), "{found:?}");
    }
}
