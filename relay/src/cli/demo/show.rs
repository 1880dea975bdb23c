//! What the demo shows while it runs: who heard what and how long it took, who did not, and what was refused.

use std::time::Duration;

use vigie_proto::channel::Plane;

use super::craft;
use super::ears::{Said, filters};
use super::expect::{Answer, Broken, Counts, How, Notes};
use super::scenes::{Fate, LIED_TO, LINES, Lie, Line, Scene, Subject, Who};
use super::stage::Stage;
use super::text;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::screen::{Screen, Tone, escape};
use crate::cli::text::Lang;

/// Room for what is served, before what is made of it.
const LIE_COLUMNS: usize = 48;

/// The demo's way to the screen. With `--json` the scenes are not told; the sums are, as objects.
pub(super) struct Show<'a> {
    screen: &'a Screen,
}

impl<'a> Show<'a> {
    pub(super) const fn new(screen: &'a Screen) -> Self {
        Self { screen }
    }

    pub(super) const fn lang(&self) -> Lang {
        self.screen.lang
    }

    fn line(&self, text: &str) -> Outcome {
        if self.screen.json { Ok(()) } else { self.screen.line(text) }
    }

    /// Everyone is in their places.
    pub(super) fn opened(&self, stage: &Stage) -> Outcome {
        let lang = self.lang();
        self.line(&text::opening(lang, stage.address(), stage.dir().display()))?;
        for who in Who::ALL {
            let channels: Vec<String> = filters(who).iter().map(ToString::to_string).collect();
            self.line(&format!("  {:<19} {}", text::who(lang, who), channels.join("  ")))?;
        }
        Ok(())
    }

    /// A scene is over.
    pub(super) fn scene(&self, scene: Scene, notes: &Notes) -> Outcome {
        if self.screen.json {
            return Ok(());
        }
        let title = text::scene(self.lang(), scene);
        self.line(&format!("\n{}", self.screen.paint(Tone::Strong, title)))?;
        match scene {
            Scene::Log => self.log(notes),
            Scene::Liar => Lie::ALL.into_iter().try_for_each(|lie| self.lie(lie, notes)),
            Scene::National | Scene::Regional | Scene::Signals | Scene::Exercise | Scene::Refusals => {
                LINES.iter().filter(|line| line.scene == scene).try_for_each(|line| self.said(line, notes))
            }
        }
    }

    /// One message of the true relay: what it says, what its author was told, who heard it.
    fn said(&self, line: &Line, notes: &Notes) -> Outcome {
        let lang = self.lang();
        let exercise = self.exercise_mark(line.plane);
        let headline =
            craft::headline(line).map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
        let (severity, from) = (lang.severity(line.severity), text::author(lang, line.author));
        self.line(&format!("  {exercise}{from} → {}  {severity}", line.channel))?;
        self.line(&format!("  {exercise}« {headline} »"))?;
        if let Some(wrong) = text::made(lang, line.made) {
            self.line(&format!("    {exercise}{wrong}"))?;
        }
        let told = match notes.answers.get(&line.subject) {
            Some(Answer::Receipt) => self.screen.paint(Tone::Good, text::receipted(lang)),
            Some(Answer::Refused(code)) => {
                let tone = if matches!(line.fate, Fate::Refused(_)) { Tone::Good } else { Tone::Bad };
                self.screen.paint(tone, &text::refused(lang, *code))
            }
            Some(Answer::None(why)) => self.screen.paint(Tone::Bad, &escape(why)),
            None => String::new(),
        };
        self.line(&format!("    {exercise}{told}"))?;
        self.heard_by(line.subject, notes, &exercise)
    }

    fn heard_by(&self, subject: Subject, notes: &Notes, exercise: &str) -> Outcome {
        let lang = self.lang();
        let (mut heard, mut wrong, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        for who in Who::ALL {
            let name = text::who(lang, who);
            let mut given = notes.given_of(subject, who).peekable();
            if given.peek().is_none() {
                silent.push(name.to_owned());
            }
            for one in given {
                match one.how {
                    How::Verified => heard.push(format!("{name} {}", milliseconds(lang, one.after))),
                    How::Suspect(code) => wrong.push(format!("{name} ({code})")),
                    How::Gap => wrong.push(format!("{name} ({})", text::gap(lang))),
                }
            }
        }
        for (tone, word, who) in [
            (Some(Tone::Good), text::verified(lang), heard),
            (Some(Tone::Bad), text::suspect(lang), wrong),
            (None, text::silent(lang), silent),
        ] {
            if !who.is_empty() {
                let word = tone.map_or_else(|| word.to_owned(), |tone| self.screen.paint(tone, word));
                self.line(&format!("    {exercise}{word} {}", who.join(" · ")))?;
            }
        }
        Ok(())
    }

    /// How much each found in the log.
    fn log(&self, notes: &Notes) -> Outcome {
        let lang = self.lang();
        let found =
            notes.found.iter().map(|(who, found)| format!("{} {}", text::who(lang, *who), found.len()));
        self.line(&format!("  {}", found.collect::<Vec<_>>().join(" · ")))
    }

    /// What the lying relay served, and what its reader made of it.
    fn lie(&self, lie: Lie, notes: &Notes) -> Outcome {
        let lang = self.lang();
        let exercise =
            self.exercise_mark(if lie == Lie::ExerciseAsLive { Plane::Exercise } else { Plane::Live });
        let subject = Subject::Lie(lie);
        let given: Vec<String> = notes
            .given_of(subject, LIED_TO)
            .map(|one| match one.how {
                How::Verified if lie == Lie::Truth => self.screen.paint(Tone::Good, text::verified(lang)),
                How::Verified => self.screen.paint(Tone::Bad, text::verified(lang)),
                How::Suspect(code) => {
                    format!("{} {code}", self.screen.paint(Tone::Caution, text::suspect(lang)))
                }
                How::Gap => text::gap(lang).to_owned(),
            })
            .collect();
        let made = if given.is_empty() { text::dropped(lang).to_owned() } else { given.join(", ") };
        let plain = text::exercise(lang).chars().count() + 1;
        let width = if exercise.is_empty() { LIE_COLUMNS } else { LIE_COLUMNS - plain };
        self.line(&format!("  {exercise}{:<width$} {made}", text::lie(lang, lie)))
    }

    /// The word before everything that is an exercise.
    fn exercise_mark(&self, plane: Plane) -> String {
        match plane {
            Plane::Live => String::new(),
            Plane::Exercise => {
                format!("{} ", self.screen.paint(Tone::Caution, text::exercise(self.lang())))
            }
        }
    }

    /// The sums, and what was broken.
    pub(super) fn sums(&self, notes: &Notes, broken: &[Broken], stage: Option<&Stage>) -> Outcome {
        let (lang, counts) = (self.lang(), notes.counts());
        if let Some(first) = notes.first_verified {
            let told = text::first_verified(lang, &milliseconds(lang, first));
            if self.screen.json { self.screen.say(&told) } else { self.line(&format!("\n{told}"))? }
        }
        for broken in broken {
            self.screen.warn(&text::broken(lang, broken));
        }
        if self.screen.json {
            if let Some(stage) = stage {
                let (context, listen) = (stage.dir(), stage.address().to_string());
                self.screen.object(&serde_json::json!({ "context": context, "listen": listen }))?;
            }
            return self.screen.object(&Sums { ok: broken.is_empty(), counts });
        }
        self.line(&text::sums(lang, &counts))?;
        let held = counts.expectations.saturating_sub(broken.len());
        let verdict = text::verdict(lang, held, counts.expectations);
        let tone = if broken.is_empty() { Tone::Good } else { Tone::Bad };
        self.line(&self.screen.paint(tone, &verdict))
    }

    /// How to join from another terminal.
    pub(super) fn joining(&self, stage: &Stage) -> Outcome {
        let vigie = std::env::args().next().unwrap_or_else(|| "vigie".to_owned());
        self.line(&text::joining(self.lang(), &vigie, &stage.dir().to_string_lossy()))
    }

    /// Something that came after the play.
    pub(super) fn later(&self, said: &Said) -> Outcome {
        let lang = self.lang();
        let exercise = self.exercise_mark(said.who.plane());
        let verified = self.screen.paint(Tone::Good, text::verified(lang));
        self.line(&format!(
            "{exercise}{verified} {}  {}  {}  « {} »",
            text::who(lang, said.who),
            said.channel,
            lang.severity(said.severity),
            escape(&said.headline)
        ))
    }
}

/// The last line of `--json`.
#[derive(serde::Serialize)]
struct Sums {
    ok: bool,
    #[serde(flatten)]
    counts: Counts,
}

/// With one decimal, and the comma or point of the language.
fn milliseconds(lang: Lang, duration: Duration) -> String {
    let text = format!("{:.1} ms", duration.as_secs_f64() * 1_000.0);
    if lang == Lang::Fr { text.replace('.', ",") } else { text }
}
