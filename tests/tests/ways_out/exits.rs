//! The exits, and what is seen at each: by the outsider, and by his twin without whom nothing would be shown.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use vigie_client::proto::frame::Start;
use vigie_client::{Delivery, Exercise, Live, OnPlane};
use vigie_proto::channel::Plane;
use vigie_proto::revocation::{self, Statement, Target};
use vigie_tests::raw::Raw;
use vigie_tests::soon;
use vigie_tests::world::{Person, now};

use crate::cast::{Cast, Listener};
use crate::ear::Ear;

/// A way by which something of a message, or that there is one, could reach somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Live,
    Behind,
    History,
    Credential,
    Reach,
    Republish,
    Disowned,
}

/// What whoever is given it finds; the id is a hash of it and in no frame.
const ALL_OF_IT: [&str; 6] = ["bytes", "signature", "text", "author", "credential", "name"];

impl Exit {
    pub(crate) const ALL: [Self; 7] = [
        Self::Live,
        Self::Behind,
        Self::History,
        Self::Credential,
        Self::Reach,
        Self::Republish,
        Self::Disowned,
    ];

    /// The row of the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Behind => "behind",
            Self::History => "history",
            Self::Credential => "chain by id",
            Self::Reach => "reach",
            Self::Republish => "published again",
            Self::Disowned => "disowned",
        }
    }
}

/// What the outsider sees there, in the words of the table; that the twin sees more is asserted.
pub(crate) async fn seen(exit: Exit, cast: &Cast) -> &'static str {
    let relay = cast.world.relay();
    let at = relay.local_addr();
    let seen = match exit {
        Exit::Live => live(cast, at).await,
        Exit::Behind => behind(cast, at).await,
        Exit::History => history(cast, at).await,
        Exit::Credential => credential(cast, at).await,
        Exit::Reach => reach(cast, at).await,
        Exit::Republish => republish(cast, at).await,
        Exit::Disowned => disowned(cast, at).await,
    };
    relay.stop(Duration::from_secs(5)).unwrap();
    seen
}

async fn publish(cast: &Cast, at: SocketAddr, who: &Person, jws: &str) -> Value {
    let receipt = Raw::log_in(&cast.world, at, who).await.publish(jws).await;
    assert_eq!(receipt["op"], "receipt", "{receipt}");
    receipt
}

/// Publishes what the listener hears for sure.
async fn fence(cast: &Cast, at: SocketAddr, listener: &Listener, text: &str) -> String {
    let (root, jws) = cast.fence(listener, text);
    publish(cast, at, &root, &jws).await;
    jws
}

/// The twin was told everything, the outsider nothing.
fn compared(cast: &Cast, outsider: &Ear, twin: &Ear) -> &'static str {
    let found = twin.found(cast);
    assert!(ALL_OF_IT.iter().all(|what| found.contains(what)), "the twin has only {found:?}");
    match &outsider.found(cast)[..] {
        [] => "nothing",
        some => panic!("the outsider was told {some:?}: {:#?}", outsider.heard),
    }
}

async fn live(cast: &Cast, at: SocketAddr) -> &'static str {
    let mut outsider = Ear::log_in(cast, at, &cast.outsider).await;
    let mut twin = Ear::log_in(cast, at, &cast.twin).await;
    outsider.subscribe(&cast.outsider, None).await;
    twin.subscribe(&cast.twin, None).await;
    publish(cast, at, &cast.author, &cast.jws).await;
    let behind_it = fence(cast, at, &cast.outsider, "fin").await;
    outsider.until_event(&behind_it).await;
    twin.until_event(&cast.jws).await;
    compared(cast, &outsider, &twin)
}

async fn behind(cast: &Cast, at: SocketAddr) -> &'static str {
    publish(cast, at, &cast.author, &cast.jws).await;
    let behind_it = fence(cast, at, &cast.outsider, "fin").await;
    let mut outsider = Ear::log_in(cast, at, &cast.outsider).await;
    let mut twin = Ear::log_in(cast, at, &cast.twin).await;
    outsider.subscribe(&cast.outsider, Some("start")).await;
    twin.subscribe(&cast.twin, Some("start")).await;
    outsider.until_event(&behind_it).await;
    twin.until_event(&cast.jws).await;
    compared(cast, &outsider, &twin)
}

async fn history(cast: &Cast, at: SocketAddr) -> &'static str {
    publish(cast, at, &cast.author, &cast.jws).await;
    let behind_it = fence(cast, at, &cast.outsider, "fin").await;
    let mut ears = Vec::new();
    for listener in [&cast.outsider, &cast.twin] {
        let mut ear = Ear::log_in(cast, at, listener).await;
        let mut after = Value::from("start");
        loop {
            let request =
                json!({"op": "history", "channels": [listener.filter], "after": after, "limit": 256});
            let page = ear.ask(request).await;
            assert_eq!(page["op"], "page", "{page}");
            if page["end"] == true {
                break;
            }
            after = page["next"].clone();
        }
        ears.push(ear);
    }
    assert!(ears[0].heard.iter().any(|text| text.contains(&behind_it)), "the outsider's own page is empty");
    compared(cast, &ears[0], &ears[1])
}

/// Who was given the message is given the chain of its author again. Who was not gets what he gets for a credential that
/// no relay has: the answer tells nobody whether there is one.
async fn credential(cast: &Cast, at: SocketAddr) -> &'static str {
    publish(cast, at, &cast.author, &cast.jws).await;
    let behind_it = fence(cast, at, &cast.outsider, "fin").await;
    let mut outsider = Ear::log_in(cast, at, &cast.outsider).await;
    let mut twin = Ear::log_in(cast, at, &cast.twin).await;
    outsider.subscribe(&cast.outsider, Some("start")).await;
    twin.subscribe(&cast.twin, Some("start")).await;
    outsider.until_event(&behind_it).await;
    twin.until_event(&cast.jws).await;
    let id = cast.author.chain.leaf().id().to_string();
    let nobody = "A".repeat(id.len());
    let asked = |id: &str| json!({"op": "credential", "id": id});
    let again = twin.ask(asked(&id)).await;
    assert_eq!(again["op"], "chain", "{again}");
    let (known, unknown) = (outsider.ask(asked(&id)).await, outsider.ask(asked(&nobody)).await);
    let text = |answer: &Value, asked: &str| {
        let mut answer = answer.clone();
        answer["re"] = 0.into();
        answer.to_string().replace(asked, "ID")
    };
    assert_eq!(text(&known, &id), text(&unknown, &nobody));
    assert_eq!(known["code"], "unknown_credential", "{known}");
    "as if unknown"
}

/// Both listen; the author is told of the one.
async fn reach(cast: &Cast, at: SocketAddr) -> &'static str {
    let mut outsider = Ear::log_in(cast, at, &cast.outsider).await;
    let mut twin = Ear::log_in(cast, at, &cast.twin).await;
    outsider.subscribe(&cast.outsider, None).await;
    twin.subscribe(&cast.twin, None).await;
    let author = Listener { person: cast.author.clone(), filter: String::new() };
    let mut author = Ear::log_in(cast, at, &author).await;
    let receipt = author.ask(json!({"op": "publish", "jws": cast.jws})).await;
    assert_eq!(receipt["op"], "receipt", "{receipt}");
    let reach = match author.heard.iter().find(|text| text.contains(r#""op":"reach""#)) {
        Some(text) => serde_json::from_str(text).unwrap(),
        None => author.until(|frame| frame["op"] == "reach").await,
    };
    // A session that was just told `subscribed` may still be about to turn live.
    let counted = reach["live"].as_u64().unwrap() + reach["behind"].as_u64().unwrap();
    match counted {
        1 => "not counted",
        other => panic!("{other} of one: {reach}"),
    }
}

/// Who gets hold of the bytes and sends them learns nothing of whether they are in the log.
async fn republish(cast: &Cast, at: SocketAddr) -> &'static str {
    let first = publish(cast, at, &cast.author, &cast.jws).await;
    let mut outsider = Ear::log_in(cast, at, &cast.outsider).await;
    let other = cast.author.sign(&vigie_proto::message::Message {
        expires: cast.secret.expires.plus(Duration::from_millis(1)),
        ..cast.secret.clone()
    });
    let mut answers = Vec::new();
    for jws in [&cast.jws, &other] {
        let mut answer = outsider.ask(json!({"op": "publish", "jws": jws})).await;
        answer["re"] = 0.into();
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1], "what is in the log, and what is not");
    let again = publish(cast, at, &cast.author, &cast.jws).await;
    assert_eq!(
        (&again["seq"], &again["admitted"]),
        (&first["seq"], &first["admitted"]),
        "its author has the receipt"
    );
    assert_eq!(answers[0]["code"], "not_author", "{}", answers[0]);
    "as if unknown"
}

/// The author is revoked, from before the message: it is taken back from those who were given it, and others are told of no
/// message.
async fn disowned(cast: &Cast, at: SocketAddr) -> &'static str {
    if cast.secret.channel.plane == Plane::Live {
        disowned_on::<Live>(cast, at).await
    } else {
        disowned_on::<Exercise>(cast, at).await
    }
}

async fn disowned_on<P: OnPlane>(cast: &Cast, at: SocketAddr) -> &'static str {
    let from = now();
    publish(cast, at, &cast.author, &cast.jws).await;
    let live = cast.secret.channel.plane == Plane::Live;
    let command = if live { &cast.world.live } else { &cast.world.exercise };
    let target = Target::Key(cast.author.key.public().thumbprint());
    let statement = Statement { target, from: from.minus(Duration::from_secs(1)), number: 1, reason: None };
    let jws = revocation::sign(&command.root.key, command.root.chain.leaf(), &statement);
    let mut root = Raw::log_in(&cast.world, at, &command.root).await;
    root.send(&json!({"op": "revoke", "n": 9, "jws": jws}).to_string()).await;
    let revoked = root.answer(9).await;
    assert_eq!(revoked["op"], "revoked", "{revoked}");
    let behind_it = fence(cast, at, &cast.outsider, "fin").await;
    // The twin by the SDK, which says what is disowned; the outsider by hand, who is told so much that he could.
    let twin = cast.world.client::<P>(at, &cast.twin.person);
    let mut heard = twin.subscribe(vec![cast.twin.filter.parse().unwrap()], Start::Beginning);
    loop {
        match soon(heard.next()).await.expect("the subscription goes on") {
            Delivery::Disowned(disowned) => {
                assert!(cast.jws.contains('.') && !disowned.given_before);
                break;
            }
            Delivery::CaughtUp(_) => panic!("the twin caught up and nothing was disowned"),
            _ => {}
        }
    }
    let mut outsider = Ear::log_in(cast, at, &cast.outsider).await;
    outsider.subscribe(&cast.outsider, Some("start")).await;
    outsider.until_event(&behind_it).await;
    match &outsider.found(cast)[..] {
        [] => "nothing",
        some => panic!("the outsider was told {some:?}: {:#?}", outsider.heard),
    }
}
