//! `tls` of an upstream: whom it trusts, and who the gateway says it is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::Protocol;
use crate::config::reader::Reader;

/// How `https://` servers are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name that the server's certificate must have; absent: the server's host.
    pub server_name: Option<String>,
    /// Whether any certificate is taken. Said loudly at each start.
    pub insecure_skip_verify: bool,
    /// What is made of these and of the files: trust, identity, protocols.
    pub client: TlsClient,
}

/// rustls' settings, equal where they were made of the same files and keys.
#[derive(Clone)]
pub struct TlsClient {
    made_of: [u8; 32],
    /// With the protocols that the upstream's `protocol` asks for.
    pub any: Arc<ClientConfig>,
    /// With HTTP/1.1 alone, for WebSocket.
    pub http1: Arc<ClientConfig>,
}

impl PartialEq for TlsClient {
    fn eq(&self, other: &Self) -> bool {
        self.made_of == other.made_of
    }
}

impl Eq for TlsClient {}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

/// Reads the section; each file that cannot be used is a mistake of its key.
pub(super) fn tls(r: &mut Reader, protocol: Protocol) -> Option<UpstreamTls> {
    let server_name: Option<String> = r.parsed("server_name", "a host name");
    if let Some(name) = &server_name
        && ServerName::try_from(name.as_str()).is_err()
    {
        r.mistake("server_name", format!("must be a host name or an address, but is {name:?}"));
    }
    let insecure = r.boolean("insecure_skip_verify").unwrap_or(false);
    let mut made_of = digest::Context::new(&digest::SHA256);
    made_of.update(&[u8::from(insecure), protocol as u8]);
    let ca = file(r, "ca", &mut made_of);
    let cert = file(r, "cert", &mut made_of);
    let key = file(r, "key", &mut made_of);
    let roots = match ca {
        Some(ca) => trusted(r, &ca?),
        None if insecure => Some(RootCertStore::empty()),
        None => of_system(r),
    };
    let identity = match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some(identity(r, &cert?, &key?)?),
        (Some(_), None) => {
            r.mistake("key", "is missing: the private key of cert");
            return None;
        }
        (None, Some(_)) => {
            r.mistake("cert", "is missing: the certificate of key");
            return None;
        }
    };
    let client = client(r, roots?, identity, insecure)?;
    let with = |protocols: &[&[u8]]| {
        let mut client = client.clone();
        client.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(client)
    };
    let any = with(match protocol {
        Protocol::Auto => &[b"h2", b"http/1.1"],
        Protocol::Http1 => &[b"http/1.1"],
        Protocol::Http2 => &[b"h2"],
    });
    let mut of = [0; 32];
    of.copy_from_slice(made_of.finish().as_ref());
    let client = TlsClient { made_of: of, any, http1: with(&[b"http/1.1"]) };
    Some(UpstreamTls { server_name, insecure_skip_verify: insecure, client })
}

type Pem = zeroize::Zeroizing<Vec<u8>>;

/// The content of the file that a key names: absent, or absent with a mistake, or there.
fn file(r: &mut Reader, key: &'static str, made_of: &mut digest::Context) -> Option<Option<Pem>> {
    let path = PathBuf::from(r.parsed::<String>(key, "the path of a PEM file")?);
    let content = read(r, key, &path);
    if let Some(content) = &content {
        made_of.update(key.as_bytes());
        made_of.update(&(content.len() as u64).to_le_bytes());
        made_of.update(content);
    }
    Some(content)
}

fn read(r: &mut Reader, key: &'static str, path: &Path) -> Option<Pem> {
    match std::fs::read(path) {
        Ok(content) => Some(Pem::new(content)),
        Err(error) => {
            r.mistake(key, format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

fn certificates(
    r: &mut Reader,
    key: &'static str,
    pem: &Pem,
) -> Option<Vec<CertificateDer<'static>>> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(list) if !list.is_empty() => Some(list),
        Ok(_) => {
            r.mistake(key, "has no certificate in it (PEM, BEGIN CERTIFICATE)");
            None
        }
        Err(error) => {
            r.mistake(key, format!("is no PEM: {error}"));
            None
        }
    }
}

fn trusted(r: &mut Reader, pem: &Pem) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(r, "ca", pem)? {
        if let Err(error) = roots.add(certificate) {
            r.mistake("ca", format!("has a certificate that cannot be trusted: {error}"));
            return None;
        }
    }
    Some(roots)
}

fn of_system(r: &mut Reader) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // One that is malformed does not take the others with it.
    let (added, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        r.mistake(
            "ca",
            "is missing, and the system trusts no certificates: name a file, or install the \
             system's (ca-certificates)",
        );
        return None;
    }
    Some(roots)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(r: &mut Reader, cert: &Pem, key: &Pem) -> Option<Identity> {
    let chain = certificates(r, "cert", cert)?;
    match PrivateKeyDer::from_pem_slice(key) {
        Ok(key) => Some((chain, key)),
        Err(_) => {
            // The error is not shown: it may tell of the key's text.
            r.mistake("key", "has no private key in it (PEM, PKCS #8, PKCS #1 or SEC 1)");
            None
        }
    }
}

fn client(
    r: &mut Reader,
    roots: RootCertStore,
    identity: Option<Identity>,
    insecure: bool,
) -> Option<ClientConfig> {
    let provider = Arc::new(provider::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = match builder.with_safe_default_protocol_versions() {
        Ok(builder) => builder,
        Err(error) => {
            r.mistake("ca", error.to_string());
            return None;
        }
    };
    let builder = if insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        match verifier {
            Ok(verifier) => builder.with_webpki_verifier(verifier),
            Err(error) => {
                r.mistake("ca", error.to_string());
                return None;
            }
        }
    };
    let Some((chain, key)) = identity else { return Some(builder.with_no_client_auth()) };
    match builder.with_client_auth_cert(chain, key) {
        Ok(client) => Some(client),
        Err(error) => {
            r.mistake("cert", format!("and key do not go together: {error}"));
            None
        }
    }
}

/// Takes any certificate, of whose key the server has the private part.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
