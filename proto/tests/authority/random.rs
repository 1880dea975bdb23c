//! Chains, messages and ears at random, near enough to the rules' edges that both answers are common.

use crate::reference::{Ear, Grant, Handover, Label, Link, Revocation, SKEW, Said, Trust, WEEK};
use crate::universe::{KEYS, ROOTS};
use crate::{FLOWS, HOUR, LABELS, NOW, PLACES, PLANES};

/// SplitMix64: small, and the same on every machine.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.roll() % count as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

fn grant(dice: &mut Dice) -> Grant {
    Grant {
        flow: dice.pick(&FLOWS),
        at: if dice.one_in(2) { "fr" } else { dice.pick(&PLACES) },
        publish: if dice.one_in(5) { None } else { Some(dice.below(4)) },
        subscribe: !dice.one_in(4),
        delegate: u8::try_from(dice.below(4)).unwrap(),
    }
}

fn root(dice: &mut Dice) -> Link {
    let mut grants: Vec<Grant> = (0..=dice.below(3)).map(|_| grant(dice)).collect();
    // Roots that may pass something on, or nearly all chains would end at once.
    for grant in &mut grants {
        grant.delegate = grant.delegate.max(2);
    }
    Link {
        id: 0,
        key: dice.below(ROOTS),
        plane: dice.pick(&PLANES),
        org: if dice.one_in(4) { dice.pick(&PLACES) } else { "fr" },
        is_relay: dice.one_in(40),
        grants,
        from: NOW - HOUR,
        until: NOW + HOUR,
    }
}

/// Makes one dimension of a link another one.
fn change(dice: &mut Dice, link: &mut Link) {
    let count = link.grants.len().max(1);
    let which = dice.below(count);
    match (dice.below(12), link.grants.get_mut(which)) {
        (0, _) => link.plane = dice.pick(&PLANES),
        (1, _) => link.org = dice.pick(&PLACES),
        (2, _) => link.is_relay = true,
        (3, _) => link.from = link.from + dice.pick(&[0, 1, 2, HOUR]) - 1,
        (4, _) => link.until = link.until + dice.pick(&[0, 1, 2]) - 1,
        (5, _) => link.grants.push(grant(dice)),
        (6, _) if dice.one_in(3) => link.grants.clear(),
        (7, Some(grant)) => grant.flow = dice.pick(&FLOWS),
        (8, Some(grant)) => grant.at = dice.pick(&PLACES),
        (9, Some(grant)) => grant.publish = if dice.one_in(4) { None } else { Some(dice.below(4)) },
        (10, Some(grant)) => grant.subscribe = !grant.subscribe,
        (11, Some(grant)) => grant.delegate = u8::try_from(dice.below(4)).unwrap(),
        _ => {}
    }
}

/// One to four links, each the widest that fits below the one before it, and then changed or not.
pub(crate) fn chain(dice: &mut Dice) -> Vec<Link> {
    let mut links = vec![root(dice)];
    for depth in 0..dice.below(4) {
        let above = links[links.len() - 1].clone();
        let mut link = Link { id: above.id + 1, key: ROOTS + depth, ..above };
        link.grants.retain(|grant| grant.delegate > 0);
        for grant in &mut link.grants {
            grant.delegate -= 1;
        }
        for _ in 0..dice.pick(&[0, 0, 1, 1, 2]) {
            change(dice, &mut link);
        }
        links.push(link);
    }
    links
}

/// A chain that differs from another of the family from some link on: that one was renewed, or is of another key. What is
/// below it is signed anew.
fn relative(dice: &mut Dice, family: &[Vec<Link>]) -> Vec<Link> {
    let which = dice.below(family.len());
    let mut links = family[which].clone();
    let next: usize = family.iter().map(Vec::len).sum();
    let (depth, other) = (dice.below(links.len()), dice.below(links.len()));
    match dice.below(6) {
        0 => links[0].key = dice.below(ROOTS),
        1 => links[depth].key = links[other].key,
        2 if depth > 0 => links[depth].key = ROOTS + dice.below(KEYS - ROOTS),
        // A root is a town as well: this one, or the one that often hands over to it.
        3 if depth > 0 => links[depth].key = dice.pick(&[links[0].key, before(links[0].key)]),
        _ => {}
    }
    let first = if links[0].key == family[which][0].key { depth } else { 0 };
    if dice.one_in(4) {
        change(dice, &mut links[first]);
    }
    for (place, link) in links[first..].iter_mut().enumerate() {
        link.id = next + place;
    }
    links
}

/// The root that hands over to this one, where there is a line of them.
fn before(root: usize) -> usize {
    (root + 1) % ROOTS
}

/// The chain of one, and those of up to four around it.
pub(crate) fn family(dice: &mut Dice) -> Vec<Vec<Link>> {
    let mut family = vec![chain(dice)];
    for _ in 0..dice.below(5) {
        let another = relative(dice, &family);
        family.push(another);
    }
    family
}

/// Mostly one that leads to the first of the family; half of them without any handover.
pub(crate) fn trust(dice: &mut Dice, family: &[Vec<Link>]) -> Trust {
    let root = |dice: &mut Dice| {
        let which = dice.below(family.len());
        if dice.one_in(2) { dice.below(ROOTS) } else { family[which][0].key }
    };
    let first = family[0][0].key;
    if dice.one_in(2) {
        return Trust {
            pinned: vec![if dice.one_in(20) { root(dice) } else { first }],
            handovers: Vec::new(),
        };
    }
    let state = |dice: &mut Dice, by, to| {
        let from = dice.pick(&[0, 0, 0, NOW - HOUR, NOW - 1, NOW, NOW + 1]);
        let until = if dice.one_in(3) { Some(dice.pick(&[NOW - 1, NOW, NOW + 1, NOW + HOUR])) } else { None };
        let plane = if dice.one_in(12) { dice.pick(&PLANES) } else { family[0][0].plane };
        // An end comes after the beginning, and nobody hands over to himself.
        let until = until.map(|until| until.max(from + 1));
        Handover { plane, by, to: if by == to { (to + 1) % ROOTS } else { to }, from, until }
    };
    let mut trust = Trust { pinned: Vec::new(), handovers: Vec::new() };
    // A line that leads to the first, and some that lead anywhere.
    let mut last = first;
    for _ in 0..dice.pick(&[0, 0, 1, 1, 1, 2, 2, 3, 4, 5]) {
        let by = before(last);
        trust.handovers.push(state(dice, by, last));
        last = by;
    }
    trust.pinned.push(last);
    if dice.one_in(3) {
        trust.pinned.push(root(dice));
    }
    for _ in 0..dice.below(3) {
        let (by, to) = (if dice.one_in(2) { last } else { root(dice) }, root(dice));
        trust.handovers.push(state(dice, by, to));
    }
    trust
}

/// A flow and a place, one that the leaf is granted more often than not.
fn somewhere(dice: &mut Dice, leaf: &Link) -> (&'static str, &'static str) {
    if leaf.grants.is_empty() || dice.one_in(3) {
        return (dice.pick(&FLOWS), dice.pick(&PLACES));
    }
    let which = dice.below(leaf.grants.len());
    let grant = &leaf.grants[which];
    (grant.flow, if dice.one_in(3) { dice.pick(&PLACES) } else { grant.at })
}

/// Now, or the edge of some link.
fn moment(dice: &mut Dice, links: &[Link]) -> u64 {
    let which = dice.below(links.len());
    let link = &links[which];
    if dice.one_in(2) { NOW } else { dice.pick(&[link.from - 1, link.from, link.until - 1, link.until]) }
}

fn plane(dice: &mut Dice, links: &[Link]) -> &'static str {
    if dice.one_in(10) { dice.pick(&PLANES) } else { links[0].plane }
}

pub(crate) fn message(dice: &mut Dice, links: &[Link]) -> Said {
    let (flow, at) = somewhere(dice, &links[links.len() - 1]);
    let severity = dice.below(4);
    let sent = moment(dice, links);
    let expires = sent + dice.pick(&[0, 1, HOUR, HOUR, HOUR, WEEK, WEEK, WEEK + 1]);
    let at_the_edges = [sent - SKEW - 1, sent - SKEW, sent, sent, sent, expires.max(1) - 1, expires];
    let admitted = if dice.one_in(3) { moment(dice, links) } else { dice.pick(&at_the_edges) };
    Said {
        plane: plane(dice, links),
        flow,
        at,
        severity,
        content_plane: if dice.one_in(20) { "none" } else { plane(dice, links) },
        content_severity: if dice.one_in(6) { dice.below(4) } else { dice.below(severity + 1) },
        sent,
        expires,
        admitted,
    }
}

pub(crate) fn ear(dice: &mut Dice, links: &[Link]) -> Ear {
    let (flow, at) = somewhere(dice, &links[links.len() - 1]);
    Ear { plane: plane(dice, links), flow, at, and_below: dice.one_in(2) }
}

/// For the leaf, for those around it, for others.
pub(crate) fn label(dice: &mut Dice, links: &[Link]) -> Label {
    let tlp = dice.pick(&LABELS);
    let count = match tlp {
        "TLP:CLEAR" => 0,
        "TLP:GREEN" => dice.below(3),
        _ => 1 + dice.below(3),
    };
    let org = |dice: &mut Dice| if dice.one_in(3) { links[links.len() - 1].org } else { dice.pick(&PLACES) };
    Label { tlp, audience: (0..count).map(|_| org(dice)).collect() }
}

/// One to three of them by members of a family, around the moments of the messages, in the order in which they come.
pub(crate) fn revocations(dice: &mut Dice, family: &[Vec<Link>]) -> Vec<Revocation> {
    let lengths = |links: &'_ Vec<Link>| 1..=links.len();
    let members: Vec<&[Link]> =
        family.iter().flat_map(|links| lengths(links).map(|length| &links[..length])).collect();
    let leaf = |member: &[Link]| member[member.len() - 1].clone();
    let mut all: Vec<Revocation> = Vec::new();
    for _ in 0..=dice.below(3) {
        let mut by = members.clone();
        // Often by a key that has said something before, or by one of a root; under whichever of its credentials.
        let last = all.last().map(|last| leaf(&last.by).key);
        if dice.one_in(3) {
            let is_root_elsewhere = |member: &[Link]| member.len() > 1 && leaf(member).key < ROOTS;
            by.retain(|member| last.map_or_else(|| is_root_elsewhere(member), |key| leaf(member).key == key));
        }
        let by = if by.is_empty() { members[0] } else { dice.pick(&by) };
        let whom = leaf(if dice.one_in(2) { by } else { dice.pick(&members) });
        let from = dice.pick(&[NOW - HOUR, NOW - 1, NOW, NOW + 1, NOW + SKEW, NOW + SKEW + 1]);
        let admitted = if dice.one_in(6) { moment(dice, by) } else { NOW };
        let whom = if dice.one_in(8) { (usize::MAX, dice.below(ROOTS)) } else { (whom.id, whom.key) };
        let of_key = whom.0 == usize::MAX || dice.one_in(2);
        all.push(Revocation { by: by.to_vec(), whom, of_key, from, admitted });
    }
    all.sort_by_key(|one| one.admitted);
    all
}
