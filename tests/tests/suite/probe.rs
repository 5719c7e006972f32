//! One request to any route: what the tests need that walk all of them.

use http::Method;
use serde_json::Value;
use shared::{
    bitkey::BitkeyScope,
    http::{Access, Route},
};
pub(crate) use tests::world::filled as fill;
use tests::{Answer, Client, World, world::routes};

use crate::{
    forms::{Form, Place, forms},
    licences::{issue, licence},
};

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
        licence(world, &world.documented, "1", None).await;
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
        // What `Authorize` takes may also stand in its query.
        let is_optional = self.route.path == "/api/OAuth/{appId}/Authorize";
        !is_optional && forms(&self.route).iter().any(|form| form.place != Place::Query)
    }

    pub(crate) fn method(&self) -> Method {
        self.route.method.as_str().parse().expect("a method")
    }

    /// Whoever holds all credentials.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Sends this body.
    pub(crate) async fn send(&self, media_type: Option<&str>, body: &[u8]) -> Answer {
        self.send_as(&self.client, media_type, body).await
    }

    /// Sends this body as somebody else.
    pub(crate) async fn send_as(&self, client: &Client, media_type: Option<&str>, body: &[u8]) -> Answer {
        client.send(self.method(), &self.path, media_type, body.to_vec()).await
    }

    /// The same with a query.
    pub(crate) async fn ask(&self, query: &str, body: Option<&Value>) -> Answer {
        let path = format!("{}{}{query}", self.path, if query.is_empty() { "" } else { "?" });
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.client.send(self.method(), &path, body.map(|_| "application/json"), bytes).await
    }

    /// Sends a good request of this form, with these values instead of some of its own.
    pub(crate) async fn ask_with(&self, form: &Form, change: &[(&str, Value)]) -> Answer {
        self.ask("", Some(&form.body(change))).await
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
