//! Gives what waits in an outbox to the relays: one sender for each, one message at a time, so that each relay has them
//! in the order in which they were taken over.
//!
//! Called by the application through [`Outbox::drive`]; calls the client's publishing sessions, which see to lines,
//! waits between tries, and the chain of a renewed credential.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vigie_proto::refusal::{Code, Refusal};

use super::ledger::{self, Work};
use super::record::Record;
use super::{Outbox, PublishChain, Shared};
use crate::backoff::{self, Backoff};
use crate::client::Order;
use crate::clock;
use crate::driver::{Abandoned, Failed};
use crate::link::LinkError;
use crate::plane::OnPlane;
use crate::publish::{PublishError, Receipt};

/// Between two tries of a client that no relay lets in: the relay's own mind may change, and a person may come by.
const SHUT_OUT_WAIT: Duration = Duration::from_secs(60);

/// Longest sleep at once: this machine's clock may be set while we sleep.
const EXPIRY_LOOK_MAX: Duration = Duration::from_secs(60);

/// Sends for as long as it lives. Dropping it ends that at once; what was handed to a line may still arrive.
#[derive(Debug)]
pub struct OutboxDriver {
    task: JoinHandle<()>,
}

impl OutboxDriver {
    pub(super) fn start<P: OnPlane>(outbox: Outbox<P>) -> Self {
        // Owned by this handle, which ends it.
        let task = tokio::spawn(async move {
            let relays = outbox.client.config().relays.iter().enumerate();
            let senders = relays.map(|(at, relay)| {
                let backoff = Backoff::new(vec![relay.clone()], backoff::seed());
                let sender = Sender { outbox: outbox.clone(), at, relay: relay.to_string(), backoff };
                sender.run()
            });
            join_all(senders).await;
        });
        Self { task }
    }

    /// Ends it, and returns when nothing of it runs any more.
    pub async fn stop(mut self) {
        self.task.abort();
        // Ended by us, which is what it says.
        let _ = (&mut self.task).await;
    }
}

impl Drop for OutboxDriver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends to one relay.
struct Sender<P: OnPlane> {
    outbox: Outbox<P>,
    /// The relay's place in the client's list.
    at: usize,
    relay: String,
    backoff: Backoff,
}

impl<P: OnPlane> Sender<P> {
    async fn run(mut self) {
        loop {
            // Before looking, so that nothing between looking and waiting goes unnoticed.
            let mut changed = self.outbox.shared.changed.subscribe();
            let now = clock::now();
            let shared = Arc::clone(&self.outbox.shared);
            let overdue = shared.ledger().overdue(now);
            for id in overdue {
                self.note(Record::Expired { id }).await;
            }
            let work = shared.ledger().next_for(&self.relay, now);
            match work {
                Some(work) => self.send(work).await,
                None => {
                    let next = shared.ledger().next_expiry().map(|at| at.since(now).min(EXPIRY_LOOK_MAX));
                    wait(&mut changed, next.map(|left| Instant::now() + left)).await;
                }
            }
        }
    }

    async fn send(&mut self, work: Work) {
        let id = work.message.id();
        // The time that is left, by the clock that it was signed with; then it is looked at again.
        let deadline = Instant::now() + work.expires.since(clock::now()).min(EXPIRY_LOOK_MAX);
        let (told, mut handed) = oneshot::channel();
        let order = Order {
            message: work.message,
            chain: Some(PublishChain { credential: work.credential, links: work.chain }),
            deadline,
            sent: Some(told),
            abandoned: Abandoned::Withdrawn,
            reach: None,
        };
        let client = self.outbox.client.clone();
        let mut publishing = std::pin::pin!(client.publish_at(self.at, order));
        let mut changed = self.outbox.shared.changed.subscribe();
        let mut is_handed = false;
        let outcome = loop {
            tokio::select! {
                biased;
                told = &mut handed, if !is_handed => {
                    is_handed = true;
                    if told.is_ok() {
                        self.note(Record::Sent { id }).await;
                    }
                }
                outcome = &mut publishing => break outcome,
                _ = changed.changed() => {
                    if !self.outbox.shared.ledger().is_wanted(id, &self.relay) {
                        return;
                    }
                }
            }
        };
        self.answered(id, outcome).await;
    }

    async fn answered(&mut self, id: vigie_proto::id::MessageId, outcome: Result<Receipt, Failed>) {
        let is_shut_out = matches!(&outcome, Err(Failed { is_shut_out: true, .. }));
        match outcome {
            Ok(receipt) => {
                self.backoff.handle_steady();
                self.note(ledger::stored(&self.relay, &receipt)).await;
            }
            Err(Failed { error: PublishError::Refused(refusal), is_shut_out: true }) => {
                self.outbox.shared.set_shut_out(Some(refusal));
                tokio::time::sleep(SHUT_OUT_WAIT).await;
            }
            Err(Failed { error: PublishError::Refused(refusal), .. }) if refusal.code.is_temporary() => {
                let wait = self.backoff.handle_failed(None);
                tokio::time::sleep(wait).await;
            }
            Err(Failed { error: PublishError::Refused(refusal), .. }) => {
                self.note(ledger::refused(id, &self.relay, &refusal)).await;
            }
            // What replaces others is judged when it is signed.
            Err(Failed { error: PublishError::TooLarge { .. } | PublishError::Replaces(_), .. }) => {
                let refusal = Refusal::from(Code::MessageTooLarge);
                self.note(ledger::refused(id, &self.relay, &refusal)).await;
            }
            // At once, each time: the runtime of the client's sessions is gone.
            Err(Failed { error: PublishError::NotSent(LinkError::Stopped), .. }) => {
                let wait = self.backoff.handle_failed(None);
                tokio::time::sleep(wait).await;
            }
            // The next turn looks whether it has expired, and else tries on.
            Err(Failed { error: PublishError::NotSent(_) | PublishError::Unknown { .. }, .. }) => {}
        }
        if !is_shut_out && self.outbox.shut_out().is_some() {
            self.outbox.shared.set_shut_out(None);
        }
    }

    async fn note(&self, record: Record) {
        let shared: Arc<Shared> = Arc::clone(&self.outbox.shared);
        // Without a runtime there is nobody left to note it for.
        let _ = tokio::task::spawn_blocking(move || shared.note(&record)).await;
    }
}

async fn wait(changed: &mut watch::Receiver<()>, until: Option<Instant>) {
    let next = async {
        match until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        _ = changed.changed() => {}
        () = next => {}
    }
}
