//! Batches: records that are written at once, behind a mark that says that all before them is synced.

use super::frame::{Home, Kind, MARK_BYTES, Purpose};
use super::index::{Place, Progress};
use super::record::Record;

/// A batch as it will stand in the file.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Of each message.
    pub(super) places: Vec<Place>,
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
                self.places.push(Place { sequence, admitted, offset: at });
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
        Record::Message(_) => Kind::Message,
    }
}
