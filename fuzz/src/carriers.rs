//! F-16: answers of WeChat, of Alibaba Cloud and of a webhook. The first line says whose, the rest is what comes over
//! the wire: an HTTP answer, or the body of one.

use std::time::Duration;

use serde_json::json;
use shared::{
    messages::{MailConfig, Messages, SmsConfig},
    secret::MiniProgramSecret,
    settings::MiniProgram,
};
use tests::World;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) fn run(bytes: &[u8]) {
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let (carrier, answer) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let answer = if answer.starts_with(b"HTTP/1.") {
        answer.to_vec()
    } else {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length:";
        [format!("{head} {}\r\n\r\n", answer.len()).as_bytes(), answer].concat()
    };
    crate::wait_for(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = serve(&listener, &answer);
        let asking =
            async {
                match carrier {
                    b"aliyun" => send(json!({
                        "carrier": "aliyun", "url": format!("{url}/"), "accessKeyId": "id", "accessKeySecret": "secret",
                        "signName": "name", "templates": {"signup": "SMS_1001"},
                    }))
                    .await,
                    b"webhook" => {
                        let secret = "a secret of the tests of 32 chars";
                        send(json!({"carrier": "webhook", "url": format!("{url}/hook"), "secret": secret})).await;
                    }
                    _ => draw(&url).await,
                }
            };
        tokio::select! { () = serving => {}, () = asking => {} }
    });
}

/// Answers everybody the same, as soon as they have asked.
async fn serve(listener: &TcpListener, answer: &[u8]) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        while !is_whole(&asked) {
            match stream.read(&mut buffer).await {
                Ok(read) if read > 0 => asked.extend_from_slice(&buffer[..read]),
                Ok(_) | Err(_) => break,
            }
        }
        // Whoever hangs up early is no failure of ours.
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
    }
}

fn is_whole(asked: &[u8]) -> bool {
    let text = String::from_utf8_lossy(asked).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    body.len() >= length
}

/// A code by text message: the answer tells nothing of what the carrier said.
async fn send(sms: serde_json::Value) {
    let sms = SmsConfig::parse(&sms.to_string()).expect("a configuration");
    let messages = Messages::new(Some(&MailConfig::Outbox), Some(&sms), None, PATIENCE).expect("carriers");
    let world = World::with_messages(messages).await;
    let body = json!({"phone": "13800138000", "type": "signup"});
    let answer = world.client().post("/api/AppUsers/2/SendSMSCode", body).await;
    assert_eq!(answer.data(), true);
}

/// A mini program's code: a picture, or a refusal in the family's envelope.
async fn draw(url: &str) {
    let world = World::with_wechat(url).await;
    let program =
        MiniProgram { app_id: "wx12".to_owned(), secret: MiniProgramSecret::new("0123456789abcdef0123456789abcdef") };
    world.change_app(&world.documented, |app| app.settings.mini_program = Some(program)).await;
    let answer = world.client().post("/api/Wechat/2/WXACodeGet", json!({"path": "pages/index"})).await;
    if answer.header("content-type").starts_with("image/") {
        assert_eq!(answer.status, 200);
    } else {
        let is_refusal = ["unavailable", "invalid_request", "internal_error"].contains(&answer.reason());
        assert!(is_refusal, "{} {}", answer.status, answer.text);
    }
}
