//! `[gateway.tls]`: the certificates that clients are shown, and those that they show.

use std::path::PathBuf;

use super::reader::Reader;

/// `[gateway.tls]`
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tls {
    /// Certificates with their keys. A client gets the first that is for the name it asks for,
    /// else the first of all.
    pub certificates: Vec<Certificate>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// The authorities that clients' certificates must come from.
    pub client_auth: Option<ClientAuth>,
}

/// `[[gateway.tls.certificates]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// A PEM file with the certificate, and those between it and its root.
    pub cert: PathBuf,
    /// A PEM file with its key.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// How clients are asked for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// A PEM file with the authorities' certificates.
    pub authorities: PathBuf,
    /// Whether a client without a certificate is refused.
    pub required: bool,
}

/// Reads the table; whether a listener speaks TLS is for the caller to check.
pub(super) fn read(r: &mut Reader) -> Tls {
    let certificates = r.sections("certificates", certificate).unwrap_or_default();
    let min_version = r
        .choice("min_version", &[("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)])
        .unwrap_or_default();
    let authorities = r.parsed::<String>("client_ca", "a path").map(PathBuf::from);
    let required = r.choice("client_auth", &[("optional", false), ("required", true)]);
    let client_auth = match (authorities, required) {
        (Some(authorities), required) => {
            Some(ClientAuth { authorities, required: required.unwrap_or(true) })
        }
        (None, Some(_)) => {
            r.mistake("client_ca", "is missing: client_auth checks certificates against it");
            None
        }
        (None, None) => None,
    };
    Tls { certificates, min_version, client_auth }
}

fn certificate(r: &mut Reader) -> Option<Certificate> {
    let mut path = |name| {
        let path = r.parsed::<String>(name, "a path").map(PathBuf::from);
        if path.is_none() {
            r.mistake(name, "is missing: a certificate is a cert and a key, both PEM files");
        }
        path
    };
    let (cert, key) = (path("cert"), path("key"));
    Some(Certificate { cert: cert?, key: key? })
}
