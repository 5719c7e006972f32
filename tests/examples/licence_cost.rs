//! Prints the table of `docs/cost.md` about licence codes: the calls and read units of a list and of searches in a
//! licence code with 100,000 users. `cargo run -p tests --example licence_cost` compares it with the document,
//! `UPDATE_DOCS=1` in the environment writes it there.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, process::ExitCode};

use serde_json::{Value, json};
use shared::{
    bitkey::{Bitkey, BitkeyRecord, BitkeyScope},
    licence::Sn,
};
use tests::{
    World,
    bulk::{link_in_bulk, users_in_bulk},
};

const USERS: usize = 100_000;
const BEGIN: &str = "<!-- licence_cost -->\n";
const END: &str = "<!-- end of licence_cost -->\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let table = measure().await;
    print!("{table}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cost.md");
    let document = fs::read_to_string(&path).expect("docs/cost.md");
    let (head, rest) = document.split_once(BEGIN).expect("the beginning of the table");
    let (_, tail) = rest.split_once(END).expect("the end of the table");
    let updated = format!("{head}{BEGIN}\n{table}\n{END}{tail}");
    if updated == document {
        return ExitCode::SUCCESS;
    }
    if update_is_wanted() {
        fs::write(&path, updated).expect("docs/cost.md can be written");
        return ExitCode::SUCCESS;
    }
    eprintln!("docs/cost.md says something else: run again with UPDATE_DOCS=1");
    ExitCode::FAILURE
}

#[expect(clippy::disallowed_methods, reason = "a tool's own switch, no setting of the service")]
fn update_is_wanted() -> bool {
    std::env::var("UPDATE_DOCS").is_ok()
}

async fn measure() -> String {
    let world = World::new().await;
    let app = world.documented.record.app_id;
    let store = world.env.store.app(app);
    let bitkey = Bitkey::from_bytes([1; 8], [1; 32]);
    let (id, hash) = (bitkey.id().clone(), bitkey.hash());
    let record = BitkeyRecord { id, app_id: app, hash, scope: BitkeyScope::Full, created_at: 0 };
    store.create_bitkey(&record).await.expect("a bitkey");
    let sn = Sn::parse("S1").expect("a licence code");
    store.create_licence(&sn, None, world.env.clock.now()).await.expect("a licence code");
    let names: Vec<String> = (0..USERS).map(|n| format!("user{n:06}@example.com")).collect();
    link_in_bulk(&world, &names).await;
    users_in_bulk(&world, &names).await;

    let client = world.client().with("bitkey", &bitkey.expose());
    let like = |pattern: &str| json!({"querys": [{"name": "name", "op": "like", "values": [pattern]}]});
    let equal = json!({"querys": [{"name": "name", "op": "=", "values": ["user050000@example.com"]}]});
    let by_name = json!({"sorts": [{"name": "name"}]});
    let requests: [(&str, Option<Value>, usize); 10] = [
        ("list, offset 0", None, 0),
        ("list, offset 50,000", None, 50_000),
        ("list, offset 99,950", None, 99_950),
        ("search, `=` one name", Some(equal), 0),
        ("search, `like 'user0500%'` (100 users)", Some(like("user0500%")), 0),
        ("search, `like 'user05%'` (10,000 users)", Some(like("user05%")), 0),
        ("search, `like '%4242%'` (infix)", Some(like("%4242%")), 0),
        ("everything sorted by name, offset 0", Some(by_name.clone()), 0),
        ("everything sorted by name, offset 99,950", Some(by_name.clone()), 99_950),
        ("everything sorted by name, offset 50,000", Some(by_name), 50_000),
    ];
    let mut table = "| request, 50 rows | found | calls | read units |\n|---|--:|---|--:|\n".to_owned();
    for (name, body, offset) in requests {
        world.engine.take_calls();
        let answer = match body {
            None => client.get(&format!("/sns/S1/users?offset={offset}")).await,
            Some(body) => client.post(&format!("/sns/S1/users/data?offset={offset}"), body).await,
        };
        let total = answer.body["data"]["total"].as_u64().expect("a total");
        let (mut calls, mut units) = (BTreeMap::new(), 0.0);
        for call in world.engine.take_calls() {
            units += world.engine.read_units(&call).await;
            *calls.entry(call.operation).or_insert(0) += 1;
        }
        let calls: Vec<_> = calls.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
        let _ = writeln!(table, "| {name} | {total} | {} | {units} |", calls.join(", "));
    }
    table
}
