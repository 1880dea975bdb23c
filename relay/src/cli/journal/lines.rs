//! Reads an export line by line, as the source of an import. Nothing in it is believed: what a line says beside signed
//! bytes is held against them by who imports.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;
use vigie_proto::cursor::{Cursor, MalformedCursor};
use vigie_proto::frame::GapReason;
use vigie_proto::id::{CredentialId, LogId, MessageId, Sequence};
use vigie_proto::json;
use vigie_proto::time::Timestamp;

use crate::cli::exit::{Failure, Outcome};
use crate::cli::files::cannot_read;
use crate::cli::text::Lang;

/// A message of 256 KiB, its content again as JSON with everything escaped, and the frame around it.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a line of an export says.
#[derive(Debug)]
pub(super) enum Line {
    Credential {
        id: CredentialId,
        jws: String,
    },
    Message {
        id: MessageId,
        cursor: Cursor,
        jws: String,
    },
    /// What was no message already when the export was made.
    Suspect {
        cursor: Cursor,
    },
    Gap {
        reason: GapReason,
    },
    CaughtUp {
        cursor: Cursor,
    },
}

#[derive(Deserialize)]
struct Kind {
    r#type: String,
    #[serde(default)]
    verified: Option<bool>,
}

#[derive(Deserialize)]
struct CredentialLine {
    id: CredentialId,
    jws: String,
}

#[derive(Deserialize)]
struct PlaceLine {
    log: LogId,
    seq: Sequence,
    admitted: Timestamp,
}

#[derive(Deserialize)]
struct MessageLine {
    id: MessageId,
    jws: String,
}

#[derive(Deserialize)]
struct GapLine {
    reason: GapReason,
}

#[derive(Deserialize)]
struct CaughtUpLine {
    cursor: String,
}

/// Gives every line with its number, or why it is none.
pub(super) fn read(
    lang: Lang,
    path: &Path,
    visit: &mut dyn FnMut(u64, Result<Line, String>) -> Outcome,
) -> Outcome {
    let failed = |error: &std::io::Error| -> Failure { cannot_read(lang, path, error) };
    let mut source = BufReader::new(File::open(path).map_err(|error| failed(&error))?);
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let mut bounded = source.by_ref().take(LINE_BYTES_MAX);
        if bounded.read_until(b'\n', &mut line).map_err(|error| failed(&error))? == 0 {
            return Ok(());
        }
        number += 1;
        if line.len() as u64 == LINE_BYTES_MAX {
            // The rest of it cannot be told from another line.
            return Err(Failure::new(
                crate::cli::exit::Exit::VerificationFailed,
                lang.bad_line(number, lang.line_too_long(LINE_BYTES_MAX)),
            ));
        }
        let text = line.trim_ascii();
        if !text.is_empty() {
            visit(number, parse(lang, text))?;
        }
    }
}

fn parse(lang: Lang, text: &[u8]) -> Result<Line, String> {
    // A member given twice could be read one way here and another way elsewhere.
    json::check(text).map_err(|error| error.to_string())?;
    let kind: Kind = object(text)?;
    match (kind.r#type.as_str(), kind.verified) {
        ("credential", _) => {
            let CredentialLine { id, jws } = object(text)?;
            Ok(Line::Credential { id, jws })
        }
        ("message", verified) => {
            let PlaceLine { log, seq, admitted } = object(text)?;
            let cursor = Cursor { log, seq, admitted };
            if verified == Some(false) {
                return Ok(Line::Suspect { cursor });
            }
            let MessageLine { id, jws } = object(text)?;
            Ok(Line::Message { id, cursor, jws })
        }
        ("gap", None) => Ok(Line::Gap { reason: object::<GapLine>(text)?.reason }),
        ("caught_up", None) => {
            let text = object::<CaughtUpLine>(text)?.cursor;
            let cursor = text.parse().map_err(|error: MalformedCursor| error.to_string())?;
            Ok(Line::CaughtUp { cursor })
        }
        (other, _) => Err(lang.unknown_line_type(other)),
    }
}

fn object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}
