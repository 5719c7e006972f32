//! What is signed verifies, and nothing that differs from it in a single byte does.

use serde_json::json;
use shared::clock::Clock as _;
use tests::{Tally, World, properties::hold};

#[test]
fn p_11_a_token_verifies_and_with_any_one_byte_changed_it_does_not() {
    let tally = &Tally::of("P-11");
    let input = ("[a-z\u{4e00}-\u{4e20}]{0,50}", "[a-z0-9]{1,100}", 1..128_u8);
    hold(6, &input, |(nick_name, union_id, flip)| async move {
        let world = World::new().await;
        let body = json!({"platform": "wx", "unionID": union_id, "nickName": nick_name});
        world.change_app(&world.documented, |app| app.settings.default_password = None).await;
        let token = world.client().post("/api/AppUsers/2/UnionIDSignUp", body).await.token();
        let now = world.clock.now();
        let tokens = world.env.tokens.at(now).await.expect("keys");
        let verified = tokens.verify(&token, now).expect("what is signed verifies");
        assert_eq!(verified.app, world.documented.record.app_id);
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] ^= flip;
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert!(tokens.verify(&changed, now).is_err(), "byte {place} of {token} changed: {changed}");
        }
        tally.count();
    });
}
