//! Which DynamoDB a command works on. Production is never the default.

use std::{sync::Arc, time::Duration};

use aws_config::BehaviorVersion;
use aws_types::service_config::ServiceConfigKey;
use clap::Args;
use shared::{
    aws::{Access, Client, Service},
    entropy::SystemEntropy,
    storage::{Store, TableNames},
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
            Some(stack) => (operator_client(Service::DynamoDb).await?, stack.as_str()),
            None => (Access::local(&self.dynamodb_endpoint).client(Service::DynamoDb), LOCAL_STACK),
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

/// A client with the operator's own credentials and region, and at the endpoint that is configured for the service, as
/// every tool of AWS has it.
pub(crate) async fn operator_client(service: Service) -> Result<Client, Failure> {
    let settings = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let key =
        ServiceConfigKey::builder().service_id(service.id()).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let of_service = settings.service_config().zip(key.ok()).and_then(|(config, key)| config.load_config(key));
    let endpoint = of_service.or_else(|| settings.endpoint_url().map(str::to_owned));
    let no_region = || Failure::new("no region is set: AWS_REGION names one, or your profile");
    let region = settings.region().ok_or_else(no_region)?.as_ref();
    let access = Access::with_system_roots(settings.credentials_provider(), region);
    Ok(access.with_endpoint(endpoint.as_deref()).client(service))
}
