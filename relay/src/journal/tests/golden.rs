//! Format 1, as bytes that were made apart from this code, from the descriptions in `segment.rs` and `frame.rs` and with a
//! CRC computed bit by bit. A change that cannot read them any more, or reads them otherwise, is noticed here.

use vigie_proto::id::{CredentialId, MessageId};
use vigie_proto::label::Audience;
use vigie_proto::severity::Severity;

use super::*;

/// 1024 bytes: these, then zeros.
const SEGMENT_2: &str = "\
    8956494749450d0a0100000018899eaa1111111111111111111111111111111102000000000000000500000000000000\
    0068e5cf8b010000f4010000000000000200000000000000000400000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000000000000000000000000000018000000c4c9165a0400000000000000\
    01000000f55669676965fafe80000000000000000100000000000000580000003c672355040000000000000005000000\
    03000000000000001864e5cf8b010000c08feecf8b010000030303030303030303030303030303030303030303030303\
    0303030303030303cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc2a00000096c90f50\
    040000000000000002000000cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc63726564\
    656e7469616c6400000007182ad9050000000000000003000000e86be5cf8b01000080561cd08b010000050505050505\
    0505050505050505050505050505050505050505050505050505cccccccccccccccccccccccccccccccccccccccccccc\
    cccccccccccccccccccc040c00616c6572742f66722e696466666972737418000000f763ad0d05000000000000000100\
    0000f55669676965fafece010000000000000100000000000000780000004e609154090000000000000003000000d06f\
    e5cf8b01000080561cd08b0100000909090909090909090909090909090909090909090909090909090909090909cccc\
    cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc011f0065786572636973652f7369676e616c\
    2f66722e6964662e37352e70617269737365636f6e641800000093b61291090000000000000001000000f55669676965\
    fafe86020000000000000300000000000000000000000000\
    ";

/// 512 bytes: these, then zeros.
const SEGMENT_3: &str = "\
    8956494749450d0a01000000976656db1111111111111111111111111111111103000000000000000a00000000000000\
    d06fe5cf8b01000086020000000000000200000000000000000200000000000000000000000000000000000000000000\
    00000000000000000000000000000000000000000000000000000000000000001800000061ea2ba30900000000000000\
    01000000f55669676965fafe8000000000000000010000000000000061000000470813b50a0000000000000003000000\
    d06fe5cf8b01000080561cd08b0100000a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\
    cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc0309007369676e616c2f667274686972\
    6418000000d06777db0a0000000000000001000000f55669676965fafe21010000000000000200000000000000000000\
    ";

/// 1024 bytes: these, then zeros. The one segment of a journal with messages for some and for everyone.
const SEGMENT_FOR_SOME: &str = "\
    8956494749450d0a01000000d7a3cdce1111111111111111111111111111111101000000000000000100000000000000\
    000000000000000000000000000000000100000000000000000400000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000000000000000000000000000018000000cd3717320000000000000000\
    01000000f55669676965fafe800000000000000001000000000000007c000000e9d66ae9010000000000000008000000\
    e86be5cf8b01000080561cd08b0100000101010101010101010101010101010101010101010101010101010101010101\
    cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc040c00616c6572742f66722e69646600\
    150066722e696e746572696575722c66722e73616e7465666972737461000000452f5201020000000000000003000000\
    e86be5cf8b01000080561cd08b0100000202020202020202020202020202020202020202020202020202020202020202\
    cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc010800616c6572742f66727365636f6e\
    646c000000f774848f030000000000000008000000d06fe5cf8b01000080561cd08b0100000303030303030303030303\
    030303030303030303030303030303030303030303cccccccccccccccccccccccccccccccccccccccccccccccccccccc\
    cccccccccc0309007369676e616c2f667201080066722e73616e7465746869726418000000953a9be203000000000000\
    0001000000f55669676965fafe31020000000000000200000000000000\
    ";

fn from_hex(text: &str, length: usize) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let mut bytes: Vec<u8> =
        text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
    bytes.resize(length, 0);
    bytes
}

/// Segments 2 and 3 of a journal whose first segment was removed: every kind of record, a hole in the sequence, a change
/// of segment, a footer.
fn golden() -> SimDisk {
    let disk = SimDisk::new();
    disk.set_content(&file_name(2), from_hex(SEGMENT_2, 1024));
    disk.set_content(&file_name(3), from_hex(SEGMENT_3, 512));
    disk
}

fn record(seq: u64, admitted: u64, channel: &str, severity: Severity, jws: &'static str) -> Record {
    Record::Message(MessageRecord {
        seq: Sequence::new(seq),
        admitted: Timestamp::from_millis(admitted),
        expires: Timestamp::from_millis(1_700_003_600_000),
        id: MessageId::from_bytes([u8::try_from(seq).unwrap(); 32]),
        credential: CredentialId::from_bytes([0xCC; 32]),
        severity,
        channel: channel.parse().unwrap(),
        audience: Audience::EVERYONE,
        jws: jws.into(),
    })
}

#[test]
fn a_journal_of_format_1_is_read_to_the_last_field_and_goes_on() {
    let disk = golden();
    let (mut journal, seen) = open(&disk);
    let carried = CarriedId {
        seq: seq(3),
        admitted: Timestamp::from_millis(1_699_999_999_000),
        expires: Timestamp::from_millis(1_700_000_600_000),
        id: MessageId::from_bytes([3; 32]),
        credential: CredentialId::from_bytes([0xCC; 32]),
    };
    let expected = [
        Record::Carried(carried),
        Record::Credential { id: CredentialId::from_bytes([0xCC; 32]), jws: "credential".into() },
        record(5, 1_700_000_001_000, "alert/fr.idf", Severity::Extreme, "first"),
        record(9, 1_700_000_002_000, "exercise/signal/fr.idf.75.paris", Severity::Minor, "second"),
        record(10, 1_700_000_002_000, "signal/fr", Severity::Severe, "third"),
    ];
    assert_eq!(seen, expected);
    assert_eq!((journal.log(), journal.recovery()), (LogId::from_bytes([0x11; 16]), Recovery::Clean));
    assert_eq!((journal.first_seq(), journal.last_seq(), journal.damage()), (seq(5), seq(10), &[][..]));

    let next = record(11, 1_700_000_003_000, "alert/fr", Severity::Moderate, "fourth");
    journal.append(std::slice::from_ref(&next)).unwrap();
    journal.close().unwrap();
    let old = from_hex(SEGMENT_2, 1024);
    assert_eq!(disk.content(&file_name(2)).unwrap(), old, "what is old stays as it is");
    let (_, seen) = open(&disk);
    assert_eq!(seen, [&expected[..], &[next]].concat());
}

/// The other direction: what this version writes is what was written by hand.
#[test]
fn what_is_written_is_format_1() {
    let by_hand = from_hex(SEGMENT_3, 512);
    let before = index::Progress { last: 9, admitted: 1_700_000_002_000 };
    let mut batch = batch::Batch::new(before);
    let home = frame::Home::new(LogId::from_bytes([0x11; 16]), 3);
    let third = record(10, 1_700_000_002_000, "signal/fr", Severity::Severe, "third");
    batch.fill(home, 128, before, &[third]);
    batch.close(home, 128);
    assert_eq!(batch.bytes, by_hand[128..128 + batch.bytes.len()]);
    assert!(by_hand[128 + batch.bytes.len()..].iter().all(|byte| *byte == 0));
}

fn for_some(
    seq: u64,
    admitted: u64,
    on: (&str, Severity),
    jws: &'static str,
    named: (bool, &[&str]),
) -> Record {
    let Record::Message(message) = record(seq, admitted, on.0, on.1, jws) else {
        unreachable!("it makes messages")
    };
    let (strict, orgs) = named;
    let audience = Audience::named(orgs.iter().map(|org| org.parse().unwrap()), strict).unwrap();
    Record::Message(MessageRecord { audience, ..message })
}

/// Whom a message is for stands beside it, so that nobody has to read it to know. In both directions.
#[test]
fn messages_for_some_are_read_to_the_last_field_and_written_so() {
    let by_hand = from_hex(SEGMENT_FOR_SOME, 1024);
    let disk = SimDisk::new();
    disk.set_content(&file_name(1), by_hand.clone());
    let (_, seen) = open(&disk);
    let two: &[&str] = &["fr.interieur", "fr.sante"];
    let expected = [
        for_some(1, 1_700_000_001_000, ("alert/fr.idf", Severity::Extreme), "first", (false, two)),
        record(2, 1_700_000_001_000, "alert/fr", Severity::Minor, "second"),
        for_some(3, 1_700_000_002_000, ("signal/fr", Severity::Severe), "third", (true, &["fr.sante"])),
    ];
    assert_eq!(seen, expected);

    let before = index::Progress { last: 0, admitted: 0 };
    let mut batch = batch::Batch::new(before);
    let home = frame::Home::new(LogId::from_bytes([0x11; 16]), 1);
    batch.fill(home, 128, before, &expected);
    batch.close(home, 128);
    assert_eq!(batch.bytes, by_hand[128..128 + batch.bytes.len()]);
    assert!(by_hand[128 + batch.bytes.len()..].iter().all(|byte| *byte == 0));
}

/// There was no format before the first one, and every later one is refused before anything is written: also when only
/// one segment in the middle has it, which is then not taken for damage.
#[test]
fn every_other_version_is_refused_before_the_first_write() {
    for index in [2, 3] {
        for version in [0, 2, 3, u32::MAX] {
            let disk = golden();
            let mut bytes = disk.content(&file_name(index)).unwrap();
            bytes[8..12].copy_from_slice(&version.to_le_bytes());
            disk.set_content(&file_name(index), bytes);
            let error = refused(&disk);
            let newer = matches!(&error, JournalError::NewerFormat { found, .. } if *found == version);
            let none = matches!(&error, JournalError::Damaged { offset: 12, .. }) && version == 0;
            assert!(newer || none, "version {version} of segment {index}: {error}");
        }
    }
}
