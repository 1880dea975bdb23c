//! Messages that are not admitted.

use std::sync::Arc;

use serde_json::{Value, json};
use vigie_proto::limits::{MESSAGE_BYTES_MAX, MESSAGE_LIFETIME_MAX};
use vigie_proto::refusal::Code::{
    BadSignature, CredentialNotYetValid, DraftContent, DuplicateMember, Expired, LifetimeTooLong,
    MalformedChannel, MalformedContent, MalformedMessage, MalformedToken, MessageTooLarge, NotAuthor,
    NotGranted, NotSupported, OutOfJurisdiction, SentInFuture, SeverityBelowContent, SeverityExceedsGrant,
    UnknownMember, WrongPlane, WrongType,
};

use crate::case::{Case, message, message_in};
use crate::draft::{MessageDraft, Who};
use crate::forge::{HOUR_MS, Key, altered, base64, flip, remove, sha256};

fn drill(draft: &mut MessageDraft) {
    draft.by = Who::Drill;
}

/// Sent so many milliseconds from now, and expires an hour later.
fn send_in(draft: &mut MessageDraft, by_ms: i64) {
    for member in ["sent", "expires"] {
        draft.payload[member] = json!(draft.payload[member].as_u64().unwrap().saturating_add_signed(by_ms));
    }
}

fn live_for(draft: &mut MessageDraft, ms: u64) {
    draft.payload["expires"] = json!(draft.payload["sent"].as_u64().unwrap() + ms);
}

fn lifetime_max_ms() -> u64 {
    u64::try_from(MESSAGE_LIFETIME_MAX.as_millis()).unwrap()
}

/// Evidence: a file and its hash.
fn with_original(draft: &mut MessageDraft) {
    let hash = base64(&sha256(b"<alert/>"));
    let original = json!({"media_type": "application/cap+xml", "sha256": hash, "bytes": base64(b"<alert/>")});
    draft.payload["content"]["original"] = original;
}

/// Before the faults of an audience: everybody in these tests is of an organisation below the first.
fn for_two(draft: &mut MessageDraft) {
    draft.payload["label"] = json!({"tlp": "TLP:AMBER", "audience": ["fr", "ml"]});
}

pub(crate) const CASES: &[Case] = &[
    // Who says it.
    message("a message of somebody else, as he signed it", NotAuthor, |draft| {
        draft.header["kid"] = draft.other.id().into();
        draft.key = Arc::clone(&draft.other.key);
    }),
    message("an own message in the name of somebody else", NotAuthor, |draft| {
        draft.header["kid"] = draft.other.id().into();
    }),
    message("under a credential that nobody knows", NotAuthor, |draft| {
        draft.header["kid"] = Key::fresh().x().into()
    }),
    message("one bit of R is turned over", BadSignature, |draft| {
        draft.edit_token = |token| flip(&token, 2, 0)
    }),
    message("one bit of S is turned over", BadSignature, |draft| {
        draft.edit_token = |token| flip(&token, 2, 32)
    }),
    message("one letter is altered after it was signed", BadSignature, |draft| {
        draft.edit_token = |token| altered(&token, "Zone", "zone");
    }),
    message("signed by another key", BadSignature, |draft| draft.key = Key::fresh()),
    message("an R of small order", BadSignature, |draft| {
        draft.edit_token = |token| {
            let mut signature = [0; 64];
            signature[0] = 1;
            format!("{}.{}", token.rsplit_once('.').unwrap().0, base64(&signature))
        };
    }),
    // On which plane.
    message("`typ` says exercise", WrongPlane, |draft| {
        draft.header["typ"] = "vigie-message-exercise-v1".into()
    }),
    message("a channel of the exercise", WrongPlane, |draft| {
        draft.payload["channel"] = "exercise/alert/fr.idf.75.paris".into();
    }),
    message("CAP says Exercise", WrongPlane, |draft| draft.cap()["status"] = "Exercise".into()),
    message("CAP says Test", WrongPlane, |draft| draft.cap()["status"] = "Test".into()),
    message_in("in the exercise, `typ` says live", WrongPlane, drill, |draft| {
        draft.header["typ"] = "vigie-message-live-v1".into();
    }),
    message_in("in the exercise, a live channel", WrongPlane, drill, |draft| {
        draft.payload["channel"] = "alert/fr.idf.75.paris".into();
    }),
    message_in("in the exercise, CAP says Actual", WrongPlane, drill, |draft| {
        draft.cap()["status"] = "Actual".into()
    }),
    message_in("in the exercise, CAP says System", WrongPlane, drill, |draft| {
        draft.cap()["status"] = "System".into()
    }),
    message("CAP says Draft", DraftContent, |draft| draft.cap()["status"] = "Draft".into()),
    message_in("in the exercise, CAP says Draft", DraftContent, drill, |draft| {
        draft.cap()["status"] = "Draft".into()
    }),
    // Inside the grant.
    message("by someone who may only hear", NotGranted, |draft| draft.by = Who::Listener),
    message("a place beside its own", OutOfJurisdiction, |draft| {
        draft.payload["channel"] = "alert/fr.idf.92.nanterre".into();
    }),
    message("the place above its own", OutOfJurisdiction, |draft| {
        draft.payload["channel"] = "alert/fr.idf".into()
    }),
    message_in(
        "a place whose name begins like its own",
        OutOfJurisdiction,
        |draft| draft.payload["channel"] = "signal/fr.idf.75.paris.20e".into(),
        |draft| draft.payload["channel"] = "signal/fr.idf.75.paris-20e".into(),
    ),
    message("a higher severity than is granted", SeverityExceedsGrant, |draft| {
        draft.payload["severity"] = "Severe".into();
    }),
    message("less severe than its content", SeverityBelowContent, |draft| {
        draft.payload["severity"] = "Minor".into()
    }),
    message("less severe than one of two infos", SeverityBelowContent, |draft| {
        let mut info = draft.cap()["info"][0].clone();
        info["severity"] = "Extreme".into();
        draft.cap()["info"].as_array_mut().unwrap().push(info);
    }),
    message("less severe than Unknown", SeverityBelowContent, |draft| {
        draft.cap()["info"][0]["severity"] = "Unknown".into();
    }),
    // When.
    message_in(
        "sent more than 120 s ahead",
        SentInFuture,
        |draft| send_in(draft, 100_000),
        |draft| send_in(draft, 100_000),
    ),
    message_in(
        "expired",
        Expired,
        |draft| {
            send_in(draft, -60_000);
            live_for(draft, HOUR_MS);
        },
        |draft| live_for(draft, 59_000),
    ),
    message_in(
        "lives a millisecond longer than 7 days",
        LifetimeTooLong,
        |draft| live_for(draft, lifetime_max_ms()),
        |draft| live_for(draft, lifetime_max_ms() + 1),
    ),
    message("ends when it is sent", LifetimeTooLong, |draft| live_for(draft, 0)),
    message("ends before it is sent", LifetimeTooLong, |draft| {
        draft.payload["expires"] = json!(draft.payload["sent"].as_u64().unwrap() - 1);
    }),
    message_in(
        "sent before the credential begins",
        CredentialNotYetValid,
        |draft| {
            send_in(draft, -1_800_000);
            live_for(draft, 3 * HOUR_MS);
        },
        |draft| send_in(draft, -3_600_000),
    ),
    // Its form.
    message_in(
        "four bytes more than a message may have",
        MessageTooLarge,
        |draft| draft.pad_to = Some(MESSAGE_BYTES_MAX),
        |draft| draft.pad_to = Some(MESSAGE_BYTES_MAX + 4),
    ),
    message("not a token", MalformedToken, |draft| draft.edit_token = |_| "bonjour".to_owned()),
    message("four parts", MalformedToken, |draft| draft.edit_token = |token| token + ".AAAA"),
    message("no signature", MalformedToken, |draft| {
        draft.edit_token = |token| token.rsplit_once('.').unwrap().0.to_owned() + ".";
    }),
    message("base64 with padding", MalformedToken, |draft| draft.edit_token = |token| token + "=="),
    message("no algorithm", MalformedToken, |draft| draft.header["alg"] = "none".into()),
    message_in(
        "an algorithm of another key",
        MalformedToken,
        |draft| draft.header["alg"] = "Ed25519".into(),
        |draft| draft.header["alg"] = "ES256".into(),
    ),
    message("no `kid`", MalformedToken, |draft| remove(&mut draft.header, "kid")),
    message("a `kid` of 31 bytes", MalformedToken, |draft| draft.header["kid"] = base64(&[7; 31]).into()),
    message("a header that is not JSON", MalformedToken, |draft| draft.edit_header = |text| text + "."),
    message("a credential for a message", WrongType, |draft| {
        draft.header["typ"] = "vigie-credential-live-v1".into()
    }),
    message("a token of another world", WrongType, |draft| draft.header["typ"] = "JWT".into()),
    message("a header member too many", UnknownMember, |draft| draft.header["crit"] = json!(["exp"])),
    message("a header member that carries a key", UnknownMember, |draft| draft.header["jwk"] = json!({})),
    message_in(
        "a member that is not defined",
        UnknownMember,
        |draft| draft.payload["ext"] = json!({"priority": 1}),
        |draft| draft.payload["priority"] = 1.into(),
    ),
    message("a member of the label that is not defined", UnknownMember, |draft| {
        draft.payload["label"]["until"] = 1.into();
    }),
    message("an element that CAP does not have", UnknownMember, |draft| draft.cap()["priority"] = "1".into()),
    message("an element of an info that CAP does not have", UnknownMember, |draft| {
        draft.cap()["info"][0]["colour"] = "red".into();
    }),
    message("a member given twice", DuplicateMember, |draft| {
        draft.edit_payload = |text| text.replacen('{', r#"{"severity":"Minor","#, 1);
    }),
    message("an element given twice inside", DuplicateMember, |draft| {
        draft.edit_payload = |text| text.replacen(r#""headline":"#, r#""headline":"Rien","headline":"#, 1);
    }),
    message("a header member given twice", DuplicateMember, |draft| {
        draft.edit_header = |text| text.replacen('{', r#"{"typ":"vigie-message-exercise-v1","#, 1);
    }),
    message("a payload that is not JSON", MalformedMessage, |draft| draft.edit_payload = |text| text + "}"),
    message("no severity", MalformedMessage, |draft| remove(&mut draft.payload, "severity")),
    message("a severity that CAP does not have", MalformedMessage, |draft| {
        draft.payload["severity"] = "Grave".into()
    }),
    message("a severity that says nothing", MalformedMessage, |draft| {
        draft.payload["severity"] = "Unknown".into()
    }),
    message("a time that is a text", MalformedMessage, |draft| draft.payload["sent"] = "maintenant".into()),
    message("a label that is a text", MalformedMessage, |draft| draft.payload["label"] = "TLP:CLEAR".into()),
    message("a label that TLP does not have", MalformedMessage, |draft| {
        draft.payload["label"]["tlp"] = "TLP:WHITE".into();
    }),
    message("`null` for what may be absent", MalformedMessage, |draft| draft.payload["ext"] = Value::Null),
    message_in(
        "replaces 65 messages",
        MalformedMessage,
        |draft| draft.payload["replaces"] = vec![base64(&[7; 32]); 64].into(),
        |draft| draft.payload["replaces"] = vec![base64(&[7; 32]); 65].into(),
    ),
    message("replaces something that is no id", MalformedMessage, |draft| {
        draft.payload["replaces"] = json!(["tout"])
    }),
    message("a channel in upper case", MalformedChannel, |draft| {
        draft.payload["channel"] = "alert/FR.idf.75.paris".into();
    }),
    message("a channel of nine segments", MalformedChannel, |draft| {
        draft.payload["channel"] = "alert/fr.idf.75.paris.e.f.g.h.i".into();
    }),
    message("a channel with a star", MalformedChannel, |draft| {
        draft.payload["channel"] = "alert/fr.idf.75.paris.**".into();
    }),
    message("a flow that is reserved", MalformedChannel, |draft| {
        draft.payload["channel"] = "cell/fr.idf.75.paris".into();
    }),
    message("a channel of another plane than there are", MalformedChannel, |draft| {
        draft.payload["channel"] = "live/alert/fr.idf.75.paris".into();
    }),
    message("no CAP", MalformedContent, |draft| draft.payload["content"] = json!({})),
    message("a CAP without a sender", MalformedContent, |draft| remove(draft.cap(), "sender")),
    message("a CAP whose sender is blank", MalformedContent, |draft| draft.cap()["sender"] = " ".into()),
    message("a CAP of a status that does not exist", MalformedContent, |draft| {
        draft.cap()["status"] = "Real".into()
    }),
    message("a CAP of a day that does not exist", MalformedContent, |draft| {
        draft.cap()["sent"] = "2026-02-30T12:00:00+01:00".into();
    }),
    message("an info without a category", MalformedContent, |draft| {
        remove(&mut draft.cap()["info"][0], "category");
    }),
    message_in("evidence with the hash of another file", MalformedContent, with_original, |draft| {
        draft.payload["content"]["original"]["sha256"] = base64(&[7; 32]).into();
    }),
    // Labels.
    message_in(
        "a label that needs an audience, without one",
        MalformedMessage,
        |draft| draft.payload["label"]["tlp"] = "TLP:GREEN".into(),
        |draft| draft.payload["label"]["tlp"] = "TLP:AMBER".into(),
    ),
    message("an audience of what is for everyone", MalformedMessage, |draft| {
        draft.payload["label"]["audience"] = json!(["fr.etat"])
    }),
    message_in("an audience of nobody", MalformedMessage, for_two, |draft| {
        draft.payload["label"]["audience"] = json!([])
    }),
    message_in("an audience that is not sorted", MalformedMessage, for_two, |draft| {
        draft.payload["label"]["audience"].as_array_mut().unwrap().reverse();
    }),
    message_in("an audience with one that another covers", MalformedMessage, for_two, |draft| {
        draft.payload["label"]["audience"][1] = "fr.etat".into();
    }),
    // What a later version has.
    message("the author's message before", NotSupported, |draft| {
        draft.payload["prev"] = base64(&[7; 32]).into()
    }),
    message("signatures of others", NotSupported, |draft| draft.payload["cosignatures"] = json!([])),
    message("sealed content", NotSupported, |draft| draft.payload["sealed"] = json!({})),
    message("a revocation for a message", WrongType, |draft| {
        draft.header["typ"] = "vigie-revocation-live-v1".into();
    }),
];
