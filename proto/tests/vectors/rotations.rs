//! `rotations.json`: tokens of rotations with their verdicts, and chains below the roots that they name.

use serde::Serialize;

use super::credentials::Draft;
use crate::support::{DAY, NOW, SECOND, TestKey, Then, Token, WARNING, header};

#[derive(Serialize)]
pub(crate) struct File {
    #[serde(rename = "TEST-ONLY")]
    test_only: bool,
    warning: &'static str,
    /// Rotations, and the credentials of the roots that they name.
    pub(crate) tokens: Vec<Token>,
    /// Each by itself, given to who has pinned the roots of `credentials.json`.
    pub(crate) cases: Vec<Case>,
    /// What follows from several.
    pub(crate) chains: Vec<Judged>,
}

#[derive(Serialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Name of a token of this file.
    pub(crate) token: String,
    pub(crate) verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repaired: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Judged {
    pub(crate) name: String,
    /// Names of keys whose thumbprints are pinned.
    pub(crate) pinned: Vec<String>,
    /// Names of rotations of this file that were installed with them.
    pub(crate) installed: Vec<String>,
    /// Names of those that a relay gave, in this order.
    pub(crate) given: Vec<String>,
    /// Names of tokens of this file or of `credentials.json`, root first.
    pub(crate) chain: Vec<String>,
    pub(crate) at: u64,
    pub(crate) verdict: String,
}

const OLD: &str = "root-live";
const HEIR: &str = "heir-live";
const NEXT: &str = "heir-of-heir-live";
const STRANGER: &str = "stranger-live";

/// When the heir is a root, and when the old root is none any more.
const FROM: u64 = NOW;
const UNTIL: u64 = NOW + 90 * DAY;

fn jwk(name: &str) -> String {
    format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, TestKey::named(name).x())
}

fn payload(root: &str, successor: &str, times: &str) -> String {
    format!(r#"{{"root":{},"successor":{},{times}}}"#, jwk(root), jwk(successor))
}

fn overlap() -> String {
    format!(r#""from":{FROM},"until":{UNTIL}"#)
}

fn head(root: &str, plane: &str) -> String {
    header(&TestKey::named(root).thumbprint(), &format!("vigie-rotation-{plane}-v1"))
}

fn rotation(name: &str, root: &str, successor: &str, times: &str) -> Token {
    Token::new(name, root, head(root, "live"), payload(root, successor, times))
}

pub(crate) fn build() -> File {
    let mut file =
        File { test_only: true, warning: WARNING, tokens: Vec::new(), cases: Vec::new(), chains: Vec::new() };
    sound(&mut file);
    bad(&mut file);
    chains(&mut file);
    file
}

fn add(file: &mut File, token: Token, verdict: &str) {
    file.cases.push(Case {
        name: token.name.clone(),
        token: token.name.clone(),
        verdict: verdict.to_owned(),
        repaired: (verdict != "ok").then(|| "to-heir".to_owned()),
    });
    file.tokens.push(token);
}

fn sound(file: &mut File) {
    add(file, rotation("to-heir", OLD, HEIR, &overlap()), "ok");
    add(file, rotation("to-heir-without-end", OLD, HEIR, &format!(r#""from":{FROM}"#)), "ok");
    let more = format!(r#"{},"ext":{{"note":"a"}}"#, overlap());
    add(file, rotation("with-ext", OLD, HEIR, &more), "ok");
    add(file, rotation("to-stranger", OLD, STRANGER, &format!(r#""from":{FROM}"#)), "ok");
    // Stated as if by a root, and by one that has ended.
    add(file, rotation("after-its-end", OLD, STRANGER, &format!(r#""from":{UNTIL}"#)), "ok");
    // Not by a root that is pinned: for those who have pinned that one.
    add(file, rotation("heir-to-next", HEIR, NEXT, &format!(r#""from":{}"#, NOW + DAY)), "unknown_root");
    add(file, rotation("back-to-old", HEIR, OLD, &format!(r#""from":{FROM}"#)), "unknown_root");
    add(file, rotation("by-stranger", STRANGER, HEIR, &overlap()), "unknown_root");
    let exercise = Token::new("on-exercise", OLD, head(OLD, "exercise"), payload(OLD, HEIR, &overlap()));
    add(file, exercise, "ok");
}

fn bad(file: &mut File) {
    let good = payload(OLD, HEIR, &overlap());
    let until = |until: u64| payload(OLD, HEIR, &format!(r#""from":{FROM},"until":{until}"#));
    let x = TestKey::named(HEIR).x();
    let small = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (name, payload, verdict) in [
        ("no-root", good.replace(&format!(r#""root":{},"#, jwk(OLD)), ""), "malformed_rotation"),
        ("no-successor", good.replace(&format!(r#""successor":{},"#, jwk(HEIR)), ""), "malformed_rotation"),
        ("successor-array", good.replace(&jwk(HEIR), "[]"), "malformed_rotation"),
        ("successor-short", good.replace(&x, &x[1..]), "malformed_rotation"),
        ("successor-small-order", good.replace(&x, small), "key_refused"),
        ("successor-is-itself", payload(OLD, OLD, &overlap()), "malformed_rotation"),
        ("root-is-another", payload(STRANGER, HEIR, &overlap()), "malformed_rotation"),
        ("from-missing", good.replace(&format!(r#""from":{FROM},"#), ""), "malformed_rotation"),
        ("from-text", good.replace(&FROM.to_string(), r#""now""#), "malformed_rotation"),
        ("until-null", good.replace(&UNTIL.to_string(), "null"), "malformed_rotation"),
        ("until-at-from", until(FROM), "malformed_rotation"),
        ("unknown-member", good.replace(r#""from""#, r#""number":1,"from""#), "unknown_member"),
        ("duplicate-member", good.replace(r#""from""#, r#""from":1,"from""#), "duplicate_member"),
    ] {
        add(file, Token::new(name, OLD, head(OLD, "live"), payload), verdict);
    }
    let large = good.replace(r#""from""#, r#""ext":{"a":"@FILL@"},"from""#);
    let large = Token::build("too-large", OLD, head(OLD, "live"), large, Some(500), Vec::new());
    add(file, large, "malformed_rotation");
    let signed = |name: &str, key: &str, head: String| Token::new(name, key, head, good.clone());
    add(file, signed("signed-by-heir", HEIR, head(OLD, "live")), "bad_signature");
    add(file, signed("signed-by-stranger", STRANGER, head(OLD, "live")), "bad_signature");
    add(file, signed("kid-of-heir", OLD, head(HEIR, "live")), "malformed_rotation");
    let revocation = header(&TestKey::named(OLD).thumbprint(), "vigie-revocation-live-v1");
    add(file, signed("typ-of-revocation", OLD, revocation), "wrong_type");
    let flipped =
        signed("flip", OLD, head(OLD, "live")).then("signature-bit", Then::Flip { part: 2, bit: 200 });
    add(file, flipped, "bad_signature");
}

fn chains(file: &mut File) {
    for (name, root) in [("heir-root", HEIR), ("next-root", NEXT), ("stranger-as-root", STRANGER)] {
        file.tokens.push(Draft::root(root).token(name));
    }
    let old: &[&str] = &["root-live"];
    let heir: &[&str] = &["heir-root"];
    let next: &[&str] = &["next-root"];
    let stranger: &[&str] = &["stranger-as-root"];
    let both: &[&str] = &["to-heir", "heir-to-next"];
    type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str], &'a [&'a str], u64, &'a str);
    let rows: &[Row<'_>] = &[
        ("old-alone", &[OLD], &[], &[], old, UNTIL, "ok"),
        ("heir-without-rotation", &[OLD], &[], &[], heir, FROM, "unknown_root"),
        ("heir", &[OLD], &["to-heir"], &[], heir, FROM, "ok"),
        ("heir-given-by-a-relay", &[OLD], &[], &["to-heir"], heir, FROM, "ok"),
        ("heir-too-early", &[OLD], &["to-heir"], &[], heir, FROM - 1, "credential_not_yet_valid"),
        ("heir-after-overlap", &[OLD], &["to-heir"], &[], heir, UNTIL + SECOND, "ok"),
        ("old-in-overlap", &[OLD], &["to-heir"], &[], old, UNTIL - 1, "ok"),
        ("old-at-its-end", &[OLD], &["to-heir"], &[], old, UNTIL, "root_ended"),
        ("old-without-end", &[OLD], &["to-heir-without-end"], &[], old, UNTIL, "ok"),
        ("old-for-who-pinned-both", &[OLD, HEIR], &["to-heir"], &[], old, UNTIL, "root_ended"),
        ("heir-pinned-too-early", &[OLD, HEIR], &["to-heir"], &[], heir, FROM - 1, "ok"),
        ("old-for-who-pinned-the-heir", &[HEIR], &[], &["to-heir"], old, FROM, "unknown_root"),
        ("stranger-by-a-stranger", &[HEIR], &[], &["to-stranger"], stranger, FROM, "unknown_root"),
        ("on-the-other-plane", &[OLD], &["on-exercise"], &[], heir, FROM, "unknown_root"),
        ("end-on-the-other-plane", &[OLD], &["on-exercise"], &[], old, UNTIL, "ok"),
        ("two-steps", &[OLD], both, &[], next, NOW + DAY, "ok"),
        ("two-steps-too-early", &[OLD], both, &[], next, NOW + DAY - 1, "credential_not_yet_valid"),
        ("two-steps-from-the-second", &[HEIR], &[], both, next, NOW + DAY, "ok"),
        (
            "two-steps-given-backwards",
            &[OLD],
            &[],
            &["heir-to-next", "to-heir"],
            next,
            NOW + DAY,
            "unknown_root",
        ),
        ("in-a-circle", &[OLD], &["to-heir", "back-to-old"], &[], heir, FROM, "ok"),
        ("in-a-circle-at-the-end", &[OLD], &["to-heir", "back-to-old"], &[], old, UNTIL, "root_ended"),
        ("stated-after-its-end", &[OLD], &["to-heir", "after-its-end"], &[], stranger, UNTIL, "unknown_root"),
        ("second-successor", &[OLD], &[], &["to-heir", "to-stranger"], stranger, FROM, "ok"),
        (
            "installed-leaves-nothing-to-give",
            &[OLD],
            &["to-heir"],
            &["to-stranger"],
            stranger,
            FROM,
            "unknown_root",
        ),
        (
            "the-earliest-end-counts",
            &[OLD],
            &["to-heir-without-end", "to-heir"],
            &[],
            old,
            UNTIL,
            "root_ended",
        ),
    ];
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    for &(name, pinned, installed, given, chain, at, verdict) in rows {
        file.chains.push(Judged {
            name: name.to_owned(),
            pinned: names(pinned),
            installed: names(installed),
            given: names(given),
            chain: names(chain),
            at,
            verdict: verdict.to_owned(),
        });
    }
}

mod tests {
    use vigie_proto::chain::{Chain, NoVerdicts, Roots};
    use vigie_proto::key::SigningKey;
    use vigie_proto::refusal::Refusal;
    use vigie_proto::rotation::{self, Rotation};
    use vigie_proto::time::Timestamp;

    use super::*;
    use crate::support::{find, roots};
    use crate::{credentials, twins_hold, word};

    fn judge(file: &File, judged: &Judged, credentials: &[Token]) -> Result<(), Refusal> {
        let pins = judged.pinned.iter().map(|name| TestKey::named(name).pin());
        let mut roots = Roots::dangerous_test_only(pins);
        let text = |name: &String| find(&file.tokens, name).text.clone();
        let installed: Vec<String> = judged.installed.iter().map(text).collect();
        roots.install(installed.iter().map(String::as_str)).map_err(|(_, refusal)| refusal)?;
        for given in &judged.given {
            // What does not count for these pins is passed over.
            let _ = roots.learn(Rotation::parse(&text(given))?);
        }
        let links = judged.chain.iter().map(|name| {
            let tokens =
                if file.tokens.iter().any(|token| token.name == *name) { &file.tokens } else { credentials };
            find(tokens, name).text.as_str()
        });
        Chain::verify(links, &roots, &NoVerdicts)?.judge(Timestamp::from_millis(judged.at))
    }

    #[test]
    fn rotations_are_judged_as_the_vectors_say() {
        let credentials = credentials::build().tokens;
        let file = build();
        for case in &file.cases {
            let mut roots = roots();
            let token = &find(&file.tokens, &case.token).text;
            let verdict = Rotation::parse(token).and_then(|rotation| roots.learn(rotation));
            assert_eq!(word(&verdict), case.verdict, "{}: {verdict:?}", case.name);
        }
        twins_hold(file.cases.iter().map(|case| (&*case.name, &*case.verdict, case.repaired.as_deref())));
        for judged in &file.chains {
            let verdict = judge(&file, judged, &credentials);
            assert_eq!(word(&verdict), judged.verdict, "{}: {verdict:?}", judged.name);
        }
    }

    #[test]
    fn handing_over_gives_the_bytes_of_the_vectors() {
        let file = build();
        for name in ["to-heir", "to-heir-without-end", "on-exercise"] {
            let token = find(&file.tokens, name);
            let read = Rotation::parse(&token.text).unwrap();
            let key = SigningKey::from_seed(&TestKey::named(&token.key).seed).unwrap();
            let signed = rotation::sign(&key, read.plane(), read.handover()).unwrap();
            assert_eq!(**signed.token(), *token.text, "{name}");
            assert_eq!(signed.id().to_string(), token.id, "{name}");
        }
    }
}
