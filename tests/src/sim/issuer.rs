//! A client that revokes: credentials and keys of those below it, its own, and sometimes of people who are none of its
//! business. It sends the same signed bytes until they are answered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::frame::{ClientFrame, ServerFrame};
use vigie_proto::id::{CredentialId, KeyId};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, Reason, Statement, Target};
use vigie_proto::time::Timestamp;

use super::client::{Surroundings, millis};
use super::coverage::Coverage;
use super::history::{Did, Stated, ranks};
use super::network::Millis;
use super::people::{BEGIN, Command, Person};
use super::random::Chance;

/// Answers for one revocation that an issuer asks for on purpose.
const ANSWERS_MAX: u32 = 3;

/// What kind of revocation it is, for the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Of a credential that delegates nothing.
    Leaf,
    /// Of a credential that others stand under.
    Between,
    /// Of a key, by somebody above it.
    Key,
    /// Of what the issuer holds itself.
    Own,
    /// Of somebody beside or above the issuer: it meets nobody.
    Unauthorised,
}

/// A revocation to come.
#[derive(Clone, Debug)]
struct Planned {
    at: Millis,
    kind: Kind,
    target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Due(Millis),
    InFlight(u64),
}

#[derive(Debug)]
struct Pending {
    token: Arc<str>,
    under: CredentialId,
    number: u64,
    state: State,
    answers: u32,
}

/// What an issuer has in hand.
#[derive(Debug)]
pub struct Issuer {
    plan: VecDeque<Planned>,
    pending: Vec<Pending>,
    requests: u64,
    /// How many it signed under each of its credentials.
    signed: BTreeMap<CredentialId, u64>,
    /// The highest number under each that was answered.
    answered: BTreeMap<CredentialId, u64>,
    /// The chains that the session knows, its own first.
    given: Vec<CredentialId>,
}

/// Whose key is concerned, and when.
pub type Moments = Vec<(KeyId, Millis)>;

/// Who revokes what on one plane, in one world of two; and whose key is concerned at which moment, for who wants to say
/// something at that very moment.
pub fn draw(command: &Command, ends: Millis, chance: &mut Chance) -> (Vec<(Person, Issuer)>, Moments) {
    let (mut issuers, mut moments) = (Vec::<(Person, Vec<Planned>)>::new(), Moments::new());
    let mut plan = |issuer: &Person, planned: Planned| match issuers
        .iter_mut()
        .find(|(person, _)| Arc::ptr_eq(&person.key, &issuer.key))
    {
        Some((_, plan)) => plan.push(planned),
        None => issuers.push((issuer.clone(), vec![planned])),
    };
    let count = if chance.one_in(2) { chance.within(1..=4) } else { 0 };
    for _ in 0..count {
        let (issuer, kind, concerned, target) = one(command, chance);
        let at = chance.within(0..=ends);
        plan(issuer, Planned { at, kind, target });
        moments.push((concerned.key.public().thumbprint(), at));
        if kind == Kind::Between && chance.one_in(2) {
            // Who is about to be revoked revokes somebody himself.
            let target = Target::Key(command.town.key.public().thumbprint());
            plan(&command.region, Planned { at: at + chance.within(0..=100), kind: Kind::Key, target });
        }
    }
    let begin = |(person, mut plan): (Person, Vec<Planned>)| {
        plan.sort_by_key(|planned| planned.at);
        let (pending, signed, answered) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        (person, Issuer { plan: plan.into(), pending, requests: 0, signed, answered, given: Vec::new() })
    };
    (issuers.into_iter().map(begin).collect(), moments)
}

/// Issuer, kind, and whom it concerns.
fn one<'c>(command: &'c Command, chance: &mut Chance) -> (&'c Person, Kind, &'c Person, Target) {
    let Command { root, nation, region, town, elsewhere, field, .. } = command;
    let key = |person: &Person| Target::Key(person.key.public().thumbprint());
    let credential = |person: &Person, chance: &mut Chance| {
        let held: Vec<_> = person.chains().collect();
        Target::Credential(chance.pick(&held).leaf().id())
    };
    match chance.below(8) {
        0..=2 => {
            let (above, below) = *chance.pick(&[
                (region, town),
                (region, field),
                (nation, town),
                (nation, field),
                (nation, elsewhere),
                (root, town),
            ]);
            (above, Kind::Leaf, below, credential(below, chance))
        }
        3 => {
            let (above, below) = *chance.pick(&[(nation, region), (root, region), (root, nation)]);
            (above, Kind::Between, below, credential(below, chance))
        }
        4 | 5 => {
            let (above, below) = *chance.pick(&[
                (region, town),
                (region, field),
                (nation, town),
                (nation, field),
                (root, region),
                (nation, elsewhere),
            ]);
            (above, Kind::Key, below, key(below))
        }
        6 => {
            let own = *chance.pick(&[town, field, region, elsewhere]);
            let target = if chance.one_in(2) { key(own) } else { credential(own, chance) };
            (own, Kind::Own, own, target)
        }
        _ => {
            let (issuer, other) = *chance.pick(&[
                (town, region),
                (field, town),
                (elsewhere, town),
                (region, nation),
                (region, elsewhere),
                (town, field),
            ]);
            let target = if chance.one_in(2) { key(other) } else { credential(other, chance) };
            (issuer, Kind::Unauthorised, other, target)
        }
    }
}

impl Issuer {
    /// Nothing is left to say or to hear about.
    pub fn is_done(&self) -> bool {
        self.plan.is_empty() && self.pending.is_empty()
    }

    /// A session is open under this credential.
    pub fn handle_open(&mut self, under: CredentialId) {
        self.given = vec![under];
    }

    /// What has no answer is sent again on the next session.
    pub fn handle_cut(&mut self, now: Millis) {
        self.given.clear();
        for pending in &mut self.pending {
            if matches!(pending.state, State::InFlight(_)) {
                pending.state = State::Due(now);
            }
        }
    }

    /// When it wants to act.
    pub fn next_tick(&self, open: bool) -> Option<Millis> {
        let due = |pending: &Pending| match pending.state {
            State::Due(at) if open => Some(at),
            State::Due(_) | State::InFlight(_) => None,
        };
        self.pending.iter().filter_map(due).chain(self.plan.front().map(|planned| planned.at)).min()
    }

    /// Says what is due.
    pub fn tick(&mut self, person: &Person, open: bool, around: &mut Surroundings<'_>) -> Vec<String> {
        let now = around.history.now;
        while self.plan.front().is_some_and(|planned| planned.at <= millis(now))
            && let Some(planned) = self.plan.pop_front()
        {
            self.decide(person, &planned, around);
        }
        let mut frames = Vec::new();
        let chain_of = |id| person.chains().find(|chain| chain.leaf().id() == id);
        self.pending.retain(|pending| chain_of(pending.under).is_some_and(|it| now < it.window().until));
        for pending in &mut self.pending {
            if !open || !matches!(pending.state, State::Due(at) if at <= millis(now)) {
                continue;
            }
            if !self.given.contains(&pending.under)
                && let Some(chain) = chain_of(pending.under)
            {
                self.given.push(pending.under);
                self.requests += 1;
                let chain = chain.links().iter().map(|link| (&**link.token()).into()).collect();
                frames.push(ClientFrame::Chain { n: self.requests, chain }.to_text());
            }
            self.requests += 1;
            pending.state = State::InFlight(self.requests);
            around.history.note(Did::RevocationSent { token: Arc::clone(&pending.token) });
            let (n, jws, chain) = (self.requests, (&*pending.token).into(), Vec::new());
            frames.push(ClientFrame::Revoke { n, jws, chain }.to_text());
        }
        frames
    }

    /// A frame came.
    pub fn handle_frame(&mut self, frame: &ServerFrame<'_>, now: Millis, around: &mut Surroundings<'_>) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "an issuer waits for answers only")]
        match frame {
            ServerFrame::Revoked { re, log, admitted, .. } => {
                let Some(place) = self.find(*re) else { return };
                around.tally.revocations_answered += 1;
                let pending = &mut self.pending[place];
                if pending.answers == 0 {
                    let highest = self.answered.entry(pending.under).or_default();
                    around.tally.revocations_out_of_order += u64::from(pending.number <= *highest);
                    *highest = pending.number.max(*highest);
                }
                let token = Arc::clone(&pending.token);
                around.history.note(Did::Revoked { token, log: *log, admitted: *admitted });
                pending.answers += 1;
                if around.chance.one_in(4) && pending.answers < ANSWERS_MAX {
                    pending.state = State::Due(now + around.chance.within(0..=30_000));
                } else {
                    self.pending.remove(place);
                }
            }
            ServerFrame::Refused { re: Some(re), code, .. } => {
                let (Some(place), Ok(code)) = (self.find(*re), code.parse::<Code>()) else { return };
                let token = Arc::clone(&self.pending[place].token);
                around.history.note(Did::RevocationRefused { token, code });
                if code.is_temporary() {
                    self.pending[place].state = State::Due(now + around.chance.within(50..=2_000));
                } else {
                    self.pending.remove(place);
                }
            }
            _ => {}
        }
    }

    fn find(&self, number: u64) -> Option<usize> {
        self.pending.iter().position(|pending| pending.state == State::InFlight(number))
    }

    fn decide(&mut self, person: &Person, planned: &Planned, around: &mut Surroundings<'_>) {
        let now = around.history.now;
        let chance = &mut *around.chance;
        let session = self.given.first();
        let held = person.chains_at(now);
        let usual = held.iter().find(|chain| session == Some(&chain.leaf().id())).copied();
        let chain = usual.unwrap_or_else(|| person.chain(now));
        let issuer = chain.leaf();
        let signed = self.signed.entry(issuer.id()).or_default();
        // Machines that know nothing of each other count each for itself.
        let number = if *signed > 0 && chance.one_in(4) { chance.within(1..=*signed) } else { *signed + 1 };
        *signed = number.max(*signed);
        let since: [Timestamp; 4] = [
            BEGIN.minus(Duration::from_secs(3_600)),
            now.minus(Duration::from_millis(chance.within(0..=30_000))),
            now,
            now.plus(Duration::from_secs(30)),
        ];
        let from = *chance.pick(&since);
        let reason = chance.one_in(2).then_some(Reason::KeyCompromise);
        let statement = Statement { target: planned.target, from, number, reason };
        let token: Arc<str> = revocation::sign(&person.key, issuer, &statement).into();
        count(planned.kind, around.tally);
        let stated = Stated { issuer: ranks(chain), plane: chain.plane(), target: planned.target, from };
        around.history.note(Did::Revokes { token: Arc::clone(&token), stated });
        let state = State::Due(millis(now));
        self.pending.push(Pending { token, under: issuer.id(), number, state, answers: 0 });
    }
}

const fn count(kind: Kind, tally: &mut Coverage) {
    match kind {
        Kind::Leaf => tally.revocations_of_leaves += 1,
        Kind::Between => tally.revocations_of_links_between += 1,
        Kind::Key => tally.revocations_of_keys += 1,
        Kind::Own => tally.revocations_of_own += 1,
        Kind::Unauthorised => tally.revocations_unauthorised += 1,
    }
}
