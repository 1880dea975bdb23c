//! What a measurement came to, as text and as JSON: the command, the machine, how much, how late, what was lost.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use vigie_client::PublishError;

use super::bed::Bed;
use crate::cli::exit::Outcome;
use crate::cli::screen::{Screen, Tone, escape};

/// How long each of many took.
#[derive(Clone, Debug, Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// `None` when there is none.
    pub(super) fn latencies(&mut self) -> Option<Latencies> {
        self.0.sort_unstable();
        let last = self.0.len().checked_sub(1)?;
        let at = |per_mille: usize| {
            // The smallest that so many of a thousand do not exceed.
            let rank = (self.0.len() * per_mille).div_ceil(1_000).max(1) - 1;
            self.0[rank.min(last)].as_secs_f64() * 1e3
        };
        Some(Latencies { p50: at(500), p90: at(900), p99: at(990), p999: at(999), max: at(1_000) })
    }
}

/// Milliseconds that so many did not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Latencies {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// What a measurement came to.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// What was asked of the relay: publishes, connections.
    pub(super) asked: u64,
    /// What should have come of it: deliveries, receipts, connections.
    pub(super) expected: u64,
    /// From when each was due.
    pub(super) times: Times,
    /// How late we were ourselves.
    pub(super) late: Times,
    /// By code, or another word for what went wrong.
    pub(super) failed: BTreeMap<String, u64>,
    /// From the first to the last.
    pub(super) took: Duration,
}

impl Figures {
    pub(super) fn new(asked: u64, expected: u64) -> Self {
        Self { asked, expected, ..Self::default() }
    }

    pub(super) fn note_failure(&mut self, why: &str) {
        *self.failed.entry(why.to_owned()).or_default() += 1;
    }

    pub(super) fn note_publish_failure(&mut self, error: &PublishError) {
        match error {
            PublishError::Refused(refusal) => self.note_failure(refusal.code.as_str()),
            PublishError::NotSent(_) => self.note_failure("not_sent"),
            PublishError::Unknown { .. } => self.note_failure("unknown"),
            other @ (PublishError::TooLarge { .. } | _) => self.note_failure(&escape(&other.to_string())),
        }
    }

    /// What should have come and did not.
    pub(super) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.times.count())
    }
}

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    case: &'a str,
    command: String,
    version: &'static str,
    machine: Machine,
    relay: Option<String>,
    channel: String,
    asked: u64,
    expected: u64,
    came: u64,
    lost: u64,
    failed: &'a BTreeMap<String, u64>,
    seconds: f64,
    latency_ms: Option<Latencies>,
    late_ms: Option<Latencies>,
}

/// Where the load came from.
#[derive(Debug, Serialize)]
struct Machine {
    os: &'static str,
    arch: &'static str,
    cores: usize,
    processor: Option<String>,
}

impl Machine {
    fn here() -> Self {
        let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: model.map(|(_, name)| name.trim().to_owned()),
        }
    }
}

/// A load generator that is later than this measures itself.
const LATE_MS: f64 = 50.0;

/// Tells it. `is_ours`: the relay was made for the purpose.
pub(super) fn show(screen: &Screen, case: &str, bed: &Bed, is_ours: bool, mut figures: Figures) -> Outcome {
    let (latency_ms, late_ms) = (figures.times.latencies(), figures.late.latencies());
    let (lang, lost, machine) = (screen.lang, figures.lost(), Machine::here());
    let command = std::env::args().map(|argument| escape(&argument)).collect::<Vec<_>>().join(" ");
    if late_ms.is_some_and(|late| late.p99 > LATE_MS) {
        screen.warn(&lang.bench_late(LATE_MS));
    }
    let came = figures.times.count();
    if screen.json {
        return screen.object(&Line {
            r#type: "bench",
            case,
            command,
            version: env!("CARGO_PKG_VERSION"),
            machine,
            relay: (!is_ours).then(|| bed.relay.to_string()),
            channel: bed.channel.to_string(),
            asked: figures.asked,
            expected: figures.expected,
            came,
            lost,
            failed: &figures.failed,
            seconds: figures.took.as_secs_f64(),
            latency_ms,
            late_ms,
        });
    }
    screen.line(&lang.bench_command(command))?;
    let processor = machine.processor.as_deref().map(escape).unwrap_or_default();
    screen.line(&lang.bench_machine(machine.os, machine.arch, machine.cores, processor))?;
    let relay = if is_ours { lang.bench_throw_away() } else { bed.relay.to_string() };
    screen.line(&lang.bench_relay(relay, &bed.channel))?;
    let seconds = figures.took.as_secs_f64();
    screen.line(&lang.bench_came(figures.asked, came, figures.expected, format!("{seconds:.1}")))?;
    if let Some(times) = latency_ms {
        let [p50, p90, p99, p999, max] =
            [times.p50, times.p90, times.p99, times.p999, times.max].map(|time| format!("{time:.2}"));
        screen.line(&lang.bench_latency(p50, p90, p99, p999, max))?;
    }
    for (why, count) in &figures.failed {
        screen.line(&screen.paint(Tone::Bad, &lang.bench_failed(count, why)))?;
    }
    if lost > 0 { screen.line(&screen.paint(Tone::Bad, &lang.bench_lost(lost))) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_that_so_many_do_not_exceed() {
        let mut times = Times::default();
        assert_eq!(times.latencies(), None);
        (1..=1_000).rev().for_each(|millis| times.add(Duration::from_millis(millis)));
        let told = times.latencies().unwrap();
        assert_eq!(
            (told.p50, told.p90, told.p99, told.p999, told.max),
            (500.0, 900.0, 990.0, 999.0, 1_000.0)
        );
        let mut one = Times::default();
        one.add(Duration::from_millis(7));
        let told = one.latencies().unwrap();
        assert_eq!((told.p50, told.max), (7.0, 7.0));
    }
}
