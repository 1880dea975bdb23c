//! Refusals that need a relay to themselves: time passes, the clock jumps, the relay is full or stops.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use vigie_proto::limits::LOGIN_TIMEOUT;
use vigie_proto::refusal::Code::{
    Busy, ClockSuspect, CredentialExpired, Expired, GoingAway, LifetimeTooLong, LoginTimeout, NotGranted,
    NotLoggedIn, RateLimited, SessionExpired, TooManyBytes, TooManyConnections, TooManyFromAddress,
    TooManyStrangers, Unresponsive,
};
use vigie_proto::refusal::Ends;
use vigie_proto::time::Timestamp;
use vigie_relay::clock::{Clock, ShiftedTime, TimeSource};
use vigie_tests::raw::{Came, Raw, tls};
use vigie_tests::soon;
use vigie_tests::world::{has_passed, now};

use crate::case::{Case, Seen, apart};
use crate::draft::{MessageDraft, Request, Who};
use crate::forge::id_of;
use crate::stage::{Stage, dismissal};

pub(crate) const CASES: &[Case] = &[
    apart("no log-in within 10 s", LoginTimeout, || Box::pin(says_nothing())),
    apart("no log-in within the 3 s of an operator in a hurry", LoginTimeout, || {
        Box::pin(says_nothing_to(Duration::from_secs(3)))
    }),
    apart("a WebSocket that came late, and no log-in within 10 s of TCP", LoginTimeout, || {
        Box::pin(says_nothing_after_a_slow_start())
    }),
    apart("the credential ends while its holder listens", SessionExpired, || {
        Box::pin(outlives_its_credential())
    }),
    apart("a client that never answers", Unresponsive, || Box::pin(never_answers())),
    apart("the clock of the relay jumps ahead", ClockSuspect, || Box::pin(the_clock_jumps(121_000))),
    apart("the clock of the relay jumps back", ClockSuspect, || Box::pin(the_clock_jumps(-121_000))),
    apart("a message of an hour where the operator allows a minute", LifetimeTooLong, || {
        Box::pin(longer_than_the_operator_allows())
    }),
    apart("under another credential of the same key, which has ended", CredentialExpired, || {
        Box::pin(under_a_credential_that_ended())
    }),
    apart("another chain of the same key, which is a relay's", NotGranted, || {
        Box::pin(under_a_credential_of_a_relay())
    }),
    apart("a second page of history at the same time", Busy, || Box::pin(two_pages_at_once())),
    apart("expired, but for the same bytes again", Expired, || Box::pin(expired_since())),
    apart("the relay stops", GoingAway, || Box::pin(the_relay_stops())),
    apart("a frame between the log-in and `welcome`", NotLoggedIn, || Box::pin(speaks_too_early())),
    apart("more before the log-in than a log-in needs", TooManyBytes, || Box::pin(talks_too_much())),
    apart("a newcomer from an address that has its share of strangers", TooManyStrangers, || {
        Box::pin(one_stranger_too_many())
    }),
    apart("an author who publishes too fast", RateLimited, || Box::pin(too_fast(Who::Author))),
    apart("a session that brings chains too fast", RateLimited, || Box::pin(chains_too_fast())),
    apart("exercises that come too fast", RateLimited, || Box::pin(too_fast(Who::Drill))),
    apart("more connections than the relay can end", TooManyConnections, || Box::pin(more_than_can_end())),
    apart("one connection too many from one address", TooManyFromAddress, || {
        Box::pin(one_too_many_from_here())
    }),
];

async fn says_nothing() -> Seen {
    let mut stage = Stage::new().await;
    let mut mute = tls(&stage.world, stage.address()).await;
    let mut silent = Raw::connect(&stage.world, stage.address()).await;
    assert_eq!(silent.frame().await["op"], "challenge");
    let began = std::time::Instant::now();
    let seen = dismissal(&mut silent).await;
    assert!(began.elapsed() > Duration::from_secs(5), "hardly a phone on a bad network could log in");
    // One that does not even ask for a WebSocket has nobody to tell it to.
    assert_eq!(soon(mute.read(&mut [0; 64])).await.unwrap_or(0), 0);
    drop((silent, mute));
    stage.check_witnesses().await;
    let twin = stage.session(Who::Author).await;
    stage.give_back(Who::Author, twin, None);
    stage.end();
    seen
}

async fn says_nothing_to(login_timeout: Duration) -> Seen {
    let mut stage = Stage::with(|config| config.login_timeout = login_timeout).await;
    let began = std::time::Instant::now();
    let mut silent = Raw::connect(&stage.world, stage.address()).await;
    assert_eq!(silent.frame().await["op"], "challenge");
    let seen = dismissal(&mut silent).await;
    assert!(began.elapsed() < LOGIN_TIMEOUT, "the setting is not looked at");
    stage.check_witnesses().await;
    stage.end();
    seen
}

/// On a bad network TLS and the upgrade take their part of the 10 s.
async fn says_nothing_after_a_slow_start() -> Seen {
    let mut stage = Stage::new().await;
    let began = std::time::Instant::now();
    let slow = tls(&stage.world, stage.address()).await;
    let slow_twin = tls(&stage.world, stage.address()).await;
    // Not to wait for something: how long the start takes is the input of this case.
    has_passed(now().plus(Duration::from_secs(4))).await;
    let mut slow = Raw::upgrade_over(slow, &HeaderMap::new()).await.unwrap();
    let mut twin = Raw::upgrade_over(slow_twin, &HeaderMap::new()).await.unwrap();
    let login = twin.login_frame(&stage.live_person(|_| {})).await;
    twin.send(&login).await;
    assert_eq!(twin.frame().await["op"], "welcome");
    assert_eq!(slow.frame().await["op"], "challenge");
    let seen = dismissal(&mut slow).await;
    assert!(began.elapsed() < Duration::from_secs(13), "the 10 s began anew after the upgrade");
    drop(slow);
    assert_eq!(twin.subscribe(&["alert/fr.idf.75.paris"], None).await["op"], "subscribed");
    stage.check_witnesses().await;
    stage.end();
    seen
}

async fn outlives_its_credential() -> Seen {
    let mut stage = Stage::new().await;
    let ends = now().plus(Duration::from_secs(6));
    let brief = stage.live_person(|chain| chain.leaf().claims["expires"] = ends.as_millis().into());
    let mut brief = Raw::log_in(&stage.world, stage.address(), &brief).await;
    brief.subscribe(&["alert/fr.idf.75.paris"], None).await;
    let lasting = stage.session(Who::Author).await;
    stage.give_back(Who::Author, lasting, None);
    let seen = dismissal(&mut brief).await;
    assert!(now() >= ends, "it ended before its credential");
    stage.check_witnesses().await;
    let jws = stage.message(Who::Author).to_token();
    assert_eq!(stage.try_publish(Who::Author, &jws).await, None);
    stage.end();
    seen
}

/// Logs in, and wants marks as often as there are any.
async fn impatient(stage: &Stage) -> Raw {
    let mut raw = Raw::connect(&stage.world, stage.address()).await;
    let frame = raw.login_frame(&stage.live_person(|_| {})).await;
    raw.send(&frame.replacen('{', r#"{"mark_ms":1000,"#, 1)).await;
    assert_eq!(raw.frame().await["mark_ms"], 1000);
    raw
}

/// A client answers pings when it reads: one that does not read answers none.
async fn never_answers() -> Seen {
    let mut stage = Stage::new().await;
    let (mut deaf, mut twin) = (impatient(&stage).await, impatient(&stage).await);
    // Past 2.4 intervals, and past the mark after them.
    let came = tokio::time::timeout(Duration::from_secs(4), twin.next()).await;
    assert!(came.is_err(), "nothing but marks comes to one who answers, not {came:?}");
    let seen = dismissal(&mut deaf).await;
    assert_eq!(twin.subscribe(&["alert/fr.idf.75.paris"], None).await["op"], "subscribed");
    stage.check_witnesses().await;
    stage.end();
    seen
}

#[derive(Debug, Clone, Default)]
struct Shifted(Arc<ShiftedTime>);

impl TimeSource for Shifted {
    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn wall(&self) -> Timestamp {
        self.0.wall()
    }
}

async fn the_clock_jumps(by_ms: i64) -> Seen {
    let time = Shifted::default();
    let mut stage = Stage::with(|config| config.clock = Clock::new(Box::new(time.clone()))).await;
    let before = stage.message(Who::Author).to_token();
    assert_eq!(stage.try_publish(Who::Author, &before).await, None);
    let message = stage.message(Who::Author).to_token();
    time.0.shift(by_ms);
    let seen = stage.try_publish(Who::Author, &message).await;
    // What is in the log has its receipt whatever the clock says.
    assert_eq!(stage.try_publish(Who::Author, &before).await, None);
    time.0.shift(0);
    stage.check_witnesses().await;
    assert_eq!(stage.try_publish(Who::Author, &message).await, None);
    stage.check_witnesses().await;
    stage.end();
    seen.expect("a relay whose clock jumped admits nothing")
}

async fn the_relay_stops() -> Seen {
    let mut stage = Stage::new().await;
    stage.check_witnesses().await;
    let mut session = Raw::log_in(&stage.world, stage.address(), &stage.live_person(|_| {})).await;
    let seen = stage
        .restart(async move {
            let away = session.frame().await;
            assert!(away["retry_ms"].as_u64().is_some_and(|retry| retry > 0), "{away}");
            let Came::Closed(number, reason) = session.next().await else {
                panic!("it is closed after {away}")
            };
            assert_eq!(reason, away["op"]);
            Seen::new(&reason, Ends::Close(number))
        })
        .await;
    stage.check_witnesses().await;
    let jws = stage.message(Who::Author).to_token();
    assert_eq!(stage.try_publish(Who::Author, &jws).await, None);
    stage.end();
    seen
}

/// Each newcomer is a stranger for whom the one before has to go, and those take their time to: no other way leads to
/// this bound.
async fn more_than_can_end() -> Seen {
    let mut stage = Stage::with(|config| (config.connections_max, config.strangers_max) = (3, 1)).await;
    let mut held = Vec::new();
    let seen = soon(async {
        loop {
            match Raw::upgrade(&stage.world, stage.address(), &HeaderMap::new()).await {
                Ok(raw) => held.push(raw),
                Err(_) => match stage.request(&Request::new()).await {
                    Some(seen) => break seen,
                    None => continue,
                },
            }
        }
    })
    .await;
    // The seats, as many that close, two strangers.
    assert!(held.len() > 3, "{}", held.len());
    stage.check_witnesses().await;
    drop(held);
    soon(async { while stage.request(&Request::new()).await.is_some() {} }).await;
    stage.check_witnesses().await;
    stage.end();
    seen
}

/// The two witnesses, and one more from their address.
async fn one_too_many_from_here() -> Seen {
    let mut stage = Stage::with(|config| config.connections_per_address_max = 3).await;
    let third = stage.session(Who::Author).await;
    let seen = stage.request(&Request::new()).await;
    stage.check_witnesses().await;
    drop(third);
    // The relay notices in its own time that there is room again.
    soon(async { while stage.request(&Request::new()).await.is_some() {} }).await;
    stage.check_witnesses().await;
    stage.end();
    seen.expect("there was no room")
}

/// Pings are answered, but count.
async fn talks_too_much() -> Seen {
    let mut stage = Stage::new().await;
    let mut raw = Raw::connect(&stage.world, stage.address()).await;
    assert_eq!(raw.frame().await["op"], "challenge");
    for _ in 0..24 * 1024 / 125 {
        raw.send_message(Message::Ping(vec![7; 125].into())).await;
    }
    let seen = dismissal(&mut raw).await;
    stage.check_witnesses().await;
    let mut twin = Raw::connect(&stage.world, stage.address()).await;
    let login = twin.login_frame(&stage.live_person(|_| {})).await;
    for _ in 0..8 * 1024 / 125 {
        twin.send_message(Message::Ping(vec![7; 125].into())).await;
    }
    twin.send(&login).await;
    assert_eq!(twin.frame().await["op"], "welcome");
    stage.end();
    seen
}

/// Those who are logged in are no strangers: there are more of them than strangers may be.
async fn one_stranger_too_many() -> Seen {
    let mut stage = Stage::with(|config| config.strangers_per_address_max = 1).await;
    let twin = stage.session(Who::Author).await;
    let mut slow = Raw::connect(&stage.world, stage.address()).await;
    assert_eq!(slow.frame().await["op"], "challenge");
    let mut newcomer = Raw::connect(&stage.world, stage.address()).await;
    let seen = dismissal(&mut slow).await;
    let login = newcomer.login_frame(&stage.live_person(|_| {})).await;
    newcomer.send(&login).await;
    assert_eq!(newcomer.frame().await["op"], "welcome");
    stage.give_back(Who::Author, twin, None);
    stage.check_witnesses().await;
    stage.end();
    seen
}

/// Four fifths of a burst of ten, or of the quarter of forty that exercises have.
async fn too_fast(who: Who) -> Seen {
    let mut stage = Stage::with(|config| match who {
        Who::Drill => config.publishes_max = Some(40),
        _ => config.publishes_per_credential_max = 10,
    })
    .await;
    let mut session = stage.session(who).await;
    let mut draft = stage.message(who);
    let mut saying = |number: usize| {
        draft.cap()["note"] = number.to_string().into();
        draft.to_token()
    };
    let refused = loop {
        let answer = session.publish(&saying(usize::try_from(session.n).unwrap())).await;
        if answer["op"] == "refused" {
            break answer;
        }
        assert!(session.n < 1_000, "nothing held it back");
    };
    assert!(session.n > 8, "only {} were let through", session.n);
    // The session goes on, and in a while so may the author.
    let again = saying(usize::try_from(session.n).unwrap() - 1);
    soon(async { while session.publish(&again).await["op"] != "receipt" {} }).await;
    Seen::new(refused["code"].as_str().unwrap(), Ends::Request)
}

/// The last fifth of a burst of ten is for revocations.
async fn chains_too_fast() -> Seen {
    let mut stage = Stage::with(|config| config.chains_per_credential_max = 10).await;
    let mut session = stage.session(Who::Author).await;
    let chain = stage.other_chain(|_| {});
    let frame = |op: &str, n: u64| json!({"op": op, "n": n, "chain": chain, "jws": "no token"}).to_string();
    let refused = loop {
        session.n += 1;
        let (n, brings) = (session.n, frame("chain", session.n));
        session.send(&brings).await;
        let answer = session.answer(n).await;
        if answer["op"] == "refused" {
            break answer;
        }
        assert_eq!(answer["op"], "accepted", "{answer}");
        assert!(session.n < 1_000, "nothing held it back");
    };
    assert!(session.n > 8, "only {} were let through", session.n);
    session.n += 1;
    let (n, revokes) = (session.n, frame("revoke", session.n));
    session.send(&revokes).await;
    assert_ne!(session.answer(n).await["code"], refused["code"], "a revocation is judged");
    stage.give_back(Who::Author, session, None);
    stage.check_witnesses().await;
    stage.end();
    Seen::new(refused["code"].as_str().unwrap(), Ends::Request)
}

async fn speaks_too_early() -> Seen {
    let mut stage = Stage::new().await;
    let person = stage.live_person(|_| {});
    let subscribe = r#"{"op":"subscribe","n":1,"channels":["alert/fr.idf.75.paris"]}"#;
    let mut seen = Vec::new();
    // However the two fall into the relay's reads: a short one after it, and a long one.
    for padding in [0, 3_000] {
        let mut raw = Raw::connect(&stage.world, stage.address()).await;
        let login = raw.login_frame(&person).await;
        let next = format!(r#"{}{}"#, subscribe, " ".repeat(padding));
        raw.send_at_once(&[&login, &next]).await;
        seen.push(dismissal(&mut raw).await);
    }
    assert_eq!(seen[0], seen[1]);
    stage.check_witnesses().await;
    let mut twin = Raw::connect(&stage.world, stage.address()).await;
    let login = twin.login_frame(&person).await;
    twin.send(&login).await;
    assert_eq!(twin.frame().await["op"], "welcome");
    twin.send(subscribe).await;
    assert_eq!(twin.frame().await["op"], "subscribed");
    stage.end();
    seen.remove(0)
}

async fn longer_than_the_operator_allows() -> Seen {
    let mut stage = Stage::with(|config| config.lifetime_max = Duration::from_secs(60)).await;
    // The witnesses' own messages live for an hour, as drafts do: nothing is said by them here.
    let mut draft = stage.message(Who::Author);
    let mut session = stage.session(Who::Author).await;
    let refused = session.publish(&draft.to_token()).await;
    draft.payload["expires"] = (draft.payload["sent"].as_u64().unwrap() + 60_000).into();
    assert_eq!(session.publish(&draft.to_token()).await["seq"], 1);
    Seen::new(refused["code"].as_str().unwrap(), Ends::Request)
}

/// Gives the relay another chain of the author's key, and drafts a message under it.
async fn under(stage: &mut Stage, chain: Vec<String>) -> MessageDraft {
    let mut draft = stage.message(Who::Author);
    draft.header["kid"] = id_of(chain.last().unwrap()).into();
    assert_eq!(stage.ask(|frame| frame.frame = json!({"op": "chain", "chain": chain})).await, None);
    draft
}

async fn under_a_credential_that_ended() -> Seen {
    let mut stage = Stage::new().await;
    let ends = now().plus(Duration::from_secs(6));
    let chain = stage.other_chain(|chain| chain.leaf().claims["expires"] = ends.as_millis().into());
    let draft = under(&mut stage, chain).await;
    has_passed(ends).await;
    let seen = stage.try_publish(Who::Author, &draft.to_token()).await;
    stage.check_witnesses().await;
    let mut twin = draft;
    twin.header["kid"] = stage.author.id().into();
    assert_eq!(stage.try_publish(Who::Author, &twin.to_token()).await, None);
    stage.end();
    seen.expect("the credential had ended")
}

async fn under_a_credential_of_a_relay() -> Seen {
    let mut stage = Stage::new().await;
    let chain = stage.other_chain(|chain| chain.leaf().claims["role"] = "relay".into());
    let seen = stage.ask(|frame| frame.frame = json!({"op": "chain", "chain": chain})).await;
    stage.check_witnesses().await;
    let chain = stage.other_chain(|chain| chain.leaf().claims["role"] = "author".into());
    under(&mut stage, chain).await;
    stage.end();
    seen.expect("a relay publishes nothing")
}

async fn two_pages_at_once() -> Seen {
    let mut stage = Stage::new().await;
    stage.check_witnesses().await;
    let mut session = stage.session(Who::Author).await;
    let page = |n| {
        format!(
            r#"{{"op":"history","n":{n},"channels":["alert/fr.idf.75.paris"],"after":"start","limit":1}}"#
        )
    };
    session.send_at_once(&[&page(1), &page(2)]).await;
    let refused = session.answer(2).await;
    // The first page is given all the same, and then the second one.
    for n in [1, 3] {
        if n == 3 {
            session.send(&page(3)).await;
        }
        assert_eq!(session.answer(n).await["op"], "past");
        assert_eq!(session.answer(n).await["op"], "page");
    }
    stage.check_witnesses().await;
    session.n = 3;
    stage.give_back(Who::Author, session, None);
    stage.end();
    Seen::new(refused["code"].as_str().unwrap(), Ends::Request)
}

/// What is in the log keeps its receipt, whatever has expired since.
async fn expired_since() -> Seen {
    let mut stage = Stage::new().await;
    let mut draft = stage.message(Who::Author);
    let expires = now().plus(Duration::from_secs(6));
    draft.payload["expires"] = expires.as_millis().into();
    let known = draft.to_token();
    assert_eq!(stage.try_publish(Who::Author, &known).await, None);
    let mut session = stage.session(Who::Author).await;
    let first = session.publish(&known).await;
    has_passed(expires).await;
    // On another session of the same author, too.
    drop(session);
    let mut session = stage.session(Who::Author).await;
    let again = session.publish(&known).await;
    assert_eq!((&first["seq"], &first["admitted"]), (&again["seq"], &again["admitted"]));
    stage.give_back(Who::Author, session, None);
    draft.cap()["note"] = "autre".into();
    let seen = stage.try_publish(Who::Author, &draft.to_token()).await;
    stage.check_witnesses().await;
    draft.payload["expires"] = now().plus(Duration::from_secs(60)).as_millis().into();
    assert_eq!(stage.try_publish(Who::Author, &draft.to_token()).await, None);
    stage.end();
    seen.expect("it had expired")
}
