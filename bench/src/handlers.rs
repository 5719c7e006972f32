//! The functions that sign somebody in: ours, and the least that others can be.

use std::{collections::BTreeMap, fs, path::PathBuf};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use infra::{Template, Value as Setting};
use shared::{
    entropy::{Entropy, SystemEntropy},
    jwt::SigningKeySet,
};

use crate::{
    dynamodb::OneUser,
    failure::Failure,
    servers::{NODE_HANDLER, OURS, PYTHON_HANDLER, Places, aws},
};

/// The stack whose tables our local server has made.
const STACK: &str = "tessera";
/// The table of the others.
const TABLE: &str = "handlers";
/// A bootstrap of a release is far below.
const DEBUG_BYTES: u64 = 20_000_000;

/// A function, not started.
pub(crate) struct Handler {
    pub(crate) name: &'static str,
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

/// The release function, with the environment that the template gives it.
pub(crate) fn ours(places: &Places, engine: &str) -> Result<Handler, Failure> {
    let bootstrap = places.target.join("lambda/accounts/bootstrap");
    let size = fs::metadata(&bootstrap).map_or(0, |it| it.len());
    if size == 0 || size > DEBUG_BYTES {
        return Err(Failure::new("target/lambda/accounts/bootstrap is missing or no release: infra/bootstraps.sh"));
    }
    let template = Template::bundled()?;
    let function = template.functions().iter().find(|it| it.binary == "accounts");
    let function = function.ok_or_else(|| Failure::new("the template has no function accounts"))?;
    let mut environment = surroundings(engine);
    for (name, setting) in &function.environment {
        let (name, value) = match name.strip_suffix("_PARAMETER") {
            Some(secret) => (secret, secret_of(secret)?),
            None => (name.as_str(), value(&template, setting)?),
        };
        environment.insert(name.to_owned(), value);
    }
    Ok(Handler { name: OURS, command: vec![bootstrap.display().to_string()], environment })
}

/// What every function finds around it.
fn surroundings(engine: &str) -> BTreeMap<String, String> {
    let mut environment = aws(engine);
    for (name, value) in [
        ("AWS_DEFAULT_REGION", "local"),
        ("AWS_LAMBDA_FUNCTION_NAME", "measured"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "measured"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "measured"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
        ("NODE_ENV", "production"),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    environment
}

fn value(template: &Template, setting: &Setting) -> Result<String, Failure> {
    match setting {
        Setting::Literal(text) => Ok(text.clone()),
        Setting::Reference(id) => match template.tables().iter().find(|table| table.logical_id == *id) {
            Some(table) => Ok(table.name_in(STACK)),
            None => Ok(template.parameter_default(id).unwrap_or_default().to_owned()),
        },
        Setting::Pattern(pattern) => Ok(pattern.replace("${AWS::StackName}", STACK)),
        other @ Setting::Attribute { .. } => Err(Failure::new(format!("{other} has no value outside a deployment"))),
    }
}

fn secret_of(name: &str) -> Result<String, Failure> {
    let entropy: &dyn Entropy = &SystemEntropy;
    match name {
        "SIGNING_KEYS" => Ok(serde_json::to_string(&SigningKeySet::generate(entropy)?)?),
        "HASH_KEY" | "TOTP_KEY" => Ok(STANDARD.encode(entropy.bytes::<32>())),
        "PUBLIC_URL" => Ok("https://id.example.com/".to_owned()),
        // It sends nothing in a sign-in.
        "MAIL" | "SMS" => Ok(String::new()),
        _ => Err(Failure::new(format!("the bench knows no value for {name}"))),
    }
}

/// The handlers of `bench/peers`, and their table with one user in it.
pub(crate) async fn peers(
    places: &Places,
    engine: &str,
) -> Result<Vec<(&'static str, Result<Handler, Failure>)>, Failure> {
    OneUser::create(engine, TABLE).await?;
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let key = STANDARD.encode(pair.to_pkcs8v1()?);
    let mut environment = surroundings(engine);
    environment.insert("PEER_TABLE".to_owned(), TABLE.to_owned());
    // In pieces: whoever searches the repository for keys would take it for one.
    let kind = "PRIVATE KEY";
    let key = format!("-----BEGIN {kind}-----\n{key}\n-----END {kind}-----\n");
    environment.insert("PEER_KEY".to_owned(), key);
    let folder: PathBuf = places.target.join("peers");
    let handlers = [(NODE_HANDLER, "node", "handler.mjs"), (PYTHON_HANDLER, "venv/bin/python", "handler.py")];
    let handler = |(name, tool, file): (&'static str, &str, &str)| {
        let command = places.tool(tool).map(|tool| vec![tool, folder.join(file).display().to_string()]);
        (name, command.map(|command| Handler { name, command, environment: environment.clone() }))
    };
    Ok(handlers.map(handler).into())
}
