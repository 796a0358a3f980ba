//! Who may do what: scopes, and the principal that a request is resolved to, once.

pub mod principal;
pub mod scope;

pub use principal::{Principal, PrincipalKind};
pub use scope::{Scope, Scopes};
