//! Log-ins that do not open a session; chains have a table of their own.

use serde_json::json;
use vigie_proto::refusal::Code::{
    BadSignature, BindingMismatch, DuplicateMember, FrameTooLarge, MalformedFrame, NotGranted, NotJson,
    NotLoggedIn, NotText, ProofInvalid, ProofReplayed, UnknownOperation, WrongPlane, WrongRelayName,
};

use crate::case::{Case, login, login_in};
use crate::draft::LoginDraft;
use crate::forge::{Holder, Key, base64, flip, id_of, padded};

/// The largest frame before log-in.
const FRAME_MAX: usize = 12 * 1024;

/// Something else than a log-in.
fn instead(draft: &mut LoginDraft, frame: &serde_json::Value) {
    draft.instead = Some(frame.to_string());
}

pub(crate) const CASES: &[Case] = &[
    login("a publish before log-in", NotLoggedIn, |login| {
        instead(login, &json!({"op": "publish", "n": 1, "jws": "a.b.c"}));
    }),
    login("a subscribe before log-in", NotLoggedIn, |login| {
        instead(login, &json!({"op": "subscribe", "n": 1, "channels": ["alert/fr"]}));
    }),
    login("a chain before log-in", NotLoggedIn, |login| {
        let chain = login.chain.clone();
        instead(login, &json!({"op": "chain", "n": 1, "chain": chain}));
    }),
    login("an operation that nobody knows, before log-in", UnknownOperation, |login| {
        instead(login, &json!({"op": "authenticate"}));
    }),
    login_in(
        "one byte more than a frame may have before log-in",
        FrameTooLarge,
        |login| login.edit = |text| padded(&text, FRAME_MAX),
        |login| login.edit = |text| padded(&text, FRAME_MAX + 1),
    ),
    login("the log-in as a binary frame", NotText, |login| login.binary = true),
    login("half of a log-in frame", NotJson, |login| login.edit = |text| text[..text.len() / 2].to_owned()),
    login("two proofs in one frame", DuplicateMember, |login| {
        login.edit = |text| text.replacen('{', r#"{"proof":"","#, 1);
    }),
    login("no proof", MalformedFrame, |login| login.edit = |text| text.replace(r#""proof""#, r#""proven""#)),
    login("the proof is not a token", ProofInvalid, |login| login.edit_proof = |_| "proof".to_owned()),
    login("the proof is signed by another key", ProofInvalid, |login| login.key = Key::fresh()),
    login("one bit of the signature is turned over", ProofInvalid, |login| {
        login.edit_proof = |proof| flip(&proof, 2, 0);
    }),
    login("the proof has a member too many", ProofInvalid, |login| login.payload["admin"] = true.into()),
    login("the proof lacks the name of the relay", ProofInvalid, |login| {
        login.payload.as_object_mut().unwrap().remove("relay");
    }),
    login("the proof is a token of another kind", ProofInvalid, |login| {
        login.header["typ"] = "vigie-message-live-v1".into();
    }),
    login("the proof names the credential above its own", ProofInvalid, |login| {
        login.header["kid"] = id_of(&login.chain[1]).into();
    }),
    login("the proof is for the exercise plane", WrongPlane, |login| {
        login.header["typ"] = "vigie-login-exercise-v1".into();
    }),
    login("a whole log-in of another connection again", ProofReplayed, |login| {
        login.instead = Some(login.earlier.clone());
    }),
    login("the nonce is made up", ProofReplayed, |login| login.payload["nonce"] = Key::fresh().x().into()),
    login("the proof is for another relay", WrongRelayName, |login| {
        login.payload["relay"] = "relay.example".into();
    }),
    login("the name of the relay has a port", WrongRelayName, |login| {
        login.payload["relay"] = "localhost:443".into();
    }),
    login_in(
        "the name of the relay is in upper case",
        WrongRelayName,
        |login| login.payload["relay"] = "127.0.0.1".into(),
        |login| login.payload["relay"] = "LOCALHOST".into(),
    ),
    login("the proof is over another certificate", BindingMismatch, |login| {
        login.payload["binding"] = base64(&[7; 32]).into();
    }),
    login("one bit of a chain that was good before is turned over", BadSignature, |login| {
        login.chain[2] = flip(&login.chain[2], 2, 0);
    }),
    login("a relay", NotGranted, |login| {
        let relay = Holder::with("live", &login.root, |chain| chain.leaf().claims["role"] = "relay".into());
        login.speak_as(&relay);
    }),
    login("the proof is over no certificate", BindingMismatch, |login| {
        login.payload["binding"] = "none".into()
    }),
];
