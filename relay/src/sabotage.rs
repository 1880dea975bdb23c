//! Bugs planted on purpose, to see the tests of promises catch them. Behind the non-default feature `sabotage`; the
//! released binary is built without it.

use std::rc::Rc;

use vigie_proto::frame::{ClientFrame, Rejection};
use vigie_proto::refusal::Code;
use vigie_proto::session::relay::{LoggedIn, Request};
use vigie_proto::verify;

use crate::worker::{LocalEvent, Worker};

/// Which bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// None.
    #[default]
    None,
    /// The relay takes a message whose signature is wrong.
    SignatureOff,
    /// Every session hears signals, wherever it stands.
    NeighbourHears,
    /// Live sessions are given exercises.
    ExerciseLive,
    /// A receipt is given for what is neither stored nor delivered.
    ReceiptWithoutStore,
}

impl Worker {
    pub(crate) fn sabotaged_outcome(
        &self,
        outcome: Result<Request, Rejection>,
        text: &str,
        state: &LoggedIn,
    ) -> Result<Request, Rejection> {
        let Err(rejection) = &outcome else { return outcome };
        if self.planted() != Sabotage::SignatureOff || rejection.refusal.code != Code::BadSignature {
            return outcome;
        }
        let Ok(ClientFrame::Publish { n, jws }) = ClientFrame::parse(text) else { return outcome };
        match verify::sabotaged_without_signature(&jws, state.chain()) {
            Ok(message) => Ok(Request::Publish { re: n, message: Box::new(message) }),
            Err(_) => outcome,
        }
    }

    pub(crate) fn sabotaged_hearing(&self, event: &Rc<LocalEvent>) -> bool {
        let channel = &event.event().channel;
        match self.planted() {
            Sabotage::NeighbourHears => channel.flow == vigie_proto::channel::Flow::Signal,
            Sabotage::ExerciseLive => channel.plane == vigie_proto::channel::Plane::Exercise,
            Sabotage::None | Sabotage::SignatureOff | Sabotage::ReceiptWithoutStore => false,
        }
    }
}
