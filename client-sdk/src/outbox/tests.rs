//! What waits is kept through every end of the process and every fault of the disk, and what holds what.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::cap::Urgency;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::Flow;
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Label;
use vigie_proto::severity::Severity;
use vigie_proto::time::Window;

use super::file::Fault;
use super::*;
use crate::identity::Identity;

const RELAYS: [&str; 2] = ["wss://a:1", "wss://b:1"];

fn now() -> Timestamp {
    Timestamp::from_millis(1_763_766_000_000)
}

fn later(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

fn identity() -> Identity {
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    let grant = Grant {
        flow: Flow::Signal,
        at: "fr".parse().unwrap(),
        publish: Some(Severity::Extreme),
        subscribe: false,
        delegate: 0,
    };
    let claims = Claims {
        subject: *key.public(),
        org: "fr".parse().unwrap(),
        name: "unité".to_owned(),
        role: Role::Author,
        grants: vec![grant],
        plane: Plane::Live,
        valid: Window { from: now().minus(Duration::from_secs(60)), until: later(86_400 * 30) },
    };
    let root = Credential::issue_root(&key, &claims).unwrap();
    let roots = Roots::new([key.public().thumbprint()]);
    let chain = Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap();
    Identity::new(Arc::new(key), Arc::new(chain)).unwrap()
}

fn open(dir: &Path, relays: &[&str]) -> Result<Shared, OutboxError> {
    let relays = relays.iter().map(|relay| (*relay).to_owned()).collect();
    Shared::open(dir, identity().key().public().thumbprint(), Plane::Live, relays)
}

fn signed(text: &str, replaces: &[MessageId]) -> VerifiedMessage {
    let channel = "signal/fr".parse().unwrap();
    let draft = Draft::line(channel, Severity::Minor, text, "fr-FR", Urgency::Expected);
    let draft = draft.lifetime(Duration::from_secs(3_600)).label(Label::CLEAR);
    let draft = draft.replaces(replaces.iter().copied());
    draft.sign_verified(&identity(), now()).unwrap()
}

fn put(outbox: &Shared, text: &str, replaces: &[MessageId]) -> MessageId {
    let message = signed(text, replaces);
    outbox.take_over(&message, now()).unwrap();
    message.id()
}

fn receipt(id: MessageId, seq: u64) -> Receipt {
    Receipt { id, log: LogId::from_bytes([5; 16]), seq: Sequence::new(seq), admitted: now() }
}

fn refusal() -> Refusal {
    Refusal::new(Code::OutOfJurisdiction, "there")
}

use vigie_proto::refusal::Code;

fn next(outbox: &Shared, relay: &str) -> Option<MessageId> {
    outbox.ledger().next_for(relay, now()).map(|work| work.message.id())
}

#[test]
fn everything_is_known_again_after_a_restart_and_after_a_second_one() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path(), &RELAYS).unwrap();
    let ids: Vec<_> =
        ["un", "deux", "trois", "quatre", "cinq"].iter().map(|t| put(&outbox, t, &[])).collect();
    outbox.note(&Record::Sent { id: ids[0] });
    outbox.note(&ledger::stored(RELAYS[1], &receipt(ids[1], 8)));
    outbox.note(&ledger::stored(RELAYS[0], &receipt(ids[1], 3)));
    outbox.note(&ledger::refused(ids[2], RELAYS[0], &refusal()));
    outbox.note(&ledger::refused(ids[2], RELAYS[1], &refusal()));
    outbox.note(&Record::Expired { id: ids[3] });
    outbox.note(&ledger::stored(RELAYS[0], &receipt(ids[4], 4)));
    let entries = outbox.ledger().entries();
    let states: Vec<_> = entries.iter().map(|entry| entry.state.clone()).collect();
    let expected = [
        State::Sent,
        State::Stored(receipt(ids[1], 8)),
        State::Refused(refusal()),
        State::Refused(Code::Expired.into()),
        State::Stored(receipt(ids[4], 4)),
    ];
    assert_eq!(states, expected);
    assert!(matches!(open(dir.path(), &RELAYS), Err(OutboxError::Store(StoreError::InUse { .. }))));
    drop(outbox);
    for _ in 0..2 {
        let again = open(dir.path(), &RELAYS).unwrap();
        assert_eq!((again.ledger().entries(), &again.damage), (entries.clone(), &None));
        assert_eq!(next(&again, RELAYS[1]), Some(ids[0]), "not yet answered there");
    }
    let other = SigningKey::from_seed(&[9; 32]).unwrap().public().thumbprint();
    let stranger = Shared::open(dir.path(), other, Plane::Live, Vec::new());
    assert!(matches!(stranger, Err(OutboxError::OtherOwner { .. })));
}

#[test]
fn a_refused_message_holds_what_is_linked_to_it_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path(), &RELAYS[..1]).unwrap();
    let alert = put(&outbox, "alerte", &[]);
    let other = put(&outbox, "autre", &[]);
    let update = put(&outbox, "mise à jour", &[alert]);
    let update_of_update = put(&outbox, "mise à jour 2", &[update]);
    let cancel_of_other = put(&outbox, "annulation", &[other]);
    let state = |id| outbox.ledger().state(id).unwrap();
    assert_eq!(next(&outbox, RELAYS[0]), Some(alert), "in order");
    outbox.note(&ledger::refused(alert, RELAYS[0], &refusal()));
    assert_eq!(state(alert), State::Refused(refusal()));
    assert_eq!(state(update), State::Held { by: alert });
    assert_eq!(state(update_of_update), State::Held { by: update });
    for id in [other, cancel_of_other] {
        assert_eq!(next(&outbox, RELAYS[0]), Some(id));
        outbox.note(&ledger::stored(RELAYS[0], &receipt(id, 1)));
    }
    assert_eq!(next(&outbox, RELAYS[0]), None);
    outbox.note(&Record::Retried { id: alert });
    assert_eq!(
        (state(alert), state(update), next(&outbox, RELAYS[0])),
        (State::Queued, State::Queued, Some(alert))
    );
    outbox.note(&ledger::refused(alert, RELAYS[0], &refusal()));
    outbox.note(&Record::Dropped { id: alert });
    assert_eq!(next(&outbox, RELAYS[0]), Some(update), "the application decided");
}

#[test]
fn one_relay_that_refuses_does_not_speak_for_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path(), &RELAYS).unwrap();
    let id = put(&outbox, "un", &[]);
    let state = || outbox.ledger().state(id).unwrap();
    outbox.note(&ledger::refused(id, RELAYS[0], &refusal()));
    assert_eq!(
        (state(), next(&outbox, RELAYS[0]), next(&outbox, RELAYS[1])),
        (State::Queued, None, Some(id))
    );
    outbox.note(&ledger::stored(RELAYS[1], &receipt(id, 2)));
    assert_eq!((state(), next(&outbox, RELAYS[1])), (State::Stored(receipt(id, 2)), None));
    assert!(!outbox.ledger().has_work(now()));
    let second = put(&outbox, "deux", &[]);
    outbox.note(&ledger::stored(RELAYS[0], &receipt(second, 3)));
    assert!(outbox.ledger().has_work(now()) && !outbox.ledger().has_work(later(3_600)));
}

#[test]
fn what_runs_out_of_time_is_told_and_what_a_relay_has_is_not_refused_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path(), &RELAYS).unwrap();
    let (late, stored) = (put(&outbox, "tard", &[]), put(&outbox, "à temps", &[]));
    outbox.note(&ledger::stored(RELAYS[0], &receipt(stored, 1)));
    let ledger = || outbox.ledger();
    assert_eq!(ledger().next_expiry(), Some(later(3_600)));
    assert!(ledger().overdue(later(3_599)).is_empty());
    assert_eq!(ledger().overdue(later(3_600)), [late]);
    assert!(ledger().next_for(RELAYS[1], later(3_600)).is_none(), "nothing goes out that has expired");
    outbox.note(&Record::Expired { id: late });
    assert_eq!(ledger().state(late), Some(State::Refused(Code::Expired.into())));
}

#[test]
fn a_failed_write_or_sync_takes_nothing_over_and_its_descriptor_is_not_used_again() {
    for fault in [Fault::Write, Fault::Sync] {
        let dir = tempfile::tempdir().unwrap();
        let outbox = open(dir.path(), &RELAYS).unwrap();
        let first = put(&outbox, "un", &[]);
        outbox.file.lock().unwrap().fault.set(Some(fault));
        let message = signed("deux", &[]);
        let failed = outbox.take_over(&message, now());
        assert!(matches!(failed, Err(OutboxError::Store(StoreError::Io { .. }))), "{failed:?}");
        assert_eq!(outbox.ledger().state(message.id()), None, "not called queued");
        assert!(outbox.file.lock().unwrap().needs_rewrite(), "a new file before the next record");
        let third = put(&outbox, "trois", &[]);
        outbox.note(&Record::Sent { id: first });
        drop(outbox);
        let again = open(dir.path(), &RELAYS).unwrap();
        let ids: Vec<_> = again.ledger().entries().iter().map(|entry| entry.id).collect();
        assert_eq!((ids, &again.damage), (vec![first, third], &None), "{fault:?}");
    }
}

#[test]
fn a_torn_tail_is_cut_and_damage_is_told_and_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path(), &RELAYS).unwrap();
    let first = put(&outbox, "un", &[]);
    let path = dir.path().join(file::NAME);
    let before = std::fs::read(&path).unwrap().len();
    let second = put(&outbox, "deux", &[]);
    drop(outbox);
    let whole = std::fs::read(&path).unwrap();
    let ids = |outbox: &Shared| outbox.ledger().entries().iter().map(|entry| entry.id).collect::<Vec<_>>();
    // Torn in the middle of the second.
    std::fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    let torn = open(dir.path(), &RELAYS).unwrap();
    assert_eq!(ids(&torn), [first]);
    let damage = torn.damage.clone().unwrap();
    assert_eq!((damage.at, damage.is_tail), (before, true));
    assert_eq!(std::fs::read(&damage.kept_at).unwrap(), whole[..whole.len() - 100]);
    drop(torn);
    assert_eq!(open(dir.path(), &RELAYS).unwrap().damage, None, "told once: the file is whole again");
    // A bit of the first: the second is not lost with it.
    let mut flipped = whole.clone();
    flipped[before - 50] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    let damaged = open(dir.path(), &RELAYS).unwrap();
    assert_eq!(ids(&damaged), [second]);
    let damage = damaged.damage.clone().unwrap();
    assert!(!damage.is_tail);
    assert_ne!(damage.kept_at, dir.path().join("outbox.log.1"), "what was kept before stays");
    drop(damaged);
    // Neither an empty file nor one of something else is an empty outbox.
    for wrong in [&b""[..], b"hello, this is no outbox", &whole[..10]] {
        std::fs::write(&path, wrong).unwrap();
        let refused = open(dir.path(), &RELAYS);
        assert!(matches!(refused, Err(OutboxError::Store(StoreError::Damaged { .. }))), "{refused:?}");
        assert_eq!(std::fs::read(&path).unwrap(), wrong, "and nothing is changed");
    }
}

#[test]
fn at_the_bound_what_has_a_receipt_makes_room_and_then_nothing_more_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path(), &RELAYS).unwrap();
    let spreading = put(&outbox, "un", &[]);
    outbox.note(&ledger::stored(RELAYS[0], &receipt(spreading, 1)));
    let template = signed("modèle", &[]);
    for number in 1..OUTBOX_MESSAGES_MAX as u64 {
        // As many as the bound without a sync for each.
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let record = QueuedRecord {
            number: 1 + number,
            id: MessageId::from_bytes(id),
            credential: template.credential(),
            queued: now(),
            expires: later(60),
            channel: String::new(),
            title: String::new(),
            replaces: Vec::new(),
            jws: Some(template.token().to_string()),
        };
        outbox.ledger().apply(Record::Queued(Box::new(record)));
    }
    assert_eq!(next(&outbox, RELAYS[1]), Some(spreading));
    put(&outbox, "le dernier", &[]);
    assert_ne!(next(&outbox, RELAYS[1]), Some(spreading), "it made room");
    let full = outbox.take_over(&signed("un de trop", &[]), now());
    assert!(matches!(full, Err(OutboxError::Full { messages: OUTBOX_MESSAGES_MAX, .. })), "{full:?}");
}

#[test]
fn the_file_is_written_anew_when_most_of_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path(), &RELAYS[..1]).unwrap();
    let waiting = put(&outbox, "elle attend", &[]);
    let long = "x".repeat(60_000);
    let mut largest = 0;
    for number in 0..40 {
        let id = put(&outbox, &format!("{number} {long}"), &[]);
        outbox.note(&ledger::stored(RELAYS[0], &receipt(id, number)));
        largest = largest.max(std::fs::metadata(dir.path().join(file::NAME)).unwrap().len());
    }
    assert!(largest < 2 * 1024 * 1024, "{largest}");
    assert_eq!(next(&outbox, RELAYS[0]), Some(waiting));
    drop(outbox);
    let again = open(dir.path(), &RELAYS[..1]).unwrap();
    assert_eq!(again.ledger().entries().len(), 41);
    assert_eq!(next(&again, RELAYS[0]), Some(waiting));
}
