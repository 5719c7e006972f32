//! What the service asks of AWS, most of it as the SDK models it.

use std::{error::Error as StdError, sync::OnceLock};

use aws_smithy_runtime_api::client::{
    interceptors::context::{Error, Input},
    runtime_plugin::RuntimePlugin,
    ser_de::{SharedRequestSerializer, SharedResponseDeserializer},
};
use aws_smithy_types::{
    config_bag::FrozenLayer,
    error::{ErrorMetadata, metadata::ProvideErrorMetadata, operation::BuildError},
};

use super::json::{self, JsonInput};

/// The input of an operation, in the making.
pub trait Call {
    /// What comes back.
    type Output: Send + Sync + std::fmt::Debug + 'static;
    /// What the service may say instead.
    type Error: StdError + ProvideErrorMetadata + Send + Sync + 'static;

    /// What is known of the operation.
    fn operation() -> &'static Operation;

    /// The input, if it is complete.
    fn into_input(self) -> Result<Input, BuildError>;
}

/// What is known of an operation: how its input is written and its answer read.
#[derive(Debug)]
pub struct Operation {
    model: fn() -> FrozenLayer,
    layer: OnceLock<FrozenLayer>,
    /// The code of an error of this operation.
    pub(super) code: fn(&Error) -> Option<&str>,
}

impl Operation {
    const fn new(model: fn() -> FrozenLayer, code: fn(&Error) -> Option<&str>) -> Self {
        Self { model, layer: OnceLock::new(), code }
    }

    /// An operation that the SDK is not asked about.
    pub const fn json<I: JsonInput>() -> Self {
        Self::new(json::model::<I>, code::<ErrorMetadata>)
    }

    fn layer(&self) -> &FrozenLayer {
        self.layer.get_or_init(self.model)
    }

    pub(super) fn serializer(&self) -> &SharedRequestSerializer {
        let missing = || unreachable!("every operation has a serialiser");
        self.layer().load::<SharedRequestSerializer>().unwrap_or_else(missing)
    }

    pub(super) fn deserializer(&self) -> &SharedResponseDeserializer {
        let missing = || unreachable!("every operation has a deserialiser");
        self.layer().load::<SharedResponseDeserializer>().unwrap_or_else(missing)
    }
}

/// What the SDK knows of one of its operations.
fn of_sdk(operation: &dyn RuntimePlugin) -> FrozenLayer {
    operation.config().unwrap_or_else(|| unreachable!("every operation of the SDK has a configuration"))
}

/// The code of an error that is of this type.
fn code<E: StdError + ProvideErrorMetadata + Send + Sync + 'static>(error: &Error) -> Option<&str> {
    error.downcast_ref::<E>().and_then(ProvideErrorMetadata::code)
}

/// Makes calls of the operations' input builders.
macro_rules! calls {
    ($($module:path: $operation:ident, $builder:ident -> $output:ident, $error:ident;)+) => {$(const _: () = {
        use $module::{$error, $operation, $output, builders::$builder};

        impl Call for $builder {
            type Output = $output;
            type Error = $error;

            fn operation() -> &'static Operation {
                static OPERATION: Operation = Operation::new(|| of_sdk(&$operation::new()), code::<$error>);
                &OPERATION
            }

            fn into_input(self) -> Result<Input, BuildError> {
                self.build().map(Input::erase)
            }
        }
    };)+};
}

calls! {
    aws_sdk_dynamodb::operation::batch_get_item:
        BatchGetItem, BatchGetItemInputBuilder -> BatchGetItemOutput, BatchGetItemError;
    aws_sdk_dynamodb::operation::create_table:
        CreateTable, CreateTableInputBuilder -> CreateTableOutput, CreateTableError;
    aws_sdk_dynamodb::operation::delete_item: DeleteItem, DeleteItemInputBuilder -> DeleteItemOutput, DeleteItemError;
    aws_sdk_dynamodb::operation::describe_table:
        DescribeTable, DescribeTableInputBuilder -> DescribeTableOutput, DescribeTableError;
    aws_sdk_dynamodb::operation::get_item: GetItem, GetItemInputBuilder -> GetItemOutput, GetItemError;
    aws_sdk_dynamodb::operation::put_item: PutItem, PutItemInputBuilder -> PutItemOutput, PutItemError;
    aws_sdk_dynamodb::operation::query: Query, QueryInputBuilder -> QueryOutput, QueryError;
    aws_sdk_dynamodb::operation::scan: Scan, ScanInputBuilder -> ScanOutput, ScanError;
    aws_sdk_dynamodb::operation::transact_write_items:
        TransactWriteItems, TransactWriteItemsInputBuilder -> TransactWriteItemsOutput, TransactWriteItemsError;
    aws_sdk_dynamodb::operation::update_item:
        UpdateItem, UpdateItemInputBuilder -> UpdateItemOutput, UpdateItemError;
    aws_sdk_dynamodb::operation::update_time_to_live:
        UpdateTimeToLive, UpdateTimeToLiveInputBuilder -> UpdateTimeToLiveOutput, UpdateTimeToLiveError;
}
#[cfg(feature = "ses")]
calls! {
    aws_sdk_sesv2::operation::send_email: SendEmail, SendEmailInputBuilder -> SendEmailOutput, SendEmailError;
}
#[cfg(feature = "end-user-messaging")]
calls! {
    aws_sdk_pinpointsmsvoicev2::operation::send_text_message:
        SendTextMessage, SendTextMessageInputBuilder -> SendTextMessageOutput, SendTextMessageError;
}
