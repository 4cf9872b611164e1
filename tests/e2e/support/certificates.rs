//! An authority of the tests, and the certificates that it issues.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use leakgate::config::{Certificate, ClientAuth, Tls};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::gateway::Running;
use super::soon;

/// Files of certificates in a folder of their own.
pub struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key.
pub struct Issued {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub der: CertificateDer<'static>,
}

impl Authority {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The authority's own certificate.
    pub fn pem(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for these names, in files with this one.
    pub fn issue(&self, file: &str, names: &[&str]) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.sign(file, CertificateParams::new(names).unwrap())
    }

    /// A client's certificate with this common name.
    pub fn issue_to_client(&self, common: &str) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common);
        self.sign(common, params)
    }

    fn sign(&self, file: &str, params: CertificateParams) -> Issued {
        let key_pair = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key_pair, &self.issuer).unwrap();
        let cert = self.folder.path().join(format!("{file}.pem"));
        let key = self.folder.path().join(format!("{file}.key"));
        std::fs::write(&cert, certificate.pem()).unwrap();
        std::fs::write(&key, key_pair.serialize_pem()).unwrap();
        Issued { cert, key, der: certificate.der().clone() }
    }

    /// The client's side, without a certificate of its own.
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::new(self.trusting().with_no_client_auth())
    }

    /// The client's side, with a certificate.
    pub fn client_with(&self, issued: &Issued) -> Arc<ClientConfig> {
        let key = PrivateKeyDer::from_pem_file(&issued.key).unwrap();
        Arc::new(self.trusting().with_client_auth_cert(vec![issued.der.clone()], key).unwrap())
    }

    fn trusting(&self) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.pem()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
    }
}

impl Issued {
    pub fn configured(&self) -> Certificate {
        Certificate { cert: self.cert.clone(), key: self.key.clone() }
    }
}

/// TLS with these certificates.
pub fn tls(certificates: &[&Issued]) -> Tls {
    let certificates = certificates.iter().map(|issued| issued.configured()).collect();
    Tls { certificates, ..Tls::default() }
}

/// Clients' certificates from this authority, optional or required.
pub fn client_auth(authority: &Authority, required: bool) -> Option<ClientAuth> {
    Some(ClientAuth { authorities: authority.pem(), required })
}

/// Connects over TLS and asks for this name.
pub async fn connect(
    gateway: &Running,
    client: Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    connect_behind(gateway, client, name, &[]).await
}

/// The same, behind these bytes.
pub async fn connect_behind(
    gateway: &Running,
    client: Arc<ClientConfig>,
    name: &str,
    before: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut tcp = soon("connecting", TcpStream::connect(gateway.address)).await?;
    tcp.write_all(before).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    soon("the handshake", TlsConnector::from(client).connect(name, tcp)).await
}
