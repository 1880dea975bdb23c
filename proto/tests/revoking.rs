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
use vigie_proto::revocation::{self, InForce, Revocations, Statement, Target, VerifiedRevocation};
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
    chain_on(Plane::Live, leaf)
}

fn chain_on(plane: Plane, leaf: &'static str) -> Arc<Chain> {
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
            plane,
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

fn revoke(under: &Arc<Chain>, key: &str, target: Target, from: Timestamp, number: u64) -> VerifiedRevocation {
    let statement = Statement { target, from, number, reason: None };
    revocation::verify(&revocation::sign(&signing_key(key), under.leaf(), &statement), under).unwrap()
}

/// Somebody gives up his key.
fn gives_up(who: &'static str, from: Timestamp) -> VerifiedRevocation {
    let under = chain(who);
    revoke(&under, chain_of(who).last().unwrap().1, Target::Key(under.leaf().key_id()), from, 1)
}

fn before(seconds: u64) -> Timestamp {
    NOW.minus(Duration::from_secs(seconds))
}

/// What becomes of the town's giving up its key from this moment on, where that was said already.
fn admitted(said: &VerifiedRevocation, from: Timestamp) -> Result<RevocationAdmission, Code> {
    let mut held = Revocations::default();
    held.insert(InForce::from(said));
    admit_revocation(&gives_up("town", from), NOW, &held).map_err(|refusal| refusal.code)
}

/// Who has stolen the key of a root may end it from a late moment on: that keeps nobody below from disowning what came
/// before, under whichever of the key's credentials he says so.
#[test]
fn a_root_that_gives_itself_up_as_a_town_binds_nobody_below() {
    for (above, is_final) in [("root", false), ("root's key as a town", false), ("region", true)] {
        let said = gives_up(above, before(10));
        let further = if is_final { Err(Code::Revoked) } else { Ok(RevocationAdmission::Fresh) };
        assert_eq!(admitted(&said, before(11)), further, "behind {above}");
        assert_eq!(admitted(&said, before(10)), Err(Code::Revoked), "behind {above}");
    }
}

/// A thief who has given up the stolen key under one of its credentials does not keep its holder from disowning more under
/// another.
#[test]
fn whoever_gave_up_his_key_under_one_credential_may_do_so_from_earlier_on_under_another() {
    let said = gives_up("town again", before(10));
    assert_eq!(admitted(&said, before(11)), Ok(RevocationAdmission::Fresh));
    assert_eq!(admitted(&said, before(10)), Err(Code::Revoked));
}

#[test]
fn beside_what_one_gives_up_stands_what_gave_up_the_same_on_its_plane_and_under_its_root() {
    let (town, again) = (chain("town"), chain("town again"));
    let (key, credential) = (Target::Key(town.leaf().key_id()), Target::Credential(town.leaf().id()));
    let own_root = {
        let subject = signing_key("t");
        let claims = Claims { subject: *subject.public(), ..chain("root").leaf().claims().clone() };
        let root = Credential::issue_root(&subject, &claims).unwrap();
        let roots = Roots::new([subject.public().thumbprint()]);
        Arc::new(Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap())
    };
    let by = |under: &Arc<Chain>, target, number| InForce::from(&revoke(under, "t", target, NOW, number));
    let without_chain = |number| {
        let lost = revoke(&town, "t", credential, NOW, number);
        InForce::new(Arc::clone(lost.revocation()), &[])
    };
    for (new, said, stands, why) in [
        (by(&town, key, 1), by(&again, key, 1), true, "the key, under either credential"),
        (by(&again, key, 1), by(&town, key, 1), true, "the key, under either credential"),
        (by(&town, credential, 1), by(&town, credential, 2), true, "the credential, twice"),
        (by(&town, credential, 1), by(&again, credential, 1), false, "ended under another"),
        (by(&again, credential, 1), by(&town, credential, 1), false, "another's is ended"),
        (by(&town, key, 1), by(&own_root, key, 1), false, "under another root"),
        (by(&town, key, 1), by(&chain_on(Plane::Exercise, "town"), key, 1), false, "on the other plane"),
        (without_chain(1), without_chain(2), false, "nobody knows under which root"),
    ] {
        let mut held = Revocations::default();
        let id = said.revocation().id();
        held.insert(said);
        let beside: Vec<_> = held.own_beside(&new).map(|one| one.id()).collect();
        assert_eq!(beside, if stands { vec![id] } else { Vec::new() }, "{why}");
    }
}
