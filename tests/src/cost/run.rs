//! Requests whose cost is measured, one after the other, in a deployment of their own.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::Profile;
use crate::{Answer, Client, World, world::routes};

/// A request that was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Method and documented path of the route.
    pub route: String,
    /// What was special about the request.
    pub case: &'static str,
    /// How many passwords it hashed.
    pub hashes: u32,
    /// What it asked of DynamoDB.
    pub profile: Profile,
}

/// A request to be measured.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// What is special about it.
    pub name: &'static str,
    /// How it is called.
    pub method: Method,
    /// Where.
    pub path: &'a str,
    /// With what; null is no body.
    pub body: Value,
    /// The code of the envelope that it must get.
    pub code: i64,
    /// How many passwords it hashes.
    pub hashes: u32,
}

impl<'a> Case<'a> {
    /// A `POST` that succeeds.
    pub const fn post(name: &'static str, path: &'a str, body: Value) -> Self {
        Self { name, method: Method::POST, path, body, code: 200, hashes: 0 }
    }

    /// A `GET` that succeeds.
    pub const fn get(name: &'static str, path: &'a str) -> Self {
        Self { name, method: Method::GET, path, body: Value::Null, code: 200, hashes: 0 }
    }

    /// The same by another method.
    #[must_use]
    pub fn by(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// The same, refused with this code.
    #[must_use]
    pub fn refused(self, code: i64) -> Self {
        Self { code, ..self }
    }

    /// The same with a password hashed on the way.
    #[must_use]
    pub fn hashing(self) -> Self {
        Self { hashes: 1, ..self }
    }
}

/// A deployment, and what was measured in it.
pub struct Run {
    /// The deployment.
    pub world: World,
    /// What was measured so far.
    pub measured: Vec<Measured>,
}

impl Run {
    /// A fresh deployment.
    pub async fn new() -> Self {
        Self { world: World::with_cached_settings().await, measured: Vec::new() }
    }

    /// Sends the request, from an instance that knows its apps, and measures it.
    pub async fn case(&mut self, client: &Client, case: Case<'_>) -> Answer {
        let path = case.path.split('?').next().unwrap_or_default();
        let route = routes().reaches(&case.method, path).unwrap_or_else(|| panic!("no route: {path}"));
        let now = self.world.env.clock.now();
        for app in [&self.world.documented, &self.world.strict] {
            let known = self.world.env.store.find_app_by_key(&app.record.app_key, now).await.expect("a store");
            assert!(known.is_some());
        }
        let (media_type, body) = match &case.body {
            Value::Null => (None, Vec::new()),
            body => (Some("application/json"), body.to_string().into_bytes()),
        };
        // Elsewhere only the answers count.
        let is_metered = !self.world.engine.is_shared();
        if is_metered {
            self.world.engine.start_metering();
        }
        let answer = client.send(case.method, case.path, media_type, body).await;
        let profile = if is_metered { self.world.engine.metered() } else { Profile::default() };
        let code = if answer.body.is_null() { i64::from(answer.status.as_u16()) } else { answer.code() };
        // The licence family answers 0, the key set has no envelope.
        let code = if answer.status.is_success() && matches!(code, 0 | -1) { 200 } else { code };
        assert_eq!(code, case.code, "{} {}: {}", route.path, case.name, answer.text);
        let route = format!("{} {}", route.method.as_str(), route.path);
        self.measured.push(Measured { route, case: case.name, hashes: case.hashes, profile });
        answer
    }

    /// How long our own code works for such a request, the engine's time left out: the shortest of so many, for other
    /// work goes on beside.
    pub async fn own_time(&self, times: u32, mut request: impl AsyncFnMut() -> Answer) -> Duration {
        let mut shortest = Duration::MAX;
        for _ in 0..times {
            let before = self.world.engine.busy();
            let answer = request().await;
            assert!(answer.status.is_success() && answer.code() == 200, "{}", answer.text);
            shortest = shortest.min(answer.took.saturating_sub(self.world.engine.busy().saturating_sub(before)));
        }
        shortest
    }

    /// A path of the app with the documented settings, by its number.
    pub fn at(endpoint: &str) -> String {
        format!("/api/AppUsers/2/{endpoint}")
    }

    /// The app key of the app with the documented settings.
    pub fn app_key(&self) -> String {
        self.world.documented.record.app_key.as_str().to_owned()
    }

    /// The code that was sent to an address.
    pub fn code_for(&self, address: &str) -> String {
        self.world.code_for(address)
    }
}
