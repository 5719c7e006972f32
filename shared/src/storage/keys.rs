//! The schema: every key of every table is formed here and nowhere else.
//!
//! | table | partition key | sort key | holds | read by |
//! |---|---|---|---|---|
//! | Apps | `app#{app}` | `app` | the app and its settings | every request (cached) |
//! | Apps | `key#{appKey}` | `app` | the number of the app with this key | 2.0 requests (cached) |
//! | Apps | `bitkey#{id}` | `app` | a bitkey: its hash, its app, what it may do | every licence call |
//! | Apps | `app#{app}` | `bitkey#{place}` | which bitkey is in this place | the operator's command line |
//! | Apps | `apps` | `next` | the number that the next app gets | the operator's command line |
//! | Users | `{app}#user#{user}` | | the user | every bearer request, every sign-in |
//! | Users | `{app}#name#{canonical name}` | | who holds the user name | sign-in by password |
//! | Users | `{app}#phone#{E.164}` | | who proved the phone | sign-in by phone |
//! | Users | `{app}#email#{lower case}` | | who proved the mailbox | sign-in by e-mail |
//! | Users | `{app}#ext#{n}:{platform}{unionID}` | | who holds the external identity, as their own or as which binding; `n` = bytes of the platform | sign-in by union id or external account |
//! | Bindings | `{app}#{user}` | `{binding}` | an external account of the user | the user's list, its changes |
//! | Codes | `{app}#password#{hash}` | | failed passwords for a name that nobody holds | sign-in by password |
//! | Codes | `{app}#code#{hash}` | | what an authorization code was granted for, kept as long as its token | Authorize |
//! | Consents | `{app}#{user}` | `consent#{place}` | what the user allowed for one redirect URI and one set of scopes, from which the place follows | Authorize, OAuth bearer requests, the user's list, deletion |
//! | Points | `{app}#{user}` | `account` | balance, number of rows of each kind, what was paid today | every posting, the user's list |
//! | Points | `{app}#{user}` | `all#{ordinal}` | a row of the user's ledger | the user's list |
//! | Points | `{app}#{user}` | `in#{ordinal}`, `out#{ordinal}` | the same row among those of its kind | the user's list by type |
//! | Points | `{app}#order#{order}` | `order` | for whom and for what price an order was credited | recharging |
//! | Codes | `{app}#request#{hash}` | | a licence write that may be repeated, and its answer | licence writes with a request id |
//! | Licences | `{app}#sns` | `{sn}` | that there is this licence code | the operator's command line |
//! | Licences | `{app}#sn#{sn}` | `sn` | the licence code, its seats, how many links each block of ordinals has | every licence call |
//! | Licences | `{app}#sn#{sn}` | `next` | how many ordinals were given out | linking |
//! | Licences | `{app}#sn#{sn}` | `link#{user name}` | a user who is linked, with an ordinal | searches; lists, through the index [`BY_ORDER`] |
//! | Codes | `{app}#qr#{hash}` | | a page that waits for a phone | QR sign-in: each poll is one read of it |
//! | Codes | `ip#{kind}#{hash}#{window}`, `{app}#ip#…` | | what one address did in one window of time, over all apps or in one | what is limited per address |
//! | Codes | `{app}#contact#{hash}` | | the codes, sends and wrong tries of one phone or mailbox | everything with codes |
//! | Codes | `codes#{channel}#{day}#{place}` | | codes sent on a channel in one day, over all apps, a share of them | sending a code |
//!
//! Client text stands last in its key, or behind its own length, so that no text can forge the end of a part. Texts
//! that would be secrets or personal data in a throwaway table are replaced by keyed hashes ([`KeyedHash`]).

use std::{collections::HashMap, net::IpAddr};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    app::{AppId, AppKey},
    binding::BindingId,
    bitkey::BitkeyId,
    consent::ConsentPlace,
    contact::{Address, Channel},
    hash_key::KeyedHash,
    licence::Sn,
    points::LedgerKind,
    secret::AuthorizationCode,
    sign_in_key::SignInKey,
    text::{ExternalId, OrderId},
    user::UserId,
};

/// A primary key: attribute values by attribute name.
pub type Key = HashMap<String, AttributeValue>;

/// The partition key's attribute, in every table.
pub const PK: &str = "pk";
/// The sort key's attribute, in the tables that have one.
pub const SK: &str = "sk";
/// When a row may be swept, in seconds since 1970. Reads compare times themselves: sweeping is only tidying up.
pub const EXPIRES: &str = "expires";

/// The index of the links of a licence code by their [`ORDINAL`].
pub const BY_ORDER: &str = "by-order";
/// Where a link stands in the order of linking.
pub const ORDINAL: &str = "ordinal";

/// The tables, each with the variable that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Apps, their keys and bitkeys.
    Apps,
    /// Users and what is unique about them.
    Users,
    /// External accounts beside the user's own.
    Bindings,
    /// What lives for minutes or hours.
    Codes,
    /// What users allowed.
    Consents,
    /// The points ledger.
    Points,
    /// Licence codes and their users.
    Licences,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 7] =
        [Self::Apps, Self::Users, Self::Bindings, Self::Codes, Self::Consents, Self::Points, Self::Licences];

    /// The environment variable that holds the table's name.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Apps => "APPS_TABLE",
            Self::Users => "USERS_TABLE",
            Self::Bindings => "BINDINGS_TABLE",
            Self::Codes => "CODES_TABLE",
            Self::Consents => "CONSENTS_TABLE",
            Self::Points => "POINTS_TABLE",
            Self::Licences => "LICENCES_TABLE",
        }
    }
}

fn single(partition: String) -> Key {
    HashMap::from([(PK.to_owned(), AttributeValue::S(partition))])
}

fn pair(partition: String, sort: String) -> Key {
    HashMap::from([(PK.to_owned(), AttributeValue::S(partition)), (SK.to_owned(), AttributeValue::S(sort))])
}

/// Apps: an app.
pub fn app(id: AppId) -> Key {
    pair(format!("app#{id}"), "app".to_owned())
}

/// Apps: the pointer from an app's GUID to its number.
pub fn app_key(key: &AppKey) -> Key {
    pair(format!("key#{}", key.as_str()), "app".to_owned())
}

/// Apps: the counter that numbers apps.
pub fn app_counter() -> Key {
    pair("apps".to_owned(), "next".to_owned())
}

/// Apps: a bitkey.
pub fn bitkey(id: &BitkeyId) -> Key {
    pair(format!("bitkey#{}", id.as_str()), "app".to_owned())
}

/// Apps: one of the places that an app has for its bitkeys.
pub fn bitkey_place(app: AppId, place: &str) -> Key {
    pair(format!("app#{app}"), format!("{BITKEY_PLACES}{place}"))
}

/// What the sort keys of an app's places for bitkeys begin with.
pub const BITKEY_PLACES: &str = "bitkey#";

/// Users: a user.
pub fn user(app: AppId, user: UserId) -> Key {
    single(format!("{app}#user#{user}"))
}

/// Users: who holds a user name, given in its canonical form.
pub fn user_name(app: AppId, canonical: &str) -> Key {
    single(format!("{app}#name#{canonical}"))
}

/// Users: who proved a phone or a mailbox.
pub fn contact(app: AppId, address: &Address) -> Key {
    match address {
        Address::Phone(phone) => single(format!("{app}#phone#{}", phone.e164())),
        Address::Email(email) => single(format!("{app}#email#{}", email.canonical())),
    }
}

/// Users: who holds an external identity, as their own or as a binding.
pub fn external_id(app: AppId, id: &ExternalId) -> Key {
    let (platform, union_id) = (id.platform.as_str(), id.union_id.as_str());
    single(format!("{app}#ext#{}:{platform}{union_id}", platform.len()))
}

/// Bindings: an external account of a user.
pub fn binding(app: AppId, user: UserId, id: BindingId) -> Key {
    pair(bindings_of(app, user), id.to_string())
}

/// Bindings: the partition of all external accounts of a user.
pub fn bindings_of(app: AppId, user: UserId) -> String {
    format!("{app}#{user}")
}

/// Codes: failed passwords for a user name that nobody holds.
pub fn unknown_name_budget(app: AppId, hash: &KeyedHash, canonical: &str) -> Key {
    single(format!("{app}#password#{}", hash.of(&["password", &app.to_string(), canonical])))
}

/// Codes: everything about one phone or mailbox.
pub fn address(app: AppId, hash: &KeyedHash, address: &Address) -> Key {
    let parts = ["contact", &app.to_string(), address.channel().as_str(), address.canonical()];
    single(format!("{app}#contact#{}", hash.of(&parts)))
}

/// Codes: what an authorization code was granted for.
pub fn authorization_code(app: AppId, code: &AuthorizationCode) -> Key {
    single(format!("{app}#code#{}", code.hash()))
}

/// Consents, Points: the partition that holds what is the user's, for lists.
pub fn user_partition(app: AppId, user: UserId) -> AttributeValue {
    AttributeValue::S(format!("{app}#{user}"))
}

/// Consents: what a user allowed, by where it is kept.
pub fn consent(app: AppId, user: UserId, place: ConsentPlace) -> Key {
    pair(format!("{app}#{user}"), format!("{CONSENTS}{place}"))
}

/// What the sort keys of consents begin with.
pub const CONSENTS: &str = "consent#";

/// Points: what a user has.
pub fn points_account(app: AppId, user: UserId) -> Key {
    pair(format!("{app}#{user}"), "account".to_owned())
}

/// Points: the row with this number, from one up, among the user's rows of a kind.
pub fn ledger_row(app: AppId, user: UserId, kind: LedgerKind, ordinal: u64) -> Key {
    let kind = match kind {
        LedgerKind::All => "all",
        LedgerKind::Recharge => "in",
        LedgerKind::Consumption => "out",
    };
    pair(format!("{app}#{user}"), format!("{kind}#{ordinal:016}"))
}

/// Points: for whom an order was credited.
pub fn order(app: AppId, order: &OrderId) -> Key {
    pair(format!("{app}#order#{order}"), "order".to_owned())
}

/// Codes: a licence write that its client may repeat, by the digest of what names it.
pub fn request(app: AppId, digest: &str) -> Key {
    single(format!("{app}#request#{digest}"))
}

/// Licences: the partition that names an app's licence codes.
pub fn licence_names(app: AppId) -> String {
    format!("{app}#sns")
}

/// Licences: the entry of a licence code among its app's.
pub fn licence_name(app: AppId, sn: &Sn) -> Key {
    pair(licence_names(app), sn.canonical().to_owned())
}

/// Licences: the partition of a licence code.
pub fn licence_partition(app: AppId, sn: &Sn) -> String {
    format!("{app}#sn#{}", sn.canonical())
}

/// Licences: a licence code.
pub fn licence(app: AppId, sn: &Sn) -> Key {
    pair(licence_partition(app, sn), "sn".to_owned())
}

/// Licences: how many ordinals a licence code gave out.
pub fn next_ordinal(app: AppId, sn: &Sn) -> Key {
    pair(licence_partition(app, sn), "next".to_owned())
}

/// Licences: a user who is linked to a licence code.
pub fn link(app: AppId, sn: &Sn, user_name: &str) -> Key {
    pair(licence_partition(app, sn), format!("{LINKS}{user_name}"))
}

/// What the sort keys of links begin with.
pub const LINKS: &str = "link#";
/// The first sort key behind all links.
pub const BEHIND_LINKS: &str = "link$";
/// Codes: the QR sign-in with this key. Whoever holds the key can act for the page or the phone, hence the hash.
pub fn qr_sign_in(app: AppId, hash: &KeyedHash, key: SignInKey) -> Key {
    single(format!("{app}#qr#{}", hash.of(&["qr", &app.to_string(), &key.to_string()])))
}

/// Codes: how many codes a day saw on a channel, counted in several places. Days are counted from 1970.
pub fn codes_of_day(channel: Channel, day: i64, place: u64) -> Key {
    single(format!("codes#{}#{day}#{place}", channel.as_str()))
}

/// Codes: what one address did in one window of time, counted from 1970, in one app or over all.
pub fn ip_budget(app: Option<AppId>, hash: &KeyedHash, kind: &str, address: IpAddr, window: i64) -> Key {
    let app = app.map(|app| format!("{app}#")).unwrap_or_default();
    single(format!("{app}ip#{kind}#{}#{window}", hash.of(&["ip", &network(address)])))
}

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 one, which any household has all of.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::{Platform, UnionId};

    fn external(platform: &str, union_id: &str) -> ExternalId {
        ExternalId { platform: Platform::parse(platform).unwrap(), union_id: UnionId::parse(union_id).unwrap() }
    }

    fn number(app: u32) -> AppId {
        AppId::new(app).unwrap()
    }

    #[test]
    fn un_10_un_11_no_platform_reaches_into_the_union_id() {
        let app = number(2);
        assert_ne!(external_id(app, &external("wx#1", "a")), external_id(app, &external("wx", "#1a")));
        assert_ne!(external_id(app, &external("1:a", "b")), external_id(app, &external("1", ":ab")));
        assert_ne!(external_id(app, &external("wx", "A")), external_id(app, &external("wx", "a")));
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let hash = KeyedHash::new(b"an example key of 32 bytes or so.").unwrap();
        let key = |address: &str| ip_budget(None, &hash, "qr", address.parse().unwrap(), 1);
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn keys_of_a_list_sort_as_their_numbers_do() {
        let (app, user) = (number(2), UserId::new(7));
        let sort = |key: Key| key[SK].as_s().unwrap().clone();
        let row = |ordinal| sort(ledger_row(app, user, LedgerKind::All, ordinal));
        assert!(row(9) < row(10) && row(99_999) < row(100_000) && row(100_000) < row((1 << 53) - 1));
    }

    proptest! {
        #[test]
        fn p_10_every_key_of_an_app_begins_with_it(app in 1..u32::MAX, text in "[a-z#:0-9]{1,20}", id in 1..1_u64 << 53) {
            let (app, user_id, prefix) = (number(app), UserId::new(id), format!("{app}#"));
            let hash = KeyedHash::new(b"an example key of 32 bytes or so.").unwrap();
            let keys = [
                user(app, user_id),
                user_name(app, &text),
                external_id(app, &external(&text, &text)),
                unknown_name_budget(app, &hash, &text),
                consent(app, user_id, ConsentPlace::of(app, user_id, &text, &text, 0)),
                points_account(app, user_id),
                ledger_row(app, user_id, LedgerKind::All, id),
                order(app, &OrderId::parse(text.as_str()).unwrap()),
                request(app, &text),
            ];
            for key in keys {
                prop_assert!(key[PK].as_s().unwrap().starts_with(&prefix), "{key:?}");
            }
        }

        #[test]
        fn p_10_external_id_keys_are_injective(
            a in (1..99u32, "[a-z#:0-9]{1,5}", "[a-z#:0-9]{1,5}"),
            b in (1..99u32, "[a-z#:0-9]{1,5}", "[a-z#:0-9]{1,5}"),
        ) {
            let key = |(app, platform, union_id): &(u32, String, String)| external_id(number(*app), &external(platform, union_id));
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }

        #[test]
        fn p_10_keys_of_different_kinds_never_meet(app in 1..99u32, text in "[a-z#:0-9]{1,20}", id in 1..1000u64) {
            let app = number(app);
            let id_text = id.to_string();
            let kinds = [
                user(app, UserId::new(id)),
                user_name(app, &text),
                user_name(app, &["user#", &id_text].concat()),
                external_id(app, &external(&text, &text)),
            ];
            let distinct: std::collections::HashSet<_> = kinds.iter().map(|key| format!("{:?}", key[PK])).collect();
            let same_name = text == ["user#", &id_text].concat();
            prop_assert_eq!(distinct.len(), if same_name { 3 } else { 4 });
        }
    }
}
