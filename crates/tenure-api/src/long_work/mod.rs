//! Kinds of job that need what only this surface knows: the form of calls, and of files.

mod export;
mod import;

use std::sync::Arc;

use tenure_app::error::AppError;

use crate::ApiState;

pub(crate) use export::{EXPORT, ExportOrder, FileFormat};
pub(crate) use import::{IMPORT, ImportOrder, REPORT};

use export::ExportKind;
use import::ImportKind;

/// Lets the node run them.
pub(crate) fn add_kinds(state: &ApiState) {
    let jobs = state.node.jobs();
    if let Some(folder) = &state.job_files {
        jobs.keep_files_in(folder);
    }
    jobs.add_kind(Arc::new(ImportKind::new(state.ingest.clone())));
    jobs.add_kind(Arc::new(ExportKind));
}

/// What went wrong with a file, in the words of the shell.
fn failed(error: anyhow::Error) -> AppError {
    error
        .downcast::<AppError>()
        .unwrap_or_else(|error| AppError::Conflict(format!("{error:#}")))
}
