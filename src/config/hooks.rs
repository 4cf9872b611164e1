//! `[control.hooks]`: partners that report leaks, how they prove who they are, and what is done
//! with what they report.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::limits;
use super::reader::Reader;
use crate::model::partner::Partner;
use crate::model::rule::{PatchMode, Scope};
use crate::model::secret::Secret;
use crate::model::tenant::{DEFAULT_TENANT, is_tenant_id};

/// A partner's hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Whose hook it is.
    pub partner: Partner,
    /// The tenants to which it may report.
    pub tenants: Vec<String>,
    /// How the partner proves who it is.
    pub proof: Proof,
    /// What is done with a new leak.
    pub policy: Policy,
}

/// How a partner proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By a signature with a key that is known by its identifier.
    Keys {
        /// The keys that the configuration has.
        keys: Vec<PublicKey>,
        /// Where others are asked for.
        url: Option<String>,
    },
    /// By a text that both sides know.
    Secret(Secret),
}

/// A public key, ECDSA P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// What the partner calls it.
    pub identifier: String,
    /// SubjectPublicKeyInfo, DER.
    pub der: Vec<u8>,
}

/// What is done with a new leak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The virtual patch's mode; absent: the leak is registered, and nothing more.
    pub mode: Option<PatchMode>,
    /// Where it acts.
    pub scope: Scope,
    /// After what time it ends.
    pub expires_after: Option<Duration>,
}

/// The DER of a PEM public key that signatures can be verified with.
///
/// # Errors
/// Where it is not PEM, or not an ECDSA P-256 key.
pub fn public_key(pem: &str) -> Result<Vec<u8>, &'static str> {
    const WRONG: &str = "must be an ECDSA P-256 public key in PEM: -----BEGIN PUBLIC KEY-----…";
    let body = pem
        .split_once("-----BEGIN PUBLIC KEY-----")
        .and_then(|(_, rest)| rest.split_once("-----END PUBLIC KEY-----"))
        .map(|(body, _)| body.split_whitespace().collect::<String>())
        .ok_or(WRONG)?;
    let der = STANDARD.decode(body).map_err(|_| WRONG)?;
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &der).map_err(|_| WRONG)?;
    Ok(der)
}

/// Reads the table: the hooks that are configured.
pub(super) fn read(r: &mut Reader) -> Vec<Hook> {
    let mut hooks = Vec::new();
    for (name, partner) in [
        ("github", Partner::Github),
        ("gitlab", Partner::Gitlab),
        ("gitguardian", Partner::Gitguardian),
        ("trufflehog", Partner::Trufflehog),
    ] {
        if r.has(name) {
            hooks.extend(r.section(name, |r| hook(r, partner)));
        }
    }
    hooks
}

fn hook(r: &mut Reader, partner: Partner) -> Option<Hook> {
    let tenants = r
        .list::<String>("tenants", "a tenant's id")
        .unwrap_or_else(|| vec![DEFAULT_TENANT.to_owned()]);
    if tenants.is_empty() || !tenants.iter().all(|tenant| is_tenant_id(tenant)) {
        r.mistake("tenants", "must be tenants' ids: lower-case letters, digits and hyphens");
    }
    let modes = [
        ("register", None),
        ("monitoring", Some(PatchMode::Monitoring)),
        ("block", Some(PatchMode::Block)),
    ];
    let mode = r.choice("policy", &modes).unwrap_or_default();
    let expires_after = r.duration("expires_after");
    let scope = r.section("scope", scope);
    let policy = Policy { mode, scope, expires_after };
    let proof = if partner == Partner::Github { keys(r) } else { secret(r).map(Proof::Secret) };
    Some(Hook { partner, tenants, proof: proof?, policy })
}

fn scope(r: &mut Reader) -> Scope {
    let scope = Scope {
        hosts: r.list("hosts", "a host name").unwrap_or_default(),
        path_prefixes: r.list("path_prefixes", "a path").unwrap_or_default(),
        methods: r.list("methods", "a method").unwrap_or_default(),
        ..Scope::default()
    };
    if scope.hosts.iter().any(|host| host.is_empty() || host.contains(['/', ' '])) {
        r.mistake("hosts", "must be host names such as api.example.com or *.example.com");
    }
    if scope.path_prefixes.iter().any(|prefix| !prefix.starts_with('/')) {
        r.mistake("path_prefixes", "must be paths that begin with /");
    }
    if scope.methods.iter().any(|method| !method.bytes().all(|b| b.is_ascii_alphabetic())) {
        r.mistake("methods", "must be methods such as POST");
    }
    scope
}

fn keys(r: &mut Reader) -> Option<Proof> {
    let keys = r.sections("keys", key).unwrap_or_default();
    let url = r.parsed::<String>("keys_url", "a URL");
    let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    if url.as_ref().is_some_and(|url| !is_url(url)) {
        r.mistake("keys_url", "must be a URL that begins with https:// or http://");
    }
    if keys.is_empty() && url.is_none() {
        r.mistake("keys", "is missing: give the partner's keys, or keys_url where they are shown");
    }
    if keys.len() > limits::HOOK_KEYS {
        r.mistake("keys", format!("may be {} at most", limits::HOOK_KEYS));
    }
    Some(Proof::Keys { keys, url })
}

fn key(r: &mut Reader) -> Option<PublicKey> {
    let identifier = r.parsed::<String>("identifier", "what the partner calls the key");
    if identifier.is_none() {
        r.mistake("identifier", "is missing: what the partner calls the key");
    }
    let Some(pem) = r.parsed::<String>("pem", "a public key in PEM") else {
        r.mistake("pem", "is missing: the public key in PEM");
        return None;
    };
    match public_key(&pem) {
        Ok(der) => Some(PublicKey { identifier: identifier?, der }),
        Err(wrong) => {
            r.mistake("pem", wrong);
            None
        }
    }
}

/// `secret`, or the first line of `secret_file`.
fn secret(r: &mut Reader) -> Option<Secret> {
    let secret = r.parsed::<String>("secret", "a text").map(Secret::from);
    let file = r.parsed::<String>("secret_file", "a path");
    let secret = match (secret, file) {
        (Some(_), Some(_)) => {
            r.mistake("secret_file", "goes without secret: give one of both");
            return None;
        }
        (None, Some(file)) => match std::fs::read(&file) {
            Ok(text) => {
                let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
                Secret::new(line.trim_ascii().to_vec())
            }
            Err(error) => {
                r.mistake("secret_file", format!("cannot be read: {error}"));
                return None;
            }
        },
        (Some(secret), None) => secret,
        (None, None) => {
            r.mistake("secret", "is missing: what the partner proves itself with");
            return None;
        }
    };
    if secret.len() < limits::HOOK_SECRET_BYTES {
        let least = limits::HOOK_SECRET_BYTES;
        r.mistake("secret", format!("must have {least} bytes and more, so that none can guess it"));
    }
    Some(secret)
}
