//! `tessera key`: the secrets of a deployed stack, made here and kept in its parameter store.

use aws_sdk_ssm::{Client, operation::put_parameter::PutParameterError, types::ParameterType};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Subcommand;
use serde_json::{Value, json};
use shared::{
    config,
    entropy::{Entropy, SystemEntropy},
    jwt::{KeyRing, SigningKeySet},
};

use crate::failure::Failure;

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make the secrets that a new stack needs; what is there already stays
    Init {
        /// The name of the stack
        #[arg(long, value_name = "NAME")]
        stack: String,
    },
}

pub(crate) async fn run(command: KeyCommand) -> Result<Value, Failure> {
    let KeyCommand::Init { stack } = command;
    let ssm = Client::new(&config::aws_config(None).await);
    let entropy: &dyn Entropy = &SystemEntropy;
    let mut made = Vec::new();
    let mut kept = Vec::new();
    let mut keep = |name: String, is_new: bool| if is_new { made.push(name) } else { kept.push(name) };

    let signing = parameter(&stack, "signing-keys");
    let new_keys = serde_json::to_string(&SigningKeySet::generate(entropy)?)?;
    let is_new = put(&ssm, &signing, &new_keys, false).await?;
    let signing_keys = if is_new { new_keys } else { get(&ssm, &signing).await? };
    keep(signing, is_new);
    // The public half fits the private one: beside new keys an older one must go.
    let verification = parameter(&stack, "verification-keys");
    let public = KeyRing::signing(&signing_keys)?.verification_keys();
    let is_public_new = put(&ssm, &verification, &public, is_new).await?;
    keep(verification, is_public_new);
    for name in ["hash-key", "totp-key"] {
        let key = parameter(&stack, name);
        let is_new = put(&ssm, &key, &STANDARD.encode(entropy.bytes::<32>()), false).await?;
        keep(key, is_new);
    }
    Ok(json!({ "stack": stack, "made": made, "kept": kept }))
}

/// The names that the template gives to the stack's parameters.
fn parameter(stack: &str, name: &str) -> String {
    format!("/tessera/{stack}/{name}")
}

async fn get(ssm: &Client, name: &str) -> Result<String, Failure> {
    let answer = ssm.get_parameter().name(name).with_decryption(true).send().await?;
    let value = answer.parameter.and_then(|parameter| parameter.value);
    value.ok_or_else(|| Failure::new(format!("{name} has no value")))
}

/// Writes a secret; without `overwrite`, one that is there stays. Tells whether it was written.
async fn put(ssm: &Client, name: &str, value: &str, overwrite: bool) -> Result<bool, Failure> {
    let call = ssm.put_parameter().name(name).value(value).r#type(ParameterType::SecureString).overwrite(overwrite);
    match call.send().await {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error() {
            Some(PutParameterError::ParameterAlreadyExists(_)) => Ok(false),
            _ => Err(error.into()),
        },
    }
}
