//! Which browser pages may call, and that no other one learns anything.

use http::Method;
use tests::World;

const INFO: &str = "/api/Apps/2/Info";

async fn world_with_origin() -> World {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.cors_origins = vec!["https://good.example".to_owned()]).await;
    world
}

#[tokio::test]
async fn hd_02_a_registered_origin_is_echoed_on_successes_and_on_errors() {
    let world = world_with_origin().await;
    let page = world.client().with("origin", "https://good.example");
    let oversized = page.send(Method::POST, "/api/AppUsers/2/SignIn", None, vec![0; 70_000]).await;
    assert_eq!(oversized.status, 413);
    for answer in [
        page.get(INFO).await,
        page.get("/api/AppUsers/2/Profile").await,
        page.get("/api/AppUsers/2/SignIn").await,
        oversized,
    ] {
        assert_eq!(answer.header("access-control-allow-origin"), "https://good.example");
        assert_eq!(answer.header("access-control-expose-headers"), "retry-after, x-request-id");
        assert_eq!(answer.header("vary"), "Origin");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn hd_01_no_other_origin_is() {
    let world = world_with_origin().await;
    for origin in [
        "null",
        "https://evil.example",
        "https://good.example.evil.example",
        "https://evilgood.example",
        "http://good.example",
        "https://good.example.",
        "https://good.example:8443",
        "https://GOOD.example",
        "https://good%60.example",
        "*",
    ] {
        let answer = world.client().with("origin", origin).get(INFO).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert_eq!(answer.header("vary"), "Origin");
    }
}

#[tokio::test]
async fn a_preflight_needs_no_credentials() {
    let world = world_with_origin().await;
    for path in ["/api/AppUsers/2/Profile", "/api/appusers/2/SignIn", INFO] {
        let page = world.client().with("origin", "https://good.example").with("access-control-request-method", "POST");
        let answer = page.send(Method::OPTIONS, path, None, Vec::new()).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), "https://good.example");
        assert_eq!(answer.header("access-control-allow-methods"), "GET, POST, PUT, DELETE");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "authorization, content-type, accept-language, idempotency-key"
        );
        assert_eq!(answer.header("access-control-max-age"), "600");
    }
    let stranger = world.client().with("origin", "https://evil.example");
    let answer = stranger.send(Method::OPTIONS, INFO, None, Vec::new()).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-methods"), "");
}

#[tokio::test]
async fn the_local_demo_app_lets_every_page_call() {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.cors_origins = vec!["*".to_owned()]).await;
    let answer = world.client().with("origin", "http://localhost:5173").get(INFO).await;
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:5173");
}
