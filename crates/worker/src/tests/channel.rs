//! The channel against a bootstrap written out by hand: what it says, what it hears, and rules that it breaks.

use crate::channel::{self, Door};
use crate::exchange::{Answer, Exchange, Initialized};
use crate::extensions::{About, Extensions};
use crate::telemetry::Telemetry;
use aloft_base::{Clock, Ids};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot::Receiver;
use tokio::task::JoinHandle;

/// A bootstrap's two connections, and the cloud's side.
struct Bootstrap {
    says: TcpStream,
    hears: TcpStream,
    exchange: Arc<Exchange>,
    initialized: Receiver<Initialized>,
}

impl Bootstrap {
    async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let telemetry = Arc::new(Telemetry::new(Clock::system()));
        let extensions = Extensions::new(Ids::random(), telemetry, About::default());
        let limits = crate::EnvironmentLimits { response: 1000, ..Default::default() };
        let (exchange, initialized) = Exchange::new(extensions, limits);
        tokio::spawn(channel::serve(Door::Shared(listener), exchange.clone()));
        let says = TcpStream::connect(address).await.expect("a connection");
        let hears = TcpStream::connect(address).await.expect("a connection");
        Self { says, hears, exchange, initialized }
    }

    async fn say(&mut self, kind: u8, head: &str, body: &str) {
        let (head_length, body_length) = (head.len() as u16, body.len() as u32);
        let front = [&[kind, 0][..], &head_length.to_le_bytes(), &body_length.to_le_bytes()].concat();
        let message = [&front, head.as_bytes(), body.as_bytes()].concat();
        // In two pieces, as it may come.
        for piece in message.chunks(message.len() - 3) {
            self.says.write_all(piece).await.expect("sent");
            tokio::task::yield_now().await;
        }
    }

    /// The kind, the first line of the head, and the body of what the cloud says.
    async fn hear(&mut self) -> (u8, String, String) {
        let kind = self.hears.read_u8().await.expect("a kind");
        assert_eq!(self.hears.read_u8().await.expect("a zero"), 0);
        let head = self.hears.read_u16_le().await.expect("a length");
        let body = self.hears.read_u32_le().await.expect("a length");
        let mut rest = vec![0; usize::from(head) + body as usize];
        self.hears.read_exact(&mut rest).await.expect("a message");
        let body = rest.split_off(head.into());
        let head = String::from_utf8_lossy(&rest).into_owned();
        (
            kind,
            head.lines().next().unwrap_or_default().to_owned(),
            String::from_utf8_lossy(&body).into_owned(),
        )
    }

    /// Has an invocation run, once the bootstrap waits.
    async fn run(&self, id: &str) -> JoinHandle<Option<Answer>> {
        self.exchange.until_parked().await;
        let (exchange, mut invocation) = (self.exchange.clone(), super::event("{\"n\":1}"));
        invocation.request_id = id.to_owned();
        tokio::spawn(async move { exchange.run(invocation.into(), Duration::from_secs(3), || ()).await })
    }

    /// What an invocation comes to that is answered so.
    async fn check(&mut self, id: &str, (kind, head, body): (u8, &str, &str), expected: &str) {
        let running = self.run(id).await;
        assert_eq!(self.hear().await, (4, id.to_owned(), "{\"n\":1}".to_owned()));
        self.say(kind, head, body).await;
        let answer = running.await.expect("no panic");
        assert_eq!(format!("{answer:?}"), expected, "{id}");
    }
}

#[tokio::test]
async fn messages() {
    let mut bootstrap = Bootstrap::new().await;
    bootstrap.say(0, "", "").await;
    bootstrap.check("one", (1, "", "{}"), r#"Some(Response(b"{}"))"#).await;
    assert!(matches!(bootstrap.initialized.try_recv(), Ok(Initialized::Ready(_))));
    // What is too large is read to its end, and the next is asked for.
    bootstrap.check("two", (1, "", &"x".repeat(100_000)), "Some(TooLarge)").await;
    bootstrap.check("three", (2, "My.Error", "{\"e\":1}"), r#"Some(Error(b"{\"e\":1}"))"#).await;
    bootstrap.check("four", (1, "", ""), r#"Some(Response(b""))"#).await;
    // The last is acknowledged, and it waits no more.
    bootstrap.check("five", (3, "My.Error", "{}"), r#"Some(Error(b"{}"))"#).await;
    assert_eq!(bootstrap.hear().await, (5, String::new(), String::new()));
    assert!(!bootstrap.exchange.is_parked());
}

/// It answers by the Runtime API and asks for the next event, or ends, before this process has looked at either.
#[tokio::test]
async fn an_answer_from_elsewhere() {
    for goes_on in [true, false] {
        answer_from_elsewhere(goes_on).await;
    }
}

async fn answer_from_elsewhere(goes_on: bool) {
    let mut bootstrap = Bootstrap::new().await;
    bootstrap.say(0, "", "").await;
    bootstrap.exchange.until_parked().await;
    let exchange = bootstrap.exchange.clone();
    let mut invocation = super::event("{}");
    invocation.request_id = "one".to_owned();
    let mut running = std::pin::pin!(exchange.run(invocation.into(), Duration::from_secs(3), || ()));
    std::future::poll_fn(|context| {
        assert!(running.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    bootstrap.hear().await;
    bootstrap.exchange.respond("one", "{}".into(), false).expect("it is the current one");
    if goes_on {
        bootstrap.say(0, "", "").await;
    } else {
        bootstrap.says.shutdown().await.expect("closed");
    }
    tokio::task::yield_now().await;
    assert_eq!(format!("{:?}", running.await), r#"Some(Response(b"{}"))"#);
    if goes_on {
        bootstrap.check("two", (1, "", "{}"), r#"Some(Response(b"{}"))"#).await;
    }
}

#[tokio::test]
async fn rules() {
    // It cannot initialise.
    let mut bootstrap = Bootstrap::new().await;
    bootstrap.say(3, "My.Error", "{}").await;
    assert_eq!(bootstrap.hear().await, (5, String::new(), String::new()));
    let initialized = format!("{:?}", bootstrap.initialized.await);
    assert_eq!(initialized, r#"Ok(Failed(b"{}", Some("My.Error")))"#);

    // It asks instead of answering; it goes while it works; it says what does not exist: there is no answer.
    for said in [Some(0), None, Some(99)] {
        let mut bootstrap = Bootstrap::new().await;
        bootstrap.say(0, "", "").await;
        let running = bootstrap.run("one").await;
        bootstrap.hear().await;
        match said {
            Some(kind) => bootstrap.say(kind, "", "").await,
            None => bootstrap.says.shutdown().await.expect("closed"),
        }
        assert!(matches!(running.await, Ok(None)), "{said:?}");
    }
}
