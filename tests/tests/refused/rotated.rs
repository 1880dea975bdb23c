//! Refusals because a root has handed over: the parts of a relay, driven by calls; and what a reader makes of a statement
//! that is none.

use std::sync::Arc;

use serde_json::{Value, json};
use vigie_client::{Delivery, Live, Reader};
use vigie_proto::chain::Roots;
use vigie_proto::frame::{ServerFrame, Start};
use vigie_proto::refusal::Code::{self, MalformedRotation, RootEnded};
use vigie_proto::refusal::Ends;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_tests::world::now;

use crate::case::{Case, Seen, apart};
use crate::forge::{HOUR_MS, Holder, Key};
use crate::parts::{Parts, ops, refusal, trust};

pub(crate) const CASES: &[Case] = &[
    apart("a root that has handed over", RootEnded, || Box::pin(async { under_the_old_root() })),
    apart("a rotation without a successor", MalformedRotation, || Box::pin(async { without_a_successor() })),
];

fn jwk(key: &Key) -> Value {
    json!({"crv": "Ed25519", "kty": "OKP", "x": key.x()})
}

/// By the old root, since an hour ago; `change` may spoil it.
fn rotation(old: &Key, new: &Key, change: impl FnOnce(&mut Value)) -> String {
    let header = json!({"alg": "EdDSA", "kid": old.thumbprint(), "typ": "vigie-rotation-live-v1"});
    let from = now().as_millis() - HOUR_MS;
    let mut payload = json!({"root": jwk(old), "successor": jwk(new), "from": from});
    change(&mut payload);
    old.sign(&header.to_string(), &payload.to_string())
}

fn under_the_old_root() -> Seen {
    let (old, _) = trust();
    let stays = Holder::new("live", &old);
    let (new, goes) = trust();
    let relay = |until: u64| {
        let mut roots = Roots::new([old.pin()]);
        let token = rotation(&old, &new, |payload| payload["until"] = until.into());
        roots.install([&*token]).unwrap();
        Parts::with_roots(SimDisk::new(), roots, &new, &goes)
    };
    // At the first moment without, and long before: its holder comes in, beside that of the new root.
    let (frames, close) = relay(now().as_millis()).try_log_in(&old, &stays);
    let (welcomed, open) = relay(now().as_millis() + HOUR_MS).try_log_in(&old, &stays);
    assert_eq!((ops(&welcomed), open), (vec!["challenge", "welcome", "rotation"], None));
    let code = refusal(&frames[1..]).to_owned();
    assert_eq!(close.map(Code::as_str), Some(&*code));
    Seen::new(&code, RootEnded.ends())
}

fn without_a_successor() -> Seen {
    let (old, new) = (Key::fresh(), Key::fresh());
    let mut reader = Reader::<Live>::new(
        Roots::new([old.pin()]),
        "fr".parse().unwrap(),
        vec!["alert/fr".parse().unwrap()],
        Start::Here,
    );
    let mut give = |token: &str| {
        let mut told = reader.handle_frame(ServerFrame::Rotation { jws: token.into() }, now());
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    };
    let bad = rotation(&old, &new, |payload| drop(payload.as_object_mut().unwrap().remove("successor")));
    let Delivery::Suspect(suspect) = give(&bad) else { panic!("it is none") };
    assert_eq!(suspect.token, Arc::from(bad));
    let Delivery::Rotation(rotation) = give(&rotation(&old, &new, |_| {})) else { panic!("it is one") };
    assert_eq!(rotation.successor_id(), new.pin());
    Seen::new(suspect.code.as_str(), Ends::Request)
}
