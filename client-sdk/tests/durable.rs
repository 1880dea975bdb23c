//! A durable subscription goes on behind what was committed, gives again what was not, and never begins anew in silence.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod support;

use support::{FakeRelay, Session, Trust, draft, soon};
use vigie_client::proto::frame::Start;
use vigie_client::{Client, CursorStore, Delivery, Live, StoreError, Subscription, Verified};

const FILTER: &str = "signal/fr.idf.75.paris";

fn durable(client: &Client<Live>, store: &CursorStore) -> Result<Subscription<Live>, StoreError> {
    let filters = [FILTER.parse()].into_iter().flatten().collect();
    client.subscribe_durable("poste-2", filters, Start::Beginning, store)
}

async fn next_message(subscription: &mut Subscription<Live>) -> Verified<Live> {
    match soon(subscription.next()).await {
        Some(Delivery::Message(verified)) => verified,
        other => panic!("expected a message: {other:?}"),
    }
}

async fn opened(relay: &FakeRelay, trust: &Trust, after: &str, seq: u64) -> Session {
    let mut session = relay.accept().await;
    let (n, wanted) = session.receive_subscribe().await;
    assert_eq!(wanted.as_deref(), Some(after));
    session.subscribed(n, seq, trust).await;
    session
}

#[tokio::test]
async fn a_restart_gives_again_what_was_not_committed_and_nothing_else() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let dir = tempfile::tempdir().unwrap();
    let store = CursorStore::open(dir.path()).unwrap();
    let [one, two, three] = ["un", "deux", "trois"].map(|text| client.sign(draft(text)).unwrap());

    let mut first = durable(&client, &store).unwrap();
    assert_eq!(first.committed(), None);
    let mut session = opened(&relay, &trust, "start", 0).await;
    session.event(1, &one).await;
    session.event(2, &two).await;
    let dealt_with = next_message(&mut first).await;
    soon(first.commit(&dealt_with.cursor())).await.unwrap();
    let given = next_message(&mut first).await;
    assert_eq!(given.id(), two.id());
    // A cut within the process: what was given is not given twice, committed or not.
    drop(session);
    let mut session = opened(&relay, &trust, &given.cursor().to_string(), 0).await;
    session.event(2, &two).await;
    session.event(3, &three).await;
    assert_eq!(next_message(&mut first).await.id(), three.id());
    assert!(matches!(durable(&client, &store), Err(StoreError::InUse { .. })), "one holder at a time");
    drop((first, session));

    let mut second = durable(&client, &CursorStore::open(dir.path()).unwrap()).unwrap();
    assert_eq!(second.committed(), Some(dealt_with.cursor()));
    let mut session = opened(&relay, &trust, &dealt_with.cursor().to_string(), 1).await;
    session.event(2, &two).await;
    let again = next_message(&mut second).await;
    assert_eq!(again.id(), two.id(), "given again under the same id");
    let committed = again.cursor();
    let second = tokio::task::spawn_blocking(move || {
        second.commit_blocking(&committed).unwrap();
        second
    });
    assert_eq!(soon(second).await.unwrap().committed(), Some(committed));
}

#[tokio::test]
async fn a_damaged_file_is_no_beginning_and_a_failed_commit_is_none() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let dir = tempfile::tempdir().unwrap();
    let store = CursorStore::open(dir.path().join("cursors")).unwrap();
    let mut heard = durable(&client, &store).unwrap();
    let mut session = opened(&relay, &trust, "start", 0).await;
    let one = client.sign(draft("un")).unwrap();
    session.event(1, &one).await;
    let given = next_message(&mut heard).await;
    std::fs::rename(dir.path().join("cursors"), dir.path().join("gone")).unwrap();
    let failed = soon(heard.commit(&given.cursor())).await;
    assert!(matches!(failed, Err(StoreError::Io { .. })), "{failed:?}");
    assert_eq!(heard.committed(), None);
    std::fs::rename(dir.path().join("gone"), dir.path().join("cursors")).unwrap();
    soon(heard.commit(&given.cursor())).await.unwrap();
    drop(heard);
    std::fs::write(dir.path().join("cursors/live.poste-2.cursor"), "").unwrap();
    assert!(matches!(durable(&client, &store), Err(StoreError::Damaged { .. })));
}
