//! The figures compared with the committed ones.

use std::{collections::BTreeMap, fs, path::Path};

use tests::documents;

use super::{Figures, GROWTH_KIB, PEAK_KIB, TOLERANCE};

/// Compares with `docs/weight.json`, or writes it.
pub(super) fn check(figures: &Figures) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/weight.json");
    if documents::is_update_wanted() {
        let json = serde_json::to_string_pretty(figures).expect("figures are JSON") + "\n";
        fs::write(&path, json).expect("the figures can be written");
    }
    let committed = fs::read_to_string(&path).expect("the figures are committed");
    let committed: Figures = serde_json::from_str(&committed).expect("the committed figures are readable");

    let mut wrong = Vec::new();
    compare("bytes of", &committed.bytes, &figures.bytes, &mut wrong);
    compare("instructions to start", &committed.starts, &figures.starts, &mut wrong);
    compare("instructions of", &committed.requests, &figures.requests, &mut wrong);
    let memory = &figures.memory;
    if memory.growth > GROWTH_KIB {
        wrong.push(format!("1000 sign-ins left {} KiB behind, and {GROWTH_KIB} are allowed", memory.growth));
    }
    if memory.peak > PEAK_KIB {
        wrong.push(format!("sign-ins took {} KiB, and {PEAK_KIB} are allowed", memory.peak));
    }
    assert!(
        wrong.is_empty(),
        "docs/weight.json says otherwise; what is meant to be so is written there by UPDATE_DOCS=1:\n{}",
        wrong.join("\n")
    );
}

/// A figure that is missing on one side is as wrong as one that differs.
fn compare(what: &str, committed: &BTreeMap<String, u64>, measured: &BTreeMap<String, u64>, wrong: &mut Vec<String>) {
    for name in committed.keys().filter(|name| !measured.contains_key(*name)) {
        wrong.push(format!("{what} {name}: committed, but not measured"));
    }
    for (name, &measured) in measured {
        let Some(&expected) = committed.get(name) else {
            wrong.push(format!("{what} {name}: {measured} now, nothing committed"));
            continue;
        };
        if measured.abs_diff(expected) * 1000 > expected * TOLERANCE {
            wrong.push(format!("{what} {name}: {measured} now, {expected} committed"));
        }
    }
}
