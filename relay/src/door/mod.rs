//! The operators' door: a socket in the folder of the journal that says who may hear what, and why others may not.
//!
//! Where it sits: beside the data path, on a thread of its own. The health listener tells everybody who reaches it how the
//! relay is and never who is on it; the door tells credentials, and so opens only to whoever may read them in the journal
//! anyway: its socket (`socket.rs`) has mode 0600, and each peer is asked for its user number.
//!
//! Invariants: one question and one answer a connection ([`Question`], [`Answer`], a line of JSON each), [`TALKS_MAX`] of them
//! at a time, each of bounded size and time; whoever has asked nothing yet makes room for the next one, so that nobody keeps
//! others out by saying nothing. Nothing that it is asked changes anything, and no thread of the relay waits for it.
//! It judges (`judge.rs`) by the functions that the relay judges by, and by the roots, rotations and revocations in force.
//!
//! What it does not do: give what messages say, tell which credentials are on, or keep what it was asked.

mod judge;
mod question;
mod socket;

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinSet, LocalSet};
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

/// Connections at a time: more than operators and their scripts have, and few descriptors.
const TALKS_MAX: usize = 16;

/// From accept to the last byte of the question: whoever connects has it ready.
const ASK_WITHIN: Duration = Duration::from_secs(1);

/// From the first byte of the answer to its last.
const TAKE_WITHIN: Duration = Duration::from_secs(2);

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
        let mut talks = Talks::default();
        let keeper = Rc::new(self);
        let talking = async {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => talks.begin(&keeper, stream).await,
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection at the operators' door");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        let stopped = async {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => {}
                () = talking => {}
            }
        };
        LocalSet::new().run_until(stopped).await;
        Ok(())
    }

    /// One question and one answer. Whoever does not ask in time, or does not take the answer, has had his turn.
    async fn talk(&self, mut stream: UnixStream, give_way: oneshot::Receiver<()>) -> io::Result<()> {
        if !self.socket.admits(stream.peer_cred()?.uid()) {
            return Ok(());
        }
        let asked = tokio::select! {
            biased;
            asked = timeout(ASK_WITHIN, read_line(&mut stream)) => asked,
            Ok(()) = give_way => return tell(&mut stream, &Answer::Busy).await,
        };
        let Ok(asked) = asked else {
            let why = format!("no question came within {} s", ASK_WITHIN.as_secs());
            return tell(&mut stream, &Answer::Failed { why }).await;
        };
        let answer = match serde_json::from_slice(&asked?) {
            Ok(question) => self.answer(&question).await,
            Err(error) => Answer::Failed { why: format!("not a question: {error}") },
        };
        tell(&mut stream, &answer).await
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

/// The connections of the door.
#[derive(Default)]
struct Talks {
    on: JoinSet<()>,
    /// To tell those who have not asked yet to give way, the first one first; closed for those who have.
    silent: VecDeque<oneshot::Sender<()>>,
}

impl Talks {
    /// Begins one more: for it the one goes that has been silent longest, or itself where all have asked.
    async fn begin<S: Storage>(&mut self, keeper: &Rc<Keeper<S>>, mut stream: UnixStream) {
        while self.on.try_join_next().is_some() {}
        self.silent.retain(|one| !one.is_closed());
        if self.on.len() >= TALKS_MAX {
            let Some(longest) = self.silent.pop_front() else {
                // Who is admitted or not is told the same.
                drop(tell(&mut stream, &Answer::Busy).await);
                return;
            };
            // It has asked meanwhile, or goes.
            let _ = longest.send(());
        }
        let (give_way, told) = oneshot::channel();
        self.silent.push_back(give_way);
        let keeper = Rc::clone(keeper);
        self.on.spawn_local(async move { drop(keeper.talk(stream, told).await) });
        // What waits in its socket is read before anybody takes its place.
        tokio::task::yield_now().await;
    }
}

/// Writes an answer, and ends.
async fn tell(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    timeout(TAKE_WITHIN, async {
        stream.write_all(&text).await?;
        stream.shutdown().await
    })
    .await?
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
