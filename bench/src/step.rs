//! What is asked of a server, as data: a peer prints it when it serves, and the driver knows no peer by name.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Client, Method, Response, header};
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;

/// One request. `{name}` in its texts stands for what an earlier one took under that name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
    /// The status of a good answer.
    #[serde(default = "ok")]
    pub(crate) status: u16,
    /// What a good answer contains.
    #[serde(default)]
    pub(crate) expect: String,
    /// What is kept of the answer, by name: `cookies`, `location:PARAMETER`, or a JSON pointer into the body.
    #[serde(default)]
    pub(crate) take: BTreeMap<String, String>,
}

const fn ok() -> u16 {
    200
}

/// What one user asks again and again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Task {
    /// Asked once, outside the measurement.
    pub(crate) before: Vec<Step>,
    pub(crate) steps: Vec<Step>,
}

impl From<Vec<Step>> for Task {
    fn from(steps: Vec<Step>) -> Self {
        Self { before: Vec::new(), steps }
    }
}

impl Step {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: BTreeMap::new(),
            body: String::new(),
            status: ok(),
            expect: String::new(),
            take: BTreeMap::new(),
        }
    }

    pub(crate) fn post(path: &str, body: &Value) -> Self {
        let headers = [("content-type".to_owned(), "application/json".to_owned())].into();
        Self { method: "POST".to_owned(), headers, body: body.to_string(), ..Self::get(path) }
    }

    pub(crate) fn bearer(mut self, token: &str) -> Self {
        self.headers.insert("authorization".to_owned(), format!("Bearer {token}"));
        self
    }

    pub(crate) fn expect(self, expect: &str) -> Self {
        Self { expect: expect.to_owned(), ..self }
    }

    pub(crate) fn take(mut self, name: &str, from: &str) -> Self {
        self.take.insert(name.to_owned(), from.to_owned());
        self
    }
}

/// A user's connection to a server.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    client: Client,
    base: String,
    pub(crate) taken: BTreeMap<String, String>,
}

impl Session {
    pub(crate) fn new(base: &str) -> Result<Self, Failure> {
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(1)
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self { client, base: base.to_owned(), taken: BTreeMap::new() })
    }

    pub(crate) async fn run(&mut self, steps: &[Step]) -> Result<(), Failure> {
        for step in steps {
            self.ask(step).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, step: &Step) -> Result<(), Failure> {
        let method = Method::from_bytes(step.method.as_bytes())?;
        let mut request = self.client.request(method, self.base.clone() + &self.fill(&step.path));
        for (name, value) in &step.headers {
            request = request.header(name, self.fill(value));
        }
        if !step.body.is_empty() {
            request = request.body(self.fill(&step.body));
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let cookies = cookies(&response);
        let location = text(&response, &header::LOCATION);
        let body = response.text().await?;
        if status != step.status || !body.contains(&step.expect) {
            let body: String = body.chars().take(200).collect();
            return Err(Failure::new(format!("{} {}: answered {status} {body}", step.method, step.path)));
        }
        for (name, from) in &step.take {
            let value = match from.split_once(':') {
                Some(("location", parameter)) => parameter_of(&location, parameter),
                _ if from == "cookies" => cookies.clone(),
                _ => pointed(&body, from),
            };
            if value.is_empty() {
                return Err(Failure::new(format!("{} {}: no {from} in the answer", step.method, step.path)));
            }
            self.taken.insert(name.clone(), value);
        }
        Ok(())
    }

    fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.taken {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }
}

fn text(response: &Response, name: &header::HeaderName) -> String {
    response.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
}

fn cookies(response: &Response) -> String {
    let all = response.headers().get_all(header::SET_COOKIE).iter().filter_map(|it| it.to_str().ok());
    let pairs: Vec<_> = all.filter_map(|it| it.split(';').next()).collect();
    pairs.join("; ")
}

fn parameter_of(location: &str, name: &str) -> String {
    let query = location.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map_or_else(String::new, |(_, value)| value.to_owned())
}

fn pointed(body: &str, pointer: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    match body.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
