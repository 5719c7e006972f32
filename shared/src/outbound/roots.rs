//! Whose certificates are believed.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Amazon Root CA 1 to 4 and the older Starfield Services root, which signed them for devices that know only that one.
const AMAZON_TRUST_SERVICES: &str = include_str!("amazon_trust_services.crt");

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those of Amazon Trust Services, on which the endpoints of AWS stand.
    Amazon,
    /// Those that the operating system trusts. Reading them takes more than all the rest of a function's start.
    System,
    /// Those of a PEM text.
    File(Vec<u8>),
}

impl Roots {
    /// The certificates of a PEM file. The error says what is wrong with it.
    pub fn read(path: &str) -> Result<Self, String> {
        let pem = std::fs::read(path).map_err(|error| error.to_string())?;
        if parse(&pem).roots.is_empty() {
            return Err("holds no certificate in PEM".to_owned());
        }
        Ok(Self::File(pem))
    }

    /// The certificates themselves.
    pub(super) fn store(&self) -> RootCertStore {
        match self {
            Self::Amazon => parse(AMAZON_TRUST_SERVICES.as_bytes()),
            Self::System => {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                store
            }
            Self::File(pem) => parse(pem),
        }
    }
}

/// The certificates of a PEM text that can be read.
fn parse(pem: &[u8]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_of_amazon_is_read() {
        let bundled = AMAZON_TRUST_SERVICES.matches("BEGIN CERTIFICATE").count();
        assert_eq!((Roots::Amazon.store().len(), bundled), (5, 5));
    }

    #[test]
    fn a_bundle_of_ones_own_is_a_file_of_certificates() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let roots = Roots::read(&format!("{folder}/src/outbound/amazon_trust_services.crt")).unwrap();
        assert_eq!(roots, Roots::File(AMAZON_TRUST_SERVICES.into()));
        assert_eq!(roots.store().len(), 5);
        assert_eq!(Roots::read(&format!("{folder}/Cargo.toml")).unwrap_err(), "holds no certificate in PEM");
        Roots::read(&format!("{folder}/nowhere.pem")).unwrap_err();
    }
}
