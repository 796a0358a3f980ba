//! Who asks.

use super::scope::{Scope, Scopes};

/// What kind of credential a request came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalKind {
    /// An API token.
    Token,
    /// An application by itself (client credentials).
    Client,
    /// A user, in a session or through an application.
    User,
}

impl PrincipalKind {
    /// Written form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Client => "client",
            Self::User => "user",
        }
    }
}

/// Who asks, and what they may do. Resolved once per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What kind of credential it was.
    pub kind: PrincipalKind,
    /// Id of the token, client or user.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What they may do.
    pub scopes: Scopes,
    /// Whose accounts they see, if they do not see all: what `owner` of an account must be.
    pub own_accounts_of: Option<String>,
}

impl Principal {
    /// Whether they may do what wants this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }
}
