//! Measures requests where there are few rows and where there are many, and compares them with `docs/cost.json`:
//! `cargo run -p tests --example cost_at_scale`. With `UPDATE_DOCS=1` in the environment it writes them there, and
//! `docs/cost.md` anew. Needs some minutes and 4 GB of memory: a million users are really there.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use shared::{entropy::SystemEntropy, password::PasswordHasher, secret::Password, storage::Table};
use tests::{
    Client, World,
    cost::{Case, Figure, Figures, Growth, Run, Section, check, document, scenarios::vendor},
    documents,
};

const PASSWORD: &str = "correct horse battery";
/// How often a request is sent whose own work is measured; one that hashes a password, less often.
const TIMES: u32 = 500;
const HASHES: u32 = 40;
/// Rows that are brought in at a time.
const CHUNK: u64 = 50_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let [few, many] = [among_users(1_000).await, among_users(1_000_000).await];
    let mut growth = grown(&few, &many, "users");
    let mut figures = [few.figures, many.figures].concat();
    let [few, many] = [in_ledger(1_000).await, in_ledger(100_000).await];
    growth.extend(grown(&few, &many, "rows in the ledger"));
    let [few_consents, many_consents] = [under_consents(1_000).await, under_consents(100_000).await];
    growth.extend(grown(&few_consents, &many_consents, "consents"));
    figures.extend([few.figures, few_consents.figures, many.figures, many_consents.figures].concat());
    figures.extend(in_licence(100_000).await);
    for figure in &figures {
        println!("{}: {}; {} read, {} written", figure.request, figure.operations(), figure.read, figure.write);
    }
    for growth in &growth {
        println!("{}: {:.0} and {:.0} µs of our own, {:.2}", growth.request, growth.few, growth.many, growth.ratio());
    }
    if let Err(differences) = check(Section::Scale, &figures) {
        eprintln!("{differences}");
        return ExitCode::FAILURE;
    }
    if let Some(growth) = growth.iter().find(|growth| growth.ratio() > Growth::MOST) {
        eprintln!("{}: {:.2} times as long, {} is the most", growth.request, growth.ratio(), Growth::MOST);
        return ExitCode::FAILURE;
    }
    if documents::is_update_wanted() {
        let hash_milliseconds = hash_milliseconds().await;
        Figures { hash_milliseconds, growth, ..Figures::committed() }.write();
    }
    documents::check("cost.md", &document(&Figures::committed()));
    ExitCode::SUCCESS
}

/// The shortest of some, for other work goes on beside.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
async fn hash_milliseconds() -> f64 {
    let hasher = PasswordHasher::new();
    let mut shortest = f64::INFINITY;
    for _ in 0..100 {
        let started = Instant::now();
        hasher.hash(&Password::new(PASSWORD.to_owned()), &SystemEntropy).await;
        shortest = shortest.min(started.elapsed().as_secs_f64() * 1_000.0);
    }
    (shortest * 10.0).round() / 10.0
}

/// A user of the documented app, ready to call, and their number.
async fn alice(world: &World) -> (Client, u64) {
    let token = world.client().sign_up(2, "alice", PASSWORD).await;
    let client = world.client().bearer(&token);
    let id = client.get("/api/AppUsers/2/Profile").await.data()["id"].as_u64().expect("a number");
    (client, id)
}

/// What was measured in a place with few rows or many.
struct Place {
    figures: Vec<Figure>,
    /// By request, how long our own code works for it.
    own: Vec<(&'static str, Duration)>,
}

/// The figures of a run, named after where they were measured.
fn named(run: &Run, place: &str) -> Vec<Figure> {
    let named = |measured| {
        let figure = Figure::from(measured);
        Figure { request: format!("{}, {place}", figure.request), ..figure }
    };
    run.measured.iter().map(named).collect()
}

fn grown(few: &Place, many: &Place, of_what: &str) -> Vec<Growth> {
    let micros = |time: &Duration| time.as_secs_f64() * 1e6;
    let pairs = few.own.iter().zip(&many.own);
    pairs
        .map(|((request, few), (_, many))| Growth {
            request: format!("{request}, {of_what}"),
            few: micros(few),
            many: micros(many),
        })
        .collect()
}

async fn among_users(users: u64) -> Place {
    let mut run = Run::new().await;
    let (client, id) = alice(&run.world).await;
    let rows = run.world.rows(Table::Users).await;
    let number = id.to_string();
    let original = rows.iter().find(|row| row["id"]["N"] == *number).expect("alice").clone();
    let copies = move |number: u64| {
        let (id, name) = (number + 1, format!("user{number:07}"));
        let mut user = original.clone();
        user["pk"]["S"] = format!("2#user#{id}").into();
        user["id"]["N"] = id.to_string().into();
        user["userName"]["S"] = name.as_str().into();
        [user, json!({"pk": {"S": format!("2#name#{name}")}, "userId": {"N": id.to_string()}})]
    };
    import(&run.world, Table::Users, users, copies);
    let anybody = run.world.client();
    let body = json!({"userName": format!("user{:07}", users / 2), "pwd": PASSWORD});
    run.case(&anybody, Case::post("", &Run::at("SignIn"), body.clone())).await;
    run.case(&client, Case::get("", &Run::at("Profile"))).await;
    let body = json!({"userName": "another", "pwd": PASSWORD});
    run.case(&anybody, Case::post("", &Run::at("SignUp"), body)).await;
    let sign_in = json!({"userName": format!("user{:07}", users / 3), "pwd": PASSWORD});
    let own = vec![
        ("SignIn", run.own_time(HASHES, async || anybody.post(&Run::at("SignIn"), sign_in.clone()).await).await),
        ("Profile", run.own_time(TIMES, async || client.get(&Run::at("Profile")).await).await),
    ];
    Place { figures: named(&run, &format!("among {users} users")), own }
}

/// Brings in the rows of each number below `count`.
fn import<const N: usize>(world: &World, table: Table, count: u64, rows: impl Fn(u64) -> [Value; N]) {
    let table = world.table(table);
    for start in (0..count).step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX)) {
        world.engine.import(&table, (start..count.min(start + CHUNK)).flat_map(&rows));
    }
}

async fn in_ledger(rows: u64) -> Place {
    let mut run = Run::new().await;
    let (client, id) = alice(&run.world).await;
    let partition = format!("2#{id}");
    let row = |sort: String, number: u64| {
        json!({
            "pk": {"S": partition}, "sk": {"S": sort}, "id": {"N": number.to_string()}, "used": {"N": "2"},
            "remark": {"S": number.to_string()}, "createdAt": {"N": "1772000000000"},
        })
    };
    import(&run.world, Table::Points, rows, |number| {
        ["all", "in"].map(|kind| row(format!("{kind}#{:016}", number + 1), number + 1))
    });
    let account = json!({
        "pk": {"S": partition}, "sk": {"S": "account"}, "balance": {"N": (2 * rows).to_string()},
        "rows": {"N": rows.to_string()}, "recharges": {"N": rows.to_string()}, "consumptions": {"N": "0"},
    });
    run.world.engine.import(&run.world.table(Table::Points), [account]);
    run.case(&client, Case::get("the first 20", &Run::at("PointLog"))).await;
    let last = format!("{}?skip={}&take=20", Run::at("PointLog"), rows - 20);
    run.case(&client, Case::get("the last 20", &last)).await;
    run.case(&client, Case::post("", &Run::at("RechargePoints"), json!({"price": 200, "orderId": "o"}))).await;
    let mut orders = 0..;
    let mut recharge = async || {
        let order = format!("order{}", orders.next().unwrap_or(0));
        client.post(&Run::at("RechargePoints"), json!({"price": 200, "orderId": order})).await
    };
    let own = vec![
        ("PointLog, the first 20", run.own_time(TIMES, async || client.get(&Run::at("PointLog")).await).await),
        ("PointLog, the last 20", run.own_time(TIMES, async || client.get(&last).await).await),
        ("RechargePoints", run.own_time(TIMES, &mut recharge).await),
    ];
    Place { figures: named(&run, &format!("{rows} rows in the ledger")), own }
}

async fn under_consents(consents: u64) -> Place {
    let mut run = Run::new().await;
    let (_, id) = alice(&run.world).await;
    let partition = format!("2#{id}");
    import(&run.world, Table::Consents, consents, |number| {
        let number = number + 1;
        [json!({
            "pk": {"S": partition}, "sk": {"S": format!("consent#{number:010x}")},
            "id": {"N": (number << 13 | 1).to_string()}, "redirectUri": {"S": ""},
            "scopes": {"S": format!("scope{number}")}, "grantType": {"S": "account"},
            "createdAt": {"N": "1772000000000"}, "updatedAt": {"N": "1772000000000"},
        })]
    });
    let client = run.world.client();
    let grant = json!({"grant_type": "account", "scopes": "openid", "userName": "alice", "password": PASSWORD});
    let granted = run.case(&client, Case::post("", "/api/OAuth/2/GrantCode", grant.clone())).await;
    let code = json!({"code": granted.data()["code"]});
    let token = run.case(&client, Case::post("first consent", "/api/OAuth/2/Authorize", code)).await.token();
    let owner = client.clone().bearer(&token);
    run.case(&owner, Case::get("with an OAuth token", &Run::at("Profile"))).await;
    run.case(&owner, Case::get("", "/api/OAuth/2/Consents")).await;
    let mut codes = Vec::new();
    let mut grant_code = async || {
        let granted = client.post("/api/OAuth/2/GrantCode", grant.clone()).await;
        codes.push(json!({"code": granted.data()["code"]}));
        granted
    };
    let granting = run.own_time(HASHES, &mut grant_code).await;
    let mut codes = codes.into_iter();
    let mut authorize = async || client.post("/api/OAuth/2/Authorize", codes.next().unwrap_or_default()).await;
    let own = vec![
        ("GrantCode", granting),
        ("Authorize", run.own_time(HASHES, &mut authorize).await),
        ("Profile with an OAuth token", run.own_time(TIMES, async || owner.get(&Run::at("Profile")).await).await),
    ];
    Place { figures: named(&run, &format!("{consents} consents")), own }
}

async fn in_licence(users: usize) -> Vec<Figure> {
    let mut run = Run::new().await;
    let names: Vec<String> = (0..users).map(|n| format!("user{n:06}@example.com")).collect();
    let vendor = vendor(&run.world, &names).await;
    vendor.get("/sns/S1/users?limit=1").await;
    let like = |pattern: &str| json!({"querys": [{"name": "name", "op": "like", "values": [pattern]}]});
    let equal = json!({"querys": [{"name": "name", "op": "=", "values": ["user050000@example.com"]}]});
    let by_name = json!({"sorts": [{"name": "name"}]});
    for (name, offset) in [("offset 0", 0), ("offset 50,000", 50_000), ("offset 99,950", 99_950)] {
        run.case(&vendor, Case::get(name, &format!("/sns/S1/users?offset={offset}"))).await;
    }
    for (name, body, offset) in [
        ("`=` one name", equal, 0),
        ("`like 'user0500%'` (100 users)", like("user0500%"), 0),
        ("`like 'user05%'` (10,000 users)", like("user05%"), 0),
        ("`like '%4242%'` (20 users)", like("%4242%"), 0),
        ("sorted by name, offset 0", by_name.clone(), 0),
        ("sorted by name, offset 99,950", by_name.clone(), 99_950),
        ("sorted by name, offset 50,000", by_name, 50_000),
    ] {
        run.case(&vendor, Case::post(name, &format!("/sns/S1/users/data?offset={offset}"), body)).await;
    }
    named(&run, &format!("{users} linked users"))
}
