//! A small family, gone through whole: roots that hand over to one another, a nation and its town that were renewed in the
//! middle of their chain and under another root, somebody beside them, and a root that is a town elsewhere. Under each way to
//! trust them, each revocation that one of them can sign of another, alone and behind another.

use std::slice::from_ref;

use vigie_proto::refusal::Refusal;
use vigie_proto::revocation::VerifiedRevocation;
use vigie_proto::verify::VerifiedMessage;

use crate::reference::{Handover, Link, Revocation, Rules, SKEW, Said, Trust};
use crate::revoking::Past;
use crate::universe::{Compared, Judge, ROOTS, Signed, Sound, World};
use crate::{HOUR, NOW, clear, plain};

const ROOT: usize = 0;
const HEIR: usize = 1;
const NATION: usize = ROOTS;
const TOWN: usize = ROOTS + 1;
const BESIDE: usize = ROOTS + 2;
/// A key of which there is no credential here.
const NONE: usize = usize::MAX;

/// The chain of each member.
fn members() -> Vec<Vec<Link>> {
    let link = |id, key, depth| Link { id, key, ..plain(depth) };
    let ending = |id, key, depth| Link { until: NOW + 1, ..link(id, key, depth) };
    let (root, heir) = (link(0, ROOT, 0), link(1, HEIR, 0));
    let [old, renewed, moved] = [ending(2, NATION, 1), link(3, NATION, 1), link(4, NATION, 1)];
    let chains: [&[Link]; 10] = [
        from_ref(&root),
        from_ref(&heir),
        &[root.clone(), old.clone()],
        &[root.clone(), renewed.clone()],
        &[heir.clone(), moved.clone()],
        &[root.clone(), old, ending(5, TOWN, 2)],
        &[root.clone(), renewed, link(6, TOWN, 2)],
        &[heir.clone(), moved, link(7, TOWN, 2)],
        &[root.clone(), link(8, BESIDE, 1)],
        &[heir.clone(), link(9, ROOT, 1)],
    ];
    chains.map(<[Link]>::to_vec).to_vec()
}

fn pinning(pinned: &[usize], handovers: Vec<Handover>) -> Trust {
    Trust { pinned: pinned.to_vec(), handovers }
}

/// Every way to trust root and heir that differs in something. The first ones are those under which revocations also come
/// one behind another.
fn trusts() -> Vec<Trust> {
    let before = NOW - HOUR;
    let to = |by, to, from, until| Handover { plane: "live", by, to, from, until };
    let line = |keys: &[usize]| keys.windows(2).map(|pair| to(pair[0], pair[1], before, None)).collect();
    let exercise = Handover { plane: "exercise", ..to(ROOT, HEIR, before, Some(NOW)) };
    let mut all = vec![
        pinning(&[ROOT, HEIR], Vec::new()),
        pinning(&[ROOT], vec![to(ROOT, HEIR, before, None)]),
        pinning(&[ROOT], vec![to(ROOT, HEIR, before, Some(NOW))]),
    ];
    let statements = [
        Vec::new(),
        vec![to(ROOT, HEIR, NOW, None)],
        vec![to(ROOT, HEIR, NOW, Some(NOW + 1))],
        vec![to(ROOT, HEIR, NOW + 1, None)],
        vec![to(ROOT, HEIR, before, Some(NOW + 1)), to(ROOT, HEIR, before, Some(NOW))],
        vec![to(ROOT, 2, before, Some(NOW)), to(ROOT, HEIR, NOW, None)],
        vec![to(ROOT, HEIR, before, None), to(HEIR, ROOT, before, None)],
        vec![to(HEIR, 2, before, Some(NOW)), to(ROOT, HEIR, NOW + 1, None)],
        vec![exercise],
    ];
    for pinned in [&[ROOT][..], &[HEIR], &[ROOT, HEIR]] {
        all.extend(statements.iter().map(|statements| pinning(pinned, statements.clone())));
    }
    for ways in [
        // The same but for the key; one since earlier; one that is shorter.
        [line(&[ROOT, 3, HEIR]), line(&[ROOT, 2, HEIR])].concat(),
        [vec![to(ROOT, 2, NOW, None)], line(&[2, HEIR]), line(&[ROOT, 3, HEIR])].concat(),
        [vec![to(ROOT, HEIR, NOW, None)], line(&[ROOT, 2, HEIR])].concat(),
        line(&[ROOT, 2, 3, 4, HEIR]),
        line(&[ROOT, 2, 3, 4, 5, HEIR]),
    ] {
        all.push(pinning(&[ROOT], ways));
    }
    all
}

const ONE_BEHIND_ANOTHER: usize = 3;

type Order = (Revocation, VerifiedRevocation);
type Word = (Said, Result<VerifiedMessage, Refusal>);

/// Each member ends each credential and each key, since each of these moments.
fn orders(world: &World, signed: &Signed, members: &[Sound<'_>]) -> Vec<Order> {
    let credentials = members.iter().map(|by| (by.leaf().id, by.leaf().key));
    let keys = [(0, ROOT), (1, HEIR), (2, NATION), (5, TOWN), (8, BESIDE), (NONE, 2), (NONE, 3)];
    let named = credentials.map(|whom| (whom, false)).chain(keys.map(|whom| (whom, true)));
    let each = named.flat_map(|(whom, of_key)| {
        let of_moment = move |from| members.iter().map(move |by| (by, whom, of_key, from));
        [NOW, NOW - 1, NOW + 1, NOW - HOUR].into_iter().flat_map(of_moment)
    });
    each.map(|(by, whom, of_key, from)| {
        let new = Revocation { by: by.links.to_vec(), whom, of_key, from, admitted: NOW };
        let verified = world.sign_revocation(signed, by, &new, 1);
        (new, verified)
    })
    .collect()
}

/// Under one trust: the members whose chain is sound, with what each says, and the revocations of these.
struct Here<'l> {
    judge: Judge,
    members: Vec<(Sound<'l>, [Word; 2])>,
    orders: Vec<Order>,
}

impl<'l> Here<'l> {
    fn new(
        world: &mut World,
        rules: Rules,
        trust: Trust,
        signed: &Signed,
        (chains, orders): (&'l [Vec<Link>], &[Order]),
    ) -> Compared<Self> {
        let judge = world.judge(trust);
        let mut members = Vec::new();
        for links in chains {
            let Some(by) = world.compare_chain(rules, &judge, signed, links)? else { continue };
            let said = [NOW, NOW + 1].map(|admitted| Said {
                plane: "live",
                flow: "alert",
                at: "fr.a",
                severity: 2,
                content_plane: "live",
                content_severity: 2,
                sent: NOW,
                expires: NOW + HOUR,
                admitted,
            });
            let said = said.map(|said| (said.clone(), world.say(&by, &said, &clear())));
            members.push((by, said));
        }
        let under = |(new, verified): &Order| Some((new.clone(), verified.under(&judge.roots).ok()?));
        let orders = orders.iter().filter_map(under).collect();
        Ok(Self { judge, members, orders })
    }

    fn compare_all(&self, world: &mut World, rules: Rules, past: &Past) -> Compared<()> {
        for (by, said) in &self.members {
            for (said, verified) in said {
                world.compare_admission(rules, &self.judge, by, (said, verified), past)?;
                world.compare_standing(rules, &self.judge, by, (said.admitted, said.admitted), past)?;
            }
        }
        Ok(())
    }

    /// Each revocation at each moment that is the edge of something, and what everybody may behind it.
    fn each_alone(&self, world: &mut World, rules: Rules) -> Compared<()> {
        let (begin, end) = (plain(0).from, plain(0).until);
        for (new, verified) in &self.orders {
            for admitted in [begin - 1, begin, NOW - SKEW - 1, NOW - SKEW, NOW, NOW + 1, end - 1, end] {
                let new = Revocation { admitted, ..new.clone() };
                let mut past = Past::default();
                let is_taken = world.compare_revocation(rules, &self.judge, (&new, verified), &mut past)?;
                if is_taken && admitted == NOW {
                    self.compare_all(world, rules, &past)?;
                }
            }
        }
        Ok(())
    }

    /// Each behind each that is taken, and what everybody may then.
    fn each_behind_each(&self, world: &mut World, rules: Rules) -> Compared<()> {
        for (first, verified) in self.orders.iter().filter(|(first, _)| first.from == NOW) {
            let mut before = Past::default();
            if !world.compare_revocation(rules, &self.judge, (first, verified), &mut before)? {
                continue;
            }
            for (second, verified) in
                self.orders.iter().filter(|(second, _)| [NOW - 1, NOW].contains(&second.from))
            {
                // The same bytes again are known, and no question.
                if std::ptr::eq(first, second) {
                    continue;
                }
                let mut past = before.clone();
                if world.compare_revocation(rules, &self.judge, (second, verified), &mut past)? {
                    for (by, _) in &self.members {
                        world.compare_standing(rules, &self.judge, by, (NOW, NOW - 1), &past)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What a relay took, as each reader heeds it.
    fn each_for(&self, world: &mut World, rules: Rules, readers: &[Self]) -> Compared<()> {
        for (new, verified) in self.orders.iter().filter(|(new, _)| new.from == NOW) {
            for admitted in [NOW, NOW + 1] {
                let new = Revocation { admitted, ..new.clone() };
                let mut past = Past::default();
                if !world.compare_revocation(rules, &self.judge, (&new, verified), &mut past)? {
                    continue;
                }
                for reader in readers {
                    let heeded = world.compare_heeded(rules, &reader.judge, &past)?;
                    for (by, _) in &reader.members {
                        world.compare_standing(rules, &reader.judge, by, (NOW, NOW), &heeded)?;
                    }
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn exhaust(world: &mut World, rules: Rules) -> Compared<()> {
    let chains = members();
    let mut signed = Signed::new();
    chains.iter().for_each(|links| world.issue(&mut signed, links));
    let everybody = world.judge(pinning(&[ROOT, HEIR], Vec::new()));
    let mut members = Vec::new();
    for links in &chains {
        members.extend(world.compare_chain(rules, &everybody, &signed, links)?);
    }
    let orders = orders(world, &signed, &members);
    let mut all = Vec::new();
    for trust in trusts() {
        let here = Here::new(world, rules, trust, &signed, (&chains, &orders))?;
        here.compare_all(world, rules, &Past::default())?;
        for (by, _) in &here.members {
            for edge in [plain(0).from - 1, plain(0).from, plain(0).until - 1, plain(0).until] {
                world.compare_standing(rules, &here.judge, by, (edge, edge), &Past::default())?;
            }
        }
        here.each_alone(world, rules)?;
        all.push(here);
    }
    all[0].each_for(world, rules, &all)?;
    for here in &all[..ONE_BEHIND_ANOTHER] {
        here.each_behind_each(world, rules)?;
    }
    Ok(())
}
