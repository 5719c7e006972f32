//! Servers that must be told where to listen: an address for each, and waiting until they do.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

/// The next port to try. Below those that the system gives out by itself, so that no connection and no other test takes
/// one before its server does.
static NEXT: AtomicU16 = AtomicU16::new(20_000);

/// An address of this machine on which nobody listens, and which no other call in this process returns.
pub fn free_address() -> String {
    let mut ports = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
    let port = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    format!("127.0.0.1:{}", port.expect("ports do not end"))
}

/// Waits until something answers HTTP there, whatever it says, and returns whether it did in time.
///
/// That somebody accepts a connection is not enough: a process that is just being started can hold another's listening
/// socket for an instant, and drops what came in.
pub async fn answers(address: &str, patience: Duration) -> bool {
    let url = format!("http://{address}/");
    let asking = async {
        while reqwest::get(&url).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(patience, asking).await.is_ok()
}
