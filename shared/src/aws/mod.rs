//! How the service reaches AWS: whom it is, whom it trusts, how long it waits.
//!
//! A function takes its credentials from the environment that Lambda makes, and from nowhere else. It trusts the
//! roots of Amazon Trust Services, on which the endpoints of the commercial regions stand: reading the operating
//! system's bundle costs more than all the rest of a start. In other partitions (`cn-…`, `us-gov-…` and so on) it is
//! read all the same, and `CA_BUNDLE` names other roots: the path of a PEM file, or `system`.

mod client;
mod connector;
mod json;
mod operation;
mod partitions;
mod retries;
mod signature;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};

pub use self::{
    client::Client,
    json::JsonInput,
    operation::{Call, Operation},
    retries::Retries,
};
use self::{connector::Connector, signature::Signer};
use crate::{
    config::ConfigError,
    outbound::{HttpClient, Roots},
};

/// A service that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The tables.
    DynamoDb,
    /// The parameter store.
    SystemsManager,
    /// Mail.
    Email,
    /// Text messages.
    EndUserMessaging,
}

impl Service {
    /// What the SDKs call it, where one of its settings is asked for.
    pub const fn id(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDB",
            Self::SystemsManager => "SSM",
            Self::Email => "SESv2",
            Self::EndUserMessaging => "Pinpoint SMS Voice V2",
        }
    }

    /// How its endpoints' names begin, and what signatures call it.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::DynamoDb => ("dynamodb", "dynamodb"),
            Self::SystemsManager => ("ssm", "ssm"),
            Self::Email => ("email", "ses"),
            Self::EndUserMessaging => ("sms-voice", "sms-voice"),
        }
    }
}

/// Where and as whom calls are made, and over what.
#[derive(Clone, Debug)]
pub struct Access {
    http: SharedHttpConnector,
    credentials: Option<SharedCredentialsProvider>,
    region: String,
    endpoint: Option<String>,
    retries: Retries,
}

impl Access {
    /// Calls through this connector, which must hand over answers whole. Without credentials nothing is signed.
    pub fn new(
        http: impl HttpConnector + 'static,
        credentials: Option<SharedCredentialsProvider>,
        region: impl Into<String>,
    ) -> Self {
        let http = SharedHttpConnector::new(http);
        Self { http, credentials, region: region.into(), endpoint: None, retries: Retries::standard() }
    }

    /// A function's, from the variables that Lambda sets.
    pub fn of_function(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
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
        let roots = partitions::roots(&region, variable("CA_BUNDLE").as_deref())?;
        Ok(Self::new(Connector(HttpClient::new(roots)), Some(SharedCredentialsProvider::new(credentials)), region))
    }

    /// Somebody's who is not a function: over what the operating system trusts.
    pub fn with_system_roots(credentials: Option<SharedCredentialsProvider>, region: impl Into<String>) -> Self {
        Self::new(Connector(HttpClient::new(Roots::System)), credentials, region)
    }

    /// What an engine is called with that takes any credentials.
    pub fn local(endpoint: &str) -> Self {
        let credentials = SharedCredentialsProvider::new(Credentials::from_keys("local", "local", None));
        Self::with_system_roots(Some(credentials), "local").with_endpoint(Some(endpoint))
    }

    /// The same with every service at this address. An empty one is none.
    #[must_use]
    pub fn with_endpoint(self, endpoint: Option<&str>) -> Self {
        Self { endpoint: endpoint.filter(|endpoint| !endpoint.is_empty()).map(str::to_owned), ..self }
    }

    /// The same with other [`Retries`] than the standard ones.
    #[must_use]
    pub fn with_retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// What calls go over.
    pub fn connector(&self) -> SharedHttpConnector {
        self.http.clone()
    }

    /// A client of the service.
    pub fn client(&self, service: Service) -> Client {
        let (prefix, signing_name) = service.names();
        let signer = self.credentials.clone().map(|provider| Signer::new(provider, &self.region, signing_name));
        let of_region = || format!("https://{prefix}.{}.{}", self.region, partitions::domain(&self.region));
        let endpoint = self.endpoint.clone().unwrap_or_else(of_region);
        Client::new(self.http.clone(), &endpoint, signer, self.retries.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(variables: &[(&str, &str)]) -> Result<Access, ConfigError> {
        Access::of_function(|name| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_function_has_the_credentials_of_its_environment_and_no_others() {
        let all = [("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        assert_eq!(access(&all).unwrap().region, "eu-west-1");
        for missing in 0..all.len() {
            let mut variables = all;
            variables[missing].1 = "";
            let error = access(&variables).unwrap_err().to_string();
            assert_eq!(error, format!("{} is not set", all[missing].0));
        }
    }

    /// Where the SDK's own rules have a service.
    macro_rules! expected {
        ($sdk:ident, $region:expr) => {{
            use $sdk::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
            let params = Params::builder().region($region).build().unwrap();
            DefaultResolver::new().resolve_endpoint(&params).await.unwrap().url().to_owned()
        }};
    }

    #[tokio::test]
    async fn endpoints_are_where_the_sdk_has_them() {
        for region in [
            "eu-west-1",
            "ap-southeast-1",
            "us-east-1",
            "il-central-1",
            "mx-central-1",
            "cn-north-1",
            "cn-northwest-1",
            "us-gov-west-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "us-isof-south-1",
            "eu-isoe-west-1",
            "eusc-de-east-1",
        ] {
            let access = Access::with_system_roots(None, region);
            let endpoint = |service| access.client(service).endpoint().to_owned();
            assert_eq!(endpoint(Service::DynamoDb), expected!(aws_sdk_dynamodb, region), "{region}");
            assert_eq!(endpoint(Service::SystemsManager), expected!(aws_sdk_ssm, region), "{region}");
            #[cfg(feature = "ses")]
            assert_eq!(endpoint(Service::Email), expected!(aws_sdk_sesv2, region), "{region}");
            #[cfg(feature = "end-user-messaging")]
            assert_eq!(endpoint(Service::EndUserMessaging), expected!(aws_sdk_pinpointsmsvoicev2, region), "{region}");
        }
    }
}
