//! Reading many items at once.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::{
    Item, StorageError, Store,
    keys::{Key, Table},
};

/// The most items that one call may ask for.
const MOST: usize = 100;
/// How often in a row a call may leave keys over.
const TRIES: u32 = 8;
/// The longest pause before the second try; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

impl Store {
    /// The items under the keys, which must differ; those that are not there are left out, the others come in any
    /// order. `attributes` are all that is read of them; without any, everything is. What the engine leaves over is asked for again.
    pub(super) async fn batch_get(
        &self,
        table: Table,
        keys: impl IntoIterator<Item = Key>,
        attributes: &[&str],
        consistent: bool,
    ) -> Result<Vec<Item>, StorageError> {
        let table = self.tables.get(table)?;
        let numbered = attributes.iter().enumerate();
        let names: HashMap<_, _> = numbered.map(|(n, name)| (format!("#a{n}"), (*name).to_owned())).collect();
        let projection = (0..attributes.len()).map(|n| format!("#a{n}")).collect::<Vec<_>>().join(", ");
        let (names, projection) = if attributes.is_empty() { (None, None) } else { (Some(names), Some(projection)) };
        let mut items = Vec::new();
        let mut keys = keys.into_iter().peekable();
        while keys.peek().is_some() {
            let mut wanted: Vec<_> = keys.by_ref().take(MOST).collect();
            let mut pause = FIRST_PAUSE;
            for tries_left in (0..TRIES).rev() {
                let keys_and_attributes = KeysAndAttributes::builder()
                    .set_keys(Some(wanted))
                    .set_projection_expression(projection.clone())
                    .set_expression_attribute_names(names.clone())
                    .consistent_read(consistent)
                    .build()
                    .map_err(StorageError::from_build)?;
                let call = self.db.batch_get_item().request_items(table, keys_and_attributes);
                let answer = call.send().await.map_err(StorageError::from_sdk)?;
                items.extend(answer.responses.into_iter().flat_map(HashMap::into_values).flatten());
                wanted = answer
                    .unprocessed_keys
                    .into_iter()
                    .flat_map(HashMap::into_values)
                    .flat_map(|left_over| left_over.keys)
                    .collect();
                if wanted.is_empty() {
                    break;
                }
                if tries_left == 0 {
                    return Err(StorageError::Unavailable("keys were left over again and again".into()));
                }
                self.pause(&mut pause).await;
            }
        }
        Ok(items)
    }

    /// Waits for a random part of the pause, and doubles it.
    async fn pause(&self, pause: &mut Duration) {
        let jitter = self.entropy.below(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX));
        tokio::time::sleep(Duration::from_micros(jitter)).await;
        *pause *= 2;
    }
}
