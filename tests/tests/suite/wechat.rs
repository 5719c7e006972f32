//! Pictures of codes: plain ones, and WeChat's, from a server that speaks as WeChat does.

use serde_json::{Value, json};
use shared::{secret::MiniProgramSecret, settings::MiniProgram, storage::Table};
use tests::{Answer, World};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, method, path, query_param},
};

const CODE: &str = "/api/Wechat/2/WXACodeGet";
const PAGE: &str = "pages/login/index?appId=2&signinKey=1234567890123";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0 a picture";

/// Pixels in a row of a module, for the scanner.
const SCALE: usize = 4;

/// The text of a QR code, read from the drawing as a scanner would.
fn scanned(svg: &str) -> String {
    let between = |text: &str, from: &str, to: &str| {
        let start = text.find(from).unwrap() + from.len();
        text[start..start + text[start..].find(to).unwrap()].to_owned()
    };
    let side: usize = between(svg, "viewBox=\"0 0 ", " ").parse().unwrap();
    let mut dark = vec![false; side * side];
    let drawing = svg.rsplit_once("d=\"").unwrap().1;
    for run in between(drawing, "M", "\"").split('M') {
        let (corner, length) = run.split_once('h').unwrap();
        let (x, y) = corner.split_once(' ').unwrap();
        let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
        let length: usize = length.split_once('v').unwrap().0.parse().unwrap();
        dark[y * side + x..y * side + x + length].fill(true);
    }
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * SCALE, side * SCALE, |x, y| {
        if dark[y / SCALE * side + x / SCALE] { 0 } else { 255 }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

#[tokio::test]
async fn an_app_without_a_mini_program_shows_a_plain_code_of_the_path() {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.cors_origins = vec!["https://page.example".to_owned()]).await;
    let client = world.client().with("origin", "https://page.example");
    let longest = "a/_?=&.-".repeat(16);
    for (text, width) in [(PAGE, 430), ("a", 64), (longest.as_str(), 1_280)] {
        let answer = client.post(CODE, json!({"path": text, "width": width})).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/svg+xml"));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("access-control-allow-origin"), "https://page.example");
        assert!(answer.text.contains(&format!(r#"width="{width}" height="{width}""#)), "{}", answer.text);
        assert_eq!(scanned(&answer.text), text);
    }
    let answer = client.post(CODE, json!({"path": "a"})).await;
    assert!(answer.text.contains(r#"width="430""#), "the documented default");
}

#[tokio::test]
async fn what_is_no_path_and_no_width_is_refused_in_an_envelope() {
    let world = World::new().await;
    for body in [
        json!({}),
        json!({"path": "a\"><script>"}),
        json!({"path": "https://example.com"}),
        json!({"path": "a".repeat(129)}),
        json!({"path": "a", "width": 63}),
        json!({"path": "a", "width": 1_281}),
    ] {
        world.client().post(CODE, body).await.refused(400, 400, "invalid_request");
    }
    let unknown = world.client().post("/api/Wechat/9/WXACodeGet", json!({"path": "a"})).await;
    unknown.refused(200, 404, "app_not_found");
    world.client().get(CODE).await.refused(405, 405, "method_not_allowed");
}

struct WeChat {
    server: MockServer,
    world: World,
}

impl WeChat {
    /// A deployment whose documented app has a mini program, and the WeChat that it finds.
    async fn new() -> Self {
        let server = MockServer::start().await;
        let world = World::with_wechat(&server.uri()).await;
        let program = MiniProgram { app_id: "wx12".to_owned(), secret: MiniProgramSecret::new(SECRET) };
        world.change_app(&world.documented, |app| app.settings.mini_program = Some(program)).await;
        Self { server, world }
    }

    /// Grants this token, so often.
    async fn grants(&self, token: &str, times: u64) {
        Mock::given(method("POST"))
            .and(path("/cgi-bin/stable_token"))
            .and(body_json(json!({"grant_type": "client_credential", "appid": "wx12", "secret": SECRET})))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"access_token": token, "expires_in": 7_200})))
            .up_to_n_times(times)
            .expect(times)
            .mount(&self.server)
            .await;
    }

    /// Answers a request for a code that comes with this token.
    async fn answers(&self, token: &str, answer: ResponseTemplate, times: u64) {
        Mock::given(method("POST"))
            .and(path("/wxa/getwxacode"))
            .and(query_param("access_token", token))
            .respond_with(answer)
            .up_to_n_times(times)
            .expect(times)
            .mount(&self.server)
            .await;
    }

    async fn code(&self) -> Answer {
        self.world.client().post(CODE, json!({"path": PAGE})).await
    }
}

fn picture() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(JPEG, "image/jpeg")
}

fn refusal(code: i64, message: &str) -> ResponseTemplate {
    // As WeChat sends it: HTTP 200, whatever went wrong.
    ResponseTemplate::new(200)
        .set_body_raw(json!({"errcode": code, "errmsg": message}).to_string(), "application/json; encoding=utf-8")
}

fn is_picture(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/jpeg"), "{}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.text.ends_with(" a picture"));
}

#[tokio::test]
async fn one_access_token_draws_many_codes_until_it_is_old() {
    let wechat = WeChat::new().await;
    wechat.grants("first", 1).await;
    wechat.answers("first", picture(), 3).await;
    for _ in 0..2 {
        is_picture(&wechat.code().await);
    }
    wechat.world.wait(7_200 - 301);
    is_picture(&wechat.code().await);
    wechat.grants("second", 1).await;
    wechat.answers("second", picture(), 1).await;
    wechat.world.wait(1);
    is_picture(&wechat.code().await);
    let requests = wechat.server.received_requests().await.unwrap();
    let drawn = requests.iter().find(|request| request.url.path() == "/wxa/getwxacode").unwrap();
    let body: Value = serde_json::from_slice(&drawn.body).unwrap();
    assert_eq!(body, json!({"path": PAGE, "width": 430}));
}

#[tokio::test]
async fn wechat_draws_no_code_narrower_than_its_own_least() {
    let wechat = WeChat::new().await;
    wechat.grants("token", 1).await;
    Mock::given(method("POST"))
        .and(path("/wxa/getwxacode"))
        .and(body_json(json!({"path": "a", "width": 280})))
        .respond_with(picture())
        .expect(1)
        .mount(&wechat.server)
        .await;
    is_picture(&wechat.world.client().post(CODE, json!({"path": "a", "width": 64})).await);
}

#[tokio::test]
async fn a_token_that_was_ended_early_is_replaced_once() {
    for code in [40_001, 40_014, 42_001] {
        let wechat = WeChat::new().await;
        wechat.grants("ended", 1).await;
        wechat.answers("ended", refusal(code, "access_token is invalid or not latest"), 1).await;
        wechat.grants("fresh", 1).await;
        wechat.answers("fresh", picture(), 2).await;
        is_picture(&wechat.code().await);
        is_picture(&wechat.code().await);
    }
    let wechat = WeChat::new().await;
    wechat.grants("ended", 2).await;
    wechat.answers("ended", refusal(40_001, "invalid credential"), 2).await;
    wechat.code().await.refused(503, 503, "unavailable");
}

#[tokio::test]
async fn another_secret_does_not_use_the_old_ones_token() {
    let wechat = WeChat::new().await;
    wechat.grants("old", 1).await;
    wechat.answers("old", picture(), 1).await;
    is_picture(&wechat.code().await);
    let program = MiniProgram { app_id: "wx12".to_owned(), secret: MiniProgramSecret::new("another") };
    wechat.world.change_app(&wechat.world.documented, |app| app.settings.mini_program = Some(program)).await;
    Mock::given(path("/cgi-bin/stable_token"))
        .and(body_json(json!({"grant_type": "client_credential", "appid": "wx12", "secret": "another"})))
        .respond_with(refusal(40_125, "invalid appsecret"))
        .expect(1)
        .mount(&wechat.server)
        .await;
    wechat.code().await.refused(503, 503, "unavailable");
}

#[tokio::test]
async fn a_page_that_the_mini_program_does_not_have_is_the_callers_mistake() {
    let wechat = WeChat::new().await;
    wechat.grants("token", 1).await;
    wechat.answers("token", refusal(41_030, "invalid page"), 1).await;
    wechat.code().await.refused(400, 400, "invalid_request");
}

#[tokio::test]
async fn un_20_whatever_else_wechat_answers_is_unavailable_and_tells_nothing() {
    let elsewhere = MockServer::start().await;
    let html = || ResponseTemplate::new(200).set_body_raw("<html>blocked</html>", "text/html");
    let answers = [
        refusal(-1, "system error"),
        refusal(45_009, "reach max api daily quota limit"),
        refusal(40_164, "invalid ip 203.0.113.9, not in whitelist"),
        html(),
        ResponseTemplate::new(200).set_body_raw("<html>", "image/jpeg"),
        ResponseTemplate::new(200),
        ResponseTemplate::new(502),
        ResponseTemplate::new(302).insert_header("location", elsewhere.uri().as_str()),
        ResponseTemplate::new(200).set_body_json(json!({"errcode": "0"})),
        ResponseTemplate::new(200).set_body_raw([JPEG.to_vec(), vec![0; 3 << 20]].concat(), "image/jpeg"),
    ];
    for answer in answers {
        // In answer to the request for a code.
        let wechat = WeChat::new().await;
        wechat.grants("an-access-token", 1).await;
        wechat.answers("an-access-token", answer.clone(), 1).await;
        let refused = wechat.code().await;
        refused.refused(503, 503, "unavailable");
        assert_eq!(
            (refused.header("retry-after"), refused.header("content-type")),
            ("1", "application/json; charset=utf-8")
        );
        for secret in ["an-access-token", SECRET, "203.0.113.9", "whitelist", "127.0.0.1"] {
            assert!(!refused.text.contains(secret));
        }
        // In answer to the request for a token.
        let wechat = WeChat::new().await;
        Mock::given(path("/cgi-bin/stable_token")).respond_with(answer).expect(1).mount(&wechat.server).await;
        wechat.code().await.refused(503, 503, "unavailable");
    }
    for token in [json!({"access_token": "", "expires_in": 7_200}), json!({"access_token": "a&b", "expires_in": 1})] {
        let wechat = WeChat::new().await;
        let answer = ResponseTemplate::new(200).set_body_json(token);
        Mock::given(path("/cgi-bin/stable_token")).respond_with(answer).expect(1).mount(&wechat.server).await;
        wechat.code().await.refused(503, 503, "unavailable");
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty(), "no redirect is followed");
}

#[tokio::test]
async fn a_wechat_that_cannot_be_reached_is_unavailable() {
    let world = World::new().await;
    let program = MiniProgram { app_id: "wx12".to_owned(), secret: MiniProgramSecret::new(SECRET) };
    world.change_app(&world.documented, |app| app.settings.mini_program = Some(program)).await;
    world.client().post(CODE, json!({"path": "a"})).await.refused(503, 503, "unavailable");
}

#[tokio::test]
async fn one_address_does_not_spend_all_of_a_mini_programs_codes() {
    let wechat = WeChat::new().await;
    wechat.grants("token", 1).await;
    wechat.answers("token", picture(), 31).await;
    for _ in 0..30 {
        is_picture(&wechat.code().await);
    }
    let throttled = wechat.code().await;
    throttled.refused(200, 429, "throttled");
    assert_eq!(throttled.header("retry-after"), "60");
    let elsewhere = wechat.world.client().from("192.0.2.77");
    is_picture(&elsewhere.post(CODE, json!({"path": PAGE})).await);
    // A plain code costs nobody anything, so nothing is counted for it.
    let world = World::new().await;
    for _ in 0..31 {
        assert_eq!(world.client().post(CODE, json!({"path": "a"})).await.status, 200);
    }
    assert!(world.rows(Table::Codes).await.is_empty());
}
