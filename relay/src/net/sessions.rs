//! What a [`Driver`](super::driver::Driver) asks of who holds its session.
//!
//! The relay's answer is the worker's ([`Local`](crate::server::worker_thread::Local)). The other one is that of the
//! checkers of WebSocket conformance (`echo.rs`): with it they speak to the very driver that sessions have.

use std::cell::RefMut;
use std::rc::Rc;
use std::task::Waker;

use bytes::Bytes;
use vigie_proto::refusal::Code;

use super::batch::Batch;
use super::turns::{Turns, Work};
use crate::worker::SessionId;

/// See the module's documentation. Nothing here waits.
pub(crate) trait Sessions {
    /// Wakes this driver when its session has output.
    fn set_waker(&self, id: SessionId, waker: &Waker);
    /// Whether it has shown who it is.
    fn is_logged_in(&self, id: SessionId) -> bool;
    /// Whether the connection is to be dropped now, whatever it still has to write.
    fn is_overdue(&self, id: SessionId) -> bool;
    /// Whether frames of the peer may be read: not while what it is owed piles up.
    fn may_read(&self, id: SessionId) -> bool;
    /// A text message came. Returns the signature checks that it took beyond one.
    fn handle_frame(&self, id: SessionId, text: &str) -> usize;
    /// A binary message came. Nobody speaks so here.
    fn handle_binary(&self, id: SessionId, _bytes: Bytes) {
        self.handle_violation(id, Code::NotText);
    }
    /// Something came, and this is the highest number that a pong brought back.
    fn handle_pong(&self, id: SessionId, number: u64);
    /// So many pings and pongs came. False when it is closed for them.
    fn handle_controls(&self, id: SessionId, controls: u32) -> bool;
    /// The peer has ended its half of the connection without a close frame.
    fn handle_half_close(&self, id: SessionId);
    /// Whether it was given all that it is owed after that.
    fn is_answered(&self, id: SessionId) -> bool;
    /// The peer broke a rule: it is told, and closed.
    fn handle_violation(&self, id: SessionId, code: Code);
    /// Gives what waits, until the batch is full. True when more waits.
    fn give_output(&self, id: SessionId, batch: &mut Batch) -> bool;
    /// Whether what waits for it is of the past: then it writes in a turn of its own.
    fn catches_up(&self, id: SessionId) -> bool;
    /// Turns for work of this kind.
    fn turns(&self, work: Work) -> &Rc<Turns>;
    /// What is being written.
    fn batch(&self) -> RefMut<'_, Batch>;
}
