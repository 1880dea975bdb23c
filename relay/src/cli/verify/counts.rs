//! What `vigie verify` found, and how it says so.

use crate::cli::exit::Outcome;
use crate::cli::screen::Screen;

/// How many of each.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) live: u64,
    pub(super) exercise: u64,
    /// Of these, by the clock of who verifies.
    pub(super) expired: u64,
    pub(super) credentials: u64,
    pub(super) revocations: u64,
    /// Of the messages, by these revocations.
    pub(super) disowned: u64,
    pub(super) suspects: u64,
    pub(super) gaps: u64,
    /// As the reader was told, without proof here.
    pub(super) disowned_told: u64,
    /// Where the reader had caught up, carried ids, and credentials that no message needs: no statement is made about them.
    pub(super) other: u64,
}

impl Counts {
    pub(super) fn show(&self, screen: &Screen, whole: Option<bool>) -> Outcome {
        let Self {
            live,
            exercise,
            expired,
            credentials,
            revocations,
            disowned,
            suspects,
            gaps,
            disowned_told,
            other,
        } = *self;
        if screen.json {
            return screen.object(&serde_json::json!({
                "type": "verified", "live": live, "exercise": exercise, "expired": expired,
                "credentials": credentials, "revocations": revocations, "disowned": disowned,
                "suspects": suspects, "gaps": gaps, "disowned_told": disowned_told, "other": other,
                "whole": whole,
            }));
        }
        screen.line(&screen.lang.export_verified(live, exercise, expired, credentials))?;
        if revocations > 0 {
            screen.line(&screen.lang.export_disowns(revocations, disowned))?;
        }
        screen.line(&screen.lang.export_unjudged(suspects, gaps, other))?;
        if disowned_told > 0 {
            screen.line(&screen.lang.export_disowned_told(disowned_told))?;
        }
        match whole {
            Some(true) => screen.line(&screen.lang.export_is_whole()),
            // Each part was told at its end.
            Some(false) | None => Ok(()),
        }
    }
}
