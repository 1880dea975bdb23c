//! The checker is checked: bugs are planted in the driver around relay and disk, and each must be caught under some of the
//! seeds under which the real thing passes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "in a test an unwrap is an assertion; a report is read by people"
)]

use std::collections::BTreeMap;

use vigie_tests::sim::checker::Promise;
use vigie_tests::sim::{Plant, run};

/// Seeds in which a planted bug must be caught, the same as in a usual run.
const SEEDS: u64 = 1_000;

/// Once it was caught this often, enough is known of how it shows.
const ENOUGH: usize = 3;

/// Runs until the bug was caught often enough; each catch must break one of these promises.
fn caught(plant: Plant, shows_as: &[Promise]) {
    let mut promises: BTreeMap<Promise, usize> = BTreeMap::new();
    let (mut first, mut seeds) = (None, 0);
    for seed in 0..SEEDS {
        let violations = run(seed, plant).violations;
        if violations.is_empty() {
            continue;
        }
        first.get_or_insert(seed);
        seeds += 1;
        for violation in &violations {
            *promises.entry(violation.promise).or_default() += 1;
        }
        if seeds == ENOUGH {
            break;
        }
    }
    let first = first.unwrap_or_else(|| panic!("{plant:?} was not caught in {SEEDS} seeds"));
    eprintln!("{plant:?}: caught after {} seeds, as {promises:?}", first + 1);
    assert!(
        shows_as.iter().any(|promise| promises.contains_key(promise)),
        "{plant:?} was caught as {promises:?}"
    );
}

#[test]
fn a_receipt_before_the_append_is_caught() {
    caught(Plant::ReceiptBeforeAppend, &[Promise::NothingIsLost, Promise::OnePlace]);
}

#[test]
fn an_event_given_twice_after_a_resume_is_caught() {
    caught(Plant::TwiceAfterResume, &[Promise::Once]);
}

#[test]
fn an_event_left_out_at_hand_over_is_caught() {
    caught(Plant::SkippedAtHandOver, &[Promise::Complete]);
}

#[test]
fn an_event_left_out_after_a_resume_is_caught() {
    caught(Plant::ResumedTooLate, &[Promise::Complete]);
}

#[test]
fn a_page_of_history_that_leaves_something_out_is_caught() {
    caught(Plant::PastSkipped, &[Promise::Complete]);
}

#[test]
fn an_exercise_given_to_a_live_reader_is_caught() {
    caught(Plant::ExerciseToLive, &[Promise::PlanesApart]);
}

#[test]
fn a_mark_that_claims_too_much_is_caught() {
    caught(Plant::MarkTooFar, &[Promise::Order, Promise::Complete]);
}

#[test]
fn a_sync_that_does_nothing_is_caught() {
    caught(Plant::SyncDoesNothing, &[Promise::NothingIsLost]);
}

#[test]
fn two_events_that_change_places_are_caught() {
    caught(Plant::Reordered, &[Promise::Order]);
}

#[test]
fn ids_that_retention_forgets_are_caught() {
    caught(Plant::IdsForgottenAtRetention, &[Promise::OnePlace, Promise::HonestReceipts]);
}

#[test]
fn a_retention_that_takes_too_much_is_caught() {
    caught(Plant::RemovedTooEarly, &[Promise::NothingIsLost]);
}

#[test]
fn a_chain_that_retention_did_not_keep_is_caught() {
    caught(Plant::ChainNotKeptAtRetention, &[Promise::NothingElse]);
}

#[test]
fn a_gap_that_is_not_told_is_caught() {
    caught(Plant::GapNotTold, &[Promise::Complete, Promise::HonestGaps]);
}

#[test]
fn damage_that_is_not_told_is_caught() {
    caught(Plant::DamageNotTold, &[Promise::Complete]);
}

#[test]
fn a_slow_reader_that_is_dropped_is_caught() {
    caught(Plant::SlowReaderDropped, &[Promise::NotCutOff]);
}

#[test]
fn a_cursor_of_another_log_taken_for_an_own_one_is_caught() {
    caught(Plant::OtherLogTakenForOwn, &[Promise::HonestGaps]);
}
