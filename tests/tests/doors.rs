//! Every place of the relay's code where something enters a log or leaves it is in the table of doors in PROTOCOL.md, and
//! every frame that a relay says is in the table of exits or in the list below it.
//!
//! What is looked for are the few words that no way in or out can do without: what judges, what makes a record, what makes a
//! frame, what reads records back. A place that says one of them and is not in the table fails, whatever it does.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use vigie_proto::frame::ServerFrame;

/// What no way can do without, but for the frames.
const WORDS: [&str; 13] = [
    "admit(",
    "admit_revocation(",
    "Statement::Message(",
    "Statement::Revocation(",
    "MessageRecord {",
    "RevocationRecord {",
    "Journal::open(",
    "may_hear(",
    ".push_event(",
    ".read_after(",
    ".read_after_on(",
    ".walk::<",
    "journal::walk(",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn part() -> String {
    let document = std::fs::read_to_string(root().join("proto/PROTOCOL.md")).unwrap();
    document.split_once("\n## 20. Every way in and out\n").unwrap().1.to_owned()
}

/// The frames of a relay as they are made, and each other word.
fn words() -> Vec<String> {
    let frames = ServerFrame::OPERATIONS.into_iter().map(|operation| {
        let parts = operation.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        format!("ServerFrame::{}", parts.collect::<String>())
    });
    WORDS.into_iter().map(str::to_owned).chain(frames).collect()
}

/// A table of this part: the cells of its rows.
fn table(name: &str) -> Vec<Vec<String>> {
    let part = part();
    let (_, rest) = part.split_once(&format!("<!-- table: {name} -->\n")).unwrap();
    let (table, _) = rest.split_once("<!-- end -->\n").unwrap();
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    table.lines().skip(2).map(cells).collect()
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every file of the relay that does something: no tests, not the scheduler of its threads, no sentences.
fn sources() -> Vec<(String, String)> {
    let mut folders = vec![root().join("relay/src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                let beside = ["tests", "server/model", "cli/text"];
                if !beside.iter().any(|folder| path.ends_with(folder)) {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let mut tests = text.match_indices("\n#[cfg(test)]\n").map(|(at, _)| at);
                let is_module =
                    |at: &usize| text[*at..].lines().nth(2).is_some_and(|line| line.ends_with("mod tests {"));
                let shipped = text[..tests.find(is_module).unwrap_or(text.len())].to_owned();
                found.push((path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), shipped));
            }
        }
    }
    assert!(found.len() > 80, "{} files: the sources were not found", found.len());
    found
}

/// The name of the function that a line declares.
fn declared(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_head = before.split_whitespace().all(|word| {
        word.starts_with("pub")
            || word.starts_with("in")
            || matches!(word, "const" | "async")
            || word.ends_with(')')
    });
    let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (is_head && !name.is_empty()).then_some(name)
}

/// Whether the line says the word as one, and does not declare it.
fn says(line: &str, word: &str) -> bool {
    let whole = |at: usize| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let opens =
            word.starts_with('.') || before.is_none_or(|c| !c.is_alphanumeric() && !"_.:".contains(c));
        let closes = !word.ends_with(char::is_alphanumeric) || after.is_none_or(|c| !c.is_alphanumeric());
        opens && closes
    };
    let declares = |keyword: &str| line.trim_start().trim_start_matches("pub ").starts_with(keyword);
    !["//", "struct ", "impl ", "use "].into_iter().any(declares)
        && declared(line).is_none()
        && line.match_indices(word).any(|(at, _)| whole(at))
}

/// The functions that say a word, as `file: function`.
fn places(sources: &[(String, String)], word: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in sources {
        let mut inside: Vec<(usize, &str)> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let indent = line.len() - line.trim_start().len();
            // A function ends at a brace that stands where it began, and before one that begins there.
            let ends = line.trim() == "}" || declared(line).is_some();
            while inside.last().is_some_and(|(depth, _)| *depth > indent || (*depth == indent && ends)) {
                inside.pop();
            }
            if says(line, word) {
                let function = inside.last().map_or("(no function)", |(_, name)| name);
                found.insert(format!("{path}: {function}"));
            }
            if let Some(name) = declared(line) {
                inside.push((indent, name));
            }
        }
    }
    found
}

#[test]
fn every_door_is_in_the_table_and_every_row_is_a_door() {
    let sources = sources();
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in table("doors") {
        let [word] = &quoted(&row[0])[..] else { panic!("{row:?}") };
        let before = listed.insert(word.clone(), quoted(&row[1]).into_iter().collect());
        assert_eq!(before, None, "{word} is there twice");
    }
    let mut wrong = Vec::new();
    for word in words() {
        let there = places(&sources, &word);
        let listed = listed.remove(&word).unwrap_or_default();
        for place in there.difference(&listed) {
            wrong.push(format!(
                "`{place}` says `{word}`: a new way in or out. Hold it against `admit` or `may_hear`, try it in \
                 relay/tests/ways_in.rs or tests/tests/ways_out.rs, and add it to the table of doors in proto/PROTOCOL.md, part 20"
            ));
        }
        for place in listed.difference(&there) {
            wrong.push(format!("the table of doors lists `{place}`, which does not say `{word}`"));
        }
    }
    wrong.extend(listed.into_keys().map(|word| format!("nobody looks for `{word}`")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_frame_of_a_relay_is_an_exit_or_holds_nothing_of_a_message() {
    let part = part();
    let (_, rest) = part.split_once("\nThe other frames of a relay: ").unwrap();
    let nothing = quoted(rest.split_once('.').unwrap().0);
    let exits = table("exits").into_iter().flat_map(|row| quoted(&row[1]));
    let mut said: Vec<String> = exits.chain(nothing).collect();
    said.sort();
    said.dedup();
    let mut operations = ServerFrame::OPERATIONS.map(str::to_owned);
    operations.sort();
    assert_eq!(
        said, operations,
        "the frames of the table of exits and those below it, and all that there are"
    );
}

#[test]
fn a_door_is_told_from_what_looks_like_one() {
    let source = "\
impl Worker {
    fn give(
        &self,
    ) {
        // may_hear( in a comment
        if may_hear(reader, said) {
            x.push_event(id);
        }
    }

    pub(super) fn may_hear(&self) {
        self.may_hear(1)
    }

    pub async fn other() {
        let frame = ServerFrame::Event { seq };
        ServerFrame::Eventual
    }
}
";
    let sources = [("a.rs".to_owned(), source.to_owned())];
    let of = |word: &str| places(&sources, word).into_iter().collect::<Vec<_>>();
    assert_eq!(of("may_hear("), ["a.rs: give"]);
    assert_eq!(of(".push_event("), ["a.rs: give"]);
    assert_eq!(of("ServerFrame::Event"), ["a.rs: other"]);
}
