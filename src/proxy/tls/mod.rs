//! TLS towards clients: the certificates that they are shown, chosen by the name they ask for, what
//! their own certificates say, and handshakes within their limits.

mod certificates;
mod handshake;
mod identity;
mod problem;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use self::certificates::ByName;
pub(crate) use self::handshake::{Handshakes, count_failure, shake};
pub use self::problem::TlsProblems;
use self::problem::{Problem, read_certificates};
use crate::config::{ClientAuth, Tls, TlsVersion};

/// What TLS connections are accepted with: certificates and keys, as they were when they were read.
#[derive(Clone)]
pub(crate) struct Terminator {
    server: Arc<ServerConfig>,
    expiries: Arc<[Expiry]>,
}

/// When a certificate ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Expiry {
    /// Its file, as it is configured.
    pub(crate) file: String,
    /// In seconds since 1970.
    pub(crate) at: i64,
}

impl Terminator {
    /// Reads certificates, keys and authorities; `None` where no certificate is configured.
    ///
    /// # Errors
    /// All that is wrong with the files.
    pub(crate) fn load(tls: &Tls) -> Result<Option<Self>, TlsProblems> {
        if tls.certificates.is_empty() {
            return Ok(None);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut problems = Vec::new();
        let mut certificates = ByName::default();
        let mut expiries = Vec::new();
        for (index, certificate) in tls.certificates.iter().enumerate() {
            match certificates.add(certificate, &provider) {
                Ok(at) => {
                    expiries.push(Expiry { file: certificate.cert.display().to_string(), at })
                }
                Err(problem) => {
                    problems.push(problem.of(format!("gateway.tls.certificates[{index}]")));
                }
            }
        }
        let authorities = tls.client_auth.as_ref().map(authorities).transpose();
        let authorities = authorities
            .map_err(|problem| problems.push(problem.of("gateway.tls.client_ca".to_owned())));
        let (Ok(authorities), []) = (authorities, problems.as_slice()) else {
            return Err(TlsProblems::new(problems));
        };
        let required = tls.client_auth.as_ref().is_some_and(|auth| auth.required);
        let versions = versions(tls.min_version);
        let server = server(&provider, versions, certificates, authorities, required)
            .map_err(|error| TlsProblems::new(vec![error.of("gateway.tls".to_owned())]))?;
        Ok(Some(Self { server: Arc::new(server), expiries: expiries.into() }))
    }

    /// When each certificate ends.
    pub(crate) fn expiries(&self) -> &[Expiry] {
        &self.expiries
    }
}

/// Says all that is wrong with the files of certificates and keys.
///
/// # Errors
/// Just that.
pub fn check_certificates(tls: &Tls) -> Result<(), TlsProblems> {
    Terminator::load(tls).map(drop)
}

fn server(
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    certificates: ByName,
    authorities: Option<Arc<RootCertStore>>,
    required: bool,
) -> Result<ServerConfig, Problem> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(Problem::Tls)?;
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(authorities, Arc::clone(provider));
            let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().map_err(Problem::Verifier)?)
        }
    };
    let mut server = builder.with_cert_resolver(Arc::new(certificates));
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Sessions are resumed by tickets, under keys that all workers share and that change every few
    // hours: nothing is kept for each of them.
    server.ticketer = aws_lc_rs::Ticketer::new().map_err(Problem::Tls)?;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(server)
}

fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static NEWEST: &[&SupportedProtocolVersion] = &[&version::TLS13];
    static BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
    match min {
        TlsVersion::V1_2 => BOTH,
        TlsVersion::V1_3 => NEWEST,
    }
}

fn authorities(auth: &ClientAuth) -> Result<Arc<RootCertStore>, Problem> {
    let mut store = RootCertStore::empty();
    for certificate in read_certificates(&auth.authorities)? {
        store.add(certificate).map_err(|error| Problem::Unfit {
            file: auth.authorities.clone(),
            why: error.to_string(),
        })?;
    }
    Ok(Arc::new(store))
}
