//! What is measured.

pub mod connect;
pub mod fanout;
pub mod publish;

use std::time::Instant;

use serde::Serialize;

use super::{Histogram, Process, Usage};

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latencies {
    /// Half were at most this.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// All.
    pub max: f64,
}

impl From<&Histogram> for Latencies {
    fn from(histogram: &Histogram) -> Self {
        let [p50, p99, p999] = [500, 990, 999].map(|per_mille| histogram.per_mille(per_mille));
        Self { p50, p99, p999, max: histogram.max() }
    }
}

/// What the server used between two moments.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: Instant,
    usage: Usage,
}

impl Span {
    fn begin(process: &Process) -> anyhow::Result<Self> {
        Ok(Self { usage: process.usage()?, start: Instant::now() })
    }

    fn end(&self, process: &Process) -> anyhow::Result<Used> {
        let seconds = self.start.elapsed().as_secs_f64();
        let usage = process.usage()?;
        let cpu_us = as_f64(usage.cpu_ns - self.usage.cpu_ns) / 1e3;
        Ok(Used { seconds, cpu_us, writes: as_f64(usage.writes - self.usage.writes) })
    }
}

/// Of a span.
#[derive(Clone, Copy, Debug)]
struct Used {
    seconds: f64,
    cpu_us: f64,
    writes: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^52")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}
