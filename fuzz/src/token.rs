//! F-03: tokens. As they come they are none of ours; a header and claims on two lines are signed with our own key, so
//! that what is behind the signature is reached, and whatever is accepted is what the contract wants.

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use serde_json::Value;
use shared::{
    entropy::SystemEntropy,
    jwt::{Issuer, KeyRing, SigningKey, SigningKeySet, Tokens},
};
use tests::world::{START, URL};

/// Stands for the key's id in a corpus: it is drawn anew in every process.
const KID: &str = "KID";

struct Deployment {
    tokens: Tokens,
    kid: String,
    pair: EcdsaKeyPair,
}

static DEPLOYMENT: LazyLock<Deployment> = LazyLock::new(|| {
    let keys = SigningKeySet::generate(&SystemEntropy).expect("keys");
    let SigningKey::ES256 { kid, pkcs8 } = &keys.keys[0] else { panic!("an ES256 key") };
    let pkcs8 = STANDARD.decode(pkcs8).expect("base64");
    let ring = KeyRing::signing(&serde_json::to_string(&keys).expect("JSON")).expect("a ring");
    let issuer = Issuer { url: URL.to_owned(), tenant_id: "1".to_owned(), tenant_name: "id.test".to_owned() };
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).expect("a pair");
    Deployment { tokens: Tokens::new(ring, issuer), kid: kid.clone(), pair }
});

pub(crate) fn run(bytes: &[u8]) {
    let now: Timestamp = START.parse().expect("a time");
    let text = String::from_utf8_lossy(bytes);
    assert!(DEPLOYMENT.tokens.verify(&text, now).is_err(), "a token that we did not sign: {text}");

    let (header, claims) = text.split_once('\n').unwrap_or((&text, ""));
    let header = header.replace(KID, &DEPLOYMENT.kid);
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(claims));
    let signature = DEPLOYMENT.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
    if DEPLOYMENT.tokens.verify(&token, now).is_ok() {
        let header: Value = serde_json::from_str(&header).expect("JSON");
        let expected = serde_json::json!({"alg": "ES256", "typ": "JWT", "kid": DEPLOYMENT.kid});
        assert_eq!(header, expected, "a header of ours and nothing else");
        is_ours(&serde_json::from_str(claims).expect("JSON"), now.as_second());
    }
}

fn is_ours(claims: &Value, now: i64) {
    let number = |name: &str| claims[name].as_i64().unwrap_or_else(|| panic!("{name} is a whole number: {claims}"));
    let text = |name: &str| claims[name].as_str().unwrap_or_else(|| panic!("{name} is a text: {claims}"));
    assert!(number("exp") > now && number("nbf") <= now + 30 && number("iat") <= now + 30, "{claims}");
    assert_eq!((text("iss"), text("aud"), text("sub")), (URL, URL, text("nameid")), "{claims}");
    for id in [text("appid"), text("nameid")] {
        let number: u64 = id.parse().unwrap_or_else(|_| panic!("a number: {claims}"));
        assert!(number.to_string() == id && number > 0 && number < 1 << 53, "{claims}");
    }
    assert!(text("ver").parse::<u64>().is_ok(), "{claims}");
    assert_eq!(claims.get("cid").is_some_and(Value::is_string), claims.get("gid").is_some_and(Value::is_string));
}
