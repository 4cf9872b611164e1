//! Signing in and out. A session is an opaque random id in a cookie, of which the store has the
//! SHA-256 only.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::passwords::Passwords;
use super::problem::Problem;
use super::throttle::Throttle;
use super::{Control, credentials, csrf};
use crate::config::{self, limits};
use crate::model::clock;
use crate::model::ids::UserId;
use crate::model::role::Actor;
use crate::model::secret::Secret;
use crate::store::identity::{NewSession, SignInUser, User};

/// The name of the cookie.
const COOKIE: &str = "leakgate_session";

/// How sessions are, out of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignInSettings {
    /// Time after which a session that is not used ends.
    pub idle: SignedDuration,
    /// Time after which a session ends, however much it is used.
    pub longest: SignedDuration,
    /// Whether cookies are for TLS alone, whatever the request that asks for one came over.
    pub secure_cookies: bool,
}

impl Default for SignInSettings {
    fn default() -> Self {
        Self::from(&config::Control::default())
    }
}

impl From<&config::Control> for SignInSettings {
    fn from(control: &config::Control) -> Self {
        let signed = |time: Duration| SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        Self {
            idle: signed(control.session_idle),
            longest: signed(control.session_longest),
            secure_cookies: control.secure_cookies,
        }
    }
}

/// What is kept to slow those down who guess.
pub(super) struct SignIns {
    pub(super) passwords: Passwords,
    pub(super) accounts: Throttle<[u8; 32]>,
    addresses: Throttle<IpAddr>,
}

impl Default for SignIns {
    fn default() -> Self {
        let most = limits::SIGN_IN_REMEMBERED;
        let (step, burst) = (limits::SIGN_IN_ACCOUNT_STEP, limits::SIGN_IN_ACCOUNT_BURST);
        let accounts = Throttle::new(step, burst, most);
        let (step, burst) = (limits::SIGN_IN_ADDRESS_STEP, limits::SIGN_IN_ADDRESS_BURST);
        let addresses = Throttle::new(step, burst, most);
        Self { passwords: Passwords::default(), accounts, addresses }
    }
}

/// Somebody who says who they are.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Their name.
    pub name: String,
    /// Their password.
    pub password: Secret,
    /// What is known of the request.
    pub from: Origin,
}

/// What of a request matters for a session that it begins.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// The session that the browser has already: it ends.
    pub session: Option<Secret>,
    /// Whether it came over TLS, as far as is known.
    pub is_secure: bool,
}

impl Origin {
    /// Out of the request's head.
    pub fn of(parts: &http::request::Parts) -> Self {
        // Whoever sets this field falsely gets a cookie that their own browser keeps to itself.
        let forwarded = parts.headers.get("x-forwarded-proto");
        Self {
            address: super::auth::address(parts),
            session: of_cookie(&parts.headers),
            is_secure: forwarded.is_some_and(|proto| proto.as_bytes() == b"https"),
        }
    }
}

/// A session that has begun.
#[derive(Clone, Debug)]
pub struct Session {
    /// `Set-Cookie`.
    pub cookie: HeaderValue,
    /// What changes must carry.
    pub csrf_token: String,
    /// Whose it is.
    pub user: User,
    /// When it ends, however much it is used.
    pub expires_at: Timestamp,
}

impl Control {
    /// Begins a session for whoever proves to be a user. Whether the name or the password is wrong
    /// is told neither by the answer nor by the time that it takes.
    ///
    /// # Errors
    /// Where the proof fails, or too many were tried.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<Session, Problem> {
        let SignIn { name, password, from } = sign_in;
        let name = account_name(&name);
        let account = Secret::from(name.clone()).digest().0;
        self.may_try(&account, from.address)?;
        let Some(place) = self.inner.sign_ins.passwords.place() else {
            self.hit("passwords");
            return Err(Problem::too_many(Duration::from_secs(1)));
        };
        let found = self.inner.store.user_to_sign_in(&name).await?;
        let hash = found.as_ref().map(|found| found.password_hash.clone());
        // A password that is too long was never taken: it is not hashed either.
        let password = if password.len() > limits::PASSWORD_BYTES {
            Secret::from(String::new())
        } else {
            password
        };
        let is_right = place.verify(password, hash).await?;
        let session = match found {
            Some(SignInUser { user, password_hash }) if is_right && !user.disabled => {
                self.begin_session(user, Some(password_hash), &from).await?
            }
            _ => None,
        };
        let Some(session) = session else {
            self.count_sign_in("refused");
            tracing::info!(address = ?from.address, "somebody could not sign in");
            return Err(Problem::wrong_password());
        };
        self.inner.sign_ins.accounts.forgive(&account);
        if let Some(address) = from.address {
            self.inner.sign_ins.addresses.forgive(&network(address));
        }
        self.count_sign_in("accepted");
        Ok(session)
    }

    /// Counts a try to sign in from an address.
    pub(super) fn may_come(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(address) = address else { return Ok(()) };
        let tried = self.inner.sign_ins.addresses.attempt(&network(address), Instant::now());
        tried.map_err(|wait| {
            self.hit("sign_in_address");
            self.count_sign_in("limited");
            Problem::too_many(wait)
        })
    }

    /// Counts a try to sign in.
    pub(super) fn may_try(
        &self,
        account: &[u8; 32],
        address: Option<IpAddr>,
    ) -> Result<(), Problem> {
        self.may_come(address)?;
        self.inner.sign_ins.accounts.attempt(account, Instant::now()).map_err(|wait| {
            self.hit("sign_in_account");
            self.count_sign_in("limited");
            Problem::too_many(wait)
        })
    }

    pub(super) fn count_sign_in(&self, outcome: &'static str) {
        self.inner.metrics.sign_ins.with_label_values(&[outcome]).inc();
    }

    /// Begins a session for a user; absent where they may not have one by now.
    pub(super) async fn begin_session(
        &self,
        user: User,
        password_hash: Option<String>,
        from: &Origin,
    ) -> Result<Option<Session>, Problem> {
        let id = credentials::new_session_id().map_err(|error| {
            tracing::error!(%error, "no session could be made");
            Problem::failed()
        })?;
        let settings = &self.inner.settings.sign_in;
        let at = clock::now();
        let expires_at = at.checked_add(settings.longest).unwrap_or(Timestamp::MAX);
        let session = NewSession {
            hash: id.digest().0,
            user: user.id,
            password_hash,
            replaces: from.session.as_ref().map(|old| old.digest().0),
            at,
            expires_at,
        };
        let actor = Actor {
            name: user.name.clone(),
            role: user.role,
            tenant: user.tenant.clone(),
            user: Some(user.id),
            api_token: None,
            address: from.address.map(|address| address.to_string()),
        };
        if !self.inner.store.start_session(session, &actor).await? {
            return Ok(None);
        }
        let secure = settings.secure_cookies || from.is_secure;
        let cookie = cookie(&id, settings.longest.as_secs(), secure)?;
        let csrf_token = csrf::token(&id);
        Ok(Some(Session { cookie, csrf_token, user, expires_at }))
    }

    /// Ends the session with this hash. Answers whether there was one.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn sign_out(&self, session: &[u8; 32], actor: &Actor) -> Result<bool, Problem> {
        Ok(self.inner.store.end_session(session, actor).await?)
    }

    /// Ends all sessions of a user. Answers with how many there were.
    ///
    /// # Errors
    /// Where there is no such user, or the store fails.
    pub async fn sign_out_everywhere(&self, user: UserId, actor: &Actor) -> Result<u64, Problem> {
        Ok(self.inner.store.end_sessions(user, actor).await?)
    }
}

/// A name as users are known by it: whoever types it need not care for case.
pub(super) fn account_name(name: &str) -> String {
    name.trim().to_lowercase()
}

/// What counts as one address: of IPv6, the network that one customer has.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

fn cookie(id: &Secret, seconds: i64, secure: bool) -> Result<HeaderValue, Problem> {
    let id = String::from_utf8_lossy(id.expose());
    let secure = if secure { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={id}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}");
    let mut cookie = HeaderValue::try_from(text).map_err(|_| Problem::failed())?;
    cookie.set_sensitive(true);
    Ok(cookie)
}

/// `Set-Cookie` with which a browser forgets its session.
pub fn no_cookie() -> HeaderValue {
    HeaderValue::from_static("leakgate_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0")
}

/// The session's id in the cookies of a request.
pub(super) fn of_cookie(headers: &HeaderMap) -> Option<Secret> {
    cookie_value(headers, COOKIE)
}

/// The value of the cookie of this name.
pub(super) fn cookie_value(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let mut pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|&byte| byte == b';'));
    pairs.find_map(|pair| {
        let id = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        (!id.is_empty()).then(|| Secret::new(id.to_vec()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_read() {
        for (field, id) in [
            ("leakgate_session=abc", Some("abc")),
            ("a=b; leakgate_session=abc;c=d", Some("abc")),
            ("leakgate_session=", None),
            ("leakgate_sessions=abc", None),
            ("x_leakgate_session=abc", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, field.parse().unwrap());
            let found = of_cookie(&headers);
            assert_eq!(found.as_ref().map(Secret::expose), id.map(str::as_bytes), "{field}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
    }
}
