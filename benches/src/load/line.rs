//! One TLS connection of the load generator: a socket that does not block, and rustls without buffers of its own.
//!
//! What comes is decrypted in one buffer that all connections share; a connection keeps only what is not a whole record
//! yet. So ten thousand connections cost little, and reading them costs less than serving them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use mio::net::TcpStream;
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};

/// The largest record with its head, several times: what is read of a socket at once.
pub(super) const SCRATCH_BYTES: usize = 256 * 1024;
/// A handshake message of a client.
const HANDSHAKE_BYTES: usize = 4 * 1024;
/// A record, and what TLS adds to it at most.
const RECORD_BYTES: usize = 16 * 1024;
const RECORD_OVERHEAD: usize = 64;

/// One connection.
pub(super) struct Line {
    socket: TcpStream,
    tls: UnbufferedClientConnection,
    /// Read, and not a whole record yet.
    rest: Vec<u8>,
    /// To be written, from `written` on.
    out: Vec<u8>,
    written: usize,
    is_secure: bool,
}

/// Whether the peer may still say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It may.
    Open,
    /// It has ended the connection.
    Ended,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Line {
    /// Begins to connect.
    ///
    /// # Errors
    /// There is no socket to be had.
    pub(super) fn connect(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address)?;
        // A message that waits for the acknowledgement of the one before would reach the server with others.
        socket.set_nodelay(true)?;
        let tls =
            UnbufferedClientConnection::new(Arc::clone(config), ServerName::try_from(name.to_owned())?)?;
        let (rest, out) = (Vec::new(), Vec::new());
        let mut line = Self { socket, tls, rest, out, written: 0, is_secure: false };
        line.advance(&mut [], &mut |_| Ok(()))?;
        Ok(line)
    }

    /// To be registered for readiness.
    pub(super) const fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Whether the handshake is done.
    pub(super) const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The certificate of the server.
    pub(super) fn certificate(&self) -> &[u8] {
        self.tls.peer_certificates().and_then(|chain| chain.first()).map_or(&[], |leaf| leaf)
    }

    /// Reads all that has come and gives what it decrypts to `hear`.
    ///
    /// # Errors
    /// Those of the connection and of `hear`.
    pub(super) fn receive(
        &mut self,
        scratch: &mut [u8],
        hear: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<Heard> {
        loop {
            let kept = self.rest.len();
            let length = match self.socket.read(&mut scratch[kept..]) {
                Ok(0) => return Ok(Heard::Ended),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Heard::Open),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            scratch[..kept].copy_from_slice(&self.rest);
            let filled = kept + length;
            let used = self.advance(&mut scratch[..filled], hear)?;
            self.rest.clear();
            self.rest.extend_from_slice(&scratch[used..filled]);
            // Less than was asked for: there is no more. (epoll(7), on stream sockets.)
            if filled < scratch.len() {
                return Ok(Heard::Open);
            }
        }
    }

    /// Runs TLS as far as these bytes go. Gives how many were used up.
    fn advance(
        &mut self,
        incoming: &mut [u8],
        hear: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<usize> {
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state, .. } = self.tls.process_tls_records(&mut incoming[used..]);
            used += discard;
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "no other state is one of a client without early data"
            )]
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        used += record.discard;
                        hear(record.payload)?;
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let at = self.out.len();
                    self.out.resize(at + HANDSHAKE_BYTES, 0);
                    let length = data.encode(&mut self.out[at..])?;
                    self.out.truncate(at + length);
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(_) => {
                    self.is_secure = true;
                    return Ok(used);
                }
                ConnectionState::BlockedHandshake => return Ok(used),
                ConnectionState::PeerClosed | ConnectionState::Closed => bail!("the server ended TLS"),
                _ => bail!("an unexpected state of TLS"),
            }
        }
    }

    /// Encrypts, to be written by [`flush`](Self::flush).
    ///
    /// # Errors
    /// The handshake is not done.
    pub(super) fn say(&mut self, plain: &[u8]) -> anyhow::Result<()> {
        let UnbufferedStatus { state, .. } = self.tls.process_tls_records(&mut []);
        let ConnectionState::WriteTraffic(mut traffic) = state? else { bail!("TLS cannot write now") };
        let at = self.out.len();
        let overhead = (plain.len() / RECORD_BYTES + 1) * RECORD_OVERHEAD;
        self.out.resize(at + plain.len() + overhead, 0);
        let length = traffic.encrypt(plain, &mut self.out[at..]).context("encrypting")?;
        self.out.truncate(at + length);
        Ok(())
    }

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    /// The connection has ended.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        while self.written < self.out.len() {
            match self.socket.write(&self.out[self.written..]) {
                Ok(length) => self.written += length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }
}
