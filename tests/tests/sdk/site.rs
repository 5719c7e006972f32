//! The page that loads the SDK, and the site that has it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
};

use tests::webdriver::Server;

/// A page that loads the SDK.
pub(super) fn page(server: &Server) -> String {
    const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>SDK</title></head>
<body>
<img id="code" alt="">
<script id="appcore" src="/sdk.js" data-server="SERVER" data-appid="APP"></script>
<script>
"use strict";
const sent = [];
const note = (method, url) => sent.push(`${method} ${new URL(url).pathname}`);
$(document).ajaxSend((event, request, settings) => note(settings.type, settings.url));
const plainFetch = window.fetch;
window.fetch = (url, options) => { note(options.method, url); return plainFetch(url, options); };

const methods = () => Object.keys(oauthapp).filter((name) => typeof oauthapp[name] === "function");

async function call(method, given) {
  sent.length = 0;
  try {
    const answer = await oauthapp[method](...given);
    return { answer: answer instanceof Blob ? { blob: answer.type } : answer ?? null, sent };
  } catch (failure) {
    return { failed: failure.responseText ?? String(failure), sent };
  }
}
</script>
</body>
</html>
"#;
    PAGE.replace("SERVER", &server.url).replace("APP", &server.app_id.to_string())
}

/// A web site of one page and one script, on an origin of its own. It is there until the tests end.
pub(super) struct Site {
    pub(super) url: String,
}

impl Site {
    pub(super) fn start(page: String, script: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("its address"));
        let files = Arc::new((page, script));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let files = Arc::clone(&files);
                // A browser connects ahead of need: each connection waits on its own.
                std::thread::spawn(move || serve(connection, &files.0, &files.1));
            }
        });
        Self { url }
    }
}

/// Answers one request. A browser that went away is no failure of the site.
fn serve(mut connection: TcpStream, page: &str, script: &str) {
    let mut head = BufReader::new(&connection).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let Some(request) = head.next() else { return };
    head.for_each(drop);
    let (status, kind, body) = match request.split(' ').nth(1) {
        Some("/") => ("200 OK", "text/html", page),
        Some("/sdk.js") => ("200 OK", "text/javascript", script),
        // Icons.
        _ => ("204 No Content", "text/plain", ""),
    };
    let length = body.len();
    let head = format!("Content-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close");
    let _ = write!(connection, "HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}");
}
