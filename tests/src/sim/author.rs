//! A publishing client: it sends the same signed bytes until it has a receipt, a refusal for good, or they expire.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::chain::Chain;
use vigie_proto::channel::{Channel, Plane};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{ClientFrame, ServerFrame};
use vigie_proto::id::{CredentialId, MessageId};
use vigie_proto::jws::{Kind, Token};
use vigie_proto::label::{Label, Tlp};
use vigie_proto::message::{Content, Message};
use vigie_proto::refusal::Code;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_proto::verify;

use super::client::{Surroundings, millis};
use super::history::{AuthorId, Did, Flaw, ranks};
use super::network::Millis;
use super::people::{BEGIN, Person};
use super::random::Chance;
use crate::world;

/// After its expiry a publish is still answered with its first receipt, for 120 s; clocks may be wrong by half of that.
const ASKED_AGAIN_AFTER_EXPIRY: Duration = Duration::from_secs(30);

/// Receipts that a killed program may have forgotten.
const FORGOTTEN_MAX: usize = 6;

/// Receipts for one message that an author asks for on purpose: each comes up to 40 s after the last, and the end of a
/// run waits for all.
const RECEIPTS_MAX: u32 = 4;

/// What an author may say.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Where.
    pub channels: Vec<&'static str>,
    /// How grave at most.
    pub ceiling: Severity,
    /// Outside of its grants.
    pub out_of_place: &'static str,
    /// Of the other plane.
    pub other_plane: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Send it at this moment.
    Due(Millis),
    /// Sent under this number, no answer yet.
    InFlight(u64),
}

#[derive(Debug)]
struct Pending {
    token: Arc<str>,
    under: CredentialId,
    expires: Timestamp,
    state: State,
    sent: bool,
    has_receipt: bool,
    receipts: u32,
}

/// What an author has in hand.
#[derive(Debug)]
pub struct Author {
    id: AuthorId,
    plane: Plane,
    voice: Voice,
    /// When it will say something, in order.
    plan: VecDeque<Millis>,
    pending: Vec<Pending>,
    /// What has its receipt, the newest last: should the program be killed, it may not know that any more.
    done: VecDeque<Pending>,
    numbers: u64,
    /// The chains that the session knows, its own first.
    given: Vec<CredentialId>,
    /// A credential of its was called revoked.
    revoked: Option<CredentialId>,
}

impl Author {
    /// An author who will say something at these moments.
    pub fn new(id: AuthorId, plane: Plane, voice: Voice, plan: VecDeque<Millis>) -> Self {
        Self {
            id,
            plane,
            voice,
            plan,
            pending: Vec::new(),
            done: VecDeque::new(),
            numbers: 0,
            given: Vec::new(),
            revoked: None,
        }
    }

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
        for pending in &mut self.pending {
            if matches!(pending.state, State::InFlight(_)) {
                pending.state = State::Due(now);
            }
        }
    }

    /// The program is killed and started again. What it has taken over is on its disk, as in the outbox of the SDK; what
    /// became of that is written without a sync, so some receipts are forgotten, and asked for again.
    pub fn handle_kill(&mut self, now: Millis, chance: &mut Chance) {
        for pending in &mut self.pending {
            pending.state = State::Due(now + chance.within(0..=3_000));
        }
        for mut forgotten in self.done.drain(..) {
            if chance.one_in(2) && self.pending.iter().all(|pending| pending.token != forgotten.token) {
                forgotten.state = State::Due(now + chance.within(0..=30_000));
                self.pending.push(forgotten);
            }
        }
    }

    /// When it wants to act.
    pub fn next_tick(&self, open: bool) -> Option<Millis> {
        let due = |pending: &Pending| {
            let gives_up = millis(pending.expires.plus(ASKED_AGAIN_AFTER_EXPIRY));
            match pending.state {
                State::Due(at) if open => at.min(gives_up),
                State::Due(_) | State::InFlight(_) => gives_up,
            }
        };
        self.pending.iter().map(due).chain(self.plan.front().copied()).min()
    }

    /// Says what is due.
    pub fn tick(&mut self, person: &Person, open: bool, around: &mut Surroundings<'_>) -> Vec<String> {
        let now = around.history.now;
        while self.plan.front().is_some_and(|at| *at <= millis(now)) {
            self.plan.pop_front();
            self.decide(person, around);
        }
        self.give_up(person, around);
        let mut frames = Vec::new();
        if !open {
            return frames;
        }
        let numbers = &mut self.numbers;
        for pending in &mut self.pending {
            if !matches!(pending.state, State::Due(at) if at <= millis(now)) {
                continue;
            }
            if !self.given.contains(&pending.under) {
                // A session under the renewed credential; what was signed under the one before must not be stranded.
                self.given.push(pending.under);
                *numbers += 1;
                let chain = chain_of(person, pending.under).unwrap_or(&person.first);
                let links = chain.links().iter().map(|link| (&**link.token()).into()).collect();
                frames.push(ClientFrame::Chain { n: *numbers, chain: links }.to_text());
            }
            *numbers += 1;
            pending.state = State::InFlight(*numbers);
            around.tally.retries += u64::from(pending.sent && !pending.has_receipt);
            around.tally.duplicates_sent += u64::from(pending.has_receipt);
            pending.sent = true;
            around.history.note(Did::Sent { author: self.id, token: Arc::clone(&pending.token) });
            frames.push(ClientFrame::Publish { n: *numbers, jws: (&*pending.token).into() }.to_text());
        }
        frames
    }

    fn give_up(&mut self, person: &Person, around: &mut Surroundings<'_>) {
        let now = around.history.now;
        let tally = &mut *around.tally;
        self.pending.retain(|pending| {
            let credential_ended =
                chain_of(person, pending.under).is_none_or(|chain| now >= chain.window().until);
            let over = now >= pending.expires.plus(ASKED_AGAIN_AFTER_EXPIRY) || credential_ended;
            tally.never_answered += u64::from(over && pending.sent && !pending.has_receipt);
            !over
        });
    }

    /// A frame came.
    pub fn handle_frame(&mut self, frame: &ServerFrame<'_>, now: Millis, around: &mut Surroundings<'_>) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "an author without a subscription waits for answers only"
        )]
        match frame {
            ServerFrame::Receipt { re, id, log, seq, admitted } => {
                let Some(place) = self.find(*re) else { return };
                around.tally.receipts += 1;
                let token = Arc::clone(&self.pending[place].token);
                let cursor = Cursor { log: *log, seq: *seq, admitted: *admitted };
                around.history.note(Did::Receipt { author: self.id, token, id: *id, cursor });
                let pending = &mut self.pending[place];
                pending.has_receipt = true;
                around.tally.receipts_under_another +=
                    u64::from(self.revoked.is_some_and(|revoked| revoked != pending.under));
                pending.receipts += 1;
                if around.chance.one_in(4) && pending.receipts < RECEIPTS_MAX {
                    pending.state = State::Due(now + around.chance.within(0..=40_000));
                } else {
                    let done = self.pending.remove(place);
                    self.done.push_back(done);
                    if self.done.len() > FORGOTTEN_MAX {
                        self.done.pop_front();
                    }
                }
            }
            ServerFrame::Refused { re: Some(re), code, .. } => {
                let (Some(place), Ok(code)) = (self.find(*re), code.parse::<Code>()) else { return };
                let token = Arc::clone(&self.pending[place].token);
                around.history.note(Did::Refused { author: self.id, token, code });
                around.tally.disk_full += u64::from(code == Code::Full);
                around.tally.clock_suspect += u64::from(code == Code::ClockSuspect);
                let under = self.pending[place].under;
                if code == Code::Revoked {
                    around.tally.publishes_revoked += 1;
                    self.revoked = Some(under);
                }
                around.tally.publishes_stranded +=
                    u64::from(code == Code::NotAuthor && self.revoked == Some(under));
                if code.is_temporary() {
                    around.tally.temporary_refusals += 1;
                    self.pending[place].state = State::Due(now + around.chance.within(50..=2_000));
                } else {
                    around.tally.final_refusals += 1;
                    self.pending.remove(place);
                }
            }
            _ => {}
        }
    }

    fn find(&self, number: u64) -> Option<usize> {
        self.pending.iter().position(|pending| pending.state == State::InFlight(number))
    }

    /// Signs something, or finds something that must not be taken.
    fn decide(&mut self, person: &Person, around: &mut Surroundings<'_>) {
        let now = around.history.now;
        let chance = &mut *around.chance;
        if chance.one_in(20) && !around.overheard.is_empty() {
            let token = Arc::clone(chance.pick(around.overheard));
            around.tally.bad_publishes += 1;
            // Claims to be under the session's own credential: the relay must find out.
            let under = person.chain(now).leaf().id();
            return self.put(token, under, now.plus(Duration::from_secs(60)), now);
        }
        let flaws = [Flaw::Forged, Flaw::OutOfPlace, Flaw::TooGrave, Flaw::WrongPlane, Flaw::Expired];
        let flaw = chance.one_in(6).then(|| *chance.pick(&flaws));
        let flaw = flaw.filter(|flaw| *flaw != Flaw::TooGrave || self.voice.ceiling < Severity::Extreme);
        let message = self.compose(flaw, now, chance);
        let chain = self.speaks_under(person, now, chance);
        let under = chain.leaf().id();
        let mut token = verify::sign(&person.key, under, &message);
        if flaw == Some(Flaw::Forged) {
            let place = token.len() - 40;
            let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
            token.replace_range(place..=place, other);
        }
        let token: Arc<str> = token.into();
        around.history.note(Did::Signed {
            author: self.id,
            token: Arc::clone(&token),
            id: id_of(&token),
            chain: ranks(chain),
            channel: message.channel,
            severity: message.severity,
            tlp: message.label.tlp().as_str(),
            audience: message.label.audience().orgs().iter().map(ToString::to_string).collect(),
            expires: message.expires,
            flaw,
        });
        match flaw {
            None => {
                around.tally.published += 1;
                around.tally.published_for_some += u64::from(!message.label.audience().is_everyone());
                around.overheard.push(Arc::clone(&token));
            }
            Some(_) => around.tally.bad_publishes += 1,
        }
        let until = if flaw.is_some() { now.plus(Duration::from_secs(60)) } else { message.expires };
        self.put(token, under, until, now);
    }

    /// Mostly that of the session; now and then another one that it holds.
    fn speaks_under<'p>(&self, person: &'p Person, now: Timestamp, chance: &mut Chance) -> &'p Arc<Chain> {
        let held = person.chains_at(now);
        if chance.one_in(4) && !held.is_empty() {
            return held[chance.below(held.len())];
        }
        let session = |chain: &&Arc<Chain>| self.given.first() == Some(&chain.leaf().id());
        held.iter().copied().find(session).unwrap_or_else(|| person.chain(now))
    }

    fn put(&mut self, token: Arc<str>, under: CredentialId, expires: Timestamp, now: Timestamp) {
        let state = State::Due(millis(now));
        // The same bytes twice at once would be one request to the history.
        if self.pending.iter().all(|pending| pending.token != token) {
            self.pending.push(Pending {
                token,
                under,
                expires,
                state,
                sent: false,
                has_receipt: false,
                receipts: 0,
            });
        }
    }

    fn compose(&self, flaw: Option<Flaw>, now: Timestamp, chance: &mut Chance) -> Message {
        let voice = &self.voice;
        let channel = match flaw {
            Some(Flaw::OutOfPlace) => voice.out_of_place,
            Some(Flaw::WrongPlane) => voice.other_plane,
            Some(Flaw::Forged | Flaw::TooGrave | Flaw::Expired) | None => chance.pick(&voice.channels),
        };
        let channel: Channel = channel.parse().unwrap();
        debug_assert!(channel.plane == self.plane || flaw == Some(Flaw::WrongPlane), "its own plane");
        let severity = match flaw {
            Some(Flaw::TooGrave) => Severity::Extreme,
            _ => *chance
                .pick(&[Severity::Minor, Severity::Moderate, Severity::Severe, Severity::Extreme])
                .min(&voice.ceiling),
        };
        let sent = if flaw == Some(Flaw::Expired) { BEGIN.minus(Duration::from_secs(7_200)) } else { now };
        let life = if flaw == Some(Flaw::Expired) { 3_600 } else { *chance.pick(&[15, 60, 3_600]) };
        let length = *chance.pick(&[8, 200, 1_500]);
        let text = format!("{} {}", chance.number(), "é".repeat(length / 2));
        Message {
            sent,
            expires: sent.plus(Duration::from_secs(life)),
            severity,
            label: label(chance),
            replaces: Vec::new(),
            content: Content { cap: world::alert(channel.plane, &text, severity), original: None },
            channel,
        }
    }
}

/// For everyone, or now and then for some of those who read here, of whom some are below others.
fn label(chance: &mut Chance) -> Label {
    const ORGS: [&str; 5] =
        ["fr.etat", "fr.etat.idf", "fr.etat.idf.paris", "fr.etat.idf.sdis", "fr.etat.naq"];
    if !chance.one_in(3) {
        return Label::CLEAR;
    }
    let tlp = *chance.pick(&Tlp::ALL);
    let named = if tlp == Tlp::Clear { 0 } else { chance.within(u64::from(tlp > Tlp::Green)..=2) };
    Label::new(tlp, (0..named).map(|_| chance.pick(&ORGS).parse().unwrap())).unwrap()
}

fn chain_of(person: &Person, id: CredentialId) -> Option<&Arc<Chain>> {
    person.chains().find(|chain| chain.leaf().id() == id)
}

fn id_of(token: &str) -> MessageId {
    MessageId::from_bytes(Token::parse(token, Kind::Message).unwrap().id)
}
