//! `revocations.json`: tokens of revocations with their verdicts, and whom they meet.

use serde::Serialize;

use crate::support::{NOW, SECOND, TestKey, Then, Token, WARNING, find, header};

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
    let mut file =
        File { test_only: true, warning: WARNING, tokens: Vec::new(), cases: Vec::new(), meets: Vec::new() };
    sound(&mut file, credentials);
    bad(&mut file, credentials);
    meets(&mut file, credentials);
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

mod tests {
    use std::sync::Arc;

    use vigie_proto::credential::Credential;
    use vigie_proto::key::SigningKey;
    use vigie_proto::refusal::Refusal;
    use vigie_proto::revocation::{self, InForce, Revocations, VerifiedRevocation};
    use vigie_proto::time::Timestamp;

    use super::*;
    use crate::support::{roots, verify_chain};
    use crate::{credentials, twins_hold, word};

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
