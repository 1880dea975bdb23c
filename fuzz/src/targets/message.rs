//! Messages: any payload under a good chain, rightly signed.
//!
//! The input is the payload. Its first byte may be `~` for a `typ` of the other plane, or `^` for a stranger's signature.

use std::sync::Arc;

use vigie_proto::chain::Chain;
use vigie_proto::channel::Plane;
use vigie_proto::hear::Said;
use vigie_proto::limits::{CLOCK_SKEW_MAX, MESSAGE_BYTES_MAX, MESSAGE_LIFETIME_MAX, REPLACES_MAX};
use vigie_proto::refusal::Code;
use vigie_proto::time::Timestamp;
use vigie_proto::verify::{self, VerifiedMessage, takes_effect_on};

use super::{form_and, refused};
use crate::signed::{STRANGER, Town, header, key};
use crate::{Outcome, plant};

/// Codes of part 9 of PROTOCOL.md, checks 1 to 16, but those of its form.
const CODES: [Code; 16] = [
    Code::MessageTooLarge,
    Code::UnknownCredential,
    Code::WrongPlane,
    Code::BadSignature,
    Code::MalformedMessage,
    Code::NotSupported,
    Code::MalformedChannel,
    Code::MalformedContent,
    Code::DraftContent,
    Code::SeverityBelowContent,
    Code::NotGranted,
    Code::OutOfJurisdiction,
    Code::SeverityExceedsGrant,
    Code::LifetimeTooLong,
    Code::CredentialNotYetValid,
    Code::CredentialExpired,
];

/// A message.
pub fn message(data: &[u8]) -> Outcome {
    let (mark, payload) = match data.split_first() {
        Some((mark @ (b'~' | b'^'), rest)) => (*mark, rest),
        _ => (0, data),
    };
    let is_exercise = payload.windows(10).any(|word| word == b"\"exercise/");
    let plane = if is_exercise == (mark == b'~') { Plane::Live } else { Plane::Exercise };
    let town = Town::on(plane);
    let signer = key(if mark == b'^' { STRANGER } else { 2 });
    let header = header(town.chain.leaf().id().as_bytes(), &format!("vigie-message-{plane}-v1"));
    let token = signer.sign(header.as_bytes(), payload);
    match verify::verify(&token, &town.chain, MESSAGE_LIFETIME_MAX) {
        Ok(verified) => {
            assert!(mark != b'^', "a stranger is believed");
            judge(&verified, &town.chain, &token, payload);
            Outcome::Taken
        }
        Err(refusal) => {
            if mark == b'^' && token.len() <= MESSAGE_BYTES_MAX {
                assert_eq!(refusal.code, Code::BadSignature, "the signature comes before what was signed");
            }
            refused(&refusal, &form_and(&CODES))
        }
    }
}

fn judge(verified: &VerifiedMessage, chain: &Arc<Chain>, token: &str, payload: &[u8]) {
    let message = verified.message();
    assert_eq!(&**verified.token(), token);
    assert_eq!(message.channel.plane, chain.plane());
    assert_eq!(message.content.cap.plane(), Some(chain.plane()));
    assert_eq!(message.content.cap.validate(), Ok(()));
    assert!(message.replaces.len() <= REPLACES_MAX);
    let grants = &chain.leaf().claims().grants;
    let is_granted = grants.iter().any(|grant| {
        grant.flow == message.channel.flow
            && grant.at.contains(&message.channel.at)
            && grant.publish.is_some_and(|ceiling| message.severity <= ceiling)
    });
    assert!(is_granted, "{:?}", message.channel);
    assert!(message.sent < message.expires);
    assert!(message.expires.since(message.sent) <= MESSAGE_LIFETIME_MAX);
    // Its window is what is judged at admission, to the millisecond.
    let window = verified.window();
    for edge in [window.from, window.until] {
        for at in [edge.as_millis().saturating_sub(1), edge.as_millis(), edge.as_millis() + 1] {
            let at = Timestamp::from_millis(at);
            assert_eq!(verified.judge_admitted(at).is_ok(), window.contains(at), "{at:?} {window:?}");
        }
    }
    assert!(window.from >= message.sent.minus(CLOCK_SKEW_MAX) && window.until <= message.expires);
    // Signatures are most of the time: of some inputs each of these is enough.
    match payload.len() % 4 {
        0 => judge_ext(payload, chain),
        1 => judge_written(verified, chain),
        _ => {}
    }
    assert!(!takes_effect_on(verified, verified), "a message replaces itself");
    let said = Said::from(message);
    assert!(
        said.audience.orgs().iter().all(|org| said.audience.takes(org)),
        "an organisation that is named hears"
    );
    plant::inside("message", || message.replaces.len() == 2);
}

/// Written by the project itself it says the same, and no more: only `ext` is not written again.
fn judge_written(verified: &VerifiedMessage, chain: &Arc<Chain>) {
    let (message, token) = (verified.message(), verified.token());
    let own = verify::sign(&key(2).signing, chain.leaf().id(), message);
    let again = verify::verify(&own, chain, MESSAGE_LIFETIME_MAX).expect("what is written is read");
    assert_eq!(again.message(), message);
    assert!(own.len() <= token.len() + 4, "{own}\nis longer than\n{token}");
}

/// Whatever a deployment adds below `ext` is signed and not interpreted: what was good stays good with it.
fn judge_ext(payload: &[u8], chain: &Arc<Chain>) {
    let Some(open) = payload.iter().position(|byte| *byte == b'{') else { return };
    if payload.windows(5).any(|word| word == b"\"ext\"" || word == b"\\u006" || word == b"\\u007") {
        return;
    }
    // The payload itself is as good an object as any, when it is not too deep.
    let ext = [&b"\"ext\":{\"a\":"[..], payload, b"},"].concat();
    if vigie_proto::json::check(&[b"{", &ext[..ext.len() - 1], b"}"].concat()).is_err() {
        return;
    }
    let with = [&payload[..=open], &ext, &payload[open + 1..]].concat();
    let header = header(chain.leaf().id().as_bytes(), &format!("vigie-message-{}-v1", chain.plane()));
    let token = key(2).sign(header.as_bytes(), &with);
    if token.len() <= MESSAGE_BYTES_MAX {
        let judged = verify::verify(&token, chain, MESSAGE_LIFETIME_MAX);
        assert!(judged.is_ok(), "{judged:?}: {}", String::from_utf8_lossy(&with));
    }
}
