//! Credentials whose fault is their form: a member, a key, a size, a header, a signature.

use vigie_proto::limits::CREDENTIAL_BYTES_MAX;

use super::{Book, Draft, jwk, root, town};
use crate::support::{DAY, NOW, TestKey, Then, Token, find, header};

/// One character of a payload or header changed, and signed again.
pub(super) fn form(book: &mut Book) {
    let base = town(book, "live");
    let twin = Some("town-live");
    let replaced = |name: &str, from: &str, to: &str| {
        let payload = base.payload();
        assert_eq!(payload.matches(from).count(), 1, "{name}");
        Token::new(name, &base.key, base.header(), payload.replace(from, to))
    };
    let parent = base.parent.clone().unwrap();
    let sub = base.sub.clone();
    let x = TestKey::named("town-live").x();
    for (name, from, to, verdict) in [
        ("unknown-member", r#""plane":"#, r#""admin":true,"plane":"#, "unknown_member"),
        (
            "unknown-member-in-grant",
            r#""publish":"Severe""#,
            r#""publish":"Severe","read":true"#,
            "unknown_member",
        ),
        ("unknown-member-in-key", &*format!(r#""{x}""#), &*format!(r#""{x}","kid":"1""#), "unknown_member"),
        ("duplicate-member", r#""plane":"live""#, r#""plane":"live","plane":"live""#, "duplicate_member"),
        (
            "duplicate-in-grant",
            r#""publish":"Severe""#,
            r#""publish":"Severe","publish":"Minor""#,
            "duplicate_member",
        ),
        (
            "duplicate-by-escape",
            r#""plane":"live""#,
            r#""plane":"live","pl\u0061ne":"live""#,
            "duplicate_member",
        ),
        ("no-org", r#""org":"fr.interieur.paris","#, "", "malformed_credential"),
        ("org-malformed", "fr.interieur.paris", "fr.Interieur", "malformed_credential"),
        (
            "place-malformed",
            r#""alert","at":"fr.idf.75.paris""#,
            r#""alert","at":"fr.idf.*""#,
            "malformed_credential",
        ),
        ("flow-unknown", r#""flow":"alert""#, r#""flow":"answer""#, "malformed_credential"),
        ("severity-unknown", r#""Severe""#, r#""severe""#, "malformed_credential"),
        ("severity-as-object", r#""Severe""#, r#"{"Severe":null}"#, "malformed_credential"),
        ("publish-null", r#""Severe""#, "null", "malformed_credential"),
        (
            "delegate-fraction",
            r#""publish":"Severe","subscribe":true,"delegate":1"#,
            r#""publish":"Severe","subscribe":true,"delegate":1.0"#,
            "malformed_credential",
        ),
        ("time-negative", r#""not_before":"#, r#""not_before":-"#, "malformed_credential"),
        (
            "time-above-2-53",
            &*format!(r#""expires":{}"#, base.expires),
            r#""expires":9007199254740992"#,
            "malformed_credential",
        ),
        ("key-as-array", &*sub, &*format!(r#"["Ed25519","OKP","{x}"]"#), "malformed_credential"),
        ("key-of-other-curve", r#""crv":"Ed25519""#, r#""crv":"X25519""#, "malformed_credential"),
        ("key-padded", &*format!(r#""{x}""#), &*format!(r#""{x}=""#), "malformed_credential"),
        (
            "parent-is-not-kid",
            &*format!(r#""{parent}""#),
            &*format!(r#""{}""#, find(&book.tokens, "root-live").id),
            "malformed_credential",
        ),
        ("parent-missing", &*format!(r#""parent":"{parent}","#), "", "malformed_credential"),
        ("parent-null", &*format!(r#""{parent}""#), "null", "malformed_credential"),
        ("plane-is-not-typ", r#""plane":"live""#, r#""plane":"exercise""#, "wrong_plane"),
        ("ext-not-object", r#""plane":"live""#, r#""plane":"live","ext":[]"#, "malformed_credential"),
    ] {
        let token = replaced(name, from, to);
        book.below_nation(token, verdict, twin);
    }
    weak_keys(book, &base);
    no_point(book, &base);
    sizes(book, &base);
    headers(book, &base);
}

fn weak_keys(book: &mut Book, base: &Draft) {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut order_four_signed = [0; 32];
    order_four_signed[31] = 0x80;
    let order_eight = from_hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
    // y = 2^255 - 18 is another spelling of y = 1; y = 2^255 - 16 one of y = 3, which is of large order.
    let mut above_prime = [0xff; 32];
    above_prime[0] = 0xf0;
    above_prime[31] = 0x7f;
    for (name, key) in [
        ("key-of-order-1", identity),
        ("key-of-order-4", order_four_signed),
        ("key-of-order-8", order_eight),
        ("key-not-canonical", above_prime),
    ] {
        let weak = crate::support::base64url(key);
        let token = base.clone().with(|draft| draft.sub = jwk(&weak)).token(name);
        book.below_nation(token, "key_refused", Some("town-live"));
    }
}

/// y = 2 is on no point of the curve: the key is taken as it is written, and no signature fits it.
fn no_point(book: &mut Book, base: &Draft) {
    let mut two = [0; 32];
    two[0] = 2;
    let x = crate::support::base64url(two);
    let parent = base.clone().with(|draft| draft.sub = jwk(&x)).token("key-no-point");
    let child = Draft::new("field-live", "town-live", "fr.interieur.paris", Some(&parent), "[]")
        .with(|draft| {
            draft.not_before = NOW - DAY;
            draft.expires = NOW + 30 * DAY;
        })
        .token("below-no-point");
    book.below_nation(parent, "ok", None);
    let name = book.add(child);
    let chain = ["root-live", "nation-live", "key-no-point", &name];
    book.case(&name, &chain, "bad_signature", Some("below-author-issuer"));
}

fn from_hex(text: &str) -> [u8; 32] {
    std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}

fn sizes(book: &mut Book, base: &Draft) {
    let sixteen = vec![r#"{"flow":"alert","at":"fr"}"#; 16].join(",");
    let seventeen = format!(r#"{sixteen},{{"flow":"alert","at":"fr"}}"#);
    let none = base.clone().with(|draft| draft.name = String::new()).token("name-empty");
    book.below_nation(none, "ok", None);
    let never = base.clone().with(|draft| (draft.not_before, draft.expires) = (NOW, NOW)).token("never-good");
    book.below_nation(never, "credential_expired", Some("town-live"));
    let just = base.clone().with(|draft| draft.name = "n".repeat(64)).token("name-of-64");
    book.below_nation(just, "ok", None);
    let over = base.clone().with(|draft| draft.name = "n".repeat(65)).token("name-of-65");
    book.below_nation(over, "malformed_credential", Some("name-of-64"));
    let just = base.clone().with(|draft| draft.grants = format!("[{sixteen}]")).token("grants-16");
    book.below_nation(just, "ok", None);
    let over = base.clone().with(|draft| draft.grants = format!("[{seventeen}]")).token("grants-17");
    book.below_nation(over, "malformed_credential", Some("grants-16"));
    // The longest payload whose token is still within the limit, and one byte more.
    let padded = |name: &str, pad: usize| {
        base.clone()
            .with(|draft| draft.more = format!(r#","ext":{{"pad":"{}"}}"#, "x".repeat(pad)))
            .token(name)
    };
    let pad = (0..1_280).rev().find(|pad| padded("pad", *pad).bytes <= CREDENTIAL_BYTES_MAX).unwrap();
    book.below_nation(padded("largest", pad), "ok", None);
    book.below_nation(padded("too-large", pad + 1), "credential_too_large", Some("largest"));
}

fn headers(book: &mut Book, base: &Draft) {
    let kid = base.parent.clone().unwrap();
    let typ = "vigie-credential-live-v1";
    for (name, header, verdict) in [
        ("header-alg-none", format!(r#"{{"alg":"none","kid":"{kid}","typ":"{typ}"}}"#), "malformed_token"),
        ("header-alg-hmac", format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"{typ}"}}"#), "malformed_token"),
        ("header-no-typ", format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#), "malformed_token"),
        (
            "header-crit",
            format!(r#"{{"alg":"EdDSA","crit":["exp"],"kid":"{kid}","typ":"{typ}"}}"#),
            "unknown_member",
        ),
        (
            "header-duplicate",
            format!(r#"{{"alg":"EdDSA","alg":"EdDSA","kid":"{kid}","typ":"{typ}"}}"#),
            "duplicate_member",
        ),
        ("header-typ-jwt", format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"JWT"}}"#), "wrong_type"),
        ("header-typ-message", header(&kid, "vigie-message-live-v1"), "wrong_type"),
        ("header-typ-revocation", header(&kid, "vigie-revocation-live-v1"), "wrong_type"),
        ("header-typ-other-plane", header(&kid, "vigie-credential-exercise-v1"), "wrong_plane"),
        ("header-kid-short", header(&kid[..42], typ), "malformed_token"),
    ] {
        book.below_nation(base.token_with_header(name, header), verdict, Some("town-live"));
    }
}

pub(super) fn signatures(book: &mut Book) {
    let good = find(&book.tokens, "town-live").clone();
    let twin = Some("town-live");
    // Bits of the payload that turn one letter of the name into another.
    let at = good.payload.find("Essai").unwrap() * 8;
    book.below_nation(good.then("payload-bit", Then::Flip { part: 1, bit: at }), "bad_signature", twin);
    book.below_nation(good.then("signature-bit-r", Then::Flip { part: 2, bit: 77 }), "bad_signature", twin);
    book.below_nation(good.then("signature-bit-s", Then::Flip { part: 2, bit: 400 }), "bad_signature", twin);
    // The last character of a signature holds two bits of it, and four spare ones that must be zero.
    let last = good.text.chars().next_back().unwrap();
    let spare = char::from(u8::try_from(last).unwrap() + 1);
    book.below_nation(good.then("not-canonical", Then::Last(spare)), "malformed_token", twin);
    book.below_nation(good.then("padded", Then::Append("=".to_owned())), "malformed_token", twin);
    book.below_nation(good.then("four-parts", Then::Append(".e30".to_owned())), "malformed_token", twin);
    let by_stranger = town(book, "live").with(|draft| draft.key = "stranger-live".to_owned());
    book.below_nation(by_stranger.token("signed-by-stranger"), "bad_signature", twin);
    let by_itself = town(book, "live").with(|draft| draft.key = "town-live".to_owned());
    book.below_nation(by_itself.token("signed-by-itself"), "bad_signature", twin);
    let forged = root("live").with(|draft| draft.key = "stranger-live".to_owned()).token("root-forged");
    let name = book.add(forged);
    book.case(&name, &[&name], "bad_signature", Some("root-live"));
}
