//! Many rows at once, written as the store writes them, for tests that need more than clients would make in time.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};

use shared::storage::Table;

use crate::World;

/// Links names to the licence code `S1` of the app with the documented settings, in this order. User `n` of the list
/// has the number `n`, and is not there.
pub async fn link_in_bulk(world: &World, names: &[String]) {
    let rows = names.iter().zip(0_u64..).map(|(name, ordinal)| {
        let numbers = [("ordinal", ordinal), ("user", ordinal + 1)];
        row([("pk", "2#sn#S1"), ("sk", &format!("link#{name}"))], numbers)
    });
    put(world, Table::Licences, rows).await;

    let mut blocks = BTreeMap::new();
    for ordinal in 0..names.len() {
        *blocks.entry(ordinal / 1_000).or_insert(0) += 1;
    }
    let set: Vec<_> = blocks.keys().map(|block| format!("b{block} = :b{block}")).collect();
    let values = blocks.iter().map(|(block, links)| (format!(":b{block}"), number(*links)));
    world
        .engine
        .client()
        .update_item()
        .table_name(world.table(Table::Licences))
        .key("pk", text("2#sn#S1"))
        .key("sk", text("sn"))
        .update_expression(format!("SET #users = :users, {}", set.join(", ")))
        .expression_attribute_names("#users", "users")
        .set_expression_attribute_values(Some(values.collect()))
        .expression_attribute_values(":users", number(names.len() as u64))
        .send()
        .await
        .expect("a licence code");
}

/// The users of [`link_in_bulk`].
pub async fn users_in_bulk(world: &World, names: &[String]) {
    let rows = names.iter().zip(1_u64..).map(|(name, id)| {
        let (pk, guid) = (format!("2#user#{id}"), format!("{id:024x}"));
        let texts = [("pk", pk.as_str()), ("guid", &guid), ("userName", name), ("nickName", "Somebody")];
        let more = [("avatar", "https://cdn.example.com/avatars/somebody.png"), ("role", "user"), ("status", "active")];
        row(
            texts.into_iter().chain(more),
            [("id", id), ("appId", 2), ("tokenVersion", 0), ("createdAt", 1_772_337_600_000)],
        )
    });
    put(world, Table::Users, rows).await;
}

fn row<'a>(
    texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    numbers: impl IntoIterator<Item = (&'a str, u64)>,
) -> HashMap<String, AttributeValue> {
    let texts = texts.into_iter().map(|(name, value)| (name.to_owned(), text(value)));
    texts.chain(numbers.into_iter().map(|(name, value)| (name.to_owned(), number(value)))).collect()
}

async fn put(world: &World, table: Table, rows: impl Iterator<Item = HashMap<String, AttributeValue>>) {
    let client = world.engine.client();
    let mut requests = rows.map(|row| {
        let put = PutRequest::builder().set_item(Some(row)).build().expect("a row");
        WriteRequest::builder().put_request(put).build()
    });
    loop {
        let chunk: Vec<_> = requests.by_ref().take(25).collect();
        if chunk.is_empty() {
            break;
        }
        client.batch_write_item().request_items(world.table(table), chunk).send().await.expect("rows are put");
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
