//! A relay with witnesses, and how a case is tried on it.
//!
//! A witness of each plane hears everything there is to hear. After every attempt each of them publishes, and the next
//! thing it hears must be that: so nothing of a bad attempt was delivered, nobody else was disturbed, and no sequence
//! was spent. At the end the journal is opened, and must hold what was accepted and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use vigie_proto::chain::Roots;
use vigie_proto::id::LogId;
use vigie_proto::refusal::{Code, Ends};
use vigie_relay::config::RelayConfig;
use vigie_relay::journal::{DirStorage, Journal, JournalConfig, Record};
use vigie_relay::server::Relay;
use vigie_tests::raw::{Came, Raw, tls};
use vigie_tests::soon;
use vigie_tests::world::{Person, World};

use crate::case::{Attempt, Case, Change, Seen};
use crate::draft::{FrameDraft, LoginDraft, MessageDraft, Request, Who};
use crate::forge::{ChainDraft, Holder, Key};
use crate::witness::Witness;

/// Small, so that a relay starts quickly; a batch that is larger gets a segment of its own.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// Grace of a relay that is stopped: its clients are gone by then.
const GRACE: Duration = Duration::from_secs(5);

/// A world whose relay also pins roots that sign anything.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) live_root: Arc<Key>,
    pub(crate) exercise_root: Arc<Key>,
    pub(crate) author: Arc<Holder>,
    other: Arc<Holder>,
    drill: Arc<Holder>,
    listener: Arc<Holder>,
    relay: Option<Relay>,
    address: SocketAddr,
    sessions: BTreeMap<Who, Raw>,
    witnesses: Vec<Witness>,
    /// All that was accepted, in order.
    accepted: Vec<String>,
    /// The credentials under which it was.
    chains: BTreeSet<String>,
}

/// The settings of a relay on a stage.
fn config(world: &World, roots: &[&Key]) -> RelayConfig {
    let mut config = world.config("refused");
    config.roots = Roots::new(world.roots().pinned().chain(roots.iter().map(|key| key.pin())));
    config.journal_config.segment_bytes = SEGMENT_BYTES;
    config.origins = vec!["https://console.example".to_owned()];
    config
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut RelayConfig)) -> Self {
        let world = World::new();
        let (live_root, exercise_root) = (Key::fresh(), Key::fresh());
        let mut config = config(&world, &[&live_root, &exercise_root]);
        change(&mut config);
        let relay = world.relay_with(config);
        let author = Holder::new("live", &live_root);
        let listener = Holder::with("live", &live_root, |chain| {
            let grant = &mut chain.leaf().claims["grants"][0];
            grant.as_object_mut().unwrap().remove("publish");
        });
        let mut stage = Self {
            author: Arc::new(author),
            other: Arc::new(Holder::new("live", &live_root)),
            drill: Arc::new(Holder::new("exercise", &exercise_root)),
            listener: Arc::new(listener),
            address: relay.local_addr(),
            relay: Some(relay),
            world,
            live_root,
            exercise_root,
            sessions: BTreeMap::new(),
            witnesses: Vec::new(),
            accepted: Vec::new(),
            chains: BTreeSet::new(),
        };
        stage.call_witnesses().await;
        stage
    }

    async fn call_witnesses(&mut self) {
        let (live, exercise) = (&self.world.live.root, &self.world.exercise.root);
        for (person, channel, filters) in [
            (live, "alert/fr", ["alert/fr.**", "signal/fr.**"]),
            (exercise, "exercise/alert/fr", ["exercise/alert/fr.**", "exercise/signal/fr.**"]),
        ] {
            let witness = Witness::call(&self.world, self.address, person, channel, &filters).await;
            self.chains.extend(person.chain.links().iter().map(|link| link.token().to_string()));
            self.witnesses.push(witness);
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every witness is heard, and hears nothing else.
    pub(crate) async fn check_witnesses(&mut self) {
        for witness in &mut self.witnesses {
            let jws = witness.speak(self.accepted.len() as u64 + 1).await;
            self.accepted.push(jws);
        }
    }

    /// Tries every case, then its twin. Cases that fail are told together.
    pub(crate) async fn run(mut self, cases: &[Case]) {
        self.check_witnesses().await;
        for case in cases {
            eprintln!("{}: {}", case.code, case.fault);
            self.attempt(case, true).await;
            self.check_witnesses().await;
            self.attempt(case, false).await;
            self.check_witnesses().await;
        }
        self.end();
    }

    /// Stops the relay and looks at what it left on disk.
    pub(crate) fn end(mut self) {
        self.sessions.clear();
        self.witnesses.clear();
        self.relay.take().unwrap().stop(GRACE).unwrap();
        let (messages, credentials) = on_disk(&self.world.journal("refused"));
        assert_eq!(messages, self.accepted);
        assert_eq!(credentials.difference(&self.chains).next(), None, "a credential of a refused attempt");
    }

    async fn attempt(&mut self, case: &Case, faulty: bool) {
        let expected = faulty.then(|| Seen::promised(case.code));
        let to_stranger = faulty.then(|| Seen::promised_to_strangers(case.code));
        match case.attempt {
            Attempt::Upgrade { setting, fault } => {
                assert_eq!(self.request(&changed(Request::new(), setting, fault, faulty)).await, expected);
            }
            Attempt::Login { setting, fault } => {
                let chain = self.author.chain.clone();
                assert_eq!(self.log_in(chain, setting, fault, faulty).await, to_stranger);
            }
            Attempt::Chain { setting, fault } => {
                let draft = ChainDraft::new("live", &self.live_root, &self.author.key);
                let chain = changed(draft, setting, fault, faulty).forge();
                let seen = self.log_in(chain.clone(), |_| {}, |_| {}, false).await;
                assert_eq!(seen, to_stranger, "at log-in");
                let seen =
                    self.ask(|frame| frame.frame = serde_json::json!({"op": "chain", "chain": chain})).await;
                assert_eq!(seen, expected, "by the frame `chain`");
            }
            Attempt::Frame { setting, fault } => {
                let seen = self.ask(|frame| change(frame, setting, fault, faulty)).await;
                assert_eq!(seen, expected);
            }
            Attempt::Message { setting, fault } => {
                let seen = self.publish(setting, fault, faulty).await;
                assert_eq!(seen, expected);
            }
            Attempt::Apart(_) | Attempt::Event { .. } => {
                unreachable!("this case is not for a relay that others use")
            }
        }
    }

    /// Sends an upgrade request; `None` when it is accepted.
    pub(crate) async fn request(&self, request: &Request) -> Option<Seen> {
        let (status, body) = exchange(&self.world, self.address(), request.to_text().as_bytes()).await;
        if status == 101 {
            return None;
        }
        let code: Code = body.split(':').next().unwrap().parse().unwrap();
        assert_eq!(body, format!("{code}: {}\n{}\n", code.english(), code.french()));
        Some(Seen::new(code.as_str(), Ends::Http(status)))
    }

    /// Logs in on a new connection; `None` when that is welcome.
    async fn log_in(
        &self,
        chain: Vec<String>,
        setting: Change<LoginDraft>,
        fault: Change<LoginDraft>,
        faulty: bool,
    ) -> Option<Seen> {
        let mut earlier = Raw::connect(&self.world, self.address()).await;
        let person = self.author.person(&Roots::new([self.live_root.pin()]));
        let good = earlier.login_frame(&person).await;
        earlier.send(&good).await;
        assert_eq!(earlier.frame().await["op"], "welcome");
        let mut raw = Raw::connect(&self.world, self.address()).await;
        let challenge = raw.frame().await;
        let binding = match raw.binding {
            vigie_proto::login::Binding::Certificate(hash) => crate::forge::base64(&hash),
            vigie_proto::login::Binding::None => unreachable!("the test sees the certificate"),
        };
        let draft = LoginDraft::new(
            &self.live_root,
            &self.author,
            chain,
            challenge["nonce"].as_str().unwrap(),
            &binding,
        );
        let draft = changed(LoginDraft { earlier: good, ..draft }, setting, fault, faulty);
        raw.send_message(message_of(draft.to_text(), draft.binary)).await;
        let answer = raw.frame().await;
        if answer["op"] == "welcome" {
            return None;
        }
        assert_eq!(answer["op"], "refused", "{answer}");
        Some(Seen::new(answer["code"].as_str().unwrap(), closed(&mut raw, &answer).await))
    }

    /// Sends a frame on the session of the draft's choice; `None` when the answer is good.
    pub(crate) async fn ask(&mut self, change: impl FnOnce(&mut FrameDraft)) -> Option<Seen> {
        let publish = self.message(Who::Author).to_token();
        let mut draft = FrameDraft {
            by: Who::Author,
            frame: serde_json::json!({"op": "publish", "jws": publish}),
            binary: false,
            numbered: true,
            cursor: self.cursor(),
            drill_chain: ChainDraft::new("exercise", &self.exercise_root, &self.author.key).forge(),
            other_chain: self.other.chain.clone(),
            own_chain: self.author.chain.clone(),
            known: self.author.id(),
            edit: |text| text,
        };
        let mut session = self.session(draft.by).await;
        session.n += 1;
        draft.frame["n"] = session.n.into();
        change(&mut draft);
        if draft.frame.get("n").is_none() {
            draft.frame["n"] = session.n.into();
        }
        session.send_message(message_of(draft.to_text(), draft.binary)).await;
        let seen = answer_to(&mut session, &draft).await;
        if seen.is_none() && draft.frame["op"] == "publish" {
            self.was_accepted(&publish, Who::Author).await;
        }
        self.give_back(draft.by, session, seen.as_ref());
        seen
    }

    /// Publishes a message; `None` when there is a receipt, and the same again for the same bytes.
    async fn publish(
        &mut self,
        setting: Change<MessageDraft>,
        fault: Change<MessageDraft>,
        faulty: bool,
    ) -> Option<Seen> {
        let mut draft = self.message(Who::Author);
        setting(&mut draft);
        if draft.by != Who::Author {
            draft = self.message(draft.by);
            setting(&mut draft);
        }
        let before = draft.by;
        if faulty {
            fault(&mut draft);
        }
        if draft.by != before {
            // Somebody else says the same under the own name.
            let (by, of) = (draft.by, self.holder(draft.by));
            draft.header["kid"] = of.id().into();
            draft.key = Arc::clone(&of.key);
            draft.by = by;
        }
        let jws = draft.to_token();
        self.try_publish(draft.by, &jws).await
    }

    /// Publishes signed bytes; `None` when there is a receipt, and the same again for the same bytes.
    pub(crate) async fn try_publish(&mut self, by: Who, jws: &str) -> Option<Seen> {
        let mut session = self.session(by).await;
        let answer = session.publish(jws).await;
        let seen = if answer["op"] == "receipt" {
            let again = session.publish(jws).await;
            for member in ["op", "id", "log", "seq", "admitted"] {
                assert_eq!(answer[member], again[member], "the same bytes have the same receipt");
            }
            if !self.accepted.iter().any(|known| known == jws) {
                self.was_accepted(jws, by).await;
            }
            None
        } else {
            assert_eq!(answer["op"], "refused", "{answer}");
            Some(Seen::new(answer["code"].as_str().unwrap(), Ends::Request))
        };
        self.give_back(by, session, seen.as_ref());
        seen
    }

    /// Notes what has a receipt; the witness of its plane hears it, and the other does not.
    async fn was_accepted(&mut self, jws: &str, by: Who) {
        self.accepted.push(jws.to_owned());
        let place = usize::from(by == Who::Drill);
        self.witnesses[place].hear(self.accepted.len() as u64, jws).await;
        let chain = self.holder(by).chain.clone();
        self.chains.extend(chain);
    }

    pub(crate) fn message(&self, by: Who) -> MessageDraft {
        MessageDraft::new(by, self.holder(by), &self.other)
    }

    fn holder(&self, who: Who) -> &Arc<Holder> {
        match who {
            Who::Author => &self.author,
            Who::Drill => &self.drill,
            Who::Listener => &self.listener,
        }
    }

    /// A session that lasts over cases: a refused request does not end it. Give it back after use.
    pub(crate) async fn session(&mut self, who: Who) -> Raw {
        if let Some(session) = self.sessions.remove(&who) {
            return session;
        }
        let roots = Roots::new([self.live_root.pin(), self.exercise_root.pin()]);
        Raw::log_in(&self.world, self.address(), &self.holder(who).person(&roots)).await
    }

    pub(crate) fn give_back(&mut self, who: Who, session: Raw, seen: Option<&Seen>) {
        if seen.is_none_or(|seen| seen.ends == Ends::Request) {
            self.sessions.insert(who, session);
        }
    }

    /// The place before the first message.
    fn cursor(&self) -> String {
        let log = self.relay.as_ref().unwrap().log();
        let (seq, admitted) = Default::default();
        vigie_proto::cursor::Cursor { log, seq, admitted }.to_string()
    }

    /// Someone of the live plane whose leaf differs from the usual one.
    pub(crate) fn live_person(&self, change: impl FnOnce(&mut ChainDraft)) -> Person {
        Holder::with("live", &self.live_root, change).person(&Roots::new([self.live_root.pin()]))
    }

    /// A chain of the author's own key that differs from the usual one.
    pub(crate) fn other_chain(&self, change: impl FnOnce(&mut ChainDraft)) -> Vec<String> {
        let mut draft = ChainDraft::new("live", &self.live_root, &self.author.key);
        change(&mut draft);
        draft.forge()
    }

    /// Stops the relay while `meanwhile` looks on, and starts it again where it was.
    pub(crate) async fn restart<R>(&mut self, meanwhile: impl Future<Output = R>) -> R {
        self.sessions.clear();
        self.witnesses.clear();
        let (relay, address) = (self.relay.take().unwrap(), self.address);
        let stopping = tokio::task::spawn_blocking(move || relay.stop(GRACE));
        let seen = meanwhile.await;
        soon(stopping).await.unwrap().unwrap();
        let config = config(&self.world, &[&self.live_root, &self.exercise_root]);
        self.relay = Some(World::relay_at(address, config));
        self.call_witnesses().await;
        seen
    }
}

fn change<D>(draft: &mut D, setting: Change<D>, fault: Change<D>, faulty: bool) {
    setting(draft);
    if faulty {
        fault(draft);
    }
}

fn changed<D>(mut draft: D, setting: Change<D>, fault: Change<D>, faulty: bool) -> D {
    change(&mut draft, setting, fault, faulty);
    draft
}

fn message_of(text: String, binary: bool) -> Message {
    if binary { Message::binary(text.into_bytes()) } else { Message::text(text) }
}

/// Passes over events until the answer comes.
async fn answer_to(session: &mut Raw, draft: &FrameDraft) -> Option<Seen> {
    loop {
        let frame = session.frame().await;
        let ours = frame["re"] == draft.frame["n"];
        if ours && frame["op"].as_str() == draft.good_answer() {
            return None;
        }
        if frame["op"] == "refused" {
            assert_eq!(ours, draft.numbered, "{frame}");
            let code: Code = frame["code"].as_str().unwrap().parse().unwrap();
            let ends =
                if code.ends() == Ends::Request { Ends::Request } else { closed(session, &frame).await };
            return Some(Seen::new(code.as_str(), ends));
        }
        assert!(!ours || frame["op"] == "past", "{frame}");
    }
}

/// The connection is closed after a refusal, with the same word.
pub(crate) async fn closed(raw: &mut Raw, refused: &serde_json::Value) -> Ends {
    match raw.next().await {
        Came::Closed(number, reason) => {
            assert_eq!(reason, refused["code"]);
            Ends::Close(number)
        }
        other => panic!("expected a close after {refused}, got {other:?}"),
    }
}

/// What a session is told next but events and marks: a refusal that ends it.
pub(crate) async fn dismissal(raw: &mut Raw) -> Seen {
    let refused = raw.frame().await;
    assert_eq!(refused["op"], "refused", "{refused}");
    Seen::new(refused["code"].as_str().unwrap(), closed(raw, &refused).await)
}

/// Sends bytes on a fresh TLS connection; the status and the body of what is answered.
pub(crate) async fn exchange(world: &World, address: SocketAddr, bytes: &[u8]) -> (u16, String) {
    let mut stream = tls(world, address).await;
    soon(stream.write_all(bytes)).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer);
        let status = text.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && status == 101
        {
            return (status, body.to_owned());
        }
        let count = soon(stream.read(&mut buffer)).await.unwrap_or(0);
        if count == 0 {
            let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            return (status, body.to_owned());
        }
        answer.extend_from_slice(&buffer[..count]);
    }
}

/// The messages of a journal in order, and its credentials.
fn on_disk(path: &Path) -> (Vec<String>, BTreeSet<String>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (mut messages, mut credentials) = (Vec::new(), BTreeSet::new());
    let storage = DirStorage::open(path).unwrap();
    Journal::open(storage, JournalConfig::new(), LogId::from_bytes([0; 16]), &mut |record| {
        match record {
            Record::Message(message) => messages.push(text(&message.jws)),
            Record::Credential { jws, .. } => drop(credentials.insert(text(jws))),
            other => panic!("a record of a kind that no relay writes here: {other:?}"),
        }
        Ok(())
    })
    .unwrap();
    (messages, credentials)
}
