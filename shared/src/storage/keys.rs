//! The schema: every key of every table is formed here and nowhere else.
//!
//! | table | partition key | sort key | holds | read by |
//! |---|---|---|---|---|
//! | Apps | `app#{app}` | `app` | the app and its settings | every request (cached) |
//! | Apps | `key#{appKey}` | `app` | the number of the app with this key | 2.0 requests (cached) |
//! | Apps | `apps` | `next` | the number that the next app gets | the operator's command line |
//! | Users | `{app}#user#{user}` | | the user | every bearer request, every sign-in |
//! | Users | `{app}#name#{canonical name}` | | who holds the user name | sign-in by password |
//! | Users | `{app}#phone#{E.164}` | | who proved the phone | sign-in by phone |
//! | Users | `{app}#email#{lower case}` | | who proved the mailbox | sign-in by e-mail |
//! | Users | `{app}#ext#{n}:{platform}{unionID}` | | who holds the external identity, `n` = bytes of the platform | sign-in by union id |
//! | Bindings | `{app}#{user}` | `{binding}` | an external account of the user | the user's list |
//! | Codes | `{app}#password#{hash}` | | failed passwords for a name that nobody holds | sign-in by password |
//! | Codes | `{app}#signups#{hash}#{hour}` | | users created from one address in one hour | sign-up |
//! | Codes | `{app}#contact#{hash}` | | the codes, sends and wrong tries of one phone or mailbox | everything with codes |
//! | Codes | `sends#{hash}#{hour}` | | codes sent for one client address in one hour, over all apps | sending a code |
//! | Consents | `{app}#{user}` | `{consent}` | what the user allowed | OAuth bearer requests |
//! | Points | `{app}#{user}` | `{ordinal}` | a row of the user's ledger | the user's list |
//! | Licences | `{app}#{n}:{sn}` | `{kind}#…` | the licence code and the users linked to it | the licence calls |
//!
//! Client text stands last in its key, or behind its own length, so that no text can forge the end of a part. Texts
//! that would be secrets or personal data in a throwaway table are replaced by keyed hashes ([`KeyedHash`]).

use std::{collections::HashMap, net::IpAddr};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    app::{AppId, AppKey},
    contact::Address,
    hash_key::KeyedHash,
    text::ExternalId,
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

/// Codes: failed passwords for a user name that nobody holds.
pub fn unknown_name_budget(app: AppId, hash: &KeyedHash, canonical: &str) -> Key {
    single(format!("{app}#password#{}", hash.of(&["password", &app.to_string(), canonical])))
}

/// Codes: everything about one phone or mailbox.
pub fn address(app: AppId, hash: &KeyedHash, address: &Address) -> Key {
    let parts = ["contact", &app.to_string(), address.channel().as_str(), address.canonical()];
    single(format!("{app}#contact#{}", hash.of(&parts)))
}

/// Codes: codes sent for one client address in one hour, counted from 1970.
pub fn codes_from(hash: &KeyedHash, address: IpAddr, hour: i64) -> Key {
    single(format!("sends#{}#{hour}", hash.of(&["ip", &network(address)])))
}

/// Codes: users created from one address in one hour, counted from 1970.
pub fn sign_ups_from(app: AppId, hash: &KeyedHash, address: IpAddr, hour: i64) -> Key {
    single(format!("{app}#signups#{}#{hour}", hash.of(&["ip", &network(address)])))
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
    fn no_platform_reaches_into_the_union_id() {
        let app = number(2);
        assert_ne!(external_id(app, &external("wx#1", "a")), external_id(app, &external("wx", "#1a")));
        assert_ne!(external_id(app, &external("1:a", "b")), external_id(app, &external("1", ":ab")));
        assert_ne!(external_id(app, &external("wx", "A")), external_id(app, &external("wx", "a")));
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let hash = KeyedHash::new(b"an example key of 32 bytes or so.").unwrap();
        let key = |address: &str| sign_ups_from(number(2), &hash, address.parse().unwrap(), 1);
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    proptest! {
        #[test]
        fn external_id_keys_are_injective(
            a in (1..99u32, "[a-z#:0-9]{1,5}", "[a-z#:0-9]{1,5}"),
            b in (1..99u32, "[a-z#:0-9]{1,5}", "[a-z#:0-9]{1,5}"),
        ) {
            let key = |(app, platform, union_id): &(u32, String, String)| external_id(number(*app), &external(platform, union_id));
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }

        #[test]
        fn keys_of_different_kinds_never_meet(app in 1..99u32, text in "[a-z#:0-9]{1,20}", id in 1..1000u64) {
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
