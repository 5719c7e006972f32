//! F-05, F-06, F-07, F-09, F-11: the texts that people type. What is accepted is canonical, and nothing else hides in
//! it.

use shared::{
    contact::{Email, Phone},
    http::{Field, Json},
    text::{NickName, Platform, PlatformName, Remark, Scopes, UnionId, UserName},
    two_factor::Code,
};

/// The lines of a text; bytes that are none have none.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(bytes).unwrap_or_default().split('\n')
}

pub(crate) fn email(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(email) = Email::parse(text) else { return };
    let canonical = Email::parse(email.canonical()).expect("a canonical form is accepted");
    assert_eq!(canonical.canonical(), email.canonical());
    assert_eq!(email.as_str(), text, "kept as sent");
    assert_eq!(email.canonical(), text.to_lowercase());
    // One recipient, whatever a mail system makes of separators, groups, comments and line ends.
    assert_eq!(text.matches('@').count(), 1);
    assert!(text.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),:;<>[\\]".contains(&b)), "{text:?}");
    assert!(text.len() <= 254 && !text.contains("..") && !text.starts_with(['.', '@']) && !text.ends_with(['.', '@']));
}

pub(crate) fn phone(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(phone) = Phone::parse(text) else { return };
    for form in [phone.e164(), phone.emitted()] {
        assert_eq!(Phone::parse(form).expect("each form is accepted"), phone);
    }
    let digits = phone.e164().strip_prefix('+').expect("E.164");
    assert!((7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0'));
    assert!(text == phone.e164() || text == phone.emitted(), "nothing is tidied up: {text:?}");
}

pub(crate) fn names(bytes: &[u8]) {
    for line in lines(bytes) {
        let json = || Json::Text(line.to_owned());
        if let Ok(name) = UserName::parse(line) {
            is_plain(line, 64, true);
            // A canonical form may be longer than a name may be; what counts is that it is its own.
            let canonical = name.canonical();
            assert!(!canonical.is_empty() && !canonical.chars().any(char::is_control));
            if let Ok(again) = UserName::parse(canonical.as_str()) {
                assert_eq!(again.canonical(), canonical);
            }
        }
        if Platform::parse(line).is_ok() {
            is_plain(line, 50, true);
        }
        if UnionId::parse(line).is_ok() {
            is_plain(line, 100, true);
        }
        if NickName::parse(line).is_ok() || PlatformName::parse(line).is_ok() {
            is_plain(line, 50, false);
        }
        if let Ok(scopes) = Scopes::read(json()) {
            is_plain(line, 200, false);
            assert_eq!(scopes.as_str(), line, "echoed as sent");
        }
        if let Ok(remark) = Remark::read(json()) {
            is_plain(remark.as_str(), 512, false);
            assert!(line.starts_with(remark.as_str()), "cut, not changed");
        }
    }
}

fn is_plain(text: &str, most: usize, is_identifier: bool) {
    assert!(text.chars().count() <= most && !text.chars().any(char::is_control), "{text:?}");
    let hidden = ['\u{200b}', '\u{200d}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{ad}', '\u{a0}', '\u{e0041}'];
    assert!(!is_identifier || !text.contains(hidden), "{text:?}");
}

pub(crate) fn second_factor(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Code::parse(text) {
        None => {}
        Some(Code::Totp(_)) => assert!(text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit()), "{text:?}"),
        Some(Code::Recovery(code)) => {
            let shown = code.shown();
            assert_eq!(Code::parse(&shown), Some(Code::Recovery(code)), "as it was shown");
            assert_eq!(shown.replace('-', ""), text.replace('-', "").to_ascii_lowercase());
        }
    }
}
