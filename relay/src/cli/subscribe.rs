//! `vigie sub`: verified messages as they come, for people or as objects; what does not verify is shown as such.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use vigie_client::{
    CursorStore, Delivery, Exercise, LinkState, Live, OnPlane, StoreError, Subscription, Verified,
};
use vigie_proto::channel::{Filter, Plane};
use vigie_proto::cursor::{Cursor, MalformedCursor};
use vigie_proto::frame::Start;
use vigie_proto::rotation::Rotation;

use super::args::Subscribe;
use super::cap::folder::CapFolder;
use super::channels;
use super::effects::Effects;
use super::exit::{Exit, Failure, Outcome};
use super::export::Export;
use super::render;
use super::screen::{Screen, escape, short};
use super::session::{Session, subscription_ended};
use super::text::Lang;

/// After what to begin: a cursor as a relay gave it, or 0 for all that the log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Beginning,
    Cursor(Cursor),
}

/// Why a text is no place to begin after.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write 0 for all that the log has, or a cursor as a relay gave it")]
pub(super) struct MalformedAfter(#[from] MalformedCursor);

impl FromStr for After {
    type Err = MalformedAfter;

    fn from_str(text: &str) -> Result<Self, MalformedAfter> {
        if text == "0" { Ok(Self::Beginning) } else { Ok(Self::Cursor(text.parse()?)) }
    }
}

impl After {
    const fn start(after: Option<Self>) -> Start {
        match after {
            None => Start::Here,
            Some(Self::Beginning) => Start::Beginning,
            Some(Self::Cursor(cursor)) => Start::After(cursor),
        }
    }
}

pub(super) fn run(session: Session<'_>, args: &Subscribe) -> Outcome {
    let plane = channels::plane(args.exercise);
    let screen = session.screen.on(plane);
    let session = Session { screen: &screen, ..session };
    let ended = match plane {
        Plane::Live => subscribe::<Live>(session, args),
        Plane::Exercise => subscribe::<Exercise>(session, args),
    };
    ended.map_err(|failure| failure.marked(&screen))
}

fn subscribe<P: OnPlane>(session: Session<'_>, args: &Subscribe) -> Outcome {
    let lang = session.screen.lang;
    let filters = args.channels.iter().map(|text| channels::filter(lang, text, P::PLANE));
    let filters = filters.collect::<Result<Vec<Filter>, _>>()?;
    let client = session.client::<P>(None)?;
    let folder = args.cap_dir.as_deref().map(|dir| CapFolder::open(lang, dir)).transpose()?;
    session.block_on(async {
        let relays = client.config().relays.len();
        let rotations = client.config().roots.rotations().cloned().collect();
        let start = After::start(args.after);
        let subscription = match &args.durable {
            None => client.subscribe(filters, start),
            Some(name) => {
                // The name was found among those of the context, so it leads to no other place.
                let dir = session.folder()?.join("cursors").join(session.name()?);
                let durable = CursorStore::open(dir)
                    .and_then(|store| client.subscribe_durable(name, filters, start, &store));
                durable.map_err(|error| store_failed(lang, &error))?
            }
        };
        let listening = Listening {
            screen: session.screen,
            strict: args.strict,
            left: args.count,
            export: Export::default(),
            effects: Effects::default(),
            folder,
            relays,
            rotations,
            was_up: false,
        };
        listening.run(subscription, args.wait).await
    })
}

struct Listening<'a, P: OnPlane> {
    screen: &'a Screen,
    strict: bool,
    /// Verified messages still to come, if they are counted.
    left: Option<u64>,
    export: Export,
    effects: Effects<P>,
    folder: Option<CapFolder>,
    relays: usize,
    /// Those that were installed with the pinned roots.
    rotations: Vec<Arc<Rotation>>,
    was_up: bool,
}

/// What happened first.
enum Turn<P: OnPlane> {
    Delivered(Option<Delivery<P>>),
    Link(Option<LinkState>),
    TimeOut,
    Interrupted,
}

impl<P: OnPlane> Listening<'_, P> {
    async fn run(mut self, mut subscription: Subscription<P>, wait: Option<Duration>) -> Outcome {
        self.installed()?;
        let end = wait.and_then(|wait| Instant::now().checked_add(wait));
        let mut time_out = std::pin::pin!(until(end));
        // One for the whole command: one that comes while a message is shown is not lost.
        let mut interrupted = std::pin::pin!(interrupt());
        let mut states = subscription.states();
        let mut watching = true;
        while self.left != Some(0) {
            let state = async { if watching { states.next().await } else { std::future::pending().await } };
            match first(&mut interrupted, &mut time_out, state, subscription.next()).await {
                Turn::Delivered(Some(delivery)) => {
                    let cursor = place_of(&delivery);
                    self.show(delivery)?;
                    // Only what was shown counts as heard: a crash in between shows it again.
                    if let Some(cursor) = cursor {
                        let committed = subscription.commit(&cursor).await;
                        committed.map_err(|error| store_failed(self.screen.lang, &error))?;
                    }
                }
                Turn::Delivered(None) => return Err(self.ended(&subscription)),
                Turn::Link(Some(state)) => self.told(&state)?,
                Turn::Link(None) => watching = false,
                Turn::Interrupted => return self.over(Exit::Partial),
                Turn::TimeOut => return self.over(Exit::TimedOut),
            }
        }
        Ok(())
    }

    /// What is printed as objects is verified under older pins, too.
    fn installed(&self) -> Outcome {
        let of_plane =
            self.rotations.iter().filter(|rotation| rotation.plane() == P::PLANE && self.screen.json);
        of_plane.into_iter().try_for_each(|rotation| Export::put_rotation(&mut &*self.screen, rotation))
    }

    fn ended(&self, subscription: &Subscription<P>) -> Failure {
        match subscription.end_reason() {
            Some(reason) => subscription_ended(self.screen.lang, reason),
            None => Failure::new(Exit::Failure, self.screen.lang.subscription_over()),
        }
    }

    /// What was asked for did not come in time; without a count, listening for a while was all that was asked.
    fn over(&self, exit: Exit) -> Outcome {
        match self.left {
            Some(left) => Err(Failure::new(exit, self.screen.lang.still_expected(left))),
            None => Ok(()),
        }
    }

    fn show(&mut self, delivery: Delivery<P>) -> Outcome {
        let screen = self.screen;
        match delivery {
            Delivery::Message(verified) => {
                self.left = self.left.map(|left| left.saturating_sub(1));
                self.file(&verified)?;
                if screen.json {
                    self.export.message(screen, &verified)
                } else {
                    let effects = self.effects.of(screen.lang, &verified);
                    screen.line(&render::message(screen, &verified, effects))
                }
            }
            Delivery::Suspect(suspect) if screen.json => Export::suspect(screen, P::PLANE, &suspect),
            Delivery::Suspect(suspect) => screen.line(&render::suspect(screen, &suspect)),
            Delivery::Disowned(disowned) if screen.json => Export::disowned(screen, P::PLANE, &disowned),
            Delivery::Disowned(disowned) => screen.line(&render::disowned(screen, &disowned)),
            Delivery::Rotation(rotation) if screen.json => Export::put_rotation(&mut &*screen, &rotation),
            Delivery::Rotation(rotation) => {
                screen.warn(&screen.lang.rotation_given(render::rotation(screen.lang, &rotation)));
                Ok(())
            }
            Delivery::Gap(gap) => {
                if screen.json {
                    Export::gap(screen, &gap)?;
                } else {
                    screen.line(&render::gap(screen, &gap))?;
                }
                let strict = || Failure::new(Exit::Gap, screen.lang.gap_strict());
                if self.strict { Err(strict()) } else { Ok(()) }
            }
            Delivery::CaughtUp(cursor) if screen.json => Export::caught_up(screen, &cursor),
            Delivery::CaughtUp(cursor) => {
                screen.say(&screen.lang.caught_up(cursor));
                Ok(())
            }
            // Kinds of a later version: an application skips what it does not know.
            _ => Ok(()),
        }
    }

    /// Writes it to the folder, if there is one. A text that XML cannot carry is no reason to stop hearing.
    fn file(&self, verified: &Verified<P>) -> Outcome {
        let Some(folder) = &self.folder else { return Ok(()) };
        let (lang, alert) = (self.screen.lang, &verified.message().content.cap);
        if let Some(why) = folder.write_message(lang, verified.id(), P::PLANE, alert)? {
            let id = short(&verified.id().to_string());
            self.screen.warn(&lang.cap_not_written(id, escape(&why)));
        }
        Ok(())
    }

    /// Tells how the line is. A first line that no relay gives ends the command; one that is lost is sought again.
    fn told(&mut self, state: &LinkState) -> Outcome {
        match state {
            LinkState::Up => {
                self.screen.say(&self.screen.lang.link_up());
                self.was_up = true;
            }
            LinkState::Connecting { attempt, problem: Some(problem) } => {
                let problem = escape(problem);
                let tried = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
                if !self.was_up && tried >= self.relays {
                    return Err(Failure::new(Exit::Unreachable, self.screen.lang.no_relay(problem)));
                }
                self.screen.warn(&self.screen.lang.link_problem(problem));
            }
            LinkState::Stale => self.screen.warn(&self.screen.lang.link_stale()),
            LinkState::Idle | LinkState::Connecting { problem: None, .. } | LinkState::Closed { .. } | _ => {}
        }
        Ok(())
    }
}

/// What happens first; of what has happened already, what stands first here: a backlog that is always ready starves
/// neither the interrupt nor the end.
async fn first<P: OnPlane>(
    interrupted: impl Future<Output = ()>,
    time_out: impl Future<Output = ()>,
    state: impl Future<Output = Option<LinkState>>,
    delivery: impl Future<Output = Option<Delivery<P>>>,
) -> Turn<P> {
    tokio::select! {
        biased;
        () = interrupted => Turn::Interrupted,
        () = time_out => Turn::TimeOut,
        state = state => Turn::Link(state),
        delivery = delivery => Turn::Delivered(delivery),
    }
}

/// The first Ctrl-C; where signals cannot be heard, none.
async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Up to where everything was given with this delivery. A suspect may be a replay of an older place.
fn place_of<P: OnPlane>(delivery: &Delivery<P>) -> Option<Cursor> {
    match delivery {
        Delivery::Message(verified) => Some(verified.cursor()),
        Delivery::CaughtUp(cursor) => Some(*cursor),
        Delivery::Disowned(disowned) => Some(disowned.cursor),
        Delivery::Gap(gap) => gap.to,
        Delivery::Suspect(_) | _ => None,
    }
}

fn store_failed(lang: Lang, error: &StoreError) -> Failure {
    let exit = if matches!(error, StoreError::Name { .. }) { Exit::Usage } else { Exit::Failure };
    Failure::new(exit, lang.durable_failed(escape(&error.to_string())))
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn a_backlog_that_is_always_ready_starves_neither_interrupt_nor_deadline() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let backlog = || ready(None::<Delivery<Live>>);
        let up = || ready(Some(LinkState::Up));
        runtime.block_on(async {
            let turn = first(ready(()), ready(()), up(), backlog()).await;
            assert!(matches!(turn, Turn::Interrupted));
            let turn = first(pending(), ready(()), up(), backlog()).await;
            assert!(matches!(turn, Turn::TimeOut));
            assert!(matches!(first(pending(), pending(), up(), backlog()).await, Turn::Link(Some(_))));
            let turn = first(pending(), pending(), pending(), backlog()).await;
            assert!(matches!(turn, Turn::Delivered(None)));
        });
    }
}
