//! Which refusals there are at the entry: all that `admit` and `admit_revocation` can say is in their lists, and nothing
//! else is.
//!
//! Small worlds are gone through whole: every moment around each bound, with and without revocations, known and not, under a
//! root that stays, one that hands over and one that is handed to. What they should miss is found in the code: the codes that
//! are written in what `admit` asks are those of the lists. The lists are rows of the table of entries in PROTOCOL.md;
//! `relay/tests/ways_in.rs` tries each row on each entry.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use vigie_proto::admit::{
    Admission, KnownIds, REFUSALS, REVOCATION_REFUSALS, RevocationAdmission, Stored, admit, admit_revocation,
};
use vigie_proto::cap::{Alert, Headline, Urgency};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::id::{MessageId, Sequence};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Label;
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::message::{Content, Message};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, InForce, Revocations, Statement, Target, VerifiedRevocation};
use vigie_proto::rotation::{self, Handover};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify::{self, VerifiedMessage};

/// When the root begins and ends, and the leaf well inside it, in milliseconds.
const ROOT: (u64, u64) = (1_000_000, 9_000_000);
const LEAF: (u64, u64) = (2_000_000, 8_000_000);
/// When a root hands over, where it does.
const HANDOVER: u64 = 5_000_000;
/// Every bound of credentials, messages, roots and revocations, and how far clocks may be apart.
const BOUNDS: [u64; 7] = [1_000_000, 2_000_000, 2_000_100, HANDOVER, 7_999_900, 8_000_000, 9_000_000];
const SKEW: u64 = 120_000;

/// How the root of a world comes to be one, and ends.
#[derive(Clone, Copy, PartialEq)]
enum Reign {
    Stays,
    /// It is none any more from [`HANDOVER`] on.
    HandsOver,
    /// It is one from [`HANDOVER`] on.
    IsHandedTo,
}

struct World {
    keys: [SigningKey; 2],
    chains: [Arc<Chain>; 2],
}

impl World {
    fn all() -> [Self; 3] {
        [Reign::Stays, Reign::HandsOver, Reign::IsHandedTo].map(Self::new)
    }

    fn new(reign: Reign) -> Self {
        let keys = [1, 2].map(|seed| SigningKey::from_seed(&[seed ^ 0x33; 32]).unwrap());
        let claims = |key: &SigningKey, (from, until), delegate| Claims {
            subject: *key.public(),
            org: "fr".parse().unwrap(),
            name: String::new(),
            role: Role::Author,
            grants: vec![Grant {
                flow: Flow::Alert,
                at: "fr".parse().unwrap(),
                publish: Some(Severity::Extreme),
                subscribe: true,
                delegate,
            }],
            plane: Plane::Live,
            valid: Window { from: Timestamp::from_millis(from), until: Timestamp::from_millis(until) },
        };
        let root = Credential::issue_root(&keys[0], &claims(&keys[0], ROOT, 1)).unwrap();
        let beside = SigningKey::from_seed(&[8; 32]).unwrap();
        let (pinned, successor) =
            if reign == Reign::IsHandedTo { (&beside, &keys[0]) } else { (&keys[0], &beside) };
        let mut roots = Roots::new([pinned.public().thumbprint()]);
        if reign != Reign::Stays {
            let (from, until) =
                if reign == Reign::HandsOver { (ROOT.0, Some(HANDOVER)) } else { (HANDOVER, None) };
            let handover = Handover {
                successor: *successor.public(),
                from: Timestamp::from_millis(from),
                until: until.map(Timestamp::from_millis),
            };
            let rotation = rotation::sign(pinned, Plane::Live, &handover).unwrap();
            roots.install([&**rotation.token()]).unwrap();
        }
        let root = Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap();
        let leaf = root.extend(&keys[0], &claims(&keys[1], LEAF, 0)).unwrap();
        Self { keys, chains: [Arc::new(root), Arc::new(leaf)] }
    }

    fn message(&self, sent: u64, expires: u64) -> Option<VerifiedMessage> {
        let alert = Alert::from_headline(&Headline {
            plane: Plane::Live,
            identifier: "essai-1",
            sender: "essais@vigie.example",
            sent: "2026-11-21T12:00:00+01:00",
            language: "fr-FR",
            text: "essai",
            severity: Severity::Minor,
            urgency: Urgency::Future,
            area: "fr",
            restriction: None,
        });
        let message = Message {
            channel: "alert/fr".parse().unwrap(),
            sent: Timestamp::from_millis(sent),
            expires: Timestamp::from_millis(expires),
            severity: Severity::Minor,
            label: Label::CLEAR,
            replaces: Vec::new(),
            content: Content { cap: alert, original: None },
        };
        let token = verify::sign(&self.keys[1], self.chains[1].leaf().id(), &message);
        verify::verify(&token, &self.chains[1], MESSAGE_LIFETIME_MAX).ok()
    }

    fn revocation(&self, issuer: usize, target: Target, from: u64, number: u64) -> VerifiedRevocation {
        let statement = Statement { target, from: Timestamp::from_millis(from), number, reason: None };
        let chain = &self.chains[issuer];
        let token = revocation::sign(&self.keys[issuer], chain.leaf(), &statement);
        revocation::verify(&token, chain).unwrap()
    }

    fn key(&self, of: usize) -> Target {
        Target::Key(self.keys[of].public().thumbprint())
    }

    /// What may stand in the log: nothing, what meets nobody, what meets the leaf, what meets all.
    fn logs(&self) -> Vec<Revocations> {
        let nobody = Target::Key(SigningKey::from_seed(&[9; 32]).unwrap().public().thumbprint());
        let with = |revocations: &[VerifiedRevocation]| {
            let mut log = Revocations::default();
            revocations.iter().for_each(|one| log.insert(InForce::from(one)));
            log
        };
        vec![
            with(&[]),
            with(&[self.revocation(0, nobody, ROOT.0, 3), self.revocation(1, nobody, ROOT.0, 3)]),
            with(&[self.revocation(0, self.key(1), ROOT.0, 3)]),
            with(&[self.revocation(0, self.key(0), ROOT.0, 3)]),
        ]
    }
}

/// Each bound, the moment before it, and both as far away as clocks may be apart.
fn moments() -> BTreeSet<u64> {
    let near =
        |bound: u64| [bound - SKEW - 1, bound - SKEW, bound - 1, bound, bound + SKEW, bound + SKEW + 1];
    BOUNDS.into_iter().flat_map(near).collect()
}

struct InLog(Option<Stored>);

impl KnownIds for InLog {
    fn find(&self, _: &MessageId) -> Option<Stored> {
        self.0
    }
}

/// What comes of a message in one world, and how often it came in.
fn refused_messages(world: &World) -> (BTreeSet<Code>, usize) {
    let first = Stored { seq: Sequence::new(7), admitted: Timestamp::from_millis(5) };
    let mut given = BTreeSet::new();
    let mut fresh = 0;
    for sent in BOUNDS {
        for life in [1, 100, SKEW, 3_000_000] {
            // Out of its author's time it is refused before: `verify` judges at `sent`.
            let Some(message) = world.message(sent, sent + life) else { continue };
            for log in world.logs() {
                for now in moments().into_iter().map(Timestamp::from_millis) {
                    let known = admit(&message, now, &InLog(Some(first)), &log).unwrap();
                    assert_eq!(known, Admission::Known(first), "the first receipt stands, whatever there is");
                    match admit(&message, now, &InLog(None), &log) {
                        Ok(admission) => {
                            assert_eq!(admission, Admission::Fresh);
                            fresh += 1;
                        }
                        Err(refusal) => drop(given.insert(refusal.code)),
                    }
                }
            }
        }
    }
    (given, fresh)
}

#[test]
fn the_list_of_refusals_of_a_message_is_complete_and_each_is_given() {
    let mut given = BTreeSet::new();
    for world in World::all() {
        let (here, fresh) = refused_messages(&world);
        assert!(fresh > 50, "{fresh}");
        given.extend(here);
    }
    assert_eq!(given, BTreeSet::from(REFUSALS), "what is given, and what `admit::REFUSALS` lists");
}

/// The same of a revocation.
fn refused_revocations(world: &World) -> (BTreeSet<Code>, usize) {
    let mut given = BTreeSet::new();
    let mut fresh = 0;
    for issuer in [0, 1] {
        for target in [world.key(0), world.key(1)] {
            for (from, number) in BOUNDS.into_iter().flat_map(|from| [(from, 2), (from, 3), (from, 4)]) {
                let revocation = world.revocation(issuer, target, from, number);
                for mut log in world.logs() {
                    for now in moments().into_iter().map(Timestamp::from_millis) {
                        match admit_revocation(&revocation, now, &log) {
                            Ok(RevocationAdmission::Fresh) => fresh += 1,
                            Ok(RevocationAdmission::Known) => assert!(log.contains(revocation.revocation())),
                            Err(refusal) => drop(given.insert(refusal.code)),
                        }
                    }
                    log.insert(InForce::from(&revocation));
                    for now in moments().into_iter().map(Timestamp::from_millis) {
                        let known = admit_revocation(&revocation, now, &log).unwrap();
                        assert_eq!(known, RevocationAdmission::Known, "the first answer stands");
                    }
                }
            }
        }
    }
    (given, fresh)
}

#[test]
fn the_list_of_refusals_of_a_revocation_is_complete_and_each_is_given() {
    let mut given = BTreeSet::new();
    for world in World::all() {
        let (here, fresh) = refused_revocations(&world);
        assert!(fresh > 50, "{fresh}");
        given.extend(here);
    }
    assert_eq!(given, BTreeSet::from(REVOCATION_REFUSALS), "and what `admit::REVOCATION_REFUSALS` lists");
}

/// Where `admit` and what it asks is written: what each says by itself. A function that comes to be asked belongs here.
const ASKED: [(&str, &[&str]); 5] = [
    ("admit.rs", &["admit", "admit_revocation"]),
    ("verify.rs", &["judge_admitted"]),
    ("revocation.rs", &["judge_admitted"]),
    ("revocation/in_force.rs", &["refusal"]),
    (
        "chain.rs",
        &[
            "judge",
            "judge_but_root_end",
            "judge_links",
            "judge_root",
            "judge_root_beginning",
            "by_root",
            "judge_link",
        ],
    ),
];

/// The text of a function: from its head to the line that closes it.
fn body<'t>(source: &'t str, name: &str) -> &'t str {
    let head = source.lines().find(|line| line.contains(&format!("fn {name}("))).unwrap();
    let indent = &head[..head.len() - head.trim_start().len()];
    let (_, rest) = source.split_once(head).unwrap();
    rest.split_once(&format!("\n{indent}}}\n")).unwrap().0
}

/// A world can miss what happens in another one; a code that is given must be written somewhere.
#[test]
fn no_code_is_written_in_what_admit_asks_that_the_lists_do_not_have() {
    let mut written = BTreeSet::new();
    for (file, functions) in ASKED {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        let source = std::fs::read_to_string(path).unwrap();
        for function in functions {
            let codes = body(&source, function).split("Code::").skip(1);
            let names = codes.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
            written.extend(names.map(str::to_owned));
        }
    }
    let listed: BTreeSet<String> =
        REFUSALS.iter().chain(&REVOCATION_REFUSALS).map(|code| format!("{code:?}")).collect();
    assert_eq!(written, listed, "the codes in the source, and those of both lists");
}

#[test]
fn a_message_may_be_admitted_from_120_s_before_it_was_sent_until_it_expires() {
    let (sent, expires) = (3_000_000, 4_000_000);
    let message = World::new(Reign::Stays).message(sent, expires).unwrap();
    for (at, verdict) in [
        (sent - SKEW - 1, Some(Code::SentInFuture)),
        (sent - SKEW, None),
        (expires - 1, None),
        (expires, Some(Code::Expired)),
    ] {
        let at = Timestamp::from_millis(at);
        assert_eq!(message.judge_admitted(at).err().map(|refusal| refusal.code), verdict, "{at:?}");
        assert_eq!(message.window().contains(at), verdict.is_none(), "{at:?}");
    }
}
