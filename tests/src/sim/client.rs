//! A client of a simulation: it dials, logs in with the real state machine, and then reads or publishes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::chain::Chain;
use vigie_proto::frame::{FromRelay, ServerFrame};
use vigie_proto::id::CredentialId;
use vigie_proto::refusal::Code;
use vigie_proto::session::client::{Dialled, Login, LoginEnded, Step};
use vigie_proto::time::Timestamp;

use super::author::Author;
use super::coverage::Coverage;
use super::history::{Did, History, ranks};
use super::issuer::Issuer;
use super::network::Millis;
use super::people::{BEGIN, Person};
use super::random::Chance;
use super::reader::ReadingClient;
use super::relay;

/// What a client does once it is logged in.
#[derive(Debug)]
pub enum Work {
    /// Reads.
    Reads(Box<ReadingClient>),
    /// Publishes.
    Publishes(Author),
    /// Revokes.
    Revokes(Issuer),
}

/// What a client wants done.
#[derive(Debug, Default)]
pub struct Reaction {
    /// Frames to send.
    pub send: Vec<String>,
    /// Then leave the link.
    pub hang_up: bool,
}

impl Reaction {
    fn hang_up() -> Self {
        Self { send: Vec::new(), hang_up: true }
    }
}

/// One client.
#[derive(Debug)]
pub struct Client {
    /// Who it is.
    pub person: Person,
    /// What it does.
    pub work: Work,
    /// The link that it holds.
    pub link: Option<usize>,
    /// When to dial next, while it holds none.
    pub dial_at: Millis,
    /// It reads nothing before this.
    pub stalled_until: Millis,
    /// It drains its line no faster than so many bytes in a second, until then.
    pub drip: Option<(usize, Millis)>,
    /// It has read as much as it can until then.
    pub busy_until: Millis,
    /// How often it asks for a mark.
    pub mark_interval: Duration,
    login: Option<Login>,
    /// The chain of this session, or of the last one.
    under: Arc<Chain>,
    /// Credentials that the relay, since it started, has called revoked.
    turned_away: BTreeSet<CredentialId>,
}

/// What a client sees of the world.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Chance.
    pub chance: &'a mut Chance,
    /// Where it writes down what it does.
    pub history: &'a mut History,
    /// Counts.
    pub tally: &'a mut Coverage,
    /// Nobody begins anything new.
    pub calm: bool,
    /// Signed bytes that anyone may have heard.
    pub overheard: &'a mut Vec<Arc<str>>,
}

impl Client {
    /// A client that begins at this moment.
    pub fn new(person: Person, work: Work, begins: Millis, chance: &mut Chance) -> Self {
        let under = Arc::clone(&person.first);
        Self {
            person,
            work,
            link: None,
            dial_at: begins,
            stalled_until: 0,
            drip: None,
            busy_until: 0,
            mark_interval: Duration::from_millis(*chance.pick(&[1_000, 2_000, 5_000])),
            login: None,
            under,
            turned_away: BTreeSet::new(),
        }
    }

    /// It dialled, and someone answered.
    pub fn handle_dialled(&mut self, link: usize, now: Timestamp, chance: &mut Chance) {
        self.link = Some(link);
        self.under = self.choose(now, chance);
        let revocations = match &self.work {
            Work::Reads(reader) => reader.held_revocations(),
            Work::Publishes(_) | Work::Revokes(_) => None,
        };
        self.login = Some(Login::new(Dialled {
            key: Arc::clone(&self.person.key),
            chain: Arc::clone(&self.under),
            relay: relay::NAME.to_owned(),
            binding: relay::BINDING,
            mark_interval: self.mark_interval,
            revocations,
        }));
    }

    /// Under which credential it logs in: one that was not called revoked, if it has such a one.
    fn choose(&self, now: Timestamp, chance: &mut Chance) -> Arc<Chain> {
        let usual = self.person.chain(now);
        let is_out = |chain: &Chain| self.turned_away.contains(&chain.leaf().id());
        let held = self.person.chains_at(now);
        let others: Vec<_> = held.iter().copied().filter(|chain| !is_out(chain)).collect();
        if !is_out(usual) && !chance.one_in(4) {
            return Arc::clone(usual);
        }
        let among = if others.is_empty() { &held } else { &others };
        if among.is_empty() { Arc::clone(usual) } else { Arc::clone(among[chance.below(among.len())]) }
    }

    /// All that it holds was called revoked.
    pub fn is_out(&self, now: Timestamp) -> bool {
        let held = self.person.chains_at(now);
        !self.is_open() && held.iter().all(|chain| self.turned_away.contains(&chain.leaf().id()))
    }

    /// The relay starts, and may know more, or less; or this program does, and knows nothing.
    pub fn handle_start(&mut self) {
        self.turned_away.clear();
    }

    /// It has read so many bytes off its line.
    pub fn handle_drained(&mut self, bytes: usize, now: Millis) {
        if let Some((rate, _)) = self.drip.filter(|(_, until)| now < *until) {
            self.busy_until = now + bytes as u64 * 1_000 / rate as u64;
        }
    }

    /// The link is gone, or nobody answered.
    pub fn handle_cut(&mut self, now: Millis, chance: &mut Chance) {
        self.link = None;
        self.login = None;
        // Who is revoked tries again and again, as a program does.
        let pause =
            if self.turned_away.is_empty() { [0, 20, 300, 1_500] } else { [20, 2_000, 6_000, 12_000] };
        self.dial_at = now + *chance.pick(&pause);
        match &mut self.work {
            Work::Publishes(author) => author.handle_cut(now),
            Work::Revokes(issuer) => issuer.handle_cut(now),
            Work::Reads(_) => {}
        }
    }

    /// A text frame came.
    pub fn handle_text(&mut self, text: &str, around: &mut Surroundings<'_>) -> Reaction {
        let now = around.history.now;
        if self.login.is_some() {
            return self.handle_login(text, around);
        }
        let Ok(FromRelay::Known(frame)) = ServerFrame::parse(text) else { return Reaction::hang_up() };
        match &mut self.work {
            Work::Reads(reader) => {
                let goes_on = reader.handle_frame(frame, around);
                Reaction { send: Vec::new(), hang_up: !goes_on }
            }
            Work::Publishes(author) => {
                author.handle_frame(&frame, millis(now), around);
                Reaction::default()
            }
            Work::Revokes(issuer) => {
                issuer.handle_frame(&frame, millis(now), around);
                Reaction::default()
            }
        }
    }

    fn handle_login(&mut self, text: &str, around: &mut Surroundings<'_>) -> Reaction {
        let (Some(login), Some(link)) = (&mut self.login, self.link) else { return Reaction::hang_up() };
        match login.handle_frame(text) {
            Ok(Step::Send(frame)) => {
                let reader = if let Work::Reads(reader) = &self.work { Some(reader.id()) } else { None };
                let (chain, until) = (ranks(&self.under), self.under.window().until);
                around.history.note(Did::LogsIn { link, reader, chain, until });
                Reaction { send: vec![frame], hang_up: false }
            }
            Ok(Step::Wait) => Reaction::default(),
            Ok(Step::Open(_)) => {
                self.login = None;
                self.turned_away.remove(&self.under.leaf().id());
                let held =
                    if let Work::Reads(reader) = &self.work { reader.held_revocations() } else { None };
                around.history.note(Did::Opened { link, held });
                Reaction { send: self.handle_open(around), hang_up: false }
            }
            Err(LoginEnded::Refused(refusal)) => {
                if refusal.code == Code::Revoked {
                    around.tally.logins_revoked += 1;
                    self.turned_away.insert(self.under.leaf().id());
                }
                around.history.note(Did::TurnedAway { link, code: refusal.code });
                Reaction::hang_up()
            }
            Err(_) => Reaction::hang_up(),
        }
    }

    fn handle_open(&mut self, around: &mut Surroundings<'_>) -> Vec<String> {
        let under = self.under.leaf().id();
        match &mut self.work {
            Work::Reads(reader) => vec![reader.handle_open(around)],
            Work::Publishes(author) => {
                author.handle_open(under);
                Vec::new()
            }
            Work::Revokes(issuer) => {
                issuer.handle_open(under);
                Vec::new()
            }
        }
    }

    /// Logged in, and the link not known to be gone.
    pub const fn is_open(&self) -> bool {
        self.link.is_some() && self.login.is_none()
    }

    /// When it wants to act by itself.
    pub fn next_tick(&self) -> Option<Millis> {
        let dial = self.link.is_none().then_some(self.dial_at);
        let work = match &self.work {
            Work::Publishes(author) => author.next_tick(self.is_open()),
            Work::Revokes(issuer) => issuer.next_tick(self.is_open()),
            Work::Reads(reader) => reader.next_tick().filter(|_| self.is_open()),
        };
        dial.into_iter().chain(work).min()
    }

    /// It acts by itself; dialling is not its own to do.
    pub fn tick(&mut self, around: &mut Surroundings<'_>) -> Vec<String> {
        let open = self.is_open();
        match &mut self.work {
            Work::Publishes(author) => author.tick(&self.person, open, around),
            Work::Revokes(issuer) => issuer.tick(&self.person, open, around),
            Work::Reads(reader) if open => reader.tick(around.calm, around),
            Work::Reads(_) => Vec::new(),
        }
    }
}

/// True time as milliseconds since the beginning.
pub fn millis(now: Timestamp) -> Millis {
    now.as_millis() - BEGIN.as_millis()
}
