//! The certificates that clients are shown, by the names that they are for.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::problem::{Problem, read_certificates};
use crate::config::Certificate;

/// Chooses by the name that a client asks for: the first certificate that is for it and that the
/// client can check, else the first of all that it can check, else the first of all.
#[derive(Debug, Default)]
pub(super) struct ByName {
    all: Vec<Arc<CertifiedKey>>,
    /// By name in lower case; `*.example.com` under its own text. Places in `all`.
    names: HashMap<String, Vec<usize>>,
}

impl ByName {
    /// Reads a certificate and its key, and gives when it ends, in seconds since 1970.
    pub(super) fn add(
        &mut self,
        certificate: &Certificate,
        provider: &CryptoProvider,
    ) -> Result<i64, Problem> {
        let Certificate { cert, key } = certificate;
        let chain = read_certificates(cert)?;
        let (names, expiry) = chain
            .first()
            .and_then(|first| describe(first))
            .ok_or_else(|| Problem::Unfit { file: cert.clone(), why: "no X.509".to_owned() })?;
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| Problem::of_pem(key, "private key", error))?;
        let certified =
            CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    Problem::Mismatch { cert: cert.clone(), key: key.clone() }
                }
                error => Problem::Unfit { file: key.clone(), why: error.to_string() },
            })?;
        let place = self.all.len();
        self.all.push(Arc::new(certified));
        for name in names {
            self.names.entry(name).or_default().push(place);
        }
        Ok(expiry)
    }

    /// The certificates for this name, in lower case.
    fn named(&self, name: &str) -> &[usize] {
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        };
        self.names.get(name).or_else(wildcard).map_or(&[], Vec::as_slice)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let named = self.named(&name).iter().filter_map(|&place| self.all.get(place));
        let schemes = hello.signature_schemes();
        named
            .chain(&self.all)
            .find(|certified| certified.key.choose_scheme(schemes).is_some())
            .or_else(|| self.all.first())
            .cloned()
    }
}

/// The names that a certificate is for, in lower case, and when it ends. Without alternative names it
/// is for its common name.
fn describe(certificate: &[u8]) -> Option<(Vec<String>, i64)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let names = match &alternative {
        Some(names) => names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            })
            .collect(),
        None => parsed
            .subject()
            .iter_common_name()
            .filter_map(|name| Some(name.as_str().ok()?.to_ascii_lowercase()))
            .collect(),
    };
    Some((names, parsed.validity().not_after.timestamp()))
}
