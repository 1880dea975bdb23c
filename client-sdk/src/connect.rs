//! From a list of relays to an open line: tries, waits, tries the next. Shared by the publishing driver and each
//! subscription, so that both treat a bad network alike.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use vigie_proto::frame::HeldRevocations;
use vigie_proto::limits::{MARK_INTERVAL_MAX, STALE_MARK_INTERVALS_TENTHS};
use vigie_proto::refusal::Refusal;
use vigie_proto::session::client::Welcomed;

use crate::backoff::Backoff;
use crate::dial::{Dialler, Line};
use crate::link::{LinkError, LinkState, StateLamp};

/// A line that lived this long was good: the waits begin anew. Below it, a relay that lets in and throws out at once
/// would be dialled without pause.
const STEADY: Duration = Duration::from_secs(10);

/// How an open line ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) error: LinkError,
    /// How long the relay asked to stay away, when it said that it goes.
    pub(crate) hint: Option<Duration>,
}

impl From<LinkError> for Ended {
    fn from(error: LinkError) -> Self {
        Self { error, hint: None }
    }
}

/// How long a line may be silent, and how often it is to be kept alive, from what `welcome` said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) alive: Duration,
    pub(crate) stale: Duration,
}

/// Below it a relay would have us do nothing but keep alive.
const MARK_INTERVAL_LEAST: Duration = Duration::from_millis(10);

impl Pace {
    pub(crate) fn of(welcomed: &Welcomed) -> Self {
        let alive = welcomed.mark_interval.clamp(MARK_INTERVAL_LEAST, MARK_INTERVAL_MAX);
        Self { alive, stale: alive * STALE_MARK_INTERVALS_TENTHS / 10 }
    }
}

#[derive(Debug)]
pub(crate) struct Connector {
    dialler: Arc<Dialler>,
    backoff: Backoff,
    lamp: StateLamp,
    /// Not before then.
    next_try: Instant,
    /// When the present or last line was opened.
    opened: Instant,
    /// Tries in a row that ended in a refusal that will not change.
    shut_out: usize,
    problem: Option<LinkError>,
    /// `problem` for others, while [`Connector::connect`] is under way.
    last_problem: watch::Sender<LinkError>,
}

impl Connector {
    pub(crate) fn new(dialler: Arc<Dialler>, backoff: Backoff, lamp: StateLamp) -> Self {
        let now = Instant::now();
        let (last_problem, _) = watch::channel(LinkError::TimedOut { relay: backoff.relay().clone() });
        Self { dialler, backoff, lamp, next_try: now, opened: now, shut_out: 0, problem: None, last_problem }
    }

    /// Opens a line, however long it takes; `held` is what need not be given again. Cancel safe: asked again, it waits no less.
    ///
    /// # Errors
    /// The refusal, when every relay in turn refused for good.
    pub(crate) async fn connect(
        &mut self,
        held: Option<HeldRevocations>,
    ) -> Result<(Line, Welcomed), Refusal> {
        loop {
            // `Stale` stands until the first try after it has failed too.
            if !matches!(self.problem, Some(LinkError::Stale { .. })) {
                self.set_state(LinkState::Connecting {
                    attempt: self.backoff.attempt(),
                    problem: self.problem.as_ref().map(ToString::to_string),
                });
            }
            tokio::time::sleep_until(self.next_try).await;
            let error = match self.dialler.dial(self.backoff.relay(), held).await {
                Ok(open) => {
                    self.shut_out = 0;
                    self.opened = Instant::now();
                    self.set_state(LinkState::Up);
                    return Ok(open);
                }
                Err(error) => error,
            };
            tracing::debug!(%error, "no line");
            let refusal = error.permanent_refusal().cloned();
            self.next_try = Instant::now() + self.backoff.handle_failed(None);
            self.note(error);
            self.shut_out = if refusal.is_some() { self.shut_out + 1 } else { 0 };
            if let Some(refusal) = refusal
                && self.shut_out >= self.backoff.relays()
            {
                self.shut_out = 0;
                return Err(refusal);
            }
        }
    }

    /// The line that [`Connector::connect`] gave is lost.
    pub(crate) fn handle_lost(&mut self, ended: Ended) {
        let Ended { error, hint } = ended;
        tracing::debug!(%error, "line lost");
        if self.opened.elapsed() >= STEADY {
            self.backoff.handle_steady();
        }
        let wait = match hint {
            Some(_) => self.backoff.handle_failed(hint),
            None => self.backoff.handle_lost(),
        };
        self.next_try = Instant::now() + wait;
        if matches!(error, LinkError::Stale { .. }) {
            self.set_state(LinkState::Stale);
        }
        self.note(error);
    }

    fn note(&mut self, error: LinkError) {
        self.last_problem.send_replace(error.clone());
        self.problem = Some(error);
    }

    /// Why there is no line, as it changes; before the first failure, that none came to be in time.
    pub(crate) fn problems(&self) -> watch::Receiver<LinkError> {
        self.last_problem.subscribe()
    }

    pub(crate) fn set_state(&self, state: LinkState) {
        self.lamp.set(state);
    }
}
