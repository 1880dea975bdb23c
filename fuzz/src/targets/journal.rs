//! What must hold of a folder with a journal in it, whatever it holds: for `record` and `segment`.

use vigie_proto::id::{LogId, Sequence};
use vigie_proto::limits::JSON_INTEGER_MAX;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::journal::{
    Journal, JournalConfig, JournalError, JournalReader, MessageRecord, ReadError, Record, Recovery, Survey,
};

use crate::disk::files;

/// What a start makes of a folder.
pub(super) struct Opened {
    pub(super) records: Vec<Record>,
    pub(super) recovery: Recovery,
    pub(super) damage: usize,
    pub(super) journal: Journal<SimDisk>,
}

fn config() -> JournalConfig {
    let mut config = JournalConfig::new();
    config.segment_bytes = 4096;
    config.reserve_bytes = 0;
    config
}

/// Opens the journal of a disk.
pub(super) fn open(disk: &SimDisk) -> Result<Opened, JournalError> {
    let mut records = Vec::new();
    let mut keep = |record: &Record| {
        records.push(record.clone());
        Ok(())
    };
    let journal = Journal::open(disk.clone(), config(), LogId::from_bytes([9; 16]), &mut keep)?;
    Ok(Opened { records, recovery: journal.recovery(), damage: journal.damage().len(), journal })
}

/// A start that failed has changed nothing, and one that did not gives the same at the next.
pub(super) fn judge(disk: &SimDisk) -> Option<Vec<Record>> {
    let before = files(disk);
    let survey = Survey::read(disk);
    assert_eq!(files(disk), before, "who looks changes something");
    let opened = match open(disk) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!matches!(error, JournalError::Storage { .. } | JournalError::Full { .. }), "{error}");
            assert!(error.to_string().len() < 400, "{error}");
            assert_eq!(files(disk), before, "nothing is opened, and something was changed: {error}");
            match survey {
                Err(found) => assert_eq!(found.to_string(), error.to_string()),
                Ok(_) => assert!(matches!(error, JournalError::Backup { .. }), "who looks sees no {error}"),
            }
            return None;
        }
    };
    assert!(survey.is_ok(), "who looks sees {:?}", survey.err());
    let messages = messages(&opened.records);
    assert!(
        messages.windows(2).all(|pair| pair[0].seq < pair[1].seq && pair[0].admitted <= pair[1].admitted)
    );
    assert_eq!(
        read(&opened.journal.reader()),
        messages,
        "readers are given other messages than the start found"
    );
    let Opened { records, damage, journal, .. } = opened;
    let (last, admitted) = (journal.last_seq(), journal.last_admitted());
    // Behind the last number there is none: a segment of that number without room for a footer is as on a full disk.
    let may_go_on = journal.write_place().segment < JSON_INTEGER_MAX;
    journal.close().expect("a disk in memory");
    let again = open(disk).expect("what was opened opens again");
    assert_eq!((again.recovery == Recovery::Clean || !may_go_on, again.damage), (true, damage));
    assert_eq!((again.journal.last_seq(), again.journal.last_admitted()), (last, admitted));
    assert_eq!(again.records, records, "the second start finds other records");
    Some(records)
}

/// The messages among the records.
fn messages(records: &[Record]) -> Vec<MessageRecord> {
    let only =
        |record: &Record| if let Record::Message(message) = record { Some(message.clone()) } else { None };
    records.iter().filter_map(only).collect()
}

/// All that a reader is given, past what is damaged.
fn read(reader: &JournalReader<SimDisk>) -> Vec<MessageRecord> {
    let (mut found, mut after) = (Vec::new(), Sequence::new(0));
    loop {
        let next = match reader.read_after(after, 1024) {
            Ok(page) => {
                found.extend(page.messages);
                page.end
            }
            Err(ReadError::Damaged { next, .. }) => Sequence::new(next.get() - 1),
            Err(error) => panic!("a disk in memory: {error}"),
        };
        if next >= reader.head() {
            return found;
        }
        assert!(next > after, "a reader stands still at {after:?}");
        after = next;
    }
}
