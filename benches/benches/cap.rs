//! What it costs to take a CAP alert in and to give it out. The goal is 1,000 imports a second on one core.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up must stop")]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vigie_client::cap::{export, import};

/// Every good alert among the fixtures of the SDK, by name.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client-sdk/tests/fixtures/cap");
    xml_files(&folder)
}

/// The third-party collection, where it is at hand: files of 2 to 102 KiB.
fn third_party() -> Option<Vec<(String, Vec<u8>)>> {
    let root = std::env::var_os("VIGIE_TEST_DATA")?;
    Some(xml_files(&Path::new(&root).join("cap/alerts")))
}

fn xml_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .filter(|(_, bytes)| import(bytes).is_ok())
        .collect();
    files.sort();
    files
}

fn one(criterion: &mut Criterion) {
    let files = fixtures();
    let (_, bytes) = files.iter().find(|(name, _)| name == "crue-seine.xml").unwrap();
    let alert = import(bytes).unwrap().alert;
    let mut group = criterion.benchmark_group("cap/one alert, all elements of an info");
    group.throughput(Throughput::Elements(1));
    group.bench_function("import", |bench| bench.iter(|| import(black_box(bytes)).unwrap()));
    group.bench_function("export", |bench| bench.iter(|| export(black_box(&alert)).unwrap()));
    group.finish();
}

fn collections(criterion: &mut Criterion) {
    let ours = ("fixtures of the SDK", fixtures());
    let theirs = third_party().map(|files| ("third-party files", files));
    for (name, files) in std::iter::once(ours).chain(theirs) {
        let mut group = criterion.benchmark_group(format!("cap/{name}, each once"));
        group.throughput(Throughput::Elements(files.len() as u64));
        group.bench_function("import", |bench| {
            bench.iter(|| files.iter().for_each(|(_, bytes)| drop(import(black_box(bytes)).unwrap())));
        });
        group.finish();
    }
}

criterion_group!(cap, one, collections);
criterion_main!(cap);
