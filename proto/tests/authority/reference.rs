//! The rules of authority and of hearing, once more, to be read from top to bottom in five minutes.
//!
//! It says what PROTOCOL.md says in parts 3, 7, 8, 9 and 12, and shares no code and no type with the crate that it judges.
//! A place is the list of its names, a severity a number from 0 (Minor) to 3 (Extreme), a moment a number of
//! milliseconds. Rights are spelt out one by one, and looked up. Slow, and plain on purpose.
//!
//! A verdict is the code of a refusal and the rule behind it. `Bent` makes one rule wrong, to see that a comparison
//! with the crate finds it.

pub(crate) const SEVERE: usize = 2;
pub(crate) const SKEW: u64 = 120_000;
pub(crate) const WEEK: u64 = 7 * 24 * 3_600_000;

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

#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Of a root: whether those who judge pinned it.
    pub(crate) pinned: bool,
    pub(crate) plane: &'static str,
    pub(crate) org: &'static str,
    pub(crate) is_relay: bool,
    pub(crate) grants: Vec<Grant>,
    pub(crate) from: u64,
    pub(crate) until: u64,
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

/// Somebody of a chain says that a credential or a key of it ends. Both by their depth, 0 is the root.
#[derive(Clone, Debug)]
pub(crate) struct Revocation {
    pub(crate) by: usize,
    pub(crate) whom: usize,
    /// The key, and so every credential of it; or this credential alone.
    pub(crate) of_key: bool,
    pub(crate) from: u64,
    pub(crate) admitted: u64,
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

/// One rule of this file made wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bent {
    Nothing,
    SevereDoesNotRise,
    OrgNotAttenuated,
    DelegateOffByOne,
    PlacesComparedAsText,
    CeilingExcluded,
    EndIncluded,
    LabelNotLookedAt,
    StrictAsAmber,
    AmberAsStrict,
    RevokedFromBelow,
    RevokedAlone,
    KeyAsCredential,
    FromExcluded,
    NothingMoreOfOneself,
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

    /// Whether a chain, root first, is one of command: no link is more than the one above it.
    pub(crate) fn judge_chain(self, chain: &[Link]) -> Verdict {
        refuse(!chain[0].pinned, "unknown_root", "a root that nobody pinned")?;
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

    fn all_good_at(self, chain: &[Link], moment: u64) -> Verdict {
        for link in chain {
            let last = if self.0 == Bent::EndIncluded { link.until } else { link.until - 1 };
            refuse(moment < link.from, "credential_not_yet_valid", "before a link begins")?;
            refuse(moment > last, "credential_expired", "after a link ends")?;
        }
        Ok(())
    }

    /// Since when somebody at this depth is revoked: by the first moment of all revocations that concern him. `renewed`
    /// speaks under another credential than the one that those know, of the same key.
    fn revoked_since(self, held: &[Revocation], depth: usize, renewed: bool) -> Option<u64> {
        let concerns = |one: &&Revocation| {
            let may = one.by <= one.whom || self.0 == Bent::RevokedFromBelow;
            let is_other = renewed && one.whom == depth && (!one.of_key || self.0 == Bent::KeyAsCredential);
            let is_here_or_above = one.whom <= depth && (one.whom == depth || self.0 != Bent::RevokedAlone);
            may && is_here_or_above && !is_other
        };
        held.iter().filter(concerns).map(|one| one.from).min()
    }

    /// Whether a revocation is taken behind those that are held.
    pub(crate) fn may_revoke(self, chain: &[Link], held: &[Revocation], new: &Revocation) -> Verdict {
        let reaches_further = |since| new.by == new.whom && new.from < since;
        let of_oneself = |since| reaches_further(since) && self.0 != Bent::NothingMoreOfOneself;
        // Those above have the last word, but for a root about itself.
        let is_by_himself = |old: &Revocation| old.by == old.whom && [0, new.by].contains(&old.by);
        let mut by_others = held.iter().filter(|old| !is_by_himself(old));
        let is_final =
            by_others.any(|old| self.revoked_since(std::slice::from_ref(old), new.by, false).is_some());
        let is_out =
            is_final || self.revoked_since(held, new.by, false).is_some_and(|since| !of_oneself(since));
        refuse(is_out, "revoked", "by somebody who is revoked")?;
        refuse(new.from > new.admitted + SKEW, "sent_in_future", "from too far ahead of its admission")?;
        self.all_good_at(&chain[..=new.by], new.admitted)
    }

    /// Whether a message that was admitted at some moment is disowned.
    pub(crate) fn is_disowned(self, held: &[Revocation], depth: usize, renewed: bool, admitted: u64) -> bool {
        let first = if self.0 == Bent::FromExcluded { admitted } else { admitted + 1 };
        self.revoked_since(held, depth, renewed).is_some_and(|since| since < first)
    }

    /// Whether a message is taken under a sound chain, behind the revocations that are held: at the moment it was sent, then
    /// at that of its admission.
    pub(crate) fn judge_message(
        self,
        chain: &[Link],
        said: &Said,
        (held, renewed): (&[Revocation], bool),
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
        self.all_good_at(chain, said.sent)?;
        let is_out = self.revoked_since(held, chain.len() - 1, renewed).is_some();
        refuse(is_out, "revoked", "by somebody who is revoked")?;
        refuse(said.admitted + SKEW < said.sent, "sent_in_future", "sent too far ahead of its admission")?;
        refuse(said.admitted >= said.expires, "expired", "admitted after its end")?;
        self.all_good_at(chain, said.admitted)
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
