//! Tests of when a driver writes. What it reads and writes is seen by whole relays and by checkers of conformance.

use std::cell::{Cell, RefCell, RefMut};
use std::sync::Arc;
use std::task::Waker;

use futures_util::FutureExt as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::net::batch::Batch;
use crate::net::connection::websocket;
use crate::net::inlet::StrangerBytes;
use crate::net::tls::Shown;
use crate::net::turns::Turns;
use crate::worker::Outlet as _;

/// Who always has something to say, of the past or of the present.
struct Talker {
    past: Cell<bool>,
    said: Cell<usize>,
    turns: Rc<Turns>,
    batch: RefCell<Batch>,
}

impl Sessions for Talker {
    fn set_waker(&self, _: SessionId, _: &Waker) {}

    fn is_logged_in(&self, _: SessionId) -> bool {
        true
    }

    fn is_overdue(&self, _: SessionId) -> bool {
        false
    }

    fn may_read(&self, _: SessionId) -> bool {
        true
    }

    fn handle_frame(&self, _: SessionId, _: &str) -> usize {
        0
    }

    fn handle_pong(&self, _: SessionId, _: u64) {}

    fn handle_controls(&self, _: SessionId, _: u32) -> bool {
        true
    }

    fn handle_half_close(&self, _: SessionId) {}

    fn is_answered(&self, _: SessionId) -> bool {
        true
    }

    fn handle_violation(&self, _: SessionId, _: Code) {}

    fn give_output(&self, _: SessionId, batch: &mut Batch) -> bool {
        self.said.set(self.said.get() + 1);
        batch.text(&Bytes::from_static(b"something"));
        true
    }

    fn catches_up(&self, _: SessionId) -> bool {
        self.past.get()
    }

    fn turns(&self, _: Work) -> &Rc<Turns> {
        &self.turns
    }

    fn batch(&self) -> RefMut<'_, Batch> {
        self.batch.borrow_mut()
    }
}

/// A connection to somebody who stays; he is given back with it.
async fn connection() -> (Socket, impl Sized) {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = pair.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der());
    let shown = Shown::new(vec![certificate.clone()], key.into(), None).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = async {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let name = "localhost".try_into().unwrap();
        TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap()
    };
    let accept = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut inlet = Inlet::new(stream, StrangerBytes::default());
        inlet.open();
        Box::new(TlsAcceptor::from(shown.config).accept(inlet).await.unwrap())
    };
    let (peer, tls) = tokio::join!(dial, accept);
    (websocket(Gate::new(tls, Bytes::new(), 1024), 1024).await, peer)
}

/// The present needs no turn: it goes on while others catch up.
#[tokio::test]
async fn who_is_behind_writes_when_it_is_his_turn_and_who_is_live_at_once() {
    let (socket, _peer) = connection().await;
    let talker = Rc::new(Talker {
        past: Cell::new(true),
        said: Cell::new(0),
        turns: Rc::new(Turns::new(1)),
        batch: RefCell::default(),
    });
    assert!(talker.turns.try_take(), "somebody else has this turn");
    let mut driver = Driver::new(&talker, SessionId::default(), socket, Bytes::new());
    let mut poll = || assert!(driver.poll(&mut Context::from_waker(Waker::noop()), false).is_pending());
    poll();
    assert_eq!(talker.said.get(), 0);
    let renew = talker.turns.renew();
    tokio::pin!(renew);
    // To the end of this turn, and into the next: its one permit is for whoever waits.
    for _ in 0..2 {
        assert!(renew.as_mut().now_or_never().is_none());
    }
    poll();
    assert_eq!(talker.said.get(), WRITES_PER_TURN);
    poll();
    assert_eq!(talker.said.get(), WRITES_PER_TURN, "a turn is for one time");
    talker.past.set(false);
    poll();
    assert_eq!(talker.said.get(), 2 * WRITES_PER_TURN);
}
