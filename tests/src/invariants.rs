//! What must be true of all tables together, whatever happened.
//!
//! A row is valid by itself, and by the rows that belong to it: who holds a reservation exists and has what it
//! reserves, counts are the numbers of what they count, and nothing is left of what is gone. A row of a kind that is
//! not described here is a violation, too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::{
    binding::{MAX_BINDINGS, sign_in_refusal},
    codes::{FAILURES, LIFETIME, TRIES},
    consent::ConsentId,
    contact::{Email, Phone},
    storage::Table,
    text::{ExternalId, Platform, UnionId, UserName},
};

use crate::{Checkpoint, World, ledger};

/// Fails the test unless all invariants hold.
pub async fn assert_hold(world: &World) {
    let tables = world.checkpoint().await;
    let found = violations(&tables);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What is wrong, a sentence each.
pub fn violations(tables: &Checkpoint) -> Vec<String> {
    let mut found = Violations::default();
    let users = Users::read(tables, &mut found);
    apps(tables, &mut found);
    users.check_reservations(tables, &mut found);
    users.check_bindings(tables, &mut found);
    codes(tables, &users, &mut found);
    consents(tables, &users, &mut found);
    points(tables, &users, &mut found);
    licences(tables, &users, &mut found);
    found.0
}

#[derive(Default)]
struct Violations(Vec<String>);

impl Violations {
    fn check(&mut self, holds: bool, row: &Value, rule: &str) {
        if !holds {
            self.0.push(format!("{rule}: {row}"));
        }
    }
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name]["S"].as_str().unwrap_or_default()
}

fn number(row: &Value, name: &str) -> Option<i64> {
    row[name]["N"].as_str().and_then(|number| number.parse().ok())
}

fn strings(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn key(row: &Value) -> (&str, &str) {
    (text(row, "pk"), text(row, "sk"))
}

/// A key's app and the rest of it.
fn of_app(key: &str) -> Option<(&str, &str)> {
    key.split_once('#').filter(|(app, _)| app.parse::<u32>().is_ok())
}

/// Users by their app and number, reservations by their key.
struct Users<'a> {
    users: BTreeMap<(&'a str, i64), &'a Value>,
    reservations: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Users<'a> {
    fn read(tables: &'a Checkpoint, found: &mut Violations) -> Self {
        let (mut users, mut reservations) = (BTreeMap::new(), BTreeMap::new());
        for row in tables.table(Table::Users) {
            let (pk, _) = key(row);
            let Some((app, rest)) = of_app(pk) else {
                found.check(false, row, "a row of users belongs to an app");
                continue;
            };
            let (kind, rest) = rest.split_once('#').unwrap_or_default();
            match kind {
                "user" => {
                    let id = number(row, "id").unwrap_or_default();
                    found.check(rest == id.to_string(), row, "a user stands under their number");
                    found.check(number(row, "appId").map(|id| id.to_string()).as_deref() == Some(app), row, "and app");
                    users.insert((app, id), row);
                }
                "name" | "phone" | "email" | "ext" => {
                    reservations.insert(pk, row);
                }
                _ => found.check(false, row, "a row of users is of a known kind"),
            }
        }
        Self { users, reservations }
    }

    fn has(&self, app: &str, id: Option<i64>) -> bool {
        id.is_some_and(|id| self.users.contains_key(&(app, id)))
    }

    /// What is unique about a user, as the keys of its reservations.
    fn unique(app: &str, row: &Value) -> Vec<String> {
        let mut keys = Vec::new();
        if let Ok(name) = UserName::parse(text(row, "userName")) {
            keys.push(format!("{app}#name#{}", name.canonical()));
        }
        let proven = |name: &str| {
            let contact = &row[name]["M"];
            (contact["verified"]["BOOL"] == true).then(|| text(contact, "address").to_owned())
        };
        if let Some(phone) = proven("phone").and_then(|phone| Phone::parse(&phone).ok()) {
            keys.push(format!("{app}#phone#{}", phone.e164()));
        }
        if let Some(email) = proven("email").and_then(|email| Email::parse(&email).ok()) {
            keys.push(format!("{app}#email#{}", email.canonical()));
        }
        if !text(row, "unionId").is_empty() {
            keys.push(external_key(app, text(row, "platform"), text(row, "unionId")));
        }
        keys
    }

    /// P-03: every reservation has its user, every user has their reservations.
    fn check_reservations(&self, tables: &Checkpoint, found: &mut Violations) {
        let bound: BTreeSet<_> =
            tables.table(Table::Bindings).filter_map(|row| Some((key(row).0.to_owned(), number(row, "id")?))).collect();
        for (pk, row) in &self.reservations {
            let (app, _) = of_app(pk).unwrap_or_default();
            let id = number(row, "userId");
            match (number(row, "bindingId"), id.and_then(|id| self.users.get(&(app, id)))) {
                (_, None) => found.check(false, row, "a reservation has its user"),
                (None, Some(user)) => {
                    found.check(
                        Self::unique(app, user).iter().any(|it| it == pk),
                        row,
                        "the user has what is reserved",
                    );
                }
                (Some(binding), Some(_)) => {
                    let partition = format!("{app}#{}", id.unwrap_or_default());
                    found.check(bound.contains(&(partition, binding)), row, "a bound identity has its binding");
                }
            }
        }
        for ((app, id), user) in &self.users {
            for reservation in Self::unique(app, user) {
                let holder = self.reservations.get(reservation.as_str()).and_then(|row| number(row, "userId"));
                found.check(holder == Some(*id), user, "a user holds what is unique about them");
            }
        }
    }

    fn check_bindings(&self, tables: &Checkpoint, found: &mut Violations) {
        let mut counts: BTreeMap<(&str, i64), (i64, i64)> = BTreeMap::new();
        for row in tables.table(Table::Bindings) {
            let (app, user) = of_app(key(row).0).unwrap_or_default();
            let user = user.parse().unwrap_or_default();
            found.check(
                number(row, "userId") == Some(user) && self.has(app, Some(user)),
                row,
                "a binding has its user",
            );
            found.check(number(row, "id").map(|id| id.to_string()).as_deref() == Some(key(row).1), row, "and number");
            let (platform, union_id) = (text(row, "platform"), text(row, "unionId"));
            let reservation = self.reservations.get(external_key(app, platform, union_id).as_str());
            let is_held = reservation.is_some_and(|it| number(it, "bindingId") == number(row, "id"));
            found.check(is_held, row, "a binding holds its identity");
            let (enabled, disabled) =
                (row["enabled"]["BOOL"] == true, reservation.is_some_and(|it| it["disabled"]["BOOL"] == true));
            found.check(enabled != disabled, row, "a binding and its identity are on or off together");
            let count = counts.entry((app, user)).or_default();
            count.0 += 1;
            count.1 += i64::from(enabled && can_sign_in(platform, union_id));
        }
        for (key, user) in &self.users {
            let counted =
                (number(user, "bindings").unwrap_or_default(), number(user, "usableBindings").unwrap_or_default());
            let there = counts.get(key).copied().unwrap_or_default();
            found.check(counted == there, user, &format!("a user counts the {there:?} bindings"));
            found.check(there.0 <= i64::from(MAX_BINDINGS), user, "nobody has more bindings than are allowed");
        }
    }
}

fn external_key(app: &str, platform: &str, union_id: &str) -> String {
    format!("{app}#ext#{}:{platform}{union_id}", platform.len())
}

fn can_sign_in(platform: &str, union_id: &str) -> bool {
    let parsed = (Platform::parse(platform.to_owned()), UnionId::parse(union_id.to_owned()));
    match parsed {
        (Ok(platform), Ok(union_id)) => sign_in_refusal(&ExternalId { platform, union_id }).is_none(),
        _ => false,
    }
}

fn apps(tables: &Checkpoint, found: &mut Violations) {
    let rows: BTreeMap<_, _> = tables.table(Table::Apps).map(|row| (key(row), row)).collect();
    for ((pk, sk), row) in &rows {
        let (kind, rest) = pk.split_once('#').unwrap_or((pk, ""));
        match (kind, *sk) {
            ("app", "app") => {
                let pointer = rows.get(&(format!("key#{}", text(row, "appKey")).as_str(), "app")).copied();
                let back = pointer.and_then(|it| number(it, "appId"));
                found.check(back.map(|id| id.to_string()).as_deref() == Some(rest), row, "an app is found by its key");
            }
            ("key", "app") => {
                let app = number(row, "appId").map(|id| format!("app#{id}")).unwrap_or_default();
                let app = rows.get(&(app.as_str(), "app"));
                found.check(app.is_some_and(|app| text(app, "appKey") == rest), row, "an app's key has its app");
            }
            ("app", place) if place.starts_with("bitkey#") => {
                let bitkey = rows.get(&(format!("bitkey#{}", text(row, "id")).as_str(), "app")).copied();
                found.check(bitkey.is_some(), row, "a place for a bitkey has its bitkey");
            }
            ("bitkey", "app") => {
                let app = number(row, "appId").map(|id| format!("app#{id}")).unwrap_or_default();
                let place = format!("bitkey#{}", text(row, "place"));
                let place = rows.get(&(app.as_str(), place.as_str()));
                found.check(place.is_some_and(|it| text(it, "id") == rest), row, "a bitkey has its place");
            }
            ("apps", "next") => {}
            _ => found.check(false, row, "a row of apps is of a known kind"),
        }
    }
}

fn codes(tables: &Checkpoint, users: &Users<'_>, found: &mut Violations) {
    for row in tables.table(Table::Codes) {
        found.check(number(row, "expires").is_some(), row, "what lives for a while has an end");
        let (app, rest) = of_app(key(row).0).unwrap_or_default();
        match rest.split('#').next().unwrap_or_default() {
            "contact" => address(row, tables.now_millis(), found),
            "code" => {
                let (state, grant) = (text(row, "state"), &row["grant"]["M"]);
                found.check(["open", "spent", "used"].contains(&state), row, "a grant is open, spent or used");
                let is_used = number(row, "consentId").is_some();
                found.check(is_used == (state == "used"), row, "what was exchanged, and nothing else, has a consent");
                found.check(users.has(app, number(grant, "userId")), row, "a grant has its user");
            }
            "qr" => {
                let has = |name: &str| row.get(name).is_some();
                let stage = match text(row, "stage") {
                    "shown" => !has("scanHash") && !has("userId") && !has("collector"),
                    "scanned" => has("scanHash") && !has("userId") && !has("collector"),
                    "confirmed" => has("scanHash") && has("userId") && has("tokenVersion") && !has("collector"),
                    "taken" => has("scanHash") && has("userId") && has("tokenVersion") && has("collector"),
                    _ => false,
                };
                found.check(stage, row, "a sign-in by QR code has what its stage needs, and no more");
                found.check(!has("userId") || users.has(app, number(row, "userId")), row, "its confirmer exists");
            }
            "request" => {
                let is_whole = ["fingerprint", "token"].iter().all(|name| !text(row, name).is_empty());
                found.check(is_whole, row, "a repeatable request says what it was");
                let unlinked = strings(&row["unlinked"]["SS"]);
                if let (Some(answer), false) = (row["answer"]["S"].as_str(), unlinked.is_empty()) {
                    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
                    let answered = strings(&answer["done"]["names"]);
                    found.check(answered == unlinked, row, "what was unlinked under it is what it answers");
                }
            }
            // Counters of their own: who charges them knows the limit.
            _ => {}
        }
    }
}

/// P-02: the budgets of an address.
fn address(row: &Value, now: i64, found: &mut Violations) {
    let record = &row["record"]["M"];
    let length = |name: &str| record[name]["L"].as_array().map_or(0, Vec::len);
    found.check(!text(row, "version").is_empty(), row, "a record has a version");
    found.check(length("failures") <= FAILURES, row, "no more wrong tries than the budget of an address");
    for (_, code) in record["codes"]["M"].as_object().into_iter().flatten() {
        let code = &code["M"];
        found.check(number(code, "tries").is_some_and(|it| it <= i64::from(TRIES)), row, "nor than that of a code");
        found.check(number(code, "until").is_some_and(|it| it <= now + LIFETIME * 1_000), row, "no code lives longer");
    }
}

fn consents(tables: &Checkpoint, users: &Users<'_>, found: &mut Violations) {
    let mut pairs = BTreeSet::new();
    for row in tables.table(Table::Consents) {
        let (pk, sk) = key(row);
        let (app, user) = of_app(pk).unwrap_or_default();
        found.check(users.has(app, user.parse().ok()), row, "a consent has its user");
        let id = number(row, "id").and_then(|id| u64::try_from(id).ok()).map(ConsentId::new);
        let place = id.map(|id| format!("consent#{}", id.place()));
        found.check(place.as_deref() == Some(sk), row, "a row of consents is one, in its place");
        let is_ended = [number(row, "expires").is_some(), !text(row, "takenBackBy").is_empty()];
        found.check(is_ended[0] == is_ended[1], row, "a consent was taken back by a request, or was not");
        if !is_ended[0] {
            let is_first = pairs.insert((pk, text(row, "redirectUri"), text(row, "scopes")));
            found.check(is_first, row, "there is one consent for a pair of scopes and place");
        }
        found.check(row["refused"]["SS"].as_array().map_or(0, Vec::len) <= 50, row, "few grants are refused");
    }
}

/// P-05, beside what [`ledger`] checks.
fn points(tables: &Checkpoint, users: &Users<'_>, found: &mut Violations) {
    found.0.extend(ledger::imbalances(tables.table(Table::Points)));
    for row in tables.table(Table::Points) {
        let (app, rest) = of_app(key(row).0).unwrap_or_default();
        let owner = if rest.starts_with("order#") { number(row, "userId") } else { rest.parse().ok() };
        found.check(users.has(app, owner), row, "points and orders have their user");
    }
}

/// The rows of one licence code.
#[derive(Default)]
struct Licence<'a> {
    code: Option<&'a Value>,
    next: i64,
    ordinals: Vec<i64>,
}

fn licences(tables: &Checkpoint, users: &Users<'_>, found: &mut Violations) {
    let mut licences: BTreeMap<&str, Licence<'_>> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for row in tables.table(Table::Licences) {
        let (pk, sk) = key(row);
        let (app, rest) = of_app(pk).unwrap_or_default();
        if rest == "sns" {
            names.insert(format!("{app}#sn#{sk}"));
            continue;
        }
        let licence = licences.entry(pk).or_default();
        match sk.split_once('#').unwrap_or((sk, "")) {
            ("sn", "") => licence.code = Some(row),
            ("next", "") => licence.next = number(row, "next").unwrap_or_default(),
            ("link", name) => {
                licence.ordinals.push(number(row, "ordinal").unwrap_or(-1));
                let user = number(row, "user").and_then(|id| users.users.get(&(app, id)));
                found.check(user.is_some_and(|it| text(it, "userName") == name), row, "a link has its user");
            }
            _ => found.check(false, row, "a row of licences is of a known kind"),
        }
    }
    found.check(licences.keys().copied().eq(names.iter().map(String::as_str)), &Value::Null, "licence codes are named");
    for (pk, mut licence) in licences {
        let Some(code) = licence.code else {
            found.0.push(format!("links have their licence code: {pk}"));
            continue;
        };
        let links = licence.ordinals.len();
        found.check(number(code, "users") == i64::try_from(links).ok(), code, &format!("{links} links take the seats"));
        let mut blocks: BTreeMap<String, i64> = BTreeMap::new();
        for ordinal in &licence.ordinals {
            *blocks.entry(format!("b{}", ordinal / 1_000)).or_default() += 1;
        }
        for name in code.as_object().into_iter().flatten().map(|(name, _)| name) {
            if name.strip_prefix('b').is_some_and(|block| block.parse::<u64>().is_ok()) {
                blocks.entry(name.clone()).or_default();
            }
        }
        for (block, links) in blocks {
            found.check(number(code, &block) == Some(links), code, &format!("{links} links are in block {block}"));
        }
        licence.ordinals.sort_unstable();
        let is_drawn = licence.ordinals.iter().all(|ordinal| (0..licence.next).contains(ordinal));
        found.check(is_drawn, code, "ordinals were drawn");
        licence.ordinals.dedup();
        found.check(licence.ordinals.len() == links, code, "no two links have one ordinal");
    }
}
