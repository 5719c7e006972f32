//! Reading many items at once.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    operation::batch_get_item::BatchGetItemInput,
    types::{KeysAndAttributes, builders::KeysAndAttributesBuilder},
};

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
    /// order. `attributes` are all that is read of them; without any, everything is.
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
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(keys.by_ref().take(MOST).collect()))
                .set_projection_expression(projection.clone())
                .set_expression_attribute_names(names.clone())
                .consistent_read(consistent)
                .build()
                .map_err(StorageError::from_build)?;
            items.extend(self.fetch(HashMap::from([(table.to_owned(), wanted)])).await?);
        }
        Ok(items)
    }

    /// The items under the keys, which must differ, in one call and in the keys' order. Each key comes with whether it is
    /// read consistently; a table of which one item is, is read so altogether.
    pub(super) async fn get_each(&self, wanted: &[(Table, Key, bool)]) -> Result<Vec<Option<Item>>, StorageError> {
        if let [(table, key, consistent)] = wanted {
            return Ok(vec![self.get_item(*table, key.clone(), *consistent).await?]);
        }
        let mut tables: HashMap<String, KeysAndAttributesBuilder> = HashMap::new();
        for (table, key, consistent) in wanted {
            let of_table = tables.entry(self.tables.get(*table)?.to_owned()).or_default();
            let consistent = *consistent || of_table.get_consistent_read().unwrap_or_default();
            *of_table = std::mem::take(of_table).keys(key.clone()).consistent_read(consistent);
        }
        let build = |(table, keys): (_, KeysAndAttributesBuilder)| keys.build().map(|keys| (table, keys));
        let tables = tables.into_iter().map(build).collect::<Result<_, _>>().map_err(StorageError::from_build)?;
        let mut items = self.fetch(tables).await?;
        let mut take = |key: &Key| {
            let is_under = |item: &Item| key.iter().all(|(name, value)| item.get(name) == Some(value));
            items.iter().position(is_under).map(|position| items.swap_remove(position))
        };
        Ok(wanted.iter().map(|(_, key, _)| take(key)).collect())
    }

    /// The items of one batch, by table name, in any order. What the engine leaves over is asked for again.
    async fn fetch(&self, mut wanted: HashMap<String, KeysAndAttributes>) -> Result<Vec<Item>, StorageError> {
        let mut items = Vec::new();
        let mut pause = FIRST_PAUSE;
        for _ in 0..TRIES {
            let call = BatchGetItemInput::builder().set_request_items(Some(wanted));
            let answer = self.db.send(call).await.map_err(StorageError::from_sdk)?;
            items.extend(answer.responses.into_iter().flat_map(HashMap::into_values).flatten());
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(items);
            }
            self.pause(&mut pause).await;
        }
        Err(StorageError::Unavailable("keys were left over again and again".into()))
    }

    /// Waits for a random part of the pause, and doubles it.
    async fn pause(&self, pause: &mut Duration) {
        let jitter = self.entropy.below(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX));
        tokio::time::sleep(Duration::from_micros(jitter)).await;
        *pause *= 2;
    }
}
