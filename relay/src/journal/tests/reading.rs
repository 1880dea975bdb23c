//! What readers get: pages, single messages, places by time, and errors where bytes are damaged.

use super::*;

#[test]
fn pages_cover_the_log_also_over_holes_and_segments() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    let reader = journal.reader();
    assert_eq!(reader.read_after(seq(0), 1000).unwrap().end, seq(0));
    let mut all = Vec::new();
    for start in [1, 10, 20, 21, 50, 60, 70] {
        let batch: Vec<_> = [vec![credential(1)], messages(start..=start)].concat();
        all.push(message(start, 300));
        journal.append(&batch).unwrap();
    }
    for max_bytes in [1, 300, 700, 100_000] {
        let (mut at, mut got) = (seq(0), Vec::new());
        while at < reader.head() {
            let page = reader.read_after(at, max_bytes).unwrap();
            assert!(page.end > at && page.first_available == seq(1));
            let fits = page.messages.len() == 1 || page.messages.len() * 300 <= max_bytes;
            assert!(fits && page.messages.iter().all(|message| message.seq > at && message.seq <= page.end));
            at = page.end;
            got.extend(page.messages);
        }
        assert_eq!((at, &got), (seq(70), &all), "pages of {max_bytes}");
    }
    assert_eq!(sequences(&reader.read_after(seq(35), 1).unwrap()), [50]);
    let ahead = reader.read_after(seq(90), 1000).unwrap();
    assert_eq!((ahead.messages.len(), ahead.end), (0, seq(70)));
    assert_eq!(reader.admitted_at(seq(21)).unwrap(), Some(message(21, 0).admitted));
    for none in [0, 5, 49, 71, u64::MAX] {
        assert_eq!(reader.admitted_at(seq(none)).unwrap(), None, "{none}");
    }
    let time = |number| message(number, 0).admitted;
    let later = |number| Timestamp::from_millis(time(number).as_millis() + 1);
    for (admitted, expected) in [
        (Timestamp::EPOCH, 0),
        (time(1), 0),
        (later(1), 9),
        (time(21), 20),
        (later(21), 49),
        (time(70), 69),
        (later(70), 70),
    ] {
        assert_eq!(reader.first_after(admitted).unwrap(), seq(expected), "{admitted:?}");
    }
}

/// Against a plain list, with segments large enough for several places in the index each.
#[test]
fn a_reader_finds_every_place_in_large_segments() {
    let disk = SimDisk::new();
    let config = JournalConfig { segment_bytes: 400 * 1024, ..JournalConfig::new() };
    let mut journal = Journal::open(disk.clone(), config, LOG, &mut |_| Ok(())).unwrap();
    let all: Vec<_> = (1..=300_u64).map(|number| message(number * 2, 4000)).collect();
    for batch in all.chunks(7) {
        let batch: Vec<_> = batch.iter().cloned().map(Record::Message).collect();
        journal.append(&batch).unwrap();
    }
    let live = journal.reader();
    drop(journal);
    let reopened = Journal::open(disk.restart(), JournalConfig::new(), LOG, &mut |_| Ok(())).unwrap();
    for reader in [live, reopened.reader()] {
        for after in 0..=600 {
            let page = reader.read_after(seq(after), 5000).unwrap();
            let expected = all.iter().find(|message| message.seq.get() > after);
            assert_eq!(page.messages.first(), expected);
            let exact = all.iter().find(|message| message.seq.get() == after).map(|message| message.admitted);
            assert_eq!(reader.admitted_at(seq(after)).unwrap(), exact);
            let at = Timestamp::from_millis(1_000 + after * 10);
            let expected =
                all.iter().find(|message| message.admitted >= at).map(|message| message.seq.get() - 1);
            assert_eq!(reader.first_after(at).unwrap(), seq(expected.unwrap_or(600)));
        }
    }
}

#[test]
fn readers_follow_the_writer_from_another_thread() {
    let (_disk, mut journal) = filled(2);
    let reader = journal.reader();
    let follower = std::thread::spawn(move || {
        let (mut at, mut got) = (seq(0), Vec::new());
        while at < seq(400) {
            let page = reader.read_after(at, 2000).unwrap();
            got.extend(sequences(&page));
            at = page.end;
        }
        got
    });
    for batch in messages(3..=400).chunks(3) {
        journal.append(batch).unwrap();
    }
    assert_eq!(follower.join().unwrap(), (1..=400).collect::<Vec<_>>());
}

#[test]
fn damage_under_a_reader_is_said_and_can_be_passed() {
    let (disk, journal) = filled(40);
    let reader = journal.reader();
    let mut bytes = disk.content(&file_name(2)).unwrap();
    bytes[1500] ^= 1;
    disk.set_content(&file_name(2), bytes);
    let (mut at, mut got, mut lost) = (seq(0), Vec::new(), Vec::new());
    while at < seq(40) {
        match reader.read_after(at, 700) {
            Ok(page) => {
                got.extend(page.messages);
                at = page.end;
            }
            Err(ReadError::Damaged { segment, after, next, .. }) => {
                assert_eq!((segment, after), (file_name(2), at));
                at = seq(next.get() - 1);
                lost.push((after.get() + 1)..=at.get());
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(lost.len(), 1);
    let expected: Vec<_> =
        (1..=40).filter(|number| !lost[0].contains(number)).map(|number| message(number, 300)).collect();
    assert_eq!(got, expected);
}
