//! Tokens that are not ours, or not any more: one answer for all of them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared::{
    http::Access,
    jwt::{KeyRing, SigningKey, SigningKeySet},
};
use tests::{Tally, World, claims, world::routes};

use crate::probe::fill;

const PROFILE: &str = "/api/AppUsers/2/Profile";

/// A genuine token, its parts and the key that signed it.
struct Genuine {
    world: World,
    token: String,
    header: Value,
    claims: Value,
    kid: String,
    der: Vec<u8>,
}

impl Genuine {
    async fn new() -> Self {
        let world = World::new().await;
        let token = world.client().sign_up(2, "alice", "correct horse battery").await;
        let part = |n: usize| serde_json::from_slice(&B64.decode(token.split('.').nth(n).unwrap()).unwrap()).unwrap();
        let SigningKey::ES256 { kid, pkcs8 } = &world.keys.keys[0] else { panic!("an ES256 key") };
        let der = base64::engine::general_purpose::STANDARD.decode(pkcs8).unwrap();
        Self { kid: kid.clone(), der, header: part(0), claims: part(1), token: token.clone(), world }
    }

    /// Signs other claims with the genuine key.
    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        encode(&header, claims, &EncodingKey::from_ec_der(&self.der)).unwrap()
    }

    fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        self.sign(&claims)
    }

    fn without(&self, name: &str) -> String {
        let mut claims = self.claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        self.sign(&claims)
    }

    async fn is_taken(&self, token: &str) -> bool {
        let answer = self.world.client().with("authorization", &format!("Bearer {token}")).get(PROFILE).await;
        if answer.status == 200 {
            return true;
        }
        answer.refused(401, 401, "invalid_token");
        false
    }

    /// Each token at one endpoint, all endpoints in turn; few tokens at each. Says how many that were.
    async fn none_is_taken(&self, tokens: impl IntoIterator<Item = String>) -> usize {
        assert!(self.is_taken(&self.token).await, "the genuine token must be");
        let routes: Vec<_> = routes().record().filter(|route| route.access == Access::Bearer).copied().collect();
        let tokens: Vec<_> = tokens.into_iter().collect();
        let share = if tokens.len() > 100 { routes.len() } else { 1 };
        let before = self.world.snapshot().await;
        let mut tried = 0;
        for (number, token) in tokens.iter().enumerate() {
            for (place, route) in routes.iter().enumerate().filter(|(place, _)| (place + number) % share == 0) {
                let path = fill(route.path, "2", self.world.documented.record.app_key.as_str());
                let client = self.world.client().with("authorization", &format!("Bearer {token}"));
                let answer = client.send(route.method.as_str().parse().unwrap(), &path, None, Vec::new()).await;
                assert_eq!(answer.reason(), "invalid_token", "{place} {path}: {token:.120}");
                tried += 1;
            }
        }
        assert_eq!(self.world.snapshot().await, before);
        tried
    }
}

fn b64(value: &Value) -> String {
    B64.encode(value.to_string())
}

#[tokio::test]
async fn a_header_has_three_members_and_no_other() {
    let genuine = Genuine::new().await;
    assert_eq!(genuine.header, json!({"typ": "JWT", "alg": "ES256", "kid": genuine.kid}));
}

#[tokio::test]
async fn jw_01_no_algorithm_is_no_signature() {
    let genuine = Genuine::new().await;
    let signature = genuine.token.rsplit('.').next().unwrap();
    let payload = b64(&genuine.claims);
    let tokens = ["none", "None", "nOnE", "", "ES384", "RS256", "HS256"].into_iter().flat_map(|algorithm| {
        let header = b64(&json!({"typ": "JWT", "alg": algorithm, "kid": genuine.kid}));
        [format!("{header}.{payload}."), format!("{header}.{payload}"), format!("{header}.{payload}.{signature}")]
    });
    Tally::of("JW-01").add(genuine.none_is_taken(tokens).await);
}

#[tokio::test]
async fn jw_02_the_public_key_is_no_shared_secret() {
    let genuine = Genuine::new().await;
    let jwks = genuine.world.client().get("/.well-known/jwks.json").await;
    let key = &jwks.body["keys"][0];
    let [x, y] = ["x", "y"].map(|name| B64.decode(key[name].as_str().unwrap()).unwrap());
    let point = [&[4][..], &x, &y].concat();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(genuine.kid.clone());
    let secrets = [
        jwks.text.into_bytes(),
        key.to_string().into_bytes(),
        x.clone(),
        [x, y].concat(),
        point,
        genuine.kid.clone().into_bytes(),
    ];
    let tokens =
        secrets.iter().map(|secret| encode(&header, &genuine.claims, &EncodingKey::from_secret(secret)).unwrap());
    Tally::of("JW-02").add(genuine.none_is_taken(tokens).await);
}

#[tokio::test]
async fn jw_04_jw_05_no_token_brings_or_names_a_key_of_its_own() {
    let genuine = Genuine::new().await;
    let signature = genuine.token.rsplit('.').next().unwrap();
    let payload = b64(&genuine.claims);
    let mut headers = Vec::new();
    for kid in [
        json!(null),
        json!("unknown"),
        json!("../../dev/null"),
        json!("' OR 1"),
        json!("x".repeat(10_000)),
        json!([genuine.kid]),
    ] {
        headers.push(json!({"typ": "JWT", "alg": "ES256", "kid": kid}));
    }
    headers.push(json!({"typ": "JWT", "alg": "ES256"}));
    for (name, value) in [
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example")),
        ("jwk", json!({})),
        ("x5c", json!([])),
        ("crit", json!(["exp"])),
    ] {
        let mut header = genuine.header.clone();
        header[name] = value;
        headers.push(header);
    }
    // The same unlisted member under a genuine signature is refused, too: nothing depends on who wrote it.
    let mut signed = Header::new(Algorithm::ES256);
    signed.kid = Some(genuine.kid.clone());
    signed.jku = Some("https://evil.example/jwks".to_owned());
    let signed = encode(&signed, &genuine.claims, &EncodingKey::from_ec_der(&genuine.der)).unwrap();
    let tokens = headers.iter().map(|header| format!("{}.{payload}.{signature}", b64(header))).chain([signed]);
    Tally::of("JW-04").add(genuine.none_is_taken(tokens).await);
}

#[tokio::test]
async fn jw_08_jw_10_jw_11_claims_are_required_and_typed() {
    let genuine = Genuine::new().await;
    let mut tokens: Vec<_> =
        ["exp", "iss", "aud", "appid", "nameid", "sub", "ver"].map(|name| genuine.without(name)).into();
    let now = genuine.claims["iat"].as_i64().unwrap();
    for (name, value) in [
        ("exp", json!("9999999999")),
        ("exp", json!(9_999_999_999.5)),
        ("exp", json!(-1)),
        ("exp", json!(now)),
        ("nbf", json!("0")),
        ("nbf", json!(now + 3_600)),
        ("iat", json!(now + 3_600)),
        ("iss", json!("https://id.test")),
        ("iss", json!("https://id.test/x")),
        ("iss", json!(["https://id.test/"])),
        ("aud", json!("https://id.test")),
        ("aud", json!(["https://id.test/"])),
        ("appid", json!(2)),
        ("appid", json!("3")),
        ("appid", json!("02")),
        ("nameid", json!(1)),
        ("nameid", json!("")),
        ("nameid", json!("1")),
        ("sub", json!("1")),
        ("ver", json!("1")),
        ("ver", json!(0)),
    ] {
        tokens.push(genuine.with(name, value));
    }
    assert!(genuine.is_taken(&genuine.sign(&genuine.claims)).await, "the same claims signed again are");
    Tally::of("JW-08").add(genuine.none_is_taken(tokens).await);
}

#[tokio::test]
async fn pf_01_a_token_ends_with_its_lifetime() {
    let genuine = Genuine::new().await;
    genuine.world.wait(86_399);
    assert!(genuine.is_taken(&genuine.token).await);
    genuine.world.wait(1);
    assert!(!genuine.is_taken(&genuine.token).await);
}

#[tokio::test]
async fn jw_13_jw_14_any_changed_byte_breaks_a_token() {
    let genuine = Genuine::new().await;
    let token = genuine.token.as_bytes();
    let flipped = (0..token.len()).map(|at| {
        let mut token = token.to_vec();
        token[at] = if token[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(token).unwrap()
    });
    let (signed, signature) = genuine.token.rsplit_once('.').unwrap();
    let raw = B64.decode(signature).unwrap();
    let zero = B64.encode([0; 64]);
    let others = [
        signed.to_owned(),
        format!("{signed}."),
        format!("{signed}.{}", B64.encode(&raw[..63])),
        format!("{signed}.{}", B64.encode([&raw[..], &[0]].concat())),
        format!("{signed}.{zero}"),
        format!("{signed}.{signature}="),
        format!("{signed}.{signature}.x"),
        ".".repeat(7_000),
    ];
    Tally::of("JW-13").add(genuine.none_is_taken(flipped.chain(others)).await);
}

#[tokio::test]
async fn jw_07_a_token_is_of_the_one_type_there_is() {
    let genuine = Genuine::new().await;
    let mut tokens = Vec::new();
    for typ in [None, Some("at+jwt"), Some("ext-id+jwt"), Some("jwt"), Some("JWE"), Some("")] {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(genuine.kid.clone());
        header.typ = typ.map(str::to_owned);
        tokens.push(encode(&header, &genuine.claims, &EncodingKey::from_ec_der(&genuine.der)).unwrap());
    }
    // What the same key would have signed for something else.
    for claims in [json!({}), json!({"signInKey": 1}), json!({"sub": genuine.claims["sub"], "iss": tests::world::URL})]
    {
        tokens.push(genuine.sign(&claims));
    }
    Tally::of("JW-07").add(genuine.none_is_taken(tokens).await);
}

#[tokio::test]
async fn jw_16_what_is_no_signed_token_is_not_looked_into() {
    let genuine = Genuine::new().await;
    let [header, payload, signature] = genuine.token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let nested = b64(&json!({"typ": "JWT", "alg": "ES256", "kid": genuine.kid, "cty": "JWT"}));
    let deep = B64.encode(format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000)));
    let tokens = [
        format!("{header}.{payload}.{payload}.{payload}.{signature}"),
        format!("{}.{}.{signature}.{payload}.{header}", b64(&json!({"alg": "dir", "enc": "A256GCM"})), ""),
        format!("{nested}.{}.{signature}", B64.encode(&genuine.token)),
        json!({"payload": payload, "protected": header, "signature": signature}).to_string().replace(' ', ""),
        json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}).to_string(),
        "a".repeat(1 << 20),
        format!("{header}.{}.{signature}", "A".repeat(1 << 20)),
        ".".repeat(100_000),
        format!("{header}.{deep}.{signature}"),
        format!("{deep}.{payload}.{signature}"),
    ];
    Tally::of("JW-16").add(genuine.none_is_taken(tokens).await);
}

#[tokio::test]
async fn jw_20_no_secret_that_resource_servers_once_shared_signs_a_token() {
    let genuine = Genuine::new().await;
    let mut tokens = Vec::new();
    for secret in ["secret", "appsecret", genuine.world.documented.secret.expose()] {
        for kid in [None, Some(genuine.kid.clone()), Some("hs256".to_owned())] {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = kid;
            tokens.push(encode(&header, &genuine.claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap());
        }
    }
    Tally::of("JW-20").add(genuine.none_is_taken(tokens).await);
}

#[tokio::test]
async fn jw_22_the_scheme_is_written_in_any_letter_case() {
    let genuine = Genuine::new().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let client = genuine.world.client().with("authorization", &format!("{scheme} {}", genuine.token));
        client.get(PROFILE).await.data();
    }
}

#[tokio::test]
async fn jw_23_a_token_says_what_the_contract_lists_and_nothing_else() {
    const LISTED: [&str; 24] = [
        "jti",
        "appid",
        "nameid",
        "unique_name",
        "given_name",
        "role",
        "picture",
        "platform",
        "unionid",
        "email",
        "mobile",
        "grant_type",
        "groupsid",
        "permission",
        "tenant_id",
        "tenant_name",
        "scope",
        "sub",
        "iss",
        "aud",
        "nbf",
        "iat",
        "exp",
        "ver",
    ];
    let world = World::new().await;
    let body = json!({
        "userName": "alice", "pwd": "correct horse battery", "phone": "13800138000", "email": "a@example.com", "data": "private",
    });
    let token = world.client().post("/api/AppUsers/2/SignUp", body).await.token();
    let says = claims(&token);
    let names = |claims: &Value| claims.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    let listed: std::collections::BTreeSet<_> = LISTED.map(str::to_owned).into();
    assert_eq!(names(&says), listed);
    for (name, value) in says.as_object().unwrap() {
        let is_number = ["nbf", "iat", "exp"].contains(&name.as_str());
        assert!(if is_number { value.is_i64() } else { value.is_string() }, "{name}: {value}");
    }
    assert_eq!((&says["email"], &says["mobile"]), (&json!(""), &json!("")), "nobody proved them");
    assert!(!says.to_string().contains("private") && !says.to_string().contains("battery"));

    let grant =
        json!({"grant_type": "account", "userName": "alice", "pwd": "correct horse battery", "scopes": "openid a"});
    let code = world.client().post("/api/OAuth/2/GrantCode", grant).await.data()["code"].clone();
    let token = world.client().post("/api/OAuth/2/Authorize", json!({"code": code})).await.token();
    let says = claims(&token);
    assert_eq!(names(&says), listed.into_iter().chain(["cid", "gid"].map(str::to_owned)).collect());
    assert_eq!(says["scope"], "openid a");
}

#[tokio::test]
async fn jw_17_ti_07_another_deployments_token_is_not_ours() {
    let genuine = Genuine::new().await;
    let other = SigningKeySet::generate(&shared::entropy::SystemEntropy).unwrap();
    let SigningKey::ES256 { pkcs8, .. } = &other.keys[0] else { panic!("an ES256 key") };
    let der = base64::engine::general_purpose::STANDARD.decode(pkcs8).unwrap();
    let tokens = [Some(genuine.kid.clone()), Some(other.active), None].into_iter().flat_map(|kid| {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = kid;
        ["2", "3"].map(|app| {
            let mut claims = genuine.claims.clone();
            claims["appid"] = json!(app);
            encode(&header, &claims, &EncodingKey::from_ec_der(&der)).unwrap()
        })
    });
    Tally::of("JW-17").add(genuine.none_is_taken(tokens).await);
}

#[tokio::test]
async fn a_token_fits_a_cookie_whatever_its_user_is_called() {
    let world = World::new().await;
    let permissions = (0..200).map(|n| format!("permission-number-{n}")).collect();
    world.change_app(&world.documented, |app| drop(app.roles.insert("user".to_owned(), permissions))).await;
    let body = json!({
        "userName": "\u{1f600}".repeat(64), "platform": "\u{1f600}".repeat(50), "unionID": "\u{1f600}".repeat(100),
        "nickName": "\u{1f600}".repeat(50), "avatar": "x".repeat(999),
    });
    let token = world.client().post("/api/AppUsers/2/UnionIDSignUp", body).await.token();
    assert!(token.len() <= 3_800, "{}", token.len());
    let claims: Value = serde_json::from_slice(&B64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!((&claims["permission"], &claims["picture"]), (&json!(""), &json!("")));
    world.client().bearer(&token).get(PROFILE).await.data();
}

#[test]
fn a_shared_secret_can_sign_and_is_not_published() {
    let secret = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    let set =
        |secret: &str| json!({"active": "h1", "keys": [{"alg": "HS256", "kid": "h1", "secret": secret}]}).to_string();
    let ring = KeyRing::signing(&set(&secret)).unwrap();
    assert_eq!(ring.public_keys(), json!({"keys": []}));
    assert!(KeyRing::verifying(&ring.verification_keys()).is_ok());
    assert!(KeyRing::signing(&set("c2hvcnQ=")).is_err(), "a short secret is none");
}
