//! A relay that lies: real TLS, upgrade and log-in, as someone who has taken over a relay would keep them, and then
//! events of its own making. It serves one reader, with a script.

use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use vigie_proto::chain::{NoVerdicts, Roots};
use vigie_proto::frame::{RequestNumber, ServerFrame};
use vigie_proto::id::{LogId, Nonce, Sequence};
use vigie_proto::limits::FRAME_BYTES_MAX;
use vigie_proto::login::Binding;
use vigie_proto::revocation::Revocations;
use vigie_proto::session::relay::{AwaitLogin, LoggedIn, Request, Rules};
use vigie_proto::time::Timestamp;

use super::lies::Served;
use crate::cli::time;
use crate::net::tls::Shown;
use crate::net::upgrade::{UpgradeRules, Upgraded, upgrade};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A listening liar.
pub(super) struct Liar {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    binding: Binding,
    rules: Rules,
}

impl Liar {
    /// Listens on a free port of loopback, with the certificate of the relay that it passes for.
    pub(super) fn listen(
        (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
        roots: Roots,
    ) -> anyhow::Result<Self> {
        let shown = Shown::new(chain, key, None)?;
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let rules = Rules::new(roots, vec!["localhost".to_owned()]);
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            acceptor: TlsAcceptor::from(shown.config),
            binding: shown.binding,
            rules,
        })
    }

    pub(super) fn port(&self) -> std::io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves one reader: the script, a mark at its end, and then silence until the reader goes.
    pub(super) async fn serve(&self, script: &[Served]) -> anyhow::Result<()> {
        let (stream, _) = self.listener.accept().await?;
        let mut socket = self.open(stream).await?;
        let log = LogId::from_bytes(random()?);
        let mut session = self.log_in(&mut socket, log).await?;
        let re = self.subscription(&mut socket, &mut session).await?;
        let head = Sequence::new(script.len() as u64);
        send(&mut socket, &ServerFrame::Subscribed { re, log, seq: Sequence::START, head }).await?;
        let mut seq = Sequence::START;
        for served in script {
            seq = seq.next();
            let chain = served.chain.links().iter().map(|link| (&**link.token()).into()).collect();
            send(&mut socket, &ServerFrame::Chain { chain, re: None }).await?;
            let jws = (&**served.message.token()).into();
            send(&mut socket, &ServerFrame::Event { seq, admitted: admitted(), jws }).await?;
        }
        let (admitted, now) = (admitted(), time::now());
        send(&mut socket, &ServerFrame::Mark { log, seq, admitted, head, now }).await?;
        while let Some(Ok(_)) = socket.next().await {}
        Ok(())
    }

    async fn open(&self, stream: TcpStream) -> anyhow::Result<Socket> {
        let tls = self.acceptor.accept(stream).await?;
        let upgraded = upgrade(tls, &UpgradeRules::default(), None, |_| false).await;
        let Upgraded { mut stream, read_ahead, answer } = upgraded.context("the reader did not upgrade")?;
        stream.write_all(&answer).await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        Ok(WebSocketStream::from_partially_read(stream, read_ahead.to_vec(), Role::Server, Some(config))
            .await)
    }

    async fn log_in(&self, socket: &mut Socket, log: LogId) -> anyhow::Result<LoggedIn> {
        let waiting = AwaitLogin::new(Nonce::from_bytes(random()?), self.binding, time::now());
        send(socket, &waiting.challenge()).await?;
        let session = waiting
            .handle_frame(
                &receive(socket).await?,
                &self.rules,
                &NoVerdicts,
                &Revocations::default(),
                time::now(),
            )
            .map_err(|rejection| rejection.refusal)?;
        let mark_ms = u64::try_from(session.mark_interval().as_millis())?;
        let (head, now) = (Sequence::START, time::now());
        send(socket, &ServerFrame::Welcome { log, head, now, mark_ms, relay: None }).await?;
        Ok(session)
    }

    async fn subscription(
        &self,
        socket: &mut Socket,
        session: &mut LoggedIn,
    ) -> anyhow::Result<RequestNumber> {
        let request = session
            .handle_frame(
                &receive(socket).await?,
                &self.rules,
                &NoVerdicts,
                &Revocations::default(),
                time::now(),
            )
            .map_err(|rejection| rejection.refusal)?;
        let Request::Subscribe { re, .. } = request else { anyhow::bail!("the reader did not subscribe") };
        Ok(re)
    }
}

/// What it claims: a moment inside the life of every message of the script, so that nothing is refused for its time.
fn admitted() -> Timestamp {
    time::now().plus(Duration::from_millis(1))
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]>
where
    [u8; N]: ring::rand::RandomlyConstructable,
{
    let random = ring::rand::generate(&ring::rand::SystemRandom::new());
    Ok(random.ok().context("the system gives no random numbers")?.expose())
}

async fn send(socket: &mut Socket, frame: &ServerFrame<'_>) -> anyhow::Result<()> {
    Ok(socket.send(Message::text(frame.to_text())).await?)
}

/// The next frame of the reader; signs of life are passed over.
async fn receive(socket: &mut Socket) -> anyhow::Result<String> {
    loop {
        if let Message::Text(text) = socket.next().await.context("the reader went away")?? {
            return Ok(text.as_str().to_owned());
        }
    }
}
