//! The first start: somebody must be able to sign in.

use super::credentials::{self, CredentialError};
use crate::model::clock;
use crate::model::role::{Actor, Role};
use crate::model::secret::Secret;
use crate::model::tenant::DEFAULT_TENANT;
use crate::model::token::TokenDigest;
use crate::store::types::NewApiToken;
use crate::store::{Store, StoreError};

/// The name of the first administrator.
const ADMIN: &str = "admin";
/// Characters under which an administrator's token given by the environment is called weak.
const STRONG_TOKEN: usize = 20;

/// What the environment says about the first administrator.
#[derive(Clone, Debug, Default)]
pub struct FirstStart {
    /// `LEAKGATE_ADMIN_PASSWORD`.
    pub admin_password: Option<Secret>,
    /// `LEAKGATE_ADMIN_TOKEN`.
    pub admin_token: Option<Secret>,
}

/// What was done, and what is to be shown once: these are the only copies.
#[derive(Clone, Debug, Default)]
pub struct Bootstrapped {
    /// Whether the store was empty, and the user `admin` was made.
    pub first_start: bool,
    /// The generated password of `admin`, to be shown once.
    pub password: Option<Secret>,
    /// The generated API token of the administrator, to be shown once.
    pub api_token: Option<Secret>,
    /// Whether `LEAKGATE_ADMIN_TOKEN` is short enough to be guessed.
    pub weak_token: bool,
    /// Whether `LEAKGATE_ADMIN_TOKEN` was revoked earlier, and so does not work.
    pub revoked_token: bool,
}

/// Why the first administrator could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A credential could not be made.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the user `admin` where there is no user yet, and an API token of that administrator: the
/// one of the environment, at any start at which it is not known yet, or at the first start a
/// generated one.
///
/// # Errors
/// Where the system gives no random bytes, or the store fails.
pub async fn bootstrap(
    store: &dyn Store,
    environment: FirstStart,
) -> Result<Bootstrapped, BootstrapError> {
    let mut done = Bootstrapped { first_start: store.is_new().await?, ..Bootstrapped::default() };
    let admin = Actor { name: ADMIN.to_owned(), ..Actor::system(DEFAULT_TENANT) };
    // The user comes last: it is what says that the first start was completed.
    match environment.admin_token.filter(|token| !token.is_empty()) {
        Some(token) => {
            done.weak_token = token.len() < STRONG_TOKEN;
            let hash = credentials::hash_api_token(&token);
            if store.authenticate(&hash, clock::now()).await?.is_none() {
                match store.add_api_token(api_token(store, hash), &admin).await {
                    Ok(_) => {}
                    // Another process may have begun at the same time, with the same token.
                    Err(StoreError::Exists(_)) => {
                        let holder = store.authenticate(&hash, clock::now()).await?;
                        done.revoked_token = holder.is_none();
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        None if done.first_start => {
            let token = credentials::new_api_token()?;
            let hash = credentials::hash_api_token(&token);
            store.add_api_token(api_token(store, hash), &admin).await?;
            done.api_token = Some(token);
        }
        None => {}
    }
    if done.first_start {
        let given = environment.admin_password.filter(|password| !password.is_empty());
        let password = match &given {
            Some(password) => password.clone(),
            None => credentials::new_password()?,
        };
        let hash = credentials::hash_password(&password)?;
        match store.add_user(ADMIN, Role::GlobalAdministrator, &hash, &admin).await {
            Ok(_) => done.password = given.is_none().then_some(password),
            // Another process began at the same time: the first start, and its password, are its.
            Err(StoreError::Exists(_)) => done.first_start = false,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

/// The name tells the token by its fingerprint: so one that was revoked is not let in again.
fn api_token(store: &dyn Store, hash: [u8; 32]) -> NewApiToken {
    let fingerprint = store.fingerprint_key().fingerprint(&TokenDigest(hash));
    NewApiToken {
        tenant: DEFAULT_TENANT.to_owned(),
        name: format!("{ADMIN}-{fingerprint}"),
        role: Role::GlobalAdministrator,
        expires_at: None,
        hash,
    }
}
