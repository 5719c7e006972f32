//! What a waiting page costs, and what it survives.

use serde_json::{Value, json};
use shared::storage::Table;
use tests::{World, engine::Fault};

use super::{EXPIRED, Ticket, refused, world};

/// The calls on the table of codes: what they were, and whether they were consistent.
fn calls_on_codes(world: &World) -> Vec<(String, bool)> {
    let calls = world.engine.take_calls().into_iter();
    calls
        .filter(|call| call.input["TableName"] == "test-Codes")
        .map(|call| (call.operation, call.input["ConsistentRead"] == true))
        .collect()
}

#[tokio::test]
async fn a_waiting_page_costs_one_eventually_consistent_read_of_one_unit() {
    let world = world().await;
    let client = &world.client();
    // As large as a row gets: names of four bytes a character, and both secrets.
    world.change_app(&world.documented, |app| app.settings.qr_proof = world.strict.record.settings.qr_proof).await;
    let body = json!({"scopes": "\u{1f600}".repeat(200), "remark": "\u{1f600}".repeat(600)});
    let answer = client.post("/api/AppUsers/2/QRCodePreSignIn", body).await;
    let mut ticket = Ticket {
        app: 2,
        key: answer.data().clone(),
        poll_secret: answer.body["pollSecret"].clone(),
        scan_nonce: Value::Null,
    };
    for reason in ["scan_pending", "confirm_pending"] {
        let before = world.snapshot().await;
        world.engine.take_calls();
        ticket.poll(client).await.refused(200, 202, reason);
        let calls = world.engine.take_calls();
        let tables: Vec<_> = calls.iter().map(|call| call.input["TableName"].as_str().unwrap()).collect();
        // The first one reads the app's settings, which an instance keeps for a while; the tests' keeps nothing.
        assert_eq!(tables, ["test-Apps", "test-Codes"]);
        assert!(calls.iter().all(|call| call.operation == "GetItem" && call.input["ConsistentRead"] != true));
        assert_eq!(world.snapshot().await, before, "and no write");
        if reason == "scan_pending" {
            ticket.scan(client).await.data();
        }
    }
    ticket.confirm(client, "o1").await.token();
    let row = world.rows(Table::Codes).await.into_iter().find(|row| row.get("stage").is_some()).unwrap();
    let bytes: usize = row
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| name.len() + value["S"].as_str().or(value["N"].as_str()).unwrap().len())
        .sum();
    assert!(bytes < 4_096, "half a unit reads 4 KiB; the row has {bytes} bytes");
}

#[tokio::test]
async fn a_page_is_sent_away_only_after_a_consistent_read() {
    let world = world().await;
    let client = &world.client();
    let mut ticket = Ticket::begin(client, 2).await;
    let unknown = Ticket { key: json!(1_234_567_890_123_u64), ..ticket.clone() };
    calls_on_codes(&world);
    refused(&unknown.poll(client).await, EXPIRED);
    assert_eq!(calls_on_codes(&world), [("GetItem".to_owned(), false), ("GetItem".to_owned(), true)]);

    ticket.scan(client).await.data();
    ticket.confirm(client, "o1").await.token();
    calls_on_codes(&world);
    ticket.poll(client).await.token();
    assert_eq!(calls_on_codes(&world), [("GetItem".to_owned(), false), ("UpdateItem".to_owned(), false)]);
}

#[tokio::test]
async fn an_answer_that_was_lost_does_not_end_the_sign_in() {
    let world = world().await;
    let client = &world.client();
    client.post("/api/AppUsers/2/UnionIDSignUp", json!({"platform": "wxminip", "unionID": "o1"})).await.token();
    let mut ticket = Ticket::begin(client, 2).await;
    // The first call reads the app.
    world.engine.spoil([None, Some(Fault::AnswerLost)]);
    ticket.scan(client).await.data();
    world.engine.spoil([None, None, None, None, Some(Fault::AnswerLost)]);
    ticket.confirm(client, "o1").await.token();
    world.engine.spoil([None, None, None, Some(Fault::AnswerLost)]);
    ticket.poll(client).await.token();
    refused(&ticket.poll(client).await, EXPIRED);
    world.engine.heal();
}

#[tokio::test]
async fn a_store_that_does_not_answer_changes_nothing() {
    let world = world().await;
    let client = &world.client();
    client.post("/api/AppUsers/2/UnionIDSignUp", json!({"platform": "wxminip", "unionID": "o1"})).await.token();
    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    ticket.confirm(client, "o1").await.token();
    let before = world.snapshot().await;
    for fault in [Fault::Throttled, Fault::InternalError] {
        for call in 0..4 {
            let spoilt = || (0..call).map(|_| None).chain([Some(fault); 3]);
            world.engine.spoil(spoilt());
            ticket.poll(client).await.refused(503, 503, "unavailable");
            world.engine.heal();
            world.engine.spoil(spoilt());
            ticket.confirm(client, "o1").await.refused(503, 503, "unavailable");
            world.engine.heal();
        }
        for call in 0..2 {
            world.engine.spoil((0..call).map(|_| None).chain([Some(fault); 3]));
            let answer = client.post("/api/AppUsers/2/QRCodePreSignIn", json!({})).await;
            answer.refused(503, 503, "unavailable");
            world.engine.heal();
        }
    }
    assert_eq!(world.snapshot().await, before);
    ticket.poll(client).await.token();
}
