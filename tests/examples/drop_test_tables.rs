//! Deletes the tables that tests left in an engine that keeps them: `DYNAMODB_ENDPOINT=… cargo run -p tests --example
//! drop_test_tables`. They are called `test`, sixteen hexadecimal digits, a hyphen and the table; no others are touched.

use tests::engine::Engine;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let engine = Engine::new();
    assert!(engine.is_shared(), "DYNAMODB_ENDPOINT says where");
    let client = engine.client();
    let mut start = None;
    loop {
        let page = client.list_tables().set_exclusive_start_table_name(start).send().await.expect("a list of tables");
        for name in page.table_names().iter().filter(|name| is_of_a_test(name)) {
            client.delete_table().table_name(name).send().await.expect("a table can be deleted");
            println!("{name}");
        }
        start = page.last_evaluated_table_name;
        if start.is_none() {
            break;
        }
    }
}

fn is_of_a_test(name: &str) -> bool {
    let stack = name.split_once('-').map_or("", |(stack, _)| stack);
    let digits = stack.strip_prefix("test").unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}
