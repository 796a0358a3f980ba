//! Roles of users, and the one table of what each may do.

use serde::{Deserialize, Serialize};

use super::scope::{Scope, Scopes};

/// What a user is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything; only owners make owners.
    Owner,
    /// Everything else.
    Admin,
    /// All of customer success and marketing.
    Manager,
    /// Programs, definitions and messages.
    Marketer,
    /// Customers of their own: accounts whose trait `owner` names them.
    Csm,
    /// Reads, and changes nothing.
    Analyst,
    /// Definitions and integrations.
    Developer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Owner,
        Self::Admin,
        Self::Manager,
        Self::Marketer,
        Self::Csm,
        Self::Analyst,
        Self::Developer,
    ];

    /// Written form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Manager => "manager",
            Self::Marketer => "marketer",
            Self::Csm => "csm",
            Self::Analyst => "analyst",
            Self::Developer => "developer",
        }
    }

    /// What the role may do.
    pub fn scopes(self) -> Scopes {
        use Scope as S;
        let reads = || {
            Scope::ALL
                .into_iter()
                .filter(|scope| scope.as_str().ends_with(":read"))
        };
        match self {
            Self::Owner | Self::Admin => Scopes::all(),
            Self::Manager => Scope::ALL
                .into_iter()
                .filter(|scope| *scope != S::Admin)
                .collect(),
            Self::Marketer => reads()
                .chain([
                    S::CsMarketingWrite,
                    S::CsExpansionWrite,
                    S::DefinitionsWrite,
                    S::MessagesWrite,
                ])
                .collect(),
            Self::Csm => [
                S::CsRetentionRead,
                S::CsRetentionWrite,
                S::CsExpansionRead,
                S::ProfilesRead,
                S::ProfilesWrite,
                S::MessagesRead,
            ]
            .into_iter()
            .collect(),
            Self::Analyst => reads().collect(),
            Self::Developer => reads()
                .chain([
                    S::CsMarketingWrite,
                    S::CsRetentionWrite,
                    S::CsExpansionWrite,
                    S::ProfilesWrite,
                    S::DefinitionsWrite,
                ])
                .collect(),
        }
    }

    /// Whether the role sees only accounts of its own.
    pub fn own_accounts_only(self) -> bool {
        self == Self::Csm
    }

    /// Whether users with this role may give or take that one.
    pub fn may_grant(self, other: Self) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => other != Self::Owner,
            _ => false,
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("there is no role like this; those known are {known}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_owners_and_admins_administer_and_analysts_change_nothing() {
        for role in Role::ALL {
            let administers = role.scopes().contains(Scope::Admin);
            assert_eq!(administers, matches!(role, Role::Owner | Role::Admin));
        }
        let writes = |role: Role| {
            role.scopes()
                .iter()
                .any(|scope| !scope.as_str().ends_with(":read"))
        };
        assert!(!writes(Role::Analyst));
        assert!(Role::ALL.into_iter().filter(|role| !writes(*role)).count() == 1);
    }

    #[test]
    fn an_admin_makes_no_owner() {
        assert!(!Role::Admin.may_grant(Role::Owner));
        assert!(Role::Owner.may_grant(Role::Owner));
        assert!(!Role::Manager.may_grant(Role::Analyst));
    }
}
