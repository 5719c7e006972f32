//! F-02: bodies of every endpoint, with credentials that are good for it. The first line names the endpoint, as the
//! documents write it; any other text stands for one of them, too.

use http::Method;
use shared::{bitkey::BitkeyScope, http::Route};
use tests::{
    World,
    world::{filled, routes},
};

pub(crate) fn run(bytes: &[u8]) {
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let (name, body) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let route = route(name);
    crate::wait_for(async {
        let world = World::new().await;
        let token = world.client().sign_up(2, "prober", "correct horse battery").await;
        let bitkey = world.issue_bitkey(&world.documented, BitkeyScope::Full).await;
        let client = world.client().bearer(&token).with("bitkey", &bitkey.expose());
        let client = client.with("x-app-secret", world.documented.secret.expose());
        let path = filled(route.path, "2", world.documented.record.app_key.as_str());
        let method: Method = route.method.as_str().parse().expect("a method");
        let answer = client.send(method, &path, Some("application/json"), body.to_vec()).await;
        assert!(!answer.status.is_server_error(), "{path}: {}", answer.text);
        assert!(answer.status.is_success() || answer.body["reason"].is_string(), "{path}: {}", answer.text);
    });
}

fn route(name: &[u8]) -> Route {
    let all: Vec<Route> = routes().record().copied().collect();
    let named = all.iter().find(|route| format!("{} {}", route.method.as_str(), route.path).as_bytes() == name);
    let any = name.iter().fold(0, |sum, byte| sum + usize::from(*byte)) % all.len();
    *named.unwrap_or(&all[any])
}
