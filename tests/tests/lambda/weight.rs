//! What the functions cost a machine: instructions to start and to answer, bytes, memory.
//!
//! None of it depends on how fast the machine is or what else it does, so each figure is compared with the one in
//! `docs/weight.json`, which `UPDATE_DOCS` writes anew. Needs `valgrind`.

mod document;
mod measure;

use std::{collections::BTreeMap, fs};

use infra::Template;
use serde::{Deserialize, Serialize};
use tests::lambda::{Event, World, recorded};

use self::measure::{Memory, Meter};
use crate::emulator::{Lambda, Setup};

/// How far instructions and bytes may be from the committed ones, in thousandths.
const TOLERANCE: u64 = 20;
/// How much more memory a function may hold after a thousand sign-ins, in kibibytes.
const GROWTH_KIB: i64 = 1024;
/// The most memory that signing in may take, in kibibytes.
const PEAK_KIB: u64 = 35 * 1024;

/// Everything that is measured, by what it is called.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Figures {
    /// Bytes of the bootstraps.
    bytes: BTreeMap<String, u64>,
    /// Instructions of a function until it asks for its first event.
    starts: BTreeMap<String, u64>,
    /// Instructions of one request to a function that has answered such a one before.
    requests: BTreeMap<String, u64>,
    /// Kibibytes that are resident.
    memory: Memory,
}

/// A request that is measured.
struct Case {
    name: &'static str,
    function: &'static str,
    event: Event,
    /// Requests over which is averaged: a hash under valgrind takes seconds.
    times: u64,
}

#[tokio::test]
async fn no_function_weighs_more_than_its_committed_figures() {
    let Some(setup) = Setup::find() else { return };
    let Some(meter) = Meter::find() else { return };
    let world = World::start().await;
    let template = Template::bundled().expect("the template is readable");
    let environment = |name: &str| {
        let function = template.functions().iter().find(|it| it.binary == name).expect("the function");
        world.environment_of(&template, function)
    };
    let accounts = Lambda::start(&setup, &world, "accounts").await;
    let token = accounts.invoke(&recorded("sign-up")).await.token();
    let qr = Lambda::start(&setup, &world, "qr-sign-in").await;
    let key = qr.invoke(&recorded("qr-pre-sign-in")).await.data();
    drop((accounts, qr));
    let poll =
        Event::new("POST", "/api/AppUsers/{appId}/QRCodeSignIn", &["2"]).json(&serde_json::json!({"signInKey": key}));

    let mut figures = Figures::default();
    for function in template.functions() {
        let (name, bootstrap) = (function.binary.as_str(), setup.bootstrap(&function.binary));
        figures.bytes.insert(name.to_owned(), fs::metadata(&bootstrap).expect("the bootstrap is there").len());
        figures.starts.insert(name.to_owned(), meter.start(&bootstrap, &environment(name)).await);
    }
    let cases = [
        Case { name: "GET Profile", function: "profile", event: recorded("get-profile").bearer(&token), times: 100 },
        Case { name: "POST QRCodeSignIn (a poll)", function: "qr-sign-in", event: poll, times: 100 },
        Case { name: "POST SignIn", function: "accounts", event: recorded("sign-in"), times: 4 },
    ];
    for Case { name, function, event, times } in cases {
        let counted = meter.request(&setup.bootstrap(function), &environment(function), &event, times).await;
        figures.requests.insert(name.to_owned(), counted);
    }
    figures.memory =
        measure::memory(&setup.bootstrap("accounts"), &environment("accounts"), &recorded("sign-in")).await;
    document::check(&figures);
}
