//! A table with one user in it, for those who have no more than that.

use std::collections::HashMap;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client,
    config::Region,
    types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use serde_json::json;
use shared::{aws::Access, entropy::SystemEntropy, password::PasswordHasher, secret::Password};

use crate::{PASSWORD, failure::Failure};

/// As long as a signature, and none.
const UNSIGNED: &str = "AWS4-HMAC-SHA256 Credential=local/20260301/local/dynamodb/aws4_request, \
    SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
    Signature=0000000000000000000000000000000000000000000000000000000000000000";

/// A user by name, in a table of this name.
pub(crate) struct OneUser {
    client: Client,
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
        let connector = Access::local(engine).connector();
        Ok(Self { client, connector, engine: engine.to_owned(), table: table.to_owned() })
    }

    /// Asks for the user as [`Self::read`] does, over the connector that Tessera uses, and looks at no more of the answer
    /// than its length: what HTTP and the kernel take of a read, and nothing else.
    pub(crate) async fn ask(&self) -> Result<usize, Failure> {
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

    /// Reads the user, consistently.
    pub(crate) async fn read(&self) -> Result<HashMap<String, AttributeValue>, Failure> {
        let name = AttributeValue::S(Self::NAME.to_owned());
        let read = self.client.get_item().table_name(&self.table).key("name", name).consistent_read(true);
        Ok(read.send().await?.item.unwrap_or_default())
    }
}
