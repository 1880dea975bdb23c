//! A CAP 1.2 alert (OASIS Common Alerting Protocol) as JSON with CAP's own names: the content of a message.
//!
//! Built by an author or by the XML import of the SDK, signed inside a message, read by everybody who hears it. CAP
//! says *what happens*; who says it, where and to whom stands around it, in the message.
//!
//! Invariants:
//! - Members are emitted in the order of the CAP 1.2 schema, optional ones left out when absent, repeatable ones as
//!   arrays and left out when empty: the same model is always the same bytes.
//! - Scalars are strings kept exactly as given (times, numbers, languages: `-00:00` survives, and `0010` too), so
//!   that nothing that was signed changes by being read.
//! - Unknown members are refused: what a reader could not show must not have been signed.
//!
//! What it does not do: it reads no XML (that is `vigie_client::cap`), looks at no clock (whether a CAP has expired
//! is not judged), and does not enforce the rules of CAP that real issuers break every day (closed polygons,
//! references as triples): the import warns about those.
//!
//! Source: <https://docs.oasis-open.org/emergency/cap/v1.2/CAP-v1.2.html>, section 3 and its XML schema.
#![expect(
    clippy::exhaustive_structs,
    clippy::exhaustive_enums,
    reason = "CAP 1.2 is a closed standard: its elements and code lists change with its version only"
)]

mod alert;
mod codes;
mod date_time;
mod draft;
mod form;
mod info;
mod shape;
mod valid;

pub use alert::Alert;
pub use codes::{Category, Certainty, MsgType, ResponseType, Scope, Severity, Status, UnknownCode, Urgency};
pub use date_time::is_date_time;
pub use draft::Headline;
pub use form::object;
pub use info::{Area, Info, Resource, ValuePair};
pub use shape::{Circle, Point, Polygon, ShapeFault, is_decimal};
pub use valid::{Fault, bounds, is_xml_char};

#[cfg(test)]
mod tests;
