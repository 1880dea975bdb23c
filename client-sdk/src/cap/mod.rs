//! CAP in and out: import from XML as national systems and weather services issue it, and export as CAP 1.2.
//!
//! Called by people who hold a CAP file (`vigie pub --cap FILE`, `vigie cap`, gateways); gives a
//! [`vigie_proto::cap::Alert`], which is then signed as the content of a message. The way of the bytes: `decode` makes
//! text of them, `tree` makes a bounded tree of CAP elements for each alert (the only file that knows quick-xml's
//! events), `build` makes the alert of the tree with the help of `parts`, `convert` holds the table by which CAP 1.0
//! and 1.1 become 1.2, `prose` warns about the rules of CAP's text that issuers break every day. `export` goes the
//! other way.
//!
//! Invariants:
//! - An alert that is returned passes [`vigie_proto::cap::Alert::validate`].
//! - What [`export()`] writes, [`import`] reads back as the same alert, if the alert fits into a message.
//! - No network, no file, no DTD, no entity but the five of XML. No recursion on the depth of the input, and memory in
//!   proportion to at most [`INPUT_BYTES_MAX`].
//! - What is left out or converted is told in a [`Warning`], what cannot be taken without guessing is an
//!   [`ImportError`].
//!
//! White space: CAP's free texts (headline, description, areaDesc, value, polygon, …) are kept exactly, line ends
//! normalised to `\n` as XML demands: real alerts have paragraphs, and what was written is what gets signed. Codes,
//! times, numbers, addresses (`web`, `uri`), `identifier`, `sender`, `language`, `valueName`, `mimeType` and `digest`
//! are trimmed: there white space at the ends comes from the layout of the file and would break comparison. Where our
//! own export must keep it, a processing instruction says so.
//!
//! What it does not do: check XML signatures (they are counted, so that a caller can say so), judge whether an alert
//! has expired, open any address, or check that the result fits into a message.

mod build;
mod convert;
mod decode;
mod error;
mod export;
mod options;
mod parts;
mod prose;
mod schema;
mod tree;
mod version;
mod warning;

pub use error::{ImportError, ImportFault};
pub use export::{ExportError, export, export_list};
pub use options::{ImportOptions, MalformedZone, Zone};
pub use version::Version;
pub use warning::{Warning, WarningCode, WarningKind};

use vigie_proto::cap::Alert;

/// Largest XML that is read, in bytes: what [`export()`] makes of the largest alert that fits into a message. A message
/// holds 256 KiB of JSON; XML says `&` in five times as much and the shortest element (`"",` as a polygon that says
/// nothing) in twenty times. The largest of a hundred real files is 102 KiB.
pub const INPUT_BYTES_MAX: usize = 6 * 1024 * 1024;

/// Most elements that are read, those of envelopes, signatures and other skipped ones included: one for each 3 bytes of
/// the largest message. Largest seen: 573.
pub const ELEMENTS_MAX: usize = 90_000;

/// Deepest element that is read, the alert being 1. CAP needs 5, real signatures 6. The elements around an alert are at
/// most as deep again.
pub const DEPTH_MAX: usize = 16;

/// Most alerts of one file. National feeds list some hundreds.
pub const ALERTS_MAX: usize = 1_024;

/// What an import found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// The alert. It passes [`Alert::validate`].
    pub alert: Alert,
    /// The version that the file was in.
    pub version: Version,
    /// What was left out, converted or looks wrong, in the order of the lines it was noticed on, at most 256.
    pub warnings: Vec<Warning>,
    /// XML signatures that stood in the alert. They are present, not checked, and the alert here does not carry them.
    pub signatures: usize,
}

/// What there is to say about one alert of a file, good or not: see [`examine`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examined {
    /// Where the alert starts, from 1.
    pub line: u32,
    /// The version that the file is in.
    pub version: Version,
    /// The alert, or everything that makes it impossible to take: at least one and at most 256 faults, in the order of
    /// lines.
    pub alert: Result<Alert, Vec<ImportError>>,
    /// As [`Imported::warnings`].
    pub warnings: Vec<Warning>,
    /// As [`Imported::signatures`].
    pub signatures: usize,
}

impl Examined {
    /// Whether the issuer kept all rules of CAP that can be checked: those of the schema and those of the text.
    ///
    /// A file of an older version conforms with what only that version allows; in one of CAP 1.2 a conversion means
    /// that it is not what it says it is.
    pub fn is_conformant(&self) -> bool {
        let is_breach = |warning: &Warning| match warning.code.kind() {
            WarningKind::Form | WarningKind::Rule => true,
            WarningKind::Conversion => self.version == Version::V1_2,
            WarningKind::Note => false,
        };
        self.alert.is_ok() && !self.warnings.iter().any(is_breach)
    }

    fn into_imported(self) -> Result<Imported, ImportError> {
        let Self { version, warnings, signatures, alert, .. } = self;
        let first = |faults: Vec<ImportError>| {
            faults.into_iter().next().expect("an alert that cannot be taken has a fault")
        };
        Ok(Imported { alert: alert.map_err(first)?, version, warnings, signatures })
    }
}

/// Reads the one CAP alert of an XML file: CAP 1.2, 1.1 or 1.0, alone or in an envelope, with nothing supplied.
///
/// Encodings: UTF-8, UTF-16 with a byte order mark or declaration, and those that the declaration may name and
/// browsers know (ISO-8859-1, read as its superset windows-1252, ISO-8859-15, …). Elements in a wrong order, empty
/// optional elements and elements that CAP does not have are taken with a warning; so are older versions, converted.
///
/// # Errors
/// As [`import_with`].
pub fn import(bytes: &[u8]) -> Result<Imported, ImportError> {
    import_with(bytes, &ImportOptions::default())
}

/// As [`import`], where the caller supplies what the file may lack.
///
/// # Errors
/// [`ImportError`] with a line and a stable code: the first in the order of CAP's elements. The file is at fault, never
/// the network: the issuer must mend it, or the caller supplies what the message says. With several alerts inside,
/// [`ImportFault::ManyAlerts`]: use [`import_all`].
pub fn import_with(bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let mut alerts = import_all(bytes, options)?;
    match (alerts.pop(), alerts.len()) {
        (Some(only), 0) => only,
        (last, others) => {
            let found = others + usize::from(last.is_some());
            Err(ImportError::new(1, ImportFault::ManyAlerts { found }))
        }
    }
}

/// Reads all alerts of a file, in its order, at least one: of an Atom feed, an EDXL-DE or a list. One that cannot be
/// taken does not hold up the others.
///
/// # Errors
/// [`ImportError`] when the file as a whole cannot be read: not XML, no alert in it, a bound.
pub fn import_all(
    bytes: &[u8],
    options: &ImportOptions,
) -> Result<Vec<Result<Imported, ImportError>>, ImportError> {
    let found = read(bytes, options)?;
    Ok(found.into_iter().map(Examined::into_imported).collect())
}

/// Says all that is wrong with each alert of a file, by line and element: faults that make it impossible to take, and
/// warnings, of which [`WarningKind`] tells the weight.
///
/// # Errors
/// As [`import_all`].
pub fn examine(bytes: &[u8], options: &ImportOptions) -> Result<Vec<Examined>, ImportError> {
    let mut found = read(bytes, options)?;
    for one in &mut found {
        if let Err(faults) = &mut one.alert {
            faults.sort_by_key(|fault| fault.line);
        }
    }
    Ok(found)
}

/// All alerts; faults in the order of CAP's elements.
fn read(bytes: &[u8], options: &ImportOptions) -> Result<Vec<Examined>, ImportError> {
    let mut about_all = warning::Warnings::default();
    let text = decode::decode(bytes, &mut about_all)?;
    let found = tree::read(&text, &about_all)?;
    Ok(found.into_iter().map(|one| build(one, options)).collect())
}

fn build(found: tree::Found, options: &ImportOptions) -> Examined {
    let tree::Found { root, version, signatures, warnings } = found;
    let line = root.line;
    let mut cx = parts::Cx { options, version, warnings, faults: Vec::new() };
    let alert = build::alert(root, &mut cx);
    let alert = if cx.faults.is_empty() { Ok(alert) } else { Err(cx.faults) };
    Examined { line, version, alert, warnings: cx.warnings.into_vec(), signatures }
}
