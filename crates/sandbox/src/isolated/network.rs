//! A jail's own network: loopback, and four doors in it that this process holds the other side of.
//!
//! There is no interface that leads anywhere. Every address is the jail's own, and the kernel redirects what functions
//! send to the world (TCP, and UDP to name servers) to the doors; whoever holds them decides where it goes on. Loopback
//! stays the function's own, but for the ports that are named. All of it is said to the kernel in messages that are
//! written once: `rtnetlink` for addresses, `nftables` for redirections.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, Protocol, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketAddrV4, SocketFlags, SocketType, netlink,
};
use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

/// Where the Runtime API is, as on Lambda.
pub const API_PORT: u16 = 9001;
/// The name of the socket of [`Doors::channel`], which only its network knows; `@` stands for the zero byte before it.
/// It is as long as one can be: libuv's clients take shorter ones for as long.
pub const CHANNEL: &str = "@aloft......................................................................................................";
/// Where what goes out arrives, above the ports that systems hand out.
const OUTWARD_PORT: u16 = 65001;
const NAMES_PORT: u16 = 65053;

/// What functions see as their own address, as on Lambda.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 76, 1);

/// How many connections may wait at a door.
const BACKLOG: i32 = 128;
const DOORS: usize = 4;

/// The doors of one jail, of which this process holds the other side. They live as long as somebody holds them.
#[derive(Debug)]
pub struct Doors {
    /// Listens on port [`API_PORT`] of the jail's loopback.
    pub api: TcpListener,
    /// Listens at [`CHANNEL`].
    pub channel: UnixListener,
    /// Where connections to all other addresses arrive; the original destination is known by the socket.
    pub outward: TcpListener,
    /// Where datagrams to name servers arrive.
    pub names: UdpSocket,
}

/// What is said to the kernel for every jail.
#[derive(Debug)]
pub(super) struct Messages {
    addresses: Vec<u8>,
    redirections: Vec<u8>,
}

/// How a jail comes by its network.
#[derive(Debug)]
pub(super) enum Way {
    /// It makes it.
    Make(Wiring),
    /// It enters one that is ready.
    Enter(OwnedFd),
}

/// For one jail.
#[derive(Debug)]
pub(super) struct Wiring {
    pub(super) messages: Arc<Messages>,
    /// Through which the doors are handed over.
    pub(super) handover: OwnedFd,
}

impl Wiring {
    /// With the side from which [`take`] has the doors.
    pub(super) fn new(messages: &Arc<Messages>) -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC;
        let (own, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        Ok((Self { messages: messages.clone(), handover: super::high(theirs)? }, own))
    }
}

/// A network without a jail.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) descriptor: OwnedFd,
    /// From which [`take`] has its doors.
    pub(super) handover: OwnedFd,
}

impl Network {
    /// Makes one in this thread, which is in `own` before and after. For a process that may do that.
    pub(super) fn make(messages: &Arc<Messages>, own: &OwnedFd) -> io::Result<Self> {
        use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
        let (wiring, handover) = Wiring::new(messages)?;
        // SAFETY: the descriptor table stays shared; only what this thread makes of sockets is elsewhere.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET)? };
        let made = set_up(&wiring).and_then(|()| of_this_thread());
        move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(Self { descriptor: made?, handover })
    }
}

/// The network that this thread is in.
pub(super) fn of_this_thread() -> rustix::io::Result<OwnedFd> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(c"/proc/thread-self/ns/net", flags, rustix::fs::Mode::empty())
}

/// Puts the calling process into its network. Takes no memory.
pub(super) fn enter(way: &Way) -> rustix::io::Result<()> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    match way {
        Way::Make(wiring) => set_up(wiring),
        Way::Enter(network) => move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)),
    }
}

impl Messages {
    /// With these ports of loopback led out too.
    pub(super) fn new(loopback: &[u16]) -> Self {
        Self { addresses: addresses(), redirections: redirections(loopback) }
    }
}

/// Makes the network that the calling process is in. Takes no memory: it runs where that must not be.
pub(super) fn set_up(wiring: &Wiring) -> rustix::io::Result<()> {
    tell(None, &wiring.messages.addresses)?;
    tell(Some(netlink::NETFILTER), &wiring.messages.redirections)?;
    let flags = SocketFlags::CLOEXEC;
    let listening = |port| -> rustix::io::Result<OwnedFd> {
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    let (api, outward) = (listening(API_PORT)?, listening(OUTWARD_PORT)?);
    let channel = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let name = CHANNEL.trim_start_matches('@').as_bytes();
    rustix::net::bind(&channel, &SocketAddrUnix::new_abstract_name(name)?)?;
    rustix::net::listen(&channel, BACKLOG)?;
    let names = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    rustix::net::bind(&names, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, NAMES_PORT))?;
    let doors: [BorrowedFd<'_>; DOORS] = [api.as_fd(), channel.as_fd(), outward.as_fd(), names.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DOORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&doors));
    rustix::net::sendmsg(&wiring.handover, &[IoSlice::new(&[0])], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Takes what [`set_up`] handed over. It is there when the jail has started.
pub(super) fn take(handover: &OwnedFd) -> io::Result<Doors> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DOORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    rustix::net::recvmsg(handover, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    let mut doors = control.drain().filter_map(|it| match it {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let doors: Vec<OwnedFd> = doors.by_ref().flatten().collect();
    let [api, channel, outward, names] = <[OwnedFd; DOORS]>::try_from(doors)
        .map_err(|doors| io::Error::other(format!("{} doors instead of {DOORS}", doors.len())))?;
    let doors =
        Doors { api: api.into(), channel: channel.into(), outward: outward.into(), names: names.into() };
    doors.api.set_nonblocking(true)?;
    doors.channel.set_nonblocking(true)?;
    doors.outward.set_nonblocking(true)?;
    doors.names.set_nonblocking(true)?;
    Ok(doors)
}

/// Sends messages to the kernel, which has done them and answered when that returns, and looks at the answers.
fn tell(protocol: Option<Protocol>, messages: &[u8]) -> rustix::io::Result<()> {
    const HEADER: usize = 16;
    const ERROR: u16 = 2;
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    rustix::net::send(&socket, messages, SendFlags::empty())?;
    let mut answered = false;
    let mut buffer = [0u8; 8192];
    loop {
        let length = match rustix::net::recv(&socket, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) => length,
            Err(Errno::AGAIN) => return if answered { Ok(()) } else { Err(Errno::PROTO) },
            Err(error) => return Err(error),
        };
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some(Ok(size)) = rest.get(..4).map(<[u8; 4]>::try_from) {
            let size = u32::from_ne_bytes(size) as usize;
            let kind = rest.get(4..6).and_then(|it| <[u8; 2]>::try_from(it).ok()).map(u16::from_ne_bytes);
            let code = rest.get(HEADER..HEADER + 4).and_then(|it| <[u8; 4]>::try_from(it).ok());
            if let (Some(ERROR), Some(code)) = (kind, code.map(i32::from_ne_bytes)) {
                if code != 0 {
                    return Err(Errno::from_raw_os_error(-code));
                }
                answered = true;
            }
            rest = rest.get(size.max(HEADER).next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// Loopback up; an address; every other address is here too.
fn addresses() -> Vec<u8> {
    const NEW_LINK: u16 = 16;
    const NEW_ADDRESS: u16 = 20;
    const NEW_ROUTE: u16 = 24;
    const LOOPBACK: [u8; 4] = 1u32.to_ne_bytes();
    let own = ADDRESS.octets();
    let mut link = [0u8; 16];
    link[4..8].copy_from_slice(&LOOPBACK);
    // Up, and that this is what changes.
    link[8..12].copy_from_slice(&1u32.to_ne_bytes());
    link[12..16].copy_from_slice(&1u32.to_ne_bytes());
    // Family, length of the prefix, flags, scope, interface.
    let mut address = vec![2, 32, 0, 0];
    address.extend(LOOPBACK);
    // Family, lengths, type of service, the table of local addresses, by whom, scope: host, type: local, flags.
    let route = [2, 0, 0, 0, 255, 3, 254, 2, 0, 0, 0, 0];
    [
        message(NEW_LINK, ACKNOWLEDGE, &link, &[]),
        message(NEW_ADDRESS, ACKNOWLEDGE | CREATE, &address, &[attribute(2, &own), attribute(1, &own)]),
        message(NEW_ROUTE, ACKNOWLEDGE | CREATE, &route, &[attribute(4, &LOOPBACK), attribute(7, &own)]),
    ]
    .concat()
}

/// A table with one chain, through which the first packet of whatever the function sends goes.
fn redirections(loopback: &[u16]) -> Vec<u8> {
    const TABLE: &[u8] = b"aloft\0";
    const CHAIN: &[u8] = b"out\0";
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    const TO_LOOPBACK: &[u8] = &[127];
    const LINK_LOCAL: &[u8] = &[169, 254];
    let table = message(subject(0), ACKNOWLEDGE | CREATE, &FAMILY, &[attribute(1, TABLE)]);
    // Of what this machine sends, before others.
    let hook = nested(4, &[attribute(1, &3u32.to_be_bytes()), attribute(2, &(-100i32).to_be_bytes())]);
    let chain = [
        attribute(1, TABLE),
        attribute(3, CHAIN),
        hook,
        attribute(5, &1u32.to_be_bytes()),
        attribute(7, b"nat\0"),
    ];
    let chain = message(subject(3), ACKNOWLEDGE | CREATE, &FAMILY, &chain);
    let rule = |expressions: Vec<Vec<u8>>| {
        let rule = [attribute(1, TABLE), attribute(2, CHAIN), nested(4, &expressions)];
        message(subject(6), ACKNOWLEDGE | CREATE | APPEND, &FAMILY, &rule)
    };
    let to = |port: u16| port.to_be_bytes();
    let mut all = vec![batch(16), table, chain];
    all.push(rule([protocol(UDP), port_is(to(53)), redirect(to(NAMES_PORT))].concat()));
    all.extend(loopback.iter().map(|port| {
        let wanted = [protocol(TCP), address_begins(TO_LOOPBACK), port_is(to(*port))];
        rule([wanted.concat(), redirect(to(OUTWARD_PORT))].concat())
    }));
    all.push(rule([address_begins(TO_LOOPBACK), accept()].concat()));
    all.push(rule([address_begins(LINK_LOCAL), accept()].concat()));
    all.push(rule([protocol(TCP), redirect(to(OUTWARD_PORT))].concat()));
    all.push(batch(17));
    all.concat()
}

/// The head of messages on IPv4.
const FAMILY: [u8; 4] = [2, 0, 0, 0];

/// The kind of an `nftables` message.
fn subject(kind: u16) -> u16 {
    10 << 8 | kind
}

/// Begin and end of messages that hold together.
fn batch(kind: u16) -> Vec<u8> {
    message(kind, 0, &[0, 0, 0, 10], &[])
}

type Expressions = Vec<Vec<u8>>;

/// All values go through the first register.
const REGISTER: [u8; 4] = 1u32.to_be_bytes();

fn expression(name: &[u8], data: &[Vec<u8>]) -> Vec<u8> {
    nested(1, &[attribute(1, name), nested(2, data)])
}

fn compare(value: &[u8]) -> Vec<u8> {
    let data =
        [attribute(1, &REGISTER), attribute(2, &0u32.to_be_bytes()), nested(3, &[attribute(1, value)])];
    expression(b"cmp\0", &data)
}

fn protocol(number: u8) -> Expressions {
    let load = expression(b"meta\0", &[attribute(1, &REGISTER), attribute(2, &16u32.to_be_bytes())]);
    vec![load, compare(&[number])]
}

/// Loads from a header (1: network, 2: transport), and compares.
fn header_has(header: u32, offset: u32, value: &[u8]) -> Expressions {
    let length = u32::try_from(value.len()).unwrap_or(0);
    let [header, offset, length] = [header, offset, length].map(u32::to_be_bytes);
    let data = [attribute(1, &REGISTER), attribute(2, &header), attribute(3, &offset), attribute(4, &length)];
    vec![expression(b"payload\0", &data), compare(value)]
}

/// The destination's address.
fn address_begins(with: &[u8]) -> Expressions {
    header_has(1, 16, with)
}

/// The destination's port.
fn port_is(port: [u8; 2]) -> Expressions {
    header_has(2, 2, &port)
}

fn redirect(port: [u8; 2]) -> Expressions {
    let load = [attribute(1, &REGISTER), nested(2, &[attribute(1, &port)])];
    vec![expression(b"immediate\0", &load), expression(b"redir\0", &[attribute(1, &REGISTER)])]
}

fn accept() -> Expressions {
    let verdict = nested(2, &[nested(2, &[attribute(1, &1u32.to_be_bytes())])]);
    vec![expression(b"immediate\0", &[attribute(1, &0u32.to_be_bytes()), verdict])]
}

fn message(kind: u16, flags: u16, head: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let content = [head, &attributes.concat()].concat();
    let length = u32::try_from(16 + content.len()).unwrap_or(0);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((REQUEST | flags).to_ne_bytes());
    // Sequence and sender.
    message.extend([0; 8]);
    message.extend(content);
    message
}

fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + content.len()).unwrap_or(0);
    let mut attribute = length.to_ne_bytes().to_vec();
    attribute.extend(kind.to_ne_bytes());
    attribute.extend_from_slice(content);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(0x8000 | kind, &attributes.concat())
}
