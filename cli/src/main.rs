//! `tessera`: the local all-in-one server, and the operator's tool.

mod app;
mod bitkey;
mod connection;
mod dev;
mod failure;
mod key;
mod output;
mod price_table;
mod sn;
mod user;

use clap::{Args, Parser, Subcommand};

use crate::{connection::Connection, dev::DevArgs, failure::Failure, output::Output};

/// Your own user system, on AWS Lambda and DynamoDB.
///
/// Without a command, the whole service runs on this computer.
#[derive(Parser)]
#[command(name = "tessera", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    dev: DevArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole service on this computer (the default)
    Dev(DevArgs),
    /// Create, list, change and disable apps
    App(OperatorArgs<app::AppCommand>),
    /// Make, show and rotate the secrets of a deployed stack
    Key {
        #[command(subcommand)]
        command: key::KeyCommand,
        #[command(flatten)]
        output: Output,
    },
    /// Credit and deduct points, switch off second factors
    User(OperatorArgs<user::UserCommand>),
    /// Issue, list and revoke the keys of vendors' back offices
    Bitkey(OperatorArgs<bitkey::BitkeyCommand>),
    /// Create, list and change licence codes
    Sn(OperatorArgs<sn::SnCommand>),
}

/// What every operator's command takes.
#[derive(Args)]
struct OperatorArgs<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let done = match Cli::parse() {
        Cli { command: None, dev } | Cli { command: Some(Command::Dev(dev)), .. } => dev::run(dev).await,
        Cli { command: Some(Command::App(args)), .. } => operate(args, app::run).await,
        Cli { command: Some(Command::Key { command, output }), .. } => {
            key::run(command).await.map(|result| output.print(&result))
        }
        Cli { command: Some(Command::User(args)), .. } => operate(args, user::run).await,
        Cli { command: Some(Command::Bitkey(args)), .. } => operate(args, bitkey::run).await,
        Cli { command: Some(Command::Sn(args)), .. } => operate(args, sn::run).await,
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tessera: {failure}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Opens the store that the command is for, runs it, prints what it returns.
async fn operate<C, R, F>(args: OperatorArgs<C>, run: R) -> Result<(), Failure>
where
    C: Subcommand,
    R: FnOnce(shared::storage::Store, C) -> F,
    F: Future<Output = Result<serde_json::Value, Failure>>,
{
    let store = args.connection.open().await?;
    let result = run(store, args.command).await?;
    args.output.print(&result);
    Ok(())
}
