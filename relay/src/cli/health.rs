//! Where a relay answers for its health: the setting, the flag, and the listener that comes of them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::str::FromStr;

use super::screen::Screen;

/// Unless set otherwise. Loopback: it is plain text, and a probe runs on the same machine or reaches it otherwise.
pub(super) const DEFAULT: HealthListen =
    HealthListen::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT));

/// Beside 7443, where `vigie init` has the relay listen for clients, and given to nobody by IANA.
pub(super) const DEFAULT_PORT: u16 = 7480;

/// Where to answer, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HealthListen {
    Off,
    At(SocketAddr),
}

/// Why a text says neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write an address and a port, such as 127.0.0.1:7480, or off")]
pub(super) struct MalformedHealthListen;

impl FromStr for HealthListen {
    type Err = MalformedHealthListen;

    fn from_str(text: &str) -> Result<Self, MalformedHealthListen> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|_| MalformedHealthListen)
    }
}

impl HealthListen {
    /// What the settings say, unless the command line says otherwise. Whoever lets clients come to a free port runs
    /// more than one relay on the machine: then health takes a free port too.
    pub(super) fn chosen(self, flag: Option<Self>, listen_flag: Option<SocketAddr>) -> Self {
        match (flag, self) {
            (Some(flag), _) => flag,
            (None, Self::At(address)) if listen_flag.is_some_and(|listen| listen.port() == 0) => {
                Self::At(SocketAddr::new(address.ip(), 0))
            }
            (None, settings) => settings,
        }
    }

    /// Where somebody on the same machine finds it.
    pub(super) fn dialled_here(self) -> Option<SocketAddr> {
        let Self::At(address) = self else { return None };
        let ip = match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
        };
        Some(SocketAddr::new(ip, address.port()))
    }

    /// The listener, or why there is none. A port that is taken keeps no relay from running: alerts must go on when all
    /// that is missing is the sight of how they go.
    pub(super) fn bind(self) -> (Option<TcpListener>, Option<io::Error>) {
        match self {
            Self::Off => (None, None),
            Self::At(address) => match TcpListener::bind(address) {
                Ok(listener) => (Some(listener), None),
                Err(error) => (None, Some(error)),
            },
        }
    }

    /// Warns of a listener that could not be had, on the screen and in the log, and of one that others can reach.
    pub(super) fn warn(self, screen: &Screen, fault: Option<io::Error>) {
        let Self::At(address) = self else { return };
        if let Some(error) = fault {
            tracing::error!(%address, %error, "the relay runs without its health listener");
            screen.warn(&screen.lang.health_cannot_listen(address, error));
        } else if !address.ip().is_loopback() {
            screen.warn(&screen.lang.health_in_the_open(address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> HealthListen {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_with_a_port_or_off() {
        assert_eq!(at("off"), HealthListen::Off);
        assert_eq!(at("127.0.0.1:7480"), DEFAULT);
        for wrong in ["", "on", "7480", "localhost:7480", "127.0.0.1", "http://127.0.0.1:7480"] {
            assert_eq!(wrong.parse::<HealthListen>(), Err(MalformedHealthListen), "{wrong}");
        }
    }

    #[test]
    fn a_free_port_for_clients_is_a_free_port_for_health_unless_the_flag_says_otherwise() {
        let (free, fixed) = (Some("127.0.0.1:0".parse().unwrap()), Some("127.0.0.1:7443".parse().unwrap()));
        assert_eq!(at("[::1]:9").chosen(None, free), at("[::1]:0"));
        assert_eq!(DEFAULT.chosen(None, fixed), DEFAULT);
        assert_eq!(DEFAULT.chosen(None, None), DEFAULT);
        assert_eq!(DEFAULT.chosen(Some(at("127.0.0.1:9")), free), at("127.0.0.1:9"));
        assert_eq!(DEFAULT.chosen(Some(HealthListen::Off), None), HealthListen::Off);
        assert_eq!(HealthListen::Off.chosen(None, free), HealthListen::Off);
    }

    #[test]
    fn who_is_on_the_machine_dials_loopback_where_it_listens_everywhere() {
        for (listen, dial) in
            [("0.0.0.0:9", "127.0.0.1:9"), ("[::]:9", "[::1]:9"), ("10.0.0.1:9", "10.0.0.1:9")]
        {
            assert_eq!(at(listen).dialled_here(), Some(dial.parse().unwrap()));
        }
        assert_eq!(HealthListen::Off.dialled_here(), None);
    }
}
