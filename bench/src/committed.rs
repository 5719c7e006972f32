//! The figures that do not depend on the machine. Others measure and guard them; here they are read.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use crate::failure::Failure;

/// What requests cost, of `docs/cost.json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Cost {
    endpoints: Vec<Request>,
    scale: Vec<Request>,
}

/// Calls and units of a request.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    #[serde(rename = "request")]
    pub(crate) name: String,
    operations: BTreeMap<String, u32>,
    pub(crate) depth: u32,
    pub(crate) read: f64,
    pub(crate) write: f64,
}

impl Request {
    pub(crate) fn calls(&self) -> u32 {
        self.operations.values().sum()
    }
}

impl Cost {
    pub(crate) fn read(docs: &Path) -> Result<Self, Failure> {
        Ok(serde_json::from_str(&fs::read_to_string(docs.join("cost.json"))?)?)
    }

    pub(crate) fn endpoint(&self, request: &str) -> Option<&Request> {
        self.endpoints.iter().find(|it| it.name == request)
    }

    /// Pairs of the same request in a small and in a large place.
    pub(crate) fn growth(&self, small: &str, large: &str) -> Vec<(&Request, &Request)> {
        let among = |it: &Request, place: &str| it.name.strip_suffix(place).map(str::to_owned);
        let pair = |one: &'_ Request| {
            let name = among(one, small)?;
            self.scale.iter().position(|it| among(it, large).as_ref() == Some(&name))
        };
        self.scale.iter().filter_map(|one| Some((one, &self.scale[pair(one)?]))).collect()
    }
}

/// What the functions weigh, of `docs/weight.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Weight {
    /// Bytes of the bootstraps.
    pub(crate) bytes: BTreeMap<String, u64>,
    /// Instructions until the first event is asked for.
    pub(crate) starts: BTreeMap<String, u64>,
    /// Instructions of a request to a warm function.
    pub(crate) requests: BTreeMap<String, u64>,
    /// Kibibytes.
    pub(crate) memory: BTreeMap<String, i64>,
}

impl Weight {
    /// Nothing where there is no such file.
    pub(crate) fn read(docs: &Path) -> Result<Self, Failure> {
        match fs::read_to_string(docs.join("weight.json")) {
            Ok(text) => Ok(serde_json::from_str(&text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }
}
