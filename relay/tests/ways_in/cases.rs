//! For each entry and each refusal: what comes in before, what is then refused, and the twin that is not.
//!
//! A case is signed bytes and the moments at which they come; the same ones are tried on a relay and in an import.

use vigie_proto::time::Timestamp;

use crate::people::{HOUR, MS, NOW, People, SECOND, SKEW, Said};

/// The row that is no refusal: the same bytes are in the log.
pub(crate) const KNOWN: &str = "known";

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Publish,
    Revoke,
    MessageOfFolder,
    RevocationOfFolder,
    MessageOfExport,
    RevocationOfExport,
}

impl Entry {
    pub(crate) const ALL: [Self; 6] = [
        Self::Publish,
        Self::Revoke,
        Self::MessageOfFolder,
        Self::RevocationOfFolder,
        Self::MessageOfExport,
        Self::RevocationOfExport,
    ];

    /// The column of the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Revoke => "revoke",
            Self::MessageOfFolder => "folder: message",
            Self::RevocationOfFolder => "folder: revocation",
            Self::MessageOfExport => "export: message",
            Self::RevocationOfExport => "export: revocation",
        }
    }
}

/// What comes in, and when.
pub(crate) type Step = (Said, Timestamp);

/// The last step of `bad` is the one that is judged; that of `twin` differs from it in one thing, or what comes before does.
pub(crate) struct Case {
    pub(crate) bad: Vec<Step>,
    pub(crate) twin: Vec<Step>,
}

/// The case of a cell; `None` when there is none.
pub(crate) fn case(people: &People, entry: Entry, row: &str) -> Option<Case> {
    match entry {
        Entry::Publish | Entry::MessageOfFolder | Entry::MessageOfExport => message(people, row),
        Entry::Revoke | Entry::RevocationOfFolder | Entry::RevocationOfExport => revocation(people, row),
    }
}

fn message(people: &People, row: &str) -> Option<Case> {
    let People { nation, author, other, late, brief, leaving, gone, .. } = people;
    let said = |text: &str| Said::Message(author.say(text, NOW));
    let one = |bad: Step, twin: Step| Some(Case { bad: vec![bad], twin: vec![twin] });
    match row {
        KNOWN => Some(Case {
            bad: vec![(said("un"), NOW), (said("un"), NOW.plus(SECOND))],
            twin: vec![(said("un"), NOW), (said("deux"), NOW.plus(SECOND))],
        }),
        "revoked" => {
            let after = |whose| {
                let revocation = Said::Revocation(nation.revoke(whose, NOW, 1));
                // That it says to be older than the revocation changes nothing.
                let older = Said::Message(author.say("après", NOW.minus(SECOND)));
                vec![(revocation, NOW), (older, NOW.plus(SECOND))]
            };
            Some(Case { bad: after(author), twin: after(other) })
        }
        "sent_in_future" => {
            let sent = |sent| Said::Message(author.say("demain", sent));
            one((sent(NOW.plus(SKEW + MS)), NOW), (sent(NOW.plus(SKEW)), NOW))
        }
        "expired" => {
            let brief = Said::Message(author.say_until("court", NOW, NOW.plus(SECOND)));
            one((brief.clone(), NOW.plus(SECOND)), (brief, NOW.plus(SECOND - MS)))
        }
        "unknown_root" => one((Said::Message(gone.say("parti", NOW)), NOW), (said("resté"), NOW)),
        "root_ended" => {
            let last = Said::Message(leaving.say("passé", NOW));
            one((last.clone(), NOW.plus(SECOND * 10)), (last, NOW.plus(SECOND * 10 - MS)))
        }
        "credential_not_yet_valid" => {
            let early = Said::Message(late.say("tôt", NOW));
            one((early.clone(), NOW.minus(MS)), (early, NOW))
        }
        "credential_expired" => {
            let last = Said::Message(brief.say("tard", NOW));
            one((last.clone(), NOW.plus(SECOND * 10)), (last, NOW.plus(SECOND * 10 - MS)))
        }
        _ => None,
    }
}

fn revocation(people: &People, row: &str) -> Option<Case> {
    let People { root, nation, author, other, late, brief, leaving, gone, .. } = people;
    let of = |number| Said::Revocation(nation.revoke(author, NOW, number));
    let one = |bad: Step, twin: Step| Some(Case { bad: vec![bad], twin: vec![twin] });
    match row {
        KNOWN => Some(Case {
            bad: vec![(of(2), NOW), (of(2), NOW.plus(SECOND))],
            // Another one comes in, whatever its number.
            twin: vec![(of(2), NOW), (of(1), NOW.plus(SECOND))],
        }),
        "revoked" => {
            let after = |whose| {
                let first = Said::Revocation(root.revoke(whose, NOW, 1));
                vec![(first, NOW), (of(1), NOW.plus(SECOND))]
            };
            Some(Case { bad: after(nation), twin: after(other) })
        }
        "sent_in_future" => {
            let from = |from| Said::Revocation(nation.revoke(author, from, 1));
            one((from(NOW.plus(SKEW + MS)), NOW), (from(NOW.plus(SKEW)), NOW))
        }
        "unknown_root" => one((Said::Revocation(gone.revoke(author, NOW, 1)), NOW), (of(1), NOW)),
        "root_ended" => {
            let last = Said::Revocation(leaving.revoke(author, NOW, 1));
            one((last.clone(), NOW.plus(SECOND * 10)), (last, NOW.plus(SECOND * 10 - MS)))
        }
        "credential_not_yet_valid" => {
            let early = Said::Revocation(late.revoke(author, NOW.minus(HOUR), 1));
            one((early.clone(), NOW.minus(MS)), (early, NOW))
        }
        "credential_expired" => {
            let last = Said::Revocation(brief.revoke(author, NOW, 1));
            one((last.clone(), NOW.plus(SECOND * 10)), (last, NOW.plus(SECOND * 10 - MS)))
        }
        _ => None,
    }
}
