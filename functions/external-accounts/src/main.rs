//! The Lambda function of the group; see the library.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::lambda::serve(external_accounts::routes()).await
}
