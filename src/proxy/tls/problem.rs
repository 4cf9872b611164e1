//! What is wrong with files of certificates and keys, all of it at once.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::server::VerifierBuilderError;

use crate::config::Mistake;

/// Why TLS cannot be spoken as configured: everything that is wrong with certificates and keys.
#[derive(Debug, thiserror::Error)]
#[error("TLS has {} mistake(s):\n{}", .0.len(), lines(.0))]
pub struct TlsProblems(Vec<Mistake>);

impl TlsProblems {
    pub(super) fn new(problems: Vec<Mistake>) -> Self {
        Self(problems)
    }
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("  {mistake}")).collect::<Vec<_>>().join("\n")
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("cannot read {}: {why}", file.display())]
    Unreadable { file: PathBuf, why: String },
    #[error("{} holds no {what}: it must be a PEM file with one", file.display())]
    Nothing { file: PathBuf, what: &'static str },
    #[error("{} cannot be used: {why}", file.display())]
    Unfit { file: PathBuf, why: String },
    #[error("{} is not the key of {}", key.display(), cert.display())]
    Mismatch { cert: PathBuf, key: PathBuf },
    #[error("{0}")]
    Tls(rustls::Error),
    #[error("{0}")]
    Verifier(VerifierBuilderError),
}

impl Problem {
    /// As a mistake of this key.
    pub(super) fn of(self, key: String) -> Mistake {
        Mistake { key, problem: self.to_string() }
    }

    pub(super) fn of_pem(file: &Path, what: &'static str, error: pem::Error) -> Self {
        let file = file.to_owned();
        match error {
            pem::Error::NoItemsFound => Self::Nothing { file, what },
            pem::Error::Io(error) => Self::Unreadable { file, why: error.to_string() },
            // What pem::Error says of a key could show parts of it.
            _ => Self::Unfit { file, why: "it is no well-formed PEM".to_owned() },
        }
    }
}

/// The certificates of a PEM file, in its order; at least one.
pub(super) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let failed = |error| Problem::of_pem(file, "certificate", error);
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if certificates.is_empty() {
        return Err(Problem::Nothing { file: file.to_owned(), what: "certificate" });
    }
    Ok(certificates)
}
