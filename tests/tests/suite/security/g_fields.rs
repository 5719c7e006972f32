//! Every field of every body with values that it may not hold: refused before anything is done.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Answer, Tally, World};

use crate::{
    forms::{Field, Kind, Place, forms},
    probe::Probe,
};

#[track_caller]
fn refused(answer: &Answer, what: &str) {
    assert_eq!((answer.status.as_u16(), answer.reason()), (400, "invalid_request"), "{what:.200}: {}", answer.text);
}

/// Asks every endpoint with one bad value at a time, all other fields being good. Nothing of it may leave a trace.
async fn try_bodies(tally: &Tally, bad: impl Fn(&Field) -> Vec<Value>) {
    let world = World::new().await;
    let probes = Probe::all(&world).await;
    let before = world.snapshot().await;
    for probe in &probes {
        for form in forms(&probe.route).iter().filter(|form| form.place != Place::Query) {
            for field in &form.fields {
                for value in bad(field) {
                    let what = format!("{} {} {}: {value}", probe.method(), probe.path, field.name);
                    refused(&probe.ask_with(form, &[(field.name, value)]).await, &what);
                    tally.count();
                }
            }
        }
    }
    assert_eq!(world.snapshot().await, before);
}

/// The same for the fields of queries, whose values are all texts.
async fn try_queries(tally: &Tally, bad: impl Fn(&Field) -> Vec<String>) {
    let world = World::new().await;
    let probes = Probe::all(&world).await;
    let before = world.snapshot().await;
    for probe in &probes {
        let all = forms(&probe.route);
        let body = all.iter().find(|form| form.place != Place::Query).map(|form| form.body(&[]));
        for form in all.iter().filter(|form| form.place == Place::Query) {
            for field in &form.fields {
                for value in bad(field) {
                    let query = form.query(&[(field.name, &value)]);
                    let what = format!("{} {} {}: {value}", probe.method(), probe.path, field.name);
                    refused(&probe.ask(&query, body.as_ref()).await, &what);
                    tally.count();
                }
            }
        }
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn what_the_forms_say_is_good_is_good() {
    let world = World::new().await;
    for probe in Probe::all(&world).await {
        for form in forms(&probe.route) {
            let answer = match form.place {
                Place::Query => {
                    let all = forms(&probe.route);
                    let body = all.iter().find(|form| form.place != Place::Query).map(|form| form.body(&[]));
                    probe.ask(&form.query(&[]), body.as_ref()).await
                }
                Place::Body | Place::Batch => probe.ask_with(&form, &[]).await,
            };
            assert_ne!(answer.reason(), "invalid_request", "{} {}", probe.path, answer.text);
            for field in form.fields.iter().filter(|field| form.place != Place::Query && field.is_required) {
                for nothing in [json!(null), json!("")] {
                    refused(&probe.ask_with(&form, &[(field.name, nothing)]).await, field.name);
                }
            }
        }
    }
}

/// The sources are the witness: what an endpoint reads by name stands in its form.
#[test]
fn no_field_escapes() {
    let routes = tests::world::routes();
    let mut known: BTreeSet<_> =
        routes.record().flat_map(forms).flat_map(|form| form.fields).map(|field| field.name.to_owned()).collect();
    // Other names for what is listed, and what stands within `querys` and `sorts`.
    known.extend(["code", "phoneCode", "emailCode", "password", "op", "values", "order", "name"].map(str::to_owned));
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> = std::fs::read_dir(root.join("functions")).unwrap().map(|it| it.unwrap().path()).collect();
    folders.push(root.join("shared"));
    let mut read = BTreeSet::new();
    for folder in folders {
        for file in std::fs::read_dir(folder.join("src")).unwrap().flatten().filter(|file| file.path().is_file()) {
            let text = std::fs::read_to_string(file.path()).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for call in ["fields", "query", "sort", "Fields::of(body)?", "Fields::of(entry)?", "Fields::of(query)?"] {
                for verb in ["optional", "required"] {
                    for after in code.split(&format!("{call}.{verb}")).skip(1) {
                        let arguments = after.split_once('(').unwrap().1.split(')').next().unwrap();
                        read.extend(arguments.split('"').skip(1).step_by(2).map(str::to_owned));
                    }
                }
            }
        }
    }
    assert!(read.len() > 30, "{read:?}");
    let unlisted: Vec<_> = read.difference(&known).collect();
    assert!(unlisted.is_empty(), "no form has {unlisted:?}");
}

#[tokio::test]
async fn g_13_no_string_holds_control_characters() {
    let tally = Tally::of("G-13");
    try_bodies(&tally, |field| match field.kind {
        Kind::Bytes(_) => vec![json!("a\u{0}")],
        Kind::Identifier(_) | Kind::Display(_) | Kind::Cut | Kind::Uri(_) | Kind::Strict => {
            ["a\u{0}b", "\u{1}", "a\u{1f}", "a\nb", "a\r\nb", "a\tb", "a\u{7f}", "a\u{80}", "a\u{9f}"]
                .map(Value::from)
                .into()
        }
        Kind::Opaque | Kind::Integer(..) | Kind::Flag => Vec::new(),
    })
    .await;
}

#[tokio::test]
async fn g_14_no_key_is_given_twice() {
    let tally = Tally::of("G-14");
    let world = World::new().await;
    let probes = Probe::all(&world).await;
    let before = world.snapshot().await;
    for probe in &probes {
        for form in forms(&probe.route).iter().filter(|form| form.place != Place::Query) {
            let good = form.body(&[]).to_string();
            for field in &form.fields {
                let (upper, lower) = (field.name.to_ascii_uppercase(), field.name.to_ascii_lowercase());
                for (name, value) in [(field.name, &field.good), (&upper, &field.good), (&lower, &json!("evil"))] {
                    let twice = good.replacen('{', &format!("{{{}:{value},", json!(name)), 1);
                    refused(&probe.send(Some("application/json"), twice.as_bytes()).await, &twice);
                    tally.count();
                }
            }
        }
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn g_16_no_field_takes_another_type() {
    let tally = Tally::of("G-16");
    try_bodies(&tally, |field| {
        let mut others = vec![json!([]), json!({}), json!({"S": "va"}), json!({"$regex": ".*"})];
        if field.name != "querys" && field.name != "sorts" {
            others.extend([json!([field.good]), json!([field.good, "evil"]), json!({"0": field.good})]);
        } else {
            others.remove(0);
            others.extend([json!("name"), json!([[]]), json!(["name"]), json!([{"name": ["name"]}])]);
        }
        match field.kind {
            Kind::Flag => others.extend([json!("true"), json!("yes"), json!(1), json!(0)]),
            Kind::Integer(..) => others.extend([json!(true), json!("x")]),
            _ => others.extend([json!(7), json!(0), json!(1.5), json!(true), json!(false)]),
        }
        others
    })
    .await;
}

#[tokio::test]
async fn g_17_numbers_are_whole_plain_and_within_their_range() {
    let tally = Tally::of("G-17");
    let outside = |kind: Kind| match kind {
        Kind::Integer(least, most) => {
            let above = most.checked_add(1).map(|above| above.to_string());
            let below = least.checked_sub(1).map(|below| below.to_string());
            let plain = ["-1", "1.5", "1e309", "-1e309", "1e-400", "99999999999999999999999999"].map(str::to_owned);
            above.into_iter().chain(below).chain(plain).collect()
        }
        _ => Vec::new(),
    };
    let never: [&str; 14] = [
        "9007199254740993.0",
        "1e3",
        "007",
        "0x10",
        " 12",
        "12 ",
        "+1",
        "1_000",
        "１",
        "NaN",
        "Infinity",
        "-0",
        "1,000",
        "٣",
    ];
    // As JSON numbers and as texts.
    let world = World::new().await;
    let probes = Probe::all(&world).await;
    let before = world.snapshot().await;
    for probe in &probes {
        for form in forms(&probe.route).iter().filter(|form| form.place != Place::Query) {
            for field in form.fields.iter().filter(|field| matches!(field.kind, Kind::Integer(..))) {
                let bad = outside(field.kind).into_iter().chain(never.map(str::to_owned));
                for number in bad {
                    for raw in [number.trim().to_owned(), json!(number).to_string()] {
                        if raw == "12" {
                            continue;
                        }
                        let mark = json!("\u{1f6a9}");
                        let body =
                            form.body(&[(field.name, mark.clone())]).to_string().replace(&mark.to_string(), &raw);
                        refused(&probe.send(Some("application/json"), body.as_bytes()).await, &body);
                        tally.count();
                    }
                }
            }
        }
    }
    assert_eq!(world.snapshot().await, before);
    try_queries(&tally, |field| match field.kind {
        // A page may begin or end far behind the last row.
        Kind::Integer(_, u64::MAX) => ["-1", "1.5", "x", "1e3", "007", "0x10", " 12", "+1"].map(str::to_owned).into(),
        Kind::Integer(..) => outside(field.kind).into_iter().chain(never.map(str::to_owned)).collect(),
        _ => Vec::new(),
    })
    .await;
}

#[tokio::test]
async fn g_20_strings_end_at_their_ceiling() {
    let tally = Tally::of("G-20");
    let at = |field: &Field| match field.kind {
        Kind::Identifier(most) | Kind::Display(most) => Some("\u{1f600}".repeat(most)),
        Kind::Bytes(most) => Some("x".repeat(most)),
        Kind::Uri(most) => Some(format!("https://example.com/{}", "x".repeat(most - 20))),
        Kind::Cut => Some("x".repeat(2_000)),
        Kind::Opaque | Kind::Strict | Kind::Integer(..) | Kind::Flag => None,
    };
    try_bodies(&tally, |field| match field.kind {
        Kind::Strict => vec![json!("1".repeat(300)), json!("x".repeat(3_000)), json!("x".repeat(60_000))],
        Kind::Cut | Kind::Opaque | Kind::Integer(..) | Kind::Flag => Vec::new(),
        _ => {
            let longest = at(field).unwrap();
            let tenfold = if longest.len() * 10 < 60_000 { longest.repeat(10) } else { "x".repeat(60_000) };
            vec![json!(format!("{longest}x")), json!(tenfold), json!("x".repeat(60_000))]
        }
    })
    .await;
    let world = World::new().await;
    for probe in Probe::all(&world).await {
        for form in forms(&probe.route).iter().filter(|form| form.place != Place::Query) {
            for field in &form.fields {
                let Some(longest) = at(field) else { continue };
                let answer = probe.ask_with(form, &[(field.name, json!(longest))]).await;
                assert_ne!(answer.reason(), "invalid_request", "{} {}: {}", probe.path, field.name, answer.text);
                tally.count();
                let huge = form.body(&[(field.name, json!("x".repeat(1 << 20)))]).to_string();
                probe.send(Some("application/json"), huge.as_bytes()).await.refused(413, 413, "body_too_large");
                tally.count();
            }
        }
    }
}

#[tokio::test]
async fn g_22_no_identifier_holds_what_cannot_be_seen() {
    let tally = Tally::of("G-22");
    try_bodies(&tally, |field| match field.kind {
        Kind::Identifier(_) => hidden(),
        Kind::Strict if field.good.is_string() => hidden(),
        _ => Vec::new(),
    })
    .await;
}

fn hidden() -> Vec<Value> {
    const HIDDEN: [char; 10] = [
        '\u{200b}',
        '\u{200d}',
        '\u{202e}',
        '\u{2066}',
        '\u{2069}',
        '\u{feff}',
        '\u{ad}',
        '\u{a0}',
        '\u{3164}',
        '\u{e0041}',
    ];
    HIDDEN.iter().map(|c| json!(format!("a{c}b"))).collect()
}
