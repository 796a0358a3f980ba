//! Scopes: what a principal may touch, by domain. No scope implies another.

use std::fmt::{self, Display};
use std::str::FromStr;

/// One right. Written `domain:read`, `domain:write`, or `admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Results of programs, as a customer-success system asks for them.
    CsMarketingRead,
    /// Triggers told by a customer-success system.
    CsMarketingWrite,
    /// Risk and recoveries.
    CsRetentionRead,
    /// Confirming recoveries.
    CsRetentionWrite,
    /// Opportunities.
    CsExpansionRead,
    /// Starting expansion programs.
    CsExpansionWrite,
    /// Accounts, people, their timelines, segments, health, tasks.
    ProfilesRead,
    /// Changing what is known of accounts and people: imports, consents, tasks.
    ProfilesWrite,
    /// Definitions, plans, programs.
    DefinitionsRead,
    /// Publishing definitions; pausing programs.
    DefinitionsWrite,
    /// Messages, decisions, enrollments.
    MessagesRead,
    /// Sending, resending, cancelling; enrolling.
    MessagesWrite,
    /// Users, clients, tokens, audit, what could not be processed.
    Admin,
}

impl Scope {
    /// Every scope, in the order of the reference.
    pub const ALL: [Self; 13] = [
        Self::CsMarketingRead,
        Self::CsMarketingWrite,
        Self::CsRetentionRead,
        Self::CsRetentionWrite,
        Self::CsExpansionRead,
        Self::CsExpansionWrite,
        Self::ProfilesRead,
        Self::ProfilesWrite,
        Self::DefinitionsRead,
        Self::DefinitionsWrite,
        Self::MessagesRead,
        Self::MessagesWrite,
        Self::Admin,
    ];

    /// Written form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CsMarketingRead => "cs-marketing:read",
            Self::CsMarketingWrite => "cs-marketing:write",
            Self::CsRetentionRead => "cs-retention:read",
            Self::CsRetentionWrite => "cs-retention:write",
            Self::CsExpansionRead => "cs-expansion:read",
            Self::CsExpansionWrite => "cs-expansion:write",
            Self::ProfilesRead => "profiles:read",
            Self::ProfilesWrite => "profiles:write",
            Self::DefinitionsRead => "definitions:read",
            Self::DefinitionsWrite => "definitions:write",
            Self::MessagesRead => "messages:read",
            Self::MessagesWrite => "messages:write",
            Self::Admin => "admin",
        }
    }

    /// What it allows, for the consent page and the reference.
    pub const fn about(self) -> &'static str {
        match self {
            Self::CsMarketingRead => "read the results of programs",
            Self::CsMarketingWrite => "report health changes and milestones of customers",
            Self::CsRetentionRead => "read the risk of customers and how recoveries go",
            Self::CsRetentionWrite => "confirm that a customer is being won back",
            Self::CsExpansionRead => "read the opportunities of customers",
            Self::CsExpansionWrite => "start expansion programs",
            Self::ProfilesRead => "read accounts, people, their timelines, segments and tasks",
            Self::ProfilesWrite => "import data, note consents, complete tasks",
            Self::DefinitionsRead => "read definitions, programs and templates",
            Self::DefinitionsWrite => "publish definitions, pause and resume programs",
            Self::MessagesRead => "read messages, decisions and enrollments",
            Self::MessagesWrite => "send, resend and cancel messages, enroll customers",
            Self::Admin => "administer users, applications, tokens and the audit trail",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no scope of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope `{0}`; those known are: {known}", known = Scopes::all())]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| UnknownScope(text.chars().take(40).collect()))
    }
}

/// A set of scopes. Written as RFC 6749 does: names with a space between.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u16);

impl Scopes {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// Every scope.
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Whether a scope is among them.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of `other` are among them.
    pub fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{scope}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split_whitespace().map(str::parse).collect()
    }
}

impl serde::Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_read_back_from_its_written_form() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert_eq!(Scopes::all().to_string().parse(), Ok(Scopes::all()));
        assert_eq!(Scopes::all().iter().count(), Scope::ALL.len());
    }

    #[test]
    fn admin_allows_nothing_but_administration() {
        let admin: Scopes = [Scope::Admin].into_iter().collect();
        assert!(admin.contains(Scope::Admin));
        assert!(!admin.contains(Scope::ProfilesRead));
        assert!(!admin.contains_all(Scopes::all()));
    }

    #[test]
    fn an_unknown_scope_is_refused_with_those_that_are_known() {
        let error = "profiles:read profiles:delete"
            .parse::<Scopes>()
            .unwrap_err();
        assert!(error.to_string().contains("`profiles:delete`"));
        assert!(error.to_string().contains("definitions:write"));
    }
}
