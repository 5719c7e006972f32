//! Phone numbers and mailboxes in a text, made unrecognisable: `138****8000`, `a***@example.com`.
//!
//! What stays is enough to tell somebody who knows the address that it is theirs. A keyed hash beside it would tell no
//! more: within an app the visible part and the user's number already find the lines that belong together.

use std::borrow::Cow;

/// The longest run of digits that is no phone number.
const MAX_NUMBER: usize = 6;
/// Digits that stay of a phone number: three in front and four behind, fewer of a short one, so that four are missing.
const SHOWN: usize = 7;
const HIDDEN: usize = 4;

/// The text with every contact in it masked. Masking it again changes nothing.
pub fn text(text: &str) -> Cow<'_, str> {
    if may_have_contacts(text) { masked(text).into() } else { text.into() }
}

/// Most texts have neither an `@` nor so many digits.
fn may_have_contacts(text: &str) -> bool {
    let mut digits = 0;
    text.bytes().any(|b| {
        digits = if b.is_ascii_digit() { digits + 1 } else { 0 };
        b == b'@' || digits > MAX_NUMBER
    })
}

fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word;
        (word, rest) = rest.split_at(length(rest, is_local).max(c.len_utf8()));
        if is_local(c) && rest.starts_with('@') {
            masked.extend(Some(c).filter(|c| *c != '*' && c.len_utf8() < word.len()));
            masked.push_str("***");
        } else {
            numbers(word, &mut masked);
        }
    }
    masked
}

fn numbers(word: &str, masked: &mut String) {
    let mut rest = word;
    while !rest.is_empty() {
        let (other, from_digit) = rest.split_at(length(rest, |c| !c.is_ascii_digit()));
        let (digits, behind) = from_digit.split_at(length(from_digit, |c| c.is_ascii_digit()));
        masked.push_str(other);
        if digits.len() > MAX_NUMBER {
            phone(digits, masked);
        } else {
            masked.push_str(digits);
        }
        rest = behind;
    }
}

fn phone(digits: &str, masked: &mut String) {
    // The country code of mainland China stands before numbers that are known without it.
    let (country, national) = digits.split_at(if digits.len() == 13 && digits.starts_with("861") { 2 } else { 0 });
    let shown = SHOWN.min(national.len() - HIDDEN);
    let (head, tail) = (shown / 2, shown - shown / 2);
    masked.push_str(country);
    masked.push_str(&national[..head]);
    masked.push_str("****");
    masked.push_str(&national[national.len() - tail..]);
}

/// The length in bytes of what the text begins with.
fn length(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// What may stand in front of the `@`: more than a mailbox of ours has, so that no part of another one is left over.
fn is_local(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contact::{Email, Phone};

    #[test]
    fn a_contact_keeps_its_ends() {
        for (whole, masked) in [
            ("13800138000", "138****8000"),
            ("+8613800138000", "+86138****8000"),
            ("+14155550123", "+141****0123"),
            ("+1234567", "+1****67"),
            ("alice@example.com", "a***@example.com"),
            ("a@x", "***@x"),
            ("a.b+c@example.com", "a***@example.com"),
            ("13800138000@139.com", "1***@139.com"),
            ("李@example.com", "***@example.com"),
            ("no such user <bob@example.com>, 13800138000!", "no such user <b***@example.com>, 138****8000!"),
            ("to:a@b@13800138000.com", "to:***@***@138****8000.com"),
            ("203.0.113.7 took 123456 µs", "203.0.113.7 took 123456 µs"),
            ("2001:db8::1", "2001:db8::1"),
            ("", ""),
        ] {
            assert_eq!(text(whole), masked);
        }
    }

    proptest! {
        #[test]
        fn masking_twice_is_masking_once(any in any::<String>(), near in "[0-9a*@.+ ]{0,40}") {
            for whole in [any, near] {
                let once = text(&whole);
                prop_assert_eq!(&text(&once), &once);
            }
        }

        #[test]
        fn no_phone_is_whole(before in any::<String>(), phone in "1[0-9]{10}|\\+[1-9][0-9]{6,14}", after in any::<String>()) {
            let phone = Phone::parse(&phone).unwrap();
            for form in [phone.e164(), phone.emitted()] {
                let digits = form.trim_start_matches('+');
                prop_assert!(!text(&format!("{before}{form}{after}")).contains(digits), "{form}");
            }
        }

        #[test]
        fn no_mailbox_is_whole(
            before in any::<String>(),
            local in "[a-zA-Z0-9!#$%&'+/=?^_`{|}~-]{1,20}(\\.[a-z0-9]{1,5})?",
            domain in "[a-z0-9]{1,9}\\.[a-z]{2,5}",
            after in any::<String>(),
        ) {
            let email = Email::parse(&format!("{local}@{domain}")).unwrap();
            let whole = format!("{before}{}{after}", email.as_str());
            let masked = text(&whole);
            prop_assert!(!masked.contains(email.as_str()), "{masked}");
        }

        #[test]
        fn nothing_else_changes(words in "[a-zA-Z]{0,9}( [a-zA-Z:_.-]{0,9}| [0-9]{1,6}){0,9}") {
            prop_assert_eq!(text(&words), words.as_str());
        }
    }
}
