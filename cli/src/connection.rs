//! Which DynamoDB a command works on. Production is never the default.

use std::{sync::Arc, time::Duration};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{Client, config::Region};
use clap::Args;
use shared::{
    aws, config,
    entropy::SystemEntropy,
    storage::{RetryConflicts, Store, TableNames},
};

use crate::failure::Failure;

/// The stack whose table names the local engine uses.
pub(crate) const LOCAL_STACK: &str = "tessera";

/// Where the data is.
#[derive(Args)]
pub(crate) struct Connection {
    /// Work on this DynamoDB endpoint
    #[arg(long, global = true, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    dynamodb_endpoint: String,
    /// Work on the deployed stack of this name instead, with your AWS credentials
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "dynamodb_endpoint")]
    stack: Option<String>,
}

impl Connection {
    pub(crate) async fn open(&self) -> Result<Store, Failure> {
        let (client, stack) = match &self.stack {
            Some(stack) => (config::dynamodb(&aws::operator_settings().await, None), stack.as_str()),
            None => (local_client(&self.dynamodb_endpoint), LOCAL_STACK),
        };
        let store = Store::new(client, TableNames::of_stack(stack), None, Duration::ZERO, Arc::new(SystemEntropy));
        if self.stack.is_none() {
            store.check_apps_table().await.map_err(|error| {
                let endpoint = &self.dynamodb_endpoint;
                Failure::new(format!(
                    "no local data at {endpoint}: is `tessera dev` running? ({error}) \
                     Use --dynamodb-endpoint for another address, --stack for a deployed stack."
                ))
            })?;
        }
        Ok(store)
    }
}

/// A client for an engine that takes any credentials.
pub(crate) fn local_client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version_latest()
        .region(Region::from_static("local"))
        .credentials_provider(Credentials::from_keys("local", "local", None))
        .endpoint_url(endpoint)
        .retry_classifier(RetryConflicts)
        .build();
    Client::from_conf(config)
}
