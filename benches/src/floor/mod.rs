//! The floor: the least that a program on tokio and rustls must do to bring one ready frame to N TLS connections.
//!
//! One thread, one task and one bounded queue for each connection; a writer takes all that waits for it into one buffer
//! and makes one TLS write. Socket and TLS settings are those that the relay gives a connection when it comes. It knows no log-in, no signature, no order, no
//! disk (but where a connection asks for `durable`), no bound in bytes, no slow reader: a frame for which a queue has no
//! room is dropped. What a relay costs above it is the price of what it does beside writing.
//!
//! The path of the request says what a connection is for:
//!
//! | path | |
//! |---|---|
//! | `/read` | it is given every frame that is published to all |
//! | `/all` | what it sends goes to all readers |
//! | `/one` | what it sends goes to one reader, each in turn |
//! | `/durable` | what it sends is written to a file, synced, and then acknowledged |

mod connection;
mod durable;
mod tls;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use durable::File;

/// Frames that wait for one reader. More than any window of the load generator, so that nothing is dropped while it keeps
/// to its window.
const QUEUE_FRAMES_MAX: usize = 1_024;

/// Connections that wait to be accepted: what a relay asks for (`relay/src/net/accept.rs`).
const BACKLOG: i32 = 4_096;

/// What all connections share.
struct Shared {
    acceptor: TlsAcceptor,
    readers: RefCell<Vec<mpsc::Sender<Bytes>>>,
    /// Whose turn it is.
    next: RefCell<usize>,
    /// Buffers that no writer is using: as many as writers that waited at once, not one for each connection.
    buffers: RefCell<Vec<Vec<u8>>>,
    file: Option<File>,
}

impl Shared {
    fn give_all(&self, frame: &Bytes) {
        self.readers.borrow_mut().retain(|reader| {
            !matches!(reader.try_send(frame.clone()), Err(mpsc::error::TrySendError::Closed(_)))
        });
    }

    fn give_one(&self, frame: Bytes) {
        let readers = self.readers.borrow();
        let mut next = self.next.borrow_mut();
        if let Some(reader) = readers.get(*next % readers.len().max(1)) {
            let _ = reader.try_send(frame);
        }
        *next = next.wrapping_add(1);
    }
}

/// Serves until the process ends.
///
/// # Errors
/// There is no certificate, no file, or nothing more can be accepted.
pub async fn serve(listener: std::net::TcpListener, file: Option<&Path>) -> anyhow::Result<()> {
    socket2::SockRef::from(&listener).listen(BACKLOG)?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let shared = Rc::new(Shared {
        acceptor: tls::acceptor()?,
        readers: RefCell::default(),
        next: RefCell::default(),
        buffers: RefCell::default(),
        file: file.map(File::create).transpose()?,
    });
    loop {
        let (stream, _) = listener.accept().await?;
        let shared = Rc::clone(&shared);
        tokio::task::spawn_local(async move {
            // Whatever ends a connection, the others go on.
            let _ = connection::serve(&shared, stream).await;
        });
    }
}
