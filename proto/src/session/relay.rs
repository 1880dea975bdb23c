//! The relay's side of a session.
//!
//! [`AwaitLogin::handle_frame`] judges the log-in; [`LoggedIn::handle_frame`] turns each later frame into a
//! [`Request`] that is already verified and authorised, or a [`Rejection`] to send back. The worker that owns the
//! session carries requests out; nothing here knows how.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::chain::{Chain, Roots, Verdicts};
use crate::channel::Filter;
use crate::credential::Role;
use crate::frame::{ClientFrame, HeldRevocations, Rejection, RequestNumber, ServerFrame, Start};
use crate::hear::Reader;
use crate::id::{CredentialId, Nonce};
use crate::limits::{
    CHAINS_REMEMBERED, HISTORY_LIMIT_MAX, LOGIN_TIMEOUT, MARK_INTERVAL, MARK_INTERVAL_MAX, MARK_INTERVAL_MIN,
    MESSAGE_LIFETIME_MAX, NONCE_LIFETIME, SUBSCRIPTIONS_MAX,
};
use crate::login::{self, Binding, Expected};
use crate::refusal::{Code, Refusal};
use crate::revocation::{self, InForce, KnownRevocations, VerifiedRevocation};
use crate::time::Timestamp;
use crate::verify::{ClaimedMessage, VerifiedMessage};

/// What a relay judges by: the same for all its sessions.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the relay fills in every member")]
pub struct Rules {
    /// The pinned roots.
    pub roots: Roots,
    /// The names that the relay answers to, lower case, without port.
    pub relay_names: Vec<String>,
    /// Whether a proof without binding passes: only behind something else that ends TLS.
    pub unbound_passes: bool,
    /// Longest life of a message.
    pub lifetime_max: Duration,
    /// From the connection to the log-in. More than [`NONCE_LIFETIME`] counts as that: no proof could be good any more.
    pub login_timeout: Duration,
    /// Filters of a session: 1 to [`SUBSCRIPTIONS_MAX`].
    pub subscriptions_max: usize,
    /// Longest time between the marks of a session, [`MARK_INTERVAL_MIN`] to [`MARK_INTERVAL_MAX`]: whoever asks for more
    /// gets this, and is idle for 2.4 of it at most.
    pub mark_interval_max: Duration,
}

impl Rules {
    /// With the defaults: [`MESSAGE_LIFETIME_MAX`], [`LOGIN_TIMEOUT`], [`SUBSCRIPTIONS_MAX`], [`MARK_INTERVAL_MAX`], and no
    /// proof without binding.
    pub fn new(roots: Roots, relay_names: Vec<String>) -> Self {
        Self {
            roots,
            relay_names,
            unbound_passes: false,
            lifetime_max: MESSAGE_LIFETIME_MAX,
            login_timeout: LOGIN_TIMEOUT,
            subscriptions_max: SUBSCRIPTIONS_MAX,
            mark_interval_max: MARK_INTERVAL_MAX,
        }
    }
}

/// A connection that has not logged in.
#[derive(Debug)]
pub struct AwaitLogin {
    nonce: Nonce,
    accepted: Timestamp,
    binding: Binding,
}

impl AwaitLogin {
    /// Begins, with 32 fresh random bytes and the binding of the connection that was `accepted` then. The nonce is given
    /// later, by as much as TLS and upgrade took; since [the deadline](Self::deadline) is within its life from `accepted` on,
    /// it is never too old before that.
    pub fn new(nonce: Nonce, binding: Binding, accepted: Timestamp) -> Self {
        Self { nonce, accepted, binding }
    }

    /// The frame to send first.
    pub fn challenge(&self) -> ServerFrame<'static> {
        ServerFrame::Challenge { nonce: self.nonce }
    }

    /// When to give up and close with `login_timeout`.
    pub fn deadline(&self, rules: &Rules) -> Timestamp {
        self.accepted.plus(rules.login_timeout.min(NONCE_LIFETIME))
    }

    /// Judges the one frame that may come.
    ///
    /// # Errors
    /// Any refusal; the connection is closed after it is told.
    pub fn handle_frame(
        self,
        text: &str,
        rules: &Rules,
        verdicts: &dyn Verdicts,
        revocations: &dyn KnownRevocations,
        now: Timestamp,
    ) -> Result<LoggedIn, Rejection> {
        let ClientFrame::Login { chain, proof, mark_ms, revocations: held } = ClientFrame::parse(text)?
        else {
            return Err(Refusal::from(Code::NotLoggedIn).into());
        };
        if now >= self.deadline(rules) {
            return Err(Refusal::from(Code::LoginTimeout).into());
        }
        let chain = Chain::verify(chain.iter().map(|link| &**link), &rules.roots, verdicts)?;
        good_now(&chain, revocations, now)?;
        author_only(&chain)?;
        let expected = Expected {
            relay_names: &rules.relay_names,
            nonce: self.nonce,
            nonce_given: self.accepted,
            binding: self.binding,
            unbound_passes: rules.unbound_passes,
        };
        login::check(&proof, &chain, &expected, now)?;
        let wanted = mark_ms.map_or(MARK_INTERVAL, Duration::from_millis);
        Ok(LoggedIn {
            chain: Arc::new(chain),
            others: VecDeque::new(),
            mark_interval: wanted.min(rules.mark_interval_max).clamp(MARK_INTERVAL_MIN, MARK_INTERVAL_MAX),
            held,
            given: GivenChains::default(),
        })
    }
}

/// Chains of other credentials of the same key that a session may publish under: the renewed one, the one before,
/// and room for a crisis.
const OTHER_CHAINS_MAX: usize = 8;

/// What a frame asks for, verified and authorised.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the worker must carry out every request")]
pub enum Request {
    /// Answer `accepted`.
    Accept {
        /// The request.
        re: RequestNumber,
    },
    /// Hand the message to the journal.
    Publish {
        /// The request.
        re: RequestNumber,
        /// The message.
        message: Box<VerifiedMessage>,
    },
    /// Hand the revocation to the journal.
    Revoke {
        /// The request.
        re: RequestNumber,
        /// The revocation.
        revocation: Box<VerifiedRevocation>,
    },
    /// Replace the subscription.
    Subscribe {
        /// The request.
        re: RequestNumber,
        /// What to hear.
        reader: Reader,
        /// From where.
        start: Start,
    },
    /// Give a page of history.
    History {
        /// The request.
        re: RequestNumber,
        /// What to look for.
        reader: Reader,
        /// From where; never [`Start::Here`].
        start: Start,
        /// At most so many messages.
        limit: u32,
    },
    /// Give again a chain that the session was given, or refuse with `unknown_credential`.
    Credential {
        /// The request.
        re: RequestNumber,
        /// Its leaf.
        id: CredentialId,
    },
}

/// A session with an author.
#[derive(Debug)]
pub struct LoggedIn {
    chain: Arc<Chain>,
    /// Chains of other credentials of the same key, the one given last at the end, at most [`OTHER_CHAINS_MAX`].
    others: VecDeque<Arc<Chain>>,
    mark_interval: Duration,
    held: Option<HeldRevocations>,
    given: GivenChains,
}

impl LoggedIn {
    /// The chain it logged in under.
    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// The interval between marks that was agreed.
    pub const fn mark_interval(&self) -> Duration {
        self.mark_interval
    }

    /// The revocations that the client said it holds.
    pub const fn held_revocations(&self) -> Option<HeldRevocations> {
        self.held
    }

    /// A revocation was admitted: forgets the other chains that it meets. Whether it meets the one of the log-in: then
    /// close with `session_revoked`.
    pub fn handle_revocation(&mut self, revocation: &InForce) -> bool {
        self.others.retain(|chain| revocation.meets(chain).is_none());
        revocation.meets(&self.chain).is_some()
    }

    /// The relay trusts these roots from now on: takes the chains of the session as they trust them, and forgets the others of
    /// its key that they do not. A revocation by a root may meet a chain as it is trusted now that it did not meet before.
    ///
    /// # Errors
    /// The chain of the log-in is not good any more: close with `session_revoked` when it is `revoked`, else with
    /// `session_expired`.
    pub fn handle_roots(
        &mut self,
        roots: &Roots,
        revocations: &dyn KnownRevocations,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let good = |chain: &Chain| -> Result<Arc<Chain>, Refusal> {
            let chain = chain.under(roots)?;
            chain.judge(now)?;
            match revocations.refusal_of(&chain) {
                Some(refusal) => Err(refusal),
                None => Ok(Arc::new(chain)),
            }
        };
        self.others = self.others.iter().filter_map(|chain| good(chain).ok()).collect();
        self.chain = good(&self.chain)?;
        Ok(())
    }

    /// When the session ends because a credential of its chain does: close with `session_expired`.
    pub fn ends(&self) -> Timestamp {
        self.chain.window().until
    }

    /// Notes that an event under this credential is about to be sent; whether its chain must go before it.
    pub fn needs_chain(&mut self, credential: CredentialId) -> bool {
        self.given.note(credential)
    }

    /// Whether the session has the chain of this credential, or was just given it: its own, or that of a message that it
    /// was given.
    fn was_given(&self, credential: CredentialId) -> bool {
        #[cfg(feature = "sabotage")]
        if crate::sabotage::Sabotage::CredentialByIdToAll.is_planted() {
            return true;
        }
        self.given.contains(credential) || self.chain.links().iter().any(|link| link.id() == credential)
    }

    /// Judges a frame.
    ///
    /// # Errors
    /// A refusal to send back; the session goes on unless its code ends connections.
    pub fn handle_frame(
        &mut self,
        text: &str,
        rules: &Rules,
        verdicts: &dyn Verdicts,
        revocations: &dyn KnownRevocations,
        now: Timestamp,
    ) -> Result<Request, Rejection> {
        self.handle_parsed(ClientFrame::parse(text)?, rules, verdicts, revocations, now)
    }

    /// The same of a frame that was read before. It costs a signature check at most, and up to eight more where it brings a
    /// chain ([`ClientFrame::brings_chain`]): a relay bounds how often those come.
    ///
    /// # Errors
    /// As [`LoggedIn::handle_frame`].
    pub fn handle_parsed(
        &mut self,
        frame: ClientFrame<'_>,
        rules: &Rules,
        verdicts: &dyn Verdicts,
        revocations: &dyn KnownRevocations,
        now: Timestamp,
    ) -> Result<Request, Rejection> {
        let re = frame.number();
        self.judge(frame, rules, verdicts, revocations, now).map_err(|refusal| Rejection { re, refusal })
    }

    fn judge(
        &mut self,
        frame: ClientFrame<'_>,
        rules: &Rules,
        verdicts: &dyn Verdicts,
        revocations: &dyn KnownRevocations,
        now: Timestamp,
    ) -> Result<Request, Refusal> {
        match frame {
            ClientFrame::Login { .. } => Err(Refusal::new(Code::UnknownOperation, "already logged in")),
            ClientFrame::Chain { n, chain } => {
                self.learn_chain(&chain, rules, verdicts, revocations, now)?;
                Ok(Request::Accept { re: n })
            }
            ClientFrame::Publish { n, jws } => {
                let message = self.judge_publish(&jws, rules)?;
                Ok(Request::Publish { re: n, message: Box::new(message) })
            }
            ClientFrame::Revoke { n, jws, chain } => {
                let issuer = revocation::claimed_issuer(&jws)?;
                let verified = if chain.is_empty() {
                    revocation::verify(&jws, self.chain_of(issuer)?)?
                } else {
                    revocation::verify(&jws, &self.issuer_chain(&chain, rules, verdicts)?)?
                };
                Ok(Request::Revoke { re: n, revocation: Box::new(verified) })
            }
            ClientFrame::Subscribe { n, channels, after } => Ok(Request::Subscribe {
                re: n,
                reader: self.reader(&channels, rules)?,
                start: Start::parse(after.as_deref())?,
            }),
            ClientFrame::History { n, channels, after, limit } => {
                if !(1..=HISTORY_LIMIT_MAX).contains(&limit) {
                    return Err(Refusal::new(Code::MalformedFrame, "`limit` is 1 to 256"));
                }
                let start = Start::parse(Some(&after))?;
                Ok(Request::History { re: n, reader: self.reader(&channels, rules)?, start, limit })
            }
            ClientFrame::Credential { n, id } if self.was_given(id) => Ok(Request::Credential { re: n, id }),
            // Known or not: who may not hear a message does not learn from this that its author has spoken.
            ClientFrame::Credential { id, .. } => Err(Refusal::from(Code::UnknownCredential).by(id)),
        }
    }

    fn learn_chain(
        &mut self,
        chain: &[std::borrow::Cow<'_, str>],
        rules: &Rules,
        verdicts: &dyn Verdicts,
        revocations: &dyn KnownRevocations,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let chain = Chain::verify(chain.iter().map(|link| &**link), &rules.roots, verdicts)?;
        good_now(&chain, revocations, now)?;
        let id = chain.leaf().id();
        if chain.key() != self.chain.key() {
            return Err(Refusal::from(Code::NotAuthor).by(id));
        }
        if chain.plane() != self.chain.plane() {
            return Err(Refusal::from(Code::WrongPlane).by(id));
        }
        author_only(&chain)?;
        self.others.retain(|other| other.leaf().id() != id);
        if self.others.len() == OTHER_CHAINS_MAX {
            self.others.pop_front();
        }
        self.others.push_back(Arc::new(chain));
        Ok(())
    }

    /// The chain under which somebody else signed a revocation: who keeps a key on a machine without a network has it
    /// carried. Whether it has ended is judged where the revocation is admitted.
    fn issuer_chain(
        &self,
        chain: &[std::borrow::Cow<'_, str>],
        rules: &Rules,
        verdicts: &dyn Verdicts,
    ) -> Result<Arc<Chain>, Refusal> {
        let chain = Chain::verify(chain.iter().map(|link| &**link), &rules.roots, verdicts)?;
        if chain.plane() != self.chain.plane() {
            return Err(Refusal::from(Code::WrongPlane).by(chain.leaf().id()));
        }
        author_only(&chain)?;
        Ok(Arc::new(chain))
    }

    fn judge_publish(&self, jws: &str, rules: &Rules) -> Result<VerifiedMessage, Refusal> {
        let claimed = ClaimedMessage::read(jws)?;
        let chain = self.chain_of(claimed.credential())?;
        claimed.verify(chain, rules.lifetime_max)
    }

    /// The chain of a credential that this session may speak under.
    fn chain_of(&self, claimed: CredentialId) -> Result<&Arc<Chain>, Refusal> {
        if claimed == self.chain.leaf().id() {
            return Ok(&self.chain);
        }
        // A stranger's message and an own one under a chain not given yet look alike: both name a credential that this
        // session may not speak under.
        let given = self.others.iter().find(|other| other.leaf().id() == claimed);
        given.ok_or_else(|| Refusal::from(Code::NotAuthor).by(claimed))
    }

    fn reader(&self, channels: &[std::borrow::Cow<'_, str>], rules: &Rules) -> Result<Reader, Refusal> {
        let max = rules.subscriptions_max.min(SUBSCRIPTIONS_MAX);
        if channels.len() > max {
            return Err(Refusal::new(Code::TooManySubscriptions, format!("at most {max}")));
        }
        let filters = channels
            .iter()
            .map(|text| {
                text.parse::<Filter>()
                    .map_err(|error| Refusal::new(Code::MalformedChannel, error.to_string()))
            })
            .collect::<Result<_, _>>()?;
        Reader::new(&self.chain, filters)
    }
}

/// Inside its time, and not revoked.
fn good_now(chain: &Chain, revocations: &dyn KnownRevocations, now: Timestamp) -> Result<(), Refusal> {
    chain.judge(now)?;
    revocations.refusal_of(chain).map_or(Ok(()), Err)
}

/// Refuses the chain of a relay: nobody logs in, publishes or revokes under one.
fn author_only(chain: &Chain) -> Result<(), Refusal> {
    match chain.leaf().claims().role {
        Role::Author => Ok(()),
        Role::Relay => Err(Refusal::new(Code::NotGranted, "a relay does not log in").by(chain.leaf().id())),
    }
}

/// The last credentials whose chain a session was given, oldest first, at most [`CHAINS_REMEMBERED`].
#[derive(Debug, Default)]
struct GivenChains(VecDeque<CredentialId>);

impl GivenChains {
    fn contains(&self, credential: CredentialId) -> bool {
        self.0.contains(&credential)
    }

    /// Whether the chain must be given now; notes that it is.
    fn note(&mut self, credential: CredentialId) -> bool {
        if self.0.contains(&credential) {
            return false;
        }
        if self.0.len() == CHAINS_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(credential);
        true
    }
}
