//! Phone numbers and mailboxes that can be proven: canonical, so that one address has one budget and one holder.
//!
//! A phone is 11 digits starting with 1 (then +86) or E.164; nothing else is tidied up. That is a rule of a few lines:
//! the national numbering plans of a whole library would cost start-up time and refuse nothing that a failed delivery
//! does not.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    http::{Field, Json, Refusal},
    text::{EmailText, PhoneText},
};

/// How a code reaches somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Channel {
    /// A text message.
    Sms,
    /// An e-mail.
    Email,
}

impl Channel {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }
}

/// A phone number in E.164 form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl Phone {
    /// Reads 11 digits starting with 1, or E.164; the error completes the sentence "`field` …".
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        const REFUSAL: Refusal = "must be 11 digits starting with 1, or + with the country code";
        let is_digits = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        if is_mainland(text) {
            return Ok(Self(format!("+86{text}")));
        }
        match text.strip_prefix('+') {
            Some(digits) if (7..=15).contains(&digits.len()) && is_digits(digits) && !digits.starts_with('0') => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(REFUSAL),
        }
    }

    /// `+` and digits.
    pub fn e164(&self) -> &str {
        &self.0
    }

    /// What clients get to see: 11 digits for +86, else E.164.
    pub fn emitted(&self) -> &str {
        self.0.strip_prefix("+86").filter(|national| is_mainland(national)).unwrap_or(&self.0)
    }
}

/// Whether this is how a mobile number of mainland China is written there.
fn is_mainland(text: &str) -> bool {
    text.len() == 11 && text.starts_with('1') && text.bytes().all(|b| b.is_ascii_digit())
}

impl Field for Phone {
    fn read(value: Json) -> Result<Self, Refusal> {
        Self::parse(PhoneText::read(value)?.as_str())
    }
}

/// A mailbox: exactly one, in the plain form that every mail system takes.
#[derive(Clone)]
pub struct Email {
    sent: String,
    canonical: String,
}

impl Email {
    /// Reads `local@domain` in ASCII, without quotes, comments and address literals, so that no other recipient and no
    /// header fits in; the error completes the sentence "`field` …".
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        const REFUSAL: Refusal = "must be an e-mail address";
        let (local, domain) = text.split_once('@').ok_or(REFUSAL)?;
        let is_atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
        let is_local = local.len() <= 64 && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom));
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let last = domain.rsplit('.').next().unwrap_or_default();
        let is_domain = domain.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit());
        if is_local && is_domain && text.len() <= EmailText::MAX_CHARS {
            Ok(Self { sent: text.to_owned(), canonical: text.to_ascii_lowercase() })
        } else {
            Err(REFUSAL)
        }
    }

    /// As it was sent.
    pub fn as_str(&self) -> &str {
        &self.sent
    }

    /// What is compared: lower case.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Email {}

impl Field for Email {
    fn read(value: Json) -> Result<Self, Refusal> {
        Self::parse(EmailText::read(value)?.as_str())
    }
}

/// Where a code can be sent.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A phone.
    Phone(Phone),
    /// A mailbox.
    Email(Email),
}

impl Address {
    /// How a code gets there.
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Phone(_) => Channel::Sms,
            Self::Email(_) => Channel::Email,
        }
    }

    /// What is compared.
    pub fn canonical(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.e164(),
            Self::Email(email) => email.canonical(),
        }
    }

    /// What a user's record keeps and clients get to see.
    pub fn emitted(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.emitted(),
            Self::Email(email) => email.as_str(),
        }
    }
}

/// Addresses are personal: logs get to know what they are, not whose.
macro_rules! masked {
    ($($name:ident)+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(***)"))
            }
        }
    )+};
}

masked! { Phone Email Address }

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ot_07_a_phone_has_one_canonical_form() {
        for same in ["13800138000", "+8613800138000"] {
            let phone = Phone::parse(same).unwrap();
            assert_eq!((phone.e164(), phone.emitted()), ("+8613800138000", "13800138000"));
        }
        for other in ["+14155550123", "+861012345678", "+85261234567"] {
            let phone = Phone::parse(other).unwrap();
            assert_eq!((phone.e164(), phone.emitted()), (other, other));
        }
        for bad in [
            "",
            "1380013800",
            "138001380000",
            "23800138000",
            "8613800138000",
            "008613800138000",
            "+0613800138000",
            "+86 138 0013 8000",
            "138-0013-8000",
            "13800138000,13900139000",
            "13800138000;ext=1",
            "13800138000\n",
            " 13800138000",
            "+",
            "++8613800138000",
            "+123456",
            "+1234567890123456",
            "\u{ff11}3800138000",
            "1380013800\u{660}",
        ] {
            assert!(Phone::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ot_08_a_mailbox_is_exactly_one() {
        let email = Email::parse("Alice.O'Neil+x@Example.COM").unwrap();
        assert_eq!((email.as_str(), email.canonical()), ("Alice.O'Neil+x@Example.COM", "alice.o'neil+x@example.com"));
        for good in ["a@x", "a@localhost", "a@xn--bcher-kva.example", "a_b@1.example"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}@{}.example", "a".repeat(64), "b.".repeat(95) + "b");
        for bad in [
            "",
            "a",
            "@x",
            "a@",
            "a@b@c",
            "\"a b\"@x",
            "a@x\r\nBcc:b@y",
            "a@x,b@y",
            "a@x b@y",
            "<a@x>",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "\u{e4}@x",
            "a@\u{e4}.example",
            "a@x.",
            "a@.x",
            "a@x..y",
            ".a@x",
            "a.@x",
            "a..b@x",
            "a@-x",
            "a@x-",
            "a(b)@x",
            &long,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_do_not_print() {
        let address = Address::Phone(Phone::parse("13800138000").unwrap());
        assert_eq!(format!("{address:?}"), "Address(***)");
    }

    proptest! {
        #[test]
        fn p_12_canonical_forms_are_stable(text in "[+0-9a-zA-Z.@-]{1,20}|\\+?[0-9]{7,15}|[a-zA-Z.]{1,9}@[a-zA-Z.-]{1,9}") {
            if let Ok(phone) = Phone::parse(&text) {
                prop_assert_eq!(&Phone::parse(phone.e164()).unwrap(), &phone);
                prop_assert_eq!(&Phone::parse(phone.emitted()).unwrap(), &phone);
            }
            if let Ok(email) = Email::parse(&text) {
                let again = Email::parse(email.canonical()).unwrap();
                prop_assert_eq!(again.canonical(), email.canonical());
            }
        }
    }
}
