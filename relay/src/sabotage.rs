//! Where bugs planted on purpose need more than a line at their seam. Behind the non-default feature `sabotage`; the
//! released binary is built without it. Which bugs there are, and how one is chosen: [`vigie_proto::sabotage`].

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use vigie_proto::channel::{Flow, Plane};
use vigie_proto::frame::{ClientFrame, Rejection};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::Revocations;
pub use vigie_proto::sabotage::{Sabotage, VARIABLE};
use vigie_proto::session::relay::{LoggedIn, Request};
use vigie_proto::verify;

use crate::journal::{Journal, JournalError, Record, Storage, StorageFile};
use crate::worker::LocalEvent;

/// Signatures that are wrong pass.
pub(crate) fn outcome(
    outcome: Result<Request, Rejection>,
    text: &str,
    state: &LoggedIn,
) -> Result<Request, Rejection> {
    let Err(rejection) = &outcome else { return outcome };
    if !Sabotage::SignatureOff.is_planted() || rejection.refusal.code != Code::BadSignature {
        return outcome;
    }
    let Ok(ClientFrame::Publish { n, jws }) = ClientFrame::parse(text) else { return outcome };
    match verify::sabotaged_without_signature(&jws, state.chain()) {
        Ok(message) => Ok(Request::Publish { re: n, message: Box::new(message) }),
        Err(_) => outcome,
    }
}

/// Whether everybody is given this event.
pub(crate) fn is_for_all(event: &Rc<LocalEvent>) -> bool {
    let channel = &event.event().channel;
    (Sabotage::NeighbourHears.is_planted() && channel.flow == Flow::Signal)
        || (Sabotage::ExerciseLive.is_planted() && channel.plane == Plane::Exercise)
}

/// By which revocations the next message of a batch is judged.
pub(crate) fn in_force(all: &Revocations, is_alone: bool) -> &Revocations {
    static NONE: LazyLock<Revocations> = LazyLock::new(Revocations::default);
    if is_alone || !Sabotage::RevocationFromTheNextBatch.is_planted() { all } else { &NONE }
}

/// What is done in place of an append, if anything; `held` is what was acknowledged and not written.
pub(crate) fn append<S: Storage>(
    journal: &mut Journal<S>,
    held: &mut Vec<Record>,
    records: &[Record],
) -> Option<Result<(), JournalError>> {
    if Sabotage::ReceiptWithoutStore.is_planted() {
        Some(Ok(()))
    } else if Sabotage::ReceiptBeforeWrite.is_planted() {
        Some(journal.append(&std::mem::replace(held, records.to_vec())))
    } else {
        None
    }
}

/// The file of a batch, as it is synced.
pub(crate) struct Unsynced<'f, F>(pub(crate) &'f Arc<F>);

impl<F: StorageFile> Unsynced<'_, F> {
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        if Sabotage::ReceiptBeforeSync.is_planted() {
            return Ok(());
        }
        let synced = self.0.sync_data();
        if Sabotage::FailedSyncRetried.is_planted() { synced.or_else(|_| self.0.sync_data()) } else { synced }
    }
}

/// One `write`, whatever comes of it.
pub(crate) fn write_once(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    match file.write_at(bytes, offset) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
