//! Creates the template's tables through the DynamoDB API, on engines that no stack can be deployed to.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::{BuildError, DisplayErrorContext, SdkError},
    operation::{
        create_table::{CreateTableError, CreateTableInput},
        describe_table::DescribeTableInput,
        update_time_to_live::UpdateTimeToLiveInput,
    },
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, LocalSecondaryIndex,
        Projection as Projected, ProjectionType, ScalarAttributeType, TableDescription, TableStatus,
        TimeToLiveSpecification,
    },
};
use shared::aws::Client;

use crate::{AttributeType, IndexScope, Key, KeyKind, Projection, Table, Template};

/// How long a table may take to be there.
const CREATION: Duration = Duration::from_mins(1);

/// Why a table was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The engine did not answer, or refused.
    #[error("{0}")]
    Engine(String),
    /// The template says something that the API cannot express.
    #[error("{0}")]
    Table(#[from] BuildError),
}

/// Creates the tables that are not there yet, named as in a stack of this name.
pub async fn create_tables(client: &Client, template: &Template, stack: &str) -> Result<(), CreateError> {
    for table in template.tables() {
        create(client, table, &table.name_in(stack)).await?;
    }
    Ok(())
}

async fn create(client: &Client, table: &Table, name: &str) -> Result<(), CreateError> {
    let mut call = CreateTableInput::builder()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key_schema(&table.keys)?));
    for (attribute, kind) in &table.attributes {
        let kind = match kind {
            AttributeType::String => ScalarAttributeType::S,
            AttributeType::Number => ScalarAttributeType::N,
            AttributeType::Binary => ScalarAttributeType::B,
        };
        let definition = AttributeDefinition::builder().attribute_name(attribute).attribute_type(kind);
        call = call.attribute_definitions(definition.build()?);
    }
    for index in &table.indexes {
        let keys = Some(key_schema(&index.keys)?);
        let projection = projected(&index.projection);
        call = match index.scope {
            IndexScope::Global => call.global_secondary_indexes(
                GlobalSecondaryIndex::builder()
                    .index_name(&index.name)
                    .set_key_schema(keys)
                    .projection(projection)
                    .build()?,
            ),
            IndexScope::Local => call.local_secondary_indexes(
                LocalSecondaryIndex::builder()
                    .index_name(&index.name)
                    .set_key_schema(keys)
                    .projection(projection)
                    .build()?,
            ),
        };
    }
    match client.send(call).await {
        // DynamoDB itself takes some seconds; emulators are done at once.
        Ok(created) => {
            if !is_active(created.table_description()) {
                wait_until_active(client, name).await?;
            }
        }
        Err(SdkError::ServiceError(error)) if matches!(error.err(), CreateTableError::ResourceInUseException(_)) => {
            return Ok(());
        }
        Err(error) => return Err(engine(&error)),
    }
    let Some(attribute) = &table.ttl_attribute else { return Ok(()) };
    let sweeping = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build()?;
    let call = UpdateTimeToLiveInput::builder().table_name(name).time_to_live_specification(sweeping);
    client.send(call).await.map_err(|error| engine(&error))?;
    Ok(())
}

fn is_active(table: Option<&TableDescription>) -> bool {
    table.and_then(TableDescription::table_status) == Some(&TableStatus::Active)
}

async fn wait_until_active(client: &Client, name: &str) -> Result<(), CreateError> {
    // Emulators call a table active as soon as they are asked.
    let (mut waited, mut pause) = (Duration::ZERO, Duration::from_millis(50));
    while waited < CREATION {
        let described = client.send(DescribeTableInput::builder().table_name(name)).await;
        if is_active(described.map_err(|error| engine(&error))?.table()) {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
    Err(CreateError::Engine(format!("{name} is not there after {} seconds", CREATION.as_secs())))
}

fn engine<E: std::error::Error + Send + Sync + 'static>(error: &E) -> CreateError {
    CreateError::Engine(DisplayErrorContext(error).to_string())
}

fn key_schema(keys: &[Key]) -> Result<Vec<KeySchemaElement>, BuildError> {
    let element = |key: &Key| {
        let kind = match key.kind {
            KeyKind::Hash => KeyType::Hash,
            KeyKind::Range => KeyType::Range,
        };
        KeySchemaElement::builder().attribute_name(&key.name).key_type(kind).build()
    };
    keys.iter().map(element).collect()
}

fn projected(projection: &Projection) -> Projected {
    let builder = Projected::builder();
    match projection {
        Projection::All => builder.projection_type(ProjectionType::All),
        Projection::KeysOnly => builder.projection_type(ProjectionType::KeysOnly),
        Projection::Include(attributes) => {
            builder.projection_type(ProjectionType::Include).set_non_key_attributes(Some(attributes.clone()))
        }
    }
    .build()
}
