//! A table with one user in it, for those who have no more than that.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client,
    config::Region,
    operation::get_item::GetItemInput,
    types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use clap::ValueEnum;
use serde_json::json;
use shared::{
    aws::{self, Access, Service},
    entropy::SystemEntropy,
    password::PasswordHasher,
    secret::Password,
};

use crate::{PASSWORD, failure::Failure};

/// As long as a signature, and none.
const UNSIGNED: &str = "AWS4-HMAC-SHA256 Credential=local/20260301/local/dynamodb/aws4_request, \
    SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
    Signature=0000000000000000000000000000000000000000000000000000000000000000";

/// How an item is read.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Reading {
    /// Through the SDK's client, as most services in Rust do.
    Sdk,
    /// Through the client that Tessera has instead.
    Ours,
    /// Over the connection that Tessera has, without signing what is asked or understanding what is answered.
    Unread,
}

/// A user by name, in a table of this name.
pub(crate) struct OneUser {
    client: Client,
    ours: aws::Client,
    connector: SharedHttpConnector,
    engine: String,
    table: String,
}

impl OneUser {
    pub(crate) const NAME: &str = "user0";

    /// Makes the table and the user.
    pub(crate) async fn create(engine: &str, table: &str) -> Result<Self, Failure> {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(Region::from_static("local"))
            .credentials_provider(Credentials::from_keys("local", "local", None))
            .endpoint_url(engine)
            .build();
        let client = Client::from_conf(config);
        let attribute = AttributeDefinition::builder().attribute_name("name").attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name("name").key_type(KeyType::Hash);
        let creation = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        creation.attribute_definitions(attribute.build()?).key_schema(key.build()?).send().await?;
        let hash = PasswordHasher::new().hash(&Password::new(PASSWORD), &SystemEntropy).await;
        let user = client.put_item().table_name(table).item("name", AttributeValue::S(Self::NAME.to_owned()));
        user.item("hash", AttributeValue::S(hash)).send().await?;
        let access = Access::local(engine);
        let (ours, connector) = (access.client(Service::DynamoDb), access.connector());
        Ok(Self { client, ours, connector, engine: engine.to_owned(), table: table.to_owned() })
    }

    /// Reads the user, consistently. Says how many members the item has, or how many bytes the answer.
    pub(crate) async fn read(&self, by: Reading) -> Result<usize, Failure> {
        let name = AttributeValue::S(Self::NAME.to_owned());
        let item = match by {
            Reading::Sdk => {
                let read = self.client.get_item().table_name(&self.table).key("name", name).consistent_read(true);
                read.send().await?.item
            }
            Reading::Ours => {
                let read = GetItemInput::builder().table_name(&self.table).key("name", name).consistent_read(true);
                self.ours.send(read).await?.item
            }
            Reading::Unread => return self.ask().await,
        };
        Ok(item.unwrap_or_default().len())
    }

    /// Asks for the user as the others do, and looks at no more of the answer than its length: what HTTP and the kernel
    /// take of a read, and nothing else.
    async fn ask(&self) -> Result<usize, Failure> {
        let key = json!({ "name": { "S": Self::NAME } });
        let input = json!({ "TableName": self.table, "Key": key, "ConsistentRead": true });
        let mut request = HttpRequest::new(SdkBody::from(input.to_string()));
        request.set_method("POST")?;
        request.set_uri(self.engine.as_str())?;
        let headers = request.headers_mut();
        headers.insert("content-type", "application/x-amz-json-1.0");
        headers.insert("x-amz-target", "DynamoDB_20120810.GetItem");
        headers.insert("authorization", UNSIGNED);
        let answer = self.connector.call(request).await?;
        Ok(answer.body().bytes().map_or(0, <[u8]>::len))
    }
}
