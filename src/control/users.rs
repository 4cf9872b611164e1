//! Users: made, changed and removed, by those who have as many rights.

use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::Caller;
use super::intake::{fits, one_line};
use super::problem::Problem;
use super::sessions::account_name;
use super::{Control, passwords};
use crate::config::limits;
use crate::model::ids::UserId;
use crate::model::role::{Actor, Role};
use crate::model::secret::Secret;
use crate::store::identity::{User, UserChange};

/// A user to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name they sign in with, one in the installation; kept in lower case.
    #[schema(example = "ada")]
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their password: 12 characters or more.
    #[schema(value_type = String, format = Password, min_length = 12)]
    pub password: Secret,
}

/// Changes to a user; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedUser {
    /// What they may do.
    #[serde(default)]
    pub role: Option<Role>,
    /// Whether they are kept from signing in. Ends their sessions and the API tokens that they made at
    /// once.
    #[serde(default)]
    pub disabled: Option<bool>,
    /// A new password: 12 characters or more. Ends their sessions at once.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, min_length = 12)]
    pub password: Option<Secret>,
}

impl Control {
    /// Makes a user in the actor's tenant.
    ///
    /// # Errors
    /// Where a value does not fit, the name is taken, or the actor has not the rights to hand out.
    pub async fn add_user(&self, actor: &Actor, new: NewUser) -> Result<User, Problem> {
        let name = account_name(&one_line(&new.name));
        if name.is_empty() {
            return Err(Problem::invalid("name", "it is empty: say who signs in with it"));
        }
        fits("name", &name, limits::NAME_BYTES)?;
        if self.redactor(&actor.tenant, &[], &[&name]).await?.text(name.clone()) != name {
            return Err(Problem::invalid("name", "a registered token stands in it"));
        }
        passwords::fits(&new.password, &name)?;
        if !actor.role.may_grant(new.role) {
            return Err(Problem::role_too_high(actor.role));
        }
        let hash = self.hash_password(new.password).await?;
        let id = self.inner.store.add_user(&name, new.role, &hash, actor).await?;
        let made = self.inner.store.user(id).await?;
        made.ok_or_else(|| Problem::not_found("user"))
    }

    /// A user whom the caller reaches, and the caller as they act on them.
    ///
    /// # Errors
    /// Where there is none that they reach.
    pub async fn user(&self, caller: &Caller, id: UserId) -> Result<(User, Actor), Problem> {
        let user = self.inner.store.user(id).await?.ok_or_else(|| Problem::not_found("user"))?;
        let actor = self.at(caller, &user.tenant, "user")?;
        Ok((user, actor))
    }

    /// Changes a user.
    ///
    /// # Errors
    /// Where a value does not fit, the actor has fewer rights than the user has or is to have, or
    /// nobody would be left who can administer all.
    pub async fn change_user(
        &self,
        caller: &Caller,
        id: UserId,
        change: ChangedUser,
    ) -> Result<User, Problem> {
        let (user, actor) = self.user(caller, id).await?;
        let role = change.role.unwrap_or(user.role);
        if !actor.role.may_grant(user.role) || !actor.role.may_grant(role) {
            return Err(Problem::role_too_high(actor.role));
        }
        let password_hash = match change.password {
            None => None,
            Some(_) if user.external => {
                return Err(Problem::invalid(
                    "password",
                    "this user signs in at an identity provider, and has no password here",
                ));
            }
            Some(password) => {
                passwords::fits(&password, &user.name)?;
                Some(self.hash_password(password).await?)
            }
        };
        let change = UserChange {
            role: change.role,
            disabled: change.disabled,
            password_hash,
            ..UserChange::default()
        };
        Ok(self.inner.store.change_user(id, change, &actor).await?)
    }

    /// Removes a user.
    ///
    /// # Errors
    /// Where the actor has fewer rights, or nobody would be left who can administer all.
    pub async fn remove_user(&self, caller: &Caller, id: UserId) -> Result<(), Problem> {
        let (user, actor) = self.user(caller, id).await?;
        if !actor.role.may_grant(user.role) {
            return Err(Problem::role_too_high(actor.role));
        }
        Ok(self.inner.store.remove_user(id, &actor).await?)
    }

    async fn hash_password(&self, password: Secret) -> Result<String, Problem> {
        let Some(place) = self.inner.sign_ins.passwords.place() else {
            self.hit("passwords");
            return Err(Problem::too_many(std::time::Duration::from_secs(1)));
        };
        place.hash(password).await
    }
}
