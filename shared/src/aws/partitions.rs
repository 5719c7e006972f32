//! Where a region's endpoints are, and on whose certificates they stand.

use crate::{config::ConfigError, outbound::Roots};

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

/// Whose certificates are believed in a region, with the value of `CA_BUNDLE`.
pub(super) fn roots(region: &str, bundle: Option<&str>) -> Result<Roots, ConfigError> {
    match bundle {
        Some("system") => Ok(Roots::System),
        Some(path) => Roots::read(path).map_err(|problem| ConfigError::Invalid { name: "CA_BUNDLE", problem }),
        None if partition(region).is_some() => Ok(Roots::System),
        None => Ok(Roots::Amazon),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commercial_regions_stand_on_amazons_roots_and_others_on_the_systems() {
        for region in ["eu-west-1", "ap-southeast-1", "us-east-1", "local"] {
            assert_eq!(roots(region, None).unwrap(), Roots::Amazon, "{region}");
        }
        for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1"] {
            assert_eq!(roots(region, None).unwrap(), Roots::System, "{region}");
        }
    }

    #[test]
    fn the_operator_may_name_other_roots() {
        assert_eq!(roots("eu-west-1", Some("system")).unwrap(), Roots::System);
        let file = format!("{}/src/outbound/amazon_trust_services.crt", env!("CARGO_MANIFEST_DIR"));
        assert!(matches!(roots("cn-north-1", Some(&file)).unwrap(), Roots::File(_)));
        let bad = roots("eu-west-1", Some("/nowhere.pem"));
        assert!(matches!(bad, Err(ConfigError::Invalid { name: "CA_BUNDLE", .. })), "{bad:?}");
    }
}
