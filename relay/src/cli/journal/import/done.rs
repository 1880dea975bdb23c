//! What `vigie journal import` says when the new log is in place.

use std::path::Path;

use serde::Serialize;
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::time::Timestamp;

use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::screen::Screen;
use crate::cli::time;

/// What an import came to.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    pub(super) r#type: &'static str,
    pub(super) log: LogId,
    pub(super) from_log: LogId,
    pub(super) from_seq: Sequence,
    pub(super) from_admitted: Timestamp,
    pub(super) messages: u64,
    pub(super) credentials: usize,
    pub(super) carried: u64,
    pub(super) revocations: usize,
    pub(super) refused: u64,
    /// Messages of the old log that are not in the new one; `None` when the export was of the whole.
    pub(super) left_out: Option<u64>,
}

impl Done {
    pub(super) fn show(&self, screen: &Screen, dir: &Path) -> Outcome {
        let lang = screen.lang;
        if screen.json {
            screen.object(self)?;
        } else {
            screen.line(&lang.import_done(self.messages, dir.display(), self.log))?;
            screen.line(&lang.journal_forked(
                self.from_log,
                self.from_seq,
                time::date(self.from_admitted),
            ))?;
            if self.revocations > 0 {
                screen.line(&lang.imported_revocations(self.revocations))?;
            }
            if let Some(left_out) = self.left_out {
                screen.line(&lang.imported_in_part(left_out))?;
            }
        }
        if self.refused > 0 {
            return Err(Failure::new(Exit::Partial, lang.import_left_out(self.refused)));
        }
        Ok(())
    }
}
