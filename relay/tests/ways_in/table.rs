//! The table of entries, as it stands in PROTOCOL.md.

use std::collections::BTreeSet;
use std::path::Path;

use vigie_proto::refusal::Code;

/// What a cell says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Answered with the code of the row.
    Refused,
    /// Not taken over; told with this code.
    LeftOut(String),
    /// Answered with the receipt of the first, or passed over since the first stands.
    FirstStands,
    /// There is no such case; the reason stands below the table.
    CannotOccur,
}

/// Rows and columns.
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<(String, Vec<Cell>)>,
}

fn document() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/PROTOCOL.md")).unwrap()
}

/// The paragraph on what is refused beside the rows.
pub(crate) fn beside() -> String {
    let document = document();
    let (_, rest) = document.split_once("\n**Beside the rows**").unwrap();
    rest.split_once("\n\n").unwrap().0.replace('\n', " ")
}

/// The codes that a file, or each in a folder, writes outside its tests.
pub(crate) fn codes_written(source: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(source);
    let files: Vec<_> = match std::fs::read_dir(&path) {
        Ok(folder) => folder.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => vec![path],
    };
    let files = files.iter().filter(|path| path.extension().is_some_and(|it| it == "rs"));
    let mut written: BTreeSet<Code> = BTreeSet::new();
    for path in files.filter(|path| path.file_stem().is_some_and(|name| name != "tests")) {
        let text = std::fs::read_to_string(path).unwrap();
        let shipped = text.split("\n#[cfg(test)]\n").next().unwrap();
        let lines = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
        let names = lines.flat_map(|line| line.split("Code::").skip(1));
        let names = names.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
        written.extend(
            names.filter_map(|name| Code::ALL.iter().copied().find(|code| format!("{code:?}") == name)),
        );
    }
    written.iter().map(|code| code.as_str().to_owned()).collect()
}

impl Table {
    pub(crate) fn read() -> Self {
        let document = document();
        let (_, rest) = document.split_once("<!-- table: entries -->\n").unwrap();
        let (table, below) = rest.split_once("<!-- end -->\n").unwrap();
        let mut lines = table.lines().map(|line| -> Vec<&str> {
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect()
        });
        let head = lines.next().unwrap();
        lines.next().unwrap();
        let columns: Vec<String> = head[1..].iter().map(|&column| column.to_owned()).collect();
        let rows: Vec<(String, Vec<Cell>)> = lines
            .map(|row| {
                let cells: Vec<Cell> = row[1..].iter().map(|cell| parse(cell, row[0])).collect();
                assert_eq!(cells.len(), columns.len(), "{}", row[0]);
                (row[0].to_owned(), cells)
            })
            .collect();
        for (row, cells) in &rows {
            for (column, _) in columns.iter().zip(cells).filter(|(_, cell)| **cell == Cell::CannotOccur) {
                let reason = format!("- `{row}`, {column}: ");
                assert!(below.contains(&reason), "the reason is missing below the table: {reason}");
            }
        }
        Self { columns, rows }
    }

    /// Each row with its cell in this column.
    pub(crate) fn column(self, name: &str) -> Vec<(String, Cell)> {
        let at = self.columns.iter().position(|column| column == name).unwrap();
        self.rows.into_iter().map(|(row, mut cells)| (row, cells.swap_remove(at))).collect()
    }
}

fn parse(cell: &str, row: &str) -> Cell {
    match cell {
        "refused" => Cell::Refused,
        "left out" => Cell::LeftOut(row.to_owned()),
        "the first stands" => Cell::FirstStands,
        "–" => Cell::CannotOccur,
        other => match other.strip_prefix("left out as `") {
            Some(code) => Cell::LeftOut(code.trim_matches('`').to_owned()),
            None => panic!("{row}: what does {other:?} mean?"),
        },
    }
}
