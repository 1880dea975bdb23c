//! A case: one fault, the code it must be answered with, and what is done with and without it.

use std::pin::Pin;

use vigie_proto::refusal::{Code, Ends};

use crate::draft::{EventDraft, FrameDraft, LoginDraft, MessageDraft, Request};
use crate::forge::ChainDraft;

/// One fault.
pub(crate) struct Case {
    /// What is wrong, in words.
    pub(crate) fault: &'static str,
    /// The code that tells it.
    pub(crate) code: Code,
    pub(crate) attempt: Attempt,
}

/// Changes a draft.
pub(crate) type Change<D> = fn(&mut D);

/// What is done to the relay: a sound draft changed by `setting`; the bad one also by `fault`, the twin not.
pub(crate) enum Attempt {
    Upgrade {
        setting: Change<Request>,
        fault: Change<Request>,
    },
    Login {
        setting: Change<LoginDraft>,
        fault: Change<LoginDraft>,
    },
    /// Both at log-in and given to a session of the same key.
    Chain {
        setting: Change<ChainDraft>,
        fault: Change<ChainDraft>,
    },
    Frame {
        setting: Change<FrameDraft>,
        fault: Change<FrameDraft>,
    },
    Message {
        setting: Change<MessageDraft>,
        fault: Change<MessageDraft>,
    },
    /// Given to a reader by a relay that lies.
    Event {
        setting: Change<EventDraft>,
        fault: Change<EventDraft>,
    },
    /// Needs a relay, or a part of one, to itself. It judges its own twin.
    Apart(Scene),
}

/// Plays a case that needs a relay to itself, and gives how it was refused.
pub(crate) type Scene = fn() -> Pin<Box<dyn Future<Output = Seen>>>;

/// How a refusal was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The word.
    pub(crate) code: String,
    /// What it did to the connection.
    pub(crate) ends: Ends,
}

impl Seen {
    pub(crate) fn new(code: &str, ends: Ends) -> Self {
        Self { code: code.to_owned(), ends }
    }

    /// What the table of codes promises.
    pub(crate) fn promised(code: Code) -> Self {
        Self::new(code.as_str(), code.ends())
    }

    /// The same before log-in, where every refusal ends the connection.
    pub(crate) fn promised_to_strangers(code: Code) -> Self {
        let ends = if code.ends() == Ends::Request { Ends::Close(1008) } else { code.ends() };
        Self::new(code.as_str(), ends)
    }
}

macro_rules! constructors {
    ($($name:ident $name_in:ident $variant:ident $draft:ident;)*) => {$(
        #[doc = concat!("A case of [`Attempt::", stringify!($variant), "`].")]
        pub(crate) const fn $name(fault_is: &'static str, code: Code, fault: Change<$draft>) -> Case {
            Case { fault: fault_is, code, attempt: Attempt::$variant { setting: |_| {}, fault } }
        }

        /// The same, where the sound one must be changed first.
        pub(crate) const fn $name_in(
            fault_is: &'static str,
            code: Code,
            setting: Change<$draft>,
            fault: Change<$draft>,
        ) -> Case {
            Case { fault: fault_is, code, attempt: Attempt::$variant { setting, fault } }
        }
    )*};
}
constructors! {
    upgrade upgrade_in Upgrade Request;
    login login_in Login LoginDraft;
    chain chain_in Chain ChainDraft;
    frame frame_in Frame FrameDraft;
    message message_in Message MessageDraft;
    event event_in Event EventDraft;
}

/// A case of [`Attempt::Apart`].
pub(crate) const fn apart(fault: &'static str, code: Code, scene: Scene) -> Case {
    Case { fault, code, attempt: Attempt::Apart(scene) }
}
