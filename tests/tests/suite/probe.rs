//! One request to any route: what the tests need that walk all of them.

use http::Method;
use shared::{
    bitkey::BitkeyScope,
    http::{Access, Route},
};
use tests::{Answer, Client, World, world::routes};

use crate::licences::issue;

/// A route, and credentials that are good for it.
pub(crate) struct Probe {
    pub(crate) route: Route,
    pub(crate) path: String,
    client: Client,
}

impl Probe {
    /// Every route of the service, called as a user of the documented app.
    pub(crate) async fn all(world: &World) -> Vec<Self> {
        let token = world.client().sign_up(2, "prober", "correct horse battery").await;
        let bitkey = issue(world, &world.documented, BitkeyScope::Full).await.expose();
        let secret = world.documented.secret.expose();
        let client = world.client().bearer(&token).with("x-app-secret", secret).with("bitkey", &bitkey);
        let app_key = world.documented.record.app_key.as_str();
        routes()
            .record()
            .map(|route| Self { route: *route, path: fill(route.path, "2", app_key), client: client.clone() })
            .collect()
    }

    /// Whether the endpoint reads a body: those that do refuse what is not JSON.
    pub(crate) fn takes_body(&self) -> bool {
        const WITHOUT: [&str; 2] = ["/sns/{sn}/users/user/{name}", "/api/OAuth/{appId}/Authorize"];
        let may = matches!(self.route.method, shared::http::Method::Post | shared::http::Method::Put);
        may && !WITHOUT.contains(&self.route.path)
            || (self.is(Access::Bitkey) && self.path.ends_with("/users"))
                && self.route.method == shared::http::Method::Delete
    }

    pub(crate) fn method(&self) -> Method {
        self.route.method.as_str().parse().expect("a method")
    }

    /// Sends this body.
    pub(crate) async fn send(&self, media_type: Option<&str>, body: &[u8]) -> Answer {
        self.send_as(&self.client, media_type, body).await
    }

    /// Sends this body as somebody else.
    pub(crate) async fn send_as(&self, client: &Client, media_type: Option<&str>, body: &[u8]) -> Answer {
        client.send(self.method(), &self.path, media_type, body.to_vec()).await
    }

    /// Sends an empty object where a body is read, and nothing elsewhere.
    pub(crate) async fn send_empty(&self, client: &Client) -> Answer {
        if self.takes_body() {
            self.send_as(client, Some("application/json"), b"{}").await
        } else {
            self.send_as(client, None, b"").await
        }
    }

    pub(crate) fn is(&self, access: Access) -> bool {
        self.route.access == access
    }
}

/// A path with this app in it, and some value for every other parameter.
pub(crate) fn fill(path: &str, app_id: &str, app_key: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{appId}" => app_id,
        "{appKey}" => app_key,
        parameter if parameter.starts_with('{') => "1",
        literal => literal,
    });
    segments.collect::<Vec<_>>().join("/")
}
