//! The Systems Manager's parameter store, which keeps what a deployment must not have in its settings.

use aws_sdk_ssm::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::{get_parameters::GetParametersError, put_parameter::PutParameterError},
    types::ParameterType,
};
use jiff::Timestamp;

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
        let call = self.0.get_parameters().set_names(Some(names.to_vec())).with_decryption(true);
        let answer = call.send().await.map_err(|error| refused_read(names, &error))?;
        let parameters = answer.parameters.unwrap_or_default().into_iter();
        Ok(parameters
            .filter_map(|it| {
                let modified = it.last_modified_date.and_then(|at| Timestamp::from_second(at.secs()).ok());
                let modified = modified.unwrap_or_default();
                Some(Parameter { name: it.name?, value: it.value?, version: it.version, modified })
            })
            .collect())
    }

    /// One parameter, if it exists.
    pub async fn find(&self, name: &str) -> Result<Option<Parameter>, ParameterError> {
        Ok(self.read(&[name.to_owned()]).await?.pop())
    }

    /// Writes an encrypted parameter that is not there yet. Says whether it was written.
    pub async fn create(&self, name: &str, secret: &str) -> Result<bool, ParameterError> {
        let call = self.0.put_parameter().name(name).value(secret).r#type(ParameterType::SecureString);
        match call.overwrite(false).send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutParameterError::ParameterAlreadyExists(_)) => Ok(false),
                _ => Err(refused_write(name, &error)),
            },
        }
    }

    /// Writes an encrypted parameter over whatever is there. Returns its new version.
    pub async fn replace(&self, name: &str, secret: &str) -> Result<i64, ParameterError> {
        let call = self.0.put_parameter().name(name).value(secret).r#type(ParameterType::SecureString);
        let answer = call.overwrite(true).send().await.map_err(|error| refused_write(name, &error))?;
        Ok(answer.version)
    }
}

fn refused_read(names: &[String], error: &SdkError<GetParametersError>) -> ParameterError {
    ParameterError { action: "ssm:GetParameters", names: names.join(", "), cause: said(error) }
}

fn refused_write(name: &str, error: &SdkError<PutParameterError>) -> ParameterError {
    ParameterError { action: "ssm:PutParameter", names: name.to_owned(), cause: said(error) }
}

/// The code and the sentence of the service, or what kept the call from it.
fn said<E>(error: &SdkError<E>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => DisplayErrorContext(error).to_string(),
    }
}
