//! .
/// Most enrollments (running and remembered) one subject keeps.
pub const MAX_ENROLLMENTS: usize = 200;
