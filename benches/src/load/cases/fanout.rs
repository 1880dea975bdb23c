//! One publisher, many readers: what a delivery costs the server, saturated and at a rate that it could do in its sleep.
//!
//! Saturated is a closed loop: a number of messages is under way, and when half of them have arrived everywhere, as many are
//! sent at once. So a server is never out of work, and what it does for a message it may do for several. Paced is an open
//! loop: messages are sent when they are due, whatever became of those before; latency counts from when they were due.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Latencies, Span, as_f64};
use crate::load::peer::Role;
use crate::load::{Crowd, Histogram, Process};

/// How the case is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections that hear.
    pub readers: u64,
    /// Channels of each reader, all different. 0: all readers hear one channel.
    pub channels_each: u64,
    /// Messages under way when saturated.
    pub window: u64,
    /// How long it is saturated. Zero: not at all.
    pub saturated: Duration,
    /// Deliveries a second when paced.
    pub rate: u64,
    /// How long it is paced. Zero: not at all.
    pub paced: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// As asked for.
    pub readers: u64,
    /// CPU of the server for one connection, from TCP to its subscription, in microseconds.
    pub connect_cpu_us: f64,
    /// Resident memory of the server without connections, in KiB.
    pub resident_kib_empty: u64,
    /// For each reader, before the first message, in KiB.
    pub resident_kib_each_idle: f64,
    /// The same after all messages.
    pub resident_kib_each_after: f64,
    /// Saturated.
    pub saturated: Option<Phase>,
    /// Paced.
    pub paced: Option<Phase>,
    /// Connections that the server ended.
    pub ended: u64,
    /// Why it ended the first.
    pub error: Option<String>,
}

/// One phase.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Phase {
    /// Messages that were published.
    pub messages: u64,
    /// What arrived.
    pub deliveries: u64,
    /// What did not.
    pub lost: u64,
    /// Places in a reader's order where a message was missing.
    pub skipped: u64,
    /// Messages that a reader was given twice or late.
    pub repeated: u64,
    /// What arrived in a second.
    pub deliveries_per_second: f64,
    /// CPU of the server for one delivery, in microseconds.
    pub cpu_us: f64,
    /// The share of a core that the server used.
    pub load: f64,
    /// Calls of the server that write, for one delivery.
    pub writes: f64,
    /// From when a message was due; not when saturated.
    pub latency: Option<Latencies>,
    /// How late the load generator published itself; not when saturated. What is late comes in bursts, which a server may
    /// batch: such a run measures the machine.
    pub late: Option<Latencies>,
}

/// Messages before anything is measured, in windows.
const WARM_UP_WINDOWS: u64 = 20;
/// More than any server delivers in a second: bounds what is made ready for a saturated phase.
const DELIVERIES_PER_SECOND_MAX: u64 = 2_500_000;
/// What a server has to come to rest.
const REST: Duration = Duration::from_secs(1);

/// Runs it against a server that has no other clients.
///
/// # Errors
/// The server refuses, or cannot be looked at.
pub fn run(crowd: &mut Crowd, server: &Process, options: Options) -> anyhow::Result<Report> {
    let empty = server.resident_kib()?;
    let readers = usize::try_from(options.readers)?;
    let channels = options.channels_each * options.readers;
    let (reader, publisher, audience) = if channels == 0 {
        (Role::Reader, Role::Publisher, options.readers)
    } else {
        (Role::Listener { channels: options.channels_each, of: channels }, Role::Herald { channels }, 1)
    };
    let connecting = Span::begin(server)?;
    crowd.connect(reader, readers)?;
    let connected = connecting.end(server)?;
    crowd.turn_for(REST)?;
    let idle = server.resident_kib()?;
    let mut run = Run { crowd, server, options, audience, publishers: 0..0 };
    let publishers = usize::try_from(run.crowd.publishers_for(options.window))?;
    let first = run.crowd.connect(publisher, publishers)?;
    run.publishers = first..first + publishers;
    run.crowd.prepare(publisher, run.messages())?;
    run.closed_loop(options.window * WARM_UP_WINDOWS, Duration::MAX)?;
    let saturated = if options.saturated.is_zero() { None } else { Some(run.saturated()?) };
    let paced = if options.paced.is_zero() { None } else { Some(run.paced()?) };
    crowd.turn_for(REST)?;
    let each = |now: u64| as_f64(now.saturating_sub(empty)) / as_f64(options.readers);
    Ok(Report {
        readers: options.readers,
        connect_cpu_us: connected.cpu_us / as_f64(options.readers),
        resident_kib_empty: empty,
        resident_kib_each_idle: each(idle),
        resident_kib_each_after: each(server.resident_kib()?),
        saturated,
        paced,
        ended: crowd.ended(),
        error: crowd.take_error().map(|error| format!("{error:#}")),
    })
}

struct Run<'a> {
    crowd: &'a mut Crowd,
    server: &'a Process,
    options: Options,
    /// How many readers hear a message.
    audience: u64,
    /// As many connections as the window takes, which have their turns; one where the server does not bound it.
    publishers: Range<usize>,
}

impl Run<'_> {
    fn saturated_max(&self) -> u64 {
        let second = DELIVERIES_PER_SECOND_MAX / self.audience;
        (second * self.options.saturated.as_secs().max(1)).min(self.crowd.prepared_max())
    }

    fn paced_messages(&self) -> u64 {
        self.options.rate * self.options.paced.as_secs() / self.audience
    }

    /// How many messages the run needs.
    fn messages(&self) -> u64 {
        self.options.window * (WARM_UP_WINDOWS + 1) + self.saturated_max() + self.paced_messages()
    }

    /// Publishes so many messages, or for so long; waits for what is under way.
    fn closed_loop(&mut self, messages: u64, time: Duration) -> anyhow::Result<()> {
        let Options { window, .. } = self.options;
        let (first, before) = (self.crowd.next(), self.crowd.delivered());
        let begun = Instant::now();
        let burst = (window / 2).max(1);
        let mut turns = self.publishers.clone().cycle();
        let mut publisher = turns.next().unwrap_or_default();
        while self.crowd.next() + burst <= first + messages && begun.elapsed() < time {
            let arrived = first + (self.crowd.delivered() - before) / self.audience;
            if self.crowd.next() - arrived <= window - burst && self.crowd.sendable(publisher) >= burst {
                self.crowd.publish(publisher, burst)?;
                publisher = turns.next().unwrap_or(publisher);
            }
            self.crowd.turn()?;
            if self.crowd.ended() > 0 {
                let why = self.crowd.take_error().unwrap_or_else(|| anyhow::anyhow!("unknown"));
                return Err(why.context("a connection ended"));
            }
        }
        self.crowd.settle(before + (self.crowd.next() - first) * self.audience)?;
        Ok(())
    }

    fn saturated(&mut self) -> anyhow::Result<Phase> {
        self.measured(|run| run.closed_loop(run.saturated_max(), run.options.saturated))
    }

    fn paced(&mut self) -> anyhow::Result<Phase> {
        let interval = Duration::from_secs(1).mul_f64(as_f64(self.audience) / as_f64(self.options.rate));
        let messages = self.paced_messages();
        let mut late = Histogram::default();
        let mut phase = self.measured(|run| {
            let (first, before, start) = (run.crowd.next(), run.crowd.delivered(), Instant::now());
            run.crowd.expect(Some((start, interval)));
            let mut due = start;
            while run.crowd.next() < first + messages {
                // What the server would not take yet is sent late, and its latency counts from when it was due.
                if Instant::now() >= due && run.crowd.sendable(run.publishers.start) > 0 {
                    late.add(due.elapsed());
                    run.crowd.publish(run.publishers.start, 1)?;
                    due += interval;
                }
                run.crowd.turn()?;
            }
            run.crowd.settle(before + messages * run.audience)?;
            run.crowd.expect(None);
            Ok(())
        })?;
        phase.latency = Some(Latencies::from(self.crowd.latency()));
        phase.late = Some(Latencies::from(&late));
        Ok(phase)
    }

    /// Measures a phase from its first message to its last delivery.
    fn measured(&mut self, phase: impl FnOnce(&mut Self) -> anyhow::Result<()>) -> anyhow::Result<Phase> {
        let (first, delivered, (skipped, repeated)) =
            (self.crowd.next(), self.crowd.delivered(), self.crowd.out_of_order());
        let span = Span::begin(self.server)?;
        phase(self)?;
        let used = span.end(self.server)?;
        let messages = self.crowd.next() - first;
        let deliveries = self.crowd.delivered() - delivered;
        let (skipped_now, repeated_now) = self.crowd.out_of_order();
        let each = |sum: f64| sum / as_f64(deliveries.max(1));
        Ok(Phase {
            messages,
            deliveries,
            lost: (messages * self.audience).saturating_sub(deliveries),
            skipped: skipped_now - skipped,
            repeated: repeated_now - repeated,
            deliveries_per_second: as_f64(deliveries) / used.seconds,
            cpu_us: each(used.cpu_us),
            load: used.cpu_us / 1e6 / used.seconds,
            writes: each(used.writes),
            latency: None,
            late: None,
        })
    }
}
