//! Carriers of messages: a mail server, a webhook, and the wire formats of the services that cannot run here.

use std::{io::Write as _, path::Path, process::Stdio, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use shared::{
    aws::Access,
    clock::Stopwatch,
    messages::{MailConfig, Messages, SmsConfig},
    storage::Table,
};
use tests::{Answer, World};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{any, method},
};

const PHONE: &str = "13800138000";
const EMAIL: &str = "Alice@Example.com";
const SECRET: &str = "a webhook secret of the tests, 32+";
/// How long carriers may take here, unless a test says otherwise: long enough for a busy computer.
const PATIENCE: Duration = Duration::from_secs(20);
const HURRY: Duration = Duration::from_millis(400);

async fn world(mail: Value, sms: Value, deadline: Duration) -> World {
    let mail = MailConfig::parse(&mail.to_string()).expect("a configuration");
    let sms = SmsConfig::parse(&sms.to_string()).expect("a configuration");
    World::with_messages(Messages::new(Some(&mail), Some(&sms), None, deadline).expect("carriers")).await
}

fn outbox() -> Value {
    json!({"carrier": "outbox"})
}

fn webhook(server: &MockServer) -> Value {
    json!({"carrier": "webhook", "url": format!("{}/hook", server.uri()), "secret": SECRET})
}

async fn send(world: &World, address: &str) -> Answer {
    let (endpoint, field) = if address.contains('@') { ("SendEmailCode", "email") } else { ("SendSMSCode", "phone") };
    // A sign-up's code goes to everybody, and nothing hides how long that takes.
    let body = json!({field: address, "type": "signup"});
    world.client().post(&format!("/api/AppUsers/2/{endpoint}"), body).await
}

/// What every client is told, whatever became of the message; and it counts.
async fn sends_once_and_tells_nothing(world: &World, address: &str) {
    assert_eq!(send(world, address).await.text, r#"{"code":200,"data":true,"err":""}"#);
    send(world, address).await.refused(200, 429, "throttled");
}

#[tokio::test]
async fn fi_23_a_welcome_mail_that_fails_undoes_no_sign_up_and_is_not_tried_again() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(204)).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(500)).mount(&server).await;
    let world = world(webhook(&server), outbox(), PATIENCE).await;
    world.change_app(&world.documented, |app| app.settings.templates.welcome_mail = true).await;
    send(&world, EMAIL).await.data();
    let sent = async || server.received_requests().await.unwrap().len();
    let code: Value = server.received_requests().await.unwrap()[0].body_json().unwrap();
    let body = json!({"userName": "alice", "pwd": "correct horse battery", "email": EMAIL, "emailCode": code["code"]});
    world.client().post("/api/AppUsers/2/EmailSignUp", body.clone()).await.token();
    let welcomed = sent().await;
    assert!(welcomed > 1, "it was tried");
    assert!(world.watch.lines().iter().any(|line| line.contains("message not delivered")), "its loss is on record");
    world.client().post("/api/AppUsers/2/EmailSignUp", body).await.refused(200, 400, "invalid_code");
    let right = json!({"userName": "alice", "pwd": "correct horse battery"});
    world.client().post("/api/AppUsers/2/SignIn", right).await.token();
    assert_eq!(sent().await, welcomed);
}

/// A mail server that is not ours, in another process.
struct MailServer {
    lines: Lines<BufReader<ChildStdout>>,
    port: u64,
    authority: String,
    _process: Child,
}

impl MailServer {
    #[expect(clippy::disallowed_methods, reason = "the tests are told what must not be skipped")]
    async fn start(mode: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let python = root.join(".venv/bin/python");
        let is_installed = Command::new(&python)
            .args(["-c", "import aiosmtpd, trustme"])
            .stderr(Stdio::null())
            .status()
            .await
            .is_ok_and(|status| status.success());
        if !is_installed {
            let message = "SKIPPED: a test with a mail server: run tests/install.sh";
            let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            assert!(!is_set("CI") || !is_set("TESSERA_SMTP_REQUIRED"), "{message}");
            writeln!(std::io::stderr(), "{message}").expect("standard error is open");
            return None;
        }
        let mut process = Command::new(python)
            .arg(root.join("tests/smtp_server.py"))
            .arg(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the mail server starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let first = lines.next_line().await.expect("its output").expect("a first line");
        let first: Value = serde_json::from_str(&first).expect("JSON");
        let authority = first["authority"].as_str().expect("a certificate").to_owned();
        Some(Self { lines, port: first["port"].as_u64().expect("a port"), authority, _process: process })
    }

    fn config(&self, security: &str, password: &str) -> Value {
        json!({
            "carrier": "smtp", "host": "localhost", "port": self.port, "security": security, "user": "tessera",
            "password": password, "from": "Demo <no-reply@id.test>", "certificateAuthority": self.authority,
        })
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("in time");
        serde_json::from_str(&line.expect("its output").expect("a line")).expect("JSON")
    }
}

#[tokio::test]
async fn a_mail_server_gets_one_mail_over_tls_after_signing_in() {
    for security in ["tls", "startTls"] {
        let Some(mut server) = MailServer::start(&security.to_lowercase()).await else { return };
        let world = world(server.config(security, "correct horse"), outbox(), PATIENCE).await;
        world
            .change_app(&world.documented, |app| app.card.name = "D\u{e9}mo\r\nBcc: evil@example.com".to_owned())
            .await;
        sends_once_and_tells_nothing(&world, EMAIL).await;
        let mail = server.next().await;
        assert_eq!((&mail["user"], &mail["tls"]), (&json!("tessera"), &json!(true)));
        assert_eq!((&mail["sender"], &mail["recipients"]), (&json!("no-reply@id.test"), &json!([EMAIL])));
        assert_eq!(
            (&mail["to"], &mail["subject"]),
            (&json!(EMAIL), &json!("【D\u{e9}moBcc: evil@example.com】注册验证码"))
        );
        let headers: Vec<_> = mail["headers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(!headers.contains(&"bcc") && headers.contains(&"message-id"), "{headers:?}");
        let text = mail["text"].as_str().unwrap();
        let code: String = text.chars().skip_while(|c| !c.is_ascii_digit()).take(6).collect();
        let body = json!({"email": EMAIL, "emailCode": code});
        world.client().post("/api/AppUsers/2/EmailSignUp", body).await.token();
    }
}

#[tokio::test]
async fn a_mail_server_that_cannot_be_trusted_gets_neither_mail_nor_password() {
    let Some(mut server) = MailServer::start("plain").await else { return };
    let without_tls = world(server.config("startTls", "correct horse"), outbox(), PATIENCE).await;
    sends_once_and_tells_nothing(&without_tls, EMAIL).await;
    let Some(mut stranger) = MailServer::start("tls").await else { return };
    let mut config = stranger.config("tls", "correct horse");
    config["certificateAuthority"] = json!(server.authority);
    let untrusted = world(config, outbox(), PATIENCE).await;
    sends_once_and_tells_nothing(&untrusted, EMAIL).await;
    for server in [&mut server, &mut stranger] {
        let silence = tokio::time::timeout(HURRY, server.lines.next_line()).await;
        assert!(silence.is_err(), "{silence:?}");
    }
}

#[tokio::test]
async fn a_mail_server_that_refuses_us_is_the_log_s_business() {
    let Some(mut server) = MailServer::start("starttls").await else { return };
    let world = world(server.config("startTls", "wrong horse"), outbox(), PATIENCE).await;
    sends_once_and_tells_nothing(&world, EMAIL).await;
    assert_eq!(server.next().await, json!({"refused": true}));
}

#[tokio::test]
async fn a_webhook_gets_a_signed_message_once() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let world = world(webhook(&server), webhook(&server), PATIENCE).await;
    sends_once_and_tells_nothing(&world, PHONE).await;
    sends_once_and_tells_nothing(&world, EMAIL).await;
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 2);
    for (request, to) in requests.iter().zip(["+8613800138000", EMAIL]) {
        let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/json");
        let signed = [header("x-tessera-timestamp").as_bytes(), b".", &request.body].concat();
        let signature: Vec<u8> = hex(header("x-tessera-signature").strip_prefix("v1=").unwrap());
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), &signed, &signature).unwrap();
        let body: Value = request.body_json().unwrap();
        assert_eq!((&body["to"], &body["appId"], &body["purpose"]), (&json!(to), &json!(2), &json!("signup")));
        assert_eq!(body["subject"].is_null(), body["channel"] == "sms");
        let code = body["code"].as_str().unwrap();
        assert!(code.len() == 6 && body["text"].as_str().unwrap().contains(code));
    }
    let code: Value = requests[0].body_json().unwrap();
    let body = json!({"phone": PHONE, "phoneCode": code["code"]});
    world.client().post("/api/AppUsers/2/PhoneSignUp", body).await.token();
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn fi_17_whatever_a_carrier_answers_the_client_hears_the_same_and_nothing_is_sent_twice() {
    let answers = [
        ResponseTemplate::new(500),
        ResponseTemplate::new(400).set_body_string("13800138000 is not allowed"),
        ResponseTemplate::new(302).insert_header("location", "/elsewhere"),
        ResponseTemplate::new(200).set_body_string("<html>").set_delay(PATIENCE),
    ];
    for answer in answers {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let world = world(outbox(), webhook(&server), HURRY).await;
        let stopwatch = Stopwatch::start();
        sends_once_and_tells_nothing(&world, PHONE).await;
        assert!(stopwatch.elapsed() < PATIENCE / 2);
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
        assert_eq!(world.rows(Table::Codes).await.len(), 3, "the address, the client and the day are charged");
    }
    // Nobody listens there.
    let closed = json!({"carrier": "webhook", "url": "http://127.0.0.1:1/", "secret": SECRET});
    sends_once_and_tells_nothing(&world(outbox(), closed, HURRY).await, PHONE).await;
    // Nobody is asked.
    let none = World::with_messages(Messages::default()).await;
    sends_once_and_tells_nothing(&none, PHONE).await;
}

#[tokio::test]
async fn ot_02_the_time_of_an_answer_does_not_tell_whether_anything_was_sent() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(204).set_delay(HURRY / 4);
    Mock::given(any()).respond_with(slow).mount(&server).await;
    let world = world(outbox(), webhook(&server), HURRY).await;
    send(&world, PHONE).await.data();
    let requests = server.received_requests().await.unwrap();
    let sent: Value = requests[0].body_json().unwrap();
    let body = json!({"phone": PHONE, "phoneCode": sent["code"]});
    world.client().post("/api/AppUsers/2/PhoneSignUp", body).await.token();
    for (phone, messages) in [(PHONE, 2), ("13900139000", 2)] {
        world.wait(60);
        let stopwatch = Stopwatch::start();
        let body = json!({"phone": phone, "type": "forgetpwd"});
        world.client().post("/api/AppUsers/2/SendSMSCode", body).await.data();
        assert!(stopwatch.elapsed() >= HURRY, "{phone}");
        assert_eq!(server.received_requests().await.unwrap().len(), messages);
    }
}

fn aliyun(server: &MockServer) -> Value {
    json!({
        "carrier": "aliyun", "url": format!("{}/", server.uri()), "accessKeyId": "key-id",
        "accessKeySecret": "key-secret", "signName": "某某公司", "templates": {"signup": "SMS_1001"},
    })
}

#[tokio::test]
async fn aliyun_gets_the_code_as_the_template_s_parameter() {
    let server = MockServer::start().await;
    let ok = json!({"Code": "OK", "Message": "OK", "BizId": "9006^0", "RequestId": "F655A8D5"});
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(ok)).mount(&server).await;
    let world = world(outbox(), aliyun(&server), PATIENCE).await;
    sends_once_and_tells_nothing(&world, PHONE).await;
    sends_once_and_tells_nothing(&world, "+85261234567").await;
    let requests = server.received_requests().await.unwrap();
    for (request, phone) in requests.iter().zip([PHONE, "85261234567"]) {
        let parameter = |name: &str| {
            let found = request.url.query_pairs().find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        assert_eq!(parameter("PhoneNumbers"), phone);
        assert_eq!((parameter("SignName"), parameter("TemplateCode")), ("某某公司".to_owned(), "SMS_1001".to_owned()));
        let code: Value = serde_json::from_str(&parameter("TemplateParam")).unwrap();
        assert_eq!(code["code"].as_str().unwrap().len(), 6);
        let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
        assert_eq!((header("x-acs-action"), header("x-acs-version")), ("SendSms".to_owned(), "2017-05-25".to_owned()));
        assert_eq!(header("x-acs-date"), "2026-03-01T04:00:00Z");
        assert_eq!(header("authorization").split("Signature=").nth(1), Some(aliyun_signature(request).as_str()));
    }
}

/// The signature anew, from what arrived.
fn aliyun_signature(request: &Request) -> String {
    let sha256 = |text: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        shared::entropy::hex(digest.as_ref())
    };
    let authorization = request.headers["authorization"].to_str().unwrap();
    let names = authorization.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
    let values = names.split(';').map(|name| [name, ":", request.headers[name].to_str().unwrap(), "\n"].concat());
    let headers: String = values.collect();
    let query = request.url.query().unwrap();
    let canonical = format!("POST\n/\n{query}\n{headers}\n{names}\n{}", sha256(""));
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"key-secret");
    let signature = hmac::sign(&key, format!("ACS3-HMAC-SHA256\n{}", sha256(&canonical)).as_bytes());
    shared::entropy::hex(signature.as_ref())
}

#[tokio::test]
async fn aliyun_s_refusals_and_nonsense_are_the_log_s_business() {
    let refusal = json!({"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发号码天级流控"});
    for answer in [
        ResponseTemplate::new(200).set_body_json(refusal),
        ResponseTemplate::new(403).set_body_json(json!({"Code": "InvalidAccessKeyId.NotFound"})),
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 10_000_000]),
    ] {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let world = world(outbox(), aliyun(&server), PATIENCE).await;
        sends_once_and_tells_nothing(&world, PHONE).await;
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}

fn aws(server: &MockServer) -> Access {
    let credentials = SharedCredentialsProvider::new(Credentials::from_keys("AKIDEXAMPLE", "secret", None));
    Access::with_system_roots(Some(credentials), "ap-southeast-1").with_endpoint(Some(&server.uri()))
}

async fn aws_world(server: &MockServer) -> World {
    let mail = MailConfig::parse(r#"{"carrier":"ses","from":"Demo <no-reply@id.test>"}"#).unwrap();
    let sms = SmsConfig::parse(r#"{"carrier":"endUserMessaging","originationIdentity":"pool-1"}"#).unwrap();
    let aws = aws(server);
    World::with_messages(Messages::new(Some(&mail), Some(&sms), Some(&aws), PATIENCE).unwrap()).await
}

#[tokio::test]
async fn ses_and_end_user_messaging_get_one_message_to_one_recipient() {
    let server = MockServer::start().await;
    let taken = ResponseTemplate::new(200).set_body_json(json!({"MessageId": "1"}));
    Mock::given(method("POST")).respond_with(taken).mount(&server).await;
    let world = aws_world(&server).await;
    sends_once_and_tells_nothing(&world, EMAIL).await;
    sends_once_and_tells_nothing(&world, PHONE).await;
    let requests = server.received_requests().await.unwrap();
    let [mail, sms] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(mail.url.path(), "/v2/email/outbound-emails");
    let body: Value = mail.body_json().unwrap();
    assert_eq!(body["FromEmailAddress"], "Demo <no-reply@id.test>");
    assert_eq!(body["Destination"], json!({"ToAddresses": [EMAIL]}));
    assert_eq!(body["Content"]["Simple"]["Subject"]["Data"], "【Demo】注册验证码");
    assert!(body["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap().starts_with("【Demo】"));
    assert_eq!(sms.headers["x-amz-target"], "PinpointSMSVoiceV2.SendTextMessage");
    let body: Value = sms.body_json().unwrap();
    assert_eq!(
        (&body["DestinationPhoneNumber"], &body["OriginationIdentity"], &body["MessageType"]),
        (&json!("+8613800138000"), &json!("pool-1"), &json!("TRANSACTIONAL"))
    );
    for request in [mail, sms] {
        let authorization = request.headers["authorization"].to_str().unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{authorization}");
    }
}

#[tokio::test]
async fn aws_is_asked_once_even_when_it_fails() {
    for answer in [
        ResponseTemplate::new(500).set_body_json(json!({"__type": "InternalServerException"})),
        ResponseTemplate::new(429).set_body_json(json!({"__type": "TooManyRequestsException"})),
        ResponseTemplate::new(200).set_body_json(json!({})),
        ResponseTemplate::new(200).set_body_string("<html>"),
    ] {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let world = aws_world(&server).await;
        sends_once_and_tells_nothing(&world, EMAIL).await;
        sends_once_and_tells_nothing(&world, PHONE).await;
        assert_eq!(server.received_requests().await.unwrap().len(), 2);
    }
}
