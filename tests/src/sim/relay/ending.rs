//! How a simulated relay ends.

use std::time::Duration;

use vigie_relay::journal::JournalError;
use vigie_relay::worker::Worker;

use super::SimRelay;
use crate::sim::coverage::Coverage;

impl SimRelay {
    /// The journal failed: all sessions are told.
    pub fn handle_storage_failure(&mut self, tally: &mut Coverage) {
        for index in 0..self.workers.len() {
            self.with(index, tally, Worker::handle_storage_failure);
        }
    }

    /// All sessions are told that it stops.
    pub fn tell_to_leave(&mut self, tally: &mut Coverage) {
        for index in 0..self.workers.len() {
            self.with(index, tally, |worker| worker.handle_shutdown(Duration::from_secs(1)));
        }
    }

    /// It is asked to stop: all sessions are told, and what waits is settled.
    pub fn handle_shutdown(&mut self, tally: &mut Coverage) -> Result<(), JournalError> {
        self.tell(tally);
        while self.has_submissions() {
            self.commit()?;
            self.tell(tally);
        }
        for index in 0..self.workers.len() {
            while self.has_letter(index) {
                self.handle_letter(index, tally);
            }
        }
        self.tell_to_leave(tally);
        Ok(())
    }

    /// Closes the journal.
    pub fn close(self) -> Result<(), JournalError> {
        self.sequencer.close()
    }
}
