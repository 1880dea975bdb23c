//! Chains, messages and ears at random, near enough to the rules' edges that both answers are common.

use crate::reference::{Ear, Grant, Label, Link, Revocation, SKEW, Said, WEEK};
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
        pinned: !dice.one_in(40),
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
    for _ in 0..dice.below(4) {
        let mut link = links[links.len() - 1].clone();
        link.pinned = true;
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

/// One to three of them, most by somebody who may, around the moments of the messages.
pub(crate) fn revocations(dice: &mut Dice, links: &[Link]) -> Vec<Revocation> {
    let one = |dice: &mut Dice| {
        let by = dice.below(links.len());
        let whom = if dice.one_in(3) { by } else { dice.below(links.len()) };
        let from = dice.pick(&[NOW - HOUR, NOW - 1, NOW, NOW + 1, NOW + SKEW, NOW + SKEW + 1]);
        let admitted = if dice.one_in(6) { moment(dice, links) } else { NOW };
        Revocation { by, whom, of_key: dice.one_in(2), from, admitted }
    };
    (0..=dice.below(3)).map(|_| one(dice)).collect()
}
