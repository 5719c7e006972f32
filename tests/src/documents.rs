//! Documents that are made from the code.

use std::path::Path;

/// Whether documents are to be written rather than compared.
#[expect(clippy::disallowed_methods, reason = "whether to write is for whoever runs the test to say")]
pub fn is_update_wanted() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

/// Compares a document with what it should be, or writes it when `UPDATE_DOCS` is set.
pub fn check(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file);
    if is_update_wanted() {
        std::fs::write(&path, expected).expect("the document can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == expected, "docs/{file} is out of date: run the test with UPDATE_DOCS=1");
}
