//! Any file is definitions or a list of diagnostics, each inside the file it speaks of; what
//! reads well compiles to a plan or to diagnostics.

use std::collections::{BTreeMap, BTreeSet};

use tenure_core::define::SourceFile;
use tenure_core::id::Salt;
use tenure_core::lang::parse_definitions;
use tenure_core::plan::{Plan, PlanSources};

/// Runs one input.
pub(crate) fn run(text: &str) {
    let file = SourceFile {
        path: "fuzz.yaml".into(),
        text: text.into(),
    };
    match parse_definitions(vec![file], &[]) {
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "refused without a reason");
            for diagnostic in diagnostics {
                assert!(diagnostic.span.end <= text.len(), "a span beyond the file");
            }
        }
        Ok((definitions, _)) => {
            let names = definitions.programs.iter();
            let program_versions: BTreeMap<String, u32> =
                names.map(|program| (program.name.clone(), 1)).collect();
            drop(Plan::compile(PlanSources {
                version: 1,
                salt: Salt([1; 32]),
                current: definitions,
                program_versions,
                retired: Vec::new(),
                paused: BTreeSet::new(),
            }));
        }
    }
}
