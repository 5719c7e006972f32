//! Setting up, switching on and off, and what is kept.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use shared::{clock::Clock as _, storage::Table};
use tests::{Authenticator, World};

use super::{Enrolled, Way, external, setup, signed_up, start, switch};

#[tokio::test]
async fn tf_01_every_setup_makes_a_secret_and_the_latest_one_counts() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    let answer = client.get(&setup(&world)).await;
    assert_eq!(answer.data()["account"], "alice");
    assert_eq!(answer.data().as_object().unwrap().len(), 3);
    let first = Authenticator::with_key(answer.data()["manualEntryKey"].as_str().unwrap());
    assert_eq!(first.secret().len(), 20, "160 bits");
    let picture = answer.data()["qrCodeSetupImageUrl"].as_str().unwrap();
    let svg = STANDARD.decode(picture.strip_prefix("data:image/svg+xml;base64,").unwrap()).unwrap();
    assert!(String::from_utf8(svg).unwrap().starts_with("<svg "));

    let second = start(&world, &client).await;
    assert_ne!(first.secret(), second.secret());
    let early = switch(&world, &client, true, &first.code(world.clock.now(), 0)).await;
    early.refused(401, 401, "invalid_two_factor_code");
    let on = switch(&world, &client, true, &second.code(world.clock.now(), 0)).await;
    let codes = on.data()["recoveryCodes"].as_array().unwrap().clone();
    assert_eq!(on.data().as_object().unwrap().len(), 1);
    assert_eq!(codes.iter().collect::<std::collections::HashSet<_>>().len(), 10);

    let before = world.snapshot().await;
    client.get(&setup(&world)).await.refused(409, 409, "two_factor_on");
    switch(&world, &client, true, &second.code(world.clock.now(), 1)).await.refused(409, 409, "two_factor_on");
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn tf_02_it_is_on_only_with_a_right_code_within_ten_minutes() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    switch(&world, &client, true, "123456").await.refused(401, 401, "invalid_two_factor_code");
    let authenticator = start(&world, &client).await;
    let code = |steps| authenticator.code(world.clock.now(), steps);
    for wrong in [code(-2), code(1), code(2)] {
        switch(&world, &client, true, &wrong).await.refused(401, 401, "invalid_two_factor_code");
    }
    Way::Password.sign_in(&world, "alice", None).await.token();
    world.wait(600);
    switch(&world, &client, true, &authenticator.code(world.clock.now(), 0)).await.refused(
        401,
        401,
        "invalid_two_factor_code",
    );
    Way::Password.sign_in(&world, "alice", None).await.token();
    let authenticator = start(&world, &client).await;
    world.wait(599);
    switch(&world, &client, true, &authenticator.code(world.clock.now(), 0)).await.data();
    Way::Password.refused(&Way::Password.sign_in(&world, "alice", None).await, 401, "two_factor_required");
}

#[tokio::test]
async fn switching_is_for_the_bearer_and_takes_a_bool_and_six_digits() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    let path = setup(&world);
    world.client().get(&path).await.refused(401, 401, "invalid_token");
    world.client().put(&path, json!({})).await.refused(401, 401, "invalid_token");
    let other = path.replace(world.documented.record.app_key.as_str(), world.strict.record.app_key.as_str());
    client.get(&other).await.refused(401, 401, "invalid_token");
    let before = world.snapshot().await;
    for body in [
        json!({}),
        json!({"enable": true}),
        json!({"twoFactorCode": "123456"}),
        json!({"enable": "true", "twoFactorCode": "123456"}),
        json!({"enable": true, "twoFactorCode": ""}),
        json!({"enable": true, "twoFactorCode": 123_456}),
        json!({"enable": true, "twoFactorCode": "12345"}),
        json!({"enable": true, "twoFactorCode": "1234567"}),
        json!({"enable": true, "twoFactorCode": "１２３４５６"}),
        json!({"enable": true, "twoFactorCode": " 12345"}),
        json!({"enable": true, "twoFactorCode": "aaaa-bbbb-cccc-dddd"}),
    ] {
        client.put(&path, body).await.refused(400, 400, "invalid_request");
    }
    switch(&world, &client, false, "123456").await.refused(401, 401, "invalid_two_factor_code");
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn tf_14_a_secret_is_worth_nothing_in_another_row() {
    let enrolled = Enrolled::new().await;
    let bob = Enrolled::named(enrolled.world.clone(), "bob").await;
    let world = &enrolled.world;
    let secret_of = |rows: &[Value], name: &str| {
        rows.iter().find(|row| row["userName"]["S"] == name).map(|row| row["totpSecret"].clone()).unwrap()
    };
    let rows = world.rows(Table::Users).await;
    let (alices, bobs) = (secret_of(&rows, "alice"), secret_of(&rows, "bob"));
    assert_ne!(alices, bobs);
    world.set_user(&world.documented, "alice", "totpSecret", bobs.clone()).await;
    world.set_user(&world.documented, "bob", "totpSecret", alices).await;
    world.wait(30);
    for code in [enrolled.code(), bob.code()] {
        for name in ["alice", "bob"] {
            Way::Password.sign_in(world, name, Some(&code)).await.refused(500, 500, "internal_error");
        }
    }
}

#[tokio::test]
async fn tf_16_neither_answers_nor_tables_show_secrets_or_codes() {
    let enrolled = Enrolled::new().await;
    let world = &enrolled.world;
    let dump = serde_json::to_string(&world.snapshot().await).unwrap();
    let secret = enrolled.authenticator.secret();
    let hex = shared::entropy::hex(secret);
    let forms = [STANDARD.encode(secret), hex];
    for text in forms.iter().chain(&enrolled.recovery_codes) {
        assert!(!dump.contains(text.as_str()) && !dump.contains(&text.replace('-', "")));
    }
    let rows = world.rows(Table::Users).await;
    let sealed = rows.iter().find_map(|row| row.get("totpSecret")).unwrap()["S"].as_str().unwrap().to_owned();
    for answer in [
        enrolled.client.get("/api/AppUsers/2/Profile").await,
        enrolled.client.get(&external(world)).await,
        enrolled.client.get(&setup(world)).await,
        enrolled.sign_in(Way::Password, None).await,
        enrolled.sign_in(Way::Password, Some(&enrolled.code())).await,
    ] {
        for text in forms.iter().chain(&enrolled.recovery_codes).chain([&sealed]) {
            assert!(!answer.text.contains(text.as_str()), "{}", answer.text);
        }
        assert!(!answer.text.to_lowercase().contains("totp"), "{}", answer.text);
    }
    let profile = enrolled.client.get("/api/AppUsers/2/Profile").await;
    assert_eq!(profile.data().as_object().unwrap().len(), 15, "what the profile has always shown");
}

#[tokio::test]
async fn switched_off_it_is_no_longer_asked_for_and_tokens_stay() {
    let enrolled = Enrolled::new().await;
    let world = &enrolled.world;
    let wrong = switch(world, &enrolled.client, false, &enrolled.wrong_code()).await;
    wrong.refused(401, 401, "invalid_two_factor_code");
    let off = switch(world, &enrolled.client, false, &enrolled.code()).await;
    assert_eq!(off.body, json!({"code": 200, "data": true, "error": ""}));
    for way in Way::ALL {
        enrolled.sign_in(way, None).await.data();
    }
    enrolled.client.get("/api/AppUsers/2/Profile").await.data();
    let rows = world.rows(Table::Users).await;
    let user = rows.iter().find(|row| row["userName"]["S"] == "alice").unwrap();
    for gone in ["totpSecret", "totpStep", "totpPending", "recoveryCodes", "totpFailures"] {
        assert_eq!(user.get(gone), None, "{gone}");
    }
    // On again it is another secret, and the old recovery codes are worth nothing.
    let authenticator = start(world, &enrolled.client).await;
    assert_ne!(authenticator.secret(), enrolled.authenticator.secret());
    switch(world, &enrolled.client, true, &authenticator.code(world.clock.now(), 0)).await.data();
    let old = enrolled.sign_in(Way::Password, Some(&enrolled.recovery_codes[0])).await;
    old.refused(200, 401, "invalid_two_factor_code");
}

#[tokio::test]
async fn the_code_that_switched_it_on_is_used_up() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    let authenticator = start(&world, &client).await;
    let code = authenticator.code(world.clock.now(), 0);
    switch(&world, &client, true, &code).await.data();
    Way::Password.sign_in(&world, "alice", Some(&code)).await.refused(200, 401, "invalid_two_factor_code");
    switch(&world, &client, false, &code).await.refused(401, 401, "invalid_two_factor_code");
}

#[tokio::test]
async fn an_operator_takes_it_from_whoever_lost_it() {
    let enrolled = Enrolled::new().await;
    let world = &enrolled.world;
    let rows = world.rows(Table::Users).await;
    let user = rows.iter().find(|row| row["userName"]["S"] == "alice").unwrap();
    let id = shared::user::UserId::parse(user["id"]["N"].as_str().unwrap()).unwrap();
    let store = world.env.store.app(world.documented.record.app_id);
    assert!(store.remove_second_factor(id).await.unwrap());
    assert!(!store.remove_second_factor(shared::user::UserId::new(1)).await.unwrap());
    enrolled.sign_in(Way::Password, None).await.token();
}
