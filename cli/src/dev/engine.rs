//! The DynamoDB that the local server works on: an embedded engine on a port of its own, or somebody else's.

use std::{path::Path, time::Duration};

use dynoxide::Database;
use tokio::net::TcpListener;

use crate::failure::Failure;

/// How often expired rows are swept from the embedded engine.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

pub(crate) struct Engine {
    url: String,
    embedded: Option<(TcpListener, Database)>,
}

impl Engine {
    /// An engine that runs elsewhere.
    pub(crate) const fn outside(url: String) -> Self {
        Self { url, embedded: None }
    }

    /// The embedded engine, over this file or over memory. Connections wait until [`Engine::run`].
    pub(crate) fn embedded(listener: TcpListener, file: Option<&Path>) -> Result<Self, Failure> {
        let database = match file {
            Some(file) => {
                let path = file.to_str().ok_or_else(|| Failure::new("--data: the path is not UTF-8"))?;
                Database::new(path)
            }
            None => Database::memory(),
        };
        let database = database.map_err(|error| Failure::new(format!("the data cannot be opened: {error}")))?;
        Ok(Self { url: format!("http://{}", listener.local_addr()?), embedded: Some((listener, database)) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Serves until the future is dropped.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let Some((listener, database)) = self.embedded else { return std::future::pending().await };
        let sweeping = database.clone();
        let sweep = async move {
            loop {
                tokio::time::sleep(SWEEP_EVERY).await;
                if let Err(error) = sweeping.sweep_ttl() {
                    tracing::warn!(%error, "expired rows were not swept");
                }
            }
        };
        tokio::select! {
            served = dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()) => {
                served.map_err(|error| Failure::new(format!("the DynamoDB engine ended: {error}")))
            }
            never = sweep => never,
        }
    }
}
