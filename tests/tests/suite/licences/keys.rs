//! Bitkeys: which are taken, for what, and how they end.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use shared::{
    app::AppStatus,
    bitkey::{Bitkey, BitkeyRecord, BitkeyScope},
    storage::{NewBitkey, Revoked},
};
use tests::World;

use super::{MAC, Office, batch, issue, licence, names_of, user};

#[tokio::test]
async fn li_01_every_bad_bitkey_is_refused_alike() {
    let office = Office::new(None).await;
    let good = office.bitkey.expose();
    let other = Bitkey::from_bytes([9; 8], [9; 32]).expose();
    let wrong_secret = format!("{}{}", &good[..good.len() - 1], if good.ends_with('0') { "1" } else { "0" });
    let world = &office.world;
    let before = world.snapshot().await;
    let mut answers = Vec::new();
    for key in ["", "x", &good[..good.len() - 1], &format!("{good}0"), &good.to_uppercase(), &other, &wrong_secret] {
        answers.push(world.client().with("bitkey", key).get("/sns/S1/users").await);
    }
    answers.push(world.client().get("/sns/S1/users").await);
    answers.push(world.client().get(&format!("/sns/S1/users?bitkey={good}")).await);
    answers.push(world.client().with("bitkey", &good).with("bitkey", &good).get("/sns/S1/users").await);
    // LI-05: a bearer is no bitkey, and the other way round.
    answers.push(world.client().bearer(&good).get("/sns/S1/users").await);
    for answer in &answers {
        answer.refused(401, 401, "invalid_bitkey");
        assert_eq!(answer.essence(), answers[0].essence());
    }
    let in_body = world.client().post("/sns/S1/users", json!([{"name": "a", "bitkey": good}])).await;
    in_body.refused(401, 401, "invalid_bitkey");
    let bearer = world.client().bearer(&good).get("/api/AppUsers/2/Profile").await;
    bearer.refused(401, 401, "invalid_token");
    assert_eq!(world.snapshot().await, before);
    let ignored = office.client.clone().bearer("garbage").get("/sns/S1/users").await;
    assert_eq!(names_of(&ignored), [""; 0]);
}

#[tokio::test]
async fn li_01_li_19_an_address_guesses_at_twenty_keys_and_codes_a_minute() {
    let office = Office::new(None).await;
    let world = &office.world;
    let good = office.bitkey.expose();
    let wrong = Bitkey::from_bytes([9; 8], [9; 32]).expose();
    for n in 0..20 {
        match n % 4 {
            0 => world.client().get("/sns/S1/users").await.refused(401, 401, "invalid_bitkey"),
            1 => world.client().with("bitkey", "x").get("/sns/S1/users").await.refused(401, 401, "invalid_bitkey"),
            2 => world.client().with("bitkey", &wrong).get("/sns/S1/users").await.refused(401, 401, "invalid_bitkey"),
            _ => office.client.post("/sns/S9/users", batch(["a"])).await.refused(200, 404, "sn_not_found"),
        }
    }
    let before = world.snapshot().await;
    for key in ["", "x", &wrong, &good] {
        for path in ["/sns/S1/users", "/sns/S9/users"] {
            let answer = world.client().with("bitkey", key).get(path).await;
            answer.refused(200, 429, "throttled");
            assert_eq!(answer.header("retry-after"), "60");
        }
    }
    assert_eq!(world.snapshot().await, before);
    assert_eq!(names_of(&office.client.clone().from("192.0.2.9").get("/sns/S1/users").await), [""; 0]);
    world.wait(60);
    for _ in 0..30 {
        assert_eq!(names_of(&office.client.get("/sns/S1/users").await), [""; 0], "successes are not counted");
    }
}

#[tokio::test]
async fn li_05_a_token_beside_a_key_is_ignored() {
    let office = Office::new(None).await;
    let token = office.world.client().sign_up(2, "alice", "correct horse battery").await;
    for token in [token.as_str(), "x.y.z", ""] {
        let both = office.client.clone().bearer(token);
        assert_eq!(names_of(&both.get("/sns/S1/users").await), [""; 0]);
        both.get("/api/AppUsers/2/Profile").await;
    }
    office.client.get("/api/AppUsers/2/Profile").await.refused(401, 401, "invalid_token");
}

#[tokio::test]
async fn li_23_every_write_is_on_record() {
    let office = Office::new(None).await;
    office.world.client().sign_up(2, "alice", "correct horse battery").await;
    let client = &office.client;
    client.post("/sns/S1/users", batch(["alice", "nobody"])).await;
    client.post("/sns/S1/users/user/alice", Value::Null).await;
    client.send(Method::DELETE, "/sns/S1/users", Some(MAC), batch(["alice"]).to_string().into_bytes()).await;
    client.delete("/sns/S1/users/alice").await;
    client.get("/sns/S1/users").await;
    let lines: Vec<Value> = office.world.watch.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let writes: Vec<_> = lines.iter().filter(|line| line["message"] == "licence write").collect();
    let counts: Vec<_> = writes.iter().map(|line| (line["asked"].as_u64(), line["done"].as_u64())).collect();
    let expected = [(2, 1), (1, 1), (1, 1), (1, 0)].map(|(asked, done)| (Some(asked), Some(done)));
    assert_eq!(counts, expected, "{writes:#?}");
    for line in writes {
        assert_eq!((&line["app"], &line["bitkey"]), (&json!(2), &json!(office.bitkey.id().as_str())));
        assert!(line["action"].is_string() && line["requestId"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn a_bitkey_ends_with_its_revocation_and_with_its_app() {
    let office = Office::new(None).await;
    let store = &office.world.env.store;
    office.world.change_app(&office.world.documented, |app| app.status = AppStatus::Disabled).await;
    office.client.get("/sns/S1/users").await.refused(401, 401, "invalid_bitkey");
    office.world.change_app(&office.world.documented, |app| app.status = AppStatus::Active).await;
    assert_eq!(names_of(&office.client.get("/sns/S1/users").await), [""; 0]);
    assert_eq!(store.revoke_bitkey(office.bitkey.id()).await.unwrap(), Revoked::Done);
    assert_eq!(store.revoke_bitkey(office.bitkey.id()).await.unwrap(), Revoked::Unknown);
    office.client.get("/sns/S1/users").await.refused(401, 401, "invalid_bitkey");
}

#[tokio::test]
async fn an_instance_that_knows_a_bitkey_reads_its_code_beside_it_and_trusts_only_what_it_read() {
    let office = Office::new(None).await;
    let world = &office.world;
    office.users(["alice"]).await;
    office.client.post("/sns/S1/users/user/alice", Value::Null).await;
    licence(world, &world.strict, "S1", None).await;
    world.engine.take_calls();
    assert_eq!(names_of(&office.client.get("/sns/s1/users").await), ["alice"]);
    let operations: Vec<_> = world.engine.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["BatchGetItem", "GetItem", "Query", "BatchGetItem"], "the second one is the app");
    // The same key, now another app's.
    let store = &world.env.store;
    assert_eq!(store.revoke_bitkey(office.bitkey.id()).await.unwrap(), Revoked::Done);
    let app_id = world.strict.record.app_id;
    let (id, hash) = (office.bitkey.id().clone(), office.bitkey.hash());
    let record = BitkeyRecord { id, app_id, hash, scope: BitkeyScope::Full, created_at: 0 };
    assert_eq!(store.app(app_id).create_bitkey(&record).await.unwrap(), NewBitkey::Created);
    for _ in 0..2 {
        let page = office.client.get("/sns/S1/users").await;
        assert_eq!(page.body["data"], json!({"total": 0, "items": []}), "{}", page.text);
    }
}

#[tokio::test]
async fn an_app_has_two_bitkeys_of_a_scope_to_change_over_even_in_a_race() {
    let world = World::new().await;
    let app = world.documented.record.app_id;
    let store = world.env.store.app(app);
    let records = (0..20_u8).map(|n| {
        let bitkey = Bitkey::from_bytes([n; 8], [n; 32]);
        BitkeyRecord {
            id: bitkey.id().clone(),
            app_id: app,
            hash: bitkey.hash(),
            scope: BitkeyScope::Full,
            created_at: 0,
        }
    });
    let created = join_all(records.map(|record| async move { store.create_bitkey(&record).await.unwrap() })).await;
    assert_eq!(created.iter().filter(|created| **created == NewBitkey::Created).count(), 2);
    assert!(created.iter().all(|created| matches!(created, NewBitkey::Created | NewBitkey::TooMany)));
    issue(&world, &world.documented, BitkeyScope::ReadOnly).await;
    let bitkeys = store.list_bitkeys().await.unwrap();
    assert_eq!(bitkeys.len(), 3);
    let first = bitkeys.iter().find(|bitkey| bitkey.scope == BitkeyScope::Full).unwrap();
    assert_eq!(world.env.store.revoke_bitkey(&first.id).await.unwrap(), Revoked::Done);
    issue(&world, &world.documented, BitkeyScope::Full).await;
}

#[tokio::test]
async fn li_22_tables_hold_no_bitkey() {
    let office = Office::new(None).await;
    let dump = serde_json::to_string(&office.world.snapshot().await).unwrap();
    let secret = office.bitkey.expose();
    let secret = secret.rsplit('_').next().unwrap();
    assert!(!dump.contains(secret));
    assert!(dump.contains(&office.bitkey.hash()));
}

#[tokio::test]
async fn li_02_ti_02_another_apps_codes_users_and_keys_are_as_if_they_were_not_there() {
    let office = Office::new(None).await;
    let (world, client) = (&office.world, &office.client);
    licence(world, &world.strict, "S2", None).await;
    licence(world, &world.strict, "S1", None).await;
    user(world, &world.strict, "theirs").await;
    user(world, &world.documented, "ours").await;
    let before = world.snapshot().await;
    for (theirs, unknown) in [("S2", "S9"), ("S2", "no%2Fcode")] {
        for (method, path, body) in [
            (Method::GET, "users", Value::Null),
            (Method::POST, "users", batch(["ours"])),
            (Method::DELETE, "users", batch(["ours"])),
            (Method::POST, "users/data", json!({})),
            (Method::POST, "users/user/ours", Value::Null),
            (Method::DELETE, "users/ours", Value::Null),
        ] {
            let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
            let send = |sn: &str| {
                let path = format!("/sns/{sn}/{path}");
                let (method, body) = (method.clone(), body.clone());
                async move { client.send(method, &path, Some(MAC), body).await }
            };
            let answer = send(theirs).await;
            answer.refused(200, 404, "sn_not_found");
            assert_eq!(answer.essence(), send(unknown).await.essence());
            // So many of them are told no more.
            world.wait(60);
        }
    }
    client.post("/sns/S1/users", batch(["theirs"])).await.refused(200, 404, "user_not_found");
    client.post("/sns/S1/users/user/theirs", Value::Null).await.refused(200, 404, "user_not_found");
    assert_eq!(world.snapshot().await, before);
    assert_eq!(names_of(&client.post("/sns/S1/users", batch(["ours", "theirs"])).await), ["ours"]);
    let key = issue(world, &world.strict, BitkeyScope::Full).await;
    let stranger = world.client().with("bitkey", &key.expose());
    assert_eq!(names_of(&stranger.get("/sns/S1/users").await), [""; 0]);
}

#[tokio::test]
async fn li_04_a_read_only_key_reads_and_nothing_else() {
    let office = Office::new(None).await;
    office.users(["a"]).await;
    names_of(&office.client.post("/sns/S1/users", batch(["a"])).await);
    let key = issue(&office.world, &office.world.documented, BitkeyScope::ReadOnly).await;
    let reader = office.world.client().with("bitkey", &key.expose());
    let before = office.world.snapshot().await;
    for (method, path) in [
        (Method::POST, "/sns/S1/users"),
        (Method::DELETE, "/sns/S1/users"),
        (Method::POST, "/sns/S1/users/user/a"),
        (Method::DELETE, "/sns/S1/users/a"),
    ] {
        // What the body says does not matter any more.
        let answer = reader.send(method, path, Some(MAC), b"nonsense".to_vec()).await;
        answer.refused(200, 403, "read_only_key");
    }
    assert_eq!(office.world.snapshot().await, before);
    assert_eq!(names_of(&reader.get("/sns/S1/users").await), ["a"]);
    assert_eq!(names_of(&reader.post("/sns/S1/users/data", json!({})).await), ["a"]);
}
