//! The part of the store that knows who there is.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::SqlStore;
use crate::model::ids::{ApiTokenId, LeakId, UserId};
use crate::model::role::{Actor, Role};
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::identity::{
    Identity, IdentityStore, NewSession, SignInUser, Tenant, User, UserChange,
};
use crate::store::types::{ApiToken, Bypass, Page, PageRequest};

#[async_trait]
impl IdentityStore for SqlStore {
    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        self.list_tenants().await
    }

    async fn tenant(&self, id: &str) -> Result<Option<Tenant>, StoreError> {
        self.one_tenant(id).await
    }

    async fn add_tenant(&self, id: &str, title: &str, actor: &Actor) -> Result<Tenant, StoreError> {
        self.insert_tenant(id, title, actor).await
    }

    async fn rename_tenant(
        &self,
        id: &str,
        title: &str,
        actor: &Actor,
    ) -> Result<Tenant, StoreError> {
        self.retitle_tenant(id, title, actor).await
    }

    async fn remove_tenant(&self, id: &str, actor: &Actor) -> Result<(), StoreError> {
        self.delete_tenant(id, actor).await
    }

    async fn tenant_of_leak(&self, id: LeakId) -> Result<Option<String>, StoreError> {
        self.leaks_tenant(id).await
    }

    async fn api_token(&self, id: ApiTokenId) -> Result<Option<ApiToken>, StoreError> {
        self.one_api_token(id).await
    }

    async fn users(&self, of: &Tenants, page: &PageRequest) -> Result<Page<User>, StoreError> {
        self.list_users(of, page).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.one_user(id).await
    }

    async fn add_identity_user(
        &self,
        identity: &Identity,
        name: &str,
        role: Role,
        actor: &Actor,
    ) -> Result<User, StoreError> {
        self.insert_identity_user(identity, name, role, actor).await
    }

    async fn user_of_identity(&self, identity: &Identity) -> Result<Option<User>, StoreError> {
        self.identified_user(identity).await
    }

    async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
        actor: &Actor,
    ) -> Result<User, StoreError> {
        self.alter_user(id, change, actor).await
    }

    async fn remove_user(&self, id: UserId, actor: &Actor) -> Result<(), StoreError> {
        self.delete_user(id, actor).await
    }

    async fn user_to_sign_in(&self, name: &str) -> Result<Option<SignInUser>, StoreError> {
        self.named_user(name).await
    }

    async fn start_session(&self, session: NewSession, actor: &Actor) -> Result<bool, StoreError> {
        self.insert_session(session, actor).await
    }

    async fn session(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
        idle: SignedDuration,
    ) -> Result<Option<Actor>, StoreError> {
        self.holder_of_session(hash, now, idle).await
    }

    async fn end_session(&self, hash: &[u8; 32], actor: &Actor) -> Result<bool, StoreError> {
        self.delete_session(hash, actor).await
    }

    async fn end_sessions(&self, user: UserId, actor: &Actor) -> Result<u64, StoreError> {
        self.delete_sessions(user, actor).await
    }

    async fn remove_ended_sessions(
        &self,
        now: Timestamp,
        idle: SignedDuration,
    ) -> Result<u64, StoreError> {
        self.delete_ended_sessions(now, idle).await
    }

    async fn tenant_bypasses(&self) -> Result<Vec<(String, Bypass)>, StoreError> {
        self.read_tenant_bypasses().await
    }

    async fn set_tenant_bypass(
        &self,
        tenant: &str,
        bypass: Bypass,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.write_tenant_bypass(tenant, bypass, actor).await
    }
}
