//! How a command ends: 0 when all is well, 1 when a problem was found, 2 when it was called wrongly.

use std::fmt;
use std::process::ExitCode;

/// The command was called wrongly; ends the process with 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A problem was found and has been shown already; ends the process with 1 and says nothing more.
#[derive(Debug)]
pub(crate) struct Shown;

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a problem was found")
    }
}

impl std::error::Error for Shown {}

/// The exit code of a command's result; what went wrong is written to standard error.
pub(crate) fn report(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if error.is::<Shown>() {
        return ExitCode::FAILURE;
    }
    eprintln!("error: {error:#}");
    ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
}
