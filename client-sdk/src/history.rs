//! One page of older messages, judged as live ones are.

use tokio::time::Instant;
use vigie_proto::channel::Filter;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{AFTER_START, ClientFrame, FromRelay, RequestNumber, ServerFrame};
use vigie_proto::id::LogId;
use vigie_proto::limits::HISTORY_LIMIT_MAX;
use vigie_proto::refusal::Refusal;

use crate::client::ClientConfig;
use crate::clock;
use crate::connect::{Connector, Ended};
use crate::delivery::{Delivery, Gap};
use crate::dial::{Incoming, Line};
use crate::driver::ended_by;
use crate::link::{LinkError, refusal};
use crate::plane::OnPlane;
use crate::reader::Judge;

/// The only request of its session.
const REQUEST: RequestNumber = 1;

/// A page of older messages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<P: OnPlane> {
    /// What was found, oldest first: messages, suspects, gaps. A message that was heard on a subscription is here
    /// again, under the same id.
    pub deliveries: Vec<Delivery<P>>,
    /// Where the next page begins.
    pub next: Cursor,
    /// Whether the log ends here.
    pub end: bool,
}

/// Why there is no page.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The relay refuses: not granted there, too many filters, a wrong limit.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// No relay gave it in time. Ask again.
    #[error("no page in time: {0}")]
    Link(LinkError),
}

impl HistoryError {
    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.code.is_temporary(),
            Self::Link(_) => true,
        }
    }
}

pub(crate) async fn fetch<P: OnPlane>(
    config: &ClientConfig,
    filters: Vec<Filter>,
    after: Option<Cursor>,
    limit: u32,
    mut connector: Connector,
    deadline: Instant,
) -> Result<Page<P>, HistoryError> {
    let problem = connector.problems();
    let request = ClientFrame::History {
        n: REQUEST,
        channels: filters.iter().map(|filter| filter.to_string().into()).collect(),
        after: after.map_or_else(|| AFTER_START.into(), |cursor| cursor.to_string().into()),
        limit,
    }
    .to_text();
    let attempts = async {
        loop {
            let (mut line, welcomed) = connector.connect(None).await.map_err(HistoryError::Refused)?;
            line.queue(request.clone());
            let collecting = Collecting {
                judge: Judge::new(config.roots.clone(), config.identity.org().clone(), filters.clone()),
                log: welcomed.log,
                found: Vec::new(),
            };
            match collecting.run(&mut line).await {
                Ok(page) => return page.map_err(HistoryError::Refused),
                Err(ended) => connector.handle_lost(ended),
            }
        }
    };
    let outcome = tokio::time::timeout_at(deadline, attempts).await;
    outcome.unwrap_or_else(|_| Err(HistoryError::Link(problem.borrow().clone())))
}

/// A page on its way.
struct Collecting<P: OnPlane> {
    judge: Judge<P>,
    log: LogId,
    /// At most [`HISTORY_LIMIT_MAX`].
    found: Vec<Delivery<P>>,
}

impl<P: OnPlane> Collecting<P> {
    /// The page or the relay's refusal of it; an `Err` when the line ended before either.
    async fn run(mut self, line: &mut Line) -> Result<Result<Page<P>, Refusal>, Ended> {
        loop {
            let Incoming::Text(text) = line.next().await? else { continue };
            let frame = match ServerFrame::parse(&text) {
                Ok(FromRelay::Known(frame)) => frame,
                Ok(FromRelay::Later) => continue,
                Err(error) => return Err(line.violation(error.to_string()).into()),
            };
            #[expect(clippy::wildcard_enum_match_arm, reason = "all other frames are of other requests")]
            match frame {
                ServerFrame::Chain { chain, .. } => {
                    self.judge.learn(&chain.iter().map(|link| &**link).collect::<Vec<_>>());
                }
                ServerFrame::Rotation { jws } => {
                    // As with revocations.
                    if let Err(refusal) = self.judge.learn_rotation(&jws) {
                        tracing::debug!(%refusal, "a rotation that is not for the pinned roots");
                    }
                }
                ServerFrame::Revocation { admitted, jws, .. } => {
                    // A forged one changes nothing; it is told on subscriptions.
                    if let Err(refusal) = self.judge.learn_revocation(&jws, admitted) {
                        tracing::warn!(%refusal, "a revocation that does not verify");
                    }
                }
                ServerFrame::Past { re: REQUEST, seq, admitted, jws } => {
                    let cursor = Cursor { log: self.log, seq, admitted };
                    self.take(match self.judge.judge(&jws, cursor, clock::now()) {
                        Ok(verified) => self
                            .judge
                            .disowns(verified.id(), verified.chain(), admitted, cursor)
                            .map_or(Delivery::Message(verified), Delivery::Disowned),
                        Err(suspect) => Delivery::Suspect(suspect),
                    })
                    .map_err(|what| line.violation(what))?;
                }
                ServerFrame::Gap { re: Some(REQUEST), reason, from, to } => {
                    let (from, to) = (from.parse().ok(), to.parse::<Cursor>().ok());
                    self.log = to.map_or(self.log, |cursor| cursor.log);
                    self.take(Delivery::Gap(Gap { reason, from, to }))
                        .map_err(|what| line.violation(what))?;
                }
                ServerFrame::Page { re: REQUEST, next, end } => {
                    let next = next.parse().map_err(|_| line.violation("`next` is no cursor".to_owned()))?;
                    return Ok(Ok(Page { deliveries: self.found, next, end }));
                }
                ServerFrame::Refused { re: Some(REQUEST), code, detail, credential } => {
                    return Ok(Err(refusal(&code, &detail, credential)));
                }
                frame => {
                    if let Some(ended) = ended_by(&frame, line) {
                        return Err(ended);
                    }
                }
            }
        }
    }

    fn take(&mut self, delivery: Delivery<P>) -> Result<(), String> {
        if self.found.len() >= HISTORY_LIMIT_MAX as usize {
            return Err("a page of more than 256 messages".to_owned());
        }
        self.found.push(delivery);
        Ok(())
    }
}
