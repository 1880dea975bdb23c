//! Chains of credentials: any claims, each link rightly signed by the one above it.
//!
//! A link a line, root first. `"@k2"` in its claims is the JWK of key 2, which the link below is then signed with; `"@p"`
//! is the id of the link above. A line may begin with `~` for a `typ` of the other plane, or `^` for a stranger's signature.

use std::sync::Arc;

use vigie_proto::chain::{Chain, NoVerdicts, TokenHash, Verdicts};
use vigie_proto::channel::Plane;
use vigie_proto::credential::{Credential, Role};
use vigie_proto::limits::{CHAIN_LINKS_MAX, CREDENTIAL_BYTES_MAX};
use vigie_proto::refusal::Code;
use vigie_proto::time::Timestamp;

use super::{form_and, refused};
use crate::memory::{Memory, signed};
use crate::signed::{STRANGER, Town, filled, key, named_key, roots};
use crate::{Outcome, plant};

/// Codes of parts 6 and 7 of PROTOCOL.md, but those of a token.
const CODES: [Code; 9] = [
    Code::CredentialTooLarge,
    Code::MalformedCredential,
    Code::KeyRefused,
    Code::WrongPlane,
    Code::TooManyLinks,
    Code::UnknownRoot,
    Code::BrokenChain,
    Code::BadSignature,
    Code::ExceedsParent,
];

/// One more than may be.
const LINES_MAX: usize = CHAIN_LINKS_MAX + 1;

thread_local! {
    static FOUND: Memory<TokenHash, Arc<Credential>> = Memory::default();
}

/// A chain.
pub fn chain(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else { return Outcome::Passed };
    FOUND.with(|memory| judge_all(text, memory))
}

fn judge_all(text: &str, memory: &dyn Verdicts) -> Outcome {
    let (tokens, forged) = issue(text);
    let verify = |links: &[String], memory: &dyn Verdicts| {
        Chain::verify(links.iter().map(String::as_str), roots(), memory)
    };
    let judged = verify(&tokens, memory);
    // What is remembered changes nothing, and neither does remembering nothing.
    assert_eq!(verify(&tokens, memory), judged);
    // Signatures are most of the time: of some inputs it is enough.
    if text.len().is_multiple_of(8) {
        assert_eq!(verify(&tokens, &NoVerdicts), judged);
    }
    match judged {
        Ok(chain) => {
            assert_eq!(forged, None, "a stranger is believed");
            assert_eq!(chain.links().len(), tokens.len());
            judge(&chain);
            for fewer in 1..tokens.len() {
                let above = verify(&tokens[..fewer], memory).expect("whoever is above a good link is good");
                assert_eq!(above.links(), &chain.links()[..fewer]);
                assert!(verify(&tokens[fewer..], &NoVerdicts).is_err(), "a chain without its root");
            }
            plant::inside("chain", || chain.links().len() == 3 && chain.leaf().claims().role == Role::Relay);
            Outcome::Taken
        }
        Err(refusal) => refused(&refusal, &form_and(&CODES)),
    }
}

/// Signs each line; the place of the first that a stranger signed.
fn issue(text: &str) -> (Vec<String>, Option<usize>) {
    let mut tokens: Vec<String> = Vec::new();
    let (mut above, mut signer, mut forged) = (None::<String>, 0, None);
    for (place, line) in text.lines().take(LINES_MAX).enumerate() {
        let mark = line.chars().next().filter(|mark| matches!(mark, '~' | '^'));
        let claims = line.trim_start_matches(['~', '^']);
        let subject = named_key(claims).unwrap_or(0);
        let is_exercise = claims.contains(r#""plane":"exercise""#) != (mark == Some('~'));
        let plane = if is_exercise { Plane::Exercise } else { Plane::Live };
        let is_below = claims.contains("\"@p\"");
        let kid = match &above {
            Some(id) if is_below => id.clone(),
            Some(_) | None => key(subject).id.to_string(),
        };
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"vigie-credential-{plane}-v1"}}"#);
        let mut by = if is_below { signer } else { subject };
        if mark == Some('^') && by != STRANGER {
            by = STRANGER;
            forged.get_or_insert(place);
        }
        let claims = filled(claims, Town::on(plane), above.as_deref());
        let token = signed(by, &header, &claims);
        above = Some(id_of(&token));
        signer = subject;
        tokens.push(token);
    }
    (tokens, forged)
}

/// The id of a token, whatever it says: for the line below, which may be read when this one is not.
fn id_of(token: &str) -> String {
    use base64::Engine as _;
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    let hash = ring::digest::digest(&ring::digest::SHA256, signed.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash)
}

/// What must hold of a good chain, said once more in other words.
fn judge(chain: &Chain) {
    let links = chain.links();
    assert!((1..=CHAIN_LINKS_MAX).contains(&links.len()));
    for (depth, link) in links.iter().enumerate() {
        let claims = link.claims();
        assert!(link.token().len() <= CREDENTIAL_BYTES_MAX);
        assert!(claims.name.len() <= 64 && claims.grants.len() <= 16);
        assert_eq!(claims.plane, chain.plane());
        assert_eq!(Credential::parse(link.token()).as_ref(), Ok(&**link));
        let Some(above) = depth.checked_sub(1).map(|above| links[above].claims()) else {
            assert_eq!(link.key_id(), key(0).id, "another root");
            continue;
        };
        assert_eq!(above.role, Role::Author, "a relay issues");
        let (org, of) = (claims.org.as_str(), above.org.as_str());
        assert!(org == of || org.starts_with(&format!("{of}.")), "{org} is not of {of}");
        assert!(claims.valid.from >= above.valid.from && claims.valid.until <= above.valid.until);
        for grant in &claims.grants {
            let covers = above.grants.iter().any(|wider| {
                let (at, of) = (grant.at.as_str(), wider.at.as_str());
                wider.flow == grant.flow
                    && (at == of || at.starts_with(&format!("{of}.")))
                    && (grant.publish.is_none() || grant.publish <= wider.publish)
                    && (!grant.subscribe || wider.subscribe)
                    && grant.delegate < wider.delegate
            });
            assert!(covers, "{grant:?} of nothing in {above:?}");
        }
    }
    let (window, leaf) = (chain.window(), chain.leaf().claims().valid);
    for edge in [leaf.from, leaf.until, Timestamp::EPOCH, Timestamp::FAR_FUTURE] {
        for at in [edge.as_millis().saturating_sub(1), edge.as_millis(), edge.as_millis().saturating_add(1)] {
            let at = Timestamp::from_millis(at);
            assert_eq!(chain.judge(at).is_ok(), window.contains(at), "{at:?}");
        }
    }
    judge_issued(chain);
}

/// The same claims, issued by the project's own code, are the same credential.
fn judge_issued(chain: &Chain) {
    let Some((leaf, above)) = chain.links().split_last() else { return };
    let Some(signer) = (0..STRANGER).map(key).find(|key| {
        let by = above.last().unwrap_or(leaf);
        *key.signing.public() == by.claims().subject
    }) else {
        return;
    };
    let issued = match above.last() {
        None => Credential::issue_root(&signer.signing, leaf.claims()),
        Some(parent) => Credential::issue_below(&signer.signing, leaf.claims(), parent),
    };
    let issued = issued.expect("what was read can be issued");
    assert_eq!((issued.claims(), issued.issuer()), (leaf.claims(), leaf.issuer()));
    assert!(issued.token().len() <= leaf.token().len() + 4, "{}", issued.token());
}
