//! Batches: records that are written at once, behind a mark that says that all before them is synced.

use super::frame::{Home, Kind, MARK_BYTES, Purpose};
use super::index::{Noted, Place, Progress};
use super::record::Record;

/// A batch as it will stand in the file.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Of each message.
    pub(super) places: Vec<Noted>,
    /// After it.
    pub(super) progress: Progress,
}

impl Batch {
    /// An empty one, to be filled again and again.
    pub(super) fn new(progress: Progress) -> Self {
        Self { bytes: Vec::new(), places: Vec::new(), progress }
    }

    /// Encodes `records`, which were checked, for `offset` of the segment `home`.
    pub(super) fn fill(&mut self, home: Home, offset: u64, progress: Progress, records: &[Record]) {
        self.bytes.clear();
        self.places.clear();
        self.progress = progress;
        home.put_mark(&mut self.bytes, offset, progress.last, Purpose::Batch);
        for record in records {
            let at = offset + self.bytes.len() as u64;
            if let Record::Message(message) = record {
                let (sequence, admitted) = (message.seq.get(), message.admitted.as_millis());
                self.progress = Progress { last: sequence, admitted };
                let place = Place { sequence, admitted, offset: at };
                let expires = message.expires.as_millis();
                self.places.push(Noted { place, expires, channel: message.channel.clone() });
            }
            home.put(&mut self.bytes, at, kind_of(record), self.progress.last, |body| record.encode(body));
        }
    }

    /// Encodes no records and a footer.
    pub(super) fn footer(&mut self, home: Home, offset: u64, progress: Progress) {
        self.bytes.clear();
        self.places.clear();
        self.progress = progress;
        self.close(home, offset);
    }

    /// Adds a footer: for a batch that becomes visible only once it is synced.
    pub(super) fn close(&mut self, home: Home, offset: u64) {
        let at = offset + self.bytes.len() as u64;
        home.put_mark(&mut self.bytes, at, self.progress.last, Purpose::Footer);
    }
}

/// What a batch takes in the file, at most; `Err` with the size of the record that is too large.
pub(super) fn bytes_max(records: &[Record]) -> Result<u64, usize> {
    let mut bytes = MARK_BYTES as u64;
    for record in records {
        bytes += record.frame_bytes_max().ok_or_else(|| record.jws_bytes())? as u64;
    }
    Ok(bytes)
}

fn kind_of(record: &Record) -> Kind {
    match record {
        Record::Credential { .. } => Kind::Credential,
        Record::Message(message) if message.audience.is_everyone() => Kind::Message,
        Record::Message(_) => Kind::Restricted,
        Record::Revocation(_) => Kind::Revocation,
        Record::Carried(_) => Kind::Carried,
        Record::Forked(_) => Kind::Forked,
    }
}

#[cfg(test)]
mod tests {
    use vigie_proto::id::LogId;

    use super::super::record::tests::{credential, message};
    use super::*;

    /// Format 1, to the byte: a journal written today is read by every later version.
    #[test]
    fn a_batch_stands_as_described() {
        let mut batch = Batch::new(Progress { last: 4, admitted: 0 });
        let records = [credential(2), Record::Message(message(5, 3))];
        batch.fill(Home::new(LogId::from_bytes([7; 16]), 1), 128, batch.progress, &records);
        let frame = |length: u32, crc: u32, sequence: u64, kind: u8| {
            let mut bytes = [length.to_le_bytes(), crc.to_le_bytes()].concat();
            bytes.extend_from_slice(&sequence.to_le_bytes());
            bytes.extend_from_slice(&[kind, 0, 0, 0]);
            bytes
        };
        let mut expected = frame(24, MARK_CRC, 4, 1);
        expected.extend_from_slice(b"\xF5Vigie\xFA\xFE\x80\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0");
        expected.extend(frame(432, CREDENTIAL_CRC, 4, 2));
        expected.extend_from_slice(&[2; 32]);
        expected.extend_from_slice(&[b'2'; 400]);
        expected.extend(frame(83 + 21 + 3, MESSAGE_CRC, 5, 3));
        expected.extend_from_slice(&1_050_u64.to_le_bytes());
        expected.extend_from_slice(&100_005_u64.to_le_bytes());
        expected.extend_from_slice(&[5, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend_from_slice(&[0xAB; 24]);
        expected.extend_from_slice(&[9; 32]);
        expected.extend_from_slice(b"\x02\x15\0exercise/alert/fr.idffff");
        assert_eq!(batch.bytes, expected);
    }

    // Computed apart, bit by bit, from the description in `frame.rs`.
    const MARK_CRC: u32 = 0x7AC4_1075;
    const CREDENTIAL_CRC: u32 = 0x56A8_FC18;
    const MESSAGE_CRC: u32 = 0xA6F6_281A;
}
