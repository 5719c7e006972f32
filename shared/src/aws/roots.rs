//! Whose certificates are believed, and where a region's endpoints are.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::config::ConfigError;

/// Amazon Root CA 1 to 4 and the older Starfield Services root, which signed them for devices that know only that one.
const AMAZON_TRUST_SERVICES: &str = include_str!("amazon_trust_services.crt");
/// Under which domain the endpoints of the commercial regions are.
const COMMERCIAL: &str = "amazonaws.com";
/// The other partitions, whose endpoints may stand on other roots: how their regions' names begin, and their domain. A
/// name is looked up from the top.
const OTHER_PARTITIONS: [(&str, &str); 8] = [
    ("cn-", "amazonaws.com.cn"),
    ("us-gov-", COMMERCIAL),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eu-iso", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
];

fn partition(region: &str) -> Option<&'static str> {
    OTHER_PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix)).map(|(_, domain)| *domain)
}

/// The domain of a region's endpoints.
pub(super) fn domain(region: &str) -> &'static str {
    partition(region).unwrap_or(COMMERCIAL)
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    Amazon,
    System,
    File(Vec<u8>),
}

impl Roots {
    /// Those of a region, or of the value of `CA_BUNDLE`.
    pub(super) fn of(region: &str, bundle: Option<&str>) -> Result<Self, ConfigError> {
        let invalid = |problem| ConfigError::Invalid { name: "CA_BUNDLE", problem };
        match bundle {
            Some("system") => Ok(Self::System),
            Some(path) => {
                let pem = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
                if read(&pem).roots.is_empty() {
                    return Err(invalid("holds no certificate in PEM".to_owned()));
                }
                Ok(Self::File(pem))
            }
            None if partition(region).is_some() => Ok(Self::System),
            None => Ok(Self::Amazon),
        }
    }

    /// The certificates themselves.
    pub(super) fn store(&self) -> RootCertStore {
        match self {
            Self::Amazon => read(AMAZON_TRUST_SERVICES.as_bytes()),
            Self::System => {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                store
            }
            Self::File(pem) => read(pem),
        }
    }
}

/// The certificates of a PEM text that can be read.
fn read(pem: &[u8]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commercial_regions_stand_on_amazons_roots_and_others_on_the_systems() {
        for region in ["eu-west-1", "ap-southeast-1", "us-east-1", "local"] {
            assert_eq!(Roots::of(region, None).unwrap(), Roots::Amazon, "{region}");
        }
        for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1"] {
            assert_eq!(Roots::of(region, None).unwrap(), Roots::System, "{region}");
        }
        assert_eq!(Roots::of("eu-west-1", Some("system")).unwrap(), Roots::System);
    }

    #[test]
    fn every_root_of_amazon_is_read() {
        let bundled = AMAZON_TRUST_SERVICES.matches("BEGIN CERTIFICATE").count();
        assert_eq!((Roots::Amazon.store().len(), bundled), (5, 5));
    }

    #[test]
    fn a_bundle_of_ones_own_is_a_file_of_certificates() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let bundle = format!("{folder}/src/aws/amazon_trust_services.crt");
        let roots = Roots::of("eu-west-1", Some(&bundle)).unwrap();
        assert_eq!(roots, Roots::File(AMAZON_TRUST_SERVICES.into()));
        assert_eq!(roots.store().len(), 5);
        for bad in [format!("{folder}/Cargo.toml"), format!("{folder}/nowhere.pem")] {
            assert!(matches!(Roots::of("eu-west-1", Some(&bad)), Err(ConfigError::Invalid { name: "CA_BUNDLE", .. })));
        }
    }
}
