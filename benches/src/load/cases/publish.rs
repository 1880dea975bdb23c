//! Durable publishes: each author sends its next message when the one before is on disk.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use super::{Latencies, Span, as_f64};
use crate::load::peer::Role;
use crate::load::{Crowd, Histogram, Process};

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    /// Authors, each on a connection of its own.
    pub authors: usize,
    /// Messages that were acknowledged.
    pub receipts: u64,
    /// In a second.
    pub per_second: f64,
    /// CPU of the server for one, in microseconds.
    pub cpu_us: f64,
    /// The share of a core that the server used.
    pub load: f64,
    /// From sending to the receipt.
    pub latency: Latencies,
}

/// Messages before anything is measured.
const WARM_UP: u64 = 200;
/// A server that acknowledges nothing for so long never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs it until so many messages are acknowledged.
///
/// # Errors
/// The server refuses, acknowledges nothing, or cannot be looked at.
pub fn run(crowd: &mut Crowd, server: &Process, authors: usize, messages: u64) -> anyhow::Result<Report> {
    let first = crowd.connect(Role::Author, authors)?;
    // One more of each author is under way at the end, and both counts may be passed by as many.
    crowd.prepare(Role::Author, WARM_UP + messages + 3 * authors as u64)?;
    let mut run = Run { crowd, sent: HashMap::new(), latency: Histogram::default(), receipts: 0 };
    for index in first..first + authors {
        run.send(index)?;
    }
    run.until(WARM_UP)?;
    run.latency = Histogram::default();
    let before = run.receipts;
    let span = Span::begin(server)?;
    run.until(before + messages)?;
    let used = span.end(server)?;
    let receipts = run.receipts - before;
    Ok(Report {
        authors,
        receipts,
        per_second: as_f64(receipts) / used.seconds,
        cpu_us: used.cpu_us / as_f64(receipts),
        load: used.cpu_us / 1e6 / used.seconds,
        latency: Latencies::from(&run.latency),
    })
}

struct Run<'a> {
    crowd: &'a mut Crowd,
    /// By the number of the message.
    sent: HashMap<u64, Instant>,
    latency: Histogram,
    receipts: u64,
}

impl Run<'_> {
    fn send(&mut self, index: usize) -> anyhow::Result<()> {
        let number = self.crowd.next();
        self.sent.insert(number, Instant::now());
        self.crowd.publish(index, 1)?;
        Ok(())
    }

    fn until(&mut self, receipts: u64) -> anyhow::Result<()> {
        let mut progress = Instant::now();
        while self.receipts < receipts {
            self.crowd.turn()?;
            for (index, number) in self.crowd.take_receipts() {
                let sent = self.sent.remove(&number).context("a receipt for nothing")?;
                self.latency.add(sent.elapsed());
                self.receipts += 1;
                progress = Instant::now();
                self.send(index)?;
            }
            if progress.elapsed() > PATIENCE || self.crowd.ended() > 0 {
                let why = self.crowd.take_error().unwrap_or_else(|| anyhow::anyhow!("nothing came"));
                return Err(why.context(format!("after {} receipts", self.receipts)));
            }
        }
        Ok(())
    }
}
