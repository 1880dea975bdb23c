//! What a relay that lies puts before a reader: the SDK shows none of it as verified.
//!
//! The reader is driven by frames, without a socket. After each event that must not be believed it is given a sound one,
//! which it delivers; then the repaired twin, which it delivers too.

use std::sync::Arc;

use serde_json::json;
use vigie_client::{Delivery, Live, Reader};
use vigie_proto::chain::Roots;
use vigie_proto::frame::{FromRelay, ServerFrame, Start};
use vigie_proto::id::LogId;
use vigie_proto::refusal::Code::{
    self, BadSignature, CredentialExpired, DraftContent, Expired, MalformedMessage, MalformedToken,
    NotGranted, NotInAudience, NotSubscribed, NotSupported, OutOfJurisdiction, SentInFuture,
    SeverityExceedsGrant, TestKey, UnknownCredential, UnknownMember, UnknownRoot, WrongPlane, WrongType,
};
use vigie_tests::world::now;

use crate::case::{Attempt, Case, event, event_in};
use crate::draft::{EventDraft, MessageDraft, Who};
use crate::forge::{HOUR_MS, Holder, Key, altered, flip};

/// Whose reader it is.
const ORG: &str = "fr.etat.lecteur";

/// Hears alerts in Paris; what else comes was not asked for.
const FILTER: &str = "alert/fr.idf.75.paris";

pub(crate) const CASES: &[Case] = &[
    event("a channel that was not asked for", NotSubscribed, |event| {
        event.message.payload["channel"] = "signal/fr.idf.75.paris".into();
    }),
    event_in(
        "a place below the one that was asked for",
        NotSubscribed,
        |_| {},
        |event| event.message.payload["channel"] = "alert/fr.idf.75.paris.20e".into(),
    ),
    event("one bit of the signature is turned over", BadSignature, |event| {
        event.message.edit_token = |token| flip(&token, 2, 1);
    }),
    event_in(
        "the channel is relabelled",
        BadSignature,
        |event| event.message.payload["channel"] = "alert/fr.idf.75.paris".into(),
        |event| event.message.edit_token = |token| altered(&token, "idf.75.paris", "idf.92.paris"),
    ),
    event("another word under the same signature", BadSignature, |event| {
        event.message.edit_token = |token| altered(&token, "Immediate", "Past");
    }),
    event("the body of another message", BadSignature, |event| event.swap = true),
    event("its chain is not given", UnknownCredential, |event| event.chain.clear()),
    event("a chain from a root that the reader does not pin", UnknownRoot, |event| {
        let stranger = Holder::new("live", &Key::fresh());
        event.speak_as(&stranger);
    }),
    event("everybody has the key of the author", TestKey, |event| {
        let mut holder = Holder::with("live", &event.root, |chain| chain.leaf().speak_of(Key::published()));
        holder.key = Key::published();
        event.speak_as(&holder);
    }),
    event("by someone who may only hear", NotGranted, |event| {
        let listener = Holder::with("live", &event.root, |chain| {
            for grant in chain.leaf().claims["grants"].as_array_mut().unwrap() {
                grant.as_object_mut().unwrap().remove("publish");
            }
        });
        event.speak_as(&listener);
    }),
    event("a place above that of its author", OutOfJurisdiction, |event| {
        event.message.payload["channel"] = "alert/fr".into();
    }),
    event("a severity above that of its author", SeverityExceedsGrant, |event| {
        event.message.payload["severity"] = "Extreme".into();
    }),
    event("an exercise in a live session", WrongPlane, |event| {
        let drill = Holder::new("exercise", &event.exercise_root);
        event.speak_as(&drill);
        event.message.header["typ"] = "vigie-message-exercise-v1".into();
        event.message.payload["channel"] = "exercise/alert/fr.idf.75.paris".into();
        event.message.cap()["status"] = "Exercise".into();
    }),
    event("a draft", DraftContent, |event| event.message.cap()["status"] = "Draft".into()),
    event_in(
        "admitted when it had expired",
        Expired,
        |event| {
            // Well before its credential ends.
            event.message.payload["expires"] = json!(event.admitted + 1_000);
            event.admitted += 999;
        },
        |event| event.admitted += 1,
    ),
    event_in(
        "admitted more than 120 s before it was sent",
        SentInFuture,
        |event| event.admitted -= 120_000,
        |event| event.admitted -= 1,
    ),
    event("admitted when its credential had ended", CredentialExpired, |event| {
        event.message.payload["expires"] = json!(event.admitted + 3 * HOUR_MS);
        event.admitted += 2 * HOUR_MS;
    }),
    event("not a token", MalformedToken, |event| event.message.edit_token = |_| "alerte".to_owned()),
    event("a credential for a message", WrongType, |event| {
        event.message.header["typ"] = "vigie-credential-live-v1".into();
    }),
    event("a header member too many", UnknownMember, |event| {
        event.message.header["jku"] = "https://x.example".into()
    }),
    event("a member of a later version", NotSupported, |event| {
        event.message.payload["sealed"] = json!({});
    }),
    event("a label that needs an audience, without one", MalformedMessage, |event| {
        event.message.payload["label"]["tlp"] = "TLP:RED".into();
    }),
    event_in(
        "a label for other organisations",
        NotInAudience,
        |event| event.message.payload["label"] = json!({"tlp": "TLP:AMBER", "audience": ["fr.etat"]}),
        |event| event.message.payload["label"]["audience"] = json!(["fr.etat.autre"]),
    ),
    event_in(
        "a strict label for the organisation above",
        NotInAudience,
        |event| event.message.payload["label"] = json!({"tlp": "TLP:AMBER", "audience": ["fr.etat"]}),
        |event| event.message.payload["label"]["tlp"] = "TLP:AMBER+STRICT".into(),
    ),
];

/// A session of the SDK with a relay that does as the test says.
struct Session {
    reader: Reader<Live>,
    root: Arc<Key>,
    exercise_root: Arc<Key>,
    seq: u64,
}

impl Session {
    fn new() -> Self {
        let (root, exercise_root) = (Key::fresh(), Key::fresh());
        let roots = Roots::new([root.pin(), exercise_root.pin()]);
        let mut reader =
            Reader::new(roots, ORG.parse().unwrap(), vec![FILTER.parse().unwrap()], Start::Beginning);
        reader.handle_open();
        let log = LogId::from_bytes([1; 16]);
        let mut session = Self { reader, root, exercise_root, seq: 0 };
        let re = session.reader.request();
        session.give(&json!({"op": "subscribed", "re": re, "log": log, "seq": 0, "head": 0}));
        session
    }

    fn give(&mut self, frame: &serde_json::Value) -> Vec<Delivery<Live>> {
        let text = frame.to_string();
        let FromRelay::Known(frame) = ServerFrame::parse(&text).unwrap() else { panic!("{text} is known") };
        self.reader.handle_frame(frame, now())
    }

    /// A sound event by an author of its own.
    fn draft(&self) -> EventDraft {
        let holder = Arc::new(Holder::new("live", &self.root));
        let message = MessageDraft::new(Who::Author, &holder, &holder);
        EventDraft {
            admitted: message.payload["sent"].as_u64().unwrap(),
            chain: holder.chain.clone(),
            root: Arc::clone(&self.root),
            exercise_root: Arc::clone(&self.exercise_root),
            message,
            swap: false,
        }
    }

    /// What the reader makes of an event: the token of a message, or the code of what it does not believe.
    fn show(&mut self, event: &EventDraft) -> Result<String, Code> {
        if !event.chain.is_empty() {
            assert!(self.give(&json!({"op": "chain", "chain": event.chain})).is_empty());
        }
        self.seq += 1;
        let jws = event.to_token();
        let mut given =
            self.give(&json!({"op": "event", "seq": self.seq, "admitted": event.admitted, "jws": jws}));
        assert_eq!(given.len(), 1, "{given:?}");
        match given.remove(0) {
            Delivery::Message(message) => {
                assert_eq!((message.seq().get(), message.token()), (self.seq, &*jws));
                Ok(jws)
            }
            Delivery::Suspect(suspect) => {
                assert_eq!((suspect.seq.get(), &*suspect.token), (self.seq, &*jws));
                Err(suspect.code)
            }
            other => panic!("neither a message nor a suspect: {other:?}"),
        }
    }
}

/// Shows every case to one reader, and its twin.
pub(crate) fn judge(cases: &[Case]) {
    let mut session = Session::new();
    for case in cases {
        let Attempt::Event { setting, fault } = case.attempt else { panic!("{} is no event", case.fault) };
        let mut twin = session.draft();
        setting(&mut twin);
        let mut bad = session.draft();
        setting(&mut bad);
        fault(&mut bad);
        assert_eq!(session.show(&bad), Err(case.code), "{}", case.fault);
        let other = session.draft();
        assert!(session.show(&other).is_ok(), "after {}", case.fault);
        assert!(session.show(&twin).is_ok(), "repaired: {}", case.fault);
    }
}
