//! One step of the hot path, so many times: for a count of instructions, which no noise of a machine can shake.
//! `benches/instructions.py` runs it, twice for each step with another number of rounds, and compares the difference.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a program that measures must stop when it cannot be set up"
)]

use std::hint::black_box;
use std::process::ExitCode;

use vigie_benches::Fixture;
use vigie_benches::hall::Hall;
use vigie_proto::chain::{Chain, NoVerdicts};
use vigie_proto::frame::ClientFrame;
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::verify::verify;

/// A message to 100 readers, one at a time and 32 at once.
fn fan_out(readers: usize, events: usize, rounds: u32) {
    let mut hall = Hall::new(readers);
    for _ in 0..rounds {
        black_box(hall.publish(events));
    }
}

/// A reader comes and goes among so many others.
fn sessions(readers: usize, rounds: u32) {
    let mut hall = Hall::new(readers);
    for _ in 0..rounds {
        let reader = hall.enter("alert/fr");
        hall.leave(reader);
    }
}

fn frame(rounds: u32) {
    let frame = format!(r#"{{"op":"publish","n":1,"jws":"{}"}}"#, Fixture::default().alert());
    for _ in 0..rounds {
        black_box(ClientFrame::parse(black_box(&frame)).unwrap());
    }
}

fn verify_warm(rounds: u32) {
    let fixture = Fixture::default();
    let alert = fixture.alert();
    for _ in 0..rounds {
        black_box(verify(black_box(&alert), &fixture.chain, MESSAGE_LIFETIME_MAX).unwrap());
    }
}

fn verify_cold(rounds: u32) {
    let fixture = Fixture::default();
    let links: Vec<_> = fixture.chain.links().iter().map(|link| link.token().to_string()).collect();
    for _ in 0..rounds {
        black_box(Chain::verify(links.iter().map(|link| &**link), &fixture.roots, &NoVerdicts).unwrap());
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [step, rounds] = &arguments[..] else {
        eprintln!("usage: hot_path STEP ROUNDS");
        return ExitCode::from(2);
    };
    let rounds: u32 = rounds.parse().unwrap();
    match step.as_str() {
        "deliver_1_to_100" => fan_out(100, 1, rounds),
        "deliver_32_to_100" => fan_out(100, 32, rounds),
        "session_among_10" => sessions(10, rounds),
        "session_among_200" => sessions(200, rounds),
        "publish_frame" => frame(rounds),
        "verify_known_chain" => verify_warm(rounds),
        "verify_cold_chain" => verify_cold(rounds),
        _ => {
            eprintln!("there is no step {step}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
