//! The table of the SDK's methods: `docs/sdk.md`.

use std::{collections::BTreeMap, fmt::Write as _};

/// Why the other methods are not called: nothing answers them.
const NOT_OURS: &[(&str, &[&str])] = &[
    ("`/api/TenantBlobs`: files, not identity", &["upload", "fsDelete"]),
    (
        "`/api/AppStorage`: an app's tables, not identity",
        &["tables", "table", "tableDetail", "tablePost", "tableDelete", "tablePut", "tableCreate"],
    ),
    (
        "`/api/AppRank`: rankings, not identity",
        &["ranks", "rankStatistics", "rank", "rankOfUser", "rankSubmit", "rankCreate"],
    ),
    (
        "`/api/AppChatMessages`: messages between users, not identity",
        &[
            "messageTables",
            "messageCategories",
            "messages",
            "messagePost",
            "messagePut",
            "messageDelete",
            "messageCreate",
        ],
    ),
    (
        "`/api/Wechat`: of WeChat's own API, only the picture of a code has an endpoint here",
        &[
            "wechatSubscribeSend",
            "wechatGenerateScheme",
            "wechatUrlLinkGenerate",
            "wechatWXACodeGetUnlimited",
            "wechatJSCode2Session",
            "wechatDecrypt",
            "wechatUserInfo",
            "wechatSubscribeMSG",
            "wechatJSConfig",
        ],
    ),
    ("`/api/DingTalk`: DingTalk's own API has no endpoint here", &["dingtalkSignIn"]),
    ("`/api/AppOrder`: orders, not identity", &["orders", "orderCreate", "order"]),
    (
        "`/api/Alipay`: payments, not identity",
        &[
            "alipayCreateOrderQRCode",
            "alipayCreateOrderPagePay",
            "alipayCreateOrderWapPay",
            "alipayOrderRefund",
            "alipayReturnPageNotify",
            "alipayOrder",
        ],
    ),
];

/// The table of the SDK's methods. Each is either called or has a reason.
pub(super) fn document(methods: &[String], called: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = "# The browser SDK\n\n\
        The browser SDK that pages of the v1 API load (`oauthapp` 1.9.9 on npm, its file `oauthapp.min.js`) works \
        with Tessera unchanged; the page says where the server is:\n\n\
        ```html\n\
        <script id=\"appcore\" src=\"oauthapp.min.js\" data-server=\"https://id.example.com\" data-appid=\"2\"></script>\n\
        ```\n\n\
        The app lists the page's origin among its `corsOrigins`. `tests/tests/sdk` calls the methods in Chromium, \
        from another origin than the server's, and makes this table of them.\n\n\
        **A revoked token.** The SDK handles no HTTP failure. When its cookie holds a token that is no longer good \
        (after a password reset, say), `Profile` answers 401, and the promises of `accesstokenSignIn` and `allReady` \
        are never settled. A page that must not hang looks for that (`$(document).ajaxError`), removes the cookie \
        `_oauthapp_access_token` and loads anew.\n\n\
        **New apps.** An app with the preset `strict` takes no union id from a browser (`app_secret_required`): \
        `signInWithWebIdentity` rejects, and `allReady`, which signs strangers in by their browser's fingerprint, is \
        never settled. Nor does such an app tell a QR code's result without the `pollSecret`, which the SDK does not keep. \
        There a page calls `ready` and signs people in by account, phone or e-mail; or the operator relaxes \
        `unionIdProof` and `qrProof`, knowing what they are for.\n\n\
        The package's other two files are not loaded: `oauthapp.alipay.min.js` repeats the methods for Alipay, \
        `oauthapp.dingtalk.min.js` calls methods that the package no longer has.\n\n"
        .to_owned();
    let mut rows = String::new();
    for method in methods {
        let reason = NOT_OURS.iter().find(|(_, names)| names.contains(&method.as_str())).map(|(reason, _)| reason);
        let row = match (called.get(method), reason) {
            (Some(sent), None) => {
                let sent: Vec<_> = sent.iter().map(|sent| format!("`{}`", with_placeholders(sent))).collect();
                format!("| `{method}` | yes | {} |\n", if sent.is_empty() { "—".to_owned() } else { sent.join(", ") })
            }
            (None, Some(reason)) => format!("| `{method}` | no | {reason} |\n"),
            (Some(_), Some(_)) => panic!("{method} is called, and has a reason not to be"),
            (None, None) => panic!("{method} is neither called nor has it a reason"),
        };
        rows.push_str(&row);
    }
    for name in NOT_OURS.iter().flat_map(|(_, names)| *names) {
        assert!(methods.iter().any(|method| method == name), "the SDK has no {name}");
    }
    write!(text, "Covered: {} of {} methods.\n\n", called.len(), methods.len()).expect("a text takes more text");
    text + "| method | covered | what it sends, or why not |\n|---|---|---|\n" + &rows
}

/// A path without the numbers of this run.
fn with_placeholders(sent: &str) -> String {
    let mut numbers = ["{appId}", "{id}"].into_iter();
    let segments = sent.split('/').map(|segment| {
        let is_number = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
        if is_number { numbers.next().unwrap_or("{…}") } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}
