//! Addresses that functions are allowed to reach besides the world's public ones: `ADDRESS[/PREFIX][:PORT]`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

/// The address of loopback that connections of functions to the cloud come from: what is for the machine's own tools
/// only knows by it who does not ask.
pub const OF_FUNCTIONS: Ipv4Addr = Ipv4Addr::new(127, 0, 76, 1);

/// One address or many, one port or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    address: Ipv4Addr,
    /// How many bits of it count.
    prefix: u32,
    port: Option<u16>,
}

/// Why a text is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// It has another form.
    #[error("`{0}` is not ADDRESS[/PREFIX][:PORT], such as 192.168.1.20:5432 or 10.0.0.0/8")]
    Form(String),
    /// Loopback is also the function's own, so all of it cannot lead out.
    #[error("`{0}` is an address of loopback and needs a port, such as 127.0.0.1:5432")]
    Loopback(String),
}

impl Destination {
    /// Whether `wanted` is one of it.
    pub fn contains(&self, wanted: SocketAddrV4) -> bool {
        let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
        (u32::from(self.address) ^ u32::from(*wanted.ip())) & mask == 0
            && self.port.is_none_or(|port| port == wanted.port())
    }

    /// The port, where it is on loopback.
    pub fn loopback_port(&self) -> Option<u16> {
        self.port.filter(|_| self.address.is_loopback())
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || DestinationError::Form(text.to_owned());
        let (range, port) = match text.split_once(':') {
            Some((range, port)) => (range, Some(port.parse().map_err(|_| form())?)),
            None => (text, None),
        };
        let (address, prefix) = range.split_once('/').unwrap_or((range, "32"));
        let address: Ipv4Addr = address.parse().map_err(|_| form())?;
        let prefix: u32 = prefix.parse().ok().filter(|it| *it <= 32).ok_or_else(form)?;
        if address.is_loopback() && port.is_none() {
            return Err(DestinationError::Loopback(text.to_owned()));
        }
        Ok(Self { address, prefix, port })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.prefix < 32 {
            write!(f, "/{}", self.prefix)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let check = |text: &str, inside: &[&str], outside: &[&str]| {
            let destination: Destination = text.parse().expect(text);
            assert_eq!(destination.to_string(), text);
            for it in inside {
                assert!(destination.contains(it.parse().expect(it)), "{text} has {it}");
            }
            for it in outside {
                assert!(!destination.contains(it.parse().expect(it)), "{text} has not {it}");
            }
        };
        check("127.0.0.1:5432", &["127.0.0.1:5432"], &["127.0.0.1:5433", "127.0.0.2:5432"]);
        check("10.0.0.0/8", &["10.9.8.7:1", "10.0.0.0:65535"], &["11.0.0.0:1"]);
        check("192.168.1.20", &["192.168.1.20:80"], &["192.168.1.21:80"]);
        check("0.0.0.0/0:25", &["8.8.8.8:25"], &["8.8.8.8:26"]);
        for wrong in ["", "localhost", "10.0.0.0/33", "10.0.0.1:", "10.0.0.1:70000", "::1", "10.0.0.1/8/8"] {
            assert_eq!(
                wrong.parse::<Destination>(),
                Err(DestinationError::Form(wrong.to_owned())),
                "{wrong}"
            );
        }
        let all = "127.0.0.1".parse::<Destination>();
        assert_eq!(all, Err(DestinationError::Loopback("127.0.0.1".to_owned())));
    }
}
