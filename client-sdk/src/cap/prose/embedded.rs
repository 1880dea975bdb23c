//! A file embedded in a resource, against the size and digest that stand beside it.
//!
//! A digest says that the file came whole, never who sent it: it stands in the same alert.

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use vigie_proto::cap::Resource;

use super::SHA_1_DIGITS;
use crate::cap::warning::WarningCode;

/// Base64 as issuers write it, with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Warns about what does not agree, with the element that it is about.
pub(in crate::cap) fn check(resource: &Resource, mut warn: impl FnMut(WarningCode, &'static str)) {
    let Some(text) = &resource.deref_uri else { return };
    let letters: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let Ok(file) = BASE64.decode(letters) else {
        warn(WarningCode::EmbeddedMalformed, "derefUri");
        return;
    };
    if let Some(size) = &resource.size
        && size.trim().parse::<u64>().is_ok_and(|size| size != file.len() as u64)
    {
        warn(WarningCode::SizeMismatch, "size");
    }
    if let Some(claimed) = &resource.digest
        && claimed.len() == SHA_1_DIGITS
        && !claimed.eq_ignore_ascii_case(&sha_1(&file))
    {
        warn(WarningCode::DigestMismatch, "digest");
    }
}

fn sha_1(file: &[u8]) -> String {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, file);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(deref_uri: &str, size: &str, digest: &str) -> Vec<(WarningCode, &'static str)> {
        let mut found = Vec::new();
        let resource = Resource {
            resource_desc: "son".to_owned(),
            mime_type: "audio/ogg".to_owned(),
            size: Some(size.to_owned()),
            uri: None,
            deref_uri: Some(deref_uri.to_owned()),
            digest: Some(digest.to_owned()),
        };
        check(&resource, |code, element| found.push((code, element)));
        found
    }

    #[test]
    fn size_and_digest_are_those_of_the_embedded_file() {
        // The SHA-1 of "abc", of FIPS 180-2, appendix A.
        let abc = "A9993E364706816ABA3E25717850C26C9CD0D89D";
        assert_eq!(found("YWJj", "3", abc), []);
        assert_eq!(found("\n YW\n Jj ", "0003", &abc.to_lowercase()), []);
        assert_eq!(
            found("YWI=", "3", abc),
            [(WarningCode::SizeMismatch, "size"), (WarningCode::DigestMismatch, "digest")]
        );
        assert_eq!(found("YWI", "2", "aucun"), [], "what is no digest is told by its own check");
        assert_eq!(found("abc?", "3", abc), [(WarningCode::EmbeddedMalformed, "derefUri")]);
    }
}
