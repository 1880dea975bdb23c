//! One of very many readers: it listens, loses its line, waits as the SDK does, comes back and goes on from its cursor.
//!
//! It checks that what it is given is what was published, to the byte, in order, each once over all its lines.

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use vigie_client::Identity;
use vigie_client::proto::cursor::Cursor;
use vigie_client::proto::frame::{FromRelay, ServerFrame};
use vigie_client::proto::id::LogId;

use crate::line::{Came, Line, Tls};

/// What all hear.
const CHANNEL: &str = "alert/fr.idf.75.paris";
/// How long the SDK tries to connect, and how long a line of its may be silent.
const DIAL_DEADLINE: Duration = Duration::from_secs(10);
const STALE: Duration = Duration::from_secs(12);
/// Readers that share an address: fewer than a relay takes strangers of one.
const PER_ADDRESS: usize = 60;

/// When each message is meant to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) start: Instant,
    pub(crate) every: Duration,
}

impl Schedule {
    /// That of the message at this place of the log: the first is at 1.
    pub(crate) fn due(&self, seq: u64) -> Instant {
        self.start + self.every * u32::try_from(seq - 1).unwrap()
    }
}

/// What all readers share.
pub(crate) struct Stage {
    pub(crate) tls: Tls,
    pub(crate) address: String,
    pub(crate) who: Identity,
    /// In the order of the log.
    pub(crate) published: RwLock<Vec<Arc<str>>>,
    pub(crate) schedule: OnceLock<Schedule>,
    /// So many may connect at once: a few at first, all in the storm.
    pub(crate) door: Semaphore,
    pub(crate) resumed: mpsc::Sender<Resumed>,
    /// Who has been given so many messages is done.
    pub(crate) target: watch::Receiver<u64>,
}

/// A reader has been given all that there was when it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resumed {
    pub(crate) reader: usize,
    pub(crate) at: Instant,
    /// Times that it tried to connect for that.
    pub(crate) tries: u32,
    /// Lines before this one.
    pub(crate) lines: u32,
}

/// A wait as the SDK has it (`client-sdk/src/backoff.rs`): evenly between zero and a ceiling that doubles from 0.5 to 60 s,
/// after what the relay asked for when it went.
#[derive(Debug)]
pub(crate) struct Waits {
    failed: u32,
    state: u64,
}

impl Waits {
    pub(crate) fn new(seed: usize) -> Self {
        Self { failed: 0, state: seed as u64 }
    }

    pub(crate) fn next(&mut self, hint: Duration) -> Duration {
        let ceiling = Duration::from_millis(500 << self.failed.min(7)).min(Duration::from_secs(60));
        self.failed += 1;
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hint + ceiling.mul_f64((mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64)
    }
}

/// How a line ended.
enum Over {
    /// Everything was given.
    Done,
    Lost(String),
    /// The relay goes, and asks to wait so long.
    GoingAway(Duration),
}

/// One reader.
pub(crate) struct Reader {
    stage: Arc<Stage>,
    number: usize,
    cursor: Option<Cursor>,
    /// Messages given so far, over all lines: the place of the last one.
    given: u64,
    /// Of messages that were meant to be sent while this was live: the place, and how long it took.
    took: Vec<(u64, Duration)>,
    waits: Waits,
    tries: u32,
    lines: u32,
    problems: Vec<String>,
}

/// What one reader saw.
pub(crate) struct Seen {
    pub(crate) took: Vec<(u64, Duration)>,
    /// Why it had to try again.
    pub(crate) problems: Vec<String>,
}

impl Reader {
    pub(crate) fn new(stage: Arc<Stage>, number: usize) -> Self {
        let (waits, took, problems) = (Waits::new(number), Vec::new(), Vec::new());
        Self { stage, number, cursor: None, given: 0, took, waits, tries: 0, lines: 0, problems }
    }

    /// Until it has been given all that it should.
    pub(crate) async fn run(mut self) -> Seen {
        loop {
            self.tries += 1;
            let mut hint = Duration::ZERO;
            match self.line().await {
                Ok(Over::Done) => return Seen { took: self.took, problems: self.problems },
                Ok(Over::GoingAway(wait)) => hint = wait,
                Ok(Over::Lost(why)) => self.problems.push(why),
                Err(error) => self.problems.push(format!("{error:#}")),
            }
            tokio::time::sleep(self.waits.next(hint)).await;
        }
    }

    /// One line, from its connection to its end.
    async fn line(&mut self) -> anyhow::Result<Over> {
        let stage = Arc::clone(&self.stage);
        let place = u16::try_from(1 + self.number / PER_ADDRESS)?.to_be_bytes();
        let from = Ipv4Addr::new(127, 2, place[0], place[1]);
        let permit = stage.door.acquire().await?;
        let log_in = Line::try_log_in(&stage.tls, &stage.address, &stage.who, from);
        let mut line = timeout(DIAL_DEADLINE, log_in).await??;
        drop(permit);
        let after = self.cursor.map_or_else(|| "start".to_owned(), |cursor| cursor.to_string());
        line.subscribe_after(CHANNEL, &after).await?;
        let over = self.listen(&mut line).await;
        self.lines += 1;
        Ok(over)
    }

    async fn listen(&mut self, line: &mut Line) -> Over {
        let mut target = self.stage.target.clone();
        let (mut log, mut live_since) = (None, None);
        while self.given < *target.borrow_and_update() {
            let text = tokio::select! {
                came = timeout(STALE, line.next()) => match came {
                    Ok(Came::Text(text)) => text,
                    Ok(Came::Ended(why)) => return Over::Lost(why),
                    Err(_) => return Over::Lost("silent".to_owned()),
                },
                _ = target.changed() => continue,
            };
            let FromRelay::Known(frame) = ServerFrame::parse(&text).unwrap() else { panic!("{text}") };
            if let ServerFrame::GoingAway { retry_ms } = frame {
                return Over::GoingAway(Duration::from_millis(retry_ms));
            }
            assert!(!matches!(frame, ServerFrame::Refused { .. } | ServerFrame::Gap { .. }), "{text}");
            self.hear(&frame, &mut log, &mut live_since).await;
        }
        Over::Done
    }

    async fn hear(
        &mut self,
        frame: &ServerFrame<'_>,
        log: &mut Option<LogId>,
        live_since: &mut Option<Instant>,
    ) {
        let now = Instant::now();
        #[expect(clippy::wildcard_enum_match_arm, reason = "chains and the like are for those who verify")]
        match frame {
            ServerFrame::Subscribed { log: this, seq, .. } => {
                assert_eq!(seq.get(), self.given, "it goes on where it was");
                *log = Some(*this);
            }
            ServerFrame::Event { seq, admitted, jws } => {
                self.given += 1;
                assert_eq!(seq.get(), self.given, "in order, each once");
                let published = self.stage.published.read().unwrap();
                let message = published.get(usize::try_from(self.given - 1).unwrap());
                assert_eq!(message.map(|message| &**message), Some(&**jws), "to the byte");
                let log = log.expect("the subscription was answered");
                self.cursor = Some(Cursor { log, seq: *seq, admitted: *admitted });
                let due = self.stage.schedule.get().unwrap().due(self.given);
                if live_since.is_some_and(|since| since < due) {
                    self.took.push((self.given, now - due));
                }
            }
            ServerFrame::Mark { log, seq, admitted, head, .. } => {
                assert_eq!(seq.get(), self.given, "a mark stands where all was given");
                self.cursor = Some(Cursor { log: *log, seq: *seq, admitted: *admitted });
                if live_since.is_none() && seq >= head {
                    *live_since = Some(now);
                    let Self { number: reader, tries, lines, .. } = *self;
                    self.tries = 0;
                    let resumed = Resumed { reader, at: now, tries, lines };
                    self.stage.resumed.send(resumed).await.expect("the test listens");
                }
            }
            _ => {}
        }
    }
}
