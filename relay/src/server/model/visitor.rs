//! A reader of the model: it comes to a worker, logs in, subscribes, reads now and then, and leaves for another worker.
//!
//! It stands where the socket and the SDK are in a relay: it takes output when it is woken, as `net::connection` does,
//! and keeps its cursor as the SDK does.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use shuttle::rand::{Rng as _, thread_rng};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{ClientFrame, FromRelay, ServerFrame, Start};
use vigie_proto::id::LogId;
use vigie_proto::session::client::{Dialled, Login, Step};

use super::cast::{Cast, FILTERS};
use super::notes::Note;
use super::run::{BINDING, RELAY, Shared};
use crate::net::sessions::Sessions as _;
use crate::server::worker_thread::Local;
use crate::worker::{Output, SessionId};

/// The interval between marks: the longest, so that nobody is taken for gone by the few steps of time in a run.
pub(super) const MARK_INTERVAL: Duration = Duration::from_secs(300);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Visitor {
    /// Shared with who judges it in the end.
    pub(super) notes: Arc<Mutex<Vec<Note>>>,
    log: Option<LogId>,
    cursor: Option<Cursor>,
    filters: usize,
    requests: u64,
    /// The last request that was answered: what is given until then is given to the one before.
    answered: u64,
    /// How many more unusual things it does.
    whims: u32,
    /// It leaves with what it has just been given, for a worker that may not have dispatched it yet.
    hurried: bool,
    /// It has been given the last message of the run.
    done: bool,
    /// Taken from its outbox at once.
    max_bytes: usize,
}

/// How it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Read,
    Leave,
}

impl Visitor {
    pub(super) fn new() -> Self {
        let mut chance = thread_rng();
        Self {
            notes: Arc::default(),
            log: None,
            cursor: None,
            filters: chance.gen_range(0..FILTERS.len()),
            requests: 0,
            answered: 0,
            whims: chance.gen_range(0..6),
            hurried: chance.gen_ratio(1, 3),
            done: false,
            max_bytes: if chance.r#gen() { 1 } else { 16 * 1024 },
        }
    }

    /// One session, until it leaves.
    pub(super) async fn visit(&mut self, local: &Rc<Local>, shared: &Shared) {
        let id = local.open_session(BINDING, local.now()).expect("the system has random numbers");
        self.write(Note::Session);
        let mut login = Some(Login::new(dialled(&shared.cast)));
        loop {
            let outputs = self.take(local, id).await;
            if login.is_none() && self.has_whim(12) {
                // The line is cut before what was taken comes to it.
                break;
            }
            let head = local.head().seq.get();
            let mut next = Next::Read;
            for output in outputs {
                match output {
                    Output::Ping(number) => local.handle_pong(id, number),
                    Output::Close(_) => {
                        next = Next::Leave;
                        if login.is_none() && !shared.refuses_reads {
                            self.write(Note::Closed);
                        }
                    }
                    Output::Text(text) => {
                        let text = std::str::from_utf8(&text).expect("frames are text");
                        if let Some(state) = &mut login {
                            match state.handle_frame(text) {
                                Ok(Step::Send(frame)) => {
                                    local.handle_frame(id, &frame);
                                }
                                Ok(Step::Wait) => {}
                                // Time moved, and it took too long.
                                Err(_) => next = Next::Leave,
                                Ok(Step::Open(_)) => {
                                    login = None;
                                    self.subscribe(local, id, self.resume());
                                }
                            }
                        } else {
                            self.note(text, head, shared);
                        }
                    }
                }
            }
            if next == Next::Leave {
                break;
            }
            if self.hurried && self.cursor.is_some() && self.has_whim(2) {
                break;
            }
            if login.is_none() {
                self.follow_whims(local, id, shared).await;
            }
        }
        local.close_session(id);
        // A scheduler with priorities would else let it come back for ever while nobody else moves.
        shuttle::future::yield_now().await;
    }

    fn write(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    async fn take(&self, local: &Local, id: SessionId) -> Vec<Output> {
        std::future::poll_fn(|cx| {
            local.set_waker(id, cx.waker());
            let outputs = local.take_output(id, self.max_bytes);
            if outputs.is_empty() { Poll::Pending } else { Poll::Ready(outputs) }
        })
        .await
    }

    /// One time in so many, as long as it has whims left and is not done.
    fn has_whim(&mut self, one_in: u32) -> bool {
        let has = !self.done && self.whims > 0 && thread_rng().gen_ratio(1, one_in);
        self.whims -= u32::from(has);
        has
    }

    fn resume(&self) -> Start {
        match self.cursor {
            Some(cursor) => Start::After(cursor),
            None if thread_rng().r#gen() => Start::Beginning,
            None => Start::Here,
        }
    }

    fn subscribe(&mut self, local: &Local, id: SessionId, start: Start) {
        self.requests += 1;
        let (re, filters) = (self.requests, self.filters);
        let channels = FILTERS[filters].iter().map(|filter| (*filter).into()).collect();
        self.write(Note::Asked { re, filters, start });
        let frame = ClientFrame::Subscribe { n: re, channels, after: start.to_after().map(Into::into) };
        local.handle_frame(id, &frame.to_text());
    }

    async fn follow_whims(&mut self, local: &Local, id: SessionId, shared: &Shared) {
        if self.has_whim(8) {
            self.filters = thread_rng().gen_range(0..FILTERS.len());
            let start = if thread_rng().gen_ratio(1, 3) { Start::Beginning } else { Start::Here };
            self.subscribe(local, id, start);
        }
        if self.has_whim(8) {
            shared.time.step();
            local.handle_timeout();
        }
        if self.has_whim(4) {
            shared.stall().await;
        }
    }

    fn note(&mut self, text: &str, head: u64, shared: &Shared) {
        let Ok(FromRelay::Known(frame)) = ServerFrame::parse(text) else { panic!("not a frame: {text}") };
        #[expect(clippy::wildcard_enum_match_arm, reason = "the other frames are not about what is given")]
        let (note, seq) = match frame {
            ServerFrame::Subscribed { re, log, seq, .. } => {
                self.log = Some(log);
                self.answered = re;
                (Note::Subscribed { re, seq: seq.get() }, seq)
            }
            ServerFrame::Event { seq, admitted, jws } => {
                let log = self.log.expect("`subscribed` came before");
                self.cursor = Some(Cursor { log, seq, admitted });
                (Note::Event { seq: seq.get(), admitted, jws: jws.into_owned(), head }, seq)
            }
            ServerFrame::Mark { log, seq, admitted, head: claimed, .. } => {
                let at = Cursor { log, seq, admitted };
                self.cursor = Some(at);
                (Note::Mark { at, claimed_head: claimed.get(), head }, seq)
            }
            ServerFrame::Chain { .. } => (Note::Chain, Default::default()),
            ServerFrame::Gap { .. } => (Note::Gap, Default::default()),
            _ => return,
        };
        self.write(note);
        if !self.done && self.answered == self.requests && seq.get() == shared.last {
            self.done = true;
            shared.one_is_done();
        }
    }
}

fn dialled(cast: &Cast) -> Dialled {
    Dialled {
        key: Arc::clone(&cast.key),
        chain: Arc::clone(&cast.chain),
        relay: RELAY.to_owned(),
        binding: BINDING,
        mark_interval: MARK_INTERVAL,
        revocations: None,
    }
}
