//! How a command ends: the exit code for scripts, and the sentence for people.

use std::fmt;
use std::process::ExitCode;

use vigie_proto::refusal::Refusal;

use super::screen::{Screen, escape};
use super::text::Lang;

/// The exit codes of `vigie`. Stable: scripts and service units depend on them. `check` alone follows the convention
/// of monitoring plug-ins (0 good, 1 warning, 2 critical, 3 unknown).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something failed that has no code of its own.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A configuration, context, identity or key file is wrong. A service manager should not restart.
    Configuration = 3,
    /// No line to a relay: network, TLS, or what answers is no relay.
    Unreachable = 4,
    /// The relay, or the chain of command, refused.
    Refused = 5,
    /// Something does not verify.
    VerificationFailed = 6,
    /// The time ran out first.
    TimedOut = 7,
    /// Only a part was done: whether the message is on a relay's disk is unknown, or it is still queued on this one.
    Partial = 8,
    /// A gap was met under `--strict`.
    Gap = 9,
    /// The relay could not write to its disk, and stopped.
    Storage = 10,
    /// The relay answers, and is not ready.
    NotReady = 11,
    /// A journal is damaged: a part of what was on disk once cannot be read.
    Damaged = 12,
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    /// Nobody reads any more.
    unheard: bool,
    /// What, why, and what to do next; empty when all was said already.
    text: String,
}

/// What every command returns.
pub(crate) type Outcome = Result<(), Failure>;

/// Goes on when nobody reads any more: for what ends with a verdict, which is the same whether it was read or not.
pub(super) fn heard_or_not(shown: Outcome) -> Outcome {
    match shown {
        Err(failure) if failure.is_closed_pipe() => Ok(()),
        shown => shown,
    }
}

impl Failure {
    pub(super) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { code: exit as u8, unheard: false, text: text.into() }
    }

    /// All was said already.
    pub(super) fn quiet(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Whoever read our output has read enough: no failure of ours.
    pub(super) const fn closed_pipe() -> Self {
        Self { code: 0, unheard: true, text: String::new() }
    }

    pub(super) const fn is_closed_pipe(&self) -> bool {
        self.unheard
    }

    /// Ends with a code outside [`Exit`]: only `check` does.
    pub(super) const fn monitoring(code: u8) -> Self {
        Self { code, unheard: false, text: String::new() }
    }

    /// The same failure, said of an exercise where this screen shows one.
    pub(super) fn marked(self, screen: &Screen) -> Self {
        if self.text.is_empty() { self } else { Self { text: screen.mark(&self.text), ..self } }
    }

    /// The same failure, said in other words.
    pub(super) fn reworded(self, words: impl FnOnce(&str) -> String) -> Self {
        Self { text: words(&self.text), ..self }
    }

    pub(super) fn refused(lang: Lang, refusal: &Refusal) -> Self {
        Self::new(Exit::Refused, refusal_text(lang, refusal))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A refusal in words: the code, its sentence, what exactly, and which credential. The detail may quote a stranger.
pub(super) fn refusal_text(lang: Lang, refusal: &Refusal) -> String {
    let sentence = match lang {
        Lang::En => refusal.code.english(),
        Lang::Fr => refusal.code.french(),
    };
    let mut text = format!("{}: {sentence}", refusal.code);
    if !refusal.detail.is_empty() {
        text.push_str(&format!(" ({})", escape(&refusal.detail)));
    }
    if let Some(credential) = refusal.credential {
        text.push_str(&format!(" [{}]", lang.credential_named(credential)));
    }
    text
}
