//! The library of programs in `programs/` is read without a complaint.

#![allow(clippy::disallowed_methods)] // The test, unlike the core, reads the library from disk.

use std::fs;
use std::path::Path;

use tenure_core::define::SourceFile;
use tenure_core::lang::{canonical, parse_condition, parse_definitions, sentence};

fn library() -> Vec<SourceFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs");
    let mut files: Vec<SourceFile> = fs::read_dir(folder)
        .expect("the library exists")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| SourceFile {
            text: fs::read_to_string(&path).expect("the file can be read"),
            path: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

#[test]
fn every_program_of_the_library_is_read_without_a_complaint() {
    let files = library();
    assert!(!files.is_empty());
    match parse_definitions(files, &[]) {
        Ok((set, warnings)) => {
            assert!(!set.programs.is_empty());
            assert_eq!(warnings, [], "{warnings:#?}");
            for program in &set.programs {
                if let Some(goal) = &program.goal {
                    let again = parse_condition(&canonical(&goal.when.expr), program.audience);
                    assert_eq!(again.as_ref(), Ok(&goal.when.expr));
                    assert!(!sentence(&goal.when.expr).is_empty());
                }
            }
        }
        Err(errors) => {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", lines.join("\n"));
        }
    }
}
