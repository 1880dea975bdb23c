//! What an application hears: a stream of deliveries that resumes by itself, and the task that feeds it.
//!
//! The task owns one session and a [`Reader`]. It puts all deliveries of a frame into a bounded channel before it
//! reads the next frame; a full channel stops the reading, and so, through TCP, the relay, which then serves this
//! session from its journal. After a cut it goes on after the last frame whose deliveries were put.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_util::{FutureExt as _, Stream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{FromRelay, ServerFrame};
use vigie_proto::refusal::Refusal;

use crate::clock;
use crate::commits::Commits;
use crate::connect::{Connector, Ended, Pace};
use crate::delivery::Delivery;
use crate::dial::{Incoming, Line};
use crate::driver::ended_by;
use crate::link::{LinkError, LinkState, LinkStates, refusal};
use crate::plane::OnPlane;
use crate::reader::Reader;
use crate::store::StoreError;

/// Deliveries that wait for the application. Enough to even out a slow moment; of the largest size they take 16 MiB.
const WAITING_MAX: usize = 64;

/// Why a subscription ended by itself. Subscribe again once the cause is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndReason {
    /// No relay lets this identity in: its credential has expired, its root is unknown there, or the like.
    #[error("no relay lets this identity in: {0}")]
    ShutOut(Refusal),
    /// The relay refuses what was asked to be heard: not granted, outside the territory, too many filters.
    #[error("the subscription is refused: {0}")]
    Refused(Refusal),
}

impl EndReason {
    /// The refusal behind it.
    pub const fn refusal(&self) -> &Refusal {
        match self {
            Self::ShutOut(refusal) | Self::Refused(refusal) => refusal,
        }
    }
}

/// A stream of deliveries, in the order of the log, each message once. It ends only when a relay refuses for good;
/// then [`Subscription::end_reason`] says why. Dropping it ends its session.
#[derive(Debug)]
pub struct Subscription<P: OnPlane> {
    deliveries: mpsc::Receiver<Delivery<P>>,
    end: Arc<OnceLock<EndReason>>,
    state: watch::Receiver<LinkState>,
    commits: Arc<Commits>,
}

impl<P: OnPlane> Subscription<P> {
    pub(crate) fn start(
        reader: Reader<P>,
        connector: Connector,
        state: watch::Receiver<LinkState>,
        commits: Commits,
    ) -> Self {
        let (put, deliveries) = mpsc::channel(WAITING_MAX);
        let end = Arc::new(OnceLock::new());
        let feeder = Feeder { reader, put, connector, end: Arc::clone(&end) };
        // Owned by the subscription: it ends when `deliveries` is dropped.
        tokio::spawn(feeder.run());
        Self { deliveries, end, state, commits: Arc::new(commits) }
    }

    /// The next delivery; `None` when the subscription has ended.
    ///
    /// Cancel safe: no delivery is lost.
    pub async fn next(&mut self) -> Option<Delivery<P>> {
        let delivery = self.deliveries.recv().await;
        #[cfg(feature = "sabotage")]
        if let Some(Delivery::Message(given)) = &delivery
            && vigie_proto::sabotage::Sabotage::CursorCommittedTooEarly.is_planted()
        {
            let _ = self.commits.commit_blocking(given.cursor());
        }
        delivery
    }

    /// Why it ended, once [`Subscription::next`] gave `None`.
    pub fn end_reason(&self) -> Option<&EndReason> {
        self.end.get()
    }

    /// Notes that everything up to `cursor` has been dealt with by the application. Commit in the order of the
    /// deliveries: what is committed last is where it goes on.
    ///
    /// A durable subscription ([`crate::Client::subscribe_durable`]) has it on disk when this returns: after a restart it
    /// goes on behind it, and what was given since the last commit is given again, under the same ids. Any other keeps
    /// it in memory only.
    ///
    /// **Cancel safety**: a commit that was begun goes on; whether it took place is told by the next start.
    ///
    /// # Errors
    /// [`StoreError::Io`]: it may be on disk or not. Committing again, this cursor or a later one, is safe.
    pub async fn commit(&self, cursor: &Cursor) -> Result<(), StoreError> {
        Commits::commit(&self.commits, *cursor).await
    }

    /// As [`Subscription::commit`], for a thread that may wait for the disk: never within async code.
    ///
    /// # Errors
    /// As [`Subscription::commit`].
    pub fn commit_blocking(&self, cursor: &Cursor) -> Result<(), StoreError> {
        self.commits.commit_blocking(*cursor)
    }

    /// The last cursor that was committed, by this process or, where it is durable, one before it.
    pub fn committed(&self) -> Option<Cursor> {
        self.commits.last()
    }

    /// How its session is doing now.
    pub fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// How its session is doing, as it changes.
    pub fn states(&self) -> LinkStates {
        LinkStates(self.state.clone())
    }
}

impl<P: OnPlane> Stream for Subscription<P> {
    type Item = Delivery<P>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery<P>>> {
        self.deliveries.poll_recv(cx)
    }
}

/// The task behind a subscription.
struct Feeder<P: OnPlane> {
    reader: Reader<P>,
    put: mpsc::Sender<Delivery<P>>,
    connector: Connector,
    end: Arc<OnceLock<EndReason>>,
}

/// How a line stopped being of use.
enum Over {
    /// Seek another.
    Lost(Ended),
    /// No other will do.
    End(EndReason),
    /// The subscription was dropped.
    Dropped,
}

impl<P: OnPlane> Feeder<P> {
    async fn run(mut self) {
        let end = loop {
            let open = tokio::select! {
                biased;
                () = self.put.closed() => break None,
                open = self.connector.connect(self.reader.held_revocations()) => open,
            };
            let over = match open {
                Err(refusal) => Over::End(EndReason::ShutOut(refusal)),
                Ok((mut line, welcomed)) => {
                    line.queue(self.reader.handle_open());
                    self.feed(line, Pace::of(&welcomed)).await
                }
            };
            match over {
                Over::Lost(ended) => self.connector.handle_lost(ended),
                Over::End(reason) => break Some(reason),
                Over::Dropped => break None,
            }
        };
        let code = end.as_ref().map(|reason| reason.refusal().code);
        if let Some(reason) = end {
            // Set once, here, before the channel is closed: whoever sees the end sees the reason.
            let _ = self.end.set(reason);
        }
        self.connector.set_state(LinkState::Closed { code });
    }

    async fn feed(&mut self, mut line: Line, pace: Pace) -> Over {
        loop {
            let text = tokio::select! {
                biased;
                () = self.put.closed() => return Over::Dropped,
                incoming = line.next_within(pace.stale) => match incoming {
                    Ok(Incoming::Text(text)) => text,
                    Ok(Incoming::Alive) => continue,
                    Err(error) => return Over::Lost(error.into()),
                },
            };
            let frame = match ServerFrame::parse(&text) {
                Ok(FromRelay::Known(frame)) => frame,
                Ok(FromRelay::Later) => continue,
                Err(error) => return Over::Lost(line.violation(error.to_string()).into()),
            };
            if let Some(over) = self.over_by(&frame, &line) {
                return over;
            }
            for delivery in self.reader.handle_frame(frame, clock::now()) {
                if let Err(over) = self.put(delivery, &mut line, pace).await {
                    return over;
                }
            }
        }
    }

    /// Whether a frame ends the line or the subscription.
    fn over_by(&self, frame: &ServerFrame<'_>, line: &Line) -> Option<Over> {
        if let ServerFrame::Refused { re: Some(re), code, detail, credential } = frame
            && *re == self.reader.request()
        {
            let refusal = refusal(code, detail, *credential);
            return Some(if refusal.code.is_temporary() {
                Over::Lost(LinkError::Refused { relay: line.relay().clone(), refusal }.into())
            } else {
                Over::End(EndReason::Refused(refusal))
            });
        }
        ended_by(frame, line).map(Over::Lost)
    }

    /// Puts a delivery into the channel. While that is full nothing is read, and the relay is shown that we live.
    /// A line that is lost meanwhile is noticed by the next read: what was given is put first.
    async fn put(&self, delivery: Delivery<P>, line: &mut Line, pace: Pace) -> Result<(), Over> {
        let mut alive = tokio::time::interval_at(Instant::now() + pace.alive, pace.alive);
        loop {
            tokio::select! {
                biased;
                room = self.put.reserve() => {
                    room.map_err(|_| Over::Dropped)?.send(delivery);
                    return Ok(());
                }
                _ = alive.tick() => {
                    line.queue_pong();
                    // What the socket does not take at once is not waited for: the room is.
                    let _ = line.write().now_or_never();
                }
            }
        }
    }
}
