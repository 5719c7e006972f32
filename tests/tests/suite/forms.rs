//! What every endpoint reads, field by field: requests that are good in all their fields, and values that are not.

use serde_json::{Value, json};
use shared::http::{Method, Route};

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// So many code points, nothing invisible.
    Identifier(usize),
    /// So many code points, no control characters.
    Display(usize),
    /// As `Display`, of any length: what is too much is cut.
    Cut,
    /// Any text without NUL, so many bytes.
    Bytes(usize),
    /// Any text of no more than so many bytes without control characters.
    Uri(usize),
    /// A text of a stricter form: neither long nor with anything unusual in it.
    Strict,
    /// Any text.
    Opaque,
    /// A whole number from this to that.
    Integer(u64, u64),
    /// True or false.
    Flag,
}

/// A field with a value that is good.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) good: Value,
    pub(crate) is_required: bool,
}

/// Where fields stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In an object.
    Body,
    /// In the objects of an array.
    Batch,
    /// In the query.
    Query,
}

/// One way to ask an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) place: Place,
    pub(crate) fields: Vec<Field>,
}

impl Form {
    /// The body with these values instead of the good ones; in a query, nothing.
    pub(crate) fn body(&self, change: &[(&str, Value)]) -> Value {
        let of = |field: &Field| {
            let changed = change.iter().find(|(name, _)| *name == field.name);
            changed.map_or_else(|| field.good.clone(), |(_, value)| value.clone())
        };
        let object: Value = self.fields.iter().map(|field| (field.name.to_owned(), of(field))).collect();
        match self.place {
            Place::Body => object,
            Place::Batch => json!([object]),
            Place::Query => Value::Null,
        }
    }

    /// The query with these values instead of the good ones, percent-encoded.
    pub(crate) fn query(&self, change: &[(&str, &str)]) -> String {
        let pairs = self.fields.iter().map(|field| {
            let changed = change.iter().find(|(name, _)| *name == field.name).map(|(_, value)| (*value).to_owned());
            let text = field.good.as_str().map_or_else(|| field.good.to_string(), str::to_owned);
            let value = changed.unwrap_or(text);
            let encoded = value.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
            format!("{}={encoded}", field.name)
        });
        pairs.collect::<Vec<_>>().join("&")
    }
}

fn optional(name: &'static str, kind: Kind, good: impl Into<Value>) -> Field {
    Field { name, kind, good: good.into(), is_required: false }
}

fn required(name: &'static str, kind: Kind, good: impl Into<Value>) -> Field {
    Field { name, kind, good: good.into(), is_required: true }
}

const PASSWORD: Kind = Kind::Display(128);
const GOOD_PASSWORD: &str = "correct horse battery";

/// What every sign-up takes. With a code an address has its strict form.
fn group(fields: Vec<Field>) -> Vec<Field> {
    let group = vec![
        optional("nickName", Kind::Display(50), "Al"),
        optional("avatar", Kind::Display(999), "https://example.com/a.png"),
        optional("data", Kind::Bytes(32 * 1024), "{}"),
        optional("phone", Kind::Strict, "13900139000"),
        optional("phoneCode", Kind::Strict, "123456"),
        optional("email", Kind::Strict, "group@example.com"),
        optional("emailCode", Kind::Strict, "123456"),
    ];
    let own: Vec<_> = fields.iter().map(|field| field.name).collect();
    fields.into_iter().chain(group.into_iter().filter(|field| !own.contains(&field.name))).collect()
}

fn external_id() -> Vec<Field> {
    vec![required("platform", Kind::Identifier(50), "wx"), required("unionID", Kind::Identifier(100), "o-1")]
}

/// Every way to ask the endpoint. An endpoint that reads nothing has none.
///
/// # Panics
///
/// Panics on an endpoint that is not listed here.
#[expect(clippy::too_many_lines, reason = "one table")]
pub(crate) fn forms(route: &Route) -> Vec<Form> {
    let body = |fields: Vec<Field>| Form { place: Place::Body, fields };
    let query = |fields: Vec<Field>| Form { place: Place::Query, fields };
    let second_factor = || optional("twoFactorCode", Kind::Opaque, "123456");
    let user_name = |is_required| Field { is_required, ..required("userName", Kind::Identifier(64), "forms") };
    let page = || {
        query(vec![
            optional("offset", Kind::Integer(0, u64::MAX), "0"),
            optional("limit", Kind::Integer(1, u64::MAX), "10"),
        ])
    };
    let path = route.path.strip_prefix("/api/AppUsers/{appId}/").unwrap_or(route.path);
    let sign_in_key = || required("signInKey", Kind::Integer(1, (1 << 53) - 1), 1_234_567_890_123_u64);
    match (route.method, path) {
        (Method::Post, "SignUp") => {
            vec![body(group(vec![user_name(true), required("pwd", PASSWORD, GOOD_PASSWORD)]))]
        }
        (Method::Post, "SignIn") => {
            vec![body(vec![user_name(true), required("pwd", PASSWORD, GOOD_PASSWORD), second_factor()])]
        }
        (Method::Post, "UnionIDSignUp") => {
            let own = vec![user_name(false), optional("pwd", PASSWORD, GOOD_PASSWORD)];
            vec![body(group(external_id().into_iter().chain(own).collect()))]
        }
        (Method::Post, "UnionIDSignIn") => vec![body([external_id(), vec![second_factor()]].concat())],
        (Method::Post, "PhoneSignUp") => vec![body(group(vec![
            required("phone", Kind::Strict, "13800138000"),
            required("phoneCode", Kind::Strict, "123456"),
            user_name(false),
            optional("pwd", PASSWORD, GOOD_PASSWORD),
        ]))],
        (Method::Post, "EmailSignUp") => vec![body(group(vec![
            required("email", Kind::Strict, "forms@example.com"),
            required("emailCode", Kind::Strict, "123456"),
            user_name(false),
            optional("pwd", PASSWORD, GOOD_PASSWORD),
        ]))],
        (Method::Post, "PhoneSignIn") => vec![body(vec![
            required("phone", Kind::Strict, "13800138000"),
            required("verifyCode", Kind::Strict, "123456"),
            second_factor(),
        ])],
        (Method::Post, "EmailSignIn") => vec![body(vec![
            required("email", Kind::Strict, "forms@example.com"),
            required("verifyCode", Kind::Strict, "123456"),
            second_factor(),
        ])],
        (Method::Post, "ResetPwd") => {
            let rest = || vec![required("code", Kind::Strict, "123456"), required("pwd", PASSWORD, GOOD_PASSWORD)];
            vec![
                body([vec![required("phone", Kind::Strict, "13800138000")], rest()].concat()),
                body([vec![required("email", Kind::Strict, "forms@example.com")], rest()].concat()),
            ]
        }
        (Method::Post, "SendSMSCode") => {
            vec![body(vec![required("phone", Kind::Strict, "13800138000"), required("type", Kind::Strict, "signup")])]
        }
        (Method::Post, "SendEmailCode") => vec![body(vec![
            required("email", Kind::Strict, "forms@example.com"),
            required("type", Kind::Strict, "signup"),
        ])],
        (Method::Post, "QRCodePreSignIn") => vec![body(vec![
            optional("scopes", Kind::Display(200), "openid"),
            optional("remark", Kind::Cut, "a browser"),
            optional("scheme", Kind::Strict, "app"),
        ])],
        (Method::Post, "QRCodeScan") => vec![body(vec![sign_in_key()])],
        (Method::Post, "QRCodeSignIn") => {
            vec![body(vec![sign_in_key(), optional("pollSecret", Kind::Opaque, "a poll secret")])]
        }
        (Method::Post, "QRCodeSignUp") => vec![body(group(vec![
            sign_in_key(),
            optional("platform", Kind::Identifier(50), "wx"),
            required("unionID", Kind::Identifier(100), "o-1"),
            user_name(false),
            optional("pwd", PASSWORD, GOOD_PASSWORD),
            optional("scanNonce", Kind::Opaque, "a scan nonce"),
            second_factor(),
        ]))],
        (Method::Put, "Profile") => vec![body(vec![
            optional("avatar", Kind::Display(999), "https://example.com/a.png"),
            optional("nickName", Kind::Display(50), "Al"),
            optional("data", Kind::Bytes(32 * 1024), "{}"),
        ])],
        (Method::Get, "PointLog") => vec![query(vec![
            optional("type", Kind::Integer(0, 2), "0"),
            optional("skip", Kind::Integer(0, (1 << 53) - 1), "0"),
            optional("take", Kind::Integer(0, (1 << 53) - 1), "10"),
        ])],
        (method @ (Method::Post | Method::Get), "RechargePoints") => {
            let fields = vec![
                required("price", Kind::Integer(0, 1_000_000_000), 200),
                optional("remark", Kind::Cut, "two"),
                optional("orderId", Kind::Identifier(64), "forms-1"),
            ];
            vec![if method == Method::Post { body(fields) } else { query(fields) }]
        }
        (Method::Post, "/api/OAuth/{appId}/GrantCode") => {
            let rest = || {
                vec![
                    required("scopes", Kind::Display(200), "openid"),
                    optional("redirect_uri", Kind::Uri(2_048), "https://example.com/back"),
                    optional("expireInDays", Kind::Integer(1, 99), 7),
                    optional("code_challenge", Kind::Strict, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
                    optional("code_challenge_method", Kind::Strict, "S256"),
                    second_factor(),
                ]
            };
            let grant_type = |word: &str| required("grant_type", Kind::Strict, word);
            let password = || required("password", PASSWORD, GOOD_PASSWORD);
            let by = |word: &str, name: Field| body([vec![grant_type(word), name, password()], rest()].concat());
            vec![
                by("account", user_name(true)),
                by("email", required("userName", Kind::Strict, "forms@example.com")),
                by("phone", required("userName", Kind::Strict, "13800138000")),
                body([vec![grant_type("unionid")], external_id(), rest()].concat()),
                query(vec![optional("scheme", Kind::Strict, "app")]),
            ]
        }
        (Method::Post, "/api/OAuth/{appId}/Authorize") => vec![
            body(vec![
                optional("code", Kind::Opaque, "00000000000000000000000000000000"),
                optional("code_verifier", Kind::Opaque, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                optional("redirect_uri", Kind::Uri(2_048), "https://example.com/back"),
            ]),
            query(vec![
                optional("scheme", Kind::Strict, "app"),
                optional("code", Kind::Opaque, "00000000000000000000000000000000"),
            ]),
        ],
        (Method::Post, "/ExternalAccount/{appKey}") => vec![body(vec![
            required("platform", Kind::Identifier(50), "wx"),
            required("unionID", Kind::Identifier(100), "o-2"),
            required("platformName", Kind::Display(50), "WeChat"),
            optional("avatar", Kind::Display(999), "https://example.com/a.png"),
            optional("data", Kind::Bytes(32 * 1024), "{}"),
        ])],
        (Method::Put, "/ExternalAccount/{appKey}/{id}") => vec![body(vec![
            optional("avatar", Kind::Display(999), "https://example.com/a.png"),
            optional("data", Kind::Bytes(32 * 1024), "{}"),
            optional("enable", Kind::Flag, true),
        ])],
        (Method::Post, "/ExternalAccount/{appKey}/SignIn") => vec![body(vec![
            required("platform", Kind::Strict, "wx"),
            required("unionID", Kind::Strict, "o-2"),
            optional("twoFactorCode", Kind::Strict, "123456"),
        ])],
        (Method::Put, "/User/{appKey}/TwoFactorAuth") => {
            vec![body(vec![required("enable", Kind::Flag, true), required("twoFactorCode", Kind::Strict, "123456")])]
        }
        (Method::Post, "/api/Wechat/{appId}/WXACodeGet") => vec![body(vec![
            required("path", Kind::Strict, "pages/login/index?appId=2"),
            optional("width", Kind::Integer(64, 1_280), 430),
        ])],
        (Method::Post | Method::Delete, "/sns/{sn}/users") => {
            vec![Form { place: Place::Batch, fields: vec![required("name", Kind::Identifier(64), "prober")] }]
        }
        (Method::Post, "/sns/{sn}/users/data") => vec![
            body(vec![
                optional("querys", Kind::Strict, json!([{"name": "name", "op": "like", "values": ["p%"]}])),
                optional("sorts", Kind::Strict, json!([{"name": "name", "order": "DESC"}])),
            ]),
            page(),
        ],
        (Method::Get, "/sns/{sn}/users") => vec![page()],
        (
            Method::Get,
            "Profile"
            | "/api/OAuth/{appId}/Consents"
            | "/ExternalAccount/{appKey}"
            | "/User/{appKey}/TwoFactorAuth"
            | "/api/Apps/{appId}/Info"
            | "/.well-known/jwks.json",
        )
        | (
            Method::Delete,
            "/api/OAuth/{appId}/Consents/{id}" | "/ExternalAccount/{appKey}/{id}" | "/sns/{sn}/users/{name}",
        )
        | (Method::Post, "/sns/{sn}/users/user/{name}") => Vec::new(),
        (method, path) => panic!("what {} {path} reads is not listed", method.as_str()),
    }
}
