//! The tests beside the library of programs pass.

use std::fs;
use std::path::Path;

use tenure_core::define::SourceFile;
use tenure_core::lang::parse_definitions;
use tenure_core::testing;

use super::company::{compile, sources};

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the library is files; only this test reads them"
)]
fn every_test_of_the_library_of_programs_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs");
    let folders = [folder.clone(), folder.join("health")];
    let entries = folders.iter().flat_map(|one| fs::read_dir(one).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    paths.sort();
    let file = |path: &std::path::PathBuf| SourceFile {
        path: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: fs::read_to_string(path).unwrap(),
    };
    let (definitions, _) = parse_definitions(paths.iter().map(file).collect(), &[])
        .unwrap_or_else(|found| panic!("{found:#?}"));
    let plan = compile(sources(1, definitions));
    let tests = &plan.definitions.tests;
    assert!(!tests.is_empty());
    for result in tests.iter().map(|test| testing::run(&plan, test)) {
        assert!(
            result.passed(),
            "{}: {:#?}\n{:#?}",
            result.name,
            result.failures,
            result.trace
        );
    }
}
