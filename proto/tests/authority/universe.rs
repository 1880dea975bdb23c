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
use vigie_proto::refusal::Refusal;
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify;

use crate::reference::{Ear, Label, Link, Rules, Said, Verdict};
use crate::revoking::Past;

/// Keys by depth; the last one is that of a root that nobody pins.
const KEYS: u8 = 6;
const STRANGER: usize = KEYS as usize - 1;

/// How often each question had each answer.
pub(crate) type Counts = BTreeMap<(&'static str, &'static str), u64>;

/// What differs between the two, in words.
pub(crate) type Compared<T> = Result<T, String>;

/// Keys, and the verdicts on signatures seen before, as a relay keeps them.
pub(crate) struct World {
    keys: Vec<SigningKey>,
    roots: Roots,
    seen: Seen,
    alerts: BTreeMap<(&'static str, usize), Alert>,
    pub(crate) counts: Counts,
}

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
        let keys: Vec<SigningKey> =
            (0..KEYS).map(|number| SigningKey::from_seed(&[number + 1; 32]).unwrap()).collect();
        let roots = Roots::new([keys[0].public().thumbprint()]);
        let alerts = ["live", "exercise", "none"]
            .into_iter()
            .flat_map(|status| (0..4).map(move |severity| ((status, severity), alert(status, severity))));
        Self { roots, seen: Seen::default(), alerts: alerts.collect(), counts: Counts::new(), keys }
    }

    pub(crate) fn key(&self, chain: &[Link], depth: usize) -> &SigningKey {
        if depth == 0 && !chain[0].pinned { &self.keys[STRANGER] } else { &self.keys[depth] }
    }

    /// Signs the last link below the one before it, whether it fits or not.
    pub(crate) fn issue(&self, chain: &[Link], above: Option<&Credential>) -> Credential {
        self.issue_named("", chain, above)
    }

    fn issue_named(&self, name: &str, chain: &[Link], above: Option<&Credential>) -> Credential {
        let (depth, link) = (chain.len() - 1, &chain[chain.len() - 1]);
        let grants = link.grants.iter().map(|grant| Grant {
            flow: flow(grant.flow),
            at: grant.at.parse().unwrap(),
            publish: grant.publish.map(|severity| Severity::ALL[severity]),
            subscribe: grant.subscribe,
            delegate: grant.delegate,
        });
        let claims = Claims {
            subject: *self.key(chain, depth).public(),
            org: link.org.parse().unwrap(),
            name: name.to_owned(),
            role: if link.is_relay { Role::Relay } else { Role::Author },
            grants: grants.collect(),
            plane: plane(link.plane),
            valid: Window {
                from: Timestamp::from_millis(link.from),
                until: Timestamp::from_millis(link.until),
            },
        };
        let issued = match above {
            None => Credential::issue_root(self.key(chain, 0), &claims),
            Some(above) => Credential::issue_below(self.key(chain, depth - 1), &claims, above),
        };
        issued.unwrap()
    }

    /// A chain that is known to be one.
    pub(crate) fn sound<'t>(&self, tokens: impl IntoIterator<Item = &'t str>) -> Arc<Chain> {
        Arc::new(Chain::verify(tokens, &self.roots, &self.seen).unwrap())
    }

    /// The same chain, with another credential of the same key at its end.
    pub(crate) fn renew(&self, links: &[Link], credentials: &[Credential]) -> Arc<Chain> {
        let above = &credentials[..credentials.len() - 1];
        let leaf = self.issue_named("renewed", links, above.last());
        self.sound(above.iter().chain([&leaf]).map(|credential| &**credential.token()))
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
    pub(crate) fn compare_chain(
        &mut self,
        rules: Rules,
        links: &[Link],
        credentials: &[Credential],
    ) -> Compared<Option<Arc<Chain>>> {
        let tokens = credentials.iter().map(|credential| &**credential.token());
        let found = Chain::verify(tokens, &self.roots, &self.seen).map(Arc::new);
        self.compare("chain", rules.judge_chain(links), found, &|| format!("{links:#?}"))
    }

    /// `verify` and then `admit`, on signed bytes.
    pub(crate) fn compare_message(
        &mut self,
        rules: Rules,
        links: &[Link],
        chain: &Arc<Chain>,
        said: &Said,
        label: &Label,
        past: &Past,
    ) -> Compared<()> {
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
        let token = verify::sign(self.key(links, links.len() - 1), chain.leaf().id(), &message);
        let found = verify::verify(&token, chain, MESSAGE_LIFETIME_MAX)
            .and_then(|verified| admit(&verified, Timestamp::from_millis(said.admitted), &Nothing, &past.log))
            .inspect(|admission| assert_eq!(*admission, Admission::Fresh));
        let about = || format!("{said:#?} {label:?} under {links:#?} behind {:#?}", past.held);
        let expected = rules.judge_message(links, said, (&past.held, past.renewed));
        self.compare("publish", expected, found, &about).map(drop)
    }

    /// The grants alone, without a message.
    pub(crate) fn compare_grants(
        &mut self,
        rules: Rules,
        leaf: &Link,
        chain: &Chain,
        asked: (&'static str, &'static str, usize),
    ) -> Compared<()> {
        let (word, at, severity) = asked;
        let expected = rules.may_publish(leaf, word, at, severity);
        let found = chain.may_publish(flow(word), &at.parse().unwrap(), Severity::ALL[severity]);
        self.compare("grants", expected, found, &|| format!("{asked:?} by {leaf:#?}")).map(drop)
    }

    /// Whether the ear may listen; if so, it can be asked what it hears.
    pub(crate) fn compare_ear(
        &mut self,
        rules: Rules,
        leaf: &Link,
        chain: &Chain,
        ear: &Ear,
    ) -> Compared<Option<Reader>> {
        let filter: Filter = written(ear.plane, ear.flow, ear.at, ear.and_below).parse().unwrap();
        let found = Reader::new(chain, vec![filter]);
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
