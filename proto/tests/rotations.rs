//! Whom a set of rotations makes a root, and when: random sets, judged by the crate and by a model that looks at every way
//! from a pinned root; and what nobody can do who does not hold the key of one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::expiry::{self, Notice};
use vigie_proto::explain::{self, Rule};
use vigie_proto::id::KeyId;
use vigie_proto::key::SigningKey;
use vigie_proto::limits::{ROTATION_HOPS_MAX, ROTATIONS_MAX};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, InForce, Reason, Revocations, Statement, Target};
use vigie_proto::rotation::{self, Handover, Rotation};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

/// More than a way has steps, so that some lead too far.
const KEYS: usize = 7;
/// All times there are; a root's credential is good at each.
const END: u64 = 12;

static WORLD: LazyLock<Vec<Root>> = LazyLock::new(|| (0..KEYS).map(Root::new).collect());

struct Root {
    key: SigningKey,
    id: KeyId,
    /// Its own credential on the live plane.
    credential: Credential,
}

impl Root {
    fn new(number: usize) -> Self {
        let key = SigningKey::from_seed(&[u8::try_from(number).unwrap() + 1; 32]).unwrap();
        let credential = Credential::issue_root(&key, &claims(&key, "root")).unwrap();
        Self { id: key.public().thumbprint(), key, credential }
    }
}

fn at(time: u64) -> Timestamp {
    Timestamp::from_millis(time)
}

fn claims(subject: &SigningKey, name: &str) -> Claims {
    let grant = Grant {
        flow: Flow::Alert,
        at: "fr".parse().unwrap(),
        publish: Some(Severity::Extreme),
        subscribe: true,
        delegate: u8::from(name == "root"),
    };
    Claims {
        subject: *subject.public(),
        org: "fr".parse().unwrap(),
        name: name.to_owned(),
        role: Role::Author,
        grants: vec![grant],
        plane: Plane::Live,
        valid: Window { from: Timestamp::EPOCH, until: at(END) },
    }
}

/// A rotation, in numbers.
#[derive(Clone, Debug)]
struct Draft {
    root: usize,
    successor: usize,
    live: bool,
    from: u64,
    until: Option<u64>,
}

impl Draft {
    fn signed(&self) -> Rotation {
        let plane = if self.live { Plane::Live } else { Plane::Exercise };
        let handover = Handover {
            successor: *WORLD[self.successor].key.public(),
            from: at(self.from),
            until: self.until.map(at),
        };
        rotation::sign(&WORLD[self.root].key, plane, &handover).unwrap()
    }
}

fn any_draft() -> impl Strategy<Value = Draft> {
    let until = prop_oneof![2 => Just(None), 1 => (1..6_u64).prop_map(Some)];
    let live = prop_oneof![4 => Just(true), 1 => Just(false)];
    (0..KEYS, 1..KEYS, live, 0..8_u64, until).prop_map(|(root, step, live, from, until)| Draft {
        root,
        successor: (root + step) % KEYS,
        live,
        from,
        until: until.map(|after| from + after),
    })
}

fn any_drafts() -> impl Strategy<Value = Vec<Draft>> {
    prop::collection::vec(any_draft(), 0..10)
}

fn any_pins() -> impl Strategy<Value = Vec<usize>> {
    subsequence((0..KEYS).collect::<Vec<_>>(), 0..3)
}

/// Gives each rotation until none of the rest is taken.
fn roots(pins: &[usize], drafts: &[Draft]) -> Roots {
    let mut roots = Roots::new(pins.iter().map(|pin| WORLD[*pin].id));
    let mut waiting: Vec<Rotation> = drafts.iter().map(Draft::signed).collect();
    loop {
        let before = waiting.len();
        waiting.retain(|rotation| {
            roots.learn(rotation.clone()).is_err_and(|refusal| refusal.code == Code::UnknownRoot)
        });
        if waiting.len() == before {
            return roots;
        }
    }
}

/// Every way to a root, as the keys on it: from a pinned one, by live rotations that were stated before the end of who
/// stated them, each root once, at most so many steps.
fn ways(pins: &[usize], drafts: &[Draft], to: usize) -> Vec<(Vec<usize>, u64)> {
    let mut found = Vec::new();
    let mut open: Vec<(Vec<usize>, u64)> = pins.iter().map(|pin| (vec![*pin], 0)).collect();
    while let Some((way, begin)) = open.pop() {
        let last = *way.last().unwrap();
        if last == to {
            found.push((way.clone(), begin));
        }
        if way.len() > ROTATION_HOPS_MAX {
            continue;
        }
        for draft in drafts.iter().filter(|draft| draft.live && draft.root == last) {
            if !way.contains(&draft.successor) && draft.from < end(drafts, last) {
                let further = way.iter().copied().chain([draft.successor]).collect();
                open.push((further, begin.max(draft.from)));
            }
        }
    }
    found
}

fn end(drafts: &[Draft], root: usize) -> u64 {
    let own = drafts.iter().filter(|draft| draft.live && draft.root == root);
    own.filter_map(|draft| draft.until).min().unwrap_or(u64::MAX)
}

fn below(root: usize) -> [Credential; 2] {
    let leaf = SigningKey::from_seed(&[99; 32]).unwrap();
    let root = &WORLD[root];
    let child = Credential::issue_below(&root.key, &claims(&leaf, "leaf"), &root.credential).unwrap();
    [root.credential.clone(), child]
}

fn chain(root: usize, roots: &Roots) -> Option<Chain> {
    Chain::verify(below(root).iter().map(|link| &**link.token()), roots, &NoVerdicts).ok()
}

/// A revocation of a key, as the holder of another states it under his root.
fn revokes(issuer: usize, target: usize) -> InForce {
    let statement = Statement {
        target: Target::Key(WORLD[target].id),
        from: at(1),
        number: 1,
        reason: Some(Reason::KeyCompromise),
    };
    let Root { key, credential, id } = &WORLD[issuer];
    let own = Chain::verify([&**credential.token()], &Roots::new([*id]), &NoVerdicts).unwrap();
    let token = revocation::sign(key, credential, &statement);
    InForce::from(&revocation::verify(&token, &Arc::new(own)).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn roots_are_those_of_the_model_at_each_moment(pins in any_pins(), drafts in any_drafts()) {
        let held = roots(&pins, &drafts);
        for root in 0..KEYS {
            let ways = ways(&pins, &drafts, root);
            let shortest = ways.iter().map(|(way, _)| way.len()).min();
            let begins = ways.iter().filter(|(way, _)| Some(way.len()) == shortest).map(|(_, begin)| *begin).min();
            let chain = chain(root, &held);
            prop_assert_eq!(chain.is_some(), begins.is_some(), "root {}", root);
            let (Some(chain), Some(begins)) = (chain, begins) else { continue };
            for time in 0..END {
                let expected = if time < begins {
                    Some(Code::CredentialNotYetValid)
                } else if time >= end(&drafts, root) {
                    Some(Code::RootEnded)
                } else {
                    None
                };
                let refused = chain.judge(at(time)).err();
                let judged = refused.as_ref().map(|refusal| refusal.code);
                prop_assert_eq!(judged, expected, "root {} at {}", root, time);
                let by = refused.and_then(|refusal| refusal.credential);
                prop_assert_eq!(by, expected.map(|_| chain.links()[0].id()), "it is the root that refuses");
                prop_assert_eq!(chain.window().contains(at(time)), expected.is_none());
            }
        }
    }

    #[test]
    fn the_order_in_which_rotations_come_changes_nothing(
        pins in any_pins(),
        (drafts, shuffled) in any_drafts().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let (one, other) = (roots(&pins, &drafts), roots(&pins, &shuffled));
        for root in &*WORLD {
            for plane in [Plane::Live, Plane::Exercise] {
                prop_assert_eq!(one.succession(root.id, plane), other.succession(root.id, plane));
            }
        }
    }

    /// Who holds the key of no trusted root adds nobody and ends nobody, whatever he signs; nor does an altered statement.
    #[test]
    fn a_stranger_changes_nothing(pins in any_pins(), drafts in any_drafts(), stranger in any_draft(), bit in any::<Index>()) {
        let before = roots(&pins, &drafts);
        let rotation = stranger.signed();
        let mut after = before.clone();
        if before.succession(rotation.root_id(), rotation.plane()).is_none() {
            prop_assert_eq!(after.learn(rotation.clone()).unwrap_err().code, Code::UnknownRoot);
        }
        let mut bytes = rotation.token().as_bytes().to_vec();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            prop_assert!(Rotation::parse(text).is_err(), "{}", text);
        }
        for root in &*WORLD {
            prop_assert_eq!(after.succession(root.id, Plane::Live), before.succession(root.id, Plane::Live));
        }
    }

    /// A root before the one of a chain takes it back, or takes it with itself; no other root does.
    #[test]
    fn a_revocation_meets_what_was_handed_over_and_nothing_else(
        pins in any_pins(), drafts in any_drafts(), issuer in 0..KEYS, target in 0..KEYS,
    ) {
        let held = roots(&pins, &drafts);
        let in_force = revokes(issuer, target);
        let mut revocations = Revocations::default();
        revocations.insert(in_force.clone());
        for root in 0..KEYS {
            let Some(chain) = chain(root, &held) else { continue };
            let line: Vec<KeyId> = chain.succession().before().iter().copied().chain([WORLD[root].id]).collect();
            let place = |of: usize| line.iter().position(|key| *key == WORLD[of].id);
            let expected = place(target).is_some_and(|target| place(issuer).is_some_and(|issuer| issuer <= target));
            prop_assert_eq!(in_force.meets(&chain).is_some(), expected, "{} on {:?}", root, line);
            prop_assert_eq!(revocations.revoked(&chain).is_some(), expected);
        }
    }
}

#[test]
fn what_is_installed_is_not_added_to_by_others() {
    let to = |successor| Draft { root: 0, successor, live: true, from: 1, until: None }.signed();
    let (told, stolen) = (to(1), to(2));
    let mut held = Roots::new([WORLD[0].id]);
    held.install([&**told.token()]).unwrap();
    assert_eq!(held.learn(stolen.clone()), Ok(false));
    assert_eq!(held.succession(WORLD[2].id, Plane::Live), None);
    let elsewhere = Draft { root: 0, successor: 2, live: false, from: 1, until: None }.signed();
    let further = Draft { root: 1, successor: 3, live: true, from: 1, until: None }.signed();
    assert_eq!(
        (held.learn(elsewhere), held.learn(further)),
        (Ok(true), Ok(true)),
        "nothing was installed there"
    );
    let mut untold = Roots::new([WORLD[0].id]);
    assert_eq!((untold.learn(told), untold.learn(stolen)), (Ok(true), Ok(true)));
}

#[test]
fn a_list_is_installed_in_any_order_and_told_where_it_is_wrong() {
    let step = |root| Draft { root, successor: root + 1, live: true, from: 1, until: None }.signed();
    let tokens: Vec<String> = [2, 0, 1].map(|root| step(root).token().to_string()).to_vec();
    let mut held = Roots::new([WORLD[0].id]);
    held.install(tokens.iter().map(String::as_str)).unwrap();
    assert!(held.succession(WORLD[3].id, Plane::Live).is_some());
    // Given on in an order in which each can be taken.
    let mut other = Roots::new([WORLD[0].id]);
    for rotation in held.rotations() {
        assert_eq!(other.learn((**rotation).clone()), Ok(true));
    }
    let mut lacking = Roots::new([WORLD[0].id]);
    let (place, refusal) = lacking.install(tokens[..2].iter().map(String::as_str)).unwrap_err();
    assert_eq!((place, refusal.code), (0, Code::UnknownRoot));
    let (place, refusal) = lacking.install([&*tokens[1], "no token"]).unwrap_err();
    assert_eq!((place, refusal.code), (1, Code::MalformedToken));
    // What cannot be read is told first: what no root signed may have its place behind another.
    let (place, refusal) = lacking.install([&*tokens[0], "no token"]).unwrap_err();
    assert_eq!((place, refusal.code), (1, Code::MalformedToken));
}

#[test]
fn a_root_tells_the_way_by_which_it_is_trusted() {
    let step = |root, successor| Draft { root, successor, live: true, from: 1, until: None };
    let ids = |numbers: &[usize]| numbers.iter().map(|number| WORLD[*number].id).collect::<Vec<_>>();
    let way = |pins: &[usize], drafts: &[Draft], to: usize| {
        roots(pins, drafts).succession(WORLD[to].id, Plane::Live).unwrap().before().to_vec()
    };
    assert_eq!(way(&[0], &[], 0), []);
    assert_eq!(way(&[0], &[step(0, 1), step(1, 2)], 2), ids(&[0, 1]));
    assert_eq!(way(&[0], &[step(0, 1), step(1, 2), step(0, 2)], 2), ids(&[0]), "the shortest");
    // Of two that are as short and begin at once, the one from the lowest thumbprint.
    let lowest = if WORLD[3].id < WORLD[4].id { 3 } else { 4 };
    assert_eq!(way(&[3, 4], &[step(3, 2), step(4, 2)], 2), ids(&[lowest]));
}

#[test]
fn no_more_are_held_than_the_bound() {
    let mut held = Roots::new([WORLD[0].id]);
    let number = |from| Draft { root: 0, successor: 1, live: true, from, until: None }.signed();
    for from in 0..ROTATIONS_MAX as u64 {
        assert_eq!(held.learn(number(from)), Ok(true));
    }
    assert_eq!(held.learn(number(99)).unwrap_err().code, Code::Full);
    assert_eq!(held.learn(number(0)), Ok(false), "what is held is held");
}

/// The root's own credential is good for years; what ends is that it is one.
#[test]
fn the_end_of_a_root_that_hands_over_is_told_before_it_comes() {
    const DAY: u64 = 86_400_000;
    let root = &WORLD[0].key;
    let long =
        Claims { valid: Window { from: Timestamp::EPOCH, until: at(3_650 * DAY) }, ..claims(root, "root") };
    let credential = Credential::issue_root(root, &long).unwrap();
    let mut roots = Roots::new([root.public().thumbprint()]);
    let successor = *WORLD[1].key.public();
    let handover = Handover { successor, from: at(300 * DAY), until: Some(at(400 * DAY)) };
    let told = |roots: &Roots, day: u64| -> Vec<(Timestamp, Notice)> {
        let chain = Chain::verify([&**credential.token()], roots, &NoVerdicts).unwrap();
        expiry::ends(&chain, at(day * DAY)).map(|(_, valid, notice)| (valid.until, notice)).collect()
    };
    assert_eq!(told(&roots, 371), []);
    roots.learn(rotation::sign(root, Plane::Live, &handover).unwrap()).unwrap();
    let end = at(400 * DAY);
    for (day, expected) in [
        (369, vec![]),
        (371, vec![(end, Notice::Month)]),
        (394, vec![(end, Notice::Week)]),
        (400, vec![(end, Notice::Ended)]),
    ] {
        assert_eq!(told(&roots, day), expected, "day {day}");
    }
}

/// What people are told is what is judged: a root counts from its hand-over to its own end, and its credential says neither.
#[test]
fn the_rule_of_roots_is_explained_as_it_is_judged() {
    let mut roots = Roots::new([WORLD[0].id]);
    let draft = Draft { root: 0, successor: 1, live: true, from: 3, until: Some(6) };
    roots.learn(draft.signed()).unwrap();
    let channel = "alert/fr".parse().unwrap();
    for (root, code, times) in [(0, Code::RootEnded, 6..END), (1, Code::CredentialNotYetValid, 0..3)] {
        let chain = chain(root, &roots).unwrap();
        for time in 0..END {
            let findings =
                explain::publish(&chain, &channel, Severity::Extreme, at(time), &Revocations::default());
            let [own] = &findings.iter().filter(|one| one.rule == Rule::Root).collect::<Vec<_>>()[..] else {
                panic!("{findings:?}")
            };
            assert_eq!(own.link, Some(WORLD[root].credential.id()));
            let expected = times.contains(&time).then_some((code, own.link));
            let told = own.refusal.as_ref().map(|refusal| (refusal.code, refusal.credential));
            assert_eq!(told, expected, "root {root} at {time}");
            let judged = chain.judge(at(time)).err().map(|refusal| refusal.code);
            assert_eq!(judged, expected.map(|(code, _)| code), "root {root} at {time}");
        }
    }
}
