//! The hot path: from a batch of the journal through the topic table and outboxes to the bytes that TLS is given.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up must stop")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vigie_benches::hall::Hall;
use vigie_proto::severity::Severity;
use vigie_relay::topic::Topics;

/// A lone message to so many readers, and a batch of 32: the table is walked, outboxes are filled, batches made.
fn deliveries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-out");
    for readers in [100_usize, 1_000, 5_000] {
        let mut hall = Hall::new(readers);
        for events in [1, 32] {
            group.throughput(Throughput::Elements((readers * events) as u64));
            group.bench_with_input(
                BenchmarkId::new(format!("{events} to"), readers),
                &events,
                |bench, events| {
                    bench.iter(|| black_box(hall.publish(*events)));
                },
            );
        }
    }
    group.finish();
}

/// A reader that comes and goes, among so many others of the same channel: it must cost the same.
fn sessions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log-in, subscribe, disconnect");
    for readers in [100_usize, 10_000, 100_000] {
        let mut hall = Hall::new(readers);
        group.bench_with_input(BenchmarkId::from_parameter(readers), &readers, |bench, _| {
            bench.iter(|| {
                let reader = hall.enter("alert/fr");
                hall.leave(reader);
            });
        });
    }
    group.finish();
}

/// A publish among so many channels that have listeners: it must cost the same.
fn channels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look-up, channels known");
    for channels in [1_000_usize, 10_000, 100_000, 1_000_000] {
        let mut table = Topics::default();
        for channel in 0..channels {
            let filter = format!("signal/fr.r{}.c{}", channel / 1_000, channel % 1_000);
            table.enter(channel, &[filter.parse().unwrap()]);
        }
        let middle = channels / 2;
        let channel = format!("signal/fr.r{}.c{}", middle / 1_000, middle % 1_000).parse().unwrap();
        group.bench_with_input(BenchmarkId::from_parameter(channels), &channels, |bench, _| {
            bench.iter(|| {
                let mut heard = 0;
                table.audience(black_box(&channel), Severity::Severe, |_| heard += 1);
                assert_eq!(heard, 1);
            });
        });
    }
    group.finish();
}

criterion_group!(fan_out, deliveries, sessions, channels);
criterion_main!(fan_out);
