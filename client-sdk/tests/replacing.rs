//! What replaces a message goes to those who may have that message, and to nobody else.
//!
//! Once it was labelled `TLP:CLEAR` by default: it took no effect, and told of what it named those who may not have it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod support;

use std::time::Duration;

use support::{FakeRelay, Trust, draft, soon};
use vigie_client::proto::cap::MsgType;
use vigie_client::proto::chain::Chain;
use vigie_client::proto::id::MessageId;
use vigie_client::proto::label::{Label, Tlp};
use vigie_client::proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_client::proto::message::Content;
use vigie_client::proto::severity::Severity;
use vigie_client::proto::verify::{self, VerifiedMessage, takes_effect_on};
use vigie_client::{Client, Draft, Live, Outbox, PublishError, ReplaceFault};

fn label(tlp: Tlp, orgs: &[&str]) -> Label {
    Label::new(tlp, orgs.iter().map(|org| org.parse().unwrap())).unwrap()
}

async fn client() -> Client<Live> {
    let trust = Trust::new(1);
    trust.client(&[&FakeRelay::start(&trust).await])
}

fn signed(client: &Client<Live>, draft: Draft) -> Result<VerifiedMessage, PublishError> {
    let chain: &std::sync::Arc<Chain> = client.config().identity.chain();
    let message = client.sign(draft)?;
    verify::verify(message.token(), chain, MESSAGE_LIFETIME_MAX).map_err(PublishError::Refused)
}

/// Once every line was a CAP Alert, whatever it replaced: nobody could tell an update from an all-clear.
#[tokio::test]
async fn a_line_says_whether_it_updates_or_cancels() {
    let client = client().await;
    let alert = signed(&client, draft("crue")).unwrap();
    let cap = |draft| signed(&client, draft).unwrap().message().content.cap.clone();
    let first = &alert.message().content.cap;
    assert_eq!((first.msg_type, &first.references), (MsgType::Alert, &None));
    let reference = format!("{},{},{}", first.sender, first.identifier, first.sent);

    let update = cap(draft("suite").replacing(&alert));
    assert_eq!((update.msg_type, update.references.as_ref()), (MsgType::Update, Some(&reference)));
    let cancel = cap(draft("fin").replacing(&alert).cancelling());
    assert_eq!((cancel.msg_type, cancel.references.as_ref()), (MsgType::Cancel, Some(&reference)));
    let by_id = cap(draft("fin").replaces([alert.id()]).label(Label::CLEAR).cancelling());
    assert_eq!((by_id.msg_type, by_id.references), (MsgType::Cancel, None));
    assert_eq!(cap(draft("rien").cancelling()).msg_type, MsgType::Alert, "it replaces nothing");

    // Whoever names his alerts so that two names fill a message does not keep others from cancelling them.
    let mut long = first.clone();
    long.identifier = "x".repeat(90_000);
    let (channel, severity) = (&alert.message().channel, alert.message().severity);
    let named = |cap| {
        let content = Content { cap, original: None };
        signed(&client, Draft::new(channel.clone(), severity, content)).unwrap()
    };
    let [one, two] = [named(long.clone()), named(long)];
    let cancel = cap(draft("fin").replacing(&one).replacing(&two).cancelling());
    assert_eq!((cancel.msg_type, cancel.references), (MsgType::Cancel, None));
}

#[tokio::test]
async fn an_update_is_for_those_who_heard_what_it_replaces() {
    let client = client().await;
    let week = Duration::from_secs(6 * 24 * 3_600);
    for of in [Label::CLEAR, Label::GREEN, label(Tlp::Amber, &["fr.a"]), label(Tlp::Red, &["fr.a", "fr.b"])] {
        let alert = signed(&client, draft("crue").label(of.clone()).lifetime(week)).unwrap();
        let update = signed(&client, draft("suite").replacing(&alert)).unwrap();
        let said = update.message();
        assert_eq!((&said.label, &said.replaces[..]), (&of, &[alert.id()][..]));
        assert!(takes_effect_on(&update, &alert));
        // Of which nothing but the id is at hand: not without a word on whom it is for.
        let named = || draft("suite").replaces([alert.id()]);
        let refused = signed(&client, named()).unwrap_err();
        assert!(
            matches!(refused, PublishError::Replaces(ReplaceFault::LabelNeeded)) && !refused.is_temporary(),
            "{refused}"
        );
        assert_eq!(signed(&client, named().label(of.clone())).unwrap().message().label, of);
    }
    let grave = Draft::line(
        "signal/fr.idf.75.paris".parse().unwrap(),
        Severity::Severe,
        "crue",
        "fr-FR",
        vigie_client::proto::cap::Urgency::Immediate,
    );
    let grave = signed(&client, grave).unwrap();
    let again = signed(&client, draft("suite").replacing(&grave)).unwrap();
    assert_eq!(again.message().severity, Severity::Severe);
}

#[tokio::test]
async fn a_label_wider_than_that_of_what_is_replaced_is_not_signed() {
    let client = client().await;
    let red = signed(&client, draft("crue").label(label(Tlp::Red, &["fr.a"]))).unwrap();
    let other = signed(&client, draft("crue").label(label(Tlp::Red, &["fr.b"]))).unwrap();
    let open = signed(&client, draft("crue")).unwrap();
    let wider = |draft: Draft, of: MessageId| {
        let error = signed(&client, draft).unwrap_err();
        assert!(
            matches!(&error, PublishError::Replaces(ReplaceFault::Wider { target, .. }) if *target == of),
            "{error}"
        );
    };
    for of in [Label::CLEAR, label(Tlp::Amber, &["fr.a"]), label(Tlp::Red, &["fr.a", "fr.b"])] {
        wider(draft("suite").replacing(&red).label(of), red.id());
    }
    // Those who may have the one may not have the other.
    wider(draft("suite").replacing(&red).replacing(&other), red.id());
    let both = signed(&client, draft("suite").replacing(&open).replacing(&red)).unwrap();
    assert_eq!(both.message().label, red.message().label);
    let mut elsewhere = red.message().channel.clone();
    elsewhere.at = "fr.idf.75.paris.nord".parse().unwrap();
    let elsewhere =
        Draft::new(elsewhere, red.message().severity, red.message().content.clone()).replacing(&red);
    assert!(matches!(
        signed(&client, elsewhere),
        Err(PublishError::Replaces(ReplaceFault::OtherChannel { .. }))
    ));
}

#[tokio::test]
async fn what_waits_in_an_outbox_can_be_replaced_before_it_is_sent() {
    let client = client().await;
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path(), &client).unwrap();
    let of = label(Tlp::AmberStrict, &["fr.a"]);
    let alert = soon(outbox.enqueue(draft("crue").label(of.clone()))).await.unwrap();
    let refused = soon(outbox.enqueue(draft("suite").replaces([alert.id]))).await;
    assert!(refused.unwrap_err().to_string().contains("label"));
    let update = soon(outbox.enqueue(draft("suite").replacing(&outbox.signed(alert.id).unwrap()))).await;
    assert_eq!(outbox.signed(update.unwrap().id).unwrap().message().label, of);
    assert!(outbox.signed(MessageId::from_bytes([1; 32])).is_none());
}
