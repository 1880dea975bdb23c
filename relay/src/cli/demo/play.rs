//! Plays the scenes: signs what they say, publishes it through the SDK, listens through the SDK, notes what was seen.
//!
//! Publishing and listening run side by side in one task, so that a delay is that of the message and not of the play.
//! Nothing sleeps: a scene is over when every reader has heard its fence, or when patience ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use vigie_client::{PublishError, SignedMessage};
use vigie_proto::channel::Plane;

use super::craft;
use super::ears::{self, Ear, Heard, Item};
use super::expect::{Answer, Given, How, Notes};
use super::liar::Liar;
use super::lies;
use super::scenes::{LIED_TO, Lie, Line, Scene, Subject, Who, lines_of};
use super::show::Show;
use super::stage::{Cast, Stage};
use crate::cli::exit::Failure;

/// How long a reader is waited for. A fence comes within milliseconds; only a broken relay is waited out.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was said so far, by its signed bytes: how a delivery is known again.
type Ledger = BTreeMap<Arc<str>, (Subject, Instant)>;

pub(super) struct Play<'a> {
    stage: &'a Stage,
    show: &'a Show<'a>,
    cast: Cast,
    ears: Vec<Ear>,
    ledger: Ledger,
    /// When the program started.
    started: Instant,
}

impl<'a> Play<'a> {
    /// Brings everyone to their places.
    pub(super) fn new(stage: &'a Stage, show: &'a Show<'a>, started: Instant) -> anyhow::Result<Self> {
        let cast = Cast::of(stage.context())?;
        let ears = Who::ALL.into_iter().map(|who| Ear::open(&cast, who)).collect();
        Ok(Self { stage, show, cast, ears, ledger: Ledger::new(), started })
    }

    /// Those who listen, after the play.
    pub(super) fn into_ears(self) -> Vec<Ear> {
        self.ears
    }

    /// Plays all scenes; `notes` hold what was seen, also when it ends early or is dropped.
    ///
    /// # Errors
    /// Something that is not the relay's fault: the texts, the keys, the screen.
    pub(super) async fn perform(&mut self, notes: &mut Notes) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let caught_up = |item: &Item| matches!(item, Item::CaughtUp);
        // From here on their lines stand, and what is measured is the way of a message.
        let opened = join_all(self.ears.iter_mut().map(|ear| ear.until(caught_up, deadline))).await;
        let everyone = opened.iter().all(|heard| heard.complete);
        for heard in opened {
            // The log is new: whatever was given by now, nobody said.
            self.note(Scene::National, Heard { complete: false, ..heard }, notes);
        }
        self.show.opened(self.stage).map_err(stopped)?;
        for scene in Scene::HONEST {
            // Where nobody heard a fence, the scenes after it would prove nothing either.
            if !everyone || !self.honest(scene, notes).await? {
                return Ok(());
            }
        }
        self.log(notes).await?;
        self.lying(notes).await
    }

    /// One scene on the true relay; whether every reader heard its fence.
    async fn honest(&mut self, scene: Scene, notes: &mut Notes) -> anyhow::Result<bool> {
        let mut said = Vec::new();
        for line in lines_of(scene) {
            said.push((craft::message(&self.cast, &line)?, line));
        }
        let fence = |plane| {
            let fence = said.iter().find(|(_, line)| line.subject == Subject::Fence(scene, plane));
            fence.map(|(message, _)| Arc::clone(message.token()))
        };
        let (live, exercise) = (fence(Plane::Live), fence(Plane::Exercise));
        let deadline = Instant::now() + PATIENCE;
        let listening = join_all(self.ears.iter_mut().map(|ear| {
            let fence = if ear.who.plane() == Plane::Live { live.clone() } else { exercise.clone() };
            ear.until(
                move |item| matches!((item, &fence), (Item::Verified(token), Some(fence)) if token == fence),
                deadline,
            )
        }));
        let (spoken, heard) = join(speak(&self.cast, &said), listening).await;
        for ((message, line), (at, answer)) in said.iter().zip(spoken) {
            self.ledger.insert(Arc::clone(message.token()), (line.subject, at));
            notes.answers.insert(line.subject, answer);
        }
        let complete = heard.iter().all(|heard| heard.complete);
        for heard in heard {
            self.note(scene, heard, notes);
        }
        self.show.scene(scene, notes).map_err(stopped)?;
        Ok(complete)
    }

    /// What is in the log for each reader. A receipt says that a message is there, however it was handed on.
    async fn log(&self, notes: &mut Notes) -> anyhow::Result<()> {
        let pages = join_all(Who::ALL.map(|who| ears::log_of(&self.cast, who))).await;
        for (who, page) in Who::ALL.into_iter().zip(pages) {
            let subject = |item| {
                let Item::Verified(token) = item else { return None };
                self.ledger.get(&token).map(|(subject, _)| *subject)
            };
            match page {
                Ok(items) => drop(notes.found.insert(who, items.into_iter().map(subject).collect())),
                // Without a page nothing is proved: it counts as not played.
                Err(error) => tracing::warn!(%error, "the log could not be read"),
            }
        }
        self.show.scene(Scene::Log, notes).map_err(stopped)
    }

    /// The relay that lies, and one reader of it.
    async fn lying(&mut self, notes: &mut Notes) -> anyhow::Result<()> {
        let script = lies::all(self.show.lang(), &self.cast)?;
        let at = Instant::now();
        for served in script.iter().filter(|served| served.lie != Lie::Replayed) {
            self.ledger.insert(Arc::clone(served.message.token()), (Subject::Lie(served.lie), at));
        }
        let liar = Liar::listen(self.stage.tls(), self.stage.context().roots().clone())?;
        let mut ear = Ear::at(&self.stage.client_of(liar.port()?, LIED_TO.identity())?, LIED_TO);
        let serving = async {
            if let Err(error) = liar.serve(&script).await {
                tracing::debug!(%error, "the lying relay was cut off");
            }
            // What the reader was given is for the reader to say.
            std::future::pending().await
        };
        let heard = tokio::select! {
            heard = ear.until(|item| matches!(item, Item::CaughtUp), Instant::now() + PATIENCE) => heard,
            () = serving => return Ok(()),
        };
        self.note(Scene::Liar, heard, notes);
        self.show.scene(Scene::Liar, notes).map_err(stopped)
    }

    /// Notes what a reader was given in a scene.
    fn note(&self, scene: Scene, heard: Heard, notes: &mut Notes) {
        let Heard { who, items, complete } = heard;
        if complete {
            notes.fenced.insert((scene, who));
        }
        for (at, item) in items {
            let (token, how) = match item {
                Item::Verified(token) => (Some(token), How::Verified),
                Item::Suspect(token, code) => (Some(token), How::Suspect(code)),
                Item::Gap => (None, How::Gap),
                Item::CaughtUp => continue,
            };
            if how == How::Verified {
                let first = notes.first_verified.get_or_insert(Duration::MAX);
                *first = (*first).min(at.saturating_duration_since(self.started));
            }
            let known = token.and_then(|token| self.ledger.get(&token));
            let subject = known.map(|(subject, _)| *subject);
            let after = known.map_or(Duration::ZERO, |(_, said)| at.saturating_duration_since(*said));
            notes.given.push(Given { scene, subject, who, how, after });
        }
    }
}

/// Publishes one after the other; when each was said, and what became of it.
async fn speak(cast: &Cast, said: &[(SignedMessage, Line)]) -> Vec<(Instant, Answer)> {
    let mut spoken = Vec::new();
    for (message, line) in said {
        let at = Instant::now();
        let answer = match cast.voice(line.author, line.plane).publish(message).await {
            Ok(_) => Answer::Receipt,
            Err(PublishError::Refused(refusal)) => Answer::Refused(refusal.code),
            Err(error) => Answer::None(error.to_string()),
        };
        spoken.push((at, answer));
    }
    spoken
}

/// The screen is gone: there is nobody to play for.
fn stopped(failure: Failure) -> anyhow::Error {
    Stopped(failure).into()
}

/// A failure of the screen on its way through the play.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Stopped(pub(super) Failure);
