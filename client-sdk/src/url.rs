//! The address of a relay: `wss://HOST[:PORT]`. TLS always; there is no way to write a plain one.

use std::fmt;
use std::str::FromStr;

/// Where a relay listens, such as `wss://relay.example:7443`.
///
/// The host is what the relay's certificate must name and what the log-in proof is signed for, in lower case. The
/// port is 443 unless given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelayUrl {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    host: Box<str>,
    port: u16,
}

/// The text is no address of a relay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a relay: {text:?}; write wss://HOST or wss://HOST:PORT")]
#[non_exhaustive]
pub struct MalformedRelayUrl {
    /// The text.
    pub text: String,
}

const DEFAULT_PORT: u16 = 443;

impl RelayUrl {
    /// The host, lower case, without port and brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for RelayUrl {
    type Err = MalformedRelayUrl;

    fn from_str(text: &str) -> Result<Self, MalformedRelayUrl> {
        parse(text).ok_or_else(|| MalformedRelayUrl { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<RelayUrl> {
    let rest = text.strip_prefix("wss://")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port)
        }
        None => {
            let end = rest.find(':').unwrap_or(rest.len());
            let (host, port) = rest.split_at(end);
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            if host.is_empty() || !host.bytes().all(is_name) {
                return None;
            }
            (host, port)
        }
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        None if port.is_empty() => DEFAULT_PORT,
        Some(_) | None => return None,
    };
    Some(RelayUrl { host: host.to_ascii_lowercase().into(), port })
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "wss://[{host}]:{port}") } else { write!(f, "wss://{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_reading() {
        for (text, host, shown) in [
            ("wss://localhost:7443", "localhost", "wss://localhost:7443"),
            ("wss://Relay.Example/", "relay.example", "wss://relay.example:443"),
            ("wss://127.0.0.1:1", "127.0.0.1", "wss://127.0.0.1:1"),
            ("wss://[::1]:7443", "::1", "wss://[::1]:7443"),
        ] {
            let url: RelayUrl = text.parse().unwrap();
            assert_eq!((url.host(), url.to_string().as_str()), (host, shown));
            assert_eq!(shown.parse(), Ok(url));
        }
        for text in [
            "",
            "localhost:7443",
            "ws://localhost",
            "https://localhost",
            "wss://",
            "wss://localhost:",
            "wss://localhost:+1",
            "wss://localhost:65536",
            "wss://localhost/relay",
            "wss://user@localhost",
            "wss://::1",
            "wss://[::1",
            "wss://[localhost]",
            "wss://a b",
        ] {
            assert!(text.parse::<RelayUrl>().is_err(), "{text}");
        }
    }
}
