//! `[control.oidc]`: users who sign in at an identity provider.

use super::reader::Reader;
use crate::model::role::Role;
use crate::model::secret::Secret;
use crate::model::tenant::{DEFAULT_TENANT, is_tenant_id};

/// How users sign in at an identity provider (OpenID Connect).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// The provider's URL, exactly as it names itself.
    pub issuer: String,
    /// What the provider knows leakgate by.
    pub client_id: String,
    /// What leakgate proves to be that with, out of `client_secret` or the first line of
    /// `client_secret_file`; absent: it is a public client.
    pub client_secret: Option<Secret>,
    /// Where the provider sends browsers back to: this control plane's `/api/v1/oidc/callback` as
    /// browsers reach it.
    pub redirect_url: String,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that users are named by.
    pub name_claim: String,
    /// The claim that roles follow from: a text or a list of texts.
    pub role_claim: String,
    /// Which role follows from which value; the first that fits counts.
    pub roles: Vec<OidcRole>,
}

/// `[[control.oidc.roles]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcRole {
    /// The value of the claim.
    pub value: String,
    /// The role that follows.
    pub role: Role,
    /// The tenant.
    pub tenant: String,
}

/// Reads the table; absent where there is none.
pub(super) fn read(r: &mut Reader) -> Option<Oidc> {
    let given = ["issuer", "client_id", "redirect_url", "roles", "client_secret"];
    if !given.iter().any(|key| r.has(key)) {
        return None;
    }
    let mut needed = |name, wanted: &str| {
        let value = r.parsed::<String>(name, wanted).filter(|value| !value.is_empty());
        if value.is_none() {
            r.mistake(name, format!("is missing: {wanted}"));
        }
        value
    };
    let issuer = needed("issuer", "the provider's URL");
    let client_id = needed("client_id", "what the provider knows leakgate by");
    let redirect_url = needed(
        "redirect_url",
        "where browsers come back to, such as https://leakgate.example/api/v1/oidc/callback",
    );
    for (name, url) in [("issuer", &issuer), ("redirect_url", &redirect_url)] {
        let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if url.as_ref().is_some_and(|url| !is_url(url)) {
            r.mistake(name, "must be a URL that begins with https:// or http://");
        }
    }
    let roles = r.sections("roles", role).unwrap_or_default();
    if roles.is_empty() {
        r.mistake("roles", "is missing: which role follows from which value of the role claim");
    }
    let secret = r.parsed::<String>("client_secret", "a text").filter(|text| !text.is_empty());
    let file = r.parsed::<String>("client_secret_file", "a path");
    let secret = match (secret.map(Secret::from), file) {
        (Some(_), Some(_)) => {
            r.mistake("client_secret_file", "goes without client_secret: give one of both");
            None
        }
        (None, Some(file)) => match std::fs::read(&file) {
            Ok(text) => {
                let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
                Some(Secret::new(line.trim_ascii().to_vec()))
            }
            Err(error) => {
                r.mistake("client_secret_file", format!("cannot be read: {error}"));
                None
            }
        },
        (secret, None) => secret,
    };
    Some(Oidc {
        issuer: issuer?,
        client_id: client_id?,
        client_secret: secret,
        redirect_url: redirect_url?,
        scopes: r
            .list::<String>("scopes", "a scope")
            .unwrap_or_else(|| vec!["profile".to_owned(), "email".to_owned()]),
        name_claim: r.parsed("name_claim", "a claim").unwrap_or_else(|| "email".to_owned()),
        role_claim: r.parsed("role_claim", "a claim").unwrap_or_else(|| "groups".to_owned()),
        roles,
    })
}

fn role(r: &mut Reader) -> Option<OidcRole> {
    let names = Role::ALL.map(|role| (role.name(), role));
    let value = r.parsed::<String>("value", "a value of the role claim");
    if value.is_none() {
        r.mistake("value", "is missing: the value of the role claim");
    }
    let role = r.choice("role", &names);
    if role.is_none() {
        r.mistake("role", "is missing: the role that follows from the value");
    }
    let tenant: String =
        r.parsed("tenant", "a tenant's id").unwrap_or_else(|| DEFAULT_TENANT.to_owned());
    if !is_tenant_id(&tenant) {
        r.mistake("tenant", "must be a tenant's id: lower-case letters, digits and hyphens");
    }
    Some(OidcRole { value: value?, role: role?, tenant })
}
