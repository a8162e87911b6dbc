//! What stands in for isolation where there is none: other systems than Linux, and processors without our first process.

use crate::groups::Group;
use crate::jailed::Exit;
use crate::launch::{Fork, Launch};
use std::convert::Infallible;
use std::io::{self, PipeReader};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitStatus;

/// What of this machine a jailed process sees: not looked at here.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // See its other self.
pub struct View {
    pub code: PathBuf,
    pub layers: Vec<PathBuf>,
    pub runtime: PathBuf,
    pub interpreter: Option<PathBuf>,
    pub temporary_mb: u32,
    pub hosts: Vec<PathBuf>,
}

/// What a jail would show: not looked at here.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // See its other self.
pub struct Furniture {
    pub code: PathBuf,
    pub layers: Vec<PathBuf>,
    pub temporary_mb: u32,
}

/// Where the Runtime API would be.
pub const API_PORT: u16 = 9001;
/// Where the channel would be.
pub const CHANNEL: &str = "@aloft";

/// There are never any.
#[derive(Debug)]
#[allow(missing_docs)] // See its other self.
pub struct Doors {
    pub api: TcpListener,
    pub channel: UnixListener,
    pub outward: TcpListener,
    pub names: UdpSocket,
}

/// There is never one.
#[derive(Debug)]
pub(crate) struct Isolated(Infallible);

/// There is never one.
pub(crate) struct Begun {
    pub(crate) first: First,
    pub(crate) program: Option<u32>,
    pub(crate) output: Option<PipeReader>,
    pub(crate) doors: Option<Doors>,
    pub(crate) identity: Identity,
}

/// There is never one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity(Infallible);

/// There is never one.
pub(crate) struct Born {
    pub(crate) begun: Begun,
    pub(crate) connection: UnixStream,
}

/// There is never one.
#[derive(Debug)]
pub struct Zygote(Infallible);

#[allow(missing_docs)] // See its other self.
#[allow(clippy::unused_async)]
impl Zygote {
    pub(crate) fn new(_: crate::Jailed, it: Identity, _: Vec<PathBuf>, _: OwnedFd) -> io::Result<Self> {
        match it.0 {}
    }

    pub async fn ready(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub fn is_usable(&self) -> bool {
        match self.0 {}
    }

    pub fn pid(&self) -> u32 {
        match self.0 {}
    }

    pub async fn kill(&self) -> Exit {
        match self.0 {}
    }

    pub(crate) fn hosts(&self) -> &[PathBuf] {
        match self.0 {}
    }
}

pub(crate) fn commands() -> io::Result<(OwnedFd, OwnedFd)> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn has_ended(_: &OwnedFd) -> bool {
    false
}

/// There is never one.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) pid: u32,
    never: Infallible,
}

impl Isolated {
    pub(crate) fn open(_: &[u16]) -> (Option<Self>, Vec<&'static str>) {
        (None, vec!["namespaces"])
    }

    pub(crate) fn has_networks(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn can_fork(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn furnish(&self, _: OwnedFd, _: &[PathBuf], _: bool, _: &Furniture) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn start(
        &self,
        _: &Launch,
        _: &View,
        _: Option<&Group>,
        _: Option<OwnedFd>,
    ) -> io::Result<Begun> {
        match self.0 {}
    }

    pub(crate) async fn fork(&self, _: &Zygote, _: &Fork, _: Option<&Group>) -> io::Result<Born> {
        match self.0 {}
    }
}

impl First {
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        match self.never {}
    }

    pub(crate) fn kill(&self) {
        match self.never {}
    }

    pub(crate) async fn wait(&self) -> io::Result<ExitStatus> {
        match self.never {}
    }
}
