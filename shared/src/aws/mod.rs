//! How the service reaches AWS: whom it is, whom it trusts, how long it waits.
//!
//! A function takes its credentials from the environment that Lambda makes, and from nowhere else. It trusts the
//! roots of Amazon Trust Services, on which the endpoints of the commercial regions stand: reading the operating
//! system's bundle costs more than all the rest of a start. In other partitions (`cn-…`, `us-gov-…` and so on) it is
//! read all the same, and `CA_BUNDLE` names other roots: the path of a PEM file, or `system`.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};

use crate::config::ConfigError;

/// Amazon Root CA 1 to 4 and the older Starfield Services root, which signed them for devices that know only that one.
const AMAZON_TRUST_SERVICES: &str = include_str!("amazon_trust_services.crt");
/// How the names of the regions begin whose endpoints may stand on other roots.
const OTHER_PARTITIONS: [&str; 5] = ["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"];

/// The SDK's settings of a function, from the variables that Lambda sets.
pub fn function_settings(variable: impl Fn(&str) -> Option<String>) -> Result<SdkConfig, ConfigError> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let required = |name| variable(name).ok_or(ConfigError::Missing(name));
    let region = required("AWS_REGION")?;
    let credentials = Credentials::new(
        required("AWS_ACCESS_KEY_ID")?,
        required("AWS_SECRET_ACCESS_KEY")?,
        variable("AWS_SESSION_TOKEN"),
        None,
        "the function's environment",
    );
    let roots = Roots::of(&region, variable("CA_BUNDLE").as_deref())?;
    Ok(SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(ByScheme::new(roots))
        .retry_config(retries())
        .timeout_config(timeouts())
        .build())
}

/// The SDK's settings of the operator's commands: the ordinary chain of credentials.
pub async fn operator_settings() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest()).retry_config(retries()).timeout_config(timeouts()).load().await
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3)
}

/// A call that does not answer is given up while the client still waits for us.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build()
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Roots {
    Amazon,
    System,
    File(Vec<u8>),
}

impl Roots {
    fn of(region: &str, bundle: Option<&str>) -> Result<Self, ConfigError> {
        let invalid = |problem| ConfigError::Invalid { name: "CA_BUNDLE", problem };
        match bundle {
            Some("system") => Ok(Self::System),
            Some(path) => {
                let pem = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
                if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
                    return Err(invalid("holds no certificate in PEM".to_owned()));
                }
                Ok(Self::File(pem))
            }
            None if OTHER_PARTITIONS.iter().any(|prefix| region.starts_with(prefix)) => Ok(Self::System),
            None => Ok(Self::Amazon),
        }
    }

    fn client(&self) -> SharedHttpClient {
        let store = match self {
            Self::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_TRUST_SERVICES.as_bytes()),
            Self::System => TrustStore::default(),
            Self::File(pem) => TrustStore::empty().with_pem_certificate(pem.clone()),
        };
        let context = TlsContext::builder().with_trust_store(store).build();
        Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context.unwrap_or_else(|error| unreachable!("a context of roots alone: {error}")))
            .build_https()
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Two clients, each made when the first request asks for its scheme: who calls nothing over TLS sets none up.
#[derive(Clone, Debug)]
struct ByScheme(Arc<Clients>);

#[derive(Debug)]
struct Clients {
    roots: Roots,
    plain: OnceLock<SharedHttpClient>,
    tls: OnceLock<SharedHttpClient>,
}

impl ByScheme {
    fn new(roots: Roots) -> Self {
        Self(Arc::new(Clients { roots, plain: OnceLock::new(), tls: OnceLock::new() }))
    }

    fn client_for(&self, uri: &str) -> &SharedHttpClient {
        let Clients { roots, plain, tls } = &*self.0;
        if uri.starts_with("http://") {
            plain.get_or_init(|| Builder::new().build_http())
        } else {
            tls.get_or_init(|| roots.client())
        }
    }
}

impl HttpClient for ByScheme {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            clients: self.clone(),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

/// What the SDK holds for one request.
#[derive(Debug)]
struct Connector {
    clients: ByScheme,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.clients.client_for(request.uri());
        client.http_connector(&self.settings, &self.components).call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<SdkConfig, ConfigError> {
        function_settings(|name| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_function_has_the_credentials_of_its_environment_and_no_others() {
        let all = [("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        assert_eq!(settings(&all).unwrap().region().unwrap().as_ref(), "eu-west-1");
        for missing in 0..all.len() {
            let mut variables = all;
            variables[missing].1 = "";
            let error = settings(&variables).unwrap_err().to_string();
            assert_eq!(error, format!("{} is not set", all[missing].0));
        }
    }

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
    fn a_bundle_of_ones_own_is_a_file_of_certificates() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let bundle = format!("{folder}/src/aws/amazon_trust_services.crt");
        assert_eq!(Roots::of("eu-west-1", Some(&bundle)).unwrap(), Roots::File(AMAZON_TRUST_SERVICES.into()));
        for bad in [format!("{folder}/Cargo.toml"), format!("{folder}/nowhere.pem")] {
            assert!(matches!(Roots::of("eu-west-1", Some(&bad)), Err(ConfigError::Invalid { name: "CA_BUNDLE", .. })));
        }
    }

    #[test]
    fn tls_is_set_up_by_the_first_request_over_it() {
        let clients = ByScheme::new(Roots::Amazon);
        clients.client_for("http://127.0.0.1:8000/");
        assert!(clients.0.plain.get().is_some() && clients.0.tls.get().is_none());
        clients.client_for("https://dynamodb.eu-west-1.amazonaws.com/");
        assert!(clients.0.tls.get().is_some());
    }
}
