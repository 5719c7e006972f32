//! The Lambda function of the group; see the library.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), shared::lambda::Error> {
    shared::lambda::serve(oauth::routes()).await
}
