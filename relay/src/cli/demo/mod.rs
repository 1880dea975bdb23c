//! `vigie demo`: the main job, played before your eyes, with nothing to prepare.
//!
//! ```text
//! scenes   what is said, by whom, and what must become of it         (a table)
//! stage    a folder of throw-away trust, a real relay on loopback, clients of the SDK
//! craft    the signed messages, the honest and the forged;   lies, liar   a relay that has been taken over
//! play     publishes and listens through the SDK only;       ears         those who listen
//! expect   judges what was seen against the table;           show, text   tells it
//! ```
//!
//! It cannot pass while false: every expectation is data, each is checked, silence counts only where it is proved, and
//! the same scenes are run in tests against relays with a bug planted on purpose.
//!
//! What it deliberately does not do: reach anything but loopback, keep anything after its end.

mod scenes;
mod expect;
mod stage;
mod craft;
mod ears;
mod lies;
mod liar;
mod play;
mod show;
mod text;

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub use self::expect::Counts;
use self::expect::Notes;
use self::play::{Play, Stopped};
pub use self::scenes::{Seat, audience};
use self::show::Show;
use self::stage::Stage;
use super::args;
use super::exit::{Exit, Failure, Outcome};
use super::relay::Signals;
use super::screen::Screen;
use crate::config::RelayConfig;

/// From the start to the end of the scenes. They take a second or two; a machine that needs longer than this shows
/// nothing any more.
const DEADLINE: Duration = Duration::from_secs(60);

/// Plays the demo; with `--once` it ends after the scenes, else it stays for others to join until it is interrupted.
pub(super) fn run(screen: &Screen, args: &args::Demo) -> Outcome {
    let (started, show) = (Instant::now(), Show::new(screen));
    on_stage(
        screen,
        |_| {},
        async |stage, mut end| {
            let mut play = Play::new(stage, &show, started).map_err(failure)?;
            let notes = perform(screen, &mut play, &mut end).await?;
            let broken = notes.broken();
            show.sums(&notes, &broken, (!args.once).then_some(stage))?;
            if !args.once {
                show.joining(stage)?;
                stay(&show, play, &mut end).await?;
            }
            if broken.is_empty() { Ok(()) } else { Err(Failure::quiet(Exit::Failure)) }
        },
    )
}

/// What asks the demo to end: what asks a relay to stop, and a terminal that was closed.
pub(super) struct End {
    signals: Signals,
    hang_up: Signal,
}

impl End {
    fn listen() -> Result<Self, Failure> {
        let hang_up = signal(SignalKind::hangup());
        let hang_up = hang_up.map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
        Ok(Self { signals: Signals::listen()?, hang_up })
    }

    /// Cancel safe.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            biased;
            () = self.signals.next() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Sets the stage, with a relay whose settings may be changed, acts on it, and strikes it, whatever happens.
pub(super) fn on_stage<T>(
    screen: &Screen,
    change: impl FnOnce(&mut RelayConfig),
    act: impl AsyncFnOnce(&Stage, End) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let system = |error: std::io::Error| Failure::new(Exit::Failure, error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    // Before there is a folder: from here on an interruption ends in its removal.
    let end = runtime.block_on(async { End::listen() })?;
    let stage = Stage::set(screen, change)?;
    let ended = runtime.block_on(act(&stage, end));
    // The clients' tasks go with their runtime, so the relay is alone when it stops.
    runtime.shutdown_background();
    stage.strike(screen.lang)?;
    ended
}

/// Plays the scenes, and returns what was seen of those that were played in time.
async fn perform(screen: &Screen, play: &mut Play<'_>, end: &mut End) -> Result<Notes, Failure> {
    let mut notes = Notes::default();
    tokio::select! {
        biased;
        () = end.asked() => return Err(Failure::new(Exit::Failure, text::interrupted(screen.lang))),
        played = tokio::time::timeout(DEADLINE, play.perform(&mut notes)) => match played {
            Ok(played) => played.map_err(failure)?,
            // What was not played is told as broken.
            Err(_) => screen.warn(text::overdue(screen.lang)),
        },
    }
    Ok(notes)
}

/// Shows what is heard until somebody interrupts.
async fn stay(show: &Show<'_>, play: Play<'_>, end: &mut End) -> Outcome {
    let mut heard = select_all(play.into_ears().into_iter().map(ears::Ear::into_messages));
    loop {
        tokio::select! {
            biased;
            () = end.asked() => return Ok(()),
            Some(said) = heard.next() => show.later(&said)?,
        }
    }
}

/// A failure of the screen comes back as it was; all else is told.
fn failure(error: anyhow::Error) -> Failure {
    match error.downcast::<Stopped>() {
        Ok(Stopped(failure)) => failure,
        Err(error) => Failure::new(Exit::Failure, format!("{error:#}")),
    }
}
