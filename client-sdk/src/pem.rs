//! What is wrong with a PEM file, told without what stands in it.
//!
//! The error of the parser shows the line that it stumbled over. In a file that has lost its line ends, as one does that was
//! pasted into a form or an environment variable, that line is the whole private key.

use rustls::pki_types::pem::Error;

/// What is wrong, as part of a sentence. Shows nothing of the file.
pub fn fault(error: &Error) -> &'static str {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is added later may show the file too")]
    match error {
        Error::MissingSectionEnd { .. } => "a BEGIN line has no END line; were line ends lost?",
        Error::IllegalSectionStart { .. } => {
            "a BEGIN line does not end where it should; were line ends lost?"
        }
        Error::Base64Decode(_) => "what stands between BEGIN and END is no base64",
        Error::NoItemsFound => "nothing of this kind is in it",
        _ => "it is no PEM",
    }
}
