//! Reading one channel: what is on it and nothing else, without reading the others.

use vigie_proto::channel::Channel;

use super::*;

const SEGMENT_BYTES: u64 = 400 * 1024;

fn channel(number: u64) -> Channel {
    format!("alert/fr.c{number}").parse().unwrap()
}

/// Three thousand messages of 1 KiB; most on channels 0 to 2, one in a hundred on channel 3, one on channel 4.
fn mixed() -> Vec<MessageRecord> {
    let one = |number: u64| {
        let on = match number {
            1_777 => 4,
            _ if number.is_multiple_of(100) => 3,
            _ => number % 3,
        };
        MessageRecord { channel: channel(on), ..message(number * 2, 1_000) }
    };
    (1..=3_000).map(one).collect()
}

fn written(all: &[MessageRecord]) -> (SimDisk, Journal<SimDisk>) {
    let disk = SimDisk::new();
    let config = JournalConfig { segment_bytes: SEGMENT_BYTES, ..JournalConfig::new() };
    let mut journal = Journal::open(disk.clone(), config, LOG, &mut |_| Ok(())).unwrap();
    for batch in all.chunks(50) {
        let batch: Vec<_> = batch.iter().cloned().map(Record::Message).collect();
        journal.append(&batch).unwrap();
    }
    (disk, journal)
}

/// Reads from a position to the head. Gives the messages and how many pages it took.
fn read(
    reader: &JournalReader<SimDisk>,
    from: u64,
    wants: &dyn Fn(&Channel) -> bool,
) -> (Vec<MessageRecord>, u32) {
    let (mut at, mut got, mut pages) = (seq(from), Vec::new(), 0);
    while at < reader.head() {
        let page = reader.read_after_on(at, 20_000, wants).unwrap();
        let exact = reader.admitted_at(page.end).unwrap();
        assert_eq!(exact, Some(page.end_admitted), "a cursor to the end of a page means its place");
        assert!(page.end > at);
        (at, pages) = (page.end, pages + 1);
        got.extend(page.messages);
    }
    (got, pages)
}

#[test]
fn exactly_what_is_wanted_is_given_from_any_place() {
    let all = mixed();
    let (disk, journal) = written(&all);
    let live = journal.reader();
    drop(journal);
    let reopened = Journal::open(disk.restart(), JournalConfig::new(), LOG, &mut |_| Ok(())).unwrap();
    for reader in [live, reopened.reader()] {
        for wanted in [vec![], vec![0], vec![3], vec![4], vec![1, 3], vec![0, 1, 2, 3, 4], vec![9]] {
            let wanted: Vec<_> = wanted.into_iter().map(channel).collect();
            for from in [0, 1, 199, 200, 201, 3_000, 3_553, 3_554, 5_999, 6_000] {
                let (got, _) = read(&reader, from, &|channel| wanted.contains(channel));
                let expected = all
                    .iter()
                    .filter(|message| message.seq.get() > from && wanted.contains(&message.channel))
                    .cloned();
                assert_eq!(got, expected.collect::<Vec<_>>(), "{wanted:?} from {from}");
            }
        }
    }
}

#[test]
fn the_other_channels_are_not_read() {
    let all = mixed();
    let (disk, journal) = written(&all);
    let reader = journal.reader();
    let cost = |wanted: u64| {
        let before = disk.read_bytes();
        let mut at = seq(0);
        while at < reader.head() {
            at = reader.read_after_on(at, 20_000, &|one| *one == channel(wanted)).unwrap().end;
        }
        disk.read_bytes() - before
    };
    // 3.3 MB in all. A far message costs a read of 4 KiB.
    assert!(cost(9) == 0, "{}", cost(9));
    assert!(cost(4) <= 4_096, "{}", cost(4));
    assert!(cost(3) <= 30 * 4_096, "{}", cost(3));
    assert!(cost(0) > 1_000_000);
}

/// Behind damage nobody knows what was on which channel: readers of every channel are told.
#[test]
fn damage_is_told_to_readers_of_every_channel() {
    let all = mixed();
    let (disk, mut journal) = written(&all);
    journal.write_footer().unwrap();
    drop(journal);
    let mut bytes = disk.content(&file_name(2)).unwrap();
    bytes[200_000] ^= 1;
    disk.set_content(&file_name(2), bytes);
    let config = JournalConfig { segment_bytes: SEGMENT_BYTES, ..JournalConfig::new() };
    let journal = Journal::open(disk.restart(), config, LOG, &mut |_| Ok(())).unwrap();
    let [damage] = journal.damage() else { panic!("{:?}", journal.damage()) };
    for wanted in [0, 3, 4, 9] {
        let (mut at, mut gaps) = (seq(0), Vec::new());
        while at < journal.last_seq() {
            match journal.reader().read_after_on(at, 20_000, &|one| *one == channel(wanted)) {
                Ok(page) => at = page.end,
                Err(ReadError::Damaged { next, .. }) => {
                    gaps.push(next);
                    at = seq(next.get() - 1);
                }
                Err(error) => panic!("{error}"),
            }
        }
        // There is no message at the place right behind the damage: sequences go by two here.
        assert_eq!(gaps, [damage.next.next()], "channel {wanted}");
    }
}

#[test]
fn what_recovery_copies_is_found_by_its_channel() {
    let all = mixed();
    let (disk, journal) = written(&all[..120]);
    drop(journal);
    let journal = Journal::open(disk.restart(), JournalConfig::new(), LOG, &mut |_| Ok(())).unwrap();
    assert!(matches!(journal.recovery(), Recovery::Unclean { copied: 20, .. }));
    let (got, _) = read(&journal.reader(), 0, &|one| *one == channel(1));
    let expected: Vec<_> =
        all[..120].iter().filter(|message| message.channel == channel(1)).cloned().collect();
    assert_eq!(got, expected);
}
