//! Authorization codes and the consents that they lead to.

use tests::claims;

use crate::security::good::Town;

use super::{all_orders, good, is_live, reasons, tallied, tokens, twice};

#[tokio::test(start_paused = true)]
async fn rc_11_one_authorization_code_exchanged_twice() {
    let town = Town::new().await;
    for name in ["POST Authorize 0", "POST Authorize 1"] {
        let explored = all_orders(&town, &twice(good(&town, name)), async |answers| {
            assert_eq!(reasons(&answers), ["", "invalid_grant"]);
            assert!(!is_live(&town.world, &tokens(&answers)[0]).await, "the second use was seen");
        })
        .await;
        tallied("RC-11", explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_23_a_consent_is_deleted_while_codes_for_it_are_exchanged() {
    let town = Town::new().await;
    let plain = town.world.client().bearer(&town.people.union);
    let requests = [good(&town, "DELETE Consents 0"), good(&town, "POST Authorize 0")];
    let explored = all_orders(&town, &requests, async |answers| {
        assert_eq!(reasons(&answers), ["", ""]);
        let token = answers[1].token();
        let listed = plain.get("/api/OAuth/2/Consents").await;
        let mut listed = listed.data().as_array().unwrap().iter().map(|it| it["id"].to_string());
        let is_listed = listed.any(|id| id == claims(&token)["cid"].as_str().unwrap());
        assert_eq!(is_live(&town.world, &token).await, is_listed);
    })
    .await;
    tallied("RC-23", explored);
}
