//! Rotations of roots: any number of them, each rightly signed by the root that it names, in any order.
//!
//! A rotation a line, in which `"@k0"` is the JWK of key 0, the root that is pinned; who is named first signs. A line may
//! begin with `~` for a `typ` of the other plane, or `^` for a stranger's signature.

use std::sync::Arc;

use vigie_proto::chain::Roots;
use vigie_proto::channel::Plane;
use vigie_proto::limits::{ROTATION_BYTES_MAX, ROTATION_HOPS_MAX};
use vigie_proto::refusal::Code;
use vigie_proto::rotation::{self, Rotation};

use super::{form_and, refused};
use crate::memory::Memory;
use crate::signed::{KEYS, STRANGER, Town, filled, header, key, named_key, roots};
use crate::{Outcome, plant};

/// As many as are looked at together: fewer than are ever held, so that none is refused for the others.
const LINES_MAX: usize = 8;

const PLANES: [Plane; 2] = [Plane::Live, Plane::Exercise];

thread_local! {
    /// What became of a line, in inputs before.
    static LINES: Memory<String, Option<Rotation>> = Memory::default();
}

/// Some rotations.
pub fn rotation(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else { return Outcome::Passed };
    let read = |known: &Memory<String, Option<Rotation>>, line: &str| {
        known.find(&line.to_owned()).unwrap_or_else(|| {
            let found = read(line);
            known.keep(line.to_owned(), found.clone());
            found
        })
    };
    let good: Vec<Rotation> =
        LINES.with(|known| text.lines().take(LINES_MAX).filter_map(|line| read(known, line)).collect());
    if good.is_empty() {
        return Outcome::Refused;
    }
    let held = settled(good.iter());
    let backwards = settled(good.iter().rev());
    let mut deepest = 0;
    for plane in PLANES {
        for root in (0..KEYS).map(|number| key(number).id) {
            let how = held.succession(root, plane);
            assert_eq!(how, backwards.succession(root, plane), "the order of arrival decides");
            let Some(how) = how else { continue };
            assert!(how.before().len() <= ROTATION_HOPS_MAX);
            assert!(root == key(0).id || how.before().first() == Some(&key(0).id), "not from what is pinned");
            for pair in [how.before(), &[root]].concat().windows(2) {
                let stated = |held: &&Arc<Rotation>| {
                    (held.root_id(), held.successor_id(), held.plane()) == (pair[0], pair[1], plane)
                };
                assert!(held.rotations().any(|held| stated(&held)), "nobody handed over so");
            }
            deepest = deepest.max(how.before().len());
        }
    }
    plant::inside("rotation", || deepest == 3);
    Outcome::Taken
}

/// The rotation of a line, if it is good.
fn read(line: &str) -> Option<Rotation> {
    let mark = line.chars().next().filter(|mark| matches!(mark, '~' | '^'));
    let plane = if mark == Some('~') { Plane::Exercise } else { Plane::Live };
    let claims = line.trim_start_matches(['~', '^']);
    let by = named_key(claims).unwrap_or(0);
    let header = header(key(by).id.as_bytes(), &format!("vigie-rotation-{plane}-v1"));
    let signer = key(if mark == Some('^') { STRANGER } else { by });
    let token = signer.sign(header.as_bytes(), filled(claims, Town::on(plane), None).as_bytes());
    match Rotation::parse(&token) {
        Ok(rotation) => {
            assert!(mark != Some('^') || by == STRANGER, "a stranger is believed");
            judge(&rotation, by, plane);
            Some(rotation)
        }
        Err(refusal) => {
            let codes = [Code::MalformedRotation, Code::KeyRefused, Code::BadSignature];
            refused(&refusal, &form_and(&codes));
            None
        }
    }
}

/// A rotation whose form and signature are good.
fn judge(rotation: &Rotation, by: usize, plane: Plane) {
    let handover = rotation.handover();
    assert!(rotation.token().len() <= ROTATION_BYTES_MAX);
    assert_eq!((rotation.plane(), rotation.root_id()), (plane, key(by).id));
    assert_ne!(rotation.root_id(), rotation.successor_id());
    assert!(handover.until.is_none_or(|until| until > handover.from));
    let own = rotation::sign(&key(by).signing, plane, handover).expect("what was read can be signed");
    assert_eq!((own.handover(), own.root()), (handover, rotation.root()));
    assert!(own.token().len() <= rotation.token().len() + 4);
}

/// All that count, however often they must be given.
fn settled<'r>(rotations: impl Iterator<Item = &'r Rotation> + Clone) -> Roots {
    let mut roots = roots().clone();
    // Each round settles one more at least, as long as any is to be settled.
    for _ in 0..rotations.clone().count() {
        for rotation in rotations.clone() {
            if let Err(refusal) = roots.learn(rotation.clone()) {
                assert_eq!(refusal.code, Code::UnknownRoot);
            }
        }
    }
    roots
}
