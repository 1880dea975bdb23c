//! What the SDK says went wrong, in the reader's language.
//!
//! In English these are the SDK's own words. In French each has a sentence here; what the system, TLS or a relay said
//! stands behind it in parentheses, in the language in which it came.

use vigie_client::{ContextError, IdentityError, LinkError};
use vigie_proto::label::LabelFault;
use vigie_proto::limits::ROOTS_MAX;

use super::Lang;
use crate::cli::exit::refusal_text;

impl Lang {
    /// Why a context cannot be used, or an identity in it.
    pub(in crate::cli) fn context_error(self, error: &ContextError) -> String {
        if self == Self::En {
            return error.to_string();
        }
        match error {
            ContextError::Unreadable { path, source } => self.no_context_folder(path.display(), source),
            ContextError::UnknownKey { path, line, key, suggestion } => {
                let meant = suggestion.as_ref().map_or_else(String::new, |meant| self.did_you_mean(meant));
                format!("{} : {}{meant}", path.display(), self.unknown_key(line, key))
            }
            ContextError::Malformed { path, why } => self.malformed_context(path.display(), why),
            ContextError::Relay { path, source } => self.bad_context_key(path.display(), "relays", source),
            ContextError::Root { path, number, source } => {
                self.bad_context_key(path.display(), "roots", self.bad_root(number, source))
            }
            ContextError::TooManyRoots { path } => {
                self.bad_context_key(path.display(), "roots", self.too_many_roots(ROOTS_MAX))
            }
            ContextError::Rotation { path, refusal } => {
                self.rotation_refused(path.display(), refusal_text(self, refusal))
            }
            ContextError::TlsRoots { path, source } => {
                self.bad_context_key(path.display(), "tls_roots", source)
            }
            ContextError::TlsCertificate { path, source } => {
                self.bad_client_certificate(path.display(), &source.why)
            }
            ContextError::TlsKeyTooOpen { path, mode } => {
                self.mode_too_open(path.display(), format!("{mode:04o}"))
            }
            ContextError::UnknownIdentity { name, suggestion, known } => {
                let meant = suggestion.as_ref().map(|meant| self.did_you_mean(meant));
                let all = || self.known_identities(known.join(", "));
                format!("{}{}", self.unknown_identity(name), meant.unwrap_or_else(all))
            }
            ContextError::Identity { name, plane, source } => {
                self.identity_failed(name, plane, self.identity_error(source))
            }
            ContextError::Config(_) | _ => error.to_string(),
        }
    }

    /// Why an identity cannot be had from its files.
    pub(in crate::cli) fn identity_error(self, error: &IdentityError) -> String {
        if self == Self::En {
            return error.to_string();
        }
        match error {
            IdentityError::Unreadable { path, source } => self.cannot_read(path.display(), source),
            IdentityError::NoChain { path, public_key } => {
                self.no_chain_yet(path.display(), public_key.display())
            }
            IdentityError::TooOpen { path, mode } => {
                self.mode_too_open(path.display(), format!("{mode:04o}"))
            }
            IdentityError::NoKey { path, why } => self.unusable_key(path.display(), why),
            IdentityError::ChainRefused { path, refusal } => {
                self.chain_refused(path.display(), refusal_text(self, refusal))
            }
            IdentityError::Mismatch => self.key_and_chain_differ(),
            _ => error.to_string(),
        }
    }

    /// Why there is no such label.
    pub(in crate::cli) fn label_fault(self, fault: LabelFault) -> String {
        match fault {
            LabelFault::AudienceNeeded(label) => self.audience_needed(label),
            LabelFault::AudienceOfClear => self.audience_of_clear(),
            LabelFault::TooMany => self.audience_too_long(),
            LabelFault::Nobody | LabelFault::NotCanonical | _ => fault.to_string(),
        }
    }

    /// Why there is no line to a relay.
    pub(in crate::cli) fn link_error(self, error: &LinkError) -> String {
        match error {
            LinkError::Connect { relay, source } => self.link_connect(relay, source),
            LinkError::TimedOut { relay } => self.link_timed_out(relay),
            LinkError::Tls { relay, why } => self.link_tls(relay, why),
            LinkError::Lost { relay, what } => self.link_lost(relay, what),
            LinkError::Http { relay, status, said } => {
                let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
                self.link_http(relay, status, said)
            }
            LinkError::Refused { relay, refusal } => self.session_refused(relay, refusal_text(self, refusal)),
            LinkError::Violation { relay, what } => self.link_violation(relay, what),
            LinkError::Stale { relay } => self.link_silent(relay),
            LinkError::Crowded => self.link_crowded(),
            LinkError::Stopped | _ => error.to_string(),
        }
    }
}
