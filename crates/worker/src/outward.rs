//! Where what a function sends goes on: to this cloud, to the world, to what was allowed; nowhere else.
//!
//! An environment with a network of its own reaches nothing but its doors ([`aloft_sandbox::Doors`]). Connections that
//! arrive there are passed on here, byte for byte, after a look at where they wanted to go. Keeps true: nothing goes to
//! an address of this machine or of its neighbourhood but to the cloud's own endpoint and to what is allowed by name,
//! whatever names lead there.

use aloft_sandbox::{Destination, OF_FUNCTIONS};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections out of one environment at the same time; further ones wait.
const CONNECTIONS: usize = 512;
/// Questions to name servers under way at the same time; further ones wait.
const QUESTIONS: usize = 64;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// How many ports are tried for a connection to the cloud.
const CONNECT_ATTEMPTS: usize = 16;
/// How long a name server may take for its answer before the next one is asked.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// How many refusals one environment has in the log.
const REFUSALS: usize = 8;

const NAMES_PORT: u16 = 53;

/// What environments may reach.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outward {
    /// The cloud's own address.
    endpoint: Option<SocketAddrV4>,
    allowed: Vec<Destination>,
}

impl Outward {
    /// The cloud at this address (`http://127.0.0.1:4566`), and these.
    pub(crate) fn new(endpoint_url: &str, allowed: Vec<Destination>) -> Self {
        let authority = endpoint_url.split_once("://").map_or(endpoint_url, |it| it.1);
        Self { endpoint: authority.trim_end_matches('/').parse().ok(), allowed }
    }

    /// The ports of loopback that lead out.
    pub(crate) fn loopback_ports(&self) -> Vec<u16> {
        let endpoint = self.endpoint.filter(|it| it.ip().is_loopback()).map(|it| it.port());
        let ports = self.allowed.iter().filter_map(Destination::loopback_port).chain(endpoint);
        ports.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether a connection may go there.
    fn allows(&self, wanted: SocketAddrV4) -> bool {
        self.endpoint == Some(wanted)
            || self.allowed.iter().any(|it| it.contains(wanted))
            || (is_public(*wanted.ip()) && !is_own(*wanted.ip()))
    }
}

/// Passes connections on until the task is aborted. `who` is for the log.
pub(crate) async fn connections(listener: TcpListener, outward: Arc<Outward>, who: String) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let refused = Arc::new(Mutex::new(BTreeSet::new()));
    let mut under_way = JoinSet::new();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        while under_way.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others must end before this can go on.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (outward, refused, who) = (outward.clone(), refused.clone(), who.clone());
        under_way.spawn(async move {
            let _permit = permit;
            match original(&stream) {
                Some(wanted) if wanted.port() == NAMES_PORT => to_name_server(stream).await,
                Some(wanted) if outward.endpoint == Some(wanted) => to_cloud(stream, wanted).await,
                Some(wanted) if outward.allows(wanted) => {
                    pass_on(stream, TcpStream::connect(wanted)).await;
                }
                Some(wanted) => {
                    reset(&stream);
                    let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
                    if refused.len() < REFUSALS && refused.insert(wanted) {
                        tracing::warn!(
                            "{who} may not connect to {wanted}; `aloft cloud start --allow {wanted}` lets functions"
                        );
                    }
                }
                None => reset(&stream),
            }
        });
    }
}

/// Passes questions for names on to this machine's name servers until the task is aborted.
pub(crate) async fn questions(socket: UdpSocket, name_servers: fn() -> Vec<IpAddr>) {
    let permits = Arc::new(Semaphore::new(QUESTIONS));
    let socket = Arc::new(socket);
    let mut under_way = JoinSet::new();
    let mut buffer = vec![0; 65536];
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        while under_way.try_join_next().is_some() {}
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let question = buffer.get(..length).unwrap_or_default().to_vec();
        let socket = socket.clone();
        under_way.spawn(async move {
            let _permit = permit;
            for server in name_servers() {
                let asked = ask(SocketAddr::new(server, NAMES_PORT), &question);
                if let Ok(Ok(answer)) = tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
                    let _ = socket.send_to(&answer, from).await;
                    return;
                }
            }
        });
    }
}

async fn ask(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let own: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; 65536];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

/// This machine's name servers.
pub(crate) fn name_servers() -> Vec<IpAddr> {
    // Each time anew: they change with the network that a laptop is in.
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let found: Vec<IpAddr> = parse_name_servers(&text);
    if found.is_empty() { vec![Ipv4Addr::LOCALHOST.into()] } else { found }
}

fn parse_name_servers(text: &str) -> Vec<IpAddr> {
    let lines = text.lines().filter_map(|it| it.trim().strip_prefix("nameserver"));
    lines.filter_map(|it| it.trim().parse().ok()).collect()
}

/// Where a connection wanted to go before the kernel redirected it.
fn original(stream: &TcpStream) -> Option<SocketAddrV4> {
    rustix::net::sockopt::ip_original_dst(stream).ok()
}

async fn to_name_server(stream: TcpStream) {
    match name_servers().first() {
        Some(server) => pass_on(stream, TcpStream::connect(SocketAddr::new(*server, NAMES_PORT))).await,
        None => reset(&stream),
    }
}

/// A connection to this cloud, which can see that a function made it.
async fn to_cloud(stream: TcpStream, cloud: SocketAddrV4) {
    if !cloud.ip().is_loopback() {
        // From another address than loopback it is not taken for the machine's own in any case.
        return pass_on(stream, TcpStream::connect(cloud)).await;
    }
    let connected = async {
        for _ in 0..CONNECT_ATTEMPTS {
            // The system chooses a port before it knows where to, and with this also among those that were in use: else
            // many short connections would use them up.
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind((OF_FUNCTIONS, 0).into())?;
            match socket.connect(cloud.into()).await {
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
                other => return other,
            }
        }
        Err(io::ErrorKind::AddrNotAvailable.into())
    };
    pass_on(stream, connected).await;
}

async fn pass_on(mut stream: TcpStream, connected: impl Future<Output = io::Result<TcpStream>>) {
    match tokio::time::timeout(CONNECT_TIMEOUT, connected).await {
        Ok(Ok(mut other)) => {
            let _ = (stream.set_nodelay(true), other.set_nodelay(true));
            if tokio::io::copy_bidirectional(&mut stream, &mut other).await.is_err() {
                reset(&stream);
                reset(&other);
            }
        }
        _ => reset(&stream),
    }
}

/// When the stream is dropped, the other side sees an error and not an end.
fn reset(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

/// Whether an address is one of the world's, and not of this machine or of the networks around it.
fn is_public(address: Ipv4Addr) -> bool {
    /// What address translators of providers use, what AWS does for its own, tests of networks, Azure's metadata.
    const OTHERS: [(Ipv4Addr, u32); 4] = [
        (Ipv4Addr::new(100, 64, 0, 0), 10),
        (Ipv4Addr::new(192, 0, 0, 0), 24),
        (Ipv4Addr::new(198, 18, 0, 0), 15),
        (Ipv4Addr::new(168, 63, 129, 16), 32),
    ];
    let within = |(network, prefix): &(Ipv4Addr, u32)| {
        (u32::from(*network) ^ u32::from(address)) >> (32 - prefix) == 0
    };
    let first = address.octets()[0];
    !(first == 0
        || first >= 224
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || OTHERS.iter().any(within))
}

/// Whether an address is this machine's own: what listens on all of them must not be reached by a public one either.
fn is_own(address: Ipv4Addr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_reached() {
        let allowed = ["127.0.0.1:5432", "10.1.0.0/16"].map(|it| it.parse().expect("a destination"));
        let outward = Outward::new("http://127.0.0.1:4566", allowed.to_vec());
        assert_eq!(outward.loopback_ports(), [4566, 5432]);
        let check = |wanted: &str, expected: bool| {
            assert_eq!(outward.allows(wanted.parse().expect("an address")), expected, "{wanted}");
        };
        check("127.0.0.1:4566", true);
        check("127.0.0.1:5432", true);
        check("127.0.0.1:5433", false);
        check("127.0.0.2:4566", false);
        check("10.1.2.3:80", true);
        check("10.2.2.3:80", false);
        check("192.168.1.1:80", false);
        check("172.17.0.1:4566", false);
        check("169.254.169.254:80", false);
        check("168.63.129.16:80", false);
        check("100.100.100.200:80", false);
        check("0.0.0.0:4566", false);
        check("255.255.255.255:80", false);
        check("239.1.1.1:80", false);
        check("8.8.8.8:443", true);
        check("54.172.60.1:443", true);
        check("172.32.0.1:443", true);
        assert!(is_own(Ipv4Addr::LOCALHOST) && !is_own(Ipv4Addr::new(8, 8, 8, 8)));
    }

    #[test]
    fn name_servers_are_read() {
        let text = "# nameserver 1.1.1.1\nsearch home\nnameserver 10.0.0.2\nnameserver\t127.0.0.53\nnameserver ::1\nnameserver x\n";
        let expected: [IpAddr; 3] =
            [[10, 0, 0, 2].into(), [127, 0, 0, 53].into(), [0, 0, 0, 0, 0, 0, 0, 1u16].into()];
        assert_eq!(parse_name_servers(text), expected);
    }
}
