//! What everybody may read.

use serde_json::json;
use tests::{World, world::routes};

#[tokio::test]
async fn an_apps_card_is_what_the_browser_sdk_expects() {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.card.logo = Some("https://example.com/l.png".to_owned())).await;
    let answer = world.client().get("/api/apps/2/Info").await;
    let info = json!({"id": 2, "name": "Demo", "logo": "https://example.com/l.png", "website": null, "description": null, "tags": null});
    assert_eq!(*answer.data(), json!({"info": info, "props": [], "blobs": []}));
    assert_eq!(answer.body["err"], "");
}

#[tokio::test]
async fn the_key_set_is_bare_cacheable_and_public() {
    let world = World::new().await;
    let answer = world.client().get("/.well-known/jwks.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let keys = answer.body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let mut members: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
}

#[tokio::test]
async fn the_directory_alone_knows_every_other_route() {
    let others: std::collections::BTreeSet<_> = {
        let own: Vec<_> = directory::routes().record().map(|route| (route.method, route.path)).collect();
        routes().record().map(|route| (route.method, route.path)).filter(|route| !own.contains(route)).collect()
    };
    let known = directory::routes().elsewhere().collect();
    assert_eq!(others, known);

    // As the function that gets whatever the gateway has no route for.
    let world = World::with_routes(directory::routes()).await;
    let path = "/api/AppUsers/2/SignIn";
    world.client().get(path).await.refused(405, 405, "method_not_allowed");
    let preflight = world.client().send(http::Method::OPTIONS, path, None, Vec::new()).await;
    assert_eq!(preflight.status, 204);
    world.client().get("/api/AppUsers/2/Nothing").await.refused(404, 404, "route_not_found");
}
