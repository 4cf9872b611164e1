//! Who there is: tenants, users, sessions. A trait of its own beside [`Store`](super::Store), which
//! includes it.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::StoreError;
use super::types::{ApiToken, Bypass, Page, PageRequest};
use crate::model::ids::{ApiTokenId, LeakId, UserId};
use crate::model::role::{Actor, Role};
use crate::model::tenant::Tenants;

/// A tenant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Tenant {
    /// Its id, which leaks, users, API tokens and the gateway's routes name it by.
    #[schema(example = "acme")]
    pub id: String,
    /// What people call it.
    pub title: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A user, without anything that proves who they are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their tenant.
    pub tenant: String,
    /// The name they sign in with, one in the installation.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they are kept from signing in.
    pub disabled: bool,
    /// Whether an identity provider says who they are, and not a password.
    pub external: bool,
    /// When they were made.
    pub created_at: Timestamp,
    /// When they last signed in.
    pub last_sign_in_at: Option<Timestamp>,
}

/// Who a user is at an identity provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The provider's URL.
    pub issuer: String,
    /// What the provider knows the user by.
    pub subject: String,
}

/// Changes to a user; what is absent stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserChange {
    /// What they may do.
    pub role: Option<Role>,
    /// Their tenant.
    pub tenant: Option<String>,
    /// Whether they are kept from signing in. Ends their sessions.
    pub disabled: Option<bool>,
    /// The argon2id PHC string of a new password. Ends their sessions.
    pub password_hash: Option<String>,
}

/// What a password is checked against.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignInUser {
    /// The user.
    pub user: User,
    /// The argon2id PHC string of their password; empty where they have none.
    pub password_hash: String,
}

/// A session about to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSession {
    /// SHA-256 of its id.
    pub hash: [u8; 32],
    /// Whose it is.
    pub user: UserId,
    /// What the user's password was checked against: where it was changed meanwhile, no session
    /// begins. Absent for a user of an identity provider.
    pub password_hash: Option<String>,
    /// The session that it takes the place of.
    pub replaces: Option<[u8; 32]>,
    /// When it begins.
    pub at: Timestamp,
    /// When it ends, however much it is used.
    pub expires_at: Timestamp,
}

/// The part of a store that knows who there is. As in [`Store`](super::Store), each writing call is
/// one transaction with its audit row.
#[async_trait]
pub trait IdentityStore: Send + Sync {
    /// All tenants, by id.
    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError>;

    /// The tenant of this id.
    async fn tenant(&self, id: &str) -> Result<Option<Tenant>, StoreError>;

    /// Adds a tenant. [`StoreError::Exists`] where the id is taken.
    async fn add_tenant(&self, id: &str, title: &str, actor: &Actor) -> Result<Tenant, StoreError>;

    /// Gives a tenant another title.
    async fn rename_tenant(
        &self,
        id: &str,
        title: &str,
        actor: &Actor,
    ) -> Result<Tenant, StoreError>;

    /// Removes a tenant with its webhooks and proposals. [`StoreError::NotEmpty`] where it has leaks, users or API tokens that are
    /// not revoked.
    async fn remove_tenant(&self, id: &str, actor: &Actor) -> Result<(), StoreError>;

    /// The tenant of a leak.
    async fn tenant_of_leak(&self, id: LeakId) -> Result<Option<String>, StoreError>;

    /// The API token of this id.
    async fn api_token(&self, id: ApiTokenId) -> Result<Option<ApiToken>, StoreError>;

    /// A page of users, oldest first.
    async fn users(&self, of: &Tenants, page: &PageRequest) -> Result<Page<User>, StoreError>;

    /// The user of this id.
    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// Adds a user without a password, who signs in at an identity provider.
    async fn add_identity_user(
        &self,
        identity: &Identity,
        name: &str,
        role: Role,
        actor: &Actor,
    ) -> Result<User, StoreError>;

    /// The user whom an identity provider knows by this.
    async fn user_of_identity(&self, identity: &Identity) -> Result<Option<User>, StoreError>;

    /// Changes a user, and revokes the API tokens that they have made and may not give any more; of a
    /// disabled one, all. [`StoreError::LastAdministrator`] where no global administrator who can sign
    /// in would be left; [`StoreError::NotFound`] where the actor reaches the user no more, or has
    /// fewer rights by now.
    async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
        actor: &Actor,
    ) -> Result<User, StoreError>;

    /// Removes a user, ends their sessions and revokes the API tokens that they have made. [`StoreError::LastAdministrator`] as above.
    async fn remove_user(&self, id: UserId, actor: &Actor) -> Result<(), StoreError>;

    /// The user of this name and what their password is checked against, disabled ones too.
    async fn user_to_sign_in(&self, name: &str) -> Result<Option<SignInUser>, StoreError>;

    /// Begins a session. Answers whether it did: not where the user is gone or disabled by now, or
    /// has another password.
    async fn start_session(&self, session: NewSession, actor: &Actor) -> Result<bool, StoreError>;

    /// Whose session this is: not over at `now`, used less than `idle` ago, of a user who is not
    /// disabled. Notes that it was used, to the minute.
    async fn session(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
        idle: SignedDuration,
    ) -> Result<Option<Actor>, StoreError>;

    /// Ends a session. Answers whether there was one.
    async fn end_session(&self, hash: &[u8; 32], actor: &Actor) -> Result<bool, StoreError>;

    /// Ends all sessions of a user. Answers with how many there were.
    async fn end_sessions(&self, user: UserId, actor: &Actor) -> Result<u64, StoreError>;

    /// Forgets sessions that are over at `now`, or were last used `idle` ago. Answers with how many.
    async fn remove_ended_sessions(
        &self,
        now: Timestamp,
        idle: SignedDuration,
    ) -> Result<u64, StoreError>;

    /// The bypass switches of single tenants that were ever turned.
    async fn tenant_bypasses(&self) -> Result<Vec<(String, Bypass)>, StoreError>;

    /// Turns the bypass switch of one tenant.
    async fn set_tenant_bypass(
        &self,
        tenant: &str,
        bypass: Bypass,
        actor: &Actor,
    ) -> Result<(), StoreError>;
}
