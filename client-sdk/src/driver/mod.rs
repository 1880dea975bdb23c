//! A task behind a [`crate::Client`], one for each relay: owns the publishing session and everything that waits for a
//! receipt there.
//!
//! It dials when there is something to send, hands publishes to the line in their order, and answers each of them once.
//! A broken line is replaced while anything waits, and what has no answer is handed over again: the relay knows it by
//! its id. With nothing to send a lost line is not replaced. It ends when the last handle of the client is dropped.

mod in_flight;

use std::pin::pin;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use vigie_proto::frame::{FromRelay, HeldRevocations, ServerFrame};
use vigie_proto::id::CredentialId;
use vigie_proto::refusal::Refusal;
use vigie_proto::session::client::Welcomed;

pub(crate) use self::in_flight::{Abandoned, Command, Failed, IN_FLIGHT_MAX};
use self::in_flight::{InFlight, WrongReceipt};
use crate::connect::{Connector, Ended, Pace};
use crate::dial::{Incoming, Line};
use crate::link::{LinkError, LinkState, refusal};
use crate::publish::{Reach, Receipt};

#[derive(Debug)]
pub(crate) struct Driver {
    commands: mpsc::Receiver<Command>,
    in_flight: InFlight,
    connector: Connector,
    problem: watch::Receiver<LinkError>,
    /// How far the line was given revocations. They are not kept: an author has no use for them, nor for being given
    /// them again.
    held: Option<HeldRevocations>,
}

/// Every handle of the client was dropped, so nobody waits for an answer.
struct HandlesGone;

impl Driver {
    pub(crate) fn new(commands: mpsc::Receiver<Command>, connector: Connector, own: CredentialId) -> Self {
        let problem = connector.problems();
        Self { commands, in_flight: InFlight::new(own), connector, problem, held: None }
    }

    pub(crate) async fn run(mut self) {
        // An `Err` is the end of the last handle, which is the end of this task.
        let HandlesGone = loop {
            if let Err(gone) = self.turn().await {
                break gone;
            }
        };
        self.connector.set_state(LinkState::Closed { code: None });
    }

    /// One line, from the first publish that needs it to its loss.
    async fn turn(&mut self) -> Result<(), HandlesGone> {
        if self.in_flight.is_empty() {
            self.connector.set_state(LinkState::Idle);
            let command = self.commands.recv().await.ok_or(HandlesGone)?;
            self.in_flight.handle_publish(command);
        }
        match self.connect().await? {
            None => {}
            Some(Err(refusal)) => self.in_flight.handle_shut_out(&refusal),
            Some(Ok((line, welcomed))) => {
                let ended = self.serve(line, Pace::of(&welcomed)).await?;
                self.in_flight.handle_lost();
                self.connector.handle_lost(ended);
            }
        }
        Ok(())
    }

    /// Seeks a line while anything waits for one; `None` when nothing does any more.
    async fn connect(&mut self) -> Result<Option<Result<(Line, Welcomed), Refusal>>, HandlesGone> {
        let Self { commands, in_flight, connector, problem, held } = self;
        let mut connecting = pin!(connector.connect(*held));
        loop {
            let Some(deadline) = in_flight.poll_timeout() else { return Ok(None) };
            tokio::select! {
                biased;
                open = &mut connecting => return Ok(Some(open)),
                command = commands.recv() => in_flight.handle_publish(command.ok_or(HandlesGone)?),
                () = tokio::time::sleep_until(deadline) => {
                    in_flight.handle_timeout(Instant::now(), &problem.borrow());
                }
            }
        }
    }

    async fn serve(&mut self, mut line: Line, pace: Pace) -> Result<Ended, HandlesGone> {
        let Self { commands, in_flight, problem, held, .. } = self;
        let mut heard = Instant::now();
        let mut alive = tokio::time::interval(pace.alive);
        loop {
            while let Some(frame) = in_flight.poll_frame() {
                line.queue(frame);
            }
            let deadline = in_flight.poll_timeout();
            tokio::select! {
                biased;
                incoming = line.next() => {
                    heard = Instant::now();
                    match incoming {
                        Ok(Incoming::Alive) => {}
                        Ok(Incoming::Text(text)) => {
                            if let Err(ended) = handle_text(in_flight, held, &text, &mut line) {
                                return Ok(ended);
                            }
                        }
                        Err(error) => return Ok(error.into()),
                    }
                }
                command = commands.recv() => in_flight.handle_publish(command.ok_or(HandlesGone)?),
                () = tokio::time::sleep_until(deadline.unwrap_or(heard)), if deadline.is_some() => {
                    in_flight.handle_timeout(Instant::now(), &problem.borrow());
                }
                () = tokio::time::sleep_until(heard + pace.stale) => {
                    // A part of a frame is a sign of life too.
                    if line.heard() > heard {
                        heard = line.heard();
                        continue;
                    }
                    return Ok(LinkError::Stale { relay: line.relay().clone() }.into());
                }
                // A session that subscribes to nothing may hear nothing: ask.
                _ = alive.tick() => line.queue_ping(),
            }
        }
    }
}

/// Takes a frame of the relay; an `Err` ends the line.
fn handle_text(
    in_flight: &mut InFlight,
    held: &mut Option<HeldRevocations>,
    text: &str,
    line: &mut Line,
) -> Result<(), Ended> {
    let frame = match ServerFrame::parse(text) {
        Ok(FromRelay::Known(frame)) => frame,
        Ok(FromRelay::Later) => return Ok(()),
        Err(error) => return Err(line.violation(error.to_string()).into()),
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other frames are of subscriptions, now and later"
    )]
    match frame {
        ServerFrame::Receipt { re, id, log, seq, admitted } => {
            let wrong = "a receipt for another message than was sent under its number";
            let taken = in_flight.handle_receipt(re, Receipt { id, log, seq, admitted });
            taken.map_err(|WrongReceipt| line.violation(wrong.to_owned()).into())
        }
        ServerFrame::Accepted { re } => {
            in_flight.handle_accepted(re);
            Ok(())
        }
        ServerFrame::Reach { id, live, behind } => {
            in_flight.handle_reach(id, Reach { live, behind });
            Ok(())
        }
        ServerFrame::Revocation { log, count, .. } => {
            *held = Some(HeldRevocations { log, count });
            Ok(())
        }
        ServerFrame::Refused { re: Some(re), code, detail, credential } => {
            in_flight.handle_refused(re, refusal(&code, &detail, credential));
            Ok(())
        }
        frame => ended_by(&frame, line).map_or(Ok(()), Err),
    }
}

/// Whether a frame ends the line: a refusal that is of no request, or a relay that goes.
pub(crate) fn ended_by(frame: &ServerFrame<'_>, line: &Line) -> Option<Ended> {
    let relay = line.relay().clone();
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other frame ends a line")]
    match frame {
        ServerFrame::Refused { re: None, code, detail, credential } => {
            Some(LinkError::Refused { relay, refusal: refusal(code, detail, *credential) }.into())
        }
        ServerFrame::GoingAway { retry_ms } => Some(Ended {
            error: LinkError::Lost { relay, what: "the relay goes away".to_owned() },
            hint: Some(std::time::Duration::from_millis(*retry_ms)),
        }),
        _ => None,
    }
}
