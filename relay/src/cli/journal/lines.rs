//! Reads an export line by line, as the source of an import. Nothing in it is believed: what a line says beside signed
//! bytes is held against them by who imports.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;
use vigie_proto::cursor::{Cursor, MalformedCursor};
use vigie_proto::frame::GapReason;
use vigie_proto::id::{CredentialId, LogId, MessageId, Sequence};
use vigie_proto::json;
use vigie_proto::time::Timestamp;

use crate::cli::exit::Outcome;
use crate::cli::export::RevocationLine;
use crate::cli::files::cannot_read;
use crate::cli::lines;
use crate::cli::tally::{self, EndLine, Tally};
use crate::cli::text::Lang;
use crate::journal::{CarriedId, RevocationRecord};

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
    Carried(CarriedId),
    Revocation(RevocationRecord),
    /// Of a root. A relay takes those of its settings and no others.
    Rotation,
    /// The last one, and how the lines before it differ from what it says.
    End {
        end: EndLine,
        differs: Option<String>,
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

#[derive(Deserialize)]
struct CarriedLine {
    id: MessageId,
    seq: Sequence,
    admitted: Timestamp,
    expires: Timestamp,
    credential: CredentialId,
}

/// Gives every line with its number, or why it is none.
pub(super) fn read(
    lang: Lang,
    path: &Path,
    visit: &mut dyn FnMut(u64, Result<Line, String>) -> Outcome,
) -> Outcome {
    let source = File::open(path).map_err(|error| cannot_read(lang, path, &error))?;
    let mut tally = Tally::default();
    lines::each(lang, path, BufReader::new(source), &mut |number, text| {
        visit(number, parse(lang, text, &mut tally))
    })
}

fn parse(lang: Lang, text: &[u8], tally: &mut Tally) -> Result<Line, String> {
    // A member given twice could be read one way here and another way elsewhere.
    let checked = json::check(text).map_err(|error| error.to_string());
    let kind = match checked.and_then(|()| object::<Kind>(text)) {
        Ok(kind) => kind,
        Err(why) => {
            tally.take("", text);
            return Err(why);
        }
    };
    if kind.r#type == tally::END {
        let end = object::<EndLine>(text)?;
        let differs = tally.check(lang, &end).err();
        return Ok(Line::End { end, differs });
    }
    tally.take(&kind.r#type, text);
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
        ("rotation", None) => Ok(Line::Rotation),
        ("gap", None) => Ok(Line::Gap { reason: object::<GapLine>(text)?.reason }),
        ("caught_up", None) => {
            let text = object::<CaughtUpLine>(text)?.cursor;
            let cursor = text.parse().map_err(|error: MalformedCursor| error.to_string())?;
            Ok(Line::CaughtUp { cursor })
        }
        ("carried", None) => {
            let CarriedLine { id, seq, admitted, expires, credential } = object(text)?;
            Ok(Line::Carried(CarriedId { seq, admitted, expires, id, credential }))
        }
        ("revocation", None) => Ok(Line::Revocation(object::<RevocationLine>(text)?.into_record())),
        (other, _) => Err(lang.unknown_line_type(other)),
    }
}

fn object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}
