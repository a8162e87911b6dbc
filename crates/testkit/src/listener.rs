//! A small HTTP server that answers everything alike and remembers what it was asked: it stands for services of others.

use crate::http::find;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The first line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

/// The server. Ends when dropped.
pub struct Listener {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on a free port of this machine and answers everything with this status line (`201 Created`) and body.
    pub fn start(status: &str, body: &str) -> Self {
        let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        let (received, stopping) = (Arc::<Mutex<Vec<Received>>>::default(), Arc::<AtomicBool>::default());
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let (into, stop) = (received.clone(), stopping.clone());
        let thread = thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                if let Some(request) = exchange(stream, &answer) {
                    into.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                }
            }
        });
        Self { address, received, stopping, thread: Some(thread) }
    }

    /// `http://127.0.0.1:<port>`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread up, which waits for a connection.
        drop(TcpStream::connect(self.address));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn exchange(mut stream: TcpStream, answer: &str) -> Option<Received> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    let request = loop {
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let Some(end) = find(&bytes, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            break Received { head, body: String::from_utf8_lossy(&bytes[end + 4..]).into_owned() };
        }
    };
    stream.write_all(answer.as_bytes()).ok()?;
    Some(request)
}
