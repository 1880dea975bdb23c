//! One strict verdict on keys and signatures, whoever judges: the protocol's own functions, a relay's session and a
//! reader of the SDK, over the table that the client in Python judges too (`proto/vectors/signatures.json`, built and
//! checked by `tests/python/test_signatures.py`).
//!
//! In the table are the cases in which honest implementations of Ed25519 are known to differ: keys and R of small
//! order, other spellings, parts of small order, S not reduced. `equation` says what a lenient verifier would make of
//! the token: the plain equation holds, it holds times the cofactor only, or never.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use vigie_client::{Delivery, Live, Reader};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::frame::{ServerFrame, Start};
use vigie_proto::id::{LogId, Nonce, Sequence};
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::login::Binding;
use vigie_proto::refusal::Refusal;
use vigie_proto::revocation::Revocations;
use vigie_proto::session::relay::{AwaitLogin, Request, Rules};
use vigie_proto::time::Timestamp;
use vigie_proto::verify;

struct Table {
    file: Value,
    at: Timestamp,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

impl Table {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/vectors/signatures.json");
        let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let at = Timestamp::from_millis(file["at"].as_u64().unwrap());
        Self { file, at }
    }

    fn array(&self, name: &str) -> &[Value] {
        self.file[name].as_array().unwrap()
    }

    fn credential(&self, case: &Value) -> &Value {
        self.array("credentials").iter().find(|one| one["name"] == case["credential"]).unwrap()
    }

    fn chain<'a>(&'a self, credential: &'a Value) -> Vec<&'a str> {
        self.array("above").iter().chain([&credential["token"]]).map(text).collect()
    }

    /// The keys of the vectors are published: everything else refuses them first.
    fn roots(&self) -> Roots {
        Roots::dangerous_test_only(self.array("roots").iter().map(|root| text(root).parse().unwrap()))
    }

    fn rules(&self) -> Rules {
        Rules::new(self.roots(), vec![text(&self.file["login"]["relay"]).to_owned()])
    }
}

fn verdict<T>(judged: Result<T, Refusal>) -> &'static str {
    judged.map_or_else(|refusal| refusal.code.as_str(), |_| "ok")
}

fn by_functions(table: &Table, case: &Value, roots: &Roots) -> &'static str {
    let links = table.chain(table.credential(case));
    let judged = Chain::verify(links, roots, &NoVerdicts)
        .and_then(|chain| verify::verify(text(&case["token"]), &Arc::new(chain), MESSAGE_LIFETIME_MAX))
        .and_then(|message| message.judge_admitted(table.at));
    verdict(judged)
}

/// What becomes of the log-in; and, once it is in, of a publish.
fn by_relay(table: &Table, credential: &Value, token: Option<&str>) -> &'static str {
    let login = &table.file["login"];
    let nonce: Nonce = text(&login["nonce"]).parse().unwrap();
    let binding: Nonce = text(&login["binding"]).parse().unwrap();
    let relay = AwaitLogin::new(nonce, Binding::Certificate(*binding.as_bytes()), table.at);
    let frame = json!({"op": "login", "chain": table.chain(credential), "proof": credential["proof"]});
    let rules = table.rules();
    let mut session = match relay.handle_frame(
        &frame.to_string(),
        &rules,
        &NoVerdicts,
        &Revocations::default(),
        table.at,
    ) {
        Ok(session) => session,
        Err(rejection) => return rejection.refusal.code.as_str(),
    };
    let Some(token) = token else { return "ok" };
    let frame = json!({"op": "publish", "n": 1, "jws": token}).to_string();
    match session.handle_frame(&frame, &rules, &NoVerdicts, &Revocations::default(), table.at) {
        Ok(Request::Publish { message, .. }) => verdict(message.judge_admitted(table.at)),
        Ok(other) => panic!("a publish became {other:?}"),
        Err(rejection) => rejection.refusal.code.as_str(),
    }
}

/// A reader that a relay gives the chain and the message, as sound as they are.
fn by_sdk(table: &Table, case: &Value) -> &'static str {
    let filter = "alert/fr.**".parse().unwrap();
    let mut reader: Reader<Live> =
        Reader::new(table.roots(), "fr".parse().unwrap(), vec![filter], Start::Beginning);
    reader.handle_open();
    let re = reader.request();
    let log = LogId::from_bytes([1; 16]);
    let subscribed = ServerFrame::Subscribed { re, log, seq: Sequence::START, head: Sequence::new(1) };
    let links = table.chain(table.credential(case)).into_iter().map(Into::into).collect();
    let chain = ServerFrame::Chain { chain: links, re: None };
    let jws = text(&case["token"]).into();
    let event = ServerFrame::Event { seq: Sequence::new(1), admitted: table.at, jws };
    let mut given: Vec<Delivery<Live>> = [subscribed, chain, event]
        .into_iter()
        .flat_map(|frame| reader.handle_frame(frame, table.at))
        .collect();
    assert_eq!(given.len(), 1, "{given:?}");
    #[expect(clippy::wildcard_enum_match_arm, reason = "an event is a message or suspect, and nothing else")]
    match given.remove(0) {
        Delivery::Message(_) => "ok",
        Delivery::Suspect(suspect) => suspect.code.as_str(),
        other => panic!("an event became {other:?}"),
    }
}

#[test]
fn functions_relay_and_reader_reach_the_verdict_of_the_table() {
    let table = Table::read();
    let mut seen: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for case in table.array("cases") {
        let (name, expected) = (text(&case["name"]), text(&case["verdict"]));
        *seen.entry((expected, text(&case["equation"]))).or_default() += 1;
        assert_eq!(by_functions(&table, case, &table.roots()), expected, "{name}: the functions");
        assert_eq!(by_sdk(&table, case), expected, "{name}: the reader");
        // Where the log-in fails already, nothing is published: what a relay says there is the next test.
        let credential = table.credential(case);
        if credential["login"] == "ok" {
            assert_eq!(
                by_relay(&table, credential, Some(text(&case["token"]))),
                expected,
                "{name}: the relay"
            );
        }
    }
    // Neither cofactor nor plain equation alone explains the verdicts: each pair is there.
    for pair in [
        ("ok", "plain"),
        ("key_refused", "plain"),
        ("key_refused", "never"),
        ("bad_signature", "plain"),
        ("bad_signature", "cofactor"),
        ("bad_signature", "never"),
        ("malformed_token", "never"),
    ] {
        assert!(seen.remove(&pair).is_some_and(|count| count > 0), "{pair:?}");
    }
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn a_relay_lets_in_whom_the_table_lets_in() {
    let table = Table::read();
    for credential in table.array("credentials") {
        let (name, expected) = (text(&credential["name"]), text(&credential["login"]));
        assert_eq!(by_relay(&table, credential, None), expected, "{name}");
    }
}

/// The private keys behind the table are published, so nothing of it passes where they are not asked for by name.
#[test]
fn no_case_passes_under_roots_as_relays_and_readers_pin_them() {
    let table = Table::read();
    let plain = Roots::new(table.roots().pinned());
    for case in table.array("cases") {
        assert_eq!(by_functions(&table, case, &plain), "test_key", "{}", case["name"]);
    }
}
