//! Who a client is by its certificate.

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::config::limits;

/// The name by which exemptions and events know a client: its certificate's common name, else the
/// first of its alternative names that is a URI, a DNS name or an e-mail address, in this order.
/// A certificate with none of these, or with one that is too long or holds control characters,
/// names nobody.
pub(super) fn identity(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let common = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let name = match common.filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => alternative(&parsed)?,
    };
    let is_sane = name.len() <= limits::NAME_BYTES && !name.chars().any(char::is_control);
    is_sane.then_some(name)
}

fn alternative(certificate: &X509Certificate<'_>) -> Option<String> {
    let names = certificate.subject_alternative_name().ok()??;
    let names = &names.value.general_names;
    let first = |pick: fn(&GeneralName<'_>) -> Option<String>| names.iter().find_map(pick);
    first(|name| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    })
    .or_else(|| {
        first(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
    })
    .or_else(|| {
        first(|name| match name {
            GeneralName::RFC822Name(address) => Some((*address).to_owned()),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn identity_of(common: Option<&str>, names: Vec<SanType>) -> Option<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.subject_alt_names = names;
        identity(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn the_common_name_comes_first_and_alternative_names_stand_in() {
        let uri = || SanType::URI("spiffe://example/partner".try_into().unwrap());
        let dns = || SanType::DnsName("partner.example".try_into().unwrap());
        let mail = || SanType::Rfc822Name("ops@partner.example".try_into().unwrap());
        let known = |common, names| identity_of(common, names).unwrap();
        assert_eq!(known(Some("Partner"), vec![dns(), uri()]), "Partner");
        assert_eq!(known(None, vec![mail(), dns(), uri()]), "spiffe://example/partner");
        assert_eq!(known(None, vec![mail(), dns()]), "partner.example");
        assert_eq!(known(None, vec![mail()]), "ops@partner.example");
        assert_eq!(identity_of(None, Vec::new()), None);
        assert_eq!(identity_of(Some("a\nb"), vec![dns()]), None);
        assert_eq!(identity_of(Some(&"a".repeat(300)), Vec::new()), None);
        assert_eq!(identity(b"none"), None);
    }
}
