//! The lines of a worker's sessions, as TCP is asked about them.
//!
//! `connection.rs` notes the line of each session that has logged in; the worker asks by `Effect::Look`, where something has
//! waited for a while. Where the system does not tell (no netlink in a sandbox) a session is not noted, and
//! Linux itself ends its line by `TCP_USER_TIMEOUT`.

use std::io;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::tcp_states::{Ends, TcpStates};
use crate::worker::{SessionId, Taken};

/// A system that does not tell may look for a part of itself each time it is asked, for longer than a log-in may take.
const SILENT: Duration = Duration::from_secs(60);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// At the sessions' indices.
    known: Vec<Option<(SessionId, Ends)>>,
    /// Opened for the first session.
    states: Option<TcpStates>,
    /// An answer has come: the system tells, if not of each line.
    tells: bool,
    /// It does not tell: it is not asked before then.
    silent_until: Option<Instant>,
    /// Its operator was told that it does not.
    warned: bool,
}

impl Lines {
    /// Notes the line of a session. False where the system does not tell how it stands.
    pub(crate) fn note(&mut self, id: SessionId, stream: &TcpStream) -> bool {
        match self.try_note(id, stream) {
            Ok(()) => true,
            Err(error) => {
                if !std::mem::replace(&mut self.warned, true) {
                    tracing::warn!(%error, "netlink does not tell how TCP stands: who takes less than 64 KiB in 30 s is cut");
                }
                false
            }
        }
    }

    fn try_note(&mut self, id: SessionId, stream: &TcpStream) -> io::Result<()> {
        let ends = Ends::of(stream.local_addr()?, stream.peer_addr()?);
        self.note_ends(id, ends, Instant::now())
    }

    fn note_ends(&mut self, id: SessionId, ends: Ends, now: Instant) -> io::Result<()> {
        if self.silent_until.is_some_and(|until| now < until) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if let Err(error) = self.try_ask(&ends) {
            // Of one line it may know nothing: the peer has gone, or a device of its own routes it.
            if !self.tells || error.kind() != io::ErrorKind::NotFound {
                self.silent_until = Some(now + SILENT);
            }
            return Err(error);
        }
        self.tells = true;
        if self.known.len() <= id.index() {
            self.known.resize(id.index() + 1, None);
        }
        self.known[id.index()] = Some((id, ends));
        Ok(())
    }

    /// Asks of the line itself: that it tells of others says nothing of this one.
    fn try_ask(&mut self, ends: &Ends) -> io::Result<()> {
        if self.states.is_none() {
            self.states = Some(TcpStates::open()?);
        }
        self.states.as_mut().map_or(Ok(()), |states| states.ask(ends).map(drop))
    }

    /// Forgets it.
    pub(crate) fn forget(&mut self, id: SessionId) {
        if let Some(place) = self.known.get_mut(id.index())
            && place.is_some_and(|(known, _)| known == id)
        {
            *place = None;
        }
    }

    /// How its line stands. `None` where that is not known.
    pub(crate) fn ask(&mut self, id: SessionId) -> Option<Taken> {
        let (_, ends) = self.known.get(id.index()).copied().flatten().filter(|(known, _)| *known == id)?;
        self.states.as_mut()?.ask(&ends).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A connection of this machine, and what names its end; and ends of which the system knows nothing.
    fn ends() -> ((TcpStream, TcpStream), Ends, Ends) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dialled = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, there) = listener.accept().unwrap();
        let here = stream.local_addr().unwrap();
        ((dialled, stream), Ends::of(here, there), Ends::of(here, "127.0.0.1:1".parse().unwrap()))
    }

    #[test]
    fn a_line_that_the_system_tells_of_is_asked_until_it_is_forgotten() {
        let (_connection, known, unknown) = ends();
        let (mut lines, id, now) = (Lines::default(), SessionId::default(), Instant::now());
        assert!(lines.ask(id).is_none());
        lines.note_ends(id, known, now).unwrap();
        assert_eq!(lines.ask(id).unwrap().waiting, 0);
        lines.forget(id);
        assert!(lines.ask(id).is_none());
        // That it tells of others says nothing of this one, and the reverse.
        assert!(lines.note_ends(id, unknown, now).is_err() && lines.ask(id).is_none());
        lines.note_ends(id, known, now).unwrap();
    }

    /// Each question may cost it milliseconds.
    #[test]
    fn a_system_that_does_not_tell_is_left_alone_for_a_minute() {
        let (_connection, known, unknown) = ends();
        let (mut lines, id, now) = (Lines::default(), SessionId::default(), Instant::now());
        assert!(lines.note_ends(id, unknown, now).is_err());
        let just_before = now + SILENT - Duration::from_millis(1);
        assert!(lines.note_ends(id, known, just_before).is_err() && lines.ask(id).is_none());
        lines.note_ends(id, known, now + SILENT).unwrap();
    }
}
