//! F-13: no two things share a key, and every key begins with its app. Two lines, each the kind of a thing, its app,
//! and two texts, separated by tabs.

use std::fmt::Write as _;

use shared::{
    app::AppId,
    licence::Sn,
    storage::keys::{self, Key, PK, SK},
    text::{ExternalId, OrderId, Platform, UnionId, UserName},
    user::UserId,
};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut things = text.split('\n').filter_map(thing);
    let (Some((a, one)), Some((b, other))) = (things.next(), things.next()) else { return };
    assert_eq!(a == b, spelled(&one) == spelled(&other), "{a:?} {b:?}");
}

fn spelled(key: &Key) -> String {
    let mut spelled = String::new();
    for part in [PK, SK] {
        let text = key.get(part).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        write!(spelled, "{part}={}:{text};", text.len()).expect("a string");
    }
    spelled
}

/// What a line names, in the form in which two of a kind are the same, and its key.
fn thing(line: &str) -> Option<(String, Key)> {
    let [kind, app, a, b] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
    let app = AppId::parse(app)?;
    let (same_as, key) = match kind {
        "user" => (a.to_owned(), keys::user(app, UserId::parse(a)?)),
        "name" => {
            let canonical = UserName::parse(a).ok()?.canonical();
            (canonical.clone(), keys::user_name(app, &canonical))
        }
        "external" => {
            let id = ExternalId { platform: Platform::parse(a).ok()?, union_id: UnionId::parse(b).ok()? };
            (format!("{a}\t{b}"), keys::external_id(app, &id))
        }
        "order" => (a.to_owned(), keys::order(app, &OrderId::parse(a).ok()?)),
        "licence" => {
            let sn = Sn::parse(a)?;
            (sn.canonical().to_owned(), keys::licence(app, &sn))
        }
        "link" => {
            let (sn, name) = (Sn::parse(a)?, UserName::parse(b).ok()?);
            (format!("{}\t{b}", sn.canonical()), keys::link(app, &sn, name.as_str()))
        }
        _ => return None,
    };
    let partition = key[PK].as_s().expect("a text");
    assert!(partition.starts_with(&format!("{app}#")), "{partition}");
    Some((format!("{kind}\t{app}\t{same_as}"), key))
}
