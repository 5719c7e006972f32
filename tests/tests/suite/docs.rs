//! Documents that are made from the code say what the code says. `UPDATE_DOCS=1` writes them anew.

use std::path::Path;

use shared::{error::ErrorCode, settings::Language};

/// Compares a document with what it should be, or writes it.
#[expect(clippy::disallowed_methods, reason = "whether to write is for whoever runs the test to say")]
fn check(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == expected, "docs/{file} is out of date: run the test with UPDATE_DOCS=1");
}

#[test]
fn the_list_of_errors_is_the_codes() {
    let mut text = "# Errors\n\n\
        Every failing answer carries a `code` (`status` in the licence family), a `reason` for programs and a message \
        for people. The list is closed: no other reason is ever sent. It is made from `shared/src/error.rs`.\n\n\
        | code | reason | message | in English |\n|---|---|---|---|\n"
        .to_owned();
    for code in ErrorCode::ALL {
        let (chinese, english) = (code.message(Language::Zh), code.message(Language::En));
        let row = format!("| {} | `{}` | {chinese} | {english} |\n", code.number(), code.reason());
        text.push_str(&row);
    }
    check("errors.md", &text);
}
