//! What docs/operating.md and docs/messages.md name exists: parameters, alarms, outputs, commands.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, process::Command};

use infra::Template;

const OPERATING: &str = include_str!("../../docs/operating.md");
const MESSAGES: &str = include_str!("../../docs/messages.md");

/// What stands between backquotes outside of fenced blocks.
fn quoted(text: &str) -> BTreeSet<&str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

/// The lines of the fenced blocks of shell commands, without comments.
fn commands(text: &str) -> Vec<&str> {
    let fences = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let lines = fences.flat_map(str::lines).map(|line| line.split(" #").next().unwrap().trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn parameters(template: &Template) -> BTreeSet<&str> {
    template.parameters().collect()
}

#[test]
fn every_parameter_of_the_template_is_explained() {
    let template = Template::bundled().unwrap();
    let said: BTreeSet<_> =
        [OPERATING, MESSAGES].into_iter().flat_map(quoted).map(|name| name.split('=').next().unwrap()).collect();
    // What the template's own descriptions say all about.
    let own = BTreeSet::from(["QrCodesPerIpPerMinute"]);
    let missing: Vec<_> =
        parameters(&template).into_iter().filter(|name| !said.contains(name) && !own.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_parameter_that_is_set_exists() {
    let template = Template::bundled().unwrap();
    let known = parameters(&template);
    let in_commands = commands(OPERATING);
    let overrides = in_commands.iter().filter_map(|line| line.split_once("--parameter-overrides "));
    let mut set: BTreeSet<_> = overrides.flat_map(|(_, rest)| rest.split(' ')).collect();
    set.extend(
        [OPERATING, MESSAGES]
            .into_iter()
            .flat_map(quoted)
            .filter(|it| it.contains('=') && it.starts_with(|c: char| c.is_ascii_uppercase()) && !it.contains(' ')),
    );
    assert!(set.len() > 5, "{set:?}");
    for setting in set {
        let name = setting.split('=').next().unwrap();
        assert!(known.contains(name), "{setting}");
    }
}

#[test]
fn the_table_of_alarms_is_that_of_the_template() {
    let template = Template::bundled().unwrap();
    let (_, section) = OPERATING.split_once("## Alarms").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(
        rows.collect::<Vec<_>>(),
        template.alarms().iter().map(|it| it.name_suffix.as_str()).collect::<Vec<_>>()
    );
    for name in quoted(OPERATING).into_iter().filter(|name| name.ends_with("Alarm")) {
        assert!(template.alarms().iter().any(|it| it.logical_id == name), "{name}");
    }
    for output in ["ApiUrl", "AlarmTopic", "DomainTarget"] {
        assert!(quoted(OPERATING).contains(output) && template.outputs().iter().any(|it| it == output), "{output}");
    }
}

#[test]
fn every_command_of_the_operators_tool_is_one() {
    let mut tried = 0;
    let in_commands = commands(OPERATING);
    let fenced = in_commands.iter().filter_map(|line| line.strip_prefix("cargo run --release -- "));
    let inline = quoted(OPERATING).into_iter().map(|it| it.strip_prefix("cargo run --release -- ").unwrap_or(it));
    let inline =
        inline.filter(|it| ["app ", "key ", "user ", "bitkey ", "sn "].iter().any(|name| it.starts_with(name)));
    for line in fenced.chain(inline) {
        // Help is the last to be heard: what comes before it must be known.
        let tool = env!("CARGO_BIN_EXE_tessera");
        let output = Command::new(tool).args(line.split(' ')).arg("--help").output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        tried += 1;
    }
    assert!(tried >= 12, "{tried}");
}

#[test]
fn the_waits_and_tables_that_are_told_are_those_of_the_code() {
    use shared::{
        current_tokens::{MAX_AGE, REFRESH_AGE},
        jwt::MAX_TOKEN_DAYS,
        key_rotation::{PUBLISHED_FOR, REPLACED_FOR},
    };
    assert_eq!((REFRESH_AGE / 60, MAX_AGE / 60, PUBLISHED_FOR / 60, MAX_TOKEN_DAYS), (5, 60, 70, 99));
    assert_eq!(REPLACED_FOR, i64::from(MAX_TOKEN_DAYS) * 86_400 + PUBLISHED_FOR);
    for words in ["70 minutes", "99 days and 70 minutes", "every five minutes", "for an hour"] {
        assert!(OPERATING.contains(words), "{words}");
    }
    let tables: Vec<_> = Template::bundled().unwrap().tables().iter().map(|it| it.name_suffix.clone()).collect();
    assert!(OPERATING.contains(&format!("for table in {}; do", tables.join(" "))));
}
