//! Every bad input has its own code and sentence, changes nothing, and leaves others unaffected.
//!
//! Each case says one fault. It is tried on a real relay over TLS, and then its *repaired twin*: the same with only that
//! fault removed, signed again where it lay under the signature, which is accepted. `stage.rs` says what is looked at.
//! The tables drive the tests and the walk over all codes alike: there is no second list.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "what a test does not expect, now or later, fails it")]
#![allow(clippy::print_stderr, reason = "a test that fails says which case it was at")]

mod case;
mod forge;
mod draft;
mod witness;
mod stage;
mod upgrade;
mod login;
mod chain;
mod attenuation;
mod frame;
mod line;
mod message;
mod seats;
mod whole;
mod parts;
mod revoked;
mod rotated;
mod shown;
mod noise;
mod noticed;

use std::collections::BTreeSet;

use case::{Attempt, Case, Seen};
use stage::Stage;
use vigie_proto::refusal::Code;

macro_rules! tables {
    (on_one_relay { $($test:ident: $table:ident;)* } apart { $($scenes:ident: $scene_table:ident;)* } shown { $($reading:ident: $events:ident;)* }) => {
        $(
            #[tokio::test]
            async fn $test() {
                Stage::new().await.run($table::CASES).await;
            }
        )*
        $(
            #[test]
            fn $scenes() {
                play($scene_table::CASES);
            }
        )*
        $(
            #[test]
            fn $reading() {
                shown::judge($events::CASES);
            }
        )*

        /// What the tests above go through.
        const TABLES: &[&[Case]] = &[$($table::CASES,)* $($scene_table::CASES,)* $($events::CASES),*];
    };
}
tables! {
    on_one_relay {
        requests_that_are_no_upgrade_are_answered_with_a_sentence: upgrade;
        log_ins_that_prove_nothing_end_the_connection: login;
        chains_that_do_not_lead_from_a_root_to_the_key_are_refused: chain;
        credentials_that_exceed_their_parent_are_refused: attenuation;
        frames_that_are_not_understood_are_refused: frame;
        messages_that_may_not_be_said_are_refused: message;
    }
    apart {
        a_seat_that_goes_to_another_is_told: seats;
        time_and_room_that_run_out_are_told: whole;
        a_disk_that_fails_is_told: parts;
        bytes_that_are_no_frames_are_told: line;
        what_is_revoked_is_refused: revoked;
        what_a_root_has_ended_is_refused: rotated;
    }
    shown {
        what_a_lying_relay_gives_is_never_shown_as_verified: shown;
    }
}

/// Plays scenes at the same time, since some of them wait for seconds.
fn play(cases: &[Case]) {
    std::thread::scope(|scope| {
        for case in cases {
            let Attempt::Apart(scene) = case.attempt else { panic!("{} needs no scene", case.fault) };
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                assert_eq!(runtime.block_on(scene()), Seen::promised(case.code), "{}", case.fault);
            });
        }
    });
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_their_connection_and_no_other() {
    noise::run().await;
}

#[tokio::test]
async fn text_in_another_encoding_is_told() {
    noise::run_other_encodings().await;
}

#[tokio::test]
async fn a_log_in_may_come_in_pieces() {
    noise::run_cut_log_in().await;
}

#[test]
fn every_code_is_provoked_and_has_words_of_its_own() {
    let provoked: BTreeSet<Code> =
        TABLES.iter().flat_map(|table| table.iter().map(|case| case.code)).collect();
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !provoked.contains(code)).collect();
    assert!(missing.is_empty(), "no case provokes {missing:?}");
    let words =
        |say: fn(Code) -> &'static str| Code::ALL.iter().map(|code| say(*code)).collect::<BTreeSet<_>>();
    for say in [Code::as_str, Code::english, Code::french] {
        assert_eq!(words(say).len(), Code::ALL.len(), "two codes share their words");
    }
    assert!(Code::ALL.iter().all(|code| code.english() != code.french()));
}
