//! Requests of a session: subscriptions, pages of history, cursors, chains by their id.
//!
//! A frame a line, each said by the town on the live plane after a real log-in.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use vigie_proto::chain::TokenHash;
use vigie_proto::channel::Plane;
use vigie_proto::credential::Credential;
use vigie_proto::frame::{ClientFrame, HeldRevocations, Start};
use vigie_proto::hear::Reader;
use vigie_proto::id::{LogId, Nonce};
use vigie_proto::limits::{HISTORY_LIMIT_MAX, JSON_INTEGER_MAX, SUBSCRIPTIONS_MAX};
use vigie_proto::login::{self, Binding};
use vigie_proto::refusal::{Code, Ends};
use vigie_proto::revocation::Revocations;
use vigie_proto::session::relay::{AwaitLogin, LoggedIn, Request, Rules};

use super::{form_and, refused};
use crate::memory::Memory;
use crate::signed::{NOW, Town, filled, key, roots};
use crate::{Outcome, plant};

/// More say nothing new.
const LINES_MAX: usize = 6;

const RELAY: &str = "relay.example";

const CODES: [Code; 18] = [
    Code::NotJson,
    Code::UnknownOperation,
    Code::MalformedFrame,
    Code::MalformedChannel,
    Code::MalformedCursor,
    Code::TooManySubscriptions,
    Code::WrongPlane,
    Code::NotGranted,
    Code::OutOfJurisdiction,
    Code::UnknownCredential,
    Code::NotAuthor,
    Code::TooManyLinks,
    Code::CredentialTooLarge,
    Code::MalformedCredential,
    Code::UnknownRoot,
    Code::BrokenChain,
    Code::MalformedRevocation,
    Code::BadSignature,
];

type Verdicts = Memory<TokenHash, Arc<Credential>>;

thread_local! {
    /// What was found good before: the links of the town, and so no signature but that of the proof is checked for a log-in.
    static VERDICTS: Verdicts = Memory::default();
    /// The session as it is after its log-in, for the next input, unless an input has changed it.
    static SESSION: Cell<Option<LoggedIn>> = const { Cell::new(None) };
}

fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES
        .get_or_init(|| Rules { unbound_passes: true, ..Rules::new(roots().clone(), vec![RELAY.to_owned()]) })
}

fn log_in(memory: &Verdicts) -> LoggedIn {
    static LOGIN: OnceLock<String> = OnceLock::new();
    let nonce = Nonce::from_bytes([1; 32]);
    let text = LOGIN.get_or_init(|| {
        let town = Town::on(Plane::Live);
        let leaf = town.chain.leaf().id();
        let proof = login::sign(&key(2).signing, leaf, Plane::Live, RELAY, nonce, Binding::None);
        let held = HeldRevocations { log: LogId::from_bytes([7; 16]), count: 2 };
        let chain = town.tokens().into_iter().map(Into::into).collect();
        ClientFrame::Login { chain, proof: proof.into(), mark_ms: None, revocations: Some(held) }.to_text()
    });
    let stranger = AwaitLogin::new(nonce, Binding::None, NOW);
    let logged_in = stranger.handle_frame(text, rules(), memory, &Revocations::default(), NOW);
    logged_in.expect("a good log-in")
}

/// Some frames of a session.
pub fn requests(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else { return Outcome::Passed };
    VERDICTS.with(|memory| {
        let mut session = SESSION.take().unwrap_or_else(|| log_in(memory));
        let (mut taken, mut brings) = (false, false);
        for line in text.split('\n').take(LINES_MAX) {
            let line = filled(line, Town::on(Plane::Live), None);
            // Nothing else changes a session.
            brings |= ClientFrame::parse(&line).is_ok_and(|frame| matches!(frame, ClientFrame::Chain { .. }));
            taken |= request(&line, &mut session, memory) == Outcome::Taken;
        }
        if !brings {
            SESSION.set(Some(session));
        }
        if taken { Outcome::Taken } else { Outcome::Refused }
    })
}

fn request(text: &str, session: &mut LoggedIn, memory: &Verdicts) -> Outcome {
    let number = ClientFrame::parse(text).ok().and_then(|frame| frame.number());
    let answered = match session.handle_frame(text, rules(), memory, &Revocations::default(), NOW) {
        Ok(Request::Subscribe { re, reader, start }) => {
            judge_reader(&reader, session);
            let after = start.to_after();
            let again =
                ClientFrame::Subscribe { n: re, channels: names(&reader), after: after.map(Into::into) };
            let again = session.handle_frame(&again.to_text(), rules(), memory, &Revocations::default(), NOW);
            match again {
                Ok(Request::Subscribe { reader: same, start: place, .. }) => {
                    assert_eq!((same, place), (reader, start));
                }
                other => panic!("what was asked for is not asked for again: {other:?}"),
            }
            judge_start(start);
            re
        }
        Ok(Request::History { re, reader, start, limit }) => {
            judge_reader(&reader, session);
            judge_start(start);
            assert!((1..=HISTORY_LIMIT_MAX).contains(&limit));
            assert!(start != Start::Here, "history begins somewhere");
            plant::inside("requests", || {
                let is_far = matches!(start, Start::After(cursor) if cursor.seq.get() > 1 << 40);
                is_far && limit == 1
            });
            re
        }
        Ok(Request::Credential { re, id }) => {
            assert!(
                session.chain().links().iter().any(|link| link.id() == id),
                "a chain that it was not given"
            );
            re
        }
        Ok(Request::Accept { re } | Request::Publish { re, .. } | Request::Revoke { re, .. }) => re,
        Err(rejection) => {
            assert_eq!(rejection.refusal.code.ends(), Ends::Request, "the session ends: {rejection:?}");
            assert!(number.is_none() || rejection.re == number, "{rejection:?}");
            return refused(&rejection.refusal, &form_and(&CODES));
        }
    };
    assert_eq!(Some(answered), number);
    Outcome::Taken
}

fn names(reader: &Reader) -> Vec<std::borrow::Cow<'static, str>> {
    reader.filters().iter().map(|filter| filter.to_string().into()).collect()
}

/// What is heard was granted, each once, in order.
fn judge_reader(reader: &Reader, session: &LoggedIn) {
    let claims = session.chain().leaf().claims();
    assert!((1..=SUBSCRIPTIONS_MAX).contains(&reader.filters().len()));
    assert!(reader.filters().windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!((reader.plane(), reader.org()), (claims.plane, &claims.org));
    for filter in reader.filters().iter() {
        let is_granted = claims.grants.iter().any(|grant| {
            grant.subscribe && grant.flow == filter.channel.flow && grant.at.contains(&filter.channel.at)
        });
        assert!(is_granted && filter.channel.plane == claims.plane, "{filter}");
    }
}

/// A cursor is a place that can be: the same text gives it again.
fn judge_start(start: Start) {
    let Start::After(cursor) = start else { return };
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
    assert!(cursor.seq.get() <= JSON_INTEGER_MAX && cursor.admitted.as_millis() <= JSON_INTEGER_MAX);
    assert!(cursor.seq.get() > 0 || cursor.admitted.as_millis() == 0);
}
