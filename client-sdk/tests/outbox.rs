//! An outbox sends what was taken over, in order, under the credential that it was signed under, to every relay; and
//! tells what became of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod support;

use support::{FakeRelay, Session, Trust, draft, soon};
use vigie_client::proto::refusal::Code;
use vigie_client::{Client, Live, Outbox, OutboxError, OutboxState, SignedMessage};

fn open(dir: &tempfile::TempDir, client: &Client<Live>) -> Outbox<Live> {
    Outbox::open(dir.path(), client).unwrap()
}

async fn expect_publish(
    session: &mut Session,
    id: vigie_client::proto::id::MessageId,
) -> (u64, SignedMessage) {
    let (n, sent) = session.receive_publish().await;
    assert_eq!(sent.id(), id);
    (n, sent)
}

#[tokio::test]
async fn what_was_taken_over_offline_goes_out_in_order_after_a_restart() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let dir = tempfile::tempdir().unwrap();
    let mut queued = Vec::new();
    for text in ["un", "deux", "trois"] {
        // Each time as a process of its own.
        let outbox = open(&dir, &trust.client(&[&relay]));
        queued.push(soon(outbox.enqueue(draft(text))).await.unwrap());
    }
    let outbox = open(&dir, &trust.client(&[&relay]));
    let driver = outbox.drive();
    let mut session = relay.accept().await;
    for (seq, queued) in (1..).zip(&queued) {
        let (n, sent) = expect_publish(&mut session, queued.id).await;
        session.nothing_more_came().await;
        // Recorded before the answer can be.
        soon(until_sent(&outbox, queued.id)).await;
        session.receipt(n, &sent, seq).await;
        let Some(OutboxState::Stored(receipt)) = soon(outbox.settled(queued.id)).await else {
            panic!("{:?}", outbox.entries())
        };
        assert_eq!((receipt.id, receipt.seq.get()), (queued.id, seq));
    }
    soon(outbox.idle()).await;
    soon(driver.stop()).await;
    let already = soon(outbox.drop(queued[0].id)).await;
    assert!(matches!(already, Err(OutboxError::AlreadyStored { .. })));
}

async fn until_sent(outbox: &Outbox<Live>, id: vigie_client::proto::id::MessageId) {
    while outbox.state(id) != Some(OutboxState::Sent) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_cut_or_a_busy_relay_costs_nothing_and_changes_no_order() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(&dir, &trust.client(&[&relay]));
    let one = soon(outbox.enqueue(draft("un"))).await.unwrap();
    let two = soon(outbox.enqueue(draft("deux"))).await.unwrap();
    let _driver = outbox.drive();
    let mut first = relay.accept().await;
    expect_publish(&mut first, one.id).await;
    drop(first);
    let mut second = relay.accept().await;
    let (n, _) = expect_publish(&mut second, one.id).await;
    second.refuse(Some(n), "busy").await;
    let (n, sent) = expect_publish(&mut second, one.id).await;
    second.receipt(n, &sent, 1).await;
    let (n, sent) = expect_publish(&mut second, two.id).await;
    second.receipt(n, &sent, 2).await;
    soon(outbox.idle()).await;
    assert!(outbox.entries().iter().all(|entry| matches!(entry.state, OutboxState::Stored(_))));
}

#[tokio::test]
async fn a_refused_message_waits_with_its_updates_for_the_application() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(&dir, &trust.client(&[&relay]));
    let alert = soon(outbox.enqueue(draft("crue"))).await.unwrap();
    let update = draft("crue, suite").replacing(&outbox.signed(alert.id).unwrap());
    let update = soon(outbox.enqueue(update)).await.unwrap();
    let other = soon(outbox.enqueue(draft("vent"))).await.unwrap();
    let _driver = outbox.drive();
    let mut session = relay.accept().await;
    let (n, _) = expect_publish(&mut session, alert.id).await;
    session.refuse(Some(n), "out_of_jurisdiction").await;
    let (n, sent) = expect_publish(&mut session, other.id).await;
    session.receipt(n, &sent, 1).await;
    soon(outbox.idle()).await;
    let state = |id| outbox.state(id).unwrap();
    assert!(
        matches!(state(alert.id), OutboxState::Refused(refusal) if refusal.code == Code::OutOfJurisdiction)
    );
    assert_eq!(state(update.id), OutboxState::Held { by: alert.id });
    assert!(matches!(soon(outbox.retry(update.id)).await, Err(OutboxError::NotRefused { .. })));
    session.nothing_more_came().await;
    soon(outbox.retry(alert.id)).await.unwrap();
    let (n, sent) = expect_publish(&mut session, alert.id).await;
    session.receipt(n, &sent, 2).await;
    let (n, sent) = expect_publish(&mut session, update.id).await;
    session.receipt(n, &sent, 3).await;
    soon(outbox.idle()).await;
}

#[tokio::test]
async fn what_is_dropped_offline_never_leaves() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(&dir, &trust.client(&[&relay]));
    let dropped = soon(outbox.enqueue(draft("non"))).await.unwrap();
    let kept = soon(outbox.enqueue(draft("oui"))).await.unwrap();
    let _driver = outbox.drive();
    // On its way: the line is there, the log-in is not.
    let tls = relay.accept_tls().await;
    assert_eq!(soon(outbox.drop(dropped.id)).await.unwrap(), OutboxState::Queued);
    assert_eq!(outbox.state(dropped.id), None);
    drop(tls);
    let mut session = relay.accept().await;
    let (n, sent) = expect_publish(&mut session, kept.id).await;
    session.receipt(n, &sent, 1).await;
    soon(outbox.idle()).await;
    session.nothing_more_came().await;
}

#[tokio::test]
async fn a_renewed_credential_gives_the_old_chain_first_and_once() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let dir = tempfile::tempdir().unwrap();
    let old = open(&dir, &trust.client(&[&relay]));
    let one = soon(old.enqueue(draft("un"))).await.unwrap();
    let two = soon(old.enqueue(draft("deux"))).await.unwrap();
    drop(old);
    let renewed = trust.renewed();
    assert_ne!(renewed.chain.leaf().id(), trust.chain.leaf().id());
    let outbox = open(&dir, &renewed.client(&[&relay]));
    let three = soon(outbox.enqueue(draft("trois"))).await.unwrap();
    let _driver = outbox.drive();
    let old_links: Vec<String> = trust.chain.links().iter().map(|link| link.token().to_string()).collect();
    let mut session = relay.accept().await;
    let (_, links) = session.receive_chain().await;
    assert_eq!(links, old_links);
    for (seq, queued) in [(1, one), (2, two), (3, three)] {
        let (n, sent) = expect_publish(&mut session, queued.id).await;
        session.receipt(n, &sent, seq).await;
    }
    soon(outbox.idle()).await;
}

#[tokio::test]
async fn a_chain_that_is_refused_refuses_what_was_signed_under_it_with_its_reason() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let dir = tempfile::tempdir().unwrap();
    let one = soon(open(&dir, &trust.client(&[&relay])).enqueue(draft("un"))).await.unwrap();
    let outbox = open(&dir, &trust.renewed().client(&[&relay]));
    let two = soon(outbox.enqueue(draft("deux"))).await.unwrap();
    let _driver = outbox.drive();
    let mut session = relay.accept().await;
    let (chain, _) = session.receive_chain().await;
    let (publish, _) = expect_publish(&mut session, one.id).await;
    session.refuse(Some(chain), "credential_expired").await;
    session.refuse(Some(publish), "not_author").await;
    let (n, sent) = expect_publish(&mut session, two.id).await;
    session.receipt(n, &sent, 1).await;
    soon(outbox.idle()).await;
    let state = outbox.state(one.id).unwrap();
    assert!(
        matches!(&state, OutboxState::Refused(refusal) if refusal.code == Code::CredentialExpired),
        "{state:?}"
    );
}

#[tokio::test]
async fn who_is_shut_out_keeps_everything_queued() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&Trust::new(11)).await;
    let dir = tempfile::tempdir().unwrap();
    let client = trust.client(&[&relay]);
    let outbox = open(&dir, &client);
    let one = soon(outbox.enqueue(draft("un"))).await.unwrap();
    let _driver = outbox.drive();
    assert!(relay.try_accept().await.is_none());
    soon(async {
        while outbox.shut_out().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(outbox.shut_out().unwrap().code, Code::UnknownRoot);
    assert_eq!(outbox.state(one.id), Some(OutboxState::Queued));
}

#[tokio::test]
async fn every_relay_is_given_every_message_in_order_and_the_first_receipt_counts() {
    let trust = Trust::new(1);
    let (near, far) = (FakeRelay::start(&trust).await, FakeRelay::start(&trust).await);
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(&dir, &trust.client(&[&near, &far]));
    let one = soon(outbox.enqueue(draft("un"))).await.unwrap();
    let two = soon(outbox.enqueue(draft("deux"))).await.unwrap();
    let _driver = outbox.drive();
    let mut session = near.accept().await;
    for (seq, queued) in [(1, one), (2, two)] {
        let (n, sent) = expect_publish(&mut session, queued.id).await;
        session.receipt(n, &sent, seq).await;
    }
    soon(outbox.idle()).await;
    assert!(outbox.entries().iter().all(|entry| entry.relays_stored == 1 && entry.relays == 2));
    let mut session = far.accept().await;
    for (seq, queued) in [(11, one), (12, two)] {
        let (n, sent) = expect_publish(&mut session, queued.id).await;
        session.receipt(n, &sent, seq).await;
    }
    soon(outbox.spread()).await;
    assert!(outbox.entries().iter().all(|entry| entry.relays_stored == 2));
    let Some(OutboxState::Stored(receipt)) = outbox.state(one.id) else { panic!("stored") };
    assert_eq!(receipt.seq.get(), 1, "the first receipt stays");
}
