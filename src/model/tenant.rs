//! Tenants: who leaks, rules, users and routes belong to, and whose of them somebody reaches.

use std::fmt;
use std::sync::Arc;

use super::secret::Secret;

/// The id of the tenant that is always there: of all that says no other.
pub const DEFAULT_TENANT: &str = "default";
/// Longest id of a tenant, in bytes.
pub const TENANT_ID_BYTES: usize = 63;

/// Whether this can be the id of a tenant: up to 63 lower-case letters, digits and hyphens, with a
/// letter or digit at both ends.
pub fn is_tenant_id(text: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= TENANT_ID_BYTES
        && bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|byte| plain(byte) || *byte == b'-')
}

/// Whose objects somebody reaches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tenants {
    /// Those of all tenants.
    All,
    /// Those of one.
    One(String),
}

impl Tenants {
    /// The one tenant; absent where it is all of them.
    pub fn only(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::One(tenant) => Some(tenant),
        }
    }

    /// Whether the tenant is among them.
    pub fn include(&self, tenant: &str) -> bool {
        self.only().is_none_or(|only| only == tenant)
    }
}

/// What stands for a tenant where requests are decided: half of the SHA-256 of its id, and nothing
/// but zeros for the default one. Copied and compared without touching memory that the workers
/// share.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TenantKey([u8; 16]);

impl TenantKey {
    /// The key of the tenant with this id.
    pub fn of(id: &str) -> Self {
        if id == DEFAULT_TENANT {
            return Self::default();
        }
        let digest = Secret::from(id.to_owned()).digest();
        let mut key = [0; 16];
        key.iter_mut().zip(digest.0).for_each(|(to, from)| *to = from);
        Self(key)
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The tenant that a rule belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// What requests' routes are compared with.
    pub key: TenantKey,
    /// The tenant's id.
    pub id: Arc<str>,
}

impl Owner {
    /// The tenant with this id.
    pub fn of(id: &str) -> Self {
        Self { key: TenantKey::of(id), id: id.into() }
    }
}

impl Default for Owner {
    fn default() -> Self {
        Self::of(DEFAULT_TENANT)
    }
}

/// Whose rules act on a request: those of its route's tenant, and of one more where its path also
/// reads as one of another route.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RouteTenants {
    first: TenantKey,
    also: Option<TenantKey>,
}

impl RouteTenants {
    /// This one's.
    pub fn one(tenant: TenantKey) -> Self {
        Self { first: tenant, also: None }
    }

    /// This one's too.
    pub fn and(self, other: TenantKey) -> Self {
        Self { also: Some(other).filter(|other| *other != self.first), ..self }
    }

    /// Whether the tenant's rules act.
    pub fn include(&self, tenant: TenantKey) -> bool {
        self.first == tenant || self.also == Some(tenant)
    }

    /// Whether the test holds for each of them.
    pub fn all(&self, test: impl Fn(TenantKey) -> bool) -> bool {
        test(self.first) && self.also.is_none_or(test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        for id in ["default", "a", "acme-2", "9lives", &"a".repeat(63)] {
            assert!(is_tenant_id(id), "{id}");
        }
        for id in ["", "-a", "a-", "A", "a b", "a_b", "é", "a/b", &"a".repeat(64)] {
            assert!(!is_tenant_id(id), "{id}");
        }
    }

    #[test]
    fn rules_act_where_their_tenant_is() {
        let [one, other, third] = ["one", "other", "third"].map(TenantKey::of);
        let tenants = RouteTenants::one(one);
        assert!(tenants.include(one) && !tenants.include(other));
        let both = tenants.and(other);
        assert!(both.include(one) && both.include(other) && !both.include(third));
        assert_eq!(tenants.and(one), tenants);
        assert_eq!(RouteTenants::default(), RouteTenants::one(TenantKey::of(DEFAULT_TENANT)));
        assert!(!both.all(|tenant| tenant == one) && tenants.all(|tenant| tenant == one));
        assert!(Tenants::All.include("any") && !Tenants::One("a".to_owned()).include("b"));
    }
}
