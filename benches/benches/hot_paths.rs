//! What a publish costs before the disk: the signature, the chain, and the look-up of who hears it. Frames are read and
//! written in `frames.rs`, the disk is in `append.rs`.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up must stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use vigie_benches::Fixture;
use vigie_proto::chain::{Chain, NoVerdicts};
use vigie_proto::channel::{Channel, Filter};
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::severity::Severity;
use vigie_proto::verify::verify;
use vigie_relay::chains::SharedVerdicts;
use vigie_relay::topic::Topics;

fn verification(criterion: &mut Criterion) {
    let fixture = Fixture::default();
    let alert = fixture.alert();
    let links: Vec<_> = fixture.chain.links().iter().map(|link| link.token().to_string()).collect();
    criterion.bench_function("verify/known chain", |bench| {
        bench.iter(|| verify(black_box(&alert), &fixture.chain, MESSAGE_LIFETIME_MAX).unwrap());
    });
    criterion.bench_function("verify/chain of three, cold", |bench| {
        bench.iter(|| Chain::verify(links.iter().map(|link| &**link), &fixture.roots, &NoVerdicts).unwrap());
    });
    // As at a log-in of somebody whom the relay has seen before.
    let verdicts = SharedVerdicts::default();
    criterion.bench_function("verify/chain of three, warm", |bench| {
        bench.iter(|| Chain::verify(links.iter().map(|link| &**link), &fixture.roots, &verdicts).unwrap());
    });
    criterion.bench_function("verify/message and its chain, cold", |bench| {
        bench.iter(|| {
            let links = links.iter().map(|link| &**link);
            let chain = Chain::verify(links, &fixture.roots, &NoVerdicts).unwrap();
            verify(black_box(&alert), &chain.into(), MESSAGE_LIFETIME_MAX).unwrap()
        });
    });
}

/// The look-up must cost its audience and nothing else; entering and leaving must not grow with the readers.
fn topics(criterion: &mut Criterion) {
    let national: Vec<Filter> = vec!["alert/fr".parse().unwrap()];
    let town: Channel = "alert/fr.idf.75.paris".parse().unwrap();
    for readers in [100, 10_000, 100_000] {
        let mut table = Topics::default();
        for reader in 0..readers {
            table.enter(reader, &national);
        }
        criterion.bench_function(
            &format!("topics/enter and leave, readers of one channel, {readers}"),
            |bench| {
                bench.iter(|| {
                    table.enter(readers, black_box(&national));
                    table.leave(readers);
                });
            },
        );
        criterion.bench_function(
            &format!("topics/publish that nobody hears, readers elsewhere, {readers}"),
            |bench| {
                bench.iter(|| table.audience(black_box(&town), Severity::Severe, |_| unreachable!()));
            },
        );
    }
}

criterion_group!(hot_paths, verification, topics);
criterion_main!(hot_paths);
