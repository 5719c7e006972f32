//! Every route refuses what its record says: a new endpoint cannot forget its credentials.

use shared::http::{Access, Family};
use tests::{World, world::routes};

use crate::probe::{Probe, fill};

#[tokio::test]
async fn pf_01_jw_22_bearer_routes_refuse_every_request_without_a_good_token() {
    let world = World::new().await;
    let good = world.client().sign_up(2, "alice", "correct horse battery").await;
    let probes = Probe::all(&world).await;
    let before = world.snapshot().await;
    let headers: [&[&str]; 8] = [
        &[],
        &["Bearer "],
        &["Bearer x.y.z"],
        &["Basic x"],
        &[&format!("Bearer  {good}")],
        &[&format!("Bearer {good} ")],
        &[&format!("Token {good}")],
        &[&format!("Bearer {good}"), &format!("Bearer {good}")],
    ];
    for probe in probes.iter().filter(|probe| probe.is(Access::Bearer)) {
        for values in headers {
            let client = values.iter().fold(world.client(), |client, value| client.with("authorization", value));
            let answer = probe.send_empty(&client).await;
            answer.refused(401, 401, "invalid_token");
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{}", probe.path);
        }
        let in_query = format!("{}?access_token={good}", probe.path);
        world.client().send(probe.method(), &in_query, None, Vec::new()).await.refused(401, 401, "invalid_token");
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn ti_01_a_token_is_good_for_its_own_app_only() {
    let world = World::new().await;
    let (mine, other) = (&world.documented, &world.strict);
    for (token, at) in [
        (world.client().sign_up(mine.id(), "alice", "correct horse battery").await, other),
        (world.client().sign_up(other.id(), "alice", "correct horse battery").await, mine),
    ] {
        let client = world.client().bearer(&token).with("x-app-secret", at.secret.expose());
        for route in routes().record().filter(|route| route.access == Access::Bearer) {
            let path = fill(route.path, &at.id().to_string(), at.record.app_key.as_str());
            let method = route.method.as_str().parse().unwrap();
            client.send(method, &path, Some("application/json"), b"{}".to_vec()).await.refused(
                401,
                401,
                "invalid_token",
            );
        }
    }
}

#[tokio::test]
async fn g_34_anonymous_routes_do_not_look_at_the_authorization_header() {
    let world = World::new().await;
    let foreign = world.client().sign_up(3, "alice", "correct horse battery").await;
    for probe in Probe::all(&world).await.iter().filter(|probe| probe.is(Access::Anonymous)) {
        let plain = probe.send_empty(&world.client()).await;
        for header in ["Bearer ", "Bearer x.y.z", &format!("Bearer {foreign}")] {
            let answer = probe.send_empty(&world.client().with("authorization", header)).await;
            assert_eq!((answer.status, answer.code()), (plain.status, plain.code()), "{}", probe.path);
        }
    }
}

#[tokio::test]
async fn g_23_ti_08_unknown_and_disabled_apps_are_the_same() {
    let world = World::new().await;
    world.change_app(&world.strict, |app| app.status = shared::app::AppStatus::Disabled).await;
    let unknown_key = "00000000-0000-4000-8000-000000000000";
    for route in routes().record().filter(|route| route.path.contains("{app")) {
        let status = if route.family() == Family::V2 { 404 } else { 200 };
        for (id, key) in [
            ("3", world.strict.record.app_key.as_str()),
            ("4", unknown_key),
            ("0", "x"),
            ("-1", "2"),
            ("02", "%00"),
            ("abc", "..%2f"),
            ("9223372036854775808", "%252e"),
            ("%EF%BC%92", "%FF"),
        ] {
            let method = route.method.as_str().parse().unwrap();
            let answer = world.client().send(method, &fill(route.path, id, key), None, Vec::new()).await;
            answer.refused(status, 404, "app_not_found");
        }
    }
}

#[tokio::test]
async fn no_two_groups_claim_one_path() {
    let mut claimed = std::collections::BTreeSet::new();
    for route in routes().record() {
        for spelling in route.spellings() {
            assert!(claimed.insert((route.method, spelling.clone())), "{} {spelling}", route.method.as_str());
        }
    }
}

#[tokio::test]
async fn li_01_li_05_bitkey_routes_refuse_every_request_without_a_good_key() {
    let world = World::new().await;
    let token = world.client().sign_up(2, "alice", "correct horse battery").await;
    let probes = Probe::all(&world).await;
    let before = world.snapshot().await;
    for probe in probes.iter().filter(|probe| probe.is(Access::Bitkey)) {
        for client in [
            world.client(),
            world.client().bearer(&token),
            world.client().with("bitkey", ""),
            world.client().with("bitkey", "bk_0123456789abcdef_0"),
            world.client().with("bitkey", world.documented.secret.expose()),
        ] {
            let answer = probe.send_empty(&client).await;
            assert_eq!((answer.status.as_u16(), answer.code(), answer.reason()), (401, 401, "invalid_bitkey"));
            world.wait(60);
        }
    }
    assert_eq!(world.snapshot().await, before);
}
