//! What users do with their own account.

use super::auth::{Credential, Visitor};
use super::problem::Problem;
use super::sessions::{Origin, Session};
use super::{Control, passwords};
use crate::config::limits;
use crate::model::clock;
use crate::model::secret::Secret;
use crate::store::identity::UserChange;
use crate::store::views::UserSession;

/// A new password for oneself.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// The password so far.
    pub current: Secret,
    /// The new one.
    pub new: Secret,
    /// What is known of the request.
    pub from: Origin,
}

impl Control {
    /// The visitor's own sessions; none where they have an API token.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn own_sessions(&self, visitor: &Visitor) -> Result<Vec<UserSession>, Problem> {
        let (Some(user), Credential::Session(own)) = (visitor.actor.user, &visitor.credential)
        else {
            return Ok(Vec::new());
        };
        let idle = self.inner.settings.sign_in.idle;
        Ok(self.inner.store.sessions_of(user, own, clock::now(), idle).await?)
    }

    /// Changes the visitor's own password: all their sessions end, and a new one begins.
    ///
    /// # Errors
    /// Where they have none, the one so far is wrong, the new one does not fit, or too many were
    /// tried.
    pub async fn change_own_password(
        &self,
        visitor: &Visitor,
        change: NewPassword,
    ) -> Result<Session, Problem> {
        let NewPassword { current, new, from } = change;
        let none = || Problem::not_found("password");
        let (Some(id), Credential::Session(_)) = (visitor.actor.user, &visitor.credential) else {
            return Err(none());
        };
        let user = self.inner.store.user(id).await?.ok_or_else(none)?;
        if user.external {
            return Err(none());
        }
        passwords::fits(&new, &user.name)?;
        self.prove(&user.name, current, from.address).await?;
        let Some(place) = self.inner.sign_ins.passwords.place() else {
            self.hit("passwords");
            return Err(Problem::too_many(std::time::Duration::from_secs(1)));
        };
        let hash = place.hash(new).await?;
        // Under their own tenant, whichever they look at.
        let actor =
            crate::model::role::Actor { tenant: user.tenant.clone(), ..visitor.actor.clone() };
        let change = UserChange { password_hash: Some(hash.clone()), ..UserChange::default() };
        let user = self.inner.store.change_user(id, change, &actor).await?;
        let session = self.begin_session(user, Some(hash), &from).await?;
        session.ok_or_else(Problem::session_over)
    }

    /// Checks a user's password as a sign-in would, with the same patience.
    async fn prove(
        &self,
        name: &str,
        password: Secret,
        address: Option<std::net::IpAddr>,
    ) -> Result<(), Problem> {
        let account = Secret::from(name.to_owned()).digest().0;
        self.may_try(&account, address)?;
        let Some(place) = self.inner.sign_ins.passwords.place() else {
            self.hit("passwords");
            return Err(Problem::too_many(std::time::Duration::from_secs(1)));
        };
        let found = self.inner.store.user_to_sign_in(name).await?;
        let hash = found.map(|found| found.password_hash);
        if password.len() > limits::PASSWORD_BYTES || !place.verify(password, hash).await? {
            return Err(Problem::invalid("current", "it is not your password so far"));
        }
        self.inner.sign_ins.accounts.forgive(&account);
        Ok(())
    }
}
