//! Many requests at once: what only one may get, one gets.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::json;
use shared::storage::{SavedApp, Table};
use tests::World;

use super::qr::Ticket;

/// How many answers came with each code.
async fn codes(answers: impl Iterator<Item = impl Future<Output = tests::Answer>>) -> HashMap<i64, usize> {
    let mut counts = HashMap::new();
    for answer in join_all(answers).await {
        *counts.entry(answer.code()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_01_a_hundred_sign_ups_of_one_name_make_one_user() {
    let world = World::new().await;
    let client = world.client();
    let body = json!({"userName": "alice", "pwd": "correct horse battery"});
    let counts = codes((0..100).map(|_| client.post("/api/AppUsers/2/SignUp", body.clone()))).await;
    assert_eq!(counts, HashMap::from([(200, 1), (409, 99)]));
    assert_eq!(world.rows(Table::Users).await.len(), 2, "the user and the reservation of the name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_sign_ups_of_one_union_id_make_one_user() {
    let world = World::new().await;
    let client = world.client();
    let body = json!({"platform": "wx", "unionID": "o1"});
    let counts = codes((0..100).map(|_| client.post("/api/AppUsers/2/UnionIDSignUp", body.clone()))).await;
    assert_eq!(counts, HashMap::from([(200, 1), (409, 99)]));
    assert_eq!(world.rows(Table::Users).await.len(), 3, "the user and two reservations");
}

#[tokio::test]
async fn a_hundred_parallel_wrong_passwords_are_five_evaluated_ones() {
    let world = World::new().await;
    let client = world.client();
    client.sign_up(2, "alice", "correct horse battery").await;
    for name in ["alice", "nobody"] {
        let body = json!({"userName": name, "pwd": "wrong horse battery"});
        let counts = codes((0..100).map(|_| client.post("/api/AppUsers/2/SignIn", body.clone()))).await;
        assert_eq!(counts, HashMap::from([(401, 5), (429, 95)]), "{name}");
    }
}

#[tokio::test]
async fn of_two_changes_to_an_app_at_once_none_is_lost() {
    let world = World::new().await;
    let id = world.documented.record.app_id;
    let read = world.env.store.load_app(id).await.unwrap().expect("the app is stored");
    assert_eq!(world.env.store.save_app(&read).await.unwrap(), SavedApp::Saved);
    assert_eq!(world.env.store.save_app(&read).await.unwrap(), SavedApp::ChangedMeanwhile);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_14_a_hundred_polls_after_a_confirmation_get_one_token() {
    let world = World::new().await;
    let client = &world.client();
    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    ticket.confirm(client, "o1").await.token();
    let counts = codes((0..100).map(|_| ticket.poll(client))).await;
    assert_eq!(counts, HashMap::from([(200, 1), (410, 99)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_scans_of_one_code_are_one() {
    let world = World::new().await;
    let client = &world.client();
    let ticket = &Ticket::begin(client, 2).await;
    let scan = || async { ticket.clone().scan(client).await };
    assert_eq!(codes((0..100).map(|_| scan())).await, HashMap::from([(200, 1), (410, 99)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn qr_10_fifty_confirmations_against_fifty_of_another_user_leave_one_subject() {
    for are_new in [false, true] {
        let world = World::new().await;
        world.change_app(&world.documented, |app| app.settings.default_password = None).await;
        let client = &world.client();
        if !are_new {
            for union_id in ["o0", "o1"] {
                let body = json!({"platform": "wxminip", "unionID": union_id});
                client.post("/api/AppUsers/2/UnionIDSignUp", body).await.token();
            }
        }
        let mut ticket = Ticket::begin(client, 2).await;
        ticket.scan(client).await.data();
        let answers = join_all((0..100).map(|number| ticket.confirm(client, ["o0", "o1"][number % 2]))).await;
        let mut winners = Vec::new();
        for (number, answer) in answers.iter().enumerate() {
            if answer.code() == 200 {
                winners.push(number % 2);
            } else {
                answer.refused(200, 410, "qr_unusable");
            }
        }
        assert_eq!(winners.len(), 50, "every confirmation of the one, and none of the other");
        assert!(winners.iter().all(|winner| *winner == winners[0]));
        let page = client.clone().bearer(&ticket.poll(client).await.token());
        assert_eq!(page.get("/api/AppUsers/2/Profile").await.data()["unionID"], format!("o{}", winners[0]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn polls_and_confirmations_at_once_give_one_token() {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    let client = &world.client();
    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    let confirm = || async { (false, ticket.confirm(client, "o1").await) };
    let poll = || async { (true, ticket.poll(client).await) };
    let (confirmed, polled) =
        futures_util::future::join(join_all((0..20).map(|_| confirm())), join_all((0..100).map(|_| poll()))).await;
    let tokens = |answers: &[(bool, tests::Answer)]| answers.iter().filter(|(_, answer)| answer.code() == 200).count();
    assert!(tokens(&confirmed) >= 1);
    let late = usize::from(ticket.poll(client).await.code() == 200);
    assert_eq!(tokens(&polled) + late, 1);
}
