//! Records come back as they were, or not at all.

use vigie_proto::id::LogId;

use super::*;

/// A message that can be told from every other by its sequence.
pub(in super::super) fn message(seq: u64, jws_bytes: usize) -> MessageRecord {
    let mut id = [0xAB; 32];
    id[..8].copy_from_slice(&seq.to_le_bytes());
    let severity = usize::try_from(seq % 4).unwrap();
    MessageRecord {
        seq: Sequence::new(seq),
        admitted: Timestamp::from_millis(1_000 + seq * 10),
        expires: Timestamp::from_millis(100_000 + seq),
        id: MessageId::from_bytes(id),
        credential: CredentialId::from_bytes([9; 32]),
        severity: Severity::ALL[severity],
        channel: "exercise/alert/fr.idf".parse().unwrap(),
        audience: Audience::EVERYONE,
        jws: Bytes::from(vec![b'a' + u8::try_from(seq % 26).unwrap(); jws_bytes]),
    }
}

pub(in super::super) fn credential(number: u8) -> Record {
    Record::Credential {
        id: CredentialId::from_bytes([number; 32]),
        jws: Bytes::from(vec![b'0' + number % 10; 400]),
    }
}

fn decode(kind: Kind, sequence: u64, body: &[u8]) -> Option<MessageRecord> {
    MessageRecord::decode(&Frame { offset: 0, kind, sequence, body })
}

fn audience(strict: bool, orgs: &[&str]) -> Audience {
    Audience::named(orgs.iter().map(|org| org.parse().unwrap()), strict).unwrap()
}

#[test]
fn a_message_for_some_comes_back_as_it_was() {
    for (strict, orgs) in [(false, &["fr.a", "fr.b"][..]), (true, &["fr.a", "fr.a.x"]), (true, &["fr"])] {
        let written = MessageRecord { audience: audience(strict, orgs), ..message(3, 40) };
        let mut body = Vec::new();
        Record::Message(written.clone()).encode(&mut body);
        assert_eq!(decode(Kind::Restricted, 3, &body).as_ref(), Some(&written));
        for cut in 0..body.len() - 40 {
            assert_eq!(decode(Kind::Restricted, 3, &body[..cut]), None, "cut {cut}");
        }
    }
}

#[test]
fn an_audience_in_another_form_is_none() {
    let written = |strict: u8, orgs: &str| {
        let length = u16::try_from(orgs.len()).unwrap().to_le_bytes();
        [&[strict], &length[..], orgs.as_bytes(), b"jws"].concat()
    };
    for (strict, orgs, good) in [
        (0, "fr.a,fr.b", true),
        (1, "fr.a,fr.a.x", true),
        (0, "fr.a,fr.a.x", false),
        (0, "fr.b,fr.a", false),
        (0, "fr.a,fr.a", false),
        (0, "fr.a,", false),
        (0, "", false),
        (2, "fr.a", false),
    ] {
        let bytes = written(strict, orgs);
        let read = decode_audience(&bytes).map(|(read, rest)| (read.is_strict(), rest));
        assert_eq!(read, good.then_some((strict == 1, &b"jws"[..])), "{strict} {orgs}");
    }
}

#[test]
fn a_message_comes_back_as_it_was() {
    for seq in 1..=4 {
        let written = message(seq, 300);
        let mut body = Vec::new();
        Record::Message(written.clone()).encode(&mut body);
        assert_eq!(MessageRecord::peek_admitted(&body), Some(written.admitted));
        assert_eq!(decode(Kind::Message, seq, &body), Some(written));
    }
}

#[test]
fn a_credential_comes_back_as_it_was() {
    let mut body = Vec::new();
    credential(3).encode(&mut body);
    assert_eq!(decode_credential(&body), Some(credential(3)));
}

#[test]
fn a_revocation_comes_back_as_it_was() {
    let revocation = RevocationRecord {
        count: 3,
        seq: Sequence::new(7),
        admitted: Timestamp::from_millis(1_000),
        id: RevocationId::from_bytes([4; 32]),
        issuer: CredentialId::from_bytes([5; 32]),
        jws: Bytes::from_static(b"revocation"),
    };
    let record = Record::Revocation(revocation.clone());
    let mut body = Vec::new();
    record.encode(&mut body);
    assert_eq!(record.frame_bytes_max(), Some(HEADER_BYTES + body.len()));
    assert_eq!(RevocationRecord::decode(&body), Some(revocation));
    assert_eq!(RevocationRecord::decode(&body[..REVOCATION_FIXED_BYTES - 1]), None);
}

/// To the byte, but for the channel, of which only the bound counts, and a comma behind the last name: a batch that takes
/// more is written past its segment.
#[test]
fn what_a_record_takes_at_most_is_what_it_takes() {
    let takes = |record: &Record| {
        let mut body = Vec::new();
        record.encode(&mut body);
        (record.frame_bytes_max(), HEADER_BYTES + body.len())
    };
    let from =
        ForkedFrom { log: LogId::from_bytes([3; 16]), seq: Sequence::new(7), admitted: Timestamp::EPOCH };
    for exact in [credential(3), Record::Carried(CarriedId::from(&message(7, 0))), Record::Forked(from)] {
        let (most, bytes) = takes(&exact);
        assert_eq!(most, Some(bytes), "{exact:?}");
    }
    let named = ["fr.a", "fr.a.x"].map(|org| org.parse().unwrap());
    for (audience, comma) in [(Audience::EVERYONE, 0), (Audience::named(named, true).unwrap(), 1)] {
        let one = MessageRecord { audience, ..message(7, 500) };
        let channel = one.channel.to_string().len();
        let (most, bytes) = takes(&Record::Message(one));
        assert_eq!(most, Some(bytes + CHANNEL_BYTES_MAX - channel + comma));
    }
}

#[test]
fn a_carried_id_comes_back_as_it_was() {
    let carried = CarriedId::from(&message(7, 0));
    let mut body = Vec::new();
    Record::Carried(carried.clone()).encode(&mut body);
    assert_eq!(body.len(), CARRIED_BYTES);
    assert_eq!(CarriedId::decode(&body), Some(carried));
    assert_eq!(CarriedId::decode(&body[1..]), None);
    body.push(0);
    assert_eq!(CarriedId::decode(&body), None);
}

/// Batches are cut by it: too little would not fit, too much would cut them short.
#[test]
fn what_a_record_takes_is_said_before_it_is_written() {
    let taken = |record: &Record| {
        let mut body = Vec::new();
        record.encode(&mut body);
        (record.frame_bytes_max().unwrap(), HEADER_BYTES + body.len())
    };
    let carried = Record::Carried(CarriedId::from(&message(7, 0)));
    let forked = Record::Forked(ForkedFrom {
        log: LogId::from_bytes([3; 16]),
        seq: Sequence::new(9),
        admitted: Timestamp::from_millis(8),
    });
    for record in [credential(3), carried, forked] {
        let (most, exact) = taken(&record);
        assert_eq!(most, exact, "{record:?}");
    }
    let for_all = taken(&Record::Message(message(3, 40)));
    let spare = for_all.0 - for_all.1;
    assert!(spare < CHANNEL_BYTES_MAX);
    for orgs in [&["fr.a"][..], &["fr.a", "fr.b", "fr.c", "fr.d"]] {
        let (most, exact) =
            taken(&Record::Message(MessageRecord { audience: audience(true, orgs), ..message(3, 40) }));
        assert!((spare..=spare + 1).contains(&(most - exact)), "{orgs:?}");
    }
}

#[test]
fn a_short_or_foreign_body_is_no_message() {
    let mut body = Vec::new();
    Record::Message(message(1, 0)).encode(&mut body);
    for cut in 0..body.len() {
        assert_eq!(decode(Kind::Message, 1, &body[..cut]), None, "cut {cut}");
    }
    let mut other = body.clone();
    other[80] = 9;
    assert_eq!(decode(Kind::Message, 1, &other), None, "no such severity");
    body[7] = 0xff;
    assert_eq!(decode(Kind::Message, 1, &body), None, "no such time");
}

#[test]
fn the_largest_message_fits_and_a_larger_body_does_not() {
    let mut largest = message(1, vigie_proto::limits::MESSAGE_BYTES_MAX);
    let deep = format!("exercise/signal/{}", vec!["a".repeat(32); 8].join("."));
    largest.channel = deep.parse().unwrap();
    let orgs = (0..16_u8).map(|number| {
        let first = format!("{}{}", "b".repeat(31), char::from(b'a' + number));
        format!("{first}.{}", vec!["a".repeat(32); 7].join(".")).parse().unwrap()
    });
    largest.audience = Audience::named(orgs, true).unwrap();
    let record = Record::Message(largest);
    let mut body = Vec::new();
    record.encode(&mut body);
    assert!(record.frame_bytes_max().unwrap() >= HEADER_BYTES + body.len());
    assert_eq!(Record::Message(message(1, BODY_BYTES_MAX)).frame_bytes_max(), None);
    let credential = |jws_bytes| Record::Credential {
        id: CredentialId::from_bytes([1; 32]),
        jws: Bytes::from(vec![b'c'; jws_bytes]),
    };
    let longest = BODY_BYTES_MAX - CredentialId::LEN;
    assert_eq!(credential(longest).frame_bytes_max(), Some(HEADER_BYTES + BODY_BYTES_MAX));
    assert_eq!(credential(longest + 1).frame_bytes_max(), None);
}
