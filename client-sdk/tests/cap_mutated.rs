//! Whatever happens to a file on its way: each one damaged in a thousand ways gives alerts that are valid, or an error
//! with a line that exists; never a panic, never a long wait. The seed is fixed, so that a failure comes back.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vigie_client::cap::{INPUT_BYTES_MAX, ImportOptions, examine, export, import};

/// Ways in which each file is damaged.
const WAYS: u64 = 1_000;

/// What one file may take, damaged in any way. A file of 100 KiB takes a few milliseconds; a machine that does other
/// work too is allowed for.
const SLOWEST: Duration = Duration::from_secs(2);

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

const SNIPPETS: &[&[u8]] = &[
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"<?vigie exact?>",
    b"&#0;",
    b"&#13;",
    b"&lt;",
    b"&x;",
    b"<info>",
    b"</info>",
    b"</alert>",
    b"<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'>",
    b"<alert xmlns='http://www.incident.com/cap/1.0'>",
    b" xmlns='http://www.incident.com/cap/1.0'",
    b" xmlns:cap=''",
    b"<polygon/>",
    b"<digest>",
    b"<!DOCTYPE alert [<!ENTITY a 'b'>]>",
    b"<?xml version='1.0' encoding='utf-16be'?>",
    b"<?xml version='1.0' encoding='shift_jis'?>",
    b"\xff\xfe",
    b"\x00",
    b"\xc3",
    b"=",
    b"Z",
    "\u{202e}\u{feff}".as_bytes(),
];

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(64)).min(bytes.len());
        match random.below(7) {
            0 => bytes[at] = random.next().to_le_bytes()[0],
            1 => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, SNIPPETS[random.below(SNIPPETS.len())].iter().copied())),
            4 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            5 => {
                let to = random.below(bytes.len());
                let moved: Vec<u8> = bytes.drain(at..end).collect();
                let to = to.min(bytes.len());
                bytes.splice(to..to, moved);
            }
            // Rarely the rest of the file, or little of it would be read.
            _ if random.below(8) == 0 => bytes.truncate(at),
            _ => bytes[at] = b'<',
        }
    }
}

/// Damage that often leaves XML: lines gone, twice or elsewhere, letters and digits changed.
fn disorder(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..=random.below(3) {
        if lines.is_empty() {
            break;
        }
        let at = random.below(lines.len());
        match random.below(5) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let line = lines.remove(at);
                lines.insert(random.below(lines.len() + 1), line);
            }
            _ => {
                let end = lines[at].len();
                let place = random.below(end);
                if let Some(byte) = lines[at].get_mut(place).filter(|byte| byte.is_ascii_alphanumeric()) {
                    *byte = b"0129azAZ.,-+ "[random.below(13)];
                }
            }
        }
    }
    *bytes = lines.concat();
}

/// How many alerts were taken.
fn judge(bytes: &[u8], name: &str) -> usize {
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    let exists = |line: u32| (1..=lines).contains(&(line as usize));
    let examined = match examine(bytes, &ImportOptions::default()) {
        Ok(examined) => examined,
        Err(error) => {
            assert!(exists(error.line), "{name}: {error}");
            return 0;
        }
    };
    let mut taken = 0;
    for one in &examined {
        assert!(one.warnings.iter().all(|warning| exists(warning.line)), "{name}: {:?}", one.warnings);
        match &one.alert {
            Ok(alert) => {
                assert_eq!(alert.validate(), Ok(()), "{name}");
                let xml = export(alert).unwrap_or_else(|error| panic!("{name}: {error}"));
                // An alert of more than a message may hold can become more XML than is read.
                if xml.len() <= INPUT_BYTES_MAX {
                    assert_eq!(&import(xml.as_bytes()).unwrap().alert, alert, "{name}");
                }
                taken += 1;
            }
            Err(faults) => {
                assert!(
                    !faults.is_empty() && faults.iter().all(|fault| exists(fault.line)),
                    "{name}: {faults:?}"
                );
            }
        }
    }
    taken
}

/// Damages every file below `folder`; gives the number of files, that of alerts that were still taken, and both in words
/// with the slowest.
fn all_of(folder: &Path) -> (usize, usize, String) {
    let mut files = xml_files(folder);
    files.sort();
    let (mut taken, mut slowest) = (0, (Duration::ZERO, String::new()));
    for (number, file) in files.iter().enumerate() {
        let whole = fs::read(file).unwrap();
        for way in 0..WAYS {
            let name = format!("{} damaged in way {way}", file.display());
            let mut random = Random((number as u64) << 32 | way);
            let mut bytes = whole.clone();
            if way % 2 == 0 {
                damage(&mut bytes, &mut random)
            } else {
                disorder(&mut bytes, &mut random)
            }
            let start = Instant::now();
            taken += judge(&bytes, &name);
            slowest = slowest.max((start.elapsed(), name));
        }
    }
    let (time, file) = &slowest;
    let told =
        format!("{} files in {WAYS} ways each, {taken} still taken; slowest {time:?}: {file}", files.len());
    assert!(slowest.0 < SLOWEST, "{slowest:?}");
    (files.len(), taken, told)
}

fn xml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(xml_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            files.push(path);
        }
    }
    files
}

/// Files as large as are read, each heavy in its own way: all end within the bound, and nothing grows without one.
#[test]
fn the_heaviest_files_take_no_longer_than_others() {
    let namespace = "urn:oasis:names:tc:emergency:cap:1.2";
    let head = format!(
        "<alert xmlns='{namespace}'><identifier>i</identifier><sender>s</sender><sent>2026-06-01T10:00:00+02:00</sent>\
         <status>Actual</status><msgType>Alert</msgType><scope>Public</scope>"
    );
    let resource = format!(
        "{head}<info><category>Met</category><event>e</event><urgency>Past</urgency><severity>Minor</severity>\
         <certainty>Likely</certainty><resource><resourceDesc>d</resourceDesc><mimeType>a/b</mimeType><derefUri>"
    );
    let attributes: String = (0..300_000).map(|number| format!(" a{number}=''")).collect();
    let full = |before: &str, unit: &str, after: &str| {
        let count = (INPUT_BYTES_MAX - before.len() - after.len()) / unit.len();
        format!("{before}{}{after}", unit.repeat(count))
    };
    let note = format!("{head}<note>");
    for (name, xml) in [
        ("references", full(&note, "&lt;", "</note></alert>")),
        ("empty CDATA", full(&note, "<![CDATA[]]>", "</note></alert>")),
        ("comments", full(&head, "<!---->", "</alert>")),
        ("instructions", full(&head, "<?a?>", "</alert>")),
        ("elements", full(&head, "<code/>", "</alert>")),
        ("unknown elements", full(&head, "<x/>", "</alert>")),
        ("an open end", full(&head, "<", "")),
        ("depth", full(&head, "<x>", "")),
        ("attributes", format!("<alert xmlns='{namespace}'{attributes}></alert>")),
        ("a file inside", full(&resource, "QUJD", "</derefUri></resource></info></alert>")),
        ("lines", full(&head, "\r", "</alert>")),
        ("alerts", full("<alerts>", &format!("<alert xmlns='{namespace}'/>"), "</alerts>")),
        ("an empty envelope", full("<feed>", "<entry/>", "</feed>")),
    ] {
        let start = Instant::now();
        judge(xml.as_bytes(), name);
        assert!(start.elapsed() < SLOWEST, "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn our_own_files_damaged_in_a_thousand_ways_crash_nothing() {
    let (files, taken, told) = all_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cap"));
    println!("{told}");
    assert!(files > 75, "{files} files");
    // Damage that is always found out would test nothing behind the parser.
    assert!(taken > files * 50, "{taken} alerts of {files} files");
}

#[test]
#[cfg_attr(
    not(vigie_test_data),
    ignore = "needs VIGIE_TEST_DATA, third-party CAP files; see CONTRIBUTING.md"
)]
fn all_third_party_files_damaged_in_a_thousand_ways_crash_nothing() {
    let root = std::env::var_os("VIGIE_TEST_DATA").expect("VIGIE_TEST_DATA was set when this was built");
    let (files, taken, told) = all_of(&Path::new(&root).join("cap/alerts"));
    println!("{told}");
    assert!(files > 0 && taken > files * 50, "{taken} alerts of {files} files");
}
