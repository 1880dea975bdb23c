//! What the journal costs on a real disk: figures to report, and bounds of ten times what is promised.
//!
//! What writes 1 GiB below the folder for temporary files is ignored by default:
//! `cargo test --release -p vigie-relay --test journal_measured -- --ignored --nocapture`

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]
#![allow(clippy::print_stderr, reason = "what the relay says belongs to the output of the test")]
#![allow(clippy::print_stdout, reason = "what a run came to belongs to its output")]

#[cfg(all(unix, feature = "cli"))]
#[expect(dead_code, reason = "shared with the kills of the relay")]
mod kills;

use std::time::{Duration, Instant};

use bytes::Bytes;
use vigie_proto::channel::Channel;
use vigie_proto::id::{CredentialId, LogId, MessageId, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_relay::journal::{DirStorage, Journal, JournalConfig, MessageRecord, Record, Recovery};

/// A signed message of some 1 KiB, on one of a thousand channels.
fn message(seq: u64) -> Record {
    let mut id = [7; 32];
    id[..8].copy_from_slice(&seq.to_le_bytes());
    Record::Message(MessageRecord {
        seq: Sequence::new(seq),
        admitted: Timestamp::from_millis(1_700_000_000_000 + seq),
        expires: Timestamp::from_millis(1_700_086_400_000 + seq),
        id: MessageId::from_bytes(id),
        credential: CredentialId::from_bytes([9; 32]),
        severity: Severity::Severe,
        channel: format!("alert/fr.c{}", seq % 1_000).parse().unwrap(),
        audience: Audience::EVERYONE,
        jws: Bytes::from(vec![b'a'; 920]),
    })
}

fn open(folder: &std::path::Path) -> (Journal<DirStorage>, u64, Duration) {
    let mut count = 0;
    let start = Instant::now();
    let storage = DirStorage::open(folder).unwrap();
    let journal = Journal::open(storage, JournalConfig::new(), LogId::from_bytes([7; 16]), &mut |_| {
        count += 1;
        Ok(())
    });
    (journal.unwrap(), count, start.elapsed())
}

#[test]
#[ignore = "writes 1 GiB; the step recovery of .ci/run runs it"]
fn a_journal_of_1_gib_is_recovered_and_one_channel_of_it_read_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _, _) = open(folder.path());
    // 1,024 records of 1,048 bytes each in the file.
    let batches = (1 << 30) / (512 * 1_048_u64);
    for batch in 0..batches {
        let records: Vec<_> = (batch * 512 + 1..=(batch + 1) * 512).map(message).collect();
        journal.append(&records).unwrap();
    }
    // Without a footer: the last batch is copied.
    drop(journal);
    let (journal, count, took) = open(folder.path());
    println!("{count} records of 1 GiB recovered in {took:?}: {:?}", journal.recovery());
    assert!(matches!(journal.recovery(), Recovery::Unclean { copied: 512, .. }));
    assert_eq!(count, batches * 512);
    assert!(took < Duration::from_secs(50), "the aim is 5 s");

    let reader = journal.reader();
    let channel: Channel = "alert/fr.c77".parse().unwrap();
    let read = |filtered: bool| {
        let (start, mut at, mut found) = (Instant::now(), Sequence::START, 0_u64);
        while at < reader.head() {
            let page = if filtered {
                reader.read_after_on(at, 256 * 1024, &|one| *one == channel).unwrap()
            } else {
                reader.read_after(at, 256 * 1024).unwrap()
            };
            found += page.messages.iter().filter(|message| message.channel == channel).count() as u64;
            at = page.end;
        }
        (found, start.elapsed())
    };
    let ((found, one), (same, everything)) = (read(true), read(false));
    println!("{found} messages of one channel in {one:?}; all channels in {everything:?}");
    assert_eq!(found, same);
    assert!(one * 5 < everything, "one channel of a thousand");
}

/// Starts the real relay on so many messages, none of which has expired, after an unclean stop; how long it takes until
/// somebody has a receipt over TLS.
#[cfg(all(unix, feature = "cli"))]
async fn start_to_first_receipt(messages: u64) -> Duration {
    use vigie_client::proto::cap::Urgency;
    use vigie_client::{Context, Draft, Live};

    let folder = tempfile::tempdir().unwrap();
    let place = kills::init(folder.path());
    let (mut journal, _, _) = open(&place.join("journal"));
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let base = Timestamp::EPOCH.plus(now).minus(Duration::from_secs(3_600));
    let in_force = |seq: u64| {
        let Record::Message(message) = message(seq) else { unreachable!("it makes messages") };
        let admitted = Timestamp::from_millis(base.as_millis() + seq);
        Record::Message(MessageRecord {
            admitted,
            expires: admitted.plus(Duration::from_secs(86_400)),
            ..message
        })
    };
    for first in (1..=messages).step_by(512) {
        let records: Vec<_> = (first..=messages.min(first + 511)).map(in_force).collect();
        journal.append(&records).unwrap();
    }
    drop(journal);
    let start = Instant::now();
    let (_relay, _) = kills::first_relay(&place);
    let nation = Context::open(&place).unwrap().client::<Live>("nation").unwrap();
    let channel = "alert/fr".parse().unwrap();
    let draft = Draft::line(channel, Severity::Severe, "reprise", "fr-FR", Urgency::Expected);
    let receipt = nation.publish(draft).await.unwrap();
    let took = start.elapsed();
    assert_eq!(receipt.seq.get(), messages + 1);
    println!("from the start of the relay on {messages} messages to the first receipt: {took:?}");
    took
}

#[cfg(all(unix, feature = "cli"))]
#[tokio::test]
async fn on_100_000_messages_the_first_receipt_comes_in_time() {
    assert!(start_to_first_receipt(100_000).await < Duration::from_secs(10), "the aim is 1 s");
}

#[cfg(all(unix, feature = "cli"))]
#[tokio::test]
#[ignore = "writes 1 GiB; the step recovery of .ci/run runs it"]
async fn on_1_gib_the_first_receipt_comes_in_time() {
    let took = start_to_first_receipt((1 << 30) / 1_048).await;
    assert!(took < Duration::from_secs(50), "the aim is 5 s");
}

/// On a file system that is really full. `VIGIE_SMALL_DISK` names an empty folder on one of a few MiB, for example
/// `mount -t tmpfs -o size=8m none FOLDER`.
#[test]
#[ignore = "needs a small file system of its own, given by VIGIE_SMALL_DISK"]
fn a_full_file_system_takes_urgent_batches_and_a_start() {
    let folder = std::path::PathBuf::from(std::env::var_os("VIGIE_SMALL_DISK").unwrap());
    let open = || {
        let mut config = JournalConfig::new();
        (config.segment_bytes, config.reserve_bytes) = (1024 * 1024, 256 * 1024);
        let mut count = 0;
        let storage = DirStorage::open(&folder).unwrap();
        let journal = Journal::open(storage, config, LogId::from_bytes([7; 16]), &mut |_| {
            count += 1;
            Ok(())
        });
        (journal.unwrap(), count)
    };
    let (mut journal, _) = open();
    journal.keep_reserve().unwrap();
    // Something else is on the same disk, and is removed in the end.
    let filler = std::fs::File::create(folder.join("filler")).unwrap();
    std::io::Write::write_all(&mut &filler, &[1; 2 * 1024 * 1024]).unwrap();
    let mut next = 1;
    while journal.append(&[message(next)]).is_ok() {
        next += 1;
    }
    let usual = next;
    // What a segment does not take, that takes.
    let fill = || while std::io::Write::write_all(&mut &filler, &[1; 4096]).is_ok() {};
    fill();
    loop {
        match journal.append_urgent(&[message(next)]) {
            Ok(()) => next += 1,
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                break;
            }
        }
        assert!(journal.append(&[message(next)]).unwrap_err().is_retryable());
    }
    fill();
    println!("{} usual messages, then {} urgent ones on 256 KiB of reserve", usual - 1, next - usual);
    assert!(next - usual > 100);
    drop(journal);
    let (mut journal, count) = open();
    assert_eq!(count, next - 1);
    drop(filler);
    std::fs::remove_file(folder.join("filler")).unwrap();
    journal.append(&[message(next)]).unwrap();
    journal.keep_reserve().unwrap();
    journal.close().unwrap();
}
