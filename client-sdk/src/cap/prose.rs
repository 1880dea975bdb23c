//! The rules of CAP's text that its schema does not say, and that real issuers break every day: warned about, never
//! refused. Source: CAP 1.2, section 3.2.
//!
//! Each check gets the text without white space at its ends.

pub(super) mod embedded;

use vigie_proto::cap::{Alert, Circle, MsgType, Polygon, Scope, ShapeFault, is_date_time, is_decimal};

use super::warning::WarningCode;

/// A rule about one text: what is wrong with it.
pub(super) type Check = fn(&str) -> Option<WarningCode>;

/// Hexadecimal digits of a SHA-1.
const SHA_1_DIGITS: usize = 40;

pub(super) const fn anything(_: &str) -> Option<WarningCode> {
    None
}

/// `identifier` and `sender` stand in the references of others, which separate by spaces and commas.
pub(super) fn name_for_references(text: &str) -> Option<WarningCode> {
    let reserved = |character: char| character.is_whitespace() || matches!(character, ',' | '<' | '&');
    text.contains(reserved).then_some(WarningCode::ReservedCharacters)
}

pub(super) fn references(text: &str) -> Option<WarningCode> {
    let is_triple = |reference: &str| {
        let parts: Vec<&str> = reference.split(',').collect();
        matches!(parts[..], [sender, identifier, sent] if !sender.is_empty() && !identifier.is_empty() && is_date_time(sent))
    };
    (!text.split_ascii_whitespace().all(is_triple)).then_some(WarningCode::ReferencesMalformed)
}

pub(super) fn language(text: &str) -> Option<WarningCode> {
    let mut subtags = text.split('-');
    let is_subtag = |subtag: &str| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let is_language =
        |subtag: &str| subtag.len() >= 2 && subtag.bytes().all(|byte| byte.is_ascii_alphabetic());
    let good =
        subtags.next().is_some_and(|first| is_subtag(first) && is_language(first)) && subtags.all(is_subtag);
    (!good).then_some(WarningCode::LanguageMalformed)
}

pub(super) fn number(text: &str) -> Option<WarningCode> {
    (!is_decimal(text)).then_some(WarningCode::NumberMalformed)
}

pub(super) fn integer(text: &str) -> Option<WarningCode> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (!good).then_some(WarningCode::NumberMalformed)
}

/// `type/subtype`, with parameters behind a semicolon (RFC 2046).
pub(super) fn mime_type(text: &str) -> Option<WarningCode> {
    let (essence, _) = text.split_once(';').unwrap_or((text, ""));
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let good = essence.trim_end().split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
    (!good).then_some(WarningCode::MimeTypeMalformed)
}

/// An address with a scheme (RFC 3986). Not resolved, not opened.
pub(super) fn full_uri(text: &str) -> Option<WarningCode> {
    let has_scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
        let mut bytes = scheme.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            && !rest.is_empty()
    });
    if has_scheme { relative_uri(text) } else { Some(WarningCode::UriMalformed) }
}

/// An address that may leave out its beginning.
pub(super) fn relative_uri(text: &str) -> Option<WarningCode> {
    let stray = |character: char| character.is_whitespace() || matches!(character, '<' | '>' | '"');
    text.contains(stray).then_some(WarningCode::UriMalformed)
}

/// SHA-1 in hexadecimal.
pub(super) fn digest(text: &str) -> Option<WarningCode> {
    let good = text.len() == SHA_1_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (!good).then_some(WarningCode::DigestMalformed)
}

pub(super) fn polygon(text: &str) -> Option<WarningCode> {
    Polygon::parse(text).err().map(|fault| of_fault(fault, WarningCode::PolygonMalformed))
}

pub(super) fn circle(text: &str) -> Option<WarningCode> {
    Circle::parse(text).err().map(|fault| of_fault(fault, WarningCode::CircleMalformed))
}

const fn of_fault(fault: ShapeFault, malformed: WarningCode) -> WarningCode {
    match fault {
        ShapeFault::OutOfRange => WarningCode::OutOfRange,
        ShapeFault::TooFewPoints => WarningCode::PolygonTooFewPoints,
        ShapeFault::NotClosed => WarningCode::PolygonNotClosed,
        ShapeFault::Malformed | _ => malformed,
    }
}

/// What one element asks of another.
pub(super) fn whole(alert: &Alert, mut warn: impl FnMut(WarningCode, &'static str)) {
    if alert.scope == Scope::Restricted && alert.restriction.is_none() {
        warn(WarningCode::RestrictionMissing, "restriction");
    }
    if alert.scope == Scope::Private && alert.addresses.is_none() {
        warn(WarningCode::AddressesMissing, "addresses");
    }
    if alert.msg_type != MsgType::Alert && alert.references.is_none() {
        warn(WarningCode::ReferencesMissing, "references");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_addresses_media_types_and_digests() {
        for (check, good, bad) in [
            (integer as Check, &["0", "0010240", "-3", "+3"][..], &["", "3.5", "-", "3 ko", "１"][..]),
            (
                mime_type,
                &["image/png", "text/plain; charset=utf-8", "application/cap+xml"],
                &["png", "image/", "a/b c", ""],
            ),
            (
                full_uri,
                &["https://example.org/", "mailto:a@b", "urn:x:y"],
                &["www.example.org", "https:", "http://a b", "1a:b", ""],
            ),
            (relative_uri, &["image.png", "https://example.org/"], &["mon image.png", "<a>"]),
            (
                digest,
                &["da39a3ee5e6b4b0d3255bfef95601890afd80709"],
                &["da39", "ga39a3ee5e6b4b0d3255bfef95601890afd80709"],
            ),
        ] {
            for text in good {
                assert_eq!(check(text), None, "{text}");
            }
            for text in bad {
                assert!(check(text).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn references_are_triples() {
        let good = "a@b,1,2026-06-01T10:00:00+02:00";
        assert_eq!(references(good), None);
        assert_eq!(references(&format!("{good}\n {good}")), None);
        for text in ["1", "a@b,1", "a@b,1,hier", ",1,2026-06-01T10:00:00+02:00", &format!("{good},{good}")] {
            assert_eq!(references(text), Some(WarningCode::ReferencesMalformed), "{text}");
        }
    }

    #[test]
    fn languages_and_names() {
        for text in ["fr", "fr-FR", "bm-ML", "es-419", "zh-Hant-TW", "FR"] {
            assert_eq!(language(text), None, "{text}");
        }
        for text in ["fr_FR", "français", "f", "fr-", "fr-FR fr", "12"] {
            assert_eq!(language(text), Some(WarningCode::LanguageMalformed), "{text}");
        }
        assert_eq!(name_for_references("2.49.0.1.250"), None);
        for text in ["a b", "a,b", "a<b", "a&b", "a\u{a0}b"] {
            assert_eq!(name_for_references(text), Some(WarningCode::ReservedCharacters), "{text}");
        }
    }
}
