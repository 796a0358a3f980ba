//! Programs: audience or trigger, steps, goal, hold-out.
//!
//! The engine calls the functions here when something happened to a subject; they move
//! enrollments, and [`settle`] then runs every step that is due at this instant, over all
//! programs and subjects of the root, in order of priority. So two programs that want the same
//! slot are decided by their priority and never by the order in which conditions flipped.
//!
//! # Rules worth knowing
//! - An enrollment is pinned to the version it entered. Its id derives from program, version,
//!   subject, key and instant, a message's id from enrollment, step and recipient: a replay of the
//!   log gives the same ids.
//! - A subject never is inside the same program twice with the same key. Ended enrollments are
//!   remembered for the re-entry rule: the last one of each program and key, at most
//!   [`MAX_ENROLLMENTS`] in all; beyond that the oldest keyed ones are forgotten first.
//! - Hold-out of a program is by subject. The global hold-out is by root, so that colleagues of
//!   one account are treated alike; a person who changes accounts may change arms. A program whose
//!   topic is transactional holds nobody out.
//! - An event that does not let somebody in is answered once, not each time: the same refusal by
//!   the same program is recorded again only when 30 days have gone by or the subject has been
//!   inside meanwhile.
//! - History (imports, events more than a day old) ends enrollments by goal or exit, but neither
//!   enters anybody nor ends a wait.

mod act;
mod adopt;
mod circles;
mod compile;
mod data;
mod enter;
mod hooks;
mod index;
mod record;
mod refuse;
mod render;
mod run;
mod schedule;
mod send;
mod wait;
mod watch;

pub use adopt::{Affected, affected};
pub use compile::{
    Action, Arm, Awaiting, BranchArm, Check, Goal, Program, ProgramEntry, Step, StepIndex, Wait,
    Watch, compile,
};
pub use schedule::Schedule;

pub(crate) use adopt::{adopt, merge};
pub(crate) use circles::report_circles;
pub(crate) use enter::hold_out;
pub(crate) use hooks::{
    broadcast, next_wake, on_command, on_event, on_flip, on_segment, on_signal, on_traits, on_wake,
    resume,
};
pub(crate) use index::ProgramIndex;
pub(crate) use run::{Pending, settle};

/// Most enrollments (running and remembered) one subject keeps.
pub const MAX_ENROLLMENTS: usize = 200;
/// Most steps of one program.
pub const MAX_STEPS: usize = 500;
/// Most entries of one subject into programs at one instant; what is over is refused, so that
/// programs that enroll each other cannot go round for ever.
pub const MAX_ENTRIES_PER_INSTANT: u32 = 50;
/// Most people one send step goes to; a decision says how many were left out.
pub const MAX_RECIPIENTS: usize = 1_000;
/// How long after entering the goal counts for who is held out, or has gone through the steps, when
/// the goal has no limit of its own.
pub const GOAL_WATCH_MS: i64 = 90 * crate::time::DAY_MS;
