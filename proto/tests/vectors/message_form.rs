//! Messages whose fault is their form: a member, the content, a reserved thing, the token, a size.

use vigie_proto::limits::MESSAGE_BYTES_MAX;

use super::super::labels;
use super::{Book, NATION, TOWN};
use crate::support::{Then, Token, base64url, find, from_base64url, header};

/// One member of the payload made wrong.
pub(super) fn payload_form(book: &mut Book<'_>) {
    let base = book.alert_to_paris();
    let expires = format!(r#""expires":{}"#, base.expires);
    let id = "A".repeat(43);
    let many =
        |count: usize| format!(r#""replaces":[{}],"label""#, vec![format!(r#""{id}""#); count].join(","));
    for (name, from, to, verdict) in [
        ("replaces-64", r#""label""#, &*many(64), "ok"),
        ("replaces-65", r#""label""#, &*many(65), "malformed_message"),
        ("replaces-null", r#""label""#, r#""replaces":null,"label""#, "malformed_message"),
        ("replaces-not-an-id", r#""label""#, r#""replaces":["x"],"label""#, "malformed_message"),
        ("unknown-member", r#""label""#, r#""priority":1,"label""#, "unknown_member"),
        ("unknown-member-in-label", r#""tlp":"#, r#""colour":1,"tlp":"#, "unknown_member"),
        ("duplicate-member", r#""label""#, r#""sent":1800000000000,"label""#, "duplicate_member"),
        (
            "duplicate-in-content",
            r#""scope":"Public""#,
            r#""scope":"Public","scope":"Public""#,
            "duplicate_member",
        ),
        ("expires-missing", &*format!("{expires},"), "", "malformed_message"),
        ("expires-text", &*expires, r#""expires":"1800000000000""#, "malformed_message"),
        ("expires-negative", &*expires, r#""expires":-1"#, "malformed_message"),
        ("expires-exponent", &*expires, r#""expires":18e11"#, "malformed_message"),
        ("expires-above-2-53", &*expires, r#""expires":9007199254740992"#, "malformed_message"),
        (
            "severity-unknown",
            r#""expires":1800021600000,"severity":"Severe""#,
            r#""expires":1800021600000,"severity":"Unknown""#,
            "malformed_message",
        ),
        ("label-missing", r#""label":{"tlp":"TLP:GREEN"},"#, "", "malformed_message"),
        ("label-unknown", "TLP:GREEN", "TLP:WHITE", "malformed_message"),
        ("label-as-array", r#"{"tlp":"TLP:GREEN"}"#, r#"["TLP:GREEN"]"#, "malformed_message"),
        ("ext-null", r#""label""#, r#""ext":null,"label""#, "malformed_message"),
        ("channel-number", r#""alert/fr.idf.75.paris""#, "1", "malformed_message"),
        ("channel-malformed", "alert/fr.idf.75.paris", "alert/fr.idf.75.Paris", "malformed_channel"),
        ("channel-filter", "alert/fr.idf.75.paris", "alert/fr.idf.75.**", "malformed_channel"),
        ("channel-reserved-flow", "alert/fr.idf.75.paris", "cell/fr.idf.75.paris", "malformed_channel"),
        ("depth-16", r#""label""#, r#""ext":{"a":[[[[[[[[[[[[[[]]]]]]]]]]]]]]},"label""#, "ok"),
        (
            "depth-17",
            r#""label""#,
            r#""ext":{"a":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]},"label""#,
            "malformed_message",
        ),
    ] {
        let payload = base.payload();
        assert_eq!(payload.matches(from).count(), 1, "{name}");
        let token =
            Token::new(name, base.author.key, header(&base.kid, &base.typ), payload.replace(from, to));
        let repaired = match name {
            "replaces-65" => "replaces-64",
            "depth-17" => "depth-16",
            _ => "alert-town",
        };
        book.add(TOWN, token, verdict, (verdict != "ok").then_some(repaired));
    }
}

/// What a label may be, and what it may not.
pub(super) fn labels(book: &mut Book<'_>) {
    for (name, label, verdict, repaired) in labels::forms() {
        let draft = book.alert_to_paris().with(|draft| draft.label = label);
        book.add(TOWN, draft.token(name), verdict, repaired);
    }
}

/// One element of the CAP made wrong.
pub(super) fn content_form(book: &mut Book<'_>) {
    for (name, from, to, verdict) in [
        ("cap-unknown-member", r#""scope":"Public""#, r#""scope":"Public","extra":"x""#, "unknown_member"),
        ("cap-identifier-missing", r#""identifier":"essai-1","#, "", "malformed_content"),
        ("cap-identifier-empty", "essai-1", "", "malformed_content"),
        ("cap-identifier-blank", "essai-1", BLANK, "malformed_content"),
        ("cap-identifier-separators", "essai-1", r"essai-1\u001f", "malformed_content"),
        ("cap-headline-null-character", HEADLINE, r#""headline":"Crue\u0000""#, "malformed_content"),
        ("cap-headline-escape-character", HEADLINE, r#""headline":"Crue\u001b[2J""#, "malformed_content"),
        ("cap-headline-vertical-tab", HEADLINE, r#""headline":"Crue\u000b""#, "malformed_content"),
        ("cap-headline-fffe", HEADLINE, "\"headline\":\"Crue\u{fffe}\"", "malformed_content"),
        ("cap-note-ffff", r#""scope":"Public""#, r#""scope":"Public","note":"\uffff""#, "malformed_content"),
        (
            "cap-code-control",
            r#""scope":"Public""#,
            r#""scope":"Public","code":["a","\u0008"]"#,
            "malformed_content",
        ),
        ("cap-area-control", r#""areaDesc":"Paris""#, r#""areaDesc":"\u000c""#, "malformed_content"),
        (
            "cap-geocode-control",
            r#""areaDesc":"Paris""#,
            r#""areaDesc":"Paris","geocode":[{"valueName":"INSEE","value":"75\u000e056"}]"#,
            "malformed_content",
        ),
        ("cap-sent-zulu", "2027-01-15T09:00:00+01:00", "2027-01-15T08:00:00Z", "malformed_content"),
        ("cap-sent-no-such-day", "2027-01-15", "2027-02-29", "malformed_content"),
        ("cap-status-unknown", r#""Actual""#, r#""Real""#, "malformed_content"),
        ("cap-number", r#""identifier":"essai-1""#, r#""identifier":1"#, "malformed_content"),
        ("cap-null", r#""scope":"Public""#, r#""scope":"Public","note":null"#, "malformed_content"),
        ("cap-category-empty", r#"["Safety"]"#, "[]", "malformed_content"),
        ("cap-empty-array", r#""scope":"Public""#, r#""scope":"Public","code":[]"#, "malformed_content"),
    ] {
        let draft = book.alert_to_paris().with(|draft| {
            assert_eq!(draft.content.matches(from).count(), 1, "{name}");
            draft.content = draft.content.replace(from, to);
        });
        let twin = if from == HEADLINE { "cap-headline-all-that-xml-can-carry" } else { "alert-town" };
        book.add(TOWN, draft.token(name), verdict, Some(twin));
    }
    for (name, content, verdict) in [
        ("content-text", r#""Crue""#, "malformed_content"),
        ("content-null", "null", "malformed_content"),
        ("content-without-cap", "{}", "malformed_content"),
        ("content-unknown-member", r#"{"text":"Crue"}"#, "unknown_member"),
    ] {
        let draft = book.alert_to_paris().with(|draft| draft.content = content.to_owned());
        book.add(TOWN, draft.token(name), verdict, Some("alert-town"));
    }
    tolerated_content(book);
    let bare = r#"{"cap":{"identifier":"essai-9","sender":"essai@vigie.example","sent":"2027-01-15T09:00:00+01:00","status":"Actual","msgType":"Cancel","scope":"Public"}}"#;
    let bare = book.alert_to_paris().with(|draft| draft.content = bare.to_owned());
    book.add(TOWN, bare.token("cancel-without-info"), "ok", None);
}

const HEADLINE: &str = r#""headline":"Crue de la Seine""#;

/// Every character of the Unicode property White_Space that XML can carry, as JSON: with nothing else a text is blank.
const BLANK: &str = "\\t\\n\\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

/// A headline with the first and the last of each range of characters that XML can carry.
const EDGES: &str =
    "\"headline\":\"\\t\\n\\r \u{7f}\u{85}\u{d7ff}\u{e000}\u{fdd0}\u{fffd}\u{10000}\u{1fffe}\u{10ffff}\"";

/// What stricter or laxer readers would refuse.
fn tolerated_content(book: &mut Book<'_>) {
    for (name, from, to) in [
        ("cap-headline-all-that-xml-can-carry", HEADLINE, EDGES),
        ("cap-identifier-zero-width", "essai-1", "\u{200b}"),
        ("cap-identifier-byte-order-mark", "essai-1", "\u{feff}"),
        ("cap-area-empty", r#""areaDesc":"Paris""#, r#""areaDesc":"","polygon":["no polygon"]"#),
        ("cap-language-free", "fr-FR", "français"),
        ("cap-sent-plus-zero", "2027-01-15T09:00:00+01:00", "2027-01-15T09:00:00+00:00"),
        ("cap-sent-first-day", "2027-01-15T09:00:00+01:00", "0001-01-01T00:00:00+14:00"),
        ("cap-sent-last-day", "2027-01-15T09:00:00+01:00", "9999-12-31T24:00:00-14:00"),
    ] {
        let draft = book.alert_to_paris().with(|draft| {
            assert_eq!(draft.content.matches(from).count(), 1, "{name}");
            draft.content = draft.content.replace(from, to);
        });
        book.add(TOWN, draft.token(name), "ok", None);
    }
}

pub(super) fn reserved(book: &mut Book<'_>) {
    for (name, from, to) in [
        ("reserved-prev", r#""label""#, r#""prev":"x","label""#),
        ("reserved-prev-null", r#""label""#, r#""prev":null,"label""#),
        ("reserved-cosignatures", r#""label""#, r#""cosignatures":[],"label""#),
        ("reserved-sealed", r#""label""#, r#""sealed":{},"label""#),
    ] {
        let base = book.alert_to_paris();
        let payload = base.payload();
        assert_eq!(payload.matches(from).count(), 1, "{name}");
        let token =
            Token::new(name, base.author.key, header(&base.kid, &base.typ), payload.replace(from, to));
        book.add(TOWN, token, "not_supported", Some("alert-town"));
    }
}

pub(super) fn token_form(book: &mut Book<'_>) {
    let twin = Some("alert-town");
    let good = find(&book.tokens, "alert-town").clone();
    let base = book.alert_to_paris();
    let (kid, typ) = (&base.kid, &base.typ);
    for (name, header, verdict) in [
        (
            "header-crit",
            format!(r#"{{"alg":"EdDSA","crit":[],"kid":"{kid}","typ":"{typ}"}}"#),
            "unknown_member",
        ),
        (
            "header-jwk",
            format!(r#"{{"alg":"EdDSA","jwk":{{}},"kid":"{kid}","typ":"{typ}"}}"#),
            "unknown_member",
        ),
        (
            "header-duplicate",
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}","typ":"{typ}"}}"#),
            "duplicate_member",
        ),
        (
            "header-escape-in-name",
            format!(r#"{{"\u0061lg":"EdDSA","kid":"{kid}","typ":"{typ}"}}"#),
            "malformed_token",
        ),
        (
            "header-escape-in-value",
            format!(r#"{{"alg":"\u0045dDSA","kid":"{kid}","typ":"{typ}"}}"#),
            "malformed_token",
        ),
        (
            "header-kid-padded",
            format!(r#"{{"alg":"EdDSA","kid":"{kid}=","typ":"{typ}"}}"#),
            "malformed_token",
        ),
        ("header-alg-none", format!(r#"{{"alg":"none","kid":"{kid}","typ":"{typ}"}}"#), "malformed_token"),
        ("header-typ-credential", header(kid, "vigie-credential-live-v1"), "wrong_type"),
        ("header-typ-login", header(kid, "vigie-login-live-v1"), "wrong_type"),
        ("header-typ-v2", header(kid, "vigie-message-live-v2"), "wrong_type"),
        ("header-typ-revocation", header(kid, "vigie-revocation-live-v1"), "wrong_type"),
        ("header-not-object", "[]".to_owned(), "malformed_token"),
    ] {
        book.add(TOWN, Token::new(name, base.author.key, header, base.payload()), verdict, twin);
    }
    let at = good.payload.find("Seine").unwrap() * 8;
    for (name, step, verdict) in [
        ("payload-bit", Then::Flip { part: 1, bit: at }, "bad_signature"),
        ("signature-bit-r", Then::Flip { part: 2, bit: 3 }, "bad_signature"),
        ("signature-bit-s", Then::Flip { part: 2, bit: 300 }, "bad_signature"),
        (
            "signature-of-other-message",
            Then::Signature(signature_of(&book.tokens, "signal-field")),
            "bad_signature",
        ),
        ("signature-s-not-reduced", Then::Signature(with_order_added(&good)), "bad_signature"),
        ("signature-short", Then::Signature(base64url([1; 63])), "malformed_token"),
        ("padded", Then::Append("=".to_owned()), "malformed_token"),
        ("trailing-newline", Then::Append("\n".to_owned()), "malformed_token"),
    ] {
        book.add(TOWN, good.then(name, step), verdict, twin);
    }
    let other = base.clone().with(|draft| draft.author = NATION);
    book.add(TOWN, other.token("signed-by-other-key"), "bad_signature", twin);
    let small_r = good.then("signature-r-small-order", Then::Signature(SMALL_ORDER_R.to_owned()));
    book.add(TOWN, small_r, "bad_signature", twin);
    let mixed_r = good.then("signature-r-mixed-order", Then::Signature(MIXED_ORDER_R.to_owned()));
    book.add(TOWN, mixed_r, "bad_signature", twin);
}

/// As [`SMALL_ORDER_R`], with R = r · B + the point of order 2: it fits the equation times the cofactor 8, and not the
/// equation itself.
const MIXED_ORDER_R: &str =
    "T0AKhUh5RldoyHd46BBGvDmfacM4SqA_7dzzzeWGZnOHRmOGqo7qadGwk5ZM6rxazTmGWFU803zdo8lJ5WaWCw";

/// A signature of `alert-town` by the right key whose R is the neutral point, so that S = H(R, A, M) · a: it fits the
/// equation of RFC 8032, and is refused for its R alone. Made with the seed by arithmetic modulo the group order;
/// whoever changes that message makes it anew (`vectors/README.md`).
const SMALL_ORDER_R: &str =
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADnmS4d7TBOBaEv_jR5Ri6ZO9qlqn9-qIdNFSR1sWX3Bg";

fn signature_of(tokens: &[Token], name: &str) -> String {
    find(tokens, name).text.rsplit_once('.').unwrap().1.to_owned()
}

/// The same signature with S + L in place of S: lax verifiers take both.
fn with_order_added(token: &Token) -> String {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut signature = from_base64url(token.text.rsplit_once('.').unwrap().1);
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    base64url(signature)
}

pub(super) fn sizes(book: &mut Book<'_>) {
    let base = book.alert_to_paris();
    let kid_header = header(&base.kid, &base.typ);
    let payload = base.clone().with(|draft| draft.more = r#","ext":{"pad":"@FILL@"}"#.to_owned()).payload();
    let filled = |name: &str, fill: usize| {
        Token::build(name, base.author.key, kid_header.clone(), payload.clone(), Some(fill), Vec::new())
    };
    // base64url makes four characters of three bytes, so the largest fill is found near three quarters.
    let rest = filled("none", 0).bytes;
    let mut fill = (MESSAGE_BYTES_MAX - rest) / 4 * 3 + 3;
    while filled("largest", fill).bytes > MESSAGE_BYTES_MAX {
        fill -= 1;
    }
    book.add(TOWN, filled("largest", fill), "ok", None);
    book.add(TOWN, filled("too-large", fill + 1), "message_too_large", Some("largest"));
}
