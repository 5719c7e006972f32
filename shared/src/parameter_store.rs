//! The Systems Manager's parameter store, which keeps what a deployment must not have in its settings.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::{ErrorMetadata, display::DisplayErrorContext, metadata::ProvideErrorMetadata as _};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::aws::{Client, JsonInput, Operation};

/// A parameter as it is kept.
#[derive(Clone)]
pub struct Parameter {
    /// Its whole name.
    pub name: String,
    /// Its value, decrypted.
    pub value: String,
    /// Counts its changes.
    pub version: i64,
    /// When it was changed last.
    pub modified: Timestamp,
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parameter").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

/// Why a parameter was not read or written: which, and what the service said. Never a value.
#[derive(Debug, thiserror::Error)]
#[error("{action} of {names} failed: {cause}")]
pub struct ParameterError {
    /// The right that the call needs, for example `ssm:PutParameter`.
    pub action: &'static str,
    /// The parameters.
    pub names: String,
    /// The service's own words.
    pub cause: String,
}

/// A client of the store.
#[derive(Clone, Debug)]
pub struct ParameterStore(Client);

impl ParameterStore {
    /// The store that the client speaks to.
    pub const fn new(client: Client) -> Self {
        Self(client)
    }

    /// The name that the template gives to a stack's parameter.
    pub fn name(stack: &str, parameter: &str) -> String {
        format!("/tessera/{stack}/{parameter}")
    }

    /// Those of the parameters that exist, ten at most, in no order.
    pub async fn read(&self, names: &[String]) -> Result<Vec<Parameter>, ParameterError> {
        let call = GetParameters { names: names.to_vec(), with_decryption: true };
        let answer = self.0.send(call).await.map_err(|error| ParameterError::of("ssm:GetParameters", names, &error))?;
        Ok(answer.parameters.into_iter().map(Parameter::from).collect())
    }

    /// One parameter, if it exists.
    pub async fn find(&self, name: &str) -> Result<Option<Parameter>, ParameterError> {
        Ok(self.read(&[name.to_owned()]).await?.pop())
    }

    /// Writes an encrypted parameter that is not there yet. Says whether it was written.
    pub async fn create(&self, name: &str, secret: &str) -> Result<bool, ParameterError> {
        match self.0.send(PutParameter::encrypted(name, secret, false)).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ParameterAlreadyExists") => Ok(false),
            Err(error) => Err(ParameterError::of("ssm:PutParameter", &[name.to_owned()], &error)),
        }
    }

    /// Writes an encrypted parameter over whatever is there. Returns its new version.
    pub async fn replace(&self, name: &str, secret: &str) -> Result<i64, ParameterError> {
        let sent = self.0.send(PutParameter::encrypted(name, secret, true)).await;
        Ok(sent.map_err(|error| ParameterError::of("ssm:PutParameter", &[name.to_owned()], &error))?.version)
    }
}

impl ParameterError {
    /// With the code and the sentence of the service, or what kept the call from it.
    fn of(action: &'static str, names: &[String], error: &SdkError<ErrorMetadata, HttpResponse>) -> Self {
        let cause = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            _ => DisplayErrorContext(error).to_string(),
        };
        Self { action, names: names.join(", "), cause }
    }
}

/// A value on its way, which does not print.
#[derive(Deserialize, Serialize)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameters {
    names: Vec<String>,
    with_decryption: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    #[serde(default)]
    parameters: Vec<FoundParameter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundParameter {
    name: String,
    value: Secret,
    version: i64,
    /// Seconds since 1970.
    last_modified_date: f64,
}

impl From<FoundParameter> for Parameter {
    fn from(found: FoundParameter) -> Self {
        let FoundParameter { name, value: Secret(value), version, last_modified_date } = found;
        let since = SignedDuration::try_from_secs_f64(last_modified_date).ok();
        let modified = since.and_then(|since| Timestamp::UNIX_EPOCH.checked_add(since).ok()).unwrap_or_default();
        Self { name, value, version, modified }
    }
}

impl JsonInput for GetParameters {
    const TARGET: &'static str = "AmazonSSM.GetParameters";
    type Output = Found;

    fn model() -> &'static Operation {
        static MODEL: Operation = Operation::json::<GetParameters>();
        &MODEL
    }
}

/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutParameter {
    name: String,
    value: Secret,
    #[serde(rename = "Type")]
    kind: &'static str,
    overwrite: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    version: i64,
}

impl PutParameter {
    fn encrypted(name: &str, secret: &str, overwrite: bool) -> Self {
        Self { name: name.to_owned(), value: Secret(secret.to_owned()), kind: "SecureString", overwrite }
    }
}

impl JsonInput for PutParameter {
    const TARGET: &'static str = "AmazonSSM.PutParameter";
    type Output = Put;

    fn model() -> &'static Operation {
        static MODEL: Operation = Operation::json::<PutParameter>();
        &MODEL
    }
}
