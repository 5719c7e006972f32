//! Steps of one sign-in, a reset among them, and messages to one address.

use std::cell::Cell;

use serde_json::json;
use tests::{
    Answer, claims,
    schedules::{Actor, Bounds, explore},
};

use crate::security::good::{PASSWORD, Town};

use super::{all_orders, good, is_live, post, reasons, tallied, tokens, twice};

#[tokio::test(start_paused = true)]
async fn rc_13_a_reset_and_what_was_opened_before_it() {
    let town = Town::new().await;
    let ask = json!({"grant_type": "account", "scopes": "openid", "userName": "alice", "password": PASSWORD});
    let granted = town.world.client().post("/api/OAuth/2/GrantCode", ask).await;
    let exchange = json!({"code": granted.data()["code"]});
    let others = [good(&town, "POST PhoneSignIn 0"), post(&town, "/api/OAuth/2/Authorize", exchange)];
    for other in others {
        let explored = all_orders(&town, &[good(&town, "POST ResetPwd 0"), other], async |answers| {
            assert_eq!(answers[0].reason(), "", "the code for the reset is its own");
            for token in tokens(&answers[1..]) {
                assert!(!is_live(&town.world, &token).await, "no token outlives the reset");
            }
        })
        .await;
        tallied("RC-13", explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_14_two_polls_and_other_steps_of_one_qr_code() {
    let town = Town::new().await;
    let explored = all_orders(&town, &twice(good(&town, "POST QRCodeSignIn 0")), async |answers| {
        assert_eq!(reasons(&answers), ["", "qr_expired"]);
    })
    .await;
    tallied("RC-14", explored);
    let explored = all_orders(&town, &twice(good(&town, "POST QRCodeScan 0")), async |answers| {
        assert_eq!(reasons(&answers), ["", "qr_unusable"]);
    })
    .await;
    tallied("RC-14", explored);
    let ticket = &town.people.tickets[1];
    let confirm = |name: &str| {
        let body = json!({"signInKey": ticket.key, "platform": "wx", "unionID": name});
        post(&town, "/api/AppUsers/2/QRCodeSignUp", body)
    };
    let poll = post(&town, "/api/AppUsers/2/QRCodeSignIn", json!({"signInKey": ticket.key}));
    let explored = all_orders(&town, &[confirm("union"), confirm("carol"), poll.clone()], async |answers| {
        let winners: Vec<_> = [0, 1].into_iter().filter(|n| answers[*n].code() == 200).collect();
        assert_eq!(winners.len(), 1, "{:?}", reasons(&answers));
        let late = poll.send().await;
        let polled: Vec<_> = [&answers[2], &late].into_iter().filter(|answer| answer.code() == 200).collect();
        assert_eq!(polled.len(), 1, "one token");
        let subject = &claims(&polled[0].token())["nameid"];
        assert_eq!(*subject, claims(&answers[winners[0]].token())["nameid"], "the confirmer's");
    })
    .await;
    tallied("RC-14", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_16_two_sends_to_one_address() {
    let town = Town::new().await;
    let from = town.world.checkpoint().await;
    let sent = || town.world.messages_to("13700137000").len();
    let before = Cell::new(0);
    let request = good(&town, "POST SendSMSCode 0");
    let actors = || {
        before.set(sent());
        (0..2).map(|_| Box::pin(request.send()) as Actor<'_, Answer>).collect()
    };
    let explored = explore(&town.world, &from, Bounds::default(), actors, async |answers| {
        assert_eq!(reasons(&answers), ["", "throttled"]);
        assert_eq!(sent() - before.get(), 1);
    })
    .await;
    explored.report("rc_16");
    tallied("RC-16", explored);
}
