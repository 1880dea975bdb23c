//! Who may publish and who hears: the crate against the rules written down once more, in `authority/reference.rs`.
//!
//! All chains of up to three links in which each link differs from a plain one in at most one dimension, with every
//! question that can be asked in this small world; then random chains, messages, ears and revocations. Real signatures throughout.
//! 100,000 random cases, or as many as `VIGIE_AUTHORITY_CASES` says, from `VIGIE_AUTHORITY_SEED`:
//!
//! ```sh
//! VIGIE_AUTHORITY_CASES=10000000 cargo test --release -p vigie-proto --test authority random -- --nocapture
//! ```
//!
//! How often each rule decided is counted: a rule that never did was not tested, and fails the test. The comparison is
//! tried against references with one rule made wrong, and must see each of them.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the seed and the counts are the result of a long run")]

#[path = "authority/random.rs"]
mod random;
#[path = "authority/reference.rs"]
mod reference;
#[path = "authority/revoking.rs"]
mod revoking;
#[path = "authority/universe.rs"]
mod universe;

use std::collections::BTreeSet;
use std::sync::Arc;

use vigie_proto::chain::Chain;
use vigie_proto::credential::Credential;

use crate::random::Dice;
use crate::reference::{Bent, Ear, Grant, Label, Link, Revocation, Rules, SEVERE, SKEW, Said, WEEK};
use crate::revoking::Past;
use crate::universe::{Compared, Counts, World};

/// Three levels, and names of which one begins with another.
const PLACES: [&str; 6] = ["fr", "fr.a", "fr.ab", "fr.a.x", "fr.a.y", "frx"];
const FLOWS: [&str; 2] = ["alert", "signal"];
const PLANES: [&str; 2] = ["live", "exercise"];
const LABELS: [&str; 5] = ["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"];
const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;

const BY_REVOKED: &str = "by somebody who is revoked";

/// Every rule of the reference, by the question that it answers.
const RULES: [(&str, &[&str]); 15] = [
    (
        "chain",
        &[
            "allowed",
            "a root that nobody pinned",
            "another plane than its parent",
            "below a relay",
            "an organisation outside its parent's",
            "a time outside its parent's",
            "below one who may not delegate",
            "a grant that no single one covers",
        ],
    ),
    (
        "publish",
        &[
            "allowed",
            "a message on another plane than its chain",
            "a draft",
            "content of another plane than its chain",
            "less severe than its content",
            "a relay that publishes",
            "no grant to publish on this flow",
            "a grant to publish, but elsewhere",
            "a grant to publish here, but less severe",
            "no lifetime, or more than a week",
            "before a link begins",
            "after a link ends",
            "sent too far ahead of its admission",
            "admitted after its end",
            BY_REVOKED,
        ],
    ),
    (
        "revoke",
        &[
            "allowed",
            BY_REVOKED,
            "from too far ahead of its admission",
            "before a link begins",
            "after a link ends",
        ],
    ),
    ("admitted before", &["stands", "disowned"]),
    (
        "grants",
        &[
            "allowed",
            "no grant to publish on this flow",
            "a grant to publish, but elsewhere",
            "a grant to publish here, but less severe",
        ],
    ),
    (
        "subscribe",
        &[
            "allowed",
            "a relay that subscribes",
            "a subscription on another plane than its chain",
            "no grant to subscribe on this flow",
            "a grant to subscribe, but elsewhere",
        ],
    ),
    ("alert/S", &["heard", "not heard"]),
    ("alert/S.**", &["heard", "not heard"]),
    ("signal/S", &["heard", "not heard"]),
    ("signal/S.**", &["heard", "not heard"]),
    ("TLP:CLEAR", &["for this reader"]),
    ("TLP:GREEN", &["for this reader", "for others"]),
    ("TLP:AMBER", &["for this reader", "for others"]),
    ("TLP:AMBER+STRICT", &["for this reader", "for others"]),
    ("TLP:RED", &["for this reader", "for others"]),
];

/// Prints how often each rule decided; one that never did, or that nobody listed, is a failure.
fn every_rule_decided(counts: &Counts) {
    let listed: BTreeSet<_> =
        RULES.iter().flat_map(|(question, rules)| rules.iter().map(|rule| (*question, *rule))).collect();
    for ((question, rule), count) in counts {
        println!("{count:>12}  {question}: {rule}");
    }
    let counted: BTreeSet<_> = counts.keys().copied().collect();
    assert_eq!(counted, listed, "left: rules that decided something, right: rules that there are");
}

/// The link at this depth that the others differ from.
fn plain(depth: u8) -> Link {
    let at = if depth == 0 { "fr" } else { "fr.a" };
    let publish = Some(if depth == 0 { 3 } else { 2 });
    let grant = Grant { flow: "alert", at, publish, subscribe: true, delegate: 2 - depth };
    Link {
        pinned: true,
        plane: "live",
        org: at,
        is_relay: false,
        grants: vec![grant],
        from: NOW - HOUR,
        until: NOW + HOUR,
    }
}

/// The plain link, and each that differs from it in one dimension, by every value there is.
fn variants(depth: u8) -> Vec<Link> {
    let mut all = vec![plain(depth)];
    let mut vary = |change: &dyn Fn(&mut Link)| {
        let mut link = plain(depth);
        change(&mut link);
        all.push(link);
    };
    for place in PLACES {
        vary(&|link| link.org = place);
        vary(&|link| link.grants[0].at = place);
    }
    for publish in [None, Some(0), Some(1), Some(2), Some(3)] {
        vary(&|link| link.grants[0].publish = publish);
    }
    for delegate in 0..4 {
        vary(&|link| link.grants[0].delegate = delegate);
    }
    for by in [0, 2] {
        vary(&|link| link.from = link.from + by - 1);
        vary(&|link| link.until = link.until + by - 1);
    }
    vary(&|link| link.grants[0].flow = "signal");
    vary(&|link| link.grants[0].subscribe = false);
    vary(&|link| link.grants.clear());
    vary(&|link| link.plane = "exercise");
    vary(&|link| link.is_relay = true);
    if depth == 0 {
        vary(&|link| link.pinned = false);
    }
    // A value that is the plain one gave the plain link again.
    let mut seen = BTreeSet::new();
    all.retain(|link| seen.insert(format!("{link:?}")));
    all
}

/// Every channel, at every severity.
fn channels() -> impl Iterator<Item = (&'static str, &'static str, &'static str, usize)> {
    PLANES.into_iter().flat_map(|plane| {
        FLOWS.into_iter().flat_map(move |flow| {
            PLACES.into_iter().flat_map(move |at| (0..4).map(move |severity| (plane, flow, at, severity)))
        })
    })
}

fn ears() -> impl Iterator<Item = Ear> {
    let written = channels().filter(|(.., severity)| *severity == 0);
    written.flat_map(|(plane, flow, at, _)| [false, true].map(|and_below| Ear { plane, flow, at, and_below }))
}

/// What a leaf may do, apart from the times: all there is to ask without a message.
fn ask_everything(world: &mut World, rules: Rules, leaf: &Link, chain: &Chain) -> Compared<()> {
    for (plane, flow, at, severity) in channels() {
        if plane == "live" {
            world.compare_grants(rules, leaf, chain, (flow, at, severity))?;
        }
    }
    for ear in ears() {
        world.compare_ear(rules, leaf, chain, &ear)?;
    }
    Ok(())
}

/// Every channel and severity with every content, and every moment that is the edge of something.
fn say_everything(world: &mut World, rules: Rules, links: &[Link], chain: &Arc<Chain>) -> Compared<()> {
    let leaf = &links[links.len() - 1];
    for (plane, flow, at, severity) in channels() {
        for (content_plane, content_severity) in [(plane, severity), ("live", 2), ("none", 0)] {
            let (sent, expires, admitted) = (NOW, NOW + HOUR, NOW);
            let said =
                Said { plane, flow, at, severity, content_plane, content_severity, sent, expires, admitted };
            world.compare_message(rules, links, chain, &said, &clear(), &Past::default())?;
        }
    }
    let Some(grant) = leaf.grants.first() else { return Ok(()) };
    for sent in [leaf.from - 1, leaf.from, NOW, leaf.until - 1, leaf.until] {
        for lifetime in [0, 1, HOUR, WEEK, WEEK + 1] {
            let expires = sent + lifetime;
            let ends = [leaf.from - 1, leaf.from, leaf.until - 1, leaf.until];
            for admitted in [sent - SKEW - 1, sent - SKEW, sent, expires - 1, expires].into_iter().chain(ends)
            {
                let said = Said {
                    plane: leaf.plane,
                    flow: grant.flow,
                    at: grant.at,
                    severity: 0,
                    content_plane: leaf.plane,
                    content_severity: 0,
                    sent,
                    expires,
                    admitted,
                };
                world.compare_message(rules, links, chain, &said, &clear(), &Past::default())?;
            }
        }
    }
    Ok(())
}

fn clear() -> Label {
    Label { tlp: "TLP:CLEAR", audience: Vec::new() }
}

/// Each label, for nobody by name, for one organisation, and for two: where that is a label.
fn labels() -> Vec<Label> {
    let mut audiences = vec![Vec::new()];
    for (number, first) in PLACES.into_iter().enumerate() {
        audiences.extend(PLACES[number..].iter().map(|second| vec![first, *second]));
    }
    let is_one = |label: &Label| match label.tlp {
        "TLP:CLEAR" => label.audience.is_empty(),
        "TLP:GREEN" => true,
        _ => !label.audience.is_empty(),
    };
    let all = LABELS
        .into_iter()
        .flat_map(|tlp| audiences.iter().map(move |audience| Label { tlp, audience: audience.clone() }));
    all.filter(is_one).collect()
}

/// Somebody of this organisation who may listen everywhere on a plane.
fn everywhere(plane: &'static str, org: &'static str) -> Link {
    let on = |flow| ["fr", "frx"].map(|at| Grant { flow, at, publish: None, subscribe: true, delegate: 0 });
    Link { plane, org, grants: FLOWS.into_iter().flat_map(on).collect(), ..plain(0) }
}

/// Every ear that some sound chain may have, on every channel; and with every organisation, under every label, on every
/// place.
fn hear_everything(world: &mut World, rules: Rules) -> Compared<()> {
    let labels = labels();
    for plane in PLANES {
        for org in PLACES {
            let links = [everywhere(plane, org)];
            let root = world.issue(&links, None);
            let chain = world.compare_chain(rules, &links, &[root])?.expect("a root alone is sound");
            for ear in ears().filter(|ear| ear.plane == plane) {
                let reader = world.compare_ear(rules, &links[0], &chain, &ear)?.expect("all is granted");
                for channel in channels() {
                    world.compare_hearing(rules, &reader, (&ear, org), channel, &clear())?;
                }
                for channel in channels()
                    .filter(|(on, flow, _, severity)| (*on, *flow, *severity) == (plane, ear.flow, SEVERE))
                {
                    for label in &labels {
                        world.compare_hearing(rules, &reader, (&ear, org), channel, label)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Of a plain chain: every revocation alone at every moment that is the edge of something, and every two of them one after
/// the other, each before a message by the same credential and by another of the same key.
fn revoke_everything(world: &mut World, rules: Rules) -> Compared<()> {
    let links = [0, 1, 2].map(plain);
    let mut credentials: Vec<Credential> = Vec::new();
    for depth in 0..links.len() {
        let issued = world.issue(&links[..=depth], credentials.last());
        credentials.push(issued);
    }
    let said = Said {
        plane: "live",
        flow: "alert",
        at: "fr.a",
        severity: 2,
        content_plane: "live",
        content_severity: 2,
        sent: NOW,
        expires: NOW + HOUR,
        admitted: NOW,
    };
    let mut all = Vec::new();
    for (by, whom) in (0..3).flat_map(|by| (0..3).map(move |whom| (by, whom))) {
        for of_key in [false, true] {
            all.extend([NOW, NOW + 1].map(|from| Revocation { by, whom, of_key, from, admitted: NOW }));
        }
    }
    let (begin, end) = (links[0].from, links[0].until);
    let edges = [begin - 1, begin, NOW - SKEW - 1, NOW - SKEW, end - 1, end];
    let at = |one: &Revocation, admitted| {
        [one.from, admitted].map(|from| vec![Revocation { from, admitted, ..one.clone() }])
    };
    let mut orders: Vec<Vec<Revocation>> =
        all.iter().flat_map(|one| edges.into_iter().flat_map(|edge| at(one, edge))).collect();
    for first in &all {
        orders.extend(all.iter().map(|second| vec![first.clone(), second.clone()]));
    }
    for order in &orders {
        for renewed in [false, true] {
            world.compare_behind(rules, (&links, &credentials), (order, renewed), &said, &clear())?;
        }
    }
    Ok(())
}

/// All chains of one to three links out of the variants. Full messages are said where all but the leaf is plain:
/// what is above a sound leaf matters to them by its times alone, and those are asked at random.
fn exhaust(world: &mut World, rules: Rules) -> Compared<()> {
    hear_everything(world, rules)?;
    revoke_everything(world, rules)?;
    let of_depth = [variants(0), variants(1), variants(2)];
    let plain = of_depth.clone().map(|variants| format!("{:?}", variants[0]));
    let mut stack: Vec<(Vec<Link>, Vec<Credential>)> = vec![(Vec::new(), Vec::new())];
    while let Some((above, credentials)) = stack.pop() {
        for link in &of_depth[above.len()] {
            let (mut links, mut credentials) = (above.clone(), credentials.clone());
            links.push(link.clone());
            let issued = world.issue(&links, credentials.last());
            credentials.push(issued);
            if let Some(chain) = world.compare_chain(rules, &links, &credentials)? {
                ask_everything(world, rules, link, &chain)?;
                if above.iter().zip(&plain).all(|(link, plain)| format!("{link:?}") == *plain) {
                    say_everything(world, rules, &links, &chain)?;
                }
            }
            if links.len() < of_depth.len() {
                stack.push((links, credentials));
            }
        }
    }
    Ok(())
}

/// Messages and ears for each random chain that is sound: signing a chain costs more than a message.
const CASES_A_CHAIN: u64 = 4;

/// Revocations cost more than all else in a case.
const REVOKED_ONE_IN: usize = 5;

/// A chain that is refused is a case; one that is sound gives [`CASES_A_CHAIN`], each a message and an ear.
fn try_at_random(world: &mut World, rules: Rules, cases: u64, seed: u64) -> Compared<()> {
    let mut dice = Dice(seed);
    let mut done = 0;
    while done < cases {
        let (before, started) = (dice.0, done);
        let told =
            |why: String| format!("{why}\nafter {started} cases; alone: VIGIE_AUTHORITY_SEED={before}");
        let links = random::chain(&mut dice);
        let mut credentials: Vec<Credential> = Vec::new();
        for depth in 0..links.len() {
            let issued = world.issue(&links[..=depth], credentials.last());
            credentials.push(issued);
        }
        let Some(chain) = world.compare_chain(rules, &links, &credentials).map_err(told)? else {
            done += 1;
            continue;
        };
        for _ in 0..CASES_A_CHAIN {
            let (leaf, said) = (&links[links.len() - 1], random::message(&mut dice, &links));
            let label = random::label(&mut dice, &links);
            world.compare_message(rules, &links, &chain, &said, &label, &Past::default()).map_err(told)?;
            if dice.one_in(REVOKED_ONE_IN) {
                let revocations = (&*random::revocations(&mut dice, &links), dice.one_in(3));
                let chain = (&*links, &*credentials);
                world.compare_behind(rules, chain, revocations, &said, &label).map_err(told)?;
            }
            world.compare_grants(rules, leaf, &chain, (said.flow, said.at, said.severity)).map_err(told)?;
            let ear = random::ear(&mut dice, &links);
            if let Some(reader) = world.compare_ear(rules, leaf, &chain, &ear).map_err(told)? {
                let channel = (said.plane, said.flow, said.at, said.severity);
                let who = (&ear, leaf.org);
                world.compare_hearing(rules, &reader, who, channel, &label).map_err(told)?;
            }
            done += 1;
        }
    }
    Ok(())
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn every_small_chain_is_judged_as_the_reference_does() {
    let mut world = World::new();
    exhaust(&mut world, Rules(Bent::Nothing)).unwrap_or_else(|difference| panic!("{difference}"));
    every_rule_decided(&world.counts);
}

#[test]
fn random_chains_messages_and_ears_are_judged_as_the_reference_does() {
    let (cases, seed) = (number("VIGIE_AUTHORITY_CASES", 100_000), number("VIGIE_AUTHORITY_SEED", 1));
    println!("VIGIE_AUTHORITY_CASES={cases} VIGIE_AUTHORITY_SEED={seed}");
    let mut world = World::new();
    try_at_random(&mut world, Rules(Bent::Nothing), cases, seed)
        .unwrap_or_else(|difference| panic!("{difference}"));
    every_rule_decided(&world.counts);
    let count = |question, rule| world.counts.get(&(question, rule)).copied().unwrap_or_default();
    let (refused, disowned) = (count("publish", BY_REVOKED), count("admitted before", "disowned"));
    println!("of {cases} cases {refused} met a revocation when they were published, {disowned} afterwards");
    assert!(refused > cases / 100 && disowned > cases / 100, "hardly anybody is revoked");
}

/// The comparison is worth something: whichever rule is made wrong, both ways of asking show it.
#[test]
fn a_reference_with_one_rule_made_wrong_is_told_apart() {
    for bent in [
        Bent::SevereDoesNotRise,
        Bent::OrgNotAttenuated,
        Bent::DelegateOffByOne,
        Bent::PlacesComparedAsText,
        Bent::CeilingExcluded,
        Bent::EndIncluded,
        Bent::LabelNotLookedAt,
        Bent::StrictAsAmber,
        Bent::AmberAsStrict,
        Bent::RevokedFromBelow,
        Bent::RevokedAlone,
        Bent::KeyAsCredential,
        Bent::FromExcluded,
        Bent::NothingMoreOfOneself,
    ] {
        assert!(exhaust(&mut World::new(), Rules(bent)).is_err(), "{bent:?} among all small chains");
        assert!(try_at_random(&mut World::new(), Rules(bent), 10_000, 1).is_err(), "{bent:?} at random");
    }
}
