//! Documents that are made from the code say what the code says. `UPDATE_DOCS=1` writes them anew.

use shared::{error::ErrorCode, settings::Language};
use tests::documents::check;

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
