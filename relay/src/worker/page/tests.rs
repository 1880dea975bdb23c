//! A page is read once for all who stand in it, and says what is missing.

use bytes::Bytes;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::id::{CredentialId, LogId, MessageId};
use vigie_proto::key::SigningKey;
use vigie_proto::time::Window;

use super::*;
use crate::journal::sim_disk::SimDisk;
use crate::journal::{Journal, JournalConfig, Record};

const LOG: LogId = LogId::from_bytes([7; 16]);

fn message(seq: u64) -> Record {
    Record::Message(MessageRecord {
        seq: Sequence::new(seq),
        admitted: Timestamp::from_millis(1_000_000 + seq),
        expires: Timestamp::from_millis(9_000_000),
        id: MessageId::from_bytes([u8::try_from(seq).unwrap(); 32]),
        credential: CredentialId::from_bytes([9; 32]),
        severity: Severity::Minor,
        channel: "alert/fr".parse().unwrap(),
        audience: Audience::EVERYONE,
        jws: Bytes::from(vec![b'x'; 300]),
    })
}

/// Twenty messages, one a batch, with this byte of the oldest file wrong.
fn damaged_at(byte: usize) -> Journal<SimDisk> {
    let disk = SimDisk::new();
    let mut config = JournalConfig::new();
    config.segment_bytes = 4096;
    let open = |disk: &SimDisk| Journal::open(disk.clone(), config.clone(), LOG, &mut |_| Ok(())).unwrap();
    let mut journal = open(&disk);
    for seq in 1..=20 {
        journal.append(&[message(seq)]).unwrap();
    }
    journal.close().unwrap();
    let disk = disk.restart();
    let oldest = disk.names().unwrap().into_iter().min().unwrap();
    let mut bytes = disk.content(&oldest).unwrap();
    bytes[byte] ^= 1;
    disk.set_content(&oldest, bytes);
    open(&disk)
}

/// Somebody who hears every alert.
fn reader() -> Reader {
    reader_of("alert/fr.**")
}

fn reader_of(filter: &str) -> Reader {
    reader_for("fr.etat", filter)
}

pub(in crate::worker) fn reader_for(org: &str, filter: &str) -> Reader {
    let key = SigningKey::from_seed(&[0xA7; 32]).unwrap();
    let grant = |flow| Grant { flow, at: "fr".parse().unwrap(), publish: None, subscribe: true, delegate: 0 };
    let claims = Claims {
        subject: *key.public(),
        org: org.parse().unwrap(),
        name: "etat".to_owned(),
        role: Role::Author,
        grants: vec![grant(Flow::Alert), grant(Flow::Signal)],
        plane: Plane::Live,
        valid: Window { from: Timestamp::EPOCH, until: Timestamp::from_millis(u64::from(u32::MAX)) },
    };
    let root = Credential::issue_root(&key, &claims).unwrap();
    let roots = Roots::new([key.public().thumbprint()]);
    let chain = Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap();
    Reader::new(&chain, vec![filter.parse().unwrap()]).unwrap()
}

fn ask(pages: &Pages<SimDisk>, from: ReadFrom, max_bytes: usize) -> ReadReply {
    let purpose = Purpose::Subscription { number: 1, reader: reader() };
    let session = SessionId { index: 0, generation: 0 };
    pages.read(ReadRequest { session, purpose, from, max_bytes }).unwrap()
}

fn page(reply: &ReadReply) -> &Arc<Page> {
    match &reply.found {
        Found::Page { page, .. } => page,
        Found::History { .. } => panic!("no history was asked for"),
    }
}

fn read_from(journal: &Journal<SimDisk>, from: ReadFrom) -> ReadReply {
    ask(&Pages::new(journal.reader()), from, 1_000_000)
}

/// Reasons, and the places that each gap leads from and to.
fn told(reply: &ReadReply) -> Vec<(&'static str, u64, u64)> {
    reply.gaps.iter().map(|gap| (gap.reason.as_str(), gap.from.seq.get(), gap.to.seq.get())).collect()
}

#[test]
fn a_cursor_that_leads_into_damage_is_told_both() {
    let journal = damaged_at(200);
    let cursor = |log, seq, admitted| {
        let admitted = Timestamp::from_millis(admitted);
        ReadFrom::Cursor(Cursor { log, seq: Sequence::new(seq), admitted })
    };
    let foreign = LogId::from_bytes([8; 16]);
    for (from, reason, seq) in
        [(cursor(foreign, 5, 1_000_005), "other_log", 5), (cursor(LOG, 90, 1_000_090), "ahead", 90)]
    {
        let reply = read_from(&journal, from);
        assert_eq!(told(&reply), [(reason, seq, 0), ("damaged", 0, 1)]);
        assert_eq!(reply.gaps[0].to, reply.gaps[1].from, "one leads to the other");
        assert_eq!((reply.after.seq, page(&reply).end.seq), (Sequence::new(1), Sequence::new(1)));
        let next = read_from(&journal, from_place(reply.after));
        assert_eq!((told(&next), page(&next).events[0].at.seq), (vec![], Sequence::new(2)));
    }
    // From the start nothing was lost but what is damaged.
    assert_eq!(told(&read_from(&journal, ReadFrom::Beginning)), [("damaged", 0, 1)]);
}

#[test]
fn a_cursor_of_this_log_in_front_of_damage_is_told_the_damage_only() {
    let journal = damaged_at(200);
    let start = Cursor { log: LOG, seq: Sequence::START, admitted: Timestamp::EPOCH };
    assert_eq!(told(&read_from(&journal, ReadFrom::Cursor(start))), [("damaged", 0, 1)]);
}

/// Twenty messages, one a batch, all whole.
fn whole() -> Journal<SimDisk> {
    let mut journal = Journal::open(SimDisk::new(), JournalConfig::new(), LOG, &mut |_| Ok(())).unwrap();
    for seq in 1..=20 {
        journal.append(&[message(seq)]).unwrap();
    }
    journal
}

fn at(seq: u64) -> ReadFrom {
    from_place(Position { seq: Sequence::new(seq), admitted: Timestamp::EPOCH })
}

fn from_place(at: Position) -> ReadFrom {
    ReadFrom::After { at, told: at }
}

fn numbers(reply: &ReadReply) -> Vec<u64> {
    page(reply).after(reply.after.seq).iter().map(|event| event.at.seq.get()).collect()
}

#[test]
fn readers_at_the_same_place_share_a_page_and_meet_at_its_end() {
    let journal = whole();
    let pages = Pages::new(journal.reader());
    let first = ask(&pages, at(2), 4 * 300);
    assert_eq!(numbers(&first), [3, 4, 5, 6]);
    // Another thread, at the same place, then inside the page.
    let same = ask(&pages, at(2), 4 * 300);
    let inside = ask(&pages, at(4), 4 * 300);
    assert!([&same, &inside].iter().all(|reply| Arc::ptr_eq(page(reply), page(&first))));
    assert_eq!(numbers(&inside), [5, 6]);
    // Before it and at its end there is something else to read.
    for (from, expected) in [(1, [2, 3, 4, 5]), (6, [7, 8, 9, 10])] {
        let reply = ask(&pages, at(from), 4 * 300);
        assert!(!Arc::ptr_eq(page(&reply), page(&first)));
        assert_eq!(numbers(&reply), expected);
    }
}

#[test]
fn a_page_that_reached_the_head_is_read_again_when_the_head_has_moved() {
    let mut journal = whole();
    let pages = Pages::new(journal.reader());
    assert_eq!(numbers(&ask(&pages, at(18), 10_000)), [19, 20]);
    journal.append(&[message(21)]).unwrap();
    // What was known is given at once, and leads to the rest.
    assert_eq!(numbers(&ask(&pages, at(19), 10_000)), [20]);
    assert_eq!(numbers(&ask(&pages, at(20), 10_000)), [21]);
    assert_eq!(numbers(&ask(&pages, at(18), 10_000)), [19, 20]);
}

#[test]
fn those_who_listen_to_something_else_do_not_share() {
    let journal = whole();
    let pages = Pages::new(journal.reader());
    let all = ask(&pages, at(0), 10_000);
    let mut request = ReadRequest {
        session: SessionId { index: 1, generation: 0 },
        purpose: Purpose::Subscription { number: 1, reader: reader_of("signal/fr") },
        from: at(0),
        max_bytes: 10_000,
    };
    let none = pages.read(request.clone()).unwrap();
    assert_eq!((numbers(&all).len(), numbers(&none).len()), (20, 0));
    assert_eq!(page(&none).end.seq, Sequence::new(20));
    request.session.index = 2;
    assert!(Arc::ptr_eq(page(&pages.read(request).unwrap()), page(&none)));
}

/// Or a crowd of many organisations would read the same page once for each. Whom a message is for is looked at where it is
/// given.
#[test]
fn those_who_listen_to_the_same_for_others_share() {
    let journal = whole();
    let pages = Pages::new(journal.reader());
    let ask = |org| {
        let purpose = Purpose::Subscription { number: 1, reader: reader_for(org, "alert/fr.**") };
        let session = SessionId { index: 1, generation: 0 };
        pages.read(ReadRequest { session, purpose, from: at(0), max_bytes: 10_000 }).unwrap()
    };
    assert!(Arc::ptr_eq(page(&ask("fr.etat")), page(&ask("fr.sante"))));
}

#[test]
fn what_is_kept_is_bounded() {
    let mut recent = Recent::default();
    let event = |seq: u64, bytes| {
        let Record::Message(record) = message(seq) else { unreachable!("it makes messages") };
        Arc::new(Event { frame: vec![b'x'; bytes].into(), ..Event::from(record) })
    };
    let kept = |place: u64, bytes| {
        let events = vec![event(place % 250 + 1, bytes)];
        let end = Position { seq: Sequence::new(place + 1), admitted: Timestamp::EPOCH };
        Kept {
            filters: Arc::clone(reader().filters()),
            after: Sequence::new(place),
            page: Arc::new(Page { events, end }),
        }
    };
    for (bytes, places) in [(0, 1_000), (1024 * 1024, 20)] {
        for place in 0..places {
            recent.keep(kept(place, bytes));
            let sum: usize = recent.kept.iter().map(|kept| kept.page.bytes()).sum();
            assert_eq!(recent.bytes, sum);
            assert!(recent.bytes <= KEPT_BYTES_MAX && recent.kept.len() <= KEPT_MAX);
            assert!(recent.find(&reader(), Sequence::new(place)).is_some(), "the last one is there");
        }
    }
    assert_eq!(recent.kept.len(), 7, "eight would pass the bound by what they cost beside their frames");
}
