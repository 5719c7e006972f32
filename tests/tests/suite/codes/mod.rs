//! Phone and mailbox: codes, signing up and in with them, resetting a password.

mod races;
mod redeeming;
mod resets;
mod sending;

use std::collections::HashMap;

use serde_json::{Value, json};
use tests::{Answer, World};

pub(crate) const PHONE: &str = "13800138000";
pub(crate) const EMAIL: &str = "Alice@Example.com";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const NEW_PASSWORD: &str = "staple tractor giraffe";

pub(crate) fn path(endpoint: &str) -> String {
    format!("/api/AppUsers/2/{endpoint}")
}

pub(crate) async fn call(world: &World, endpoint: &str, body: Value) -> Answer {
    world.client().post(&path(endpoint), body).await
}

/// Has a code sent, after the minute that must lie between two.
pub(crate) async fn code(world: &World, address: &str, purpose: &str) -> String {
    world.wait(60);
    send(world, address, purpose).await.data();
    world.code_for(address)
}

pub(crate) async fn send(world: &World, address: &str, purpose: &str) -> Answer {
    if address.contains('@') {
        call(world, "SendEmailCode", json!({"email": address, "type": purpose})).await
    } else {
        call(world, "SendSMSCode", json!({"phone": address, "type": purpose})).await
    }
}

pub(crate) async fn phone_sign_up(world: &World, phone: &str) -> String {
    let code = code(world, phone, "signup").await;
    call(world, "PhoneSignUp", json!({"phone": phone, "phoneCode": code})).await.token()
}

pub(crate) async fn email_sign_up(world: &World, email: &str) -> String {
    let code = code(world, email, "signup").await;
    call(world, "EmailSignUp", json!({"email": email, "emailCode": code, "pwd": PASSWORD})).await.token()
}

pub(crate) async fn phone_sign_in(world: &World, phone: &str, code: &str) -> Answer {
    call(world, "PhoneSignIn", json!({"phone": phone, "verifyCode": code})).await
}

/// Another code than this one.
pub(crate) fn wrong(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

fn counts(answers: &[Answer]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for answer in answers {
        *counts.entry(if answer.code() == 200 { "ok" } else { answer.reason() }).or_default() += 1;
    }
    counts
}

fn operations(world: &World) -> Vec<String> {
    world.engine.take_calls().into_iter().map(|call| call.operation).collect()
}
