//! A small HTTP load generator: GET requests over connections that stay open, all of them served by one thread.
//!
//! A thread for each connection would make the scheduler's work with them part of what is measured, the more connections
//! the more.

use anyhow::{Context, Result, bail, ensure};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long all of it may take beyond what was asked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many milliseconds each of `count` requests took that went one after another.
pub fn in_turn(address: &str, count: usize) -> Result<Vec<f64>> {
    let requests = async {
        let mut connection = Connection::open(address).await?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let started = Instant::now();
            connection.get().await?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(times)
    };
    runtime()?.block_on(async { timeout(PATIENCE, requests).await? })
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// How many requests a second were answered over so many connections.
pub fn at_once(address: &str, connections: usize, during: Duration) -> Result<f64> {
    Ok(measured(address, connections, during)?.rate)
}

/// What came of requests over several connections.
#[derive(Clone, Copy)]
pub struct Load {
    /// How many were answered.
    pub answered: usize,
    /// The same by second.
    pub rate: f64,
    /// How long one of them took, in milliseconds.
    pub median_ms: f64,
}

/// Sends requests over so many connections, each as soon as the one before it was answered.
pub fn measured(address: &str, connections: usize, during: Duration) -> Result<Load> {
    let runtime = runtime()?;
    let started = Instant::now();
    let all = async {
        let mut clients: JoinSet<Result<Vec<f64>>> = JoinSet::new();
        for _ in 0..connections {
            let mut connection = Connection::open(address).await?;
            clients.spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < during {
                    let sent = Instant::now();
                    connection.get().await?;
                    times.push(sent.elapsed().as_secs_f64() * 1000.0);
                }
                Ok(times)
            });
        }
        let mut times = Vec::new();
        while let Some(client) = clients.join_next().await {
            times.extend(client??);
        }
        Ok::<_, anyhow::Error>(times)
    };
    let times = runtime.block_on(async { timeout(during + PATIENCE, all).await? })?;
    let took = started.elapsed().as_secs_f64();
    Ok(Load {
        answered: times.len(),
        rate: times.len() as f64 / took,
        median_ms: super::figures::median(times),
    })
}

struct Connection {
    stream: BufReader<TcpStream>,
    request: String,
    /// What was read last.
    line: String,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let rest = address.strip_prefix("http://").context("only http:// addresses")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let stream = TcpStream::connect(authority).await;
        let stream = stream.with_context(|| format!("cannot connect to {authority}"))?;
        stream.set_nodelay(true)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        Ok(Self { stream: BufReader::new(stream), request, line: String::new() })
    }

    async fn get(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(self.request.as_bytes()).await?;
        if !self.read_line().await?.starts_with("HTTP/1.1 200") {
            bail!("answered {:?}", self.line);
        }
        let (mut length, mut chunked) = (0, false);
        while let Some((name, value)) = self.read_line().await?.trim_end().split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.trim() == "chunked";
            }
        }
        if !chunked {
            return self.skip(length).await;
        }
        loop {
            let size = usize::from_str_radix(self.read_line().await?.trim(), 16)?;
            self.skip(size + 2).await?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    async fn read_line(&mut self) -> Result<&str> {
        self.line.clear();
        ensure!(self.stream.read_line(&mut self.line).await? > 0, "the connection ended");
        Ok(&self.line)
    }

    async fn skip(&mut self, count: usize) -> Result<()> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await?;
        Ok(())
    }
}
