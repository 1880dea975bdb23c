//! The frame codec: what the relay reads of its clients, and what it writes to them.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up must stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vigie_benches::{Fixture, NOW};
use vigie_proto::frame::{ClientFrame, ServerFrame};
use vigie_proto::id::{LogId, MessageId, Nonce, Sequence};
use vigie_proto::limits::SUBSCRIPTIONS_MAX;
use vigie_proto::login::{self, Binding};

/// Each of the frames that clients send often, and the largest subscription.
fn decode(criterion: &mut Criterion) {
    let fixture = Fixture::default();
    let channel = |number| format!("alert/fr.r{}.c{}", number / 16, number % 16).into();
    let subscribe = |channels| {
        ClientFrame::Subscribe { n: 1, channels: (0..channels).map(channel).collect(), after: None }.to_text()
    };
    let (leaf, plane) = (fixture.chain.leaf().id(), fixture.chain.plane());
    let (nonce, binding) = (Nonce::from_bytes([7; 32]), Binding::Certificate([9; 32]));
    let login = ClientFrame::Login {
        chain: fixture.chain.links().iter().map(|link| (&**link.token()).into()).collect(),
        proof: login::sign(&fixture.key, leaf, plane, "localhost", nonce, binding).into(),
        mark_ms: None,
        revocations: None,
    };
    let publish = ClientFrame::Publish { n: 1, jws: fixture.alert().into() };
    let mut group = criterion.benchmark_group("decode");
    for (name, frame) in [
        ("publish".to_owned(), publish.to_text()),
        ("log-in, chain of three".to_owned(), login.to_text()),
        ("subscribe, one channel".to_owned(), subscribe(1)),
        (format!("subscribe, {SUBSCRIPTIONS_MAX} channels"), subscribe(SUBSCRIPTIONS_MAX)),
    ] {
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(name, |bench| bench.iter(|| ClientFrame::parse(black_box(&frame)).unwrap()));
    }
    group.finish();
}

/// An event is encoded once for all its readers, a receipt once for each publish.
fn encode(criterion: &mut Criterion) {
    let alert = Fixture::default().alert();
    let (seq, log) = (Sequence::new(1_000_000), LogId::from_bytes([3; 16]));
    let frames = [
        ("event", ServerFrame::Event { seq, admitted: NOW, jws: (&*alert).into() }),
        (
            "receipt",
            ServerFrame::Receipt { re: 1, id: MessageId::from_bytes([1; 32]), log, seq, admitted: NOW },
        ),
        ("mark", ServerFrame::Mark { log, seq, admitted: NOW, head: seq, now: NOW }),
        ("challenge", ServerFrame::Challenge { nonce: Nonce::from_bytes([7; 32]) }),
    ];
    let mut group = criterion.benchmark_group("encode");
    for (name, frame) in frames {
        group.throughput(Throughput::Bytes(frame.to_text().len() as u64));
        group.bench_function(name, |bench| bench.iter(|| black_box(&frame).to_text()));
    }
    group.finish();
}

criterion_group!(frames, decode, encode);
criterion_main!(frames);
