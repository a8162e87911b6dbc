//! A small HTTP load generator: GET requests over connections that stay open, a thread each.

use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// How many milliseconds each of `count` requests took that went one after another.
pub fn in_turn(address: &str, count: usize) -> Result<Vec<f64>> {
    let mut connection = Connection::open(address)?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        connection.get()?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(times)
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
    let started = Instant::now();
    let worker = || -> Result<Vec<f64>> {
        let mut connection = Connection::open(address)?;
        let mut times = Vec::new();
        while started.elapsed() < during {
            let sent = Instant::now();
            connection.get()?;
            times.push(sent.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(times)
    };
    let times: Vec<Vec<f64>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(worker)).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread broke off")));
        joined.collect::<Result<_>>()
    })?;
    let (took, times) = (started.elapsed().as_secs_f64(), times.concat());
    Ok(Load {
        answered: times.len(),
        rate: times.len() as f64 / took,
        median_ms: super::figures::median(times),
    })
}

struct Connection {
    stream: BufReader<TcpStream>,
    request: String,
}

impl Connection {
    fn open(address: &str) -> Result<Self> {
        let rest = address.strip_prefix("http://").context("only http:// addresses")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let stream =
            TcpStream::connect(authority).with_context(|| format!("cannot connect to {authority}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        Ok(Self { stream: BufReader::new(stream), request })
    }

    fn get(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(self.request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        ensure!(line.starts_with("HTTP/1.1 200"), "answered {line:?}");
        let (mut length, mut chunked) = (0, false);
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "the connection ended");
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse()?,
                "transfer-encoding" => chunked = value.trim() == "chunked",
                _ => {}
            }
        }
        if !chunked {
            return self.skip(length);
        }
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16)?;
            self.skip(size + 2)?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn skip(&mut self, count: usize) -> Result<()> {
        let mut bytes = vec![0; count];
        Ok(self.stream.read_exact(&mut bytes)?)
    }
}
