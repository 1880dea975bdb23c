//! The operators' door: a socket in the folder of the journal that says who may hear what, and why others may not.
//!
//! Where it sits: beside the data path, on a thread of its own. The health listener tells everybody who reaches it how the
//! relay is and never who is on it; the door tells credentials, and so opens only to whoever may read them in the journal
//! anyway: its socket (`socket.rs`) has mode 0600, and each peer is asked for its user number.
//!
//! Invariants: one question and one answer a connection ([`Question`], [`Answer`], a line of JSON each), one connection at a
//! time, each of bounded size and time; nothing that it is asked changes anything, and no thread of the relay waits for it.
//! It judges (`judge.rs`) by the functions that the relay judges by, and by the roots, rotations and revocations in force.
//!
//! What it does not do: give what messages say, tell which credentials are on, or keep what it was asked.

mod judge;
mod question;
mod socket;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use vigie_proto::chain::Chain;

pub(crate) use judge::Judge;
use judge::Patience;
#[cfg(feature = "cli")]
pub(crate) use question::{Addressed, Hearer};
pub(crate) use question::{Answer, Question};
use socket::Socket;
#[cfg(feature = "cli")]
pub(crate) use socket::path_in;

use crate::journal::Storage;
use crate::server::inbox::{Inbox, Letter};

/// The longest question: a chain of eight links is 10 KiB.
pub(crate) const QUESTION_BYTES_MAX: usize = 16 * 1024;

/// No answer is longer: 500 credentials, each with the longest organisation and name, every byte of it escaped.
#[cfg(feature = "cli")]
pub(crate) const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// From accept to the last byte of the question, and from the first byte of the answer to its last.
const TALK_WITHIN: Duration = Duration::from_secs(2);

/// For looking through the journal and judging.
const JUDGE_WITHIN: Duration = Duration::from_secs(3);

/// What whoever asks should wait for at most: the rest is for those who came before.
#[cfg(feature = "cli")]
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// For the workers to say which chains are on; one that does not move is left out.
const SESSIONS_WITHIN: Duration = Duration::from_millis(500);

/// After a failed accept: the next try comes this much later, not at once and for ever.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The thread that answers. Its owner stops it; the socket goes with it.
#[derive(Debug)]
pub(crate) struct Door {
    stop: watch::Sender<bool>,
    thread: JoinHandle<io::Result<()>>,
}

impl Door {
    /// Opens it in the folder of a journal that this relay has locked.
    ///
    /// # Errors
    /// Those of the socket; or there is no thread to be had.
    pub(crate) fn open<S: Storage>(
        journal: &Path,
        judge: Judge<S>,
        workers: Vec<Arc<Inbox>>,
    ) -> io::Result<Self> {
        let (listener, socket) = Socket::bind(journal)?;
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper { socket, judge, workers, stop: stopped };
        let thread = std::thread::Builder::new().name("vigie-door".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { keeper.serve(UnixListener::from_std(listener)?).await })
        })?;
        Ok(Self { stop, thread })
    }

    /// Closes it and waits for that.
    pub(crate) fn close(self) {
        self.stop.send_replace(true);
        // What goes wrong here has cost nobody a message.
        match self.thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the operators' door ended badly"),
            Err(_) => tracing::warn!("the operators' door panicked"),
        }
    }
}

/// On the thread of the door.
struct Keeper<S: Storage> {
    socket: Socket,
    judge: Judge<S>,
    workers: Vec<Arc<Inbox>>,
    stop: watch::Receiver<bool>,
}

impl<S: Storage> Keeper<S> {
    async fn serve(self, listener: UnixListener) -> io::Result<()> {
        let mut stop = self.stop.clone();
        loop {
            let talk = async {
                match listener.accept().await {
                    // Whoever does not ask in time, or does not take the answer, has had his turn.
                    Ok((stream, _)) => drop(self.talk(stream).await),
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection at the operators' door");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => return Ok(()),
                () = talk => {}
            }
        }
    }

    async fn talk(&self, mut stream: UnixStream) -> io::Result<()> {
        if !self.socket.admits(stream.peer_cred()?.uid()) {
            return Ok(());
        }
        let asked = timeout(TALK_WITHIN, read_line(&mut stream)).await??;
        let answer = match serde_json::from_slice(&asked) {
            Ok(question) => self.answer(&question).await,
            Err(error) => Answer::Failed { why: format!("not a question: {error}") },
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        timeout(TALK_WITHIN, async {
            stream.write_all(&text).await?;
            stream.shutdown().await
        })
        .await?
    }

    async fn answer(&self, question: &Question) -> Answer {
        let on = match question {
            Question::Message { .. } => self.sessions().await,
            Question::Publish { .. } | Question::Subscribe { .. } | Question::Hear { .. } => Vec::new(),
        };
        let patience = Patience { until: Instant::now() + JUDGE_WITHIN, stop: self.stop.clone() };
        self.judge.answer(question, &on, &patience)
    }

    /// The chains of the sessions that are on.
    async fn sessions(&self) -> Vec<Arc<Chain>> {
        let (tell, mut told) = mpsc::channel(self.workers.len().max(1));
        for worker in &self.workers {
            worker.put(Letter::Chains(tell.clone()));
        }
        drop(tell);
        let mut all = Vec::new();
        let _ = timeout(SESSIONS_WITHIN, async {
            while let Some(chains) = told.recv().await {
                all.extend(chains);
            }
        })
        .await;
        all
    }
}

/// One line, or all there is where the peer ends before.
async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut part = [0; 4096];
    while line.len() <= QUESTION_BYTES_MAX {
        let read = stream.read(&mut part).await?;
        let got = &part[..read];
        if let Some(end) = got.iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(&got[..end]);
            return Ok(line);
        }
        line.extend_from_slice(got);
        if read == 0 {
            return Ok(line);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the question is too long"))
}
