//! Programs and the contact policy, through the engine.

mod company;
mod enter;
mod policy;
mod random;
mod steps;
mod versions;
