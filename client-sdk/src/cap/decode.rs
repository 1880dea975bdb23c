//! From bytes to text: which encoding it is, and whether every character may stand in XML.
//!
//! Called first by the import. After it line ends are `\n` only (XML 1.0, section 2.11) and there is no byte order mark.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::encoding::{DetectedEncoding, decode as decode_as, detect_encoding};
use quick_xml::events::{BytesDecl, Event};
use vigie_proto::cap::is_xml_char;

use super::INPUT_BYTES_MAX;
use super::error::{ImportError, ImportFault, excerpt};
use super::warning::{WarningCode, Warnings};

/// Within how many bytes an XML declaration must end for its encoding to be read. The longest real ones have 60.
const DECLARATION_BYTES_MAX: usize = 512;

const UTF_8: &str = "UTF-8";

pub(super) fn decode<'b>(bytes: &'b [u8], warnings: &mut Warnings) -> Result<Cow<'b, str>, ImportError> {
    if bytes.len() > INPUT_BYTES_MAX {
        return Err(ImportError::new(1, ImportFault::TooLarge { bytes: bytes.len() }));
    }
    let detected = detect_encoding(bytes);
    let body = &bytes[detected.as_ref().map_or(0, DetectedEncoding::bom_len)..];
    let text = match detected {
        Some(
            utf_16 @ (DetectedEncoding::Utf16LeLike
            | DetectedEncoding::Utf16LeBom
            | DetectedEncoding::Utf16BeLike
            | DetectedEncoding::Utf16BeBom),
        ) => {
            let text = decode_as(body, utf_16.encoding()).map_err(|_| bad_encoding(1, "UTF-16"))?;
            note_mismatch(&text, "UTF-16", warnings);
            text
        }
        Some(DetectedEncoding::Utf8Bom) => {
            let text = utf_8(body)?;
            note_mismatch(&text, UTF_8, warnings);
            text
        }
        Some(DetectedEncoding::AsciiCompatible) | None => as_declared(body, warnings)?,
    };
    check_characters(&text)?;
    Ok(normalize_line_ends(text))
}

/// Without a byte order mark the declaration decides, and without that it is UTF-8.
fn as_declared<'b>(body: &'b [u8], warnings: &mut Warnings) -> Result<Cow<'b, str>, ImportError> {
    let Some(declared) = declared_encoding(ascii_prefix(body)) else {
        return utf_8(body);
    };
    if declared.starts_with("utf-16") {
        // The declaration was readable as ASCII, so it cannot be true. Common where a program made a UTF-16 string and
        // saved it as UTF-8.
        warnings.push(1, WarningCode::EncodingMismatch, &declared);
        return utf_8(body);
    }
    let encoding = BytesDecl::new("1.0", Some(&declared), None).encoder();
    let Some(encoding) = encoding.filter(|encoding| encoding.is_ascii_compatible()) else {
        return Err(ImportError::new(1, ImportFault::UnknownEncoding { name: excerpt(&declared) }));
    };
    if encoding.name() == UTF_8 {
        return utf_8(body);
    }
    decode_as(body, encoding).map_err(|_| bad_encoding(1, encoding.name()))
}

/// A byte order mark wins over the declaration, as the bytes cannot lie; but somebody should know.
fn note_mismatch(text: &str, actual: &str, warnings: &mut Warnings) {
    let end = text.char_indices().nth(DECLARATION_BYTES_MAX).map_or(text.len(), |(at, _)| at);
    if let Some(declared) = declared_encoding(&text[..end]) {
        let agrees = declared.starts_with(&actual.to_ascii_lowercase());
        if !agrees {
            warnings.push(1, WarningCode::EncodingMismatch, &declared);
        }
    }
}

/// The encoding that the XML declaration at the start names, in lower case.
fn declared_encoding(start: &str) -> Option<String> {
    let end = start.find("?>")? + 2;
    let mut reader = Reader::from_str(&start[..end]);
    let Ok(Event::Decl(declaration)) = reader.read_event() else {
        return None;
    };
    declaration.encoding()?.ok().map(|name| name.to_ascii_lowercase())
}

fn ascii_prefix(body: &[u8]) -> &str {
    let start = &body[..body.len().min(DECLARATION_BYTES_MAX)];
    let end = start.iter().position(|byte| !byte.is_ascii()).unwrap_or(start.len());
    std::str::from_utf8(&start[..end]).unwrap_or_default()
}

fn utf_8(body: &[u8]) -> Result<Cow<'_, str>, ImportError> {
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) => Err(bad_encoding(line_at(&body[..error.valid_up_to()]), UTF_8)),
    }
}

const fn bad_encoding(line: u32, encoding: &'static str) -> ImportError {
    ImportError::new(line, ImportFault::BadEncoding { encoding })
}

fn check_characters(text: &str) -> Result<(), ImportError> {
    let Some((at, character)) = text.char_indices().find(|(_, character)| !is_xml_char(*character)) else {
        return Ok(());
    };
    let line = line_at(&text.as_bytes()[..at]);
    Err(ImportError::new(line, ImportFault::BadCharacter { code_point: u32::from(character) }))
}

fn normalize_line_ends(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text }
}

/// The line that follows `before`, from 1. The input is bounded far below `u32::MAX` lines.
fn line_at(before: &[u8]) -> u32 {
    let line_feeds = before.iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(line_feeds + 1).unwrap_or(u32::MAX)
}
