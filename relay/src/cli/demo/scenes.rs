//! What is played: who says what, where, and what must become of it. A table; nothing here acts.

use vigie_proto::channel::Plane;
use vigie_proto::refusal::Code;
use vigie_proto::severity::Severity;

/// Who listens during the whole demo, each on a session of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Nation,
    Region,
    Town,
    Neighbour,
    Elsewhere,
    Field,
    /// The town, on the exercise plane.
    Drill,
}

impl Who {
    pub(super) const ALL: [Self; 7] =
        [Self::Nation, Self::Region, Self::Town, Self::Neighbour, Self::Elsewhere, Self::Field, Self::Drill];

    /// The name in the context: what `--as` takes.
    pub(super) const fn identity(self) -> &'static str {
        match self {
            Self::Nation => "nation",
            Self::Region => "region",
            Self::Town | Self::Drill => "town",
            Self::Neighbour => "neighbour",
            Self::Elsewhere => "elsewhere",
            Self::Field => "field",
        }
    }

    pub(super) const fn plane(self) -> Plane {
        match self {
            Self::Drill => Plane::Exercise,
            Self::Nation | Self::Region | Self::Town | Self::Neighbour | Self::Elsewhere | Self::Field => {
                Plane::Live
            }
        }
    }

    /// A word for the names of expectations.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Drill => "drill",
            Self::Nation | Self::Region | Self::Town | Self::Neighbour | Self::Elsewhere | Self::Field => {
                self.identity()
            }
        }
    }

    /// What it hears, written as on the command line: without the plane.
    pub(super) const fn channels(self) -> &'static [&'static str] {
        match self {
            Self::Nation => &["alert/fr", "signal/fr"],
            Self::Region => &["alert/fr.idf", "signal/fr.idf"],
            Self::Town | Self::Drill => &["alert/fr.idf.75.paris", "signal/fr.idf.75.paris"],
            Self::Neighbour => &["alert/fr.idf.92.nanterre", "signal/fr.idf.92.nanterre"],
            Self::Elsewhere => &["alert/fr.naq.33.bordeaux", "signal/fr.naq.33.bordeaux"],
            Self::Field => &["alert/fr.idf.75.paris"],
        }
    }
}

/// One who listens during the demo, for another process that wants to hear the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seat {
    /// The name in the context: what `--as` takes.
    pub identity: &'static str,
    /// Whether it is on the exercise plane: `--exercise`.
    pub exercise: bool,
    /// What it hears, written without the plane.
    pub channels: &'static [&'static str],
}

/// Everyone who listens during the demo.
pub fn audience() -> impl Iterator<Item = Seat> {
    Who::ALL.into_iter().map(|who| Seat {
        identity: who.identity(),
        exercise: who.plane() == Plane::Exercise,
        channels: who.channels(),
    })
}

/// The acts, in the order in which they are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scene {
    National,
    Regional,
    Signals,
    Exercise,
    Refusals,
    Log,
    Liar,
}

impl Scene {
    /// Those in which something is said on the true relay.
    pub(super) const HONEST: [Self; 5] =
        [Self::National, Self::Regional, Self::Signals, Self::Exercise, Self::Refusals];

    /// A word for the names of expectations.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::National => "national",
            Self::Regional => "regional",
            Self::Signals => "signals",
            Self::Exercise => "exercise",
            Self::Refusals => "refusals",
            Self::Log => "log",
            Self::Liar => "liar",
        }
    }
}

/// One thing that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    National,
    Regional,
    Minor,
    Severe,
    Drill,
    Forged,
    Tampered,
    Misplaced,
    /// Closes a scene on one plane: whoever hears it has been given all that came before it.
    Fence(Scene, Plane),
    /// All that one heard, in order.
    All,
    /// What the lying relay serves.
    Lie(Lie),
}

impl Subject {
    /// A word for the names of expectations.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::National => "national",
            Self::Regional => "regional",
            Self::Minor => "minor",
            Self::Severe => "severe",
            Self::Drill => "drill",
            Self::Forged => "forged",
            Self::Tampered => "tampered",
            Self::Misplaced => "misplaced",
            Self::Fence(_, Plane::Live) => "fence",
            Self::Fence(_, Plane::Exercise) => "exercise-fence",
            Self::All => "all",
            Self::Lie(lie) => lie.word(),
        }
    }
}

/// What the lying relay serves, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lie {
    /// No lie: what an author said, to see that the reader hears at all.
    Truth,
    /// One byte of the text is another.
    Flipped,
    /// The channel is another.
    Relabelled,
    /// The body is that of another message.
    Swapped,
    /// The truth again, under a new sequence.
    Replayed,
    /// A sound message that this reader did not ask for.
    Misdirected,
    /// Signed under a root of the relay's own.
    Foreign,
    /// A sound exercise, in a live session.
    ExerciseAsLive,
}

impl Lie {
    pub(super) const ALL: [Self; 8] = [
        Self::Truth,
        Self::Flipped,
        Self::Relabelled,
        Self::Swapped,
        Self::Replayed,
        Self::Misdirected,
        Self::Foreign,
        Self::ExerciseAsLive,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Truth => "truth",
            Self::Flipped => "flipped",
            Self::Relabelled => "relabelled",
            Self::Swapped => "swapped",
            Self::Replayed => "replayed",
            Self::Misdirected => "misdirected",
            Self::Foreign => "foreign",
            Self::ExerciseAsLive => "exercise-as-live",
        }
    }

    /// What the reader must make of it.
    pub(super) const fn fate(self) -> LieFate {
        match self {
            Self::Truth => LieFate::Heard,
            Self::Replayed => LieFate::Dropped,
            Self::Flipped | Self::Relabelled | Self::Swapped => LieFate::Suspect(Code::BadSignature),
            Self::Misdirected => LieFate::Suspect(Code::NotSubscribed),
            Self::Foreign => LieFate::Suspect(Code::UnknownRoot),
            Self::ExerciseAsLive => LieFate::Suspect(Code::WrongPlane),
        }
    }
}

/// What a reader must make of what a lying relay serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LieFate {
    Heard,
    Suspect(Code),
    Dropped,
}

/// Who hears the lying relay.
pub(super) const LIED_TO: Who = Who::Town;

/// How a message is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// By its author, through the SDK.
    Honestly,
    /// Under the author's credential, by the key of this other identity.
    SignedBy(&'static str),
    /// By its author; then one byte of the text is changed.
    ThenTampered,
    /// By its author, past the SDK, which would not sign it.
    PastTheSdk,
}

/// What must become of a message on the true relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A receipt; these hear it, and nobody else is given it.
    Heard(&'static [Who]),
    /// Refused with this code; nobody is given it.
    Refused(Code),
}

/// One message of the play.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) scene: Scene,
    pub(super) subject: Subject,
    /// The identity whose session publishes it.
    pub(super) author: &'static str,
    pub(super) plane: Plane,
    /// Without the plane.
    pub(super) channel: &'static str,
    pub(super) severity: Severity,
    /// CAP 1.2 as XML. Its times are set when it is played.
    pub(super) cap: &'static [u8],
    pub(super) made: Made,
    pub(super) fate: Fate,
}

const LIVE: &[Who] = &[Who::Nation, Who::Region, Who::Town, Who::Neighbour, Who::Elsewhere, Who::Field];

/// All that is said on the true relay but the fences.
pub(super) const LINES: [Line; 8] = [
    Line {
        scene: Scene::National,
        subject: Subject::National,
        author: "nation",
        plane: Plane::Live,
        channel: "alert/fr",
        severity: Severity::Extreme,
        cap: include_bytes!("cap/national.xml"),
        made: Made::Honestly,
        fate: Fate::Heard(LIVE),
    },
    Line {
        scene: Scene::Regional,
        subject: Subject::Regional,
        author: "region",
        plane: Plane::Live,
        channel: "alert/fr.idf",
        severity: Severity::Severe,
        cap: include_bytes!("cap/regional.xml"),
        made: Made::Honestly,
        fate: Fate::Heard(&[Who::Region, Who::Town, Who::Neighbour, Who::Field]),
    },
    Line {
        scene: Scene::Signals,
        subject: Subject::Minor,
        author: "field",
        plane: Plane::Live,
        channel: "signal/fr.idf.75.paris",
        severity: Severity::Minor,
        cap: include_bytes!("cap/signal-minor.xml"),
        made: Made::Honestly,
        fate: Fate::Heard(&[Who::Town]),
    },
    Line {
        scene: Scene::Signals,
        subject: Subject::Severe,
        author: "field",
        plane: Plane::Live,
        channel: "signal/fr.idf.75.paris",
        severity: Severity::Severe,
        cap: include_bytes!("cap/signal-severe.xml"),
        made: Made::Honestly,
        fate: Fate::Heard(&[Who::Nation, Who::Region, Who::Town]),
    },
    Line {
        scene: Scene::Exercise,
        subject: Subject::Drill,
        author: "region",
        plane: Plane::Exercise,
        channel: "alert/fr.idf",
        severity: Severity::Severe,
        cap: include_bytes!("cap/exercise.xml"),
        made: Made::Honestly,
        fate: Fate::Heard(&[Who::Drill]),
    },
    Line {
        scene: Scene::Refusals,
        subject: Subject::Forged,
        author: "town",
        plane: Plane::Live,
        channel: "alert/fr.idf.75.paris",
        severity: Severity::Extreme,
        cap: include_bytes!("cap/forged.xml"),
        made: Made::SignedBy("neighbour"),
        fate: Fate::Refused(Code::BadSignature),
    },
    Line {
        scene: Scene::Refusals,
        subject: Subject::Tampered,
        author: "town",
        plane: Plane::Live,
        channel: "alert/fr.idf.75.paris",
        severity: Severity::Moderate,
        cap: include_bytes!("cap/tampered.xml"),
        made: Made::ThenTampered,
        fate: Fate::Refused(Code::BadSignature),
    },
    Line {
        scene: Scene::Refusals,
        subject: Subject::Misplaced,
        author: "town",
        plane: Plane::Live,
        channel: "alert/fr",
        severity: Severity::Severe,
        cap: include_bytes!("cap/misplaced.xml"),
        made: Made::PastTheSdk,
        fate: Fate::Refused(Code::OutOfJurisdiction),
    },
];

/// The messages that close a scene: one on each plane, heard by everyone there.
///
/// A relay gives each reader its events in the order of the log, so a reader that hears the fence has been given
/// everything that it will ever be given of what came before. Silence is proved by it, without waiting.
pub(super) const fn fences(scene: Scene) -> [Line; 2] {
    [fence(scene, Plane::Live, LIVE), fence(scene, Plane::Exercise, &[Who::Drill])]
}

const fn fence(scene: Scene, plane: Plane, heard_by: &'static [Who]) -> Line {
    Line {
        scene,
        subject: Subject::Fence(scene, plane),
        author: "nation",
        plane,
        channel: "alert/fr",
        severity: Severity::Minor,
        cap: include_bytes!("cap/fence.xml"),
        made: Made::Honestly,
        fate: Fate::Heard(heard_by),
    }
}

/// Everything that is said on the true relay in one scene, in order.
pub(super) fn lines_of(scene: Scene) -> impl Iterator<Item = Line> {
    LINES.into_iter().filter(move |line| line.scene == scene).chain(fences(scene))
}

/// What somebody hears of all that, in order.
pub(super) fn heard_by(who: Who) -> impl Iterator<Item = Subject> {
    let lines = Scene::HONEST.into_iter().flat_map(lines_of);
    lines
        .filter(move |line| matches!(line.fate, Fate::Heard(by) if by.contains(&who)))
        .map(|line| line.subject)
}

#[cfg(test)]
mod tests {
    use vigie_client::cap::import;
    use vigie_proto::channel::{Channel, Filter};

    use super::*;

    /// The table is about this program's rules, not about wishes: who must hear is who a filter takes in.
    #[test]
    fn those_who_must_hear_are_those_whose_channels_take_it_in() {
        let on_plane = |plane: Plane, text: &str| match plane {
            Plane::Live => text.to_owned(),
            Plane::Exercise => format!("exercise/{text}"),
        };
        for line in Scene::HONEST.into_iter().flat_map(lines_of) {
            let Fate::Heard(by) = line.fate else { continue };
            let channel: Channel = on_plane(line.plane, line.channel).parse().unwrap();
            for who in Who::ALL {
                let takes = who.channels().iter().any(|text| {
                    let filter: Filter = on_plane(who.plane(), text).parse().unwrap();
                    filter.takes(&channel, line.severity)
                });
                assert_eq!(by.contains(&who), takes, "{:?} {who:?}", line.subject);
            }
        }
    }

    #[test]
    fn every_text_is_sound_cap_of_its_plane() {
        for line in Scene::HONEST.into_iter().flat_map(lines_of) {
            let imported = import(line.cap).unwrap();
            assert_eq!(imported.warnings, [], "{:?}", line.subject);
            assert_eq!(imported.alert.info_for("fr").unwrap().language.as_deref(), Some("fr-FR"));
            assert_eq!(imported.alert.severity_floor(), Some(line.severity), "{:?}", line.subject);
            if !matches!(line.subject, Subject::Fence(..)) {
                assert_eq!(imported.alert.plane(), Some(line.plane), "{:?}", line.subject);
            }
        }
    }
}
