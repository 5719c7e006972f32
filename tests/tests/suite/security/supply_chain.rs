//! What the repository itself must not hold, and what its crates may not do.

use std::{fs, path::Path, process::Command};

use tests::Tally;

/// The files under version control, with their text; a picture has none.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output().expect("git");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).expect("names are text");
    let files = names.split('\0').filter(|name| !name.is_empty());
    let files: Vec<_> =
        files.filter_map(|name| Some((name.to_owned(), fs::read_to_string(root.join(name)).ok()?))).collect();
    assert!(files.len() > 100, "the repository is here: {}", files.len());
    files
}

/// How secrets begin that their makers marked, and how many characters of their alphabet follow.
const MARKED: [(&str, usize); 14] = [
    ("AKIA", 16),
    ("ASIA", 16),
    ("LTAI", 16),
    ("AIza", 35),
    ("ghp_", 36),
    ("github_pat_", 36),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("sk_live_", 20),
    ("npm_", 36),
    ("pypi-", 40),
    ("bk_", 81),
    ("eyJhbGciOi", 60),
    ("-----BEGIN ", 0),
];

fn marked(text: &str) -> Option<&str> {
    MARKED.into_iter().find_map(|(mark, length)| {
        text.match_indices(mark).find_map(|(at, _)| {
            let rest = &text[at + mark.len()..];
            let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let is_key = if length == 0 { rest.lines().next()?.contains("PRIVATE KEY-----") } else { end >= length };
            let begins = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            (is_key && begins).then(|| &text[at..at + mark.len() + end])
        })
    })
}

#[test]
fn op_08_no_key_is_in_the_repository() {
    let tally = Tally::of("OP-08");
    for (name, text) in files() {
        assert_eq!(marked(&text), None, "{name}");
        let is_key_file = [".pem", ".key", ".p12", ".pfx", ".jks", ".env"].iter().any(|end| name.ends_with(end));
        assert!(!is_key_file, "{name} is no file for a repository");
    }
    tally.count();
    // The search finds what it is for.
    for parts in [
        ["key = \"AKIA", "IOSFODNN7EXAMPLE", "\""],
        ["-----BEGIN", " EC ", "PRIVATE KEY-----\nMHcC"],
        ["token: ghp_", "0123456789abcdefghij", "ABCDEFGHIJ012345"],
    ] {
        let found = parts.concat();
        assert!(marked(&found).is_some(), "{found}");
    }
    assert_eq!(marked("AKIA is how such keys begin; bk_<id>_<secret> is ours"), None);
}

#[test]
fn op_07_no_crate_of_ours_has_unsafe_code() {
    let tally = Tally::of("OP-07");
    let files = files();
    let text = |name: &str| &files.iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("{name}")).1;
    assert!(text("Cargo.toml").contains("unsafe_code = \"forbid\""));
    let manifests: Vec<_> = files.iter().filter(|(name, _)| name.ends_with("/Cargo.toml")).collect();
    assert!(manifests.len() >= 14, "{}", manifests.len());
    for (name, manifest) in manifests {
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name} takes the lints of the workspace");
        tally.count();
    }
}
