//! F-08: where an authorization code may go, against the rule in its plainest form and another parser of URLs.
//!
//! The first line says `open` where the app takes any address, the last one is the address that was sent, and those in
//! between are registered.

use shared::{
    app::{AppId, AppKey, AppRecord},
    http::{Field, Json},
    redirect::RedirectUri,
    secret::AppSecret,
    settings::Preset,
};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines: Vec<_> = text.split('\n').map(str::to_owned).collect();
    let (Some(sent), false) = (lines.pop(), lines.is_empty()) else { return };
    let is_open = lines.remove(0) == "open";
    let Ok(uri) = RedirectUri::read(Json::Text(sent.clone())) else { return };
    let secret = AppSecret::from_bytes([7; 32]);
    let key = AppKey::parse("0a1b2c3d-0000-4000-8000-0123456789ab").expect("a key");
    let id = AppId::new(2).expect("a number");
    let mut app = AppRecord::new(id, key, &secret, "Demo".to_owned(), Preset::Strict);
    app.settings.open_redirect = is_open;
    app.redirect_uris = lines;
    let is_allowed = uri.is_allowed(&app);
    if !app.redirect_uris.is_empty() || !is_open {
        let is_registered = app.redirect_uris.iter().any(|it| it.as_bytes() == sent.as_bytes());
        assert_eq!(is_allowed, is_registered, "byte for byte: {sent:?}");
    } else if is_allowed {
        let scheme = sent.split(':').next().expect("a scheme").to_ascii_lowercase();
        assert!(!["javascript", "data", "vbscript", "blob"].contains(&scheme.as_str()), "{sent:?}");
        assert!(sent.bytes().all(|b| b.is_ascii_graphic()), "{sent:?}");
        if ["http", "https"].contains(&scheme.as_str()) {
            // A browser reads it as this host and nobody's password.
            if let Ok(url) = reqwest::Url::parse(&sent) {
                assert!(url.has_host() && url.username().is_empty() && url.password().is_none(), "{sent:?}");
            }
        }
    }
}
