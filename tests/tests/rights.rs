//! The roles of the template allow what the code does, and nothing else. What it does was recorded while the suite ran
//! (`tests::rights`). Only with `TESSERA_RIGHTS` set, by whoever has just run the whole suite: any other record is of
//! other code.

use std::collections::BTreeSet;

use infra::Template;

#[test]
#[expect(clippy::disallowed_methods, reason = "whether the record is fresh is for whoever runs the test to say")]
fn op_10_every_right_is_used_and_every_use_is_a_right() {
    if std::env::var_os("TESSERA_RIGHTS").is_none() {
        println!("SKIPPED: TESSERA_RIGHTS does not say that the suite has just run");
        return;
    }
    let used: BTreeSet<_> = tests::records::lines(&tests::rights::folder()).into_iter().collect();
    assert!(!used.is_empty(), "the suite recorded nothing");
    let template = Template::bundled().expect("the template can be read");
    let mut granted = BTreeSet::new();
    for function in template.functions() {
        for table in template.tables() {
            for action in function.actions_on(&table.logical_id) {
                let action = action.trim_start_matches("dynamodb:");
                granted.insert(format!("{} {action} {}", function.binary, table.name_suffix));
            }
        }
    }
    let missing: Vec<_> = used.difference(&granted).collect();
    let unused: Vec<_> = granted.difference(&used).collect();
    assert!(missing.is_empty(), "the template must allow: {missing:#?}");
    assert!(unused.is_empty(), "no code uses: {unused:#?}");
}
