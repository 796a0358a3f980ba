//! The calls the engine makes into programs.
//!
//! `settle` comes last in every moment, after all conditions were evaluated again and all other
//! calls were made: it runs the steps that are due, in order of priority. What steps change may
//! flip conditions, so evaluating and settling repeat until nothing is left.

pub(super) use crate::program::{
    adopt, broadcast, merge, next_wake, on_command, on_event, on_flip, on_segment, on_signal,
    on_traits, on_wake, resume, settle,
};
