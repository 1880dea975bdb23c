//! Ending a credential or a key: signed here, sent to every relay; and what a relay knows as ended.
//!
//! Each call opens a session of its own to each relay, all at once, and closes it after the answers: revoking is rare,
//! and one relay that does not answer must not keep it from the others. Relays do not tell each other, so every one of
//! them is asked. What a relay gives is verified here, from the pinned roots.

use std::sync::Arc;

use tokio::time::Instant;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::Plane;
use vigie_proto::frame::{ClientFrame, FromRelay, RequestNumber, ServerFrame};
use vigie_proto::id::{CredentialId, LogId, RevocationId};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{self, InForce, Statement, VerifiedRevocation};
use vigie_proto::time::Timestamp;

use crate::connect::{Connector, Ended};
use crate::dial::{Incoming, Line};
use crate::driver::ended_by;
use crate::identity::Identity;
use crate::link::{LinkError, refusal};
use crate::url::RelayUrl;

/// Revocations taken from one relay: as many as a relay has in force.
const GIVEN_MAX: usize = 65_536;

/// A relay's word that a revocation is on its disk, and holds there. The same bytes sent again get the same receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevocationReceipt {
    /// The revocation.
    pub id: RevocationId,
    /// The log it is in.
    pub log: LogId,
    /// When the relay admitted it: nothing of its target was admitted after.
    pub admitted: Timestamp,
}

/// Why a relay gave no receipt for a revocation, or did not tell which it has.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// A rule refuses it; it does not hold there.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The relay did not let this client in, or was not reached in time; nothing was sent.
    #[error("not sent: {0}")]
    NotSent(LinkError),
    /// It was sent and no answer came in time: it may hold there or not. Sending the same again is safe.
    #[error("sent, but no answer came in time: {0}")]
    Unknown(LinkError),
}

/// What became of revocations at one relay.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevokedAt {
    /// The relay.
    pub relay: RelayUrl,
    /// For each revocation that was to be sent, in their order.
    pub answers: Vec<Result<RevocationReceipt, RevokeError>>,
}

/// A revocation that a relay has in force, verified here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GivenRevocation {
    /// It, under the chain of its issuer.
    pub verified: VerifiedRevocation,
    /// When the relay admitted it.
    pub admitted: Timestamp,
}

impl GivenRevocation {
    /// What is needed to apply it to chains.
    pub fn in_force(&self) -> InForce {
        InForce::from(&self.verified)
    }
}

/// What one relay has in force on the plane of the client, or why it did not tell.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevocationsAt {
    /// The relay.
    pub relay: RelayUrl,
    /// In the order in which it admitted them.
    pub given: Result<Vec<GivenRevocation>, RevokeError>,
    /// How many it gave that do not verify: they change nothing, and say something of the relay.
    pub suspects: usize,
}

/// Signs what ends, under the identity's own credential. Nothing is sent.
///
/// # Errors
/// `bad_signature` or what [`revocation::verify`] finds: what relays would not take is not given out.
pub(crate) fn sign(identity: &Identity, statement: &Statement) -> Result<VerifiedRevocation, Refusal> {
    let chain = identity.chain();
    let token = revocation::sign(identity.key(), chain.leaf(), statement);
    revocation::verify(&token, chain)
}

/// A way to one relay.
pub(crate) struct Way {
    pub(crate) relay: RelayUrl,
    pub(crate) connector: Connector,
}

pub(crate) async fn send(
    way: Way,
    own: CredentialId,
    revocations: &[VerifiedRevocation],
    deadline: Instant,
) -> RevokedAt {
    RevokedAt { relay: way.relay, answers: send_to(way.connector, own, revocations, deadline).await }
}

/// One after the other: one request at a time is all that a session of this kind has.
async fn send_to(
    mut connector: Connector,
    own: CredentialId,
    revocations: &[VerifiedRevocation],
    deadline: Instant,
) -> Vec<Result<RevocationReceipt, RevokeError>> {
    let problem = connector.problems();
    let mut answers: Vec<Result<RevocationReceipt, RevokeError>> = Vec::new();
    // Whether the one that is next was handed to a line before.
    let mut sent = false;
    let attempts = async {
        while answers.len() < revocations.len() {
            let mut line = match connector.connect(None).await {
                Ok((line, _)) => line,
                Err(refusal) => return Some(refusal),
            };
            while let Some(next) = revocations.get(answers.len()) {
                sent = true;
                match ask(&mut line, own, next).await {
                    Ok(answer) => answers.push(answer),
                    Err(ended) => {
                        connector.handle_lost(ended);
                        break;
                    }
                }
                sent = false;
            }
        }
        None
    };
    let shut_out = tokio::time::timeout_at(deadline, attempts).await;
    let missing = |first: bool| match &shut_out {
        Ok(Some(refusal)) if !(first && sent) => Err(RevokeError::Refused(refusal.clone())),
        Ok(_) | Err(_) if first && sent => Err(RevokeError::Unknown(problem.borrow().clone())),
        Ok(_) | Err(_) => Err(RevokeError::NotSent(problem.borrow().clone())),
    };
    let rest: Vec<_> = (answers.len()..revocations.len()).map(|at| missing(at == answers.len())).collect();
    answers.extend(rest);
    answers
}

/// The only kind of request of its session, one at a time.
const REQUEST: RequestNumber = 1;

/// Sends one, and waits for its answer. An `Err` when the line ended first. A relay has the chain of the log-in.
async fn ask(
    line: &mut Line,
    own: CredentialId,
    verified: &VerifiedRevocation,
) -> Result<Result<RevocationReceipt, RevokeError>, Ended> {
    let one = verified.revocation();
    let links = if one.issuer() == own { &[] } else { verified.chain().links() };
    let chain = links.iter().map(|link| (&**link.token()).into()).collect();
    line.queue(ClientFrame::Revoke { n: REQUEST, jws: (&**one.token()).into(), chain }.to_text());
    loop {
        let Incoming::Text(text) = line.next().await? else { continue };
        match parse(&text, line)? {
            Some(ServerFrame::Revoked { re: REQUEST, id, log, admitted }) if id == one.id() => {
                return Ok(Ok(RevocationReceipt { id, log, admitted }));
            }
            Some(ServerFrame::Refused { re: Some(REQUEST), code, detail, credential }) => {
                return Ok(Err(RevokeError::Refused(refusal(&code, &detail, credential))));
            }
            Some(frame) => ended_by(&frame, line).map_or(Ok(()), Err)?,
            None => {}
        }
    }
}

fn parse<'t>(text: &'t str, line: &mut Line) -> Result<Option<ServerFrame<'t>>, Ended> {
    match ServerFrame::parse(text) {
        Ok(FromRelay::Known(frame)) => Ok(Some(frame)),
        Ok(FromRelay::Later) => Ok(None),
        Err(error) => Err(line.violation(error.to_string()).into()),
    }
}

pub(crate) async fn fetch(
    way: Way,
    roots: &Roots,
    own: CredentialId,
    plane: Plane,
    deadline: Instant,
) -> RevocationsAt {
    let Way { relay, mut connector } = way;
    let problem = connector.problems();
    let attempts = async {
        loop {
            let (mut line, _) = connector.connect(None).await.map_err(RevokeError::Refused)?;
            let listing = Listing { roots, plane, chain: None, given: Vec::new(), suspects: 0 };
            match listing.run(&mut line, own).await {
                Ok(found) => return Ok(found),
                Err(ended) => connector.handle_lost(ended),
            }
        }
    };
    let outcome = tokio::time::timeout_at(deadline, attempts).await;
    match outcome.unwrap_or_else(|_| Err(RevokeError::NotSent(problem.borrow().clone()))) {
        Ok((given, suspects)) => RevocationsAt { relay, given: Ok(given), suspects },
        Err(error) => RevocationsAt { relay, given: Err(error), suspects: 0 },
    }
}

/// Taking what a relay has in force.
struct Listing<'r> {
    roots: &'r Roots,
    plane: Plane,
    /// The one given last: a relay leaves out only the chain that it gave just before.
    chain: Option<Arc<Chain>>,
    given: Vec<GivenRevocation>,
    suspects: usize,
}

impl Listing<'_> {
    async fn run(
        mut self,
        line: &mut Line,
        own: CredentialId,
    ) -> Result<(Vec<GivenRevocation>, usize), Ended> {
        // Revocations are given before any answer, so an answer says that there are no more.
        line.queue(ClientFrame::Credential { n: REQUEST, id: own }.to_text());
        loop {
            let Incoming::Text(text) = line.next().await? else { continue };
            match parse(&text, line)? {
                Some(
                    ServerFrame::Chain { re: Some(REQUEST), .. }
                    | ServerFrame::Refused { re: Some(REQUEST), .. },
                ) => return Ok((self.given, self.suspects)),
                Some(ServerFrame::Chain { chain, .. }) => {
                    let links = chain.iter().map(|link| &**link);
                    self.chain = Chain::verify(links, self.roots, &NoVerdicts).ok().map(Arc::new);
                }
                Some(ServerFrame::Revocation { admitted, jws, .. }) => self.take(&jws, admitted),
                Some(frame) => ended_by(&frame, line).map_or(Ok(()), Err)?,
                None => {}
            }
        }
    }

    fn take(&mut self, token: &str, admitted: Timestamp) {
        match self.judge(token, admitted) {
            Ok(verified) if self.given.len() < GIVEN_MAX => {
                self.given.push(GivenRevocation { verified, admitted });
            }
            Ok(_) => self.suspects += 1,
            Err(refusal) => {
                tracing::warn!(%refusal, "a revocation that does not verify");
                self.suspects += 1;
            }
        }
    }

    fn judge(&self, token: &str, admitted: Timestamp) -> Result<VerifiedRevocation, Refusal> {
        let issuer = revocation::claimed_issuer(token)?;
        let unknown = || Refusal::from(Code::UnknownCredential).by(issuer);
        let chain = self.chain.as_ref().ok_or_else(unknown)?;
        if chain.plane() != self.plane {
            return Err(Refusal::new(Code::WrongPlane, "a revocation of the other plane"));
        }
        let verified = revocation::verify(token, chain)?;
        verified.judge_admitted(admitted)?;
        Ok(verified)
    }
}
