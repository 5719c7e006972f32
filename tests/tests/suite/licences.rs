//! Licence codes and their users, as a vendor's back office sees them.

use std::collections::{BTreeSet, HashSet};

use futures_util::future::join_all;
use http::Method;
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};
use shared::{
    app::AppStatus,
    bitkey::{Bitkey, BitkeyRecord, BitkeyScope},
    entropy::Entropy,
    licence::Sn,
    name_filter::{Filter, Op},
    storage::{Begun, NewBitkey, NewLicence, NewUser, Revoked, SignedUp, Table},
    text::UserName,
    user::{Contact, User, UserId, UserStatus},
};
use tests::{Answer, AppHandle, Client, Tally, World, bulk::link_in_bulk, engine::Fault};

const MAC: &str = "application/json";

/// A vendor's back office: an app with a licence code, and a key to it.
struct Office {
    world: World,
    client: Client,
    bitkey: Bitkey,
}

impl Office {
    /// With the licence code `S1` for so many users.
    async fn new(seats: Option<u64>) -> Self {
        let world = World::new().await;
        let bitkey = issue(&world, &world.documented, BitkeyScope::Full).await;
        let office = Self { client: world.client().with("bitkey", &bitkey.expose()), world, bitkey };
        office.licence("S1", seats).await;
        office
    }

    async fn licence(&self, code: &str, seats: Option<u64>) {
        licence(&self.world, &self.world.documented, code, seats).await;
    }

    async fn users<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) {
        for name in names {
            user(&self.world, &self.world.documented, name.as_ref()).await;
        }
    }

    async fn delete(&self, path: &str, body: &Value) -> Answer {
        self.client.send(Method::DELETE, path, Some(MAC), body.to_string().into_bytes()).await
    }

    /// The names of all pages, in link order.
    async fn listed(&self, sn: &str) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let page = self.client.get(&format!("/sns/{sn}/users?offset={}&limit=1000", names.len())).await;
            let page = names_of(&page);
            if page.is_empty() {
                return names;
            }
            names.extend(page);
        }
    }

    /// Seats, blocks, rows and pages of a licence code say the same.
    async fn check(&self, sn: &str) -> Vec<String> {
        let mut rows = Vec::new();
        let (mut users, mut blocks) = (None, 0);
        for row in self.world.rows(Table::Licences).await {
            if row["pk"]["S"] != format!("2#sn#{sn}") {
                continue;
            }
            if row["sk"]["S"] == "sn" {
                users = row["users"]["N"].as_str().and_then(|users| users.parse::<usize>().ok());
                blocks = row
                    .as_object()
                    .unwrap()
                    .iter()
                    .filter(|(name, _)| name.strip_prefix('b').is_some_and(|block| block.parse::<u64>().is_ok()))
                    .map(|(_, links)| links["N"].as_str().unwrap().parse::<usize>().unwrap())
                    .sum();
            } else if let Some(name) = row["sk"]["S"].as_str().unwrap().strip_prefix("link#") {
                rows.push(name.to_owned());
            }
        }
        let mut listed = self.listed(sn).await;
        assert_eq!((users, blocks), (Some(rows.len()), rows.len()), "counts are rows");
        let answer = self.client.get(&format!("/sns/{sn}/users")).await;
        assert_eq!(answer.body["data"]["total"], rows.len(), "{}", answer.text);
        rows.sort();
        listed.sort();
        assert_eq!(listed, rows, "every row is on one page");
        rows
    }
}

pub(crate) async fn issue(world: &World, app: &AppHandle, scope: BitkeyScope) -> Bitkey {
    world.issue_bitkey(app, scope).await
}

pub(crate) async fn licence(world: &World, app: &AppHandle, code: &str, seats: Option<u64>) {
    let sn = Sn::parse(code).unwrap();
    let now = world.env.clock.now();
    let created = world.env.store.app(app.record.app_id).create_licence(&sn, seats, now).await.unwrap();
    assert_eq!(created, NewLicence::Created);
}

async fn user(world: &World, app: &AppHandle, name: &str) -> User {
    let entropy: &dyn Entropy = world.env.entropy.as_ref();
    let user = User {
        app_id: app.record.app_id,
        id: UserId::new(entropy.id()),
        guid: entropy.hex::<12>(),
        user_name: name.to_owned(),
        nick_name: String::new(),
        avatar: String::new(),
        data: Some("not for licences".to_owned()),
        role: "user".to_owned(),
        password_hash: None,
        phone: Contact::default(),
        email: Contact::default(),
        platform: String::new(),
        union_id: String::new(),
        totp_secret: None,
        status: UserStatus::Active,
        token_version: 0,
        created_at: world.env.clock.now().as_millisecond(),
        updated_at: 0,
    };
    let canonical_name = &UserName::parse(name).unwrap().canonical();
    let new = NewUser { user: &user, canonical_name, external_id: None, limit: None, gift: None };
    let store = world.env.store.app(app.record.app_id);
    assert_eq!(store.sign_up(new, &mut [], world.env.clock.now()).await.unwrap(), SignedUp::Created, "{name}");
    user
}

fn batch<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Value {
    names.into_iter().map(|name| json!({"name": name.as_ref()})).collect()
}

/// The names in a successful answer, whose total must fit where it counts the items.
#[track_caller]
pub(crate) fn names_of(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!(0)), "{}", answer.text);
    let items = answer.body["data"]["items"].as_array().expect("items");
    items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("user{n:05}")).collect()
}

/// Ends the user's account for a while, as an operator would.
async fn disable(world: &World, user: &User) {
    let client = world.engine.client();
    client
        .update_item()
        .table_name("test-Users")
        .key("pk", aws_sdk_dynamodb::types::AttributeValue::S(format!("2#user#{}", user.id)))
        .update_expression("SET #status = :disabled")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":disabled", aws_sdk_dynamodb::types::AttributeValue::S("disabled".to_owned()))
        .send()
        .await
        .unwrap();
}

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

#[tokio::test]
async fn li_13_li_14_a_batch_reports_exactly_those_who_are_linked_now() {
    let office = Office::new(None).await;
    office.users(["a", "B", "c"]).await;
    let gone = user(&office.world, &office.world.documented, "gone").await;
    disable(&office.world, &gone).await;
    user(&office.world, &office.world.strict, "theirs").await;
    let client = &office.client;
    assert_eq!(names_of(&client.post("/sns/S1/users", batch(["c"])).await), ["c"]);
    let names = ["B", "nobody", "a", "theirs", "B", "b", "c", "gone", "A", "a"];
    let answer = client.post("/sns/S1/users", batch(names)).await;
    assert_eq!(names_of(&answer), ["B", "a", "c"]);
    assert_eq!(answer.body["data"]["total"], 3);
    assert_eq!(office.listed("S1").await, ["c", "B", "a"]);
    assert_eq!(office.check("S1").await, ["B", "a", "c"]);
    let before = office.world.snapshot().await;
    client.post("/sns/S1/users", batch(["nobody", "b", "gone"])).await.refused(200, 404, "user_not_found");
    assert_eq!(office.world.snapshot().await, before);
}

#[tokio::test]
async fn a_batch_of_a_thousand_is_linked_and_unlinked_in_the_order_sent() {
    let office = Office::new(None).await;
    let mut names = numbered(1_000);
    office.users(&names).await;
    names.reverse();
    assert_eq!(names_of(&office.client.post("/sns/S1/users", batch(&names)).await), names);
    assert_eq!(office.listed("S1").await, names);
    let odd: Vec<_> = names.iter().step_by(2).cloned().collect();
    let answer = office.delete("/sns/S1/users", &batch(odd.iter().rev())).await;
    assert_eq!(names_of(&answer), odd.iter().rev().cloned().collect::<Vec<_>>());
    let left: Vec<_> = names.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(office.listed("S1").await, left);
    for offset in [0, 1, 250, 499] {
        let page = office.client.get(&format!("/sns/S1/users?offset={offset}&limit=1")).await;
        assert_eq!(names_of(&page), [left[offset].clone()], "holes do not count");
    }
    office.check("S1").await;
}

#[tokio::test]
async fn li_16_seats_fill_in_order_and_the_rest_is_left_out() {
    let office = Office::new(Some(2)).await;
    office.users(["a", "b", "c", "d"]).await;
    let client = &office.client;
    assert_eq!(names_of(&client.post("/sns/S1/users", batch(["nobody", "c", "a", "b"])).await), ["c", "a"]);
    let before = office.world.snapshot().await;
    client.post("/sns/S1/users", batch(["b"])).await.refused(200, 409, "seats_exhausted");
    client.post("/sns/S1/users/user/b", Value::Null).await.refused(200, 409, "seats_exhausted");
    client.post("/sns/S1/users/user/nobody", Value::Null).await.refused(200, 404, "user_not_found");
    assert_eq!(names_of(&client.post("/sns/S1/users/user/a", Value::Null).await), ["a"], "linked already");
    assert_eq!(office.world.snapshot().await, before);
    assert_eq!(names_of(&office.client.delete("/sns/S1/users/c").await), ["c"]);
    assert_eq!(names_of(&client.post("/sns/S1/users", batch(["b", "d", "a"])).await), ["b", "a"]);
    let sn = Sn::parse("s1").unwrap();
    let store = office.world.env.store.app(office.world.documented.record.app_id);
    store.set_users_number(&sn, Some(1)).await.unwrap();
    assert_eq!(office.check("S1").await, ["a", "b"], "who is linked stays");
    client.post("/sns/S1/users", batch(["d"])).await.refused(200, 409, "seats_exhausted");
    store.set_users_number(&sn, None).await.unwrap();
    assert_eq!(names_of(&client.post("/sns/S1/users", batch(["d"])).await), ["d"]);
}

#[tokio::test]
async fn li_17_unlinking_undoes_links_and_nothing_else() {
    let office = Office::new(None).await;
    office.users(["a", "b", "c"]).await;
    names_of(&office.client.post("/sns/S1/users", batch(["a", "b"])).await);
    let users = office.world.rows(Table::Users).await;
    let before = office.world.snapshot().await;
    let nobody = office.delete("/sns/S1/users", &batch(["c", "nobody", "A"])).await;
    assert_eq!(nobody.text, r#"{"status":0,"data":{"total":0,"items":[]}}"#);
    office.client.delete("/sns/S1/users/c").await.refused(200, 404, "not_found");
    office.client.delete("/sns/S1/users/A").await.refused(200, 404, "not_found");
    assert_eq!(office.world.snapshot().await, before);
    assert_eq!(names_of(&office.delete("/sns/S1/users", &batch(["c", "b", "b"])).await), ["b"]);
    assert_eq!(names_of(&office.client.delete("/sns/S1/users/a").await), ["a"]);
    office.client.delete("/sns/S1/users/a").await.refused(200, 404, "not_found");
    assert_eq!(office.world.rows(Table::Users).await, users);
    assert_eq!(office.check("S1").await, [""; 0]);
}

#[tokio::test]
async fn a_delete_that_lost_its_body_unlinks_nobody() {
    let office = Office::new(None).await;
    office.users(["a"]).await;
    names_of(&office.client.post("/sns/S1/users", batch(["a"])).await);
    let before = office.world.snapshot().await;
    for body in ["", "null", "{}", "[]", "[{}]", r#"[{"name":"a"},{}]"#, r#"[{"name":"a"}"#, " "] {
        for method in [Method::DELETE, Method::POST] {
            let answer = office.client.send(method, "/sns/S1/users", Some(MAC), body.into()).await;
            answer.refused(400, 400, "invalid_request");
        }
    }
    let answer = office.client.send(Method::DELETE, "/sns/S1/users", Some("text/plain"), b"[]".to_vec()).await;
    answer.refused(415, 415, "unsupported_media_type");
    assert_eq!(office.world.snapshot().await, before);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_links_against_ten_seats_take_ten() {
    let office = Office::new(Some(10)).await;
    let names = numbered(100);
    office.users(&names).await;
    let links = names.iter().map(|name| {
        let client = office.client.clone();
        async move { client.post(&format!("/sns/S1/users/user/{name}"), Value::Null).await }
    });
    let answers = join_all(links).await;
    let linked: HashSet<_> = answers.iter().filter(|answer| answer.code() == 0).flat_map(names_of).collect();
    assert_eq!(linked.len(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.reason() == "seats_exhausted").count(), 90);
    assert_eq!(office.check("S1").await.into_iter().collect::<HashSet<_>>(), linked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_batches_leave_counts_that_equal_rows() {
    let office = Office::new(Some(220)).await;
    let names = numbered(300);
    office.users(&names).await;
    for _ in 0..3 {
        let batches = (0..6_usize).map(|n| {
            let (office, names) = (&office, &names);
            async move {
                let some = batch(names.iter().cycle().skip(n * 50).take(150));
                if n % 3 == 2 {
                    office.delete("/sns/S1/users", &some).await
                } else {
                    office.client.post("/sns/S1/users", some).await
                }
            }
        });
        for answer in join_all(batches).await {
            assert!(answer.code() == 0 || answer.reason() == "seats_exhausted", "{}", answer.text);
        }
        assert!(office.check("S1").await.len() <= 220);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_batches_never_unlink_one_link_twice() {
    let office = Office::new(None).await;
    let names = numbered(150);
    office.users(&names).await;
    names_of(&office.client.post("/sns/S1/users", batch(&names)).await);
    let all = batch(&names);
    let answers = join_all((0..8).map(|_| office.delete("/sns/S1/users", &all))).await;
    let mut unlinked: Vec<_> = answers.iter().flat_map(names_of).collect();
    unlinked.sort();
    assert_eq!(unlinked, names, "each is reported by one");
    assert_eq!(office.check("S1").await, [""; 0]);
}

/// Faults at one call of a request; the SDK tries each call three times.
fn faults() -> Vec<Vec<Fault>> {
    vec![
        vec![Fault::Throttled],
        vec![Fault::Throttled; 3],
        vec![Fault::InternalError; 3],
        vec![Fault::AnswerLost],
        vec![Fault::AnswerLost; 3],
        vec![Fault::Conflict],
        vec![Fault::Conflict; 6],
        vec![Fault::LeftOver; 3],
        vec![Fault::LeftOver; 8],
    ]
}

#[tokio::test(start_paused = true)]
async fn fi_01_to_fi_07_whatever_fails_on_the_way_a_batch_names_exactly_those_who_are_linked_afterwards() {
    let office = Office::new(Some(105)).await;
    let names = numbered(110);
    office.users(&names).await;
    office.world.engine.take_calls();
    names_of(&office.client.post("/sns/S1/users", batch(&names)).await);
    let calls = office.world.engine.take_calls().len();
    assert!(calls >= 10, "two chunks, and what is read before them: {calls}");
    let mut partial = 0;
    for call in 0..calls {
        for faults in faults() {
            names_of(&office.delete("/sns/S1/users", &batch(&names)).await);
            office.world.engine.spoil(std::iter::repeat_n(None, call).chain(faults.iter().copied().map(Some)));
            let answer = office.client.post("/sns/S1/users", batch(&names)).await;
            office.world.engine.heal();
            let rows = office.check("S1").await;
            if answer.status == 503 {
                assert_eq!(answer.header("retry-after"), "1");
            } else {
                assert_eq!(names_of(&answer), rows, "call {call}, {faults:?}");
                partial += usize::from(rows.len() < 105);
            }
            let again = office.client.post("/sns/S1/users", batch(&names)).await;
            assert_eq!(names_of(&again), names[..105], "call {call}, {faults:?}");
        }
    }
    assert!(partial > 0, "some batches were cut short");
}

#[tokio::test(start_paused = true)]
async fn fi_01_to_fi_05_whatever_fails_on_the_way_a_batch_names_exactly_those_who_were_unlinked() {
    let office = Office::new(None).await;
    let names = numbered(110);
    office.users(&names).await;
    names_of(&office.client.post("/sns/S1/users", batch(&names)).await);
    office.world.engine.take_calls();
    names_of(&office.delete("/sns/S1/users", &batch(&names)).await);
    let calls = office.world.engine.take_calls().len();
    for call in 0..calls {
        for faults in faults() {
            names_of(&office.client.post("/sns/S1/users", batch(&names)).await);
            office.world.engine.spoil(std::iter::repeat_n(None, call).chain(faults.iter().copied().map(Some)));
            let answer = office.delete("/sns/S1/users", &batch(&names)).await;
            office.world.engine.heal();
            let rows = office.check("S1").await;
            if answer.status != 503 {
                let mut all = names_of(&answer);
                all.extend(rows);
                all.sort();
                assert_eq!(all, names, "call {call}, {faults:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn li_26_a_repeated_request_gets_the_stored_answer_for_a_day() {
    let office = Office::new(Some(1)).await;
    office.users(["a", "b"]).await;
    let client = office.client.clone().with("x-bit-req-id", "r-1");
    let linked = client.post("/sns/S1/users", batch(["a", "b"])).await;
    assert_eq!(names_of(&linked), ["a"]);
    names_of(&office.client.delete("/sns/S1/users/a").await);
    let again = client.post("/sns/s1/users", batch(["a", "b"])).await;
    assert_eq!(again.essence(), linked.essence(), "what was answered, not what is");
    assert_eq!(office.check("S1").await, [""; 0]);
    let before = office.world.snapshot().await;
    for answer in [
        client.post("/sns/S1/users", batch(["b", "a"])).await,
        client.post("/sns/S9/users", batch(["a", "b"])).await,
        client.send(Method::DELETE, "/sns/S1/users", Some(MAC), batch(["a", "b"]).to_string().into_bytes()).await,
        client.delete("/sns/S1/users/a").await,
    ] {
        answer.refused(200, 409, "request_id_conflict");
    }
    assert_eq!(office.world.snapshot().await, before);
    // Another key of the same app has its own ids, and so has another app.
    let key = issue(&office.world, &office.world.documented, BitkeyScope::Full).await;
    let colleague = office.world.client().with("bitkey", &key.expose()).with("x-bit-req-id", "r-1");
    assert_eq!(names_of(&colleague.post("/sns/S1/users", batch(["b", "a"])).await), ["b"]);
    let failing = office.client.clone().with("x-bit-req-id", "r-2");
    failing.post("/sns/S1/users/user/a", Value::Null).await.refused(200, 409, "seats_exhausted");
    names_of(&office.client.delete("/sns/S1/users/b").await);
    failing.post("/sns/S1/users/user/a", Value::Null).await.refused(200, 409, "seats_exhausted");
    office.world.wait(24 * 3_600);
    assert_eq!(names_of(&failing.post("/sns/S1/users/user/a", Value::Null).await), ["a"]);
    for bad in ["two words", &"x".repeat(129), "\u{e9}"] {
        let bad = office.client.clone().with("x-bit-req-id", bad);
        bad.delete("/sns/S1/users/a").await.refused(400, 400, "invalid_request");
    }
}

#[tokio::test(start_paused = true)]
async fn li_26_rc_32_a_hundred_requests_of_one_id_are_one() {
    let office = Office::new(None).await;
    office.users(["a", "b"]).await;
    names_of(&office.client.post("/sns/S1/users", batch(["a", "b"])).await);
    let client = office.client.clone().with("x-bit-req-id", "once");
    let answers = join_all((0..100).map(|_| client.delete("/sns/S1/users/a"))).await;
    for answer in &answers {
        assert_eq!(names_of(answer), ["a"], "who did it and who waited answer alike");
    }
    assert_eq!(office.check("S1").await, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn li_26_who_waits_for_a_request_without_an_answer_gives_up_after_five_seconds() {
    let office = Office::new(None).await;
    office.users(["a"]).await;
    names_of(&office.client.post("/sns/S1/users", batch(["a"])).await);
    let store = office.world.env.store.app(office.world.documented.record.app_id);
    let id = [office.bitkey.id().as_str(), "slow"];
    let content = ["unlink one", "S1", "a", "a"];
    let begun = store.begin_request(&id, &content, office.world.env.clock.now()).await.unwrap();
    assert!(matches!(begun, Begun::First(_)));
    let client = office.client.clone().with("x-bit-req-id", "slow");
    let started = tokio::time::Instant::now();
    let answer = client.delete("/sns/S1/users/a").await;
    answer.refused(503, 503, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    let waited = started.elapsed().as_millis();
    assert!((4_800..=5_200).contains(&waited), "{waited} ms");
    assert_eq!(office.check("S1").await, ["a"]);
    // The first one died: after its lease anybody may take over.
    office.world.wait(31);
    assert_eq!(names_of(&client.delete("/sns/S1/users/a").await), ["a"]);
    assert_eq!(names_of(&client.delete("/sns/S1/users/a").await), ["a"], "stored");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_failed_on_the_way_can_be_repeated_under_its_id() {
    let office = Office::new(None).await;
    let names = numbered(110);
    office.users(&names).await;
    let client = office.client.clone().with("x-bit-req-id", "r");
    let sn = "/sns/S1/users";
    // From now on the instance knows the bitkey, and one request makes as many calls as the next.
    names_of(&client.get(sn).await);
    office.world.engine.take_calls();
    names_of(&client.post(sn, batch(&names)).await);
    let calls = office.world.engine.take_calls().len();
    names_of(&office.delete(sn, &batch(&names)).await);
    // The last call keeps the answer, the one before it is the second chunk.
    office.world.engine.spoil(std::iter::repeat_n(None, calls - 2).chain([Some(Fault::InternalError); 3]));
    let client = office.client.clone().with("x-bit-req-id", "r2");
    assert_eq!(names_of(&client.post(sn, batch(&names)).await).len(), 99);
    office.world.engine.heal();
    assert_eq!(names_of(&client.post(sn, batch(&names)).await), names);
}

#[tokio::test(start_paused = true)]
async fn li_26_fi_10_who_goes_on_with_a_batch_tells_whom_the_one_before_unlinked_and_leaves_them_alone() {
    let tally = Tally::of("FI-10");
    let office = Office::new(None).await;
    let world = &office.world;
    let names = numbered(110);
    office.users(&names).await;
    names_of(&office.client.post("/sns/S1/users", batch(&names)).await);
    let start = world.checkpoint().await;
    let client = office.client.clone().with("x-bit-req-id", "r");
    let unlink = || client.send(Method::DELETE, "/sns/S1/users", Some(MAC), batch(&names).to_string().into_bytes());
    world.engine.take_calls();
    let once = unlink().await;
    assert_eq!(names_of(&once), names);
    let calls = world.engine.take_calls();
    let mut seen = BTreeSet::new();
    for number in (0..calls.len()).filter(|number| !["GetItem", "BatchGetItem"].contains(&&*calls[*number].operation)) {
        world.restore(&start).await;
        world.engine.spoil(std::iter::repeat_n(None, number).chain([Some(Fault::Panic)]));
        unlink().await.refused(500, 500, "internal_error");
        world.engine.heal();
        let left = office.check("S1").await;
        seen.insert(left.len());
        let back = names.iter().find(|name| !left.contains(name));
        if let Some(back) = back {
            names_of(&office.client.post("/sns/S1/users", batch([back])).await);
        }
        world.wait(31);
        assert_eq!(unlink().await.essence(), once.essence(), "after call {number}");
        assert_eq!(office.check("S1").await, Vec::from_iter(back.cloned()), "after call {number}");
        tally.count();
    }
    assert_eq!(seen, BTreeSet::from([0, 12, 110]), "nothing, one transaction and all of it was done");
}

#[tokio::test]
async fn a_user_who_is_to_be_deleted_can_be_unlinked_everywhere() {
    let office = Office::new(None).await;
    office.licence("S2", None).await;
    office.users(["a", "b"]).await;
    for sn in ["S1", "S2"] {
        names_of(&office.client.post(&format!("/sns/{sn}/users"), batch(["a", "b"])).await);
    }
    let store = office.world.env.store.app(office.world.documented.record.app_id);
    assert_eq!(store.unlink_everywhere(&UserName::parse("a").unwrap()).await.unwrap(), 2);
    assert_eq!(office.check("S1").await, ["b"]);
    assert_eq!(office.check("S2").await, ["b"]);
}

/// A search as a client sends it and as SQL has it.
#[derive(Clone, Debug)]
struct Search {
    querys: Vec<(usize, Vec<String>)>,
    sort: Option<bool>,
    offset: usize,
    limit: usize,
}

const OPS: [&str; 7] = [">", ">=", "=", "<", "<=", "<>", "like"];

fn searches() -> impl Strategy<Value = Search> {
    let value = prop_oneof![
        "[a-dA\u{e9}\u{1f600}%_]{0,4}",
        "%[a-d0-9]{1,2}%",
        "[a-d][0-9a-d]{0,2}%",
        "[a-d]_[0-9a-d]{0,2}",
        "[a-d][0-9a-d]{3,5}",
    ];
    let query = (0..7_usize, prop::collection::vec(value, 1..4));
    (prop::collection::vec(query, 0..3), prop::option::of(any::<bool>()), 0..60_usize, 1..200_usize).prop_map(
        |(querys, sort, offset, limit)| {
            // Pages far behind are read in another way.
            let offset = if offset > 55 { offset * 180 } else { offset * offset };
            Search { querys, sort, offset, limit }
        },
    )
}

impl Search {
    fn body(&self) -> Value {
        let querys: Vec<_> =
            self.querys.iter().map(|(op, values)| json!({"name": "name", "op": OPS[*op], "values": values})).collect();
        let order = |descending: bool| if descending { "DESC" } else { "ASC" };
        let sorts: Vec<_> = self.sort.iter().map(|it| json!({"name": "name", "order": order(*it)})).collect();
        json!({"querys": querys, "sorts": sorts})
    }

    fn in_sqlite(&self, sqlite: &Connection) -> (usize, Vec<String>) {
        let (mut conditions, mut values) = (vec!["1".to_owned()], Vec::new());
        for (op, some) in &self.querys {
            let sql = some.iter().map(|_| format!("name {} ?", OPS[*op])).collect::<Vec<_>>();
            conditions.push(format!("({})", sql.join(if OPS[*op] == "<>" { " AND " } else { " OR " })));
            values.extend(some.iter().cloned());
        }
        let order = match self.sort {
            None => "ordinal",
            Some(false) => "name ASC",
            Some(true) => "name DESC",
        };
        let sql = format!("SELECT name FROM links WHERE {} ORDER BY {order}", conditions.join(" AND "));
        let mut statement = sqlite.prepare(&sql).unwrap();
        let rows = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(0)).unwrap();
        let rows: Vec<String> = rows.map(Result::unwrap).collect();
        (rows.len(), rows.into_iter().skip(self.offset).take(self.limit).collect())
    }
}

#[tokio::test]
async fn f_10_searches_find_what_sqlite_finds_in_the_same_order() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let office = Office::new(None).await;
    let mut runner = TestRunner::deterministic();
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    while names.len() < 10_000 {
        let name = "[a-dA\u{e9}\u{1f600}]{1,2}[0-9a-d]{0,4}".new_tree(&mut runner).unwrap().current();
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    link_in_bulk(&office.world, &names).await;
    let sqlite = Connection::open_in_memory().unwrap();
    sqlite
        .execute_batch("PRAGMA case_sensitive_like = on; CREATE TABLE links (ordinal INTEGER PRIMARY KEY, name TEXT COLLATE BINARY);")
        .unwrap();
    for (ordinal, name) in names.iter().enumerate() {
        let ordinal = i64::try_from(ordinal).unwrap();
        sqlite.execute("INSERT INTO links VALUES (?, ?)", rusqlite::params![ordinal, name]).unwrap();
    }
    let (mut found, mut searched) = (0, 0);
    for _ in 0..60 {
        let search = searches().new_tree(&mut runner).unwrap().current();
        let (total, rows) = search.in_sqlite(&sqlite);
        let path = format!("/sns/S1/users/data?offset={}&limit={}", search.offset, search.limit);
        let answer = office.client.post(&path, search.body()).await;
        assert_eq!(names_of(&answer), rows, "{search:?}");
        assert_eq!(answer.body["data"]["total"], total, "{search:?}");
        (found, searched) = (found + usize::from(total > 0), searched + 1);
    }
    assert!(found * 4 > searched, "{found} of {searched} searches found something");
    // Many more against the filter alone, which costs less.
    for _ in 0..500 {
        let search = searches().new_tree(&mut runner).unwrap().current();
        let filter = search
            .querys
            .iter()
            .fold(Filter::default(), |filter, (op, values)| filter.and(Op::parse(OPS[*op]).unwrap(), values.clone()));
        let expected = Search { sort: None, offset: 0, limit: usize::MAX, ..search.clone() }.in_sqlite(&sqlite).1;
        let passing: Vec<_> = names.iter().filter(|name| filter.matches(name)).cloned().collect();
        assert_eq!(passing, expected, "{search:?}");
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
