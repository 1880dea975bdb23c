//! Refusals for want of a seat: among the sessions of a key, and among the last that a relay has.

use std::time::{Duration, Instant};

use vigie_proto::refusal::Code::TooManySessions;
use vigie_tests::raw::Raw;
use vigie_tests::soon;
use vigie_tests::world::{has_passed, now};

use crate::case::{Case, Seen, apart};
use crate::draft::Who;
use crate::stage::{Stage, dismissal};

pub(crate) const CASES: &[Case] = &[
    apart("one session more of a key than may be", TooManySessions, || Box::pin(one_too_many_of_a_key())),
    apart("another session of a key where the last seats are kept", TooManySessions, || {
        Box::pin(the_last_are_kept())
    }),
];

/// Who said something last stays.
async fn one_too_many_of_a_key() -> Seen {
    let mut stage = Stage::with(|config| config.sessions_per_key_max = 2).await;
    let person = stage.live_person(|_| {});
    let mut first = Raw::log_in(&stage.world, stage.address(), &person).await;
    let mut silent = Raw::log_in(&stage.world, stage.address(), &person).await;
    // Silence is told in milliseconds.
    has_passed(now().plus(Duration::from_millis(2))).await;
    first.subscribe(&["alert/fr.idf.75.paris"], None).await;
    let mut newest = Raw::log_in(&stage.world, stage.address(), &person).await;
    let seen = dismissal(&mut silent).await;
    for twin in [&mut first, &mut newest] {
        assert_eq!(twin.subscribe(&["alert/fr.idf.75.paris"], None).await["op"], "subscribed");
    }
    drop((first, newest));
    stage.check_witnesses().await;
    stage.end();
    seen
}

/// Of 16 seats one is kept, for somebody who has none and may delegate.
async fn the_last_are_kept() -> Seen {
    let mut stage = Stage::with(|config| config.connections_max = 16).await;
    let person = stage.live_person(|_| {});
    let mut held = Vec::new();
    let mut spoke = Instant::now();
    let (seen, mut refused) = loop {
        // One that is silent for long would make room.
        if spoke.elapsed() > Duration::from_secs(3) {
            for raw in &mut held {
                Raw::subscribe(raw, &["alert/fr.idf.75.paris"], None).await;
            }
            spoke = Instant::now();
        }
        let mut newcomer = Raw::connect(&stage.world, stage.address()).await;
        let login = newcomer.login_frame(&person).await;
        newcomer.send(&login).await;
        let told = newcomer.frame().await;
        if told["op"] == "refused" {
            break (told, newcomer);
        }
        held.push(newcomer);
        assert!(held.len() < 16, "no seat was kept");
    };
    assert!(seen["detail"].as_str().unwrap().contains("come again in 10 s"), "{seen}");
    let seen = Seen::new(seen["code"].as_str().unwrap(), crate::stage::closed(&mut refused, &seen).await);
    // Who goes makes room, as soon as the relay notices.
    held.pop();
    soon(async {
        loop {
            let mut newcomer = Raw::connect(&stage.world, stage.address()).await;
            let login = newcomer.login_frame(&person).await;
            newcomer.send(&login).await;
            if newcomer.frame().await["op"] == "welcome" {
                break;
            }
        }
    })
    .await;
    drop(held);
    let author = stage.session(Who::Author).await;
    stage.give_back(Who::Author, author, None);
    stage.check_witnesses().await;
    stage.end();
    seen
}
