//! A table with one user in it, for those who have no more than that.

use std::collections::HashMap;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client,
    config::Region,
    types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use shared::{entropy::SystemEntropy, password::PasswordHasher, secret::Password};

use crate::{PASSWORD, failure::Failure};

/// A user by name, in a table of this name.
pub(crate) struct OneUser {
    client: Client,
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
        Ok(Self { client, table: table.to_owned() })
    }

    /// Reads the user, consistently.
    pub(crate) async fn read(&self) -> Result<HashMap<String, AttributeValue>, Failure> {
        let name = AttributeValue::S(Self::NAME.to_owned());
        let read = self.client.get_item().table_name(&self.table).key("name", name).consistent_read(true);
        Ok(read.send().await?.item.unwrap_or_default())
    }
}
