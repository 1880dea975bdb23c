//! What must be true of the demo, as data, and the judgement on what was seen. Pure: it decides, the rest acts.
//!
//! Every expectation is derived from the table of [`super::scenes`], so that the play, its judgement and the counts
//! it promises cannot drift apart. Silence counts only where it is proved: by a fence that the same reader heard.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use vigie_proto::refusal::Code;

use super::scenes::{Fate, LIED_TO, Lie, LieFate, Line, Scene, Subject, Who, heard_by, lines_of};

/// What must become of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Must {
    /// Its author has a receipt.
    BeReceipted,
    /// Its author is refused with this code.
    BeRefused(Code),
    /// This reader is given it, verified, once.
    Hear(Who),
    /// This reader is not given it, neither as verified nor as suspect.
    NotHear(Who),
    /// This reader is given it as suspect, with this code, and never as verified.
    Suspect(Who, Code),
    /// This reader is not given it a second time.
    Drop(Who),
    /// This reader finds it again in the log, on the relay's disk: that and nothing else.
    FindAgain(Who),
}

/// One thing that must be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    pub(super) scene: Scene,
    pub(super) subject: Subject,
    pub(super) must: Must,
}

/// A stable name, such as `signals/minor: neighbour must not hear`.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: ", self.scene.word(), self.subject.word())?;
        match self.must {
            Must::BeReceipted => f.write_str("must be receipted"),
            Must::BeRefused(code) => write!(f, "must be refused with {code}"),
            Must::Hear(who) => write!(f, "{} must hear", who.word()),
            Must::NotHear(who) => write!(f, "{} must not hear", who.word()),
            Must::Suspect(who, code) => write!(f, "{} must be given it as suspect, {code}", who.word()),
            Must::Drop(who) => write!(f, "{} must not be given it twice", who.word()),
            Must::FindAgain(who) => write!(f, "{} must find again what it heard", who.word()),
        }
    }
}

/// Everything that must be true, in the order of the play.
pub(super) fn expectations() -> Vec<Expectation> {
    let honest = Scene::HONEST.into_iter().flat_map(lines_of).flat_map(of_line);
    let log = Who::ALL.into_iter().map(|who| Expectation {
        scene: Scene::Log,
        subject: Subject::All,
        must: Must::FindAgain(who),
    });
    honest.chain(log).chain(Lie::ALL.into_iter().map(of_lie)).collect()
}

fn of_line(line: Line) -> impl Iterator<Item = Expectation> {
    let (answer, heard_by): (_, &[Who]) = match line.fate {
        Fate::Heard(by) => (Must::BeReceipted, by),
        Fate::Refused(code) => (Must::BeRefused(code), &[]),
    };
    let each = Who::ALL
        .into_iter()
        .map(move |who| if heard_by.contains(&who) { Must::Hear(who) } else { Must::NotHear(who) });
    std::iter::once(answer).chain(each).map(move |must| Expectation {
        scene: line.scene,
        subject: line.subject,
        must,
    })
}

fn of_lie(lie: Lie) -> Expectation {
    let must = match lie.fate() {
        LieFate::Heard => Must::Hear(LIED_TO),
        LieFate::Suspect(code) => Must::Suspect(LIED_TO, code),
        LieFate::Dropped => Must::Drop(LIED_TO),
    };
    Expectation { scene: Scene::Liar, subject: Subject::Lie(lie), must }
}

/// How many there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages that got a receipt.
    pub published: usize,
    /// Verified deliveries by the relay, over all readers.
    pub delivered: usize,
    /// Messages that the relay refused.
    pub refused: usize,
    /// Deliveries that the readers' SDK found suspect.
    pub suspect: usize,
    /// Expectations that were checked.
    pub expectations: usize,
}

impl Counts {
    /// What a demo without fault comes to, by the table of what must be true.
    pub fn promised() -> Self {
        let all = expectations();
        let count = |is: fn(&Expectation) -> bool| all.iter().filter(|one| is(one)).count();
        Self {
            published: count(|one| one.must == Must::BeReceipted),
            delivered: count(|one| matches!(one.must, Must::Hear(_)) && one.scene != Scene::Liar),
            refused: count(|one| matches!(one.must, Must::BeRefused(_))),
            suspect: count(|one| matches!(one.must, Must::Suspect(..))),
            expectations: all.len(),
        }
    }
}

/// What became of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Receipt,
    Refused(Code),
    /// No answer of the relay: why, for people.
    None(String),
}

/// As what a reader was given something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Verified,
    Suspect(Code),
    /// A range that it could not be given.
    Gap,
}

/// Something that a reader was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) scene: Scene,
    /// `None` when nobody said it.
    pub(super) subject: Option<Subject>,
    pub(super) who: Who,
    pub(super) how: How,
    /// From the call of the publish to here.
    pub(super) after: Duration,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) answers: BTreeMap<Subject, Answer>,
    pub(super) given: Vec<Given>,
    /// Who heard the fence of which scene: up to there it was given all that it ever will be.
    pub(super) fenced: BTreeSet<(Scene, Who)>,
    /// What each found in the log, in order; `None` for what did not verify or what nobody said.
    pub(super) found: BTreeMap<Who, Vec<Option<Subject>>>,
    /// From the start of the program to the first verified alert.
    pub(super) first_verified: Option<Duration>,
}

impl Notes {
    /// What a reader was given of a subject.
    pub(super) fn given_of(&self, subject: Subject, who: Who) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |one| one.subject == Some(subject) && one.who == who)
    }

    pub(super) fn counts(&self) -> Counts {
        let answers = |is: fn(&Answer) -> bool| self.answers.values().filter(|answer| is(answer)).count();
        let given = |is: fn(&Given) -> bool| self.given.iter().filter(|one| is(one)).count();
        Counts {
            published: answers(|answer| *answer == Answer::Receipt),
            delivered: given(|one| one.how == How::Verified && one.scene != Scene::Liar),
            refused: answers(|answer| matches!(answer, Answer::Refused(_))),
            suspect: given(|one| matches!(one.how, How::Suspect(_))),
            expectations: expectations().len(),
        }
    }

    /// Every expectation that does not hold, and everything that was given without having been said: each with what
    /// was seen instead. Empty when all is well.
    pub(super) fn broken(&self) -> Vec<Broken> {
        let unmet = expectations()
            .into_iter()
            .filter_map(|one| Some(Broken { name: one.to_string(), seen: self.fault(&one)? }));
        unmet.chain(self.strays()).collect()
    }

    /// What was seen instead of what must be; `None` when it holds.
    fn fault(&self, one: &Expectation) -> Option<String> {
        match one.must {
            Must::BeReceipted => self.wrong_answer(one.subject, &Answer::Receipt),
            Must::BeRefused(code) => self.wrong_answer(one.subject, &Answer::Refused(code)),
            Must::Hear(who) => self.wrongly_given(one, who, &[How::Verified]),
            Must::NotHear(who) => self.wrongly_given(one, who, &[]),
            Must::Suspect(who, code) => self.wrongly_given(one, who, &[How::Suspect(code)]),
            // Its bytes are those of the truth: they are to come out once, not twice.
            Must::Drop(who) => {
                let truth = Expectation { subject: Subject::Lie(Lie::Truth), ..*one };
                self.wrongly_given(&truth, who, &[How::Verified])
            }
            Must::FindAgain(who) => self.wrongly_found(who),
        }
    }

    fn wrong_answer(&self, subject: Subject, right: &Answer) -> Option<String> {
        match self.answers.get(&subject) {
            Some(answer) if answer == right => None,
            Some(Answer::Receipt) => Some("it was receipted".to_owned()),
            Some(Answer::Refused(code)) => Some(format!("it was refused with {code}")),
            Some(Answer::None(why)) => Some(format!("no answer: {why}")),
            None => Some("it was not played".to_owned()),
        }
    }

    fn wrongly_given(&self, one: &Expectation, who: Who, right: &[How]) -> Option<String> {
        let seen: Vec<How> = self.given_of(one.subject, who).map(|given| given.how).collect();
        if seen != right {
            return Some(told(&seen));
        }
        // Without the fence more may still be on its way.
        let fenced = self.fenced.contains(&(one.scene, who));
        (!fenced).then(|| "not proved: what follows it did not come in time".to_owned())
    }

    fn wrongly_found(&self, who: Who) -> Option<String> {
        let Some(found) = self.found.get(&who) else { return Some("it was not played".to_owned()) };
        let right = heard_by(who).map(Some);
        (!right.eq(found.iter().copied())).then(|| {
            let words = found.iter().map(|one| one.map_or("something else", Subject::word));
            format!("it found: {}", words.collect::<Vec<_>>().join(", "))
        })
    }

    fn strays(&self) -> impl Iterator<Item = Broken> {
        self.given.iter().filter(|one| one.subject.is_none()).map(|one| Broken {
            name: format!("{}: {} must be given nothing that nobody said", one.scene.word(), one.who.word()),
            seen: told(&[one.how]),
        })
    }
}

fn told(seen: &[How]) -> String {
    if seen.is_empty() {
        return "nothing was given".to_owned();
    }
    let each: Vec<String> = seen
        .iter()
        .map(|how| match how {
            How::Verified => "verified".to_owned(),
            How::Suspect(code) => format!("suspect ({code})"),
            How::Gap => "a gap".to_owned(),
        })
        .collect();
    format!("it was given as {}", each.join(", "))
}

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The expectation's stable name.
    pub(super) name: String,
    /// What was seen instead.
    pub(super) seen: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a faultless play leaves behind, by the table.
    fn faultless() -> Notes {
        let mut notes = Notes::default();
        let mut give = |scene, subject, who, how| {
            notes.given.push(Given { scene, subject: Some(subject), who, how, after: Duration::ZERO });
        };
        let (mut answers, mut found) = (BTreeMap::new(), BTreeMap::new());
        for Expectation { scene, subject, must } in expectations() {
            match must {
                Must::BeReceipted => drop(answers.insert(subject, Answer::Receipt)),
                Must::BeRefused(code) => drop(answers.insert(subject, Answer::Refused(code))),
                Must::Hear(who) => give(scene, subject, who, How::Verified),
                Must::Suspect(who, code) => give(scene, subject, who, How::Suspect(code)),
                Must::FindAgain(who) => drop(found.insert(who, heard_by(who).map(Some).collect())),
                Must::NotHear(_) | Must::Drop(_) => {}
            }
        }
        (notes.answers, notes.found) = (answers, found);
        for who in Who::ALL {
            notes.fenced.extend(Scene::HONEST.map(|scene| (scene, who)));
        }
        notes.fenced.insert((Scene::Liar, LIED_TO));
        notes
    }

    fn names(notes: &Notes) -> Vec<String> {
        notes.broken().into_iter().map(|broken| broken.name).collect()
    }

    #[test]
    fn a_faultless_play_breaks_nothing_and_counts_as_promised() {
        let notes = faultless();
        assert_eq!(notes.broken(), []);
        assert_eq!(notes.counts(), Counts::promised());
        let Counts { published, delivered, refused, suspect, expectations } = Counts::promised();
        assert!(published > 0 && delivered > published && refused == 3 && suspect > 0);
        // Each message has its answer and one judgement for each reader; each reader's log and each lie has one.
        let readers = Who::ALL.len();
        assert_eq!(expectations, (published + refused) * (1 + readers) + readers + Lie::ALL.len());
    }

    #[test]
    fn nothing_played_breaks_everything() {
        assert_eq!(Notes::default().broken().len(), Counts::promised().expectations);
    }

    #[test]
    fn every_single_thing_that_is_missing_is_named() {
        for missing in 0..faultless().given.len() {
            let mut notes = faultless();
            let gone = notes.given.remove(missing);
            let subject = gone.subject.unwrap().word();
            let broken = names(&notes);
            assert!(broken.iter().any(|name| name.contains(subject)), "{gone:?}: {broken:?}");
        }
        for subject in faultless().answers.into_keys() {
            let mut notes = faultless();
            notes.answers.remove(&subject);
            assert_eq!(names(&notes).len(), 1, "{subject:?}");
        }
    }

    #[test]
    fn a_log_with_less_or_more_or_another_order_is_named() {
        let damages: [fn(&mut Vec<Option<Subject>>); 4] =
            [|log| log.truncate(log.len() - 1), |log| log.push(None), |log| log.swap(0, 1), Vec::clear];
        for damage in damages {
            let mut notes = faultless();
            damage(notes.found.get_mut(&Who::Town).unwrap());
            assert_eq!(names(&notes), ["log/all: town must find again what it heard"]);
        }
    }

    #[test]
    fn every_single_thing_too_many_is_named() {
        for Expectation { scene, subject, must } in expectations() {
            let (Must::Hear(who) | Must::NotHear(who) | Must::Suspect(who, _) | Must::Drop(who)) = must
            else {
                continue;
            };
            // A replay is known by the bytes of the truth.
            let bytes = if must == Must::Drop(who) { Subject::Lie(Lie::Truth) } else { subject };
            for how in [How::Verified, How::Suspect(Code::NotSubscribed)] {
                let mut notes = faultless();
                notes.given.push(Given { scene, subject: Some(bytes), who, how, after: Duration::ZERO });
                let name = Expectation { scene, subject, must }.to_string();
                assert!(names(&notes).contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn silence_without_a_fence_and_words_that_nobody_said_are_named() {
        let mut notes = faultless();
        notes.fenced.remove(&(Scene::Signals, Who::Neighbour));
        assert!(names(&notes).contains(&"signals/minor: neighbour must not hear".to_owned()));
        let mut notes = faultless();
        let stray = Given {
            scene: Scene::Regional,
            subject: None,
            who: Who::Town,
            how: How::Gap,
            after: Duration::ZERO,
        };
        notes.given.push(stray);
        assert_eq!(names(&notes), ["regional: town must be given nothing that nobody said"]);
    }
}
