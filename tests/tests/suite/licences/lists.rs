//! Who is linked: pages, order, names, and what a page anywhere costs.

use http::Method;
use serde_json::{Value, json};
use shared::storage::Table;
use tests::bulk::link_in_bulk;

use super::{Office, batch, disable, names_of, numbered, user};

#[tokio::test]
async fn li_20_users_are_listed_as_they_were_linked_and_as_they_are_now() {
    let office = Office::new(None).await;
    let client = &office.client;
    let emoji = user(&office.world, &office.world.documented, "zoë\u{1f600}").await;
    let other = user(&office.world, &office.world.documented, "alice").await;
    let linked = client.post("/bitanswer/api/sns/s1/users", batch([&emoji.user_name, &other.user_name])).await;
    assert_eq!(linked.body["data"]["items"][0], json!({"sn": "S1", "name": emoji.user_name}));
    assert_eq!(linked.body["data"]["total"], 2);
    let change = shared::storage::ProfileChange { nick_name: Some("\u{1f98a} fox".to_owned()), ..Default::default() };
    let store = office.world.env.store.app(emoji.app_id);
    store.change_profile(emoji.id, change, office.world.env.clock.now()).await.unwrap();
    disable(&office.world, &other).await;
    let list = client.get("/sns/S1/users?offset=&limit=undefined").await;
    let expected = json!({"status": 0, "data": {"total": 2, "items": [
        {"nickname": "\u{1f98a} fox", "name": emoji.user_name, "guid": emoji.guid, "regDate": "2026-03-01", "status": 0},
        {"nickname": "", "name": "alice", "guid": other.guid, "regDate": "2026-03-01", "status": 1},
    ]}});
    assert_eq!(list.body, expected);
    assert_eq!(emoji.guid.len(), 24);
    let second = client.get("/SNS/s1/Users?offset=1&limit=1").await;
    assert_eq!(second.body["data"]["items"], json!([expected["data"]["items"][1]]));
    assert_eq!(second.body["data"]["total"], 2);
    assert_eq!(names_of(&client.get("/sns/S1/users?offset=1000000000").await), [""; 0]);
}

#[tokio::test]
async fn li_25_every_name_is_reachable() {
    let office = Office::new(None).await;
    let client = &office.client;
    for (name, path) in [
        ("data", "data"),
        ("user", "user"),
        ("users", "users"),
        ("\u{1f600}", "%F0%9F%98%80"),
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("a+b", "a+b"),
        ("a%2Fb", "a%252Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("%", "%25"),
    ] {
        office.users([name]).await;
        assert_eq!(names_of(&client.post(&format!("/sns/S1/users/user/{path}"), Value::Null).await), [name]);
        assert_eq!(office.check("S1").await, [name]);
        let found = json!({"querys": [{"name": "name", "op": "=", "values": [name]}]});
        assert_eq!(names_of(&client.post("/bitanswer/api/sns/S1/users/data", found).await), [name]);
        assert_eq!(names_of(&client.delete(&format!("/sns/S1/users/{path}")).await), [name]);
        assert_eq!(office.check("S1").await, [""; 0]);
    }
    // Bodyless calls take any media type (G-01).
    let bare = client.send(Method::POST, "/sns/S1/users/user/data", Some("text/plain"), Vec::new()).await;
    assert_eq!(names_of(&bare), ["data"]);
    for bad in ["x".repeat(65), "%E2%80%8B".to_owned(), "%00".to_owned()] {
        client.post(&format!("/sns/S1/users/user/{bad}"), Value::Null).await.refused(200, 404, "user_not_found");
        client.delete(&format!("/sns/S1/users/{bad}")).await.refused(200, 404, "not_found");
    }
}

#[tokio::test]
async fn li_10_bad_pages_are_refused_before_anything_is_read() {
    let office = Office::new(None).await;
    for query in ["limit=0", "limit=-1", "limit=abc", "offset=-1", "offset=1.5", "limit=1&limit=2"] {
        let answer = office.client.get(&format!("/sns/S1/users?{query}")).await;
        answer.refused(400, 400, "invalid_request");
        let answer = office.client.post(&format!("/sns/S1/users/data?{query}"), json!({})).await;
        answer.refused(400, 400, "invalid_request");
    }
}

#[tokio::test]
async fn a_page_anywhere_in_a_long_list_reads_no_more_than_a_block_before_it() {
    let office = Office::new(None).await;
    let names = numbered(10_000);
    link_in_bulk(&office.world, &names).await;
    for offset in [0, 999, 1_000, 5_500, 9_990] {
        office.world.engine.take_calls();
        let page = names_of(&office.client.get(&format!("/sns/S1/users?offset={offset}&limit=20")).await);
        assert_eq!(page, names[offset..(offset + 20).min(10_000)]);
        let queries: Vec<_> =
            office.world.engine.take_calls().into_iter().filter(|call| call.operation == "Query").collect();
        assert_eq!(queries.len(), 1);
        let sorted = json!({"sorts": [{"name": "name", "order": "DESC"}]});
        let path = format!("/sns/S1/users/data?offset={offset}&limit=20");
        let backwards = names_of(&office.client.post(&path, sorted).await);
        assert!(backwards.iter().eq(names.iter().rev().skip(offset).take(20)));
        assert!(queries[0].input["Limit"].as_u64().unwrap() < 1_020);
    }
}

#[tokio::test]
async fn counts_of_blocks_that_emptied_are_taken_away() {
    use aws_sdk_dynamodb::types::AttributeValue;
    let office = Office::new(None).await;
    let names = numbered(1_500);
    link_in_bulk(&office.world, &names).await;
    let set: Vec<_> = (5..25).map(|block| format!("b{block} = :none")).collect();
    let update = office.world.engine.client().update_item().table_name("test-Licences");
    update
        .key("pk", AttributeValue::S("2#sn#S1".to_owned()))
        .key("sk", AttributeValue::S("sn".to_owned()))
        .update_expression(format!("SET {}", set.join(", ")))
        .expression_attribute_values(":none", AttributeValue::N("0".to_owned()))
        .send()
        .await
        .unwrap();
    names_of(&office.delete("/sns/S1/users", &batch(&names[..1])).await);
    let rows = office.world.rows(Table::Licences).await;
    let licence = rows.iter().find(|row| row["sk"]["S"] == "sn").unwrap();
    let mut blocks: Vec<_> = licence.as_object().unwrap().keys().filter(|name| name.starts_with('b')).collect();
    blocks.sort();
    assert_eq!(blocks, ["b0", "b1"]);
    assert_eq!(office.check("S1").await, names[1..]);
}
