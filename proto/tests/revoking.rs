//! Whom a revocation meets: the crate against the rule written down once more, for every chain, issuer and target of a small
//! world. In it keys hold several credentials, beside one another and one above another.
//!
//! The rule: a link of a chain is revoked by who holds its key, or that of a link above it in that chain.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the counts are the result")]

use std::sync::Arc;
use std::time::Duration;

use vigie_proto::admit::{RevocationAdmission, admit_revocation};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, InForce, Revocations, Statement, Target};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Credential, its key, and the credential above it.
const WORLD: [(&str, &str, Option<&str>); 12] = [
    ("root", "r", None),
    ("nation", "n", Some("root")),
    ("region", "g", Some("nation")),
    ("town", "t", Some("region")),
    ("town again", "t", Some("nation")),
    ("elsewhere", "e", Some("nation")),
    // Renewed, and root and town under both: a town that keeps its old chain is ended from the new one.
    ("nation renewed", "n", Some("root")),
    ("town under that", "t", Some("nation renewed")),
    ("root renewed", "r", None),
    // A key above itself, and a root's key below.
    ("region below itself", "g", Some("region")),
    ("town below that", "t", Some("region below itself")),
    ("root's key as a town", "r", Some("region")),
];

/// The names of a chain, root first.
fn chain_of(leaf: &'static str) -> Vec<(&'static str, &'static str)> {
    let (name, key, above) = WORLD.into_iter().find(|(name, ..)| *name == leaf).unwrap();
    let mut chain = above.map_or_else(Vec::new, chain_of);
    chain.push((name, key));
    chain
}

/// What a revocation names.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Named {
    Credential(&'static str),
    Key(&'static str),
}

/// The rule: the uppermost link that the revocation ends, if any.
fn met(issuer: &'static str, named: Named, leaf: &'static str) -> Option<&'static str> {
    let issuers_key = chain_of(issuer).last().unwrap().1;
    let mut above: Vec<&str> = Vec::new();
    for (name, key) in chain_of(leaf) {
        let is_named = named == Named::Credential(name) || named == Named::Key(key);
        above.push(key);
        if is_named && above.contains(&issuers_key) {
            return Some(name);
        }
    }
    None
}

fn signing_key(name: &str) -> SigningKey {
    SigningKey::from_seed(&[name.as_bytes()[0]; 32]).unwrap()
}

fn chain(leaf: &'static str) -> Arc<Chain> {
    let mut built: Option<Chain> = None;
    for (name, key) in chain_of(leaf) {
        let subject = signing_key(key);
        let delegate = 7 - u8::try_from(built.as_ref().map_or(0, |chain| chain.links().len())).unwrap();
        let (flow, at, publish) = (Flow::Alert, "fr".parse().unwrap(), Some(Severity::Extreme));
        let claims = Claims {
            subject: *subject.public(),
            org: "fr".parse().unwrap(),
            name: name.to_owned(),
            role: Role::Author,
            grants: vec![Grant { flow, at, publish, subscribe: true, delegate }],
            plane: Plane::Live,
            valid: Window { from: Timestamp::EPOCH, until: NOW.plus(Duration::from_secs(3_600)) },
        };
        built = Some(match built {
            None => {
                let root = Credential::issue_root(&subject, &claims).unwrap();
                let roots = Roots::new([subject.public().thumbprint()]);
                Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap()
            }
            Some(above) => {
                above.extend(&signing_key(chain_of(leaf)[above.links().len() - 1].1), &claims).unwrap()
            }
        });
    }
    Arc::new(built.unwrap())
}

#[test]
fn every_revocation_meets_whom_the_rule_says() {
    let chains: Vec<_> = WORLD.iter().map(|(name, ..)| (*name, chain(name))).collect();
    let find = |name: &str| &chains.iter().find(|(other, _)| *other == name).unwrap().1;
    let keys = ["r", "n", "g", "t", "e"].map(Named::Key);
    let targets: Vec<_> = WORLD.iter().map(|(name, ..)| Named::Credential(name)).chain(keys).collect();
    let (mut meetings, mut cases) = (0, 0);
    for (issuer, under) in &chains {
        for named in &targets {
            let target = match named {
                Named::Credential(name) => Target::Credential(find(name).leaf().id()),
                Named::Key(key) => Target::Key(signing_key(key).public().thumbprint()),
            };
            let statement = Statement { target, from: NOW, number: 1, reason: None };
            let token =
                revocation::sign(&signing_key(chain_of(issuer).last().unwrap().1), under.leaf(), &statement);
            let verified = revocation::verify(&token, under).unwrap();
            let mut in_force = Revocations::default();
            in_force.insert(InForce::from(&verified));
            for (leaf, judged) in &chains {
                let expected = met(issuer, *named, leaf).map(|link| find(link).leaf().id());
                let about = format!("{issuer} revokes {named:?}, of {leaf}");
                let found = InForce::from(&verified).meets(judged).map(|link| link.id());
                assert_eq!(found, expected, "{about}");
                assert_eq!(
                    in_force.revoked(judged).map(|revoked| revoked.link),
                    expected,
                    "{about}, by look-up"
                );
                cases += 1;
                meetings += usize::from(expected.is_some());
            }
        }
    }
    println!("{cases} cases, of which {meetings} meet");
    // What most revocations mean to most people: nothing.
    assert_eq!((cases, meetings), (12 * 17 * 12, 359));
}

/// Who has stolen the key of a root may end it from a late moment on: that keeps nobody below from disowning what came
/// before, under whichever of the key's credentials he says so.
#[test]
fn a_root_that_gives_itself_up_as_a_town_binds_nobody_below() {
    let gives_up = |who: &'static str, from| {
        let (key, under) = (signing_key(chain_of(who).last().unwrap().1), chain(who));
        let target = Target::Key(under.leaf().key_id());
        let statement = Statement { target, from, number: 1, reason: None };
        revocation::verify(&revocation::sign(&key, under.leaf(), &statement), &under).unwrap()
    };
    let before = |seconds| NOW.minus(Duration::from_secs(seconds));
    for (above, is_final) in [("root", false), ("root's key as a town", false), ("region", true)] {
        let mut held = Revocations::default();
        held.insert(InForce::from(&gives_up(above, before(10))));
        let admitted =
            |from| admit_revocation(&gives_up("town", from), NOW, &held).map_err(|refusal| refusal.code);
        let further = if is_final { Err(Code::Revoked) } else { Ok(RevocationAdmission::Fresh) };
        assert_eq!(admitted(before(11)), further, "behind {above}");
        assert_eq!(admitted(before(10)), Err(Code::Revoked), "behind {above}");
    }
}
