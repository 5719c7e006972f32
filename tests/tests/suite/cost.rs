//! What requests cost is what is written down, and within what was promised.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{
    World,
    cost::{Figure, Figures, Growth, Section, check, document, scenarios},
    documents,
    world::routes,
};

#[tokio::test]
async fn every_endpoint_costs_what_is_written_down() {
    let measured = scenarios::all().await;
    let known: BTreeSet<_> = measured.iter().map(|it| it.route.clone()).collect();
    for route in routes().record() {
        let route = format!("{} {}", route.method.as_str(), route.path);
        assert!(known.contains(&route), "{route} has no scenario in tests/src/cost/scenarios");
    }
    let measured: Vec<_> = measured.iter().map(Figure::from).collect();
    let distinct: BTreeSet<_> = measured.iter().map(|figure| &figure.request).collect();
    assert_eq!(distinct.len(), measured.len(), "every scenario has a name of its own");
    check(Section::Endpoints, &measured).unwrap_or_else(|differences| panic!("{differences}"));
    documents::check("cost.md", &document(&Figures::committed()));
}

#[test]
fn the_promised_figures_are_kept() {
    let figures = Figures::committed();
    // Request, the most calls, read units and write units.
    let promised = [
        ("POST /api/AppUsers/{appId}/SignIn", 3, 1.0, 2.0),
        ("GET /api/AppUsers/{appId}/Profile", 1, 1.0, 0.0),
        ("GET /api/AppUsers/{appId}/Profile, with an OAuth token", 2, 2.0, 0.0),
        ("POST /api/AppUsers/{appId}/QRCodeSignIn, waiting", 1, 0.5, 0.0),
        ("POST /api/AppUsers/{appId}/SignUp", 1, 0.0, 4.0),
        ("POST /api/OAuth/{appId}/GrantCode", 4, 1.0, 3.0),
        ("POST /api/OAuth/{appId}/Authorize, first consent", 3, 4.0, 4.0),
        ("POST /api/OAuth/{appId}/Authorize", 3, 4.0, 4.0),
        ("GET /sns/{sn}/users, 50 of 200 users", 3, 28.5, 0.0),
    ];
    for (request, calls, read, write) in promised {
        let figure = figures.of(request);
        let is_kept = figure.calls() <= calls && figure.read <= read && figure.write <= write;
        assert!(is_kept, "{request}: {} calls, {} and {} units", figure.calls(), figure.read, figure.write);
    }
    let sign_up = figures.of("POST /api/AppUsers/{appId}/SignUp");
    assert_eq!(sign_up.operations(), "1 TransactWriteItems");
    let oauth = figures.of("GET /api/AppUsers/{appId}/Profile, with an OAuth token");
    assert_eq!(oauth.depth, 1, "the user and the consent are read at the same time");
}

/// Items of sizes on both sides of each step, through the engine, against the rules that DynamoDB publishes.
#[tokio::test]
async fn the_engine_counts_units_as_the_published_rules_do() {
    let world = World::new().await;
    let (client, users, points) = (
        world.engine.client(),
        world.table(shared::storage::Table::Users),
        world.table(shared::storage::Table::Points),
    );
    // An item's size is its names and values: "pk" and "data" take 6 bytes, the key one.
    let item = |bytes: usize| json!({"pk": {"S": "k"}, "data": {"S": "x".repeat(bytes - 7)}});
    let attribute = |value: &Value| aws_sdk_dynamodb::types::AttributeValue::S(value["S"].as_str().unwrap().to_owned());
    let units = |metered: tests::cost::Profile| (metered.read, metered.write);
    for (bytes, write, read) in
        [(7, 1.0, 1.0), (1_024, 1.0, 1.0), (1_025, 2.0, 1.0), (4_096, 4.0, 1.0), (4_097, 5.0, 2.0)]
    {
        let row = item(bytes);
        let put = || {
            aws_sdk_dynamodb::types::Put::builder()
                .table_name(&users)
                .item("pk", attribute(&row["pk"]))
                .item("data", attribute(&row["data"]))
                .build()
                .unwrap()
        };
        world.engine.start_metering();
        client
            .put_item()
            .table_name(&users)
            .item("pk", attribute(&row["pk"]))
            .item("data", attribute(&row["data"]))
            .send()
            .await
            .unwrap();
        assert_eq!(units(world.engine.metered()), (0.0, write), "{bytes} bytes written");
        world.engine.start_metering();
        let step = aws_sdk_dynamodb::types::TransactWriteItem::builder().put(put()).build();
        client.transact_write_items().transact_items(step).send().await.unwrap();
        assert_eq!(units(world.engine.metered()), (0.0, 2.0 * write), "{bytes} bytes written in a transaction");
        for consistent in [true, false] {
            let expected = if consistent { read } else { read / 2.0 };
            world.engine.start_metering();
            client
                .get_item()
                .table_name(&users)
                .key("pk", attribute(&row["pk"]))
                .consistent_read(consistent)
                .send()
                .await
                .unwrap();
            assert_eq!(units(world.engine.metered()), (expected, 0.0), "{bytes} bytes read, consistent: {consistent}");
            let keys = aws_sdk_dynamodb::types::KeysAndAttributes::builder()
                .keys([("pk".to_owned(), attribute(&row["pk"]))].into())
                .keys([("pk".to_owned(), attribute(&json!({"S": "missing"})))].into())
                .consistent_read(consistent)
                .build()
                .unwrap();
            world.engine.start_metering();
            client.batch_get_item().request_items(&users, keys).send().await.unwrap();
            let missing = if consistent { 1.0 } else { 0.5 };
            assert_eq!(
                units(world.engine.metered()),
                (expected + missing, 0.0),
                "each item of a batch is rounded by itself"
            );
        }
    }
    // A query rounds the sum.
    for ordinal in 0..3 {
        let row = json!({"pk": {"S": "k"}, "sk": {"S": format!("{ordinal}")}, "data": {"S": "x".repeat(2_000)}});
        world.engine.put(&points, &row).await;
    }
    world.engine.start_metering();
    let query = client.query().table_name(&points).key_condition_expression("pk = :pk");
    query.expression_attribute_values(":pk", attribute(&json!({"S": "k"}))).consistent_read(true).send().await.unwrap();
    assert_eq!(units(world.engine.metered()), (2.0, 0.0));
    // An index is written, too.
    let licences = world.table(shared::storage::Table::Licences);
    world.engine.start_metering();
    let put = client
        .put_item()
        .table_name(&licences)
        .item("pk", attribute(&json!({"S": "k"})))
        .item("sk", attribute(&json!({"S": "s"})));
    put.item("ordinal", aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned())).send().await.unwrap();
    assert_eq!(units(world.engine.metered()), (0.0, 2.0));
}

/// The figures with many rows are measured by the example `cost_at_scale`; here they are only looked at.
#[test]
fn what_many_users_rows_and_consents_cost_is_what_few_do() {
    let figures = Figures::committed();
    let pairs = [
        (" among 1000 users", " among 1000000 users"),
        (" 1000 rows in the ledger", " 100000 rows in the ledger"),
        (" 1000 consents", " 100000 consents"),
    ];
    let mut compared = 0;
    for (few, many) in pairs {
        for figure in figures.scale.iter().filter(|figure| figure.request.ends_with(few)) {
            let other = figures.of(&figure.request.replace(few, many));
            assert_eq!(
                (&figure.operations, figure.read, figure.write),
                (&other.operations, other.read, other.write),
                "{}",
                figure.request
            );
            compared += 1;
        }
    }
    assert!(compared >= 10, "{compared}");
    assert!(figures.growth.len() >= 8, "what our own code does is measured, too");
    for growth in &figures.growth {
        assert!(growth.ratio() <= Growth::MOST, "{}: {:.2} times as long", growth.request, growth.ratio());
    }
}
