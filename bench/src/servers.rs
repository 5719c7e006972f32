//! Every server that is measured: how it is started, and what it is asked once it serves.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    PASSWORD, USERS,
    cores::Cores,
    failure::Failure,
    load::Load,
    ours,
    process::{PATIENCE, Process},
    step::{Step, Task},
};

/// The names in the results.
pub(crate) const OURS: &str = "Tessera";
pub(crate) const FLOOR: &str = "bare axum";
pub(crate) const UNREAD_FLOOR: &str = "bare axum and one read that is neither signed nor understood";
pub(crate) const OUR_FLOOR: &str = "bare axum and one read through Tessera's client";
pub(crate) const SDK_FLOOR: &str = "bare axum and one read through the SDK";
/// From the lowest to the highest.
pub(crate) const FLOORS: [&str; 4] = [FLOOR, UNREAD_FLOOR, OUR_FLOOR, SDK_FLOOR];
pub(crate) const NODE_HANDLER: &str = "Node.js handler";
pub(crate) const PYTHON_HANDLER: &str = "Python handler";

/// Where things are.
pub(crate) struct Places {
    /// The bench itself, which plays the other parts.
    pub(crate) bench: String,
    pub(crate) target: PathBuf,
    /// Logs and databases of the run, made anew.
    pub(crate) data: PathBuf,
}

impl Places {
    pub(crate) fn new() -> Result<Self, Failure> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").canonicalize()?;
        let data = target.join("bench");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        fs::create_dir_all(&data)?;
        Ok(Self { bench: std::env::current_exe()?.display().to_string(), target, data })
    }

    /// Our server, as a release has it.
    pub(crate) fn tessera(&self) -> Result<String, Failure> {
        let path = self.target.join("release/tessera");
        if path.exists() {
            return Ok(path.display().to_string());
        }
        Err(Failure::new("target/release/tessera is missing: cargo build --release -p cli"))
    }

    /// A tool that `bench/install-peers.sh` installs, or this machine has.
    pub(crate) fn tool(&self, name: &str) -> Result<String, Failure> {
        if name == "python3" {
            return Ok(name.to_owned());
        }
        let path = self.target.join("peers").join(name);
        if path.exists() {
            return Ok(path.display().to_string());
        }
        Err(Failure::new("not installed: bench/install-peers.sh installs it"))
    }
}

/// One that serves, and who asks it.
pub(crate) struct Server {
    pub(crate) version: String,
    pub(crate) process: Process,
    pub(crate) loads: BTreeMap<String, Load>,
}

/// A peer: its name, and the tool and the file of `bench/peers` that run it.
pub(crate) const PEERS: [(&str, &str, &str); 5] = [
    ("better-auth", "node", "better-auth.mjs"),
    ("OpenAuth", "node", "openauth.mjs"),
    ("oidc-provider", "node", "oidc-provider.mjs"),
    ("fastapi-users", "venv/bin/python", "fastapi-users.py"),
    ("glewlwyd", "python3", "glewlwyd.py"),
];

/// What a peer prints as soon as it serves.
#[derive(Deserialize)]
struct Line {
    version: String,
    #[serde(flatten)]
    scenarios: BTreeMap<String, Vec<Vec<Step>>>,
}

/// Starts a peer.
pub(crate) async fn start_peer(
    (name, tool, file): (&str, &str, &str),
    places: &Places,
    cores: Cores,
    engine: &str,
) -> Result<Server, Failure> {
    let file = places.target.join("peers").join(file).display().to_string();
    start(name, &[places.tool(tool)?, file], places, cores, engine).await
}

/// Starts one of the floors.
pub(crate) async fn start_floor(
    name: &'static str,
    places: &Places,
    cores: Cores,
    engine: &str,
) -> Result<Server, Failure> {
    let mut command = vec![places.bench.clone(), "floor".to_owned()];
    let reading = match name {
        UNREAD_FLOOR => Some("unread"),
        OUR_FLOOR => Some("ours"),
        SDK_FLOOR => Some("sdk"),
        _ => None,
    };
    if let Some(by) = reading {
        command.extend(["--engine", engine, "--by", by].map(str::to_owned));
    }
    start(name, &command, places, cores, engine).await
}

async fn start(name: &str, command: &[String], places: &Places, cores: Cores, engine: &str) -> Result<Server, Failure> {
    let port = free_port()?;
    let data = places.data.join(name.replace(' ', "-"));
    fs::create_dir_all(&data)?;
    let environment = [
        ("NODE_ENV", "production".to_owned()),
        ("PORT", port.to_string()),
        ("PEER_DATA", data.display().to_string()),
        ("PEER_PASSWORD", PASSWORD.to_owned()),
        ("PEER_USERS", USERS.to_string()),
    ];
    let mut environment: BTreeMap<_, _> = environment.map(|(name, value)| (name.to_owned(), value)).into();
    environment.extend(aws(engine));
    let mut process = Process::start(name, command, cores.server, &environment, &places.data)?;
    let line: Line = serde_json::from_value(process.line(PATIENCE).await?)?;
    let base = format!("http://127.0.0.1:{port}");
    let mut loads = BTreeMap::new();
    for (scenario, tasks) in line.scenarios {
        let tasks: Vec<Task> = tasks.into_iter().map(Task::from).collect();
        loads.insert(scenario, Load::new(&base, &tasks)?);
    }
    Ok(Server { version: line.version, process, loads })
}

/// Starts our own server.
pub(crate) async fn start_ours(places: &Places, cores: Cores, engine: &str) -> Result<Server, Failure> {
    // As a function keeps them.
    let settings = ["--settings-seconds", "30"];
    let options =
        ["dev", "--in-memory", "--port", "0", "--json", "--dynamodb-endpoint", engine].into_iter().chain(settings);
    let mut command = vec![places.tessera()?];
    command.extend(options.map(str::to_owned));
    // Nobody's log is written here.
    let environment = [("RUST_LOG".to_owned(), "off".to_owned())].into();
    let mut process = Process::start(OURS, &command, cores.server, &environment, &places.data)?;
    let line: Value = process.line(PATIENCE).await?;
    let base = line["baseUrl"].as_str().ok_or_else(|| Failure::new("no address in its line"))?;
    let mut loads = BTreeMap::new();
    for (scenario, tasks) in ours::prepare(base, &line["demoApp"]["appId"]).await? {
        loads.insert(scenario, Load::new(base, &tasks)?);
    }
    Ok(Server { version: env!("CARGO_PKG_VERSION").to_owned(), process, loads })
}

/// Where the database is, and credentials that it takes.
pub(crate) fn aws(engine: &str) -> BTreeMap<String, String> {
    [
        ("TESSERA_DYNAMODB_ENDPOINT", engine),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_SESSION_TOKEN", "local"),
        ("AWS_REGION", "local"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
