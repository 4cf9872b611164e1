//! Signing in at an identity provider: OpenID Connect, by authorization code with PKCE.
//!
//! What a sign-in under way needs (state, nonce, code verifier) is in a cookie of the browser that
//! began it, so nobody can be made to end the sign-in of another, and nothing is kept here.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse,
};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::intake::{fits, one_line};
use super::problem::Problem;
use super::sessions::{Origin, Session, account_name};
use super::{Control, csrf};
use crate::config::{self, limits};
use crate::model::role::{Actor, Role};
use crate::store::identity::{Identity, User, UserChange};

/// The cookie of a sign-in under way.
const COOKIE: &str = "leakgate_oidc";
/// Signatures that are accepted: none that the client's own secret could make.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The client, as far as its endpoints are known.
type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What is kept of the provider.
pub(super) struct Provider {
    settings: config::Oidc,
    http: OnceLock<reqwest::Client>,
    /// What the provider says of itself, with its keys, and when it was asked.
    metadata: Mutex<Option<(Instant, CoreProviderMetadata)>>,
}

/// Why the provider could not be asked.
#[derive(Debug, thiserror::Error)]
enum Unreachable {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Answer(#[from] http::Error),
    #[error("its answer is longer than {} bytes", limits::OIDC_ANSWER_BYTES)]
    TooLong,
}

/// Where a browser is sent, and the cookie that it takes along.
#[derive(Clone, Debug)]
pub struct Departure {
    /// `Location`.
    pub location: HeaderValue,
    /// `Set-Cookie`.
    pub cookie: HeaderValue,
}

/// What the provider sent a browser back with.
#[derive(Clone, Debug, Default)]
pub struct Return {
    /// The code for which the provider gives an ID token.
    pub code: Option<String>,
    /// What was sent along.
    pub state: Option<String>,
    /// What went wrong there.
    pub error: Option<String>,
}

impl Provider {
    /// For this configuration.
    pub(super) fn new(settings: config::Oidc) -> Self {
        Self { settings, http: OnceLock::new(), metadata: Mutex::new(None) }
    }

    fn http(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let http = reqwest::Client::builder()
            // A provider that sends its clients elsewhere could send them to what is inside.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(limits::CONNECT_TIMEOUT)
            .timeout(limits::OIDC_TIME)
            .build()?;
        Ok(self.http.get_or_init(|| http))
    }

    /// The client for what the provider says of itself now; asked again where that is older than
    /// `age`.
    async fn client(&self, age: Duration) -> Result<Client, Problem> {
        let settings = &self.settings;
        let mut known = self.metadata.lock().await;
        let metadata = match &*known {
            Some((at, metadata)) if at.elapsed() < age => metadata.clone(),
            _ => {
                let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(amiss)?;
                let http = Fetch(self.http().map_err(amiss)?.clone());
                let metadata =
                    CoreProviderMetadata::discover_async(issuer, &http).await.map_err(amiss)?;
                *known = Some((Instant::now(), metadata.clone()));
                metadata
            }
        };
        drop(known);
        let secret = settings
            .client_secret
            .as_ref()
            .map(|secret| ClientSecret::new(String::from_utf8_lossy(secret.expose()).into_owned()));
        let id = ClientId::new(settings.client_id.clone());
        let redirect = RedirectUrl::new(settings.redirect_url.clone()).map_err(amiss)?;
        Ok(CoreClient::from_provider_metadata(metadata, id, secret).set_redirect_uri(redirect))
    }

    /// The claims of the ID token that the provider gives for a code.
    async fn claims(&self, code: String, under_way: UnderWay) -> Result<Claims, Problem> {
        let client = self.client(limits::OIDC_METADATA_AGE).await?;
        let http = Fetch(self.http().map_err(amiss)?.clone());
        let exchange = client.exchange_code(AuthorizationCode::new(code)).map_err(amiss)?;
        let answer = exchange
            .set_pkce_verifier(PkceCodeVerifier::new(under_way.verifier))
            .request_async(&http)
            .await
            .map_err(amiss)?;
        let token = answer.id_token().ok_or_else(|| amiss_in("it sent no ID token"))?;
        let nonce = Nonce::new(under_way.nonce);
        let subject = match verified(&client, token, &nonce) {
            Ok(subject) => subject,
            Err(_) => {
                // It may have new keys.
                let client = self.client(Duration::ZERO).await?;
                verified(&client, token, &nonce).map_err(amiss)?
            }
        };
        // What was verified is this very text.
        let text = token.to_string();
        let payload = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let all = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
        let all = all.ok_or_else(|| amiss_in("its ID token holds no claims"))?;
        Ok(Claims { subject, all })
    }
}

/// The subject of an ID token, where the provider signed it for this sign-in.
fn verified(
    client: &Client,
    token: &CoreIdToken,
    nonce: &Nonce,
) -> Result<String, ClaimsVerificationError> {
    let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
    token.claims(&verifier, nonce).map(|claims| claims.subject().to_string())
}

/// Asks the provider, for the library.
struct Fetch(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Fetch {
    type Error = Unreachable;
    type Future = BoxFuture<'c, Result<HttpResponse, Unreachable>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(fetch(&self.0, request))
    }
}

async fn fetch(http: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, Unreachable> {
    let mut answer = http.execute(reqwest::Request::try_from(request)?).await?;
    let mut response = http::Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(answer.headers());
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > limits::OIDC_ANSWER_BYTES {
            return Err(Unreachable::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(response.body(body)?)
}

/// What the provider says of a user.
struct Claims {
    subject: String,
    all: Map<String, Value>,
}

impl Claims {
    /// The name that the user is known by here.
    fn name(&self, settings: &config::Oidc) -> String {
        let claimed = self.all.get(&settings.name_claim).and_then(Value::as_str);
        account_name(&one_line(claimed.unwrap_or(&self.subject)))
    }

    /// The role and tenant that follow.
    fn role<'s>(&self, settings: &'s config::Oidc) -> Option<(Role, &'s str)> {
        let values: Vec<&str> = match self.all.get(&settings.role_claim)? {
            Value::String(value) => vec![value],
            Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
            _ => return None,
        };
        let fits = |rule: &&config::OidcRole| values.contains(&rule.value.as_str());
        settings.roles.iter().find(fits).map(|rule| (rule.role, rule.tenant.as_str()))
    }
}

/// A sign-in that a browser has begun.
struct UnderWay {
    state: String,
    nonce: String,
    verifier: String,
}

impl UnderWay {
    fn of_cookie(headers: &HeaderMap) -> Option<Self> {
        let text = super::sessions::cookie_value(headers, COOKIE)?;
        let text = String::from_utf8(text.expose().to_vec()).ok()?;
        let mut parts = text.split('.').map(str::to_owned);
        let under_way =
            Self { state: parts.next()?, nonce: parts.next()?, verifier: parts.next()? };
        // PKCE has a least length, and the library ends the program where it is not met.
        let is_whole = (43..=128).contains(&under_way.verifier.len()) && parts.next().is_none();
        is_whole.then_some(under_way)
    }
}

impl Control {
    fn provider(&self) -> Result<&Provider, Problem> {
        self.inner.provider.as_ref().ok_or_else(Problem::unknown_call)
    }

    /// Sends a browser to the identity provider.
    ///
    /// # Errors
    /// Where none is configured, or it cannot be asked.
    pub fn begin_oidc<'a>(&'a self, from: &'a Origin) -> BoxFuture<'a, Result<Departure, Problem>> {
        Box::pin(self.begin_there(from))
    }

    async fn begin_there(&self, from: &Origin) -> Result<Departure, Problem> {
        let provider = self.provider()?;
        self.may_come(from.address)?;
        let client = provider.client(limits::OIDC_METADATA_AGE).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let mut request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        for scope in &provider.settings.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        let (state, nonce, verifier) = (state.secret(), nonce.secret(), verifier.secret());
        let secure = self.inner.settings.sign_in.secure_cookies || from.is_secure;
        let secure = if secure { "; Secure" } else { "" };
        let age = limits::OIDC_UNDER_WAY.as_secs();
        // Lax: the provider's page sends the browser back, and the cookie must come along.
        let cookie = format!(
            "{COOKIE}={state}.{nonce}.{verifier}; HttpOnly; SameSite=Lax; Path=/api/v1/oidc; \
             Max-Age={age}{secure}"
        );
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Problem::failed());
        let mut cookie = value(&cookie)?;
        cookie.set_sensitive(true);
        Ok(Departure { location: value(url.as_str())?, cookie })
    }

    /// Begins a session for the user with whom the provider sent a browser back.
    ///
    /// # Errors
    /// Where the browser did not begin the sign-in, the provider does not vouch for the user, or no
    /// role follows from what it says.
    pub fn end_oidc<'a>(
        &'a self,
        headers: &'a HeaderMap,
        from: &'a Origin,
        back: Return,
    ) -> BoxFuture<'a, Result<Session, Problem>> {
        Box::pin(self.end_here(headers, from, back))
    }

    async fn end_here(
        &self,
        headers: &HeaderMap,
        from: &Origin,
        back: Return,
    ) -> Result<Session, Problem> {
        let provider = self.provider()?;
        self.may_come(from.address)?;
        let begun = UnderWay::of_cookie(headers)
            .filter(|begun| csrf::matches(&begun.state, back.state.unwrap_or_default().as_bytes()));
        let Some(begun) = begun else {
            self.count_sign_in("refused");
            return Err(Problem::sign_in_not_begun());
        };
        let Some(code) = back.code.filter(|_| back.error.is_none()) else {
            self.count_sign_in("refused");
            return Err(Problem::provider_refused());
        };
        let claims = match provider.claims(code, begun).await {
            Ok(claims) => claims,
            Err(problem) => {
                self.count_sign_in("refused");
                return Err(problem);
            }
        };
        let user = self.user_of(provider, &claims).await?;
        match self.begin_session(user, None, from).await? {
            Some(session) => {
                self.count_sign_in("accepted");
                Ok(session)
            }
            None => {
                self.count_sign_in("refused");
                Err(Problem::may_not_sign_in())
            }
        }
    }

    /// The user of these claims: made where they come for the first time, and with the role that
    /// follows now.
    async fn user_of(&self, provider: &Provider, claims: &Claims) -> Result<User, Problem> {
        let settings = &provider.settings;
        let Some((role, tenant)) = claims.role(settings) else {
            self.count_sign_in("refused");
            return Err(Problem::may_not_sign_in());
        };
        let store = &self.inner.store;
        if store.tenant(tenant).await?.is_none() {
            tracing::error!(tenant, "control.oidc.roles names a tenant that is not there");
            return Err(Problem::may_not_sign_in());
        }
        let actor = Actor::system(tenant);
        let identity =
            Identity { issuer: settings.issuer.clone(), subject: claims.subject.clone() };
        let Some(user) = store.user_of_identity(&identity).await? else {
            let name = claims.name(settings);
            fits("name", &name, limits::NAME_BYTES)?;
            return Ok(store.add_identity_user(&identity, &name, role, &actor).await?);
        };
        if user.role == role && user.tenant == tenant {
            return Ok(user);
        }
        let change = UserChange {
            role: Some(role),
            tenant: Some(tenant.to_owned()),
            ..UserChange::default()
        };
        Ok(store.change_user(user.id, change, &actor).await?)
    }
}

/// What went wrong at the provider: the log says it, the browser is told only that it did. Errors
/// are told by their words alone: their parts may hold what the provider sent, such as a token.
fn amiss(error: impl std::error::Error) -> Problem {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    amiss_in(&words)
}

fn amiss_in(words: &str) -> Problem {
    tracing::warn!(error = words, "the identity provider could not be used");
    Problem::provider_failed()
}
