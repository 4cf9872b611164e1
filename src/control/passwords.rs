//! Passwords: their rule, and the few threads on which they are hashed. Hashing one is slow on
//! purpose: so few at once, few that wait, and none on a thread that serves calls.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::credentials;
use super::problem::Problem;
use crate::config::limits;
use crate::model::secret::Secret;

/// What a password is checked against where there is none, so that an unknown name takes as long.
/// Nobody has the password.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bGVha2dhdGUgbm9ib2R5$zM1Zx0oTnT0vQ8R0m2f1pYb7c3Kq5Jw9uX4eL6sHdGA";

/// The places in which passwords are hashed.
pub(super) struct Passwords {
    /// Those that are hashed or wait.
    asked: Arc<Semaphore>,
    /// Those that are hashed.
    running: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            asked: Arc::new(Semaphore::new(limits::PASSWORDS_WAITING)),
            running: Arc::new(Semaphore::new(limits::PASSWORDS_AT_ONCE)),
        }
    }
}

/// One's place among those that are hashed or wait.
pub(super) struct Place {
    _asked: OwnedSemaphorePermit,
    running: Arc<Semaphore>,
}

impl Passwords {
    /// Stands in line; absent where the line is too long.
    pub(super) fn place(&self) -> Option<Place> {
        let asked = Arc::clone(&self.asked).try_acquire_owned().ok()?;
        Some(Place { _asked: asked, running: Arc::clone(&self.running) })
    }
}

impl Place {
    /// What is kept of a password.
    pub(super) async fn hash(self, password: Secret) -> Result<String, Problem> {
        let hashed = self.run(move || credentials::hash_password(&password)).await?;
        hashed.map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            Problem::failed()
        })
    }

    /// Whether the password is the one that this hash was made of. Takes as long where there is no
    /// hash.
    pub(super) async fn verify(
        self,
        password: Secret,
        hash: Option<String>,
    ) -> Result<bool, Problem> {
        let hash = hash.filter(|hash| !hash.is_empty());
        self.run(move || match hash {
            Some(hash) => credentials::verify_password(&password, &hash),
            None => {
                credentials::verify_password(&password, NOBODY);
                false
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|_| Problem::failed())?;
        // The places go with the work: a caller who does not wait for it does not shorten it.
        let place = self;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((place, running));
            done
        });
        done.await.map_err(|_| Problem::failed())
    }
}

/// Checks that a password is long enough, and not the user's own name.
pub(super) fn fits(password: &Secret, name: &str) -> Result<(), Problem> {
    // As the document of the API counts them: in characters.
    let continues = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    let characters = password.len() - password.expose().iter().filter(continues).count();
    if characters < limits::PASSWORD_CHARACTERS_LEAST {
        return Err(Problem::invalid(
            "password",
            format!("it must have {} characters or more", limits::PASSWORD_CHARACTERS_LEAST),
        ));
    }
    if password.len() > limits::PASSWORD_BYTES {
        return Err(Problem::invalid(
            "password",
            format!("it may have {} bytes", limits::PASSWORD_BYTES),
        ));
    }
    let bytes = password.expose();
    let is_one_character = bytes.iter().all(|byte| Some(byte) == bytes.first());
    if is_one_character || bytes.eq_ignore_ascii_case(name.as_bytes()) {
        return Err(Problem::invalid("password", "it can be guessed: choose another"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::phc::PasswordHash;

    use super::*;

    #[test]
    fn nobody_takes_as_long_as_somebody() {
        let somebody = credentials::hash_password(&Secret::from("a password".to_owned())).unwrap();
        let [somebody, nobody] = [&somebody, NOBODY].map(|hash| PasswordHash::new(hash).unwrap());
        assert_eq!(somebody.algorithm, nobody.algorithm);
        assert_eq!(somebody.version, nobody.version);
        assert_eq!(somebody.params.to_string(), nobody.params.to_string());
        let bytes = |hash: &PasswordHash| hash.hash.as_ref().unwrap().as_bytes().len();
        assert_eq!(bytes(&somebody), bytes(&nobody));
    }

    #[test]
    fn rules() {
        let fits = |text: &str| fits(&Secret::from(text.to_owned()), "ada.lovelace").is_ok();
        assert!(fits("correct horse battery"));
        for bad in ["", "short", "aaaaaaaaaaaaaaaa", "ADA.lovelace", &"ab".repeat(600)] {
            assert!(!fits(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_line_is_short() {
        let passwords = Passwords::default();
        let places: Vec<_> = (0..limits::PASSWORDS_WAITING).map(|_| passwords.place()).collect();
        assert!(places.iter().all(Option::is_some) && passwords.place().is_none());
        drop(places);
        assert!(passwords.place().is_some());
    }
}
