//! The crate's side of the comparison: what the reference calls a link, a message or an ear, signed and judged for real.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use vigie_proto::admit::{Admission, KnownIds, Stored, admit};
use vigie_proto::cap::{Alert, Headline, Status, Urgency};
use vigie_proto::chain::{Chain, Roots, TokenHash, Verdicts};
use vigie_proto::channel::{Channel, Filter, Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::hear::{Reader, may_hear};
use vigie_proto::id::MessageId;
use vigie_proto::key::SigningKey;
use vigie_proto::label::{self, Tlp};
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::message::{Content, Message};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::rotation;
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify::{self, VerifiedMessage};

use crate::reference::{Ear, Label, Link, Rules, Said, Trust, Verdict};
use crate::revoking::Past;

/// The first keys are those of roots: more of them than can hand over to one another.
pub(crate) const ROOTS: usize = 7;
/// Then come those of the links below one, by depth, and others.
pub(crate) const KEYS: usize = ROOTS + 6;

/// How often each question had each answer.
pub(crate) type Counts = BTreeMap<(&'static str, &'static str), u64>;

/// What differs between the two, in words.
pub(crate) type Compared<T> = Result<T, String>;

/// Keys, in the order of their thumbprints, and the verdicts on signatures seen before, as a relay keeps them.
pub(crate) struct World {
    keys: Vec<SigningKey>,
    seen: Seen,
    alerts: BTreeMap<(&'static str, usize), Alert>,
    pub(crate) counts: Counts,
}

/// Who judges: whom the reference lets him believe, and whom the crate does.
pub(crate) struct Judge {
    pub(crate) trust: Trust,
    pub(crate) roots: Roots,
}

/// A chain that both find sound.
pub(crate) struct Sound<'l> {
    pub(crate) links: &'l [Link],
    pub(crate) chain: Arc<Chain>,
}

impl Sound<'_> {
    pub(crate) fn leaf(&self) -> &Link {
        &self.links[self.links.len() - 1]
    }
}

/// The credentials that were signed, by the number that the reference gives them.
pub(crate) type Signed = BTreeMap<usize, Credential>;

/// Bounded: long runs see millions of credentials.
#[derive(Default)]
struct Seen(RefCell<BTreeMap<TokenHash, Arc<Credential>>>);

const SEEN_MAX: usize = 20_000;

impl Verdicts for Seen {
    fn find(&self, token: &TokenHash) -> Option<Arc<Credential>> {
        self.0.borrow().get(token).cloned()
    }

    fn keep(&self, token: TokenHash, credential: &Arc<Credential>) {
        let mut seen = self.0.borrow_mut();
        if seen.len() == SEEN_MAX {
            seen.clear();
        }
        seen.insert(token, Arc::clone(credential));
    }
}

/// An empty log.
struct Nothing;

impl KnownIds for Nothing {
    fn find(&self, _: &MessageId) -> Option<Stored> {
        None
    }
}

fn plane(word: &str) -> Plane {
    if word == "live" { Plane::Live } else { Plane::Exercise }
}

fn flow(word: &str) -> Flow {
    if word == "alert" { Flow::Alert } else { Flow::Signal }
}

fn written(plane: &str, flow: &str, at: &str, below: bool) -> String {
    let prefix = if plane == "live" { "" } else { "exercise/" };
    format!("{prefix}{flow}/{at}{}", if below { ".**" } else { "" })
}

fn labelled(label: &Label) -> label::Label {
    let tlp = Tlp::ALL.into_iter().find(|tlp| tlp.as_str() == label.tlp).unwrap();
    label::Label::new(tlp, label.audience.iter().map(|org| org.parse().unwrap())).unwrap()
}

fn alert(status: &str, severity: usize) -> Alert {
    let mut alert = Alert::from_headline(&Headline {
        plane: plane(status),
        identifier: "1",
        sender: "fr",
        sent: "2027-01-15T09:00:00+01:00",
        language: "fr-FR",
        text: "Crue",
        severity: Severity::ALL[severity],
        urgency: Urgency::Immediate,
        area: "Paris",
        restriction: None,
    });
    if status == "none" {
        alert.status = Status::Draft;
    }
    alert
}

impl World {
    pub(crate) fn new() -> Self {
        let seeds = (0..KEYS).map(|number| [u8::try_from(number).unwrap() + 1; 32]);
        let mut keys: Vec<SigningKey> = seeds.map(|seed| SigningKey::from_seed(&seed).unwrap()).collect();
        keys.sort_by_key(|key| key.public().thumbprint());
        let alerts = ["live", "exercise", "none"]
            .into_iter()
            .flat_map(|status| (0..4).map(move |severity| ((status, severity), alert(status, severity))));
        Self { seen: Seen::default(), alerts: alerts.collect(), counts: Counts::new(), keys }
    }

    pub(crate) fn key(&self, number: usize) -> &SigningKey {
        &self.keys[number]
    }

    /// Gives the crate what is pinned, and then each rotation, again and again until none of the rest is taken.
    pub(crate) fn judge(&self, trust: Trust) -> Judge {
        let mut roots = Roots::new(trust.pinned.iter().map(|key| self.keys[*key].public().thumbprint()));
        let signed = trust.handovers.iter().map(|one| {
            let handover = rotation::Handover {
                successor: *self.keys[one.to].public(),
                from: Timestamp::from_millis(one.from),
                until: one.until.map(Timestamp::from_millis),
            };
            rotation::sign(&self.keys[one.by], plane(one.plane), &handover).unwrap()
        });
        let mut waiting: Vec<_> = signed.collect();
        loop {
            let before = waiting.len();
            waiting.retain(|rotation| {
                let learnt = roots.learn(rotation.clone());
                learnt.is_err_and(|refusal| refusal.code == Code::UnknownRoot)
            });
            if waiting.len() == before {
                return Judge { trust, roots };
            }
        }
    }

    /// Signs the links of a chain that were not signed yet, each below the one before it, whether it fits or not.
    pub(crate) fn issue(&self, signed: &mut Signed, chain: &[Link]) {
        for (depth, link) in chain.iter().enumerate() {
            if !signed.contains_key(&link.id) {
                let above = depth.checked_sub(1).map(|above| &chain[above]);
                let issued = self.sign(link, above.map(|above| (&signed[&above.id], above.key)));
                signed.insert(link.id, issued);
            }
        }
    }

    fn sign(&self, link: &Link, above: Option<(&Credential, usize)>) -> Credential {
        let grants = link.grants.iter().map(|grant| Grant {
            flow: flow(grant.flow),
            at: grant.at.parse().unwrap(),
            publish: grant.publish.map(|severity| Severity::ALL[severity]),
            subscribe: grant.subscribe,
            delegate: grant.delegate,
        });
        let claims = Claims {
            subject: *self.keys[link.key].public(),
            org: link.org.parse().unwrap(),
            name: link.id.to_string(),
            role: if link.is_relay { Role::Relay } else { Role::Author },
            grants: grants.collect(),
            plane: plane(link.plane),
            valid: Window {
                from: Timestamp::from_millis(link.from),
                until: Timestamp::from_millis(link.until),
            },
        };
        let issued = match above {
            None => Credential::issue_root(&self.keys[link.key], &claims),
            Some((above, key)) => Credential::issue_below(&self.keys[key], &claims, above),
        };
        issued.unwrap()
    }

    /// Notes what the reference says, and holds the crate's answer against it.
    pub(crate) fn compare<T>(
        &mut self,
        question: &'static str,
        expected: Verdict,
        found: Result<T, Refusal>,
        about: &dyn Fn() -> String,
    ) -> Compared<Option<T>> {
        *self.counts.entry((question, expected.err().map_or("allowed", |(_, rule)| rule))).or_default() += 1;
        let found = found.map_err(|refusal| refusal.code.as_str());
        match (expected, found) {
            (Ok(()), Ok(found)) => Ok(Some(found)),
            (Err((code, _)), Err(found)) if code == found => Ok(None),
            (expected, found) => {
                let found = found.map(drop);
                Err(format!("{question}: the reference says {expected:?}, the crate {found:?}: {}", about()))
            }
        }
    }

    /// The chain, when both find it sound.
    pub(crate) fn compare_chain<'l>(
        &mut self,
        rules: Rules,
        judge: &Judge,
        signed: &Signed,
        links: &'l [Link],
    ) -> Compared<Option<Sound<'l>>> {
        let tokens = links.iter().map(|link| &**signed[&link.id].token());
        let found = Chain::verify(tokens, &judge.roots, &self.seen);
        let expected = rules.judge_chain(&judge.trust, links);
        let about = || format!("{links:#?} for {:#?}", judge.trust);
        let found = self.compare("chain", expected, found, &about)?;
        Ok(found.map(|chain| Sound { links, chain: Arc::new(chain) }))
    }

    /// `verify`, of signed bytes.
    pub(crate) fn say(&self, by: &Sound<'_>, said: &Said, label: &Label) -> Result<VerifiedMessage, Refusal> {
        let message = Message {
            channel: written(said.plane, said.flow, said.at, false).parse().unwrap(),
            sent: Timestamp::from_millis(said.sent),
            expires: Timestamp::from_millis(said.expires),
            severity: Severity::ALL[said.severity],
            label: labelled(label),
            replaces: Vec::new(),
            content: Content {
                cap: self.alerts[&(said.content_plane, said.content_severity)].clone(),
                original: None,
            },
        };
        let token = verify::sign(&self.keys[by.leaf().key], by.chain.leaf().id(), &message);
        verify::verify(&token, &by.chain, MESSAGE_LIFETIME_MAX)
    }

    /// `admit`, of what was verified.
    pub(crate) fn compare_admission(
        &mut self,
        rules: Rules,
        judge: &Judge,
        by: &Sound<'_>,
        (said, verified): (&Said, &Result<VerifiedMessage, Refusal>),
        past: &Past,
    ) -> Compared<()> {
        let admitted = Timestamp::from_millis(said.admitted);
        let found = verified
            .as_ref()
            .map_err(Refusal::clone)
            .and_then(|verified| admit(verified, admitted, &Nothing, &past.log))
            .inspect(|admission| assert_eq!(*admission, Admission::Fresh));
        let expected = rules.judge_message(&judge.trust, &past.held, by.links, said);
        let about =
            || format!("{said:#?} under {:#?} behind {:#?} for {:#?}", by.links, past.held, judge.trust);
        self.compare("publish", expected, found, &about).map(drop)
    }

    /// `verify` and then `admit`, behind nothing.
    pub(crate) fn compare_message(
        &mut self,
        rules: Rules,
        judge: &Judge,
        by: &Sound<'_>,
        said: &Said,
        label: &Label,
    ) -> Compared<()> {
        let verified = self.say(by, said, label);
        self.compare_admission(rules, judge, by, (said, &verified), &Past::default())
    }

    /// The grants alone, without a message.
    pub(crate) fn compare_grants(
        &mut self,
        rules: Rules,
        by: &Sound<'_>,
        asked: (&'static str, &'static str, usize),
    ) -> Compared<()> {
        let (leaf, (word, at, severity)) = (by.leaf(), asked);
        let expected = rules.may_publish(leaf, word, at, severity);
        let found = by.chain.may_publish(flow(word), &at.parse().unwrap(), Severity::ALL[severity]);
        self.compare("grants", expected, found, &|| format!("{asked:?} by {leaf:#?}")).map(drop)
    }

    /// Whether the ear may listen; if so, it can be asked what it hears.
    pub(crate) fn compare_ear(
        &mut self,
        rules: Rules,
        by: &Sound<'_>,
        ear: &Ear,
    ) -> Compared<Option<Reader>> {
        let leaf = by.leaf();
        let filter: Filter = written(ear.plane, ear.flow, ear.at, ear.and_below).parse().unwrap();
        let found = Reader::new(&by.chain, vec![filter]);
        self.compare("subscribe", rules.may_listen(leaf, ear), found, &|| format!("{ear:?} by {leaf:#?}"))
    }

    pub(crate) fn compare_hearing(
        &mut self,
        rules: Rules,
        reader: &Reader,
        (ear, org): (&Ear, &str),
        (plane, flow, at, severity): (&str, &str, &str, usize),
        label: &Label,
    ) -> Compared<()> {
        let channel: Channel = written(plane, flow, at, false).parse().unwrap();
        let is_here = rules.hears(ear, plane, flow, at, severity);
        let is_for = rules.is_for(label, org);
        let expected = is_here && is_for;
        let signed = labelled(label);
        let found = may_hear(
            reader,
            vigie_proto::hear::Said {
                channel: &channel,
                severity: Severity::ALL[severity],
                audience: signed.audience(),
            },
        );
        let form = match (ear.flow, ear.and_below) {
            ("alert", false) => "alert/S",
            ("alert", true) => "alert/S.**",
            ("signal", false) => "signal/S",
            _ => "signal/S.**",
        };
        *self.counts.entry((form, if is_here { "heard" } else { "not heard" })).or_default() += 1;
        *self
            .counts
            .entry((label.tlp, if is_for { "for this reader" } else { "for others" }))
            .or_default() += 1;
        if expected == found {
            return Ok(());
        }
        Err(format!(
            "{ear:?} of {org}: the reference says {expected}, the crate {found} of {channel} {severity} {label:?}"
        ))
    }
}
