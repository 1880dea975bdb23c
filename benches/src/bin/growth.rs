//! What a publish costs a relay that knows so many channels, but for the disk: `growth 1000000`. Prints the CPU of a dispatch
//! to the one reader that the channel has, and that of the whole, in microseconds. `benches/compare/growth.py` runs it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that measures must stop, and tell")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use vigie_benches::hall::Hall;
use vigie_benches::load::Process;
use vigie_proto::frame::ClientFrame;
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::verify::verify;

/// So long are publishes timed together, and how often: the median counts. What the kernel tells a process of its own CPU
/// time moves on every 4 ms only.
const ROUND: Duration = Duration::from_millis(400);
const ROUNDS: usize = 7;

/// Calls between two looks at the clock.
const CALLS_UNLOOKED: u32 = 100;

/// A prime: each publish is of a channel far from that before it, and all channels have their turns.
const STEP: usize = 611_953;

fn main() -> anyhow::Result<()> {
    let channels: usize = std::env::args().nth(1).unwrap_or_default().parse()?;
    let mut hall = Hall::of_towns(channels);
    let (alert, chain) = hall.alert();
    let (frame, chain) = (format!(r#"{{"op":"publish","n":1,"jws":"{alert}"}}"#), chain.clone());
    let mut number = 0;
    let mut publish = || {
        number = (number + STEP) % channels;
        black_box(hall.publish_to(number));
    };
    let dispatch = measure(&mut publish)?;
    let whole = measure(|| {
        let ClientFrame::Publish { jws, .. } = ClientFrame::parse(&frame).unwrap() else { return };
        black_box(verify(&jws, &chain, MESSAGE_LIFETIME_MAX).unwrap());
        publish();
    })?;
    println!("{dispatch:.3} {whole:.3}");
    Ok(())
}

/// CPU of one call, in microseconds.
fn measure(mut call: impl FnMut()) -> anyhow::Result<f64> {
    let process = Process::new(std::process::id())?;
    let mut rounds = [0.0; ROUNDS];
    for round in &mut rounds {
        let (began, before, mut calls) = (Instant::now(), process.usage()?.cpu_ns, 0_u32);
        while began.elapsed() < ROUND {
            (0..CALLS_UNLOOKED).for_each(|_| call());
            calls += CALLS_UNLOOKED;
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let spent_us = (process.usage()?.cpu_ns - before) as f64 / 1e3;
        *round = spent_us / f64::from(calls);
    }
    rounds.sort_unstable_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2])
}
