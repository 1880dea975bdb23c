//! Reading around what the disk cannot read.
//!
//! A bad sector fails the read of everything around it. Here such a read is tried again in pieces; what still cannot be
//! read is zeros, which no frame begins with and no checksum passes: so it is damage like any other, located, told, and
//! lived with, where the end of the journal is proven behind it. Every other error is handed out.
//!
//! Used by the readers of frames. Does not decide what is lost.

use std::io;

use rustix::io::Errno;

use super::storage::StorageFile;

/// What is read at once around a failure: a page of the system, which no disk's sector is larger than.
const PIECE_BYTES: usize = 4096;

/// Fills `buffer` from `offset`; says whether the disk could not read a part of it, which is zeros then.
pub(super) fn read_around<F: StorageFile>(file: &F, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, offset) {
        Ok(()) => return Ok(false),
        Err(error) if cannot_be_read(&error) => {}
        Err(error) => return Err(error),
    }
    let (mut rest, mut at, mut holes) = (buffer, offset, false);
    while !rest.is_empty() {
        // Up to the next page of the file: a piece that lies in two would lose both.
        let into_page = usize::try_from(at % PIECE_BYTES as u64).unwrap_or(0);
        let length = rest.len().min(PIECE_BYTES - into_page);
        let (piece, behind) = rest.split_at_mut(length);
        match file.read_exact_at(piece, at) {
            Ok(()) => {}
            Err(error) if cannot_be_read(&error) => {
                piece.fill(0);
                holes = true;
            }
            Err(error) => return Err(error),
        }
        (rest, at) = (behind, at + length as u64);
    }
    Ok(holes)
}

/// What a read of a bad sector fails with.
pub(super) fn bad_sector() -> io::Error {
    Errno::IO.into()
}

/// Whether an error says that these bytes are lost, and not that the file or the call is wrong: a bad sector, or a
/// checksum of the file system that does not fit.
fn cannot_be_read(error: &io::Error) -> bool {
    let lost = [Errno::IO, Errno::BADMSG, Errno::UCLEAN, Errno::NODATA, Errno::ILSEQ, Errno::REMOTEIO];
    Errno::from_io_error(error).is_some_and(|errno| lost.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::super::sim_disk::SimDisk;
    use super::super::storage::Storage as _;
    use super::*;

    /// A file whose first read fails with this, and none after it.
    struct FailsOnce(std::sync::Mutex<Option<io::Error>>);

    impl StorageFile for FailsOnce {
        fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            let failure = self.0.lock().map(|mut failure| failure.take()).unwrap_or_default();
            failure.map_or(Ok(()), Err)
        }

        fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            unreachable!("it is read only")
        }

        fn size(&self) -> io::Result<u64> {
            unreachable!("it is read only")
        }

        fn preallocate(&self, _: u64) -> io::Result<()> {
            unreachable!("it is read only")
        }

        fn truncate(&self, _: u64) -> io::Result<()> {
            unreachable!("it is read only")
        }

        fn sync_data(&self) -> io::Result<()> {
            unreachable!("it is read only")
        }
    }

    #[test]
    fn only_what_a_bad_sector_fails_with_is_tried_again() {
        let read = |error: io::Error| read_around(&FailsOnce(Some(error).into()), &mut [0; 10_000], 100);
        assert!(!read(bad_sector()).unwrap(), "nothing is lost");
        assert!(read(Errno::STALE.into()).is_err());
        assert!(read(io::ErrorKind::UnexpectedEof.into()).is_err());
    }

    #[test]
    fn only_the_page_that_is_bad_is_lost() {
        let disk = SimDisk::new();
        let file = disk.create_new("f").unwrap();
        file.write_all_at(&[7; 20_000], 0).unwrap();
        disk.make_unreadable("f", 9_000);
        let mut buffer = vec![0; 15_000];
        assert!(file.read_exact_at(&mut buffer, 100).is_err());
        assert!(read_around(&file, &mut buffer, 100).unwrap());
        for (place, byte) in buffer.iter().enumerate() {
            assert_eq!(*byte, if (8_192..12_288).contains(&(place + 100)) { 0 } else { 7 }, "{place}");
        }
        assert!(!read_around(&file, &mut buffer[..8_000], 100).unwrap());
        assert!(read_around(&file, &mut buffer, 10_000).is_err(), "the end of the file is no bad sector");
    }
}
