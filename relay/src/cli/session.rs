//! Where and as whom a command acts: the context folder, the identity, the runtime. And how failures of the SDK end a
//! command.

use std::path::Path;

use vigie_client::{Client, Context, ContextError, EndReason, Identity, LinkError, OnPlane, PublishError};
use vigie_proto::channel::Plane;
use vigie_proto::refusal::{Code, Refusal};

use super::args::Global;
use super::ends;
use super::exit::{Exit, Failure, refusal_text};
use super::screen::{Screen, escape};
use super::text::Lang;

/// What `--context` and `--as` say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    pub(super) screen: &'a Screen,
    pub(super) global: &'a Global,
}

impl Session<'_> {
    /// The folder of the context.
    pub(super) fn folder(&self) -> Result<&Path, Failure> {
        let missing = || Failure::new(Exit::Configuration, self.screen.lang.no_context());
        self.global.context.as_deref().ok_or_else(missing)
    }

    pub(super) fn context(&self) -> Result<Context, Failure> {
        Context::open(self.folder()?).map_err(|error| self.context_failed(&error))
    }

    /// The name after `--as`.
    pub(super) fn name(&self) -> Result<&str, Failure> {
        let missing = || Failure::new(Exit::Usage, self.screen.lang.no_identity());
        self.global.identity.as_deref().ok_or_else(missing)
    }

    pub(super) fn identity(&self, context: &Context, plane: Plane) -> Result<Identity, Failure> {
        context.identity(self.name()?, plane).map_err(|error| self.context_failed(&error))
    }

    /// A client that waits at most `deadline` for what it does. Warns of what ends soon.
    pub(super) fn client<P: OnPlane>(
        &self,
        deadline: Option<std::time::Duration>,
    ) -> Result<Client<P>, Failure> {
        let client = self.client_untold(deadline)?;
        ends::warn(self.screen, client.config().identity.chain());
        ends::warn_certificates(self.screen, &client.config().tls_roots);
        Ok(client)
    }

    /// The same, without a word on what ends soon.
    pub(super) fn client_untold<P: OnPlane>(
        &self,
        deadline: Option<std::time::Duration>,
    ) -> Result<Client<P>, Failure> {
        let context = self.context()?;
        let identity = self.identity(&context, P::PLANE)?;
        let mut config = context.client_config(identity);
        config.deadline = deadline.unwrap_or(config.deadline);
        Client::new(config).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))
    }

    pub(super) fn context_failed(&self, error: &ContextError) -> Failure {
        Failure::new(
            Exit::Configuration,
            self.screen.lang.context_failed(escape(&self.screen.lang.context_error(error))),
        )
    }

    /// Runs what waits for the network.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
        runtime.block_on(work)
    }
}

/// How a message that got no receipt ends the command.
pub(super) fn publish_failed(lang: Lang, error: &PublishError) -> Failure {
    match error {
        PublishError::Refused(refusal) => Failure::refused(lang, refusal),
        PublishError::TooLarge { .. } => Failure::refused(lang, &Refusal::from(Code::MessageTooLarge)),
        PublishError::NotSent(link) => link_failed(lang, link),
        PublishError::Unknown { message } => Failure::new(Exit::Partial, lang.fate_unknown(message.id())),
        // The command has looked at what it replaces before it signs.
        other @ (PublishError::Replaces(_) | _) => Failure::new(Exit::Failure, other.to_string()),
    }
}

/// How a line that could not be had ends the command.
fn link_failed(lang: Lang, error: &LinkError) -> Failure {
    match error {
        LinkError::Refused { relay, refusal } => {
            Failure::new(Exit::Refused, lang.session_refused(relay, refusal_text(lang, refusal)))
        }
        LinkError::Connect { .. }
        | LinkError::Tls { .. }
        | LinkError::Http { .. }
        | LinkError::Violation { .. }
        | LinkError::TimedOut { .. }
        | LinkError::Lost { .. }
        | LinkError::Stale { .. }
        | LinkError::Crowded
        | LinkError::Stopped
        | _ => Failure::new(Exit::Unreachable, lang.not_sent(escape(&lang.link_error(error)))),
    }
}

/// How a subscription that was refused ends the command.
pub(super) fn subscription_ended(lang: Lang, reason: &EndReason) -> Failure {
    Failure::refused(lang, reason.refusal())
}
