//! What the relay does for a message that no peer does, each alone and in the same run: V, D and F.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::jws::{Kind, Token};
use vigie_proto::label::Audience;
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::severity::Severity;
use vigie_proto::verify;
use vigie_relay::journal::{DirStorage, Journal, JournalConfig, MessageRecord, Record};
use vigie_relay::journal::{Storage as _, StorageFile as _};

use super::Histogram;
use super::process::Process;
use crate::trust::{Trust, now};

/// In microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Costs {
    /// V: CPU of one Ed25519 check of a message of the size that is compared.
    pub check_cpu_us: f64,
    /// CPU of all that `verify` does: form, JSON, CAP, chain, and that check.
    pub verify_cpu_us: f64,
    /// D: CPU of one durable append to the journal, alone in its batch.
    pub append_cpu_us: f64,
    /// The same of one that shares its write and its sync with others, as many as a session may have under way.
    pub append_shared_cpu_us: f64,
    /// How long that takes, half of the time.
    pub append_p50_us: f64,
    /// F: how long writing a message to a reserved file and one `fdatasync` take, half of the time.
    pub sync_p50_us: f64,
    /// Nearly always.
    pub sync_p99_us: f64,
}

/// Checks that are timed together.
const CHECKS: u32 = 2_000;
/// Syncs that are timed, and appends of each kind.
const APPENDS: u64 = 512;
/// Messages that share an append.
const SHARED: usize = 32;
/// More than is written.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// A message with its head on disk.
const RECORD_BYTES: usize = 1_200;

/// Measures them; writes below `folder`, which should be on the disk of the journals that are compared.
///
/// # Errors
/// The folder cannot be written.
pub fn measure(trust: &Trust, folder: &Path) -> anyhow::Result<Costs> {
    let message = trust.author().sign("alert/fr", &"v".repeat(150));
    let chain = &trust.author().chain;
    let token = Token::parse(&message, Kind::Message)?;
    let check_cpu_us = each(CHECKS, || token.check_signature(chain.key()).is_ok())?;
    let verify_cpu_us = each(CHECKS, || verify::verify(&message, chain, MESSAGE_LIFETIME_MAX).is_ok())?;
    let Appends { alone, shared, times } = append(trust, &message, folder)?;
    let syncs = sync(folder)?;
    Ok(Costs {
        check_cpu_us,
        verify_cpu_us,
        append_cpu_us: alone,
        append_shared_cpu_us: shared,
        append_p50_us: times.per_mille(500),
        sync_p50_us: syncs.per_mille(500),
        sync_p99_us: syncs.per_mille(990),
    })
}

/// CPU of one call of many, in microseconds.
fn each(calls: u32, mut call: impl FnMut() -> bool) -> anyhow::Result<f64> {
    let process = Process::new(std::process::id())?;
    let before = process.usage()?.cpu_ns;
    for _ in 0..calls {
        anyhow::ensure!(call(), "a check failed");
    }
    let spent = Duration::from_nanos(process.usage()?.cpu_ns - before);
    Ok(spent.as_secs_f64() * 1e6 / f64::from(calls))
}

struct Appends {
    alone: f64,
    shared: f64,
    times: Histogram,
}

fn append(trust: &Trust, message: &str, folder: &Path) -> anyhow::Result<Appends> {
    let folder = folder.join("costs-journal");
    std::fs::create_dir_all(&folder)?;
    let storage = DirStorage::open(&folder)?;
    let log = LogId::from_bytes([7; 16]);
    let mut journal = Journal::open(storage, JournalConfig::new(), log, &mut |_| Ok(()))?;
    let chain = &trust.author().chain;
    let credentials: Vec<Record> = chain
        .links()
        .iter()
        .map(|link| {
            let jws = Bytes::copy_from_slice(link.token().to_string().as_bytes());
            Record::Credential { id: link.id(), jws }
        })
        .collect();
    journal.append(&credentials)?;
    let jws: Bytes = Bytes::copy_from_slice(message.as_bytes());
    let verified = verify::verify(message, chain, MESSAGE_LIFETIME_MAX)?;
    let record = |seq| {
        Record::Message(MessageRecord {
            seq: Sequence::new(seq),
            admitted: now(),
            expires: verified.message().expires,
            id: verified.id(),
            credential: chain.leaf().id(),
            severity: Severity::Severe,
            channel: verified.message().channel.clone(),
            audience: Audience::EVERYONE,
            jws: jws.clone(),
        })
    };
    let records: Vec<Record> = (1..=2 * APPENDS).map(record).collect();
    let (alone, shared) = records.split_at(records.len() / 2);
    let mut times = Histogram::default();
    let alone = append_all(&mut journal, alone, 1, &mut times)?;
    let shared = append_all(&mut journal, shared, SHARED, &mut Histogram::default())?;
    drop(journal);
    std::fs::remove_dir_all(&folder)?;
    Ok(Appends { alone, shared, times })
}

/// CPU for each record, in microseconds.
fn append_all(
    journal: &mut Journal<DirStorage>,
    records: &[Record],
    together: usize,
    times: &mut Histogram,
) -> anyhow::Result<f64> {
    let process = Process::new(std::process::id())?;
    let before = process.usage()?.cpu_ns;
    for batch in records.chunks(together) {
        let begun = Instant::now();
        journal.append(batch)?;
        times.add(begun.elapsed());
    }
    let spent = Duration::from_nanos(process.usage()?.cpu_ns - before);
    Ok(spent.as_secs_f64() * 1e6 / records.len() as f64)
}

fn sync(folder: &Path) -> anyhow::Result<Histogram> {
    let storage = DirStorage::open(folder)?;
    let file = storage.create_new("costs-file")?;
    file.preallocate(FILE_BYTES)?;
    file.sync_data()?;
    let (content, mut times) = (vec![b'v'; RECORD_BYTES], Histogram::default());
    for number in 0..APPENDS {
        let begun = Instant::now();
        file.write_all_at(&content, number * RECORD_BYTES as u64)?;
        file.sync_data()?;
        times.add(begun.elapsed());
    }
    storage.remove("costs-file")?;
    Ok(times)
}
