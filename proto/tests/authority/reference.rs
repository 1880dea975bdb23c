//! The rules of authority and of hearing, once more, to be read from top to bottom in five minutes.
//!
//! It says what PROTOCOL.md says in parts 3, 7, 8, 9 and 12, and shares no code and no type with the crate that it judges.
//! A place is the list of its names, a severity a number from 0 (Minor) to 3 (Extreme), a moment a number of
//! milliseconds; keys and credentials are numbers too. Rights are spelt out one by one, and looked up; of the ways to a root
//! all are walked. Slow, and plain on purpose.
//!
//! A verdict is the code of a refusal and the rule behind it. `Bent` makes one rule wrong, to see that a comparison
//! with the crate finds it.

mod bent;

pub(crate) use bent::Bent;

pub(crate) const SEVERE: usize = 2;
pub(crate) const SKEW: u64 = 120_000;
pub(crate) const WEEK: u64 = 7 * 24 * 3_600_000;
/// From a pinned root at most so many hand over, one to the next.
const STEPS: usize = 4;

/// Why not: the code that is told, and the rule behind it.
pub(crate) type Verdict = Result<(), (&'static str, &'static str)>;

#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) flow: &'static str,
    pub(crate) at: &'static str,
    pub(crate) publish: Option<usize>,
    pub(crate) subscribe: bool,
    pub(crate) delegate: u8,
}

/// A chain is a list of these, the root first.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Which credential it is, and whose: a key may have several, beside one another or one above another.
    pub(crate) id: usize,
    pub(crate) key: usize,
    pub(crate) plane: &'static str,
    pub(crate) org: &'static str,
    pub(crate) is_relay: bool,
    pub(crate) grants: Vec<Grant>,
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// Whom those who judge believe: the keys that they pinned, and whom these hand over to.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) pinned: Vec<usize>,
    pub(crate) handovers: Vec<Handover>,
}

/// A root says that another key is a root too from a moment on, and, if it likes, from when on it is none itself.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    pub(crate) plane: &'static str,
    pub(crate) by: usize,
    pub(crate) to: usize,
    pub(crate) from: u64,
    pub(crate) until: Option<u64>,
}

/// How a key comes to be a root: the roots that handed over on the way to it, the pinned one first; and when it is one.
struct Reign {
    before: Vec<usize>,
    from: u64,
    until: u64,
}

/// A message, and when the relay put it into its log.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) plane: &'static str,
    pub(crate) flow: &'static str,
    pub(crate) at: &'static str,
    pub(crate) severity: usize,
    /// What the CAP inside says of itself; the plane of a draft is `none`.
    pub(crate) content_plane: &'static str,
    pub(crate) content_severity: usize,
    pub(crate) sent: u64,
    pub(crate) expires: u64,
    pub(crate) admitted: u64,
}

/// Somebody says under his chain that a credential ends, or all of a key.
#[derive(Clone, Debug)]
pub(crate) struct Revocation {
    pub(crate) by: Vec<Link>,
    /// A credential and its key: `of_key` says which of the two is meant.
    pub(crate) whom: (usize, usize),
    pub(crate) of_key: bool,
    pub(crate) from: u64,
    pub(crate) admitted: u64,
}

impl Revocation {
    fn issuer(&self) -> &Link {
        &self.by[self.by.len() - 1]
    }

    /// Whether its issuer gives up what he signs it under.
    fn is_own(&self) -> bool {
        let (id, key) = self.whom;
        if self.of_key { self.issuer().key == key } else { self.issuer().id == id }
    }
}

/// How far a message may go, and for whom it is by name: nobody named is everybody.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) tlp: &'static str,
    pub(crate) audience: Vec<&'static str>,
}

/// What somebody asks to hear: `FLOW/AT`, or `FLOW/AT.**`.
#[derive(Clone, Debug)]
pub(crate) struct Ear {
    pub(crate) plane: &'static str,
    pub(crate) flow: &'static str,
    pub(crate) at: &'static str,
    pub(crate) and_below: bool,
}

/// The place and all above it, from the root: `fr.a.x` is in `fr`, in `fr.a` and in `fr.a.x`.
fn way_up(place: &str) -> Vec<Vec<&str>> {
    let names: Vec<&str> = place.split('.').collect();
    (1..=names.len()).map(|count| names[..count].to_vec()).collect()
}

fn refuse(wrong: bool, code: &'static str, rule: &'static str) -> Verdict {
    if wrong { Err((code, rule)) } else { Ok(()) }
}

/// The rules, one of them made wrong where asked for.
#[derive(Clone, Copy)]
pub(crate) struct Rules(pub(crate) Bent);

impl Rules {
    fn is_in(self, place: &str, area: &str) -> bool {
        if self.0 == Bent::PlacesComparedAsText {
            return place.starts_with(area);
        }
        way_up(place).contains(&area.split('.').collect())
    }

    /// The severities at which a grant lets its holder publish.
    fn severities(self, grant: &Grant) -> Vec<usize> {
        let under = |ceiling| if self.0 == Bent::CeilingExcluded { ceiling } else { ceiling + 1 };
        grant.publish.map_or(Vec::new(), |ceiling| (0..under(ceiling)).collect())
    }

    /// Whether one grant may be passed on as another: the same flow, no place, no right and no level more.
    fn covers(self, wider: &Grant, grant: &Grant) -> bool {
        let left = if self.0 == Bent::DelegateOffByOne { wider.delegate + 1 } else { wider.delegate };
        let may = self.severities(wider);
        wider.flow == grant.flow
            && self.is_in(grant.at, wider.at)
            && self.severities(grant).iter().all(|severity| may.contains(severity))
            && (wider.subscribe || !grant.subscribe)
            && grant.delegate < left
    }

    fn stated<'t>(self, trust: &'t Trust, plane: &str, by: usize) -> impl Iterator<Item = &'t Handover> {
        let is_here = move |one: &&Handover| one.plane == plane || self.0 == Bent::HandoverOnBothPlanes;
        let all = trust.handovers.iter().filter(move |_| self.0 != Bent::HandoverForgotten);
        all.filter(is_here).filter(move |one| one.by == by)
    }

    /// A root ends at the first end that it states itself.
    fn end(self, trust: &Trust, plane: &str, root: usize) -> u64 {
        let ends = self.stated(trust, plane, root).filter_map(|one| one.until);
        let end = if self.0 == Bent::LastRootEndCounts { ends.max() } else { ends.min() };
        end.filter(|_| self.0 != Bent::RootEndIgnored).unwrap_or(u64::MAX)
    }

    /// Every way from a pinned key: the keys on it, each with the moment from which on it is a root.
    fn ways(self, trust: &Trust, plane: &str) -> Vec<Vec<(usize, u64)>> {
        let mut ways: Vec<_> = trust.pinned.iter().map(|key| vec![(*key, 0)]).collect();
        let mut longest = ways.clone();
        for _ in 0..if self.0 == Bent::HandoverOnceTooOften { STEPS + 1 } else { STEPS } {
            let mut longer = Vec::new();
            for way in &longest {
                let (last, since) = way[way.len() - 1];
                let end = self.end(trust, plane, last);
                for one in self.stated(trust, plane, last) {
                    let from = if self.0 == Bent::HandoverBeforeItsMoment { 0 } else { one.from };
                    // What it says for later than its own end it does not say as a root.
                    if from < end || self.0 == Bent::HandoverFromItsEndOn {
                        longer.push([&way[..], &[(one.to, since.max(from))]].concat());
                    }
                }
            }
            ways.extend(longer.iter().cloned());
            longest = longer;
        }
        ways
    }

    /// Of several ways to a root the shortest counts; then the one since when it is longest one, then the one over the lowest
    /// key, and so on upwards.
    fn reign(self, trust: &Trust, root: &Link) -> Option<Reign> {
        let mut to_it = self.ways(trust, root.plane);
        to_it.retain(|way| way[way.len() - 1].0 == root.key);
        let from_its_end = |way: &[(usize, u64)]| way.iter().rev().copied().collect::<Vec<_>>();
        to_it.sort_by_key(|way| (way.len(), from_its_end(way)));
        let way = if self.0 == Bent::LongestWayCounts { to_it.last()? } else { to_it.first()? };
        let (last, above) = way.split_last()?;
        let until = self.end(trust, root.plane, root.key);
        Some(Reign { before: above.iter().map(|(key, _)| *key).collect(), from: last.1, until })
    }

    /// Whether a chain is one of command: no link is more than the one above it.
    pub(crate) fn judge_chain(self, trust: &Trust, chain: &[Link]) -> Verdict {
        let is_root = self.reign(trust, &chain[0]).is_some();
        refuse(!is_root, "unknown_root", "a root that nobody pinned or handed over to")?;
        for pair in chain.windows(2) {
            let (above, link) = (&pair[0], &pair[1]);
            let same_org = self.is_in(link.org, above.org) || self.0 == Bent::OrgNotAttenuated;
            let outlives = link.from < above.from || link.until > above.until;
            let ends_here = above.grants.iter().all(|grant| grant.delegate == 0);
            let covered = |grant: &Grant| above.grants.iter().any(|wider| self.covers(wider, grant));
            refuse(link.plane != above.plane, "exceeds_parent", "another plane than its parent")?;
            refuse(above.is_relay, "exceeds_parent", "below a relay")?;
            refuse(!same_org, "exceeds_parent", "an organisation outside its parent's")?;
            refuse(outlives, "exceeds_parent", "a time outside its parent's")?;
            refuse(ends_here, "exceeds_parent", "below one who may not delegate")?;
            refuse(!link.grants.iter().all(covered), "exceeds_parent", "a grant that no single one covers")?;
        }
        Ok(())
    }

    /// Whether the grants of a leaf let it publish this.
    pub(crate) fn may_publish(self, leaf: &Link, flow: &str, at: &str, severity: usize) -> Verdict {
        let mut able = leaf.grants.clone();
        able.retain(|grant| grant.flow == flow && grant.publish.is_some());
        refuse(able.is_empty(), "not_granted", "no grant to publish on this flow")?;
        able.retain(|grant| self.is_in(at, grant.at));
        refuse(able.is_empty(), "out_of_jurisdiction", "a grant to publish, but elsewhere")?;
        able.retain(|grant| self.severities(grant).contains(&severity));
        refuse(able.is_empty(), "severity_exceeds_grant", "a grant to publish here, but less severe")
    }

    fn all_good_at(self, trust: &Trust, chain: &[Link], moment: u64, is_own: bool) -> Verdict {
        let (begin, end) = self.reign(trust, &chain[0]).map_or((0, 0), |reign| (reign.from, reign.until));
        // What one holds one may give up under a root that has ended too.
        let is_left = is_own && self.0 != Bent::NothingOfOneselfAfterRootEnd;
        refuse(moment < begin, "credential_not_yet_valid", "before its root is one")?;
        refuse(moment >= end && !is_left, "root_ended", "after its root is one")?;
        for link in chain {
            let last = if self.0 == Bent::EndIncluded { link.until } else { link.until - 1 };
            refuse(moment < link.from, "credential_not_yet_valid", "before a link begins")?;
            refuse(moment > last, "credential_expired", "after a link ends")?;
        }
        Ok(())
    }

    /// Whom a revocation ends in a chain of its plane, counted from its root, 0: somebody of whom, or of somebody above whom,
    /// its issuer has the key. The roots that handed over on the way to that root are above it, and count as it does.
    fn ends(self, trust: &Trust, one: &Revocation, chain: &[Link]) -> Option<usize> {
        let mut before = self.reign(trust, &chain[0]).map_or(Vec::new(), |reign| reign.before);
        before.retain(|_| self.0 != Bent::HandedOverOutlivesRevocation);
        // Each by its credential and its key; of a root above the chain only the key is known.
        let mut line: Vec<(Option<usize>, usize)> = before.iter().map(|key| (None, *key)).collect();
        line.extend(chain.iter().map(|link| (Some(link.id), link.key)));
        let by_key = one.of_key && self.0 != Bent::KeyAsCredential || self.0 == Bent::CredentialAsKey;
        let is_named = |whom: usize| {
            let (id, key) = line[whom];
            if by_key { key == one.whom.1 } else { id == Some(one.whom.0) }
        };
        let is_issuer = |place: usize| {
            let (id, key) = line[place];
            let by_credential = self.0 == Bent::RenewedIssuerForgotten;
            if by_credential { id == Some(one.issuer().id) } else { key == one.issuer().key }
        };
        // Who is a root above the chain takes others from it by what he says as a root, and not as a town elsewhere.
        let as_root = one.by.len() == 1 || self.0 == Bent::TownOfARootRevokesAsRoot;
        let may = |place: usize, whom: usize| {
            let is_above = place < whom && (place >= before.len() || as_root);
            is_issuer(place) && (is_above || place == whom || self.0 == Bent::RevokedFromBelow)
        };
        let is_met = |whom: &usize| {
            let may = (0..line.len()).any(|place| may(place, *whom)) || self.0 == Bent::RevokedFromBeside;
            is_named(*whom) && may && one.issuer().plane == chain[0].plane
        };
        let first = if self.0 == Bent::RevokedAlone { line.len() - 1 } else { 0 };
        (first..line.len()).find(is_met).map(|place| place.saturating_sub(before.len()))
    }

    /// Since when a chain is revoked: by the first moment of all revocations that end somebody in it.
    fn revoked_since(self, trust: &Trust, held: &[Revocation], chain: &[Link]) -> Option<u64> {
        let ending = held.iter().filter(|one| self.ends(trust, one, chain).is_some());
        ending.map(|one| one.from).min()
    }

    /// Whether a revocation is taken behind those that are held: those above have the last word, but for a root about itself.
    /// What is one's own reaches further back than what one gave up oneself, and what a root did.
    pub(crate) fn may_revoke(self, trust: &Trust, held: &[Revocation], new: &Revocation) -> Verdict {
        let leaves_room = |old: &Revocation, place: usize| {
            let is_same = old.issuer().key == new.issuer().key;
            let is_elsewhere = is_same && old.by[0].key != new.by[0].key;
            let is_root = place == 0 && (self.0 != Bent::RootGivesUpAsRootOnly || old.by.len() == 1);
            let is_final = !is_same && !is_root && self.0 != Bent::ThoseAboveNotFinal;
            let is_further = new.from < old.from && self.0 != Bent::NothingMoreOfOneself;
            let may_be = old.is_own() && new.is_own() && !is_final;
            may_be && (is_further || (is_elsewhere && self.0 != Bent::OtherRootsBindOneself))
        };
        let is_out =
            |old: &Revocation| self.ends(trust, old, &new.by).is_some_and(|place| !leaves_room(old, place));
        refuse(held.iter().any(is_out), "revoked", "by somebody who is revoked")?;
        refuse(new.from > new.admitted + SKEW, "sent_in_future", "from too far ahead of its admission")?;
        self.all_good_at(trust, &new.by, new.admitted, new.is_own())
    }

    /// Whether a reader heeds a revocation that a relay took: he judges it by whom he trusts himself.
    pub(crate) fn may_heed(self, trust: &Trust, one: &Revocation) -> Verdict {
        self.judge_chain(trust, &one.by)?;
        self.all_good_at(trust, &one.by, one.admitted, one.is_own())
    }

    /// Whether a message that was admitted at some moment is disowned.
    pub(crate) fn is_disowned(
        self,
        trust: &Trust,
        held: &[Revocation],
        chain: &[Link],
        admitted: u64,
    ) -> bool {
        let first = if self.0 == Bent::FromExcluded { admitted } else { admitted + 1 };
        self.revoked_since(trust, held, chain).is_some_and(|since| since < first)
    }

    /// Whether somebody has a session at this moment.
    pub(crate) fn may_log_in(self, trust: &Trust, held: &[Revocation], chain: &[Link], now: u64) -> Verdict {
        self.all_good_at(trust, chain, now, false)?;
        let is_out = self.revoked_since(trust, held, chain).is_some();
        refuse(is_out, "revoked", "by somebody who is revoked")
    }

    /// Whether a message is taken under a sound chain, behind the revocations that are held: at the moment it was sent, then
    /// at that of its admission.
    pub(crate) fn judge_message(
        self,
        trust: &Trust,
        held: &[Revocation],
        chain: &[Link],
        said: &Said,
    ) -> Verdict {
        let leaf = &chain[chain.len() - 1];
        let lifetime = said.expires.saturating_sub(said.sent);
        let other_content = said.content_plane != leaf.plane;
        refuse(said.plane != leaf.plane, "wrong_plane", "a message on another plane than its chain")?;
        refuse(said.content_plane == "none", "draft_content", "a draft")?;
        refuse(other_content, "wrong_plane", "content of another plane than its chain")?;
        let milder = said.severity < said.content_severity;
        refuse(milder, "severity_below_content", "less severe than its content")?;
        refuse(leaf.is_relay, "not_granted", "a relay that publishes")?;
        self.may_publish(leaf, said.flow, said.at, said.severity)?;
        refuse(lifetime == 0 || lifetime > WEEK, "lifetime_too_long", "no lifetime, or more than a week")?;
        self.all_good_at(trust, chain, said.sent, false)?;
        let is_out = self.revoked_since(trust, held, chain).is_some();
        refuse(is_out, "revoked", "by somebody who is revoked")?;
        refuse(said.admitted + SKEW < said.sent, "sent_in_future", "sent too far ahead of its admission")?;
        refuse(said.admitted >= said.expires, "expired", "admitted after its end")?;
        self.all_good_at(trust, chain, said.admitted, false)
    }

    /// Whether somebody may ask to hear this.
    pub(crate) fn may_listen(self, leaf: &Link, ear: &Ear) -> Verdict {
        refuse(leaf.is_relay, "not_granted", "a relay that subscribes")?;
        refuse(ear.plane != leaf.plane, "wrong_plane", "a subscription on another plane than its chain")?;
        let mut able = leaf.grants.clone();
        able.retain(|grant| grant.flow == ear.flow && grant.subscribe);
        refuse(able.is_empty(), "not_granted", "no grant to subscribe on this flow")?;
        able.retain(|grant| self.is_in(ear.at, grant.at));
        refuse(able.is_empty(), "out_of_jurisdiction", "a grant to subscribe, but elsewhere")
    }

    /// Who hears what: alerts descend, signals rise.
    pub(crate) fn hears(self, ear: &Ear, plane: &str, flow: &str, at: &str, severity: usize) -> bool {
        let is_here_or_above = self.is_in(ear.at, at);
        let is_here_or_below = self.is_in(at, ear.at);
        let rises_from = if self.0 == Bent::SevereDoesNotRise { SEVERE + 1 } else { SEVERE };
        let place = match (ear.flow, ear.and_below) {
            ("alert", false) => is_here_or_above,
            ("alert", true) => is_here_or_above || is_here_or_below,
            ("signal", false) => ear.at == at || (severity >= rises_from && is_here_or_below),
            _ => is_here_or_below,
        };
        ear.plane == plane && ear.flow == flow && place
    }

    /// Whether a label lets an organisation hear a message, of those whom its channel reaches.
    pub(crate) fn is_for(self, label: &Label, org: &str) -> bool {
        let exactly = label.audience.contains(&org);
        let at_or_below = label.audience.iter().any(|named| self.is_in(org, named));
        match (self.0, label.tlp) {
            (Bent::LabelNotLookedAt, _) => true,
            (_, "TLP:CLEAR") => true,
            (_, "TLP:GREEN") if label.audience.is_empty() => true,
            (Bent::AmberAsStrict, _) => exactly,
            (_, "TLP:GREEN" | "TLP:AMBER") => at_or_below,
            (Bent::StrictAsAmber, _) => at_or_below,
            _ => exactly,
        }
    }
}
