//! Who may do what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{ApiTokenId, UserId};

/// What the holder of a credential may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, in all tenants.
    GlobalAdministrator,
    /// Everything, inside one tenant.
    Administrator,
    /// Looks and comments, in all tenants.
    GlobalAnalyst,
    /// Looks and comments, inside one tenant.
    Analyst,
    /// Registers leaks, nothing else.
    Intake,
    /// A gateway's own credential: pulls the patchset, sends events.
    Gateway,
}

/// A thing that a call of the API does, as far as roles care.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Permission {
    /// See leaks, patches, events and statistics; look a token up.
    See,
    /// Register and import leaks.
    Register,
    /// Decide about leaks, edit them, use the bypass switch.
    Decide,
    /// Comment on a leak.
    Comment,
    /// Manage users, API tokens, webhooks and sources.
    Administer,
    /// Manage tenants.
    ManageTenants,
    /// Rotate the key of tokens at rest.
    ManageKeys,
    /// See the audit log.
    Audit,
    /// Pull patchsets and send events.
    Enforce,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [
        Self::GlobalAdministrator,
        Self::Administrator,
        Self::GlobalAnalyst,
        Self::Analyst,
        Self::Intake,
        Self::Gateway,
    ];

    /// Whether the role holds the permission. The one place where this is decided.
    pub fn may(self, permission: Permission) -> bool {
        use Permission::{Administer, Audit, Comment, Decide, Enforce, Register, See};
        match self {
            Self::GlobalAdministrator => !matches!(permission, Enforce),
            Self::Administrator => {
                matches!(permission, See | Register | Decide | Comment | Administer | Audit)
            }
            Self::GlobalAnalyst => matches!(permission, See | Comment | Audit),
            Self::Analyst => matches!(permission, See | Comment),
            Self::Intake => matches!(permission, Register),
            Self::Gateway => matches!(permission, Enforce),
        }
    }

    /// Whether the role is one over all tenants.
    pub fn is_global(self) -> bool {
        matches!(self, Self::GlobalAdministrator | Self::GlobalAnalyst)
    }

    /// Whether the holder may make, change and take away credentials of another role: nobody hands
    /// out more than they have.
    pub fn may_grant(self, other: Self) -> bool {
        match self {
            Self::GlobalAdministrator => true,
            Self::Administrator => !other.is_global(),
            _ => false,
        }
    }

    /// The name in the API and the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => "global_administrator",
            Self::Administrator => "administrator",
            Self::GlobalAnalyst => "global_analyst",
            Self::Analyst => "analyst",
            Self::Intake => "intake",
            Self::Gateway => "gateway",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// The name of the actor that opens closed leaks again by the policy `reopen_reported`.
pub const REOPENING_POLICY: &str = "policy:reopen_reported";

/// Who is calling.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// The name that history and audit show.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The tenant they act in: their own, or that of the object they act on.
    pub tenant: String,
    /// The user behind the credential, where there is one.
    pub user: Option<UserId>,
    /// The API token used, where one was.
    pub api_token: Option<ApiTokenId>,
    /// The address the call came from, for the audit log.
    pub address: Option<String>,
}

/// A user as the person behind what they ask for, do, or hand out.
pub fn person_of(name: &str) -> String {
    format!("user:{name}")
}

/// The name of the actor that is nobody.
pub const SYSTEM: &str = "system";

impl Actor {
    /// Who does in a tenant what the program does by itself.
    pub fn system(tenant: &str) -> Self {
        Self {
            name: SYSTEM.to_owned(),
            role: Role::GlobalAdministrator,
            tenant: tenant.to_owned(),
            user: None,
            api_token: None,
            address: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_administrators_decide() {
        let deciders: Vec<_> =
            Role::ALL.into_iter().filter(|role| role.may(Permission::Decide)).collect();
        assert_eq!(deciders, [Role::GlobalAdministrator, Role::Administrator]);
        let grants = |role: Role| Role::ALL.into_iter().filter(move |other| role.may_grant(*other));
        assert_eq!(grants(Role::GlobalAdministrator).count(), Role::ALL.len());
        let not_global = [Role::Administrator, Role::Analyst, Role::Intake, Role::Gateway];
        assert_eq!(grants(Role::Administrator).collect::<Vec<_>>(), not_global);
        assert_eq!(grants(Role::GlobalAnalyst).count(), 0);
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
    }
}
