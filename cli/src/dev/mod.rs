//! `tessera dev`: the whole service on one port of this computer, its DynamoDB beside it.

mod demo;
mod engine;
mod local_keys;
mod outbox;
mod pages;

use std::{
    io::{ErrorKind, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
};
use clap::Args;
use serde_json::json;
use shared::{
    aws::{Access, Service},
    clock::{Clock as _, SystemClock},
    config::Config,
    http::{ClientAddress, Routes},
    storage::TableNames,
};
use tokio::net::TcpListener;

use self::{demo::Demo, engine::Engine, local_keys::LocalKeys};
use crate::{connection::LOCAL_STACK, failure::Failure};

#[derive(Args)]
pub(crate) struct DevArgs {
    /// The port of the API; 0 picks a free one
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// The port of the DynamoDB engine; 0 picks a free one
    #[arg(long, default_value_t = 8000)]
    dynamodb_port: u16,
    /// Where data and keys are kept
    #[arg(long, value_name = "DIR", default_value = ".local")]
    data: PathBuf,
    /// Keep nothing: data and keys are gone at the end
    #[arg(long, conflicts_with = "data")]
    in_memory: bool,
    /// Use this DynamoDB instead of the embedded engine
    #[arg(long, value_name = "URL", conflicts_with = "dynamodb_port")]
    dynamodb_endpoint: Option<String>,
    /// Keep the settings of apps for so long, as a deployed function does for 30 seconds; a change is seen later then
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    settings_seconds: u64,
    /// Print one JSON line when the service answers, for programs
    #[arg(long)]
    json: bool,
}

/// How long open connections may delay the end.
const GRACE: Duration = Duration::from_secs(3);

/// All endpoints of all groups.
pub(crate) fn routes() -> Routes {
    // The directory comes last: it answers for what the others do not have.
    [
        accounts::routes(),
        codes::routes(),
        external_accounts::routes(),
        licences::routes(),
        oauth::routes(),
        points::routes(),
        profile::routes(),
        qr_sign_in::routes(),
        wechat::routes(),
        directory::routes(),
    ]
    .into_iter()
    .fold(Routes::new(), Routes::merge)
}

pub(crate) async fn run(args: DevArgs) -> Result<(), Failure> {
    log_to_standard_error();
    let listener = bind(args.port, "--port").await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let keys = if args.in_memory { LocalKeys::ephemeral(&base_url)? } else { LocalKeys::open(&args.data, &base_url)? };
    let engine = if let Some(endpoint) = args.dynamodb_endpoint {
        Engine::outside(endpoint)
    } else {
        let database = (!args.in_memory).then(|| args.data.join("tessera.db"));
        Engine::embedded(bind(args.dynamodb_port, "--dynamodb-port").await?, database.as_deref())?
    };
    let dynamodb_url = engine.url().to_owned();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let until_stopped = || {
        let mut stopped = stopped.clone();
        async move {
            // The sender lives as long as this function: an error means the end, too.
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    };
    let service = async {
        let client = Access::local(&dynamodb_url).client(Service::DynamoDb);
        infra::create_tables(&client, &infra::Template::bundled()?, LOCAL_STACK).await?;
        let tables = TableNames::of_stack(LOCAL_STACK);
        let config = Config::from_variables(|name| local_variable(name, &keys))?;
        // An operator who changes a setting here wants to see it at once.
        let env = config.with_tables(tables).into_env(client, Duration::from_secs(args.settings_seconds));
        let demo = Demo::ensure(&env.store, &keys).await?;
        announce(args.json, &base_url, &dynamodb_url, &demo);
        let router = Router::new()
            .merge(pages::router(demo.id))
            .merge(outbox::router(&env))
            .fallback_service(shared::http::app(routes(), env))
            .layer(axum::middleware::map_request(with_client_address))
            .into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, router).with_graceful_shutdown(until_stopped()).await?;
        Ok::<_, Failure>(())
    };
    let interrupted = async {
        wait_for_signal().await?;
        // A receiver is alive above.
        let _ = stop.send(true);
        tokio::time::sleep(GRACE).await;
        Ok::<_, Failure>(())
    };
    tokio::select! {
        done = service => done,
        done = interrupted => done,
        done = engine.run() => done,
    }
}

/// What a deployed function finds in its environment.
fn local_variable(name: &str, keys: &LocalKeys) -> Option<String> {
    match name {
        "PUBLIC_URL" => Some(keys.public_url.clone()),
        "SIGNING_KEYS" => Some(keys.signing_keys.clone()),
        "HASH_KEY" => Some(keys.hash_key()),
        "TOTP_KEY" => Some(keys.totp_key()),
        "EXEMPT_LOOPBACK" => Some("true".to_owned()),
        "MAIL" | "SMS" => Some(r#"{"carrier":"outbox"}"#.to_owned()),
        _ => None,
    }
}

async fn with_client_address(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(ClientAddress(peer.ip()));
    request
}

async fn bind(port: u16, flag: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            Failure::new(format!("port {port} is taken: choose another one with {flag} (0 picks a free one)"))
        }
        _ => Failure::new(format!("port {port} cannot be used: {error}; choose another one with {flag}")),
    })
}

/// Ctrl-C, or a polite request to end.
async fn wait_for_signal() -> Result<(), Failure> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}

fn log_to_standard_error() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,shared=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}

fn announce(as_json: bool, base_url: &str, dynamodb_url: &str, demo: &Demo) {
    if as_json {
        let line = json!({
            "baseUrl": base_url,
            "dynamodbUrl": dynamodb_url,
            "demoApp": {"appId": demo.id, "appKey": demo.key, "appSecret": demo.secret.expose(), "bitkey": demo.bitkey.expose()},
        });
        println!("{line}");
    } else {
        // A new name every time, so that the line works again tomorrow.
        let user_name = format!("user{}", SystemClock.now().as_second());
        println!(
            "Tessera runs.\n\n\
             \x20 API       {base_url}\n\
             \x20 DynamoDB  {dynamodb_url}\n\
             \x20 Demo app  appId {}, appKey {}\n\
             \x20           appSecret {}\n\
             \x20           bitkey    {}\n\
             \x20 QR demo   {base_url}/demo\n\n\
             Sign somebody up:\n\n\
             \x20 curl -s {base_url}/api/AppUsers/{}/SignUp -H 'content-type: application/json' \
             -d '{{\"userName\":\"{user_name}\",\"pwd\":\"correct horse battery\"}}'\n\n\
             Codes and other messages are printed here, and listed at {base_url}/_local/outbox\n\n\
             Ctrl-C ends it.",
            demo.id,
            demo.key.as_str(),
            demo.secret.expose(),
            demo.bitkey.expose(),
            demo.id,
        );
    }
    // Standard output may be closed: the service runs all the same.
    let _ = std::io::stdout().flush();
}
