//! Who may do what: scopes, users and roles, applications and their tokens (OAuth 2.0), sealed
//! secrets; the principal that a request is resolved to, once; and the trail of what they did.
//!
//! Few things, asked for by every request, so users, applications and keys are in memory
//! ([`Access`]) and written through by the [`Registrar`], each change in one commit with its entry
//! in the audit trail. Secrets are random, shown once and kept as hashes.

pub mod audit;
pub mod clients;
mod directory;
mod jwt;
pub mod oauth;
pub mod principal;
mod registrar;
pub mod role;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod users;

pub use audit::{Actor, Change, Origin};
pub use directory::{Access, Client, Token, User};
pub use principal::{Principal, PrincipalKind};
pub use registrar::Registrar;
pub use role::Role;
pub use scope::{Scope, Scopes};
