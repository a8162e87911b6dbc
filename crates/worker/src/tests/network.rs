//! What functions with a network of their own reach, and what refuses them.

use super::Bench;
use crate::WorkersOptions;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

const SOURCE: &str = include_str!("../../../../tests/abuse/abuse.py");

/// Something that listens on this machine and answers with its name.
async fn listen(address: IpAddr, name: &'static str) -> (u16, AbortHandle) {
    let listener = TcpListener::bind((address, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answering = tokio::spawn(async move {
        while let Ok((mut stream, from)) = listener.accept().await {
            // Who listens knows that a function connected, and not a tool of the machine.
            let name = if from.ip() == aloft_sandbox::OF_FUNCTIONS {
                format!("{name} of functions")
            } else {
                name.to_owned()
            };
            let _ = stream.read_exact(&mut [0; 5]).await;
            let _ = stream.write_all(name.as_bytes()).await;
        }
    });
    (port, answering.abort_handle())
}

/// An address of this machine that is not loopback, if it has one. Nothing is sent.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("203.0.113.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback()).then(|| own.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ways_out() {
    let loopback = Ipv4Addr::LOCALHOST.into();
    let (cloud, answering_cloud) = listen(loopback, "cloud").await;
    let (database, answering_database) = listen(loopback, "database").await;
    let (other, answering_other) = listen(Ipv4Addr::UNSPECIFIED.into(), "other").await;
    let bench = Bench::with_options(Duration::from_secs(10), |options| WorkersOptions {
        endpoint_url: format!("http://127.0.0.1:{cloud}"),
        allowed: vec![format!("127.0.0.1:{database}").parse().expect("a destination")],
        ..options
    });
    if !bench.workers.has_networks() {
        return bench.end().await;
    }
    let spec = Arc::new(bench.python(SOURCE));
    let mut expected = vec![
        ("127.0.0.1".to_owned(), cloud, "cloud of functions"),
        ("127.0.0.1".to_owned(), database, "database"),
        ("127.0.0.1".to_owned(), other, "ECONNREFUSED"),
        ("169.254.169.254".to_owned(), 80, "ECONNREFUSED"),
        ("127.0.0.2".to_owned(), cloud, "ECONNRESET"),
        ("192.168.99.99".to_owned(), 80, "ECONNRESET"),
        ("fd00:ec2::254".to_owned(), 80, "ENETUNREACH"),
    ];
    expected.extend(own_address().map(|own| (own, other, "ECONNRESET")));
    let addresses: Vec<_> = expected.iter().map(|(host, port, _)| json!([host, port])).collect();
    let event = json!({ "attack": "connections", "addresses": addresses });
    let outcome = bench.invoke(&spec, &event.to_string()).await;
    let seen: Value = serde_json::from_slice(&outcome.payload).expect("JSON");
    for (host, port, expected) in expected {
        assert_eq!(seen[format!("{host}:{port}")], expected, "{host}:{port}");
    }
    [answering_cloud, answering_database, answering_other].iter().for_each(AbortHandle::abort);
    bench.end().await;
}
