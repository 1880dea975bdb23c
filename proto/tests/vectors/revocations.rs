//! `revocations.json`: tokens of revocations with their verdicts, and whom they meet.

use serde::Serialize;

use crate::support::{DAY, NOW, SECOND, TestKey, Then, Token, WARNING, find, header};

#[derive(Serialize)]
pub(crate) struct File {
    #[serde(rename = "TEST-ONLY")]
    test_only: bool,
    warning: &'static str,
    pub(crate) tokens: Vec<Token>,
    /// Each under the chain of its issuer.
    pub(crate) cases: Vec<Case>,
    /// Whom a sound one meets.
    pub(crate) meets: Vec<Meets>,
    /// What becomes of several at a relay, one after the other.
    pub(crate) sequences: Vec<Sequence>,
}

#[derive(Serialize)]
pub(crate) struct Sequence {
    pub(crate) name: String,
    /// Names of rotations of `rotations.json` that were installed with the pins.
    pub(crate) installed: Vec<String>,
    /// When all are admitted.
    pub(crate) admitted: u64,
    pub(crate) steps: Vec<Step>,
    /// Names of tokens of `credentials.json`, root first.
    pub(crate) chain: Vec<String>,
    /// Since when what was admitted under this chain is disowned, in the end; absent when it is not revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<u64>,
}

#[derive(Serialize)]
pub(crate) struct Step {
    /// Name of a case whose signature is good.
    pub(crate) revocation: String,
    pub(crate) verdict: String,
}

#[derive(Serialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Names of tokens of `credentials.json`, root first.
    pub(crate) chain: Vec<String>,
    /// Name of a token of this file.
    pub(crate) token: String,
    pub(crate) admitted: u64,
    pub(crate) verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repaired: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Meets {
    /// Name of a case that is `ok`.
    pub(crate) revocation: String,
    /// Names of tokens of `credentials.json`, root first.
    pub(crate) chain: Vec<String>,
    /// The id of the link that is revoked; absent when none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<String>,
}

pub(crate) const ROOT: &[&str] = &["root-live"];
pub(crate) const NATION: &[&str] = &["root-live", "nation-live"];
pub(crate) const TOWN: &[&str] = &["root-live", "nation-live", "town-live"];
pub(crate) const FIELD: &[&str] = &["root-live", "nation-live", "town-live", "field-live"];

fn names(chain: &[&str]) -> Vec<String> {
    chain.iter().map(|name| (*name).to_owned()).collect()
}

fn payload(target: &str, number: u64) -> String {
    format!(r#"{{"target":{target},"from":{NOW},"number":{number},"reason":"keyCompromise"}}"#)
}

fn credential(credentials: &[Token], name: &str) -> String {
    format!(r#"{{"credential":"{}"}}"#, find(credentials, name).id)
}

fn key(name: &str) -> String {
    format!(r#"{{"key":"{}"}}"#, TestKey::named(name).thumbprint())
}

pub(crate) fn build(credentials: &[Token]) -> File {
    let mut file = File {
        test_only: true,
        warning: WARNING,
        tokens: Vec::new(),
        cases: Vec::new(),
        meets: Vec::new(),
        sequences: Vec::new(),
    };
    sound(&mut file, credentials);
    bad(&mut file, credentials);
    meets(&mut file, credentials);
    sequences(&mut file);
    file
}

fn add(file: &mut File, token: Token, chain: &[&str], verdict: &str) {
    file.cases.push(Case {
        name: token.name.clone(),
        chain: names(chain),
        token: token.name.clone(),
        admitted: NOW + SECOND,
        verdict: verdict.to_owned(),
        repaired: (verdict != "ok").then(|| "town-by-nation".to_owned()),
    });
    file.tokens.push(token);
}

fn head(credentials: &[Token], issuer: &str) -> String {
    header(&find(credentials, issuer).id, "vigie-revocation-live-v1")
}

fn sound(file: &mut File, credentials: &[Token]) {
    for (name, issuer, chain, target) in [
        ("town-by-nation", "nation-live", NATION, credential(credentials, "town-live")),
        ("town-by-root", "root-live", ROOT, credential(credentials, "town-live")),
        ("key-of-town-by-nation", "nation-live", NATION, key("town-live")),
        ("key-by-itself", "town-live", TOWN, key("town-live")),
        ("nation-by-town", "town-live", TOWN, credential(credentials, "nation-live")),
    ] {
        let token = Token::new(name, issuer, head(credentials, issuer), payload(&target, 1));
        add(file, token, chain, "ok");
    }
    let target = credential(credentials, "town-live");
    let more = format!(r#"{{"target":{target},"from":{NOW},"number":2,"ext":{{"note":"a"}}}}"#);
    add(file, Token::new("with-ext", "nation-live", head(credentials, "nation-live"), more), NATION, "ok");
    let ahead = |name: &str, millis: u64| {
        let from = NOW + SECOND + millis;
        let payload = format!(r#"{{"target":{target},"from":{from},"number":3}}"#);
        Token::new(name, "nation-live", head(credentials, "nation-live"), payload)
    };
    add(file, ahead("from-120-s-ahead", 120 * SECOND), NATION, "ok");
    for (name, issuer, chain) in
        [("earlier-by-itself", "town-live", TOWN), ("root-by-itself", "root-live", ROOT)]
    {
        let from = NOW - SECOND;
        let payload = format!(r#"{{"target":{},"from":{from},"number":1}}"#, key(issuer));
        add(file, Token::new(name, issuer, head(credentials, issuer), payload), chain, "ok");
    }
    add(file, ahead("from-too-far-ahead", 120 * SECOND + 1), NATION, "sent_in_future");
}

fn bad(file: &mut File, credentials: &[Token]) {
    let head = head(credentials, "nation-live");
    let target = credential(credentials, "town-live");
    let good = payload(&target, 1);
    for (name, payload, verdict) in [
        ("no-target", good.replace(&format!(r#""target":{target},"#), ""), "malformed_revocation"),
        ("target-empty", payload("{}", 1), "malformed_revocation"),
        (
            "target-both",
            payload(&format!("{},{}", &target[..target.len() - 1], &key("town-live")[1..]), 1),
            "malformed_revocation",
        ),
        ("target-array", payload(r#"["x",null]"#, 1), "malformed_revocation"),
        ("target-unknown", payload(r#"{"org":"fr"}"#, 1), "unknown_member"),
        ("number-zero", payload(&target, 0), "malformed_revocation"),
        ("number-text", good.replace(r#""number":1"#, r#""number":"1""#), "malformed_revocation"),
        ("number-missing", good.replace(r#""number":1,"#, ""), "malformed_revocation"),
        ("from-missing", good.replace(&format!(r#""from":{NOW},"#), ""), "malformed_revocation"),
        ("reason-unknown", good.replace("keyCompromise", "unspecified"), "malformed_revocation"),
        ("reason-null", good.replace(r#""keyCompromise""#, "null"), "malformed_revocation"),
        ("unknown-member", good.replace(r#""number""#, r#""serial":1,"number""#), "unknown_member"),
        ("duplicate-member", good.replace(r#""number""#, r#""number":2,"number""#), "duplicate_member"),
    ] {
        add(file, Token::new(name, "nation-live", head.clone(), payload), NATION, verdict);
    }
    let large = good.replace(r#""number""#, r#""ext":{"a":"@FILL@"},"number""#);
    let large = Token::build("too-large", "nation-live", head.clone(), large, Some(500), Vec::new());
    add(file, large, NATION, "malformed_revocation");
    let token = |name: &str, key: &str, head: String| Token::new(name, key, head, good.clone());
    let nation = find(credentials, "nation-live").id.clone();
    add(file, token("signed-by-other-key", "town-live", head.clone()), NATION, "bad_signature");
    let other = header(&find(credentials, "town-live").id, "vigie-revocation-live-v1");
    add(file, token("kid-of-another", "nation-live", other), NATION, "unknown_credential");
    let exercise = header(&nation, "vigie-revocation-exercise-v1");
    add(file, token("typ-of-exercise", "nation-live", exercise), NATION, "wrong_plane");
    let message = header(&nation, "vigie-message-live-v1");
    add(file, token("typ-of-message", "nation-live", message), NATION, "wrong_type");
    let flipped = token("flip", "nation-live", head).then("signature-bit", Then::Flip { part: 2, bit: 200 });
    add(file, flipped, NATION, "bad_signature");
}

fn meets(file: &mut File, credentials: &[Token]) {
    for (revocation, chain, link) in [
        ("town-by-nation", TOWN, Some("town-live")),
        ("town-by-nation", FIELD, Some("town-live")),
        ("town-by-nation", NATION, None),
        ("town-by-root", FIELD, Some("town-live")),
        ("key-of-town-by-nation", FIELD, Some("town-live")),
        ("key-of-town-by-nation", ROOT, None),
        ("key-by-itself", TOWN, Some("town-live")),
        ("key-by-itself", FIELD, Some("town-live")),
        ("nation-by-town", TOWN, None),
        ("nation-by-town", NATION, None),
    ] {
        file.meets.push(Meets {
            revocation: revocation.to_owned(),
            chain: names(chain),
            link: link.map(|name| find(credentials, name).id.clone()),
        });
    }
}

/// After the end of the old root in `to-heir`.
const AFTER_ITS_END: u64 = NOW + 91 * DAY;

fn sequences(file: &mut File) {
    type Row<'a> = (&'a str, &'a [&'a str], u64, &'a [(&'a str, &'a str)], &'a [&'a str], Option<u64>);
    let (soon, to_heir): (u64, &[&str]) = (NOW + SECOND, &["to-heir"]);
    let rows: &[Row<'_>] = &[
        ("numbers-fall", &[], soon, &[("with-ext", "ok"), ("town-by-nation", "ok")], FIELD, Some(NOW)),
        (
            "one-number-twice",
            &[],
            soon,
            &[("town-by-nation", "ok"), ("key-of-town-by-nation", "ok")],
            FIELD,
            Some(NOW),
        ),
        ("twice-the-same", &[], soon, &[("town-by-nation", "ok"), ("town-by-nation", "ok")], TOWN, Some(NOW)),
        (
            "by-one-who-is-revoked",
            &[],
            soon,
            &[("town-by-root", "ok"), ("nation-by-town", "revoked")],
            NATION,
            None,
        ),
        (
            "ones-own-from-earlier-on",
            &[],
            soon,
            &[("key-by-itself", "ok"), ("earlier-by-itself", "ok"), ("key-by-itself", "revoked")],
            FIELD,
            Some(NOW - SECOND),
        ),
        (
            "ones-own-behind-that-of-a-superior",
            &[],
            soon,
            &[("key-of-town-by-nation", "ok"), ("earlier-by-itself", "revoked")],
            FIELD,
            Some(NOW),
        ),
        (
            "ones-own-from-no-earlier-on",
            &[],
            soon,
            &[("key-of-town-by-nation", "ok"), ("key-by-itself", "revoked")],
            TOWN,
            Some(NOW),
        ),
        (
            "by-a-root-that-ended",
            to_heir,
            AFTER_ITS_END,
            &[("town-by-root", "root_ended"), ("root-by-itself", "ok")],
            TOWN,
            Some(NOW - SECOND),
        ),
        ("below-a-root-that-ended", to_heir, AFTER_ITS_END, &[("key-by-itself", "ok")], TOWN, Some(NOW)),
    ];
    for &(name, installed, admitted, steps, chain, from) in rows {
        let step = |&(revocation, verdict): &(&str, &str)| Step {
            revocation: revocation.to_owned(),
            verdict: verdict.to_owned(),
        };
        file.sequences.push(Sequence {
            name: name.to_owned(),
            installed: names(installed),
            admitted,
            steps: steps.iter().map(step).collect(),
            chain: names(chain),
            from,
        });
    }
}

mod tests {
    use std::sync::Arc;

    use vigie_proto::admit::admit_revocation;

    use vigie_proto::credential::Credential;
    use vigie_proto::key::SigningKey;
    use vigie_proto::refusal::Refusal;
    use vigie_proto::revocation::{self, InForce, Revocations, VerifiedRevocation};
    use vigie_proto::time::Timestamp;

    use super::*;
    use crate::support::{roots, verify_chain};
    use crate::{credentials, rotations, twins_hold, word};

    fn judge(file: &File, case: &Case, credentials: &[Token]) -> Result<VerifiedRevocation, Refusal> {
        let chain = Arc::new(verify_chain(credentials, &case.chain, &roots())?);
        let verified = revocation::verify(&find(&file.tokens, &case.token).text, &chain)?;
        verified.judge_admitted(Timestamp::from_millis(case.admitted)).map(|()| verified)
    }

    #[test]
    fn revocations_are_judged_as_the_vectors_say() {
        let credentials = credentials::build().tokens;
        let file = build(&credentials);
        for case in &file.cases {
            let verdict = judge(&file, case, &credentials);
            assert_eq!(word(&verdict), case.verdict, "{}: {verdict:?}", case.name);
        }
        twins_hold(file.cases.iter().map(|case| (&*case.name, &*case.verdict, case.repaired.as_deref())));
        for case in &file.meets {
            let of = file.cases.iter().find(|of| of.name == case.revocation).unwrap();
            let in_force = InForce::from(&judge(&file, of, &credentials).unwrap());
            let chain = verify_chain(&credentials, &case.chain, &roots()).unwrap();
            let link = in_force.meets(&chain).map(|link| link.id().to_string());
            assert_eq!(link, case.link, "{} {:?}", case.revocation, case.chain);
            let mut revocations = Revocations::default();
            revocations.insert(in_force);
            let revoked = revocations.revoked(&chain).map(|revoked| revoked.link.to_string());
            assert_eq!(revoked, case.link, "{} {:?}", case.revocation, case.chain);
        }
    }

    #[test]
    fn one_after_the_other_they_are_admitted_as_the_vectors_say() {
        let credentials = credentials::build().tokens;
        let (file, rotations) = (build(&credentials), rotations::build().tokens);
        for sequence in &file.sequences {
            let mut trusted = roots();
            trusted.install(sequence.installed.iter().map(|name| &*find(&rotations, name).text)).unwrap();
            let mut in_force = Revocations::default();
            for step in &sequence.steps {
                let case = file.cases.iter().find(|case| case.name == step.revocation).unwrap();
                let chain = Arc::new(verify_chain(&credentials, &case.chain, &trusted).unwrap());
                let verified = revocation::verify(&find(&file.tokens, &case.token).text, &chain).unwrap();
                let admitted = Timestamp::from_millis(sequence.admitted);
                let verdict = admit_revocation(&verified, admitted, &in_force);
                assert_eq!(word(&verdict), step.verdict, "{} {}", sequence.name, step.revocation);
                if verdict.is_ok() {
                    in_force.insert(InForce::from(&verified));
                    in_force.keep_furthest_own(&InForce::from(&verified));
                }
            }
            let chain = verify_chain(&credentials, &sequence.chain, &trusted).unwrap();
            let from = in_force.revoked(&chain).map(|revoked| revoked.from().as_millis());
            assert_eq!(from, sequence.from, "{}", sequence.name);
        }
    }

    #[test]
    fn revoking_gives_the_bytes_of_the_vectors() {
        let credentials = credentials::build().tokens;
        let file = build(&credentials);
        for name in ["town-by-nation", "town-by-root", "key-of-town-by-nation", "from-120-s-ahead"] {
            let token = find(&file.tokens, name);
            let case = file.cases.iter().find(|case| case.name == name).unwrap();
            let verified = judge(&file, case, &credentials).unwrap();
            let issuer = Credential::parse(&find(&credentials, case.chain.last().unwrap()).text).unwrap();
            let key = SigningKey::from_seed(&TestKey::named(&token.key).seed).unwrap();
            let revocation = verified.revocation();
            assert_eq!(revocation::sign(&key, &issuer, revocation.statement()), token.text, "{name}");
            assert_eq!(revocation.id().to_string(), token.id, "{name}");
        }
    }
}
