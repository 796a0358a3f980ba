//! The calls the engine makes into programs. Each line here becomes a `use` once programs land.
#![allow(
    clippy::needless_pass_by_ref_mut,
    clippy::needless_pass_by_value,
    unused_variables
)]

use crate::id::SubjectId;
use crate::log::{Command, Event, Published};
use crate::plan::{ConditionIndex, Plan, PropertyMap};
use crate::subject::{Root, SubjectState};
use crate::time::Timestamp;

use super::Cx;

pub(super) fn on_event(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    event: &Event<'_>,
    properties: &PropertyMap,
) {
}
pub(super) fn on_flip(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    condition: ConditionIndex,
    value: Option<bool>,
    initial: bool,
) {
}
pub(super) fn on_segment(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    segment: &str,
    entered: bool,
    initial: bool,
) {
}
pub(super) fn on_signal(cx: &mut Cx<'_>, subject: SubjectId, signal: &str, evidence: &str) {}
pub(super) fn on_traits(cx: &mut Cx<'_>, subject: SubjectId, changed: &[&str]) {}
pub(super) fn on_wake(cx: &mut Cx<'_>, subject: SubjectId) {}
pub(super) fn next_wake(
    plan: &Plan,
    root: &Root,
    subject: SubjectId,
    now: Timestamp,
) -> Option<Timestamp> {
    None
}
pub(super) fn on_command(cx: &mut Cx<'_>, command: &Command) {}
pub(super) fn adopt(cx: &mut Cx<'_>, subject: SubjectId, published: Option<&Published>) {}
pub(super) fn merge(cx: &mut Cx<'_>, from: &SubjectState, into: SubjectId) {}
pub(super) fn broadcast(cx: &mut Cx<'_>, subject: SubjectId, program: &str) {}
pub(super) fn resume(cx: &mut Cx<'_>, subject: SubjectId, program: &str) {}
