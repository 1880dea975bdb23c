//! The targets, one reader a file.

mod cap_xml;
mod chain;
mod channel;
mod config;
mod frames;
mod journal;
mod json;
mod jws;
mod message;
mod record;
mod requests;
mod revocation;
mod rotation;
mod segment;
mod upgrade;

pub use cap_xml::cap_xml;
pub use chain::chain;
pub use channel::channel;
pub use config::config;
pub use frames::{client_frame, server_frame};
pub use json::json;
pub use jws::jws;
pub use message::message;
pub use record::record;
pub use requests::requests;
pub use revocation::revocation;
pub use rotation::rotation;
pub use segment::segment;
pub use upgrade::upgrade;

use vigie_proto::refusal::{Code, DETAIL_BYTES_MAX, Refusal};

use crate::Outcome;

/// A refusal as it may be: with one of the codes that are written down, and no longer than a sentence.
fn refused(refusal: &Refusal, codes: &[Code]) -> Outcome {
    assert!(codes.contains(&refusal.code), "not a code of this check: {refusal:?}");
    assert!(refusal.detail.len() <= DETAIL_BYTES_MAX, "{refusal:?}");
    Outcome::Refused
}

/// The codes that any signed object may be refused by, for its form.
const FORM: [Code; 4] = [Code::MalformedToken, Code::DuplicateMember, Code::UnknownMember, Code::WrongType];

/// [`FORM`] and these.
fn form_and(more: &[Code]) -> Vec<Code> {
    [&FORM, more].concat()
}
