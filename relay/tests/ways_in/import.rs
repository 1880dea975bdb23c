//! `vigie journal import`, by the built binary, of folders and exports that no relay has written.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use serde_json::{Value, json};
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::revocation::Revocation;
use vigie_proto::time::Timestamp;
use vigie_proto::verify;
use vigie_relay::journal::{DirStorage, Journal, JournalConfig, MessageRecord, Record, RevocationRecord};

use crate::cases::{Case, Step};
use crate::people::{NOW, People, SECOND, Said};
use crate::table::Cell;

const OLD_LOG: LogId = LogId::from_bytes([5; 16]);

/// A revocation, behind so many messages.
fn revocation_record(jws: &str, count: u64, seq: u64, admitted: Timestamp) -> Record {
    let revocation = Revocation::parse(jws).unwrap();
    Record::Revocation(RevocationRecord {
        count,
        seq: Sequence::new(seq),
        admitted,
        id: revocation.id(),
        issuer: revocation.issuer(),
        jws: Bytes::copy_from_slice(jws.as_bytes()),
    })
}

fn message_record(people: &People, said: &Said, seq: u64, admitted: Timestamp) -> Record {
    let chain = &people.signer(said).chain;
    let signed = verify::verify(said.jws(), chain, MESSAGE_LIFETIME_MAX).unwrap();
    let message = signed.message();
    Record::Message(MessageRecord {
        seq: Sequence::new(seq),
        admitted,
        expires: message.expires,
        id: signed.id(),
        credential: signed.credential(),
        severity: message.severity,
        channel: message.channel.clone(),
        audience: message.label.audience().clone(),
        jws: Bytes::copy_from_slice(said.jws().as_bytes()),
    })
}

fn credentials(people: &People) -> Vec<Record> {
    let mut links: Vec<_> = people.all().iter().flat_map(|person| person.chain.links()).collect();
    links.sort_by_key(|link| link.id());
    links.dedup_by_key(|link| link.id());
    links
        .into_iter()
        .map(|link| Record::Credential {
            id: link.id(),
            jws: Bytes::copy_from_slice(link.token().as_bytes()),
        })
        .collect()
}

/// The records of these steps, in their order, as a journal has them.
fn records(people: &People, steps: &[Step]) -> Vec<Record> {
    let (mut seq, mut count) = (0, 0);
    let mut records = credentials(people);
    for (at, (said, admitted)) in steps.iter().enumerate() {
        let record = match said {
            Said::Message(_) => {
                seq += 1;
                message_record(people, said, seq, *admitted)
            }
            Said::Revocation(jws) => {
                // The second copy of a revocation has the count of the first.
                let copy = steps[..at].iter().any(|(before, _)| before == said);
                count += u64::from(!copy);
                let admitted = if copy { steps[at - 1].1 } else { *admitted };
                revocation_record(jws, count, seq, admitted)
            }
        };
        records.push(record);
    }
    records
}

fn write_folder(folder: &Path, records: &[Record]) {
    std::fs::create_dir(folder).unwrap();
    let storage = DirStorage::open(folder).unwrap();
    let mut journal = Journal::open(storage, JournalConfig::new(), OLD_LOG, &mut |_| Ok(())).unwrap();
    for record in records {
        journal.append(std::slice::from_ref(record)).unwrap();
    }
    journal.close().unwrap();
}

/// What an import came to.
struct Imported {
    exit: i32,
    lines: Vec<Value>,
    err: String,
    stored: Vec<Record>,
}

impl Imported {
    fn codes(&self) -> Vec<&str> {
        let refused = self.lines.iter().filter(|line| line["type"] == "refused");
        refused.map(|line| line["code"].as_str().unwrap()).collect()
    }

    fn holds(&self, jws: &str) -> usize {
        let is = |record: &&Record| match record {
            Record::Message(message) => message.jws == jws.as_bytes(),
            Record::Revocation(revocation) => revocation.jws == jws.as_bytes(),
            _ => false,
        };
        self.stored.iter().filter(is).count()
    }
}

fn import(people: &People, folder: &Path, source: &Path, skip: bool) -> Imported {
    let journal = folder.join("new");
    if journal.exists() {
        std::fs::remove_dir_all(&journal).unwrap();
    }
    std::fs::create_dir(&journal).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
    for name in ["VIGIE_CONTEXT", "VIGIE_CONFIG", "VIGIE_LOG", "LC_MESSAGES", "LANG"] {
        command.env_remove(name);
    }
    command
        .env("LC_ALL", "C")
        .args(["journal", "import", "--json"])
        .arg(source)
        .arg("--journal")
        .arg(&journal);
    for root in people.roots.pinned() {
        command.arg(format!("--root={root}"));
    }
    let rotation = folder.join("rotation");
    std::fs::write(&rotation, format!("{}\n", people.rotation)).unwrap();
    command.arg("--rotation").arg(rotation);
    if skip {
        command.arg("--skip-refused");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut stored = Vec::new();
    let storage = DirStorage::open(&journal).unwrap();
    Journal::open(storage, JournalConfig::new(), LogId::from_bytes([6; 16]), &mut |record| {
        stored.push(record.clone());
        Ok(())
    })
    .unwrap();
    Imported {
        exit: output.status.code().unwrap(),
        lines: text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        err: String::from_utf8(output.stderr).unwrap(),
        stored,
    }
}

/// Judges what came of a bad source and of its twin.
fn judge(people: &People, case: &Case, row: &str, cell: &Cell, write: impl Fn(&Path, &[Step])) {
    let folder = tempfile::tempdir().unwrap();
    let (bad, twin) = (folder.path().join("bad"), folder.path().join("twin"));
    write(&bad, &case.bad);
    write(&twin, &case.twin);
    let jws = case.bad.last().unwrap().0.jws();
    match cell {
        Cell::LeftOut(code) => {
            let times = case.bad.iter().filter(|(said, _)| said.jws() == jws).count();
            // Nothing comes in; and where that was asked for, all but this.
            let nothing = import(people, folder.path(), &bad, false);
            assert_eq!((nothing.exit, nothing.stored.len()), (6, 0), "{row}: {}", nothing.err);
            assert!(nothing.err.contains("nothing was imported"), "{row}: {}", nothing.err);
            let rest = import(people, folder.path(), &bad, true);
            assert_eq!((rest.exit, rest.codes()), (8, vec![&**code]), "{row}: {:?} {}", rest.lines, rest.err);
            assert_eq!(rest.holds(jws), times - 1, "{row}: nothing of it is stored");
        }
        Cell::FirstStands => {
            let once = import(people, folder.path(), &bad, false);
            assert_eq!(once.exit, 0, "{row}: {}", once.err);
            assert_eq!(once.holds(jws), 1, "{row}: it is stored once");
        }
        Cell::Refused | Cell::CannotOccur => panic!("{row}: an import answers nobody: {cell:?}"),
    }
    let whole = import(people, folder.path(), &twin, false);
    assert_eq!(whole.exit, 0, "{row}: the twin: {}", whole.err);
    assert_eq!(whole.holds(case.twin.last().unwrap().0.jws()), 1, "{row}: the twin is stored");
}

pub(crate) fn from_folder(people: &People, case: &Case, row: &str, cell: &Cell) {
    judge(people, case, row, cell, |path, steps| write_folder(path, &records(people, steps)));
}

pub(crate) fn from_export(people: &People, case: &Case, row: &str, cell: &Cell) {
    judge(people, case, row, cell, |path, steps| write_export(path, &records(people, steps)));
}

/// An export as `vigie journal export` writes it, with a last line that fits.
fn write_export(path: &Path, records: &[Record]) {
    let text = |jws: &Bytes| String::from_utf8(jws.to_vec()).unwrap();
    let mut lines: Vec<Value> = records
        .iter()
        .map(|record| match record {
            Record::Credential { id, jws } => json!({"type": "credential", "id": id, "jws": text(jws)}),
            Record::Message(message) => json!({
                "type": "message", "id": message.id, "log": OLD_LOG, "seq": message.seq,
                "admitted": message.admitted, "jws": text(&message.jws),
            }),
            Record::Revocation(one) => json!({
                "type": "revocation", "id": one.id, "issuer": one.issuer, "count": one.count, "seq": one.seq,
                "admitted": one.admitted, "jws": text(&one.jws),
            }),
            other => panic!("an export has no line for {other:?}"),
        })
        .collect();
    let last = records.iter().filter_map(|record| match record {
        Record::Message(message) => Some((message.seq, message.admitted)),
        Record::Revocation(revocation) => Some((revocation.seq, revocation.admitted)),
        _ => None,
    });
    // Before the first message it has no time.
    let (seq, admitted) =
        last.max().filter(|(seq, _)| *seq > Sequence::START).unwrap_or((Sequence::START, Timestamp::EPOCH));
    let end = Cursor { log: OLD_LOG, seq, admitted }.to_string();
    lines.push(json!({"type": "caught_up", "cursor": end}));
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    let digest = ring::digest::digest(&ring::digest::SHA256, body.as_bytes());
    let end = json!({
        "type": "export",
        "asked": {"from": null, "to": null, "channels": [], "exercise": false},
        "left_out": 0,
        "held": {
            "messages": count("message"), "credentials": count("credential"), "carried": 0,
            "revocations": count("revocation"),
        },
        "sha256": digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
    });
    std::fs::write(path, format!("{body}{end}\n")).unwrap();
}

/// Retention writes what must stay behind what is there: then the first revocation of an issuer stands behind the second.
/// Each holds after its own place, wherever it is written.
pub(crate) fn carried_revocations_come_in() {
    let people = People::new();
    let folder = tempfile::tempdir().unwrap();
    let (author, other) = (&people.author, &people.other);
    let of = |whose, number| people.nation.revoke(whose, NOW, number);
    let (first, second) = (of(other, 1), of(author, 2));
    let message = |person: &crate::people::Person, text: &str, seq| {
        let said = Said::Message(person.say(text, NOW));
        (message_record(&people, &said, seq, NOW.plus(SECOND)), said.jws().to_owned())
    };
    let (heard, heard_jws) = message(author, "avant la sienne", 7);
    let (never, never_jws) = message(other, "après la sienne", 8);
    let mut records = credentials(&people);
    records.push(heard);
    records.push(never);
    // It was admitted behind the seventh message; the eighth, of another, came after the first.
    records.push(revocation_record(&second, 2, 8, NOW.plus(SECOND)));
    records.push(revocation_record(&first, 1, 5, NOW));
    write_folder(&folder.path().join("carried"), &records);
    let imported = import(&people, folder.path(), &folder.path().join("carried"), true);
    let held = [&first, &second, &heard_jws, &never_jws].map(|jws| imported.holds(jws));
    assert_eq!(held, [1, 1, 1, 0], "{:?} {}", imported.lines, imported.err);
    assert_eq!(
        imported.codes(),
        ["revoked"],
        "the author of the eighth message was revoked at the fifth place"
    );
}
