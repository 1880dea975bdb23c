//! For checkers of WebSocket conformance: a listener that says each message again. Behind the feature `echo`; no other
//! code calls this, and a relay has no way to it.
//!
//! All that a connection of the relay goes through is here the same: TLS, upgrade, gate, WebSocket with its limits,
//! driver, writer. Only who holds the session is another ([`Echo`]), and there is no log-in.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use bytes::Bytes;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use vigie_proto::refusal::Code;

use super::batch::Batch;
use super::connection::{CLOSE_GRACE, set_options, websocket};
use super::driver::{Driver, Turn};
use super::gate::Gate;
use super::inlet::{Inlet, StrangerBytes};
use super::sessions::Sessions;
use super::tls::Shown;
use super::turns::{Turns, Work};
use super::upgrade::{UpgradeRules, Upgraded, upgrade};
use crate::server::RelayError;
use crate::worker::{Outlet, SessionId};

/// Messages judged in one turn, as for sessions.
const MESSAGES_PER_TURN: usize = 16;

/// Serves echoes until it is dropped: messages of at most so many bytes. Needs a `LocalSet`.
///
/// # Errors
/// The certificate or its key cannot be used, or accepting fails.
pub async fn serve(
    listener: TcpListener,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    message_bytes_max: usize,
) -> Result<(), RelayError> {
    let acceptor = TlsAcceptor::from(Shown::new(chain, key, None)?.config);
    let turns = Rc::new(Turns::new(MESSAGES_PER_TURN));
    let renewed = Rc::clone(&turns);
    tokio::task::spawn_local(async move { renewed.renew().await });
    loop {
        let (stream, _) = listener.accept().await?;
        let echo = Rc::new(Echo::new(Rc::clone(&turns), message_bytes_max));
        let acceptor = acceptor.clone();
        tokio::task::spawn_local(async move { talk(&echo, stream, acceptor).await });
    }
}

/// One connection, to its end.
async fn talk(echo: &Rc<Echo>, stream: TcpStream, acceptor: TlsAcceptor) -> Option<()> {
    set_options(&stream).ok()?;
    let stream = Inlet::new(stream, StrangerBytes::default());
    let mut tls = Box::new(acceptor.accept(stream).await.ok()?);
    tls.get_mut().0.note_tls();
    let upgraded = upgrade(tls, &UpgradeRules::default(), None, |tls| tls.get_ref().0.is_exceeded()).await?;
    let Upgraded { mut stream, read_ahead, answer } = upgraded;
    stream.get_mut().0.open();
    let gate = Gate::new(stream, read_ahead, echo.message_bytes_max);
    let socket = websocket(gate, echo.message_bytes_max).await;
    let mut driver = Driver::new(echo, SessionId::default(), socket, answer);
    if std::future::poll_fn(|cx| driver.poll(cx, false)).await == Turn::Closing {
        timeout(CLOSE_GRACE, std::future::poll_fn(|cx| driver.poll_closed(cx))).await.ok()?;
    }
    Some(())
}

/// What is to be said.
enum Said {
    Text(Bytes),
    Binary(Bytes),
    Close(Code),
}

/// Says again what it is told, to one peer: whichever session is meant.
struct Echo {
    message_bytes_max: usize,
    waiting: RefCell<VecDeque<Said>>,
    waiting_bytes: Cell<usize>,
    turns: Rc<Turns>,
    batch: RefCell<Batch>,
}

impl Echo {
    fn new(turns: Rc<Turns>, message_bytes_max: usize) -> Self {
        let (waiting, waiting_bytes) = Default::default();
        Self { message_bytes_max, waiting, waiting_bytes, turns, batch: RefCell::default() }
    }

    fn say(&self, said: Said, bytes: usize) {
        self.waiting.borrow_mut().push_back(said);
        self.waiting_bytes.set(self.waiting_bytes.get() + bytes);
    }
}

impl Sessions for Echo {
    /// Nothing comes but what the peer said, and that is looked for in the same turn.
    fn set_waker(&self, _: SessionId, _: &Waker) {}

    fn is_logged_in(&self, _: SessionId) -> bool {
        true
    }

    fn is_overdue(&self, _: SessionId) -> bool {
        false
    }

    fn may_read(&self, _: SessionId) -> bool {
        self.waiting_bytes.get() <= self.message_bytes_max
    }

    fn handle_frame(&self, _: SessionId, text: &str) -> usize {
        self.say(Said::Text(Bytes::copy_from_slice(text.as_bytes())), text.len());
        0
    }

    fn handle_binary(&self, _: SessionId, bytes: Bytes) {
        let length = bytes.len();
        self.say(Said::Binary(bytes), length);
    }

    fn handle_pong(&self, _: SessionId, _: u64) {}

    fn handle_controls(&self, _: SessionId, _: u32) -> bool {
        true
    }

    fn handle_half_close(&self, _: SessionId) {}

    fn is_answered(&self, _: SessionId) -> bool {
        self.waiting.borrow().is_empty()
    }

    fn handle_violation(&self, _: SessionId, code: Code) {
        self.say(Said::Close(code), 0);
    }

    fn give_output(&self, _: SessionId, batch: &mut Batch) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        while !batch.is_full()
            && let Some(said) = waiting.pop_front()
        {
            let bytes = match said {
                Said::Text(text) => {
                    batch.text(&text);
                    text.len()
                }
                Said::Binary(bytes) => {
                    batch.binary(&bytes);
                    bytes.len()
                }
                Said::Close(code) => {
                    Outlet::close(batch, code);
                    0
                }
            };
            self.waiting_bytes.set(self.waiting_bytes.get() - bytes);
        }
        !waiting.is_empty()
    }

    fn catches_up(&self, _: SessionId) -> bool {
        false
    }

    fn turns(&self, _: Work) -> &Rc<Turns> {
        &self.turns
    }

    fn batch(&self) -> RefMut<'_, Batch> {
        self.batch.borrow_mut()
    }
}
