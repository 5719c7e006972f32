//! A function that lacks something says so: at once where it can know, at the first request where it cannot.

use std::process::Command;

use infra::Template;
use serde_json::{Value, json};
use shared::storage::Table;
use tests::{
    journal,
    lambda::{World, recorded},
};

use crate::emulator::{Lambda, Setup};

#[tokio::test]
async fn a_function_without_a_secret_or_a_table_of_its_own_says_so_and_ends() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let template = Template::bundled().expect("the template is readable");

    for function in template.functions() {
        // A deployment that sends no messages yet works otherwise.
        let needed = |name: &&str| !["MAIL", "SMS"].contains(name);
        let secrets = function.environment.keys().filter_map(|name| name.strip_suffix("_PARAMETER"));
        let is_table = |name: &&str| Table::ALL.iter().any(|table| table.variable() == *name);
        let tables = function.environment.keys().map(String::as_str).filter(is_table);
        for missing in secrets.filter(needed).chain(tables) {
            let mut environment = world.environment_of(&template, function);
            environment.remove(missing);
            let ended = Command::new(setup.bootstrap(&function.binary))
                .env_clear()
                .envs(&environment)
                .output()
                .expect("the bootstrap can be started");
            assert!(!ended.status.success(), "{} without {missing}", function.binary);
            let log = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
            let lines: Vec<Value> = log.lines().map(journal::parse).collect();
            let [line] = lines.as_slice() else { panic!("{} without {missing}: {log}", function.binary) };
            assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("the function cannot start")));
            assert!(line["error"].as_str().is_some_and(|error| error.contains(missing)), "{line}");
        }
    }
}

#[tokio::test]
async fn a_request_to_a_table_that_is_gone_fails_and_the_log_says_why() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;

    accounts.invoke(&recorded("sign-up")).await.token();
    world.lose_table("Users");
    let answer = accounts.invoke(&recorded("sign-in")).await;
    answer.refused(500, "internal_error");
    assert!(!answer.body.to_string().contains("table"), "{answer:?}");
    let line = &accounts.lines()[1];
    assert_eq!((&line["level"], &line["reason"]), (&json!("ERROR"), &json!("internal_error")));
    let cause = line["cause"].as_str().unwrap_or_default();
    assert!(cause.starts_with("a table of this function does not exist"), "{line}");
}
