//! Import of CAP 1.2 from XML, as national systems and weather services issue it.
//!
//! Called by people who hold a CAP file (`vigie pub --cap FILE`, gateways); gives a [`vigie_proto::cap::Alert`], which
//! is then signed as the content of a message. The way of the bytes: `decode` makes text of them, `tree` makes a
//! bounded tree of CAP elements (the only file that knows quick-xml's events), `build` makes the alert of the tree,
//! `prose` warns about the rules of CAP's text that issuers break every day.
//!
//! Invariants:
//! - An alert that is returned passes [`vigie_proto::cap::Alert::validate`].
//! - No network, no file, no DTD, no entity but the five of XML. No recursion on the depth of the input, and memory in
//!   proportion to at most [`INPUT_BYTES_MAX`].
//! - What is left out is told in a [`Warning`], what cannot be taken without guessing is an [`ImportError`].
//!
//! White space: CAP's free texts (headline, description, areaDesc, value, polygon, …) are kept exactly, line ends
//! normalised to `\n` as XML demands: real alerts have paragraphs, and what was written is what gets signed. Codes,
//! times, numbers, addresses (`web`, `uri`), `identifier`, `sender`, `language`, `valueName`, `mimeType` and `digest`
//! are trimmed: there white space at the ends comes from the layout of the file and would break comparison.
//!
//! What it does not do: check XML signatures (they are counted, so that a caller can say so), read CAP 1.0, 1.1 or
//! envelopes (Atom, EDXL-DE), judge whether an alert has expired, open any address, or check that the result fits into
//! a message.

mod build;
mod decode;
mod error;
mod prose;
mod schema;
mod tree;
mod warning;

pub use error::{ImportError, ImportFault};
pub use warning::{Warning, WarningCode};

use vigie_proto::cap::Alert;

/// Largest XML that is read, in bytes. A message holds 256 KiB; XML says the same in up to four times as much (tags,
/// layout, a signature with certificates, UTF-16). The largest of a hundred real alerts is 102 KiB.
pub const INPUT_BYTES_MAX: usize = 1024 * 1024;

/// Most elements that are read, those of signatures and other skipped ones included. Largest seen: 573; 5,100
/// municipalities as geocodes, the most that makes sense in a message, are 15,300.
pub const ELEMENTS_MAX: usize = 20_000;

/// Deepest element that is read, the root being 1. CAP needs 5, real signatures 6.
pub const DEPTH_MAX: usize = 16;

/// What an import found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// The alert. It passes [`Alert::validate`].
    pub alert: Alert,
    /// What was left out or looks wrong, in the order of the lines it was noticed on, at most 256.
    pub warnings: Vec<Warning>,
    /// XML signatures that stood in the alert. They were not checked, and the alert here does not carry them.
    pub signatures: usize,
}

/// Reads one CAP 1.2 alert from XML bytes.
///
/// Encodings: UTF-8, UTF-16 with a byte order mark or declaration, and those that the declaration may name and
/// browsers know (ISO-8859-1, read as its superset windows-1252, ISO-8859-15, …). Elements in a wrong order, empty
/// optional elements and elements that CAP does not have are taken with a warning.
///
/// # Errors
/// [`ImportError`] with a line and a stable code. The file is at fault, never the network: the issuer must mend it,
/// or, for CAP 1.0, 1.1 and envelopes, the caller must convert or unpack it first.
pub fn import(bytes: &[u8]) -> Result<Imported, ImportError> {
    let mut warnings = warning::Warnings::default();
    let text = decode::decode(bytes, &mut warnings)?;
    let tree = tree::read(&text, &mut warnings)?;
    let alert = build::alert(tree.root, &mut warnings)?;
    Ok(Imported { alert, warnings: warnings.into_vec(), signatures: tree.signatures })
}
