//! Refusals of revocations, and because of them: the parts of a relay, driven by calls.

use std::sync::Arc;

use serde_json::{Value, json};
use vigie_proto::refusal::Code::{self, MalformedRevocation, Revoked, SessionRevoked};
use vigie_proto::refusal::Ends;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_tests::world::now;

use crate::case::{Case, Seen, apart};
use crate::forge::{Holder, base64};
use crate::parts::{Parts, ops, refusal, trust};

pub(crate) const CASES: &[Case] = &[
    apart("a revocation without a number", MalformedRevocation, || Box::pin(async { without_a_number() })),
    apart("a message behind the revocation of its author, in the same batch", Revoked, || {
        Box::pin(async { behind_it_in_a_batch() })
    }),
    apart("the key of a session is revoked", SessionRevoked, || Box::pin(async { while_it_listens() })),
];

/// A revocation under the holder's own credential.
fn revocation(holder: &Holder, target: Value, number: u64) -> String {
    let header = json!({"alg": "EdDSA", "kid": holder.id(), "typ": "vigie-revocation-live-v1"});
    let payload = json!({"target": target, "from": now().as_millis(), "number": number});
    holder.key.sign(&header.to_string(), &payload.to_string())
}

/// Names nobody.
fn nobody() -> Value {
    json!({"credential": base64(&[7; 32])})
}

fn asked(parts: &mut Parts, jws: &str) -> Value {
    parts.revoke(jws);
    parts.commit().unwrap();
    let mut frames = parts.told(parts.author);
    frames.retain(|frame| frame["op"] != "revocation");
    assert_eq!(frames.len(), 1, "{frames:?}");
    frames.remove(0)
}

fn without_a_number() -> Seen {
    let (root, holder) = trust();
    let mut parts = Parts::new(SimDisk::new(), &root, &holder);
    let refused = asked(&mut parts, &revocation(&holder, nobody(), 0));
    assert_eq!(asked(&mut parts, &revocation(&holder, nobody(), 1))["op"], "revoked");
    Seen::new(refused["code"].as_str().unwrap(), Ends::Request)
}

fn behind_it_in_a_batch() -> Seen {
    let (root, holder) = trust();
    let disk = SimDisk::new();
    let mut parts = Parts::new(disk.clone(), &root, &holder);
    let (before, behind) = (parts.message(), parts.message());
    parts.publish(&before);
    parts.revoke(&revocation(&holder, json!({"key": holder.key.thumbprint()}), 1));
    // The author's session has no more in flight; the other one of the same key speaks.
    parts.publish_as_witness(&behind);
    parts.commit_untold().unwrap();
    let outcomes = parts.outcomes();
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok(), "{outcomes:?}");
    let refused = outcomes[2].clone().unwrap_err();
    assert_eq!(refused.credential.map(|id| id.to_string()), Some(holder.id()));
    // Nobody of this key comes in again, after a new start neither.
    let again = |mut parts: Parts| {
        let told = parts.try_log_in(&root, &holder);
        assert_eq!(told.0.last().unwrap()["code"], Revoked.as_str());
        assert_eq!(told.1, Some(Revoked));
        parts
    };
    drop(again(parts));
    let others = Arc::new(Holder::new("live", &root));
    again(Parts::new(disk.restart(), &root, &others));
    Seen::new(refused.code.as_str(), refused.code.ends())
}

fn while_it_listens() -> Seen {
    let (root, holder) = trust();
    let mut parts = Parts::new(SimDisk::new(), &root, &holder);
    // It meets nobody: everyone is told, and nobody ends.
    let told = asked(&mut parts, &revocation(&holder, nobody(), 1));
    assert_eq!(told["op"], "revoked");
    assert_eq!(ops(&parts.told(parts.witness)), ["revocation"]);
    parts.revoke(&revocation(&holder, json!({"credential": holder.id()}), 2));
    parts.commit().unwrap();
    let (frames, close) = parts.output(parts.witness);
    assert_eq!(ops(&frames), ["revocation", "refused"]);
    assert_eq!(frames[1]["credential"], holder.id());
    let code = refusal(&frames[1..]).to_owned();
    assert_eq!(close.map(Code::as_str), Some(&*code));
    let (frames, close_of_author) = parts.output(parts.author);
    assert_eq!((ops(&frames), close_of_author), (vec!["revoked", "revocation", "refused"], close));
    Seen::new(&code, close.unwrap().ends())
}
