//! Who may do what: scopes, and the principal that a request is resolved to, once; and the trail
//! of what they did.

pub mod audit;
pub mod principal;
pub mod scope;

pub use audit::{Actor, Change, Origin};
pub use principal::{Principal, PrincipalKind};
pub use scope::{Scope, Scopes};
