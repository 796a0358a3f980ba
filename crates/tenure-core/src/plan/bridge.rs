//! Where programs and the contact policy enter the plan.

use crate::define::{Definitions, ProgramDef};
use crate::diagnostic::Diagnostic;
use crate::log::PlanVersion;

use super::ConditionSet;

/// A compiled program.
#[derive(Debug, Clone)]
pub struct Program;
/// The compiled contact policy.
#[derive(Debug, Clone)]
pub struct Policy;

/// Compiles one version of a program.
pub(super) fn compile_program(
    _def: &ProgramDef,
    _version: PlanVersion,
    _current: bool,
    _definitions: &Definitions,
    _conditions: &mut ConditionSet,
    _diagnostics: &mut Vec<Diagnostic>,
) -> Program {
    Program
}

/// Compiles the contact policy.
pub(super) fn compile_policy(
    _definitions: &Definitions,
    _diagnostics: &mut Vec<Diagnostic>,
) -> Policy {
    Policy
}
